/* commit.c - cowbox commit: make changes of the box true. */
#include "cmd.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/copy.h"

static const struct option_row options[] = {
	{ 'b', "box", "BOX", NULL, "the box (else $COWBOX_BOX, else the one used last)" },
	{ 'a', "all", NULL, NULL, "all changes" },
	{ 'n', "dry-run", NULL, NULL, "only say what would be done" },
	{ OPT_ON_CONFLICT, "on-conflict", "HOW", NULL, "skip: leave what the host has changed too (this is the default)" },
	{ 0 },
};

#define ALONG_MAX 20 /* lines about what goes along */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

struct progress {
	bool terminal, shown;
	struct timespec last;
};

/* Stops at ^C between two changes; tells how far it is, ten times a second, from the first second on. */
static int tell_progress(void *ctx, const struct commit_item *item, size_t done, size_t total)
{
	struct progress *p = ctx;
	struct timespec now;

	(void)item;
	if (interrupted)
		return 1;
	if (!p->terminal)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (done == 0)
		p->last = now;
	if ((now.tv_sec - p->last.tv_sec) * 1000 + (now.tv_nsec - p->last.tv_nsec) / 1000000 < (p->shown ? 100 : 1000))
		return 0;
	p->last = now;
	p->shown = true;
	fprintf(stderr, "\rcommitting: %zu of %zu", done, total);
	return 0;
}

static const char *name_of(const struct commit_item *it, char ret[static 4 * PATH_MAX])
{
	return path_printable(it->change->path, ret, 4 * PATH_MAX);
}

static void tell_items(const struct commit_plan *plan)
{
	char path[4 * PATH_MAX];

	for (size_t i = 0; i < plan->count; i++) {
		const struct commit_item *it = &plan->items[i];

		if (!it->chosen)
			continue;
		if (it->outcome == COMMIT_LEFT)
			log_say("left: %s: %s", name_of(it, path), it->why);
		else if (it->outcome == COMMIT_FAILED)
			log_say("failed: %s: %s", name_of(it, path), it->why);
		else if (it->outcome == COMMIT_DONE && (it->lost & COPY_LOST_OWNER))
			log_warn("%s: its owner could not be set to %u:%u", name_of(it, path), it->change->box.st_uid,
			         it->change->box.st_gid);
		if (it->outcome == COMMIT_DONE && (it->lost & COPY_LOST_XATTR))
			log_warn("%s: some extended attributes could not be set", name_of(it, path));
	}
}

/* What the host had already, and only left the box. */
static size_t same_count(const struct commit_plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->count; i++)
		n += plan->items[i].chosen && plan->items[i].outcome == COMMIT_DONE && plan->items[i].verdict == COMMIT_SAME;
	return n;
}

/* What can be done about conflicts, in one line. */
static void tell_conflicts(const struct session *s, const struct commit_plan *plan)
{
	const struct box *b = s->box;
	char text[4 * PATH_MAX];
	size_t n = 0;

	for (size_t i = 0; i < plan->count; i++)
		n += plan->items[i].chosen && plan->items[i].outcome == COMMIT_LEFT && plan->items[i].verdict == COMMIT_CONFLICT;
	if (n)
		log_say("%zu conflict%s: the box's is in %s/layers/%d/tree; to keep the host's: cowbox discard -b %s PATH", n,
		        n == 1 ? "" : "s", path_printable(b->path, text, sizeof text), b->layer[b->nlayers - 1], b->name);
}

static int tell_result(const struct session *s, const struct commit_plan *plan, const struct commit_result *res)
{
	size_t rest = res->left + res->failed + res->untried, same = same_count(plan), done = res->done - same;
	const char *hint = res->changed && isatty(STDERR_FILENO) ? "cowbox undo takes it back" : "";
	char also[96] = "";

	if (same)
		snprintf(also, sizeof also, " (%zu %s the same already%s%s)", same, same == 1 ? "was" : "were", *hint ? "; " : "", hint);
	else if (*hint)
		snprintf(also, sizeof also, " (%s)", hint);
	tell_items(plan);
	for (size_t i = 0; i < plan->nnotes; i++)
		log_warn("%s", plan->notes[i]);
	if (res->unfinished)
		log_warn("the disk failed: the next cowbox command will finish this, or take it back");
	if (res->failed || res->untried) {
		log_say("%s%snothing was committed: all is still in box %s, and the host as it was", res->trouble, res->trouble[0] ? ": " : "",
		        s->box->name);
		return CMD_FAILED;
	}
	if (rest == 0)
		log_say("committed %zu change%s of box %s%s", done, done == 1 ? "" : "s", s->box->name, also);
	else
		log_say("committed %zu change%s%s, %zu left in box %s: see cowbox diff -b %s", done, done == 1 ? "" : "s", also,
		        rest, s->box->name, s->box->name);
	tell_conflicts(s, plan);
	if (res->unforgotten)
		log_warn("%zu committed change%s could not be taken out of box %s", res->unforgotten,
		         res->unforgotten == 1 ? "" : "s", s->box->name);
	if (rest == 0)
		return CMD_OK;
	return CMD_LEFT;
}

static int apply(struct session *s, struct commit_plan *plan)
{
	struct sigaction act = { .sa_handler = on_interrupt }, old_int, old_term, old_hup;
	struct progress progress = { .terminal = isatty(STDERR_FILENO) };
	struct commit_result res;
	struct err err = { 0 };
	int r;

	interrupted = 0;
	sigaction(SIGINT, &act, &old_int);
	sigaction(SIGTERM, &act, &old_term);
	sigaction(SIGHUP, &act, &old_hup);
	r = commit_apply(plan, tell_progress, &progress, &res, &err);
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGTERM, &old_term, NULL);
	sigaction(SIGHUP, &old_hup, NULL);
	if (progress.shown)
		fputs("\r\033[K", stderr);
	if (r == 0 && res.changed && !res.unfinished)
		history_trim(s->store);
	return r < 0 ? say_error("commit", &err) : tell_result(s, plan, &res);
}

const char *verdict_name(enum commit_verdict v)
{
	static const char *const word[] = {
		[COMMIT_APPLY] = "apply",   [COMMIT_SAME] = "same", [COMMIT_CONFLICT] = "conflict",
		[COMMIT_REFUSE] = "refuse", [COMMIT_WAIT] = "wait",
	};

	return word[v];
}

const char *verdict_label(enum commit_verdict v)
{
	return v == COMMIT_WAIT ? "left" : verdict_name(v);
}

bool verdict_is_left(enum commit_verdict v)
{
	return v != COMMIT_APPLY && v != COMMIT_SAME;
}

/* What would be done, on stdout. */
static int tell_plan(const struct session *s, const struct commit_plan *plan)
{
	size_t done = 0, left = 0;

	for (size_t i = 0; i < plan->count; i++) {
		const struct commit_item *it = &plan->items[i];

		if (!it->chosen)
			continue;
		printf("%-8s %c  ", verdict_label(it->verdict), (char)it->change->kind);
		change_print(stdout, it->change);
		print_about(stdout, it);
		printf("%s%s\n", it->why[0] ? ": " : "", it->why);
		if (verdict_is_left(it->verdict))
			left++;
		else
			done++;
	}
	fflush(stdout);
	if (left)
		log_say("would commit %zu change%s of box %s, and leave %zu in it", done, done == 1 ? "" : "s", s->box->name, left);
	else
		log_say("would commit %zu change%s of box %s", done, done == 1 ? "" : "s", s->box->name);
	return left ? CMD_LEFT : CMD_OK;
}

/* ---- choosing ---- */

static int choose_paths(const struct session *s, struct commit_plan *plan, const struct paths *paths)
{
	int status = CMD_OK;

	for (size_t k = 0; k < paths->count; k++) {
		struct paths one = { .list = &paths->list[k], .count = 1 };

		if (commit_choose(plan, paths->list[k]) == 0 && paths_tell_unchanged(&one, &plan->changes, s->box))
			status = CMD_LEFT;
	}
	return status;
}

/* One past the last item of the new directory at i and what is in it; i + 1 for anything else. */
static size_t tree_end(const struct commit_plan *plan, size_t i)
{
	const struct change *dir = plan->items[i].change;
	size_t end = i + 1;

	if (dir->kind != CHANGE_ADDED || !S_ISDIR(dir->box.st_mode))
		return end;
	while (end < plan->count && path_below(plan->items[end].change->path, dir->path, NULL))
		end++;
	return end;
}

/* tree: with all that is below. */
static void show_diff(struct session *s, const struct commit_item *it, bool tree)
{
	struct vpath path = { it->change->path };
	struct paths one = { .list = &path, .count = 1 };
	struct err err = { 0 };

	if (diff_show(s, &one, tree ? 0 : DIFF_EXACT, COLOUR_AUTO, &err) < 0)
		log_say("diff: %s", err.msg);
	fflush(stdout);
}

/* A question about items from i to before end: a letter of "yes no each all quit", or negative as of term_ask. */
static int ask_about(struct session *s, const struct commit_plan *plan, size_t i, size_t end)
{
	const struct commit_item *it = &plan->items[i];
	char path[4 * PATH_MAX], old[4 * PATH_MAX], about[ABOUT_MAX], question[14 * PATH_MAX];
	const char *from = it->change->from, *slash = S_ISDIR(it->change->box.st_mode) ? "/" : "";
	bool tree = end > i + 1;
	size_t n = end - i - 1;
	int key;

	name_of(it, path);
	about_text(it, about, sizeof about);
	if (tree)
		snprintf(question, sizeof question,
		         "%c  %s/, a new directory with %zu thing%s in it: all of it?  [y/n/e(ach)/d/a/q] ", (char)it->change->kind,
		         path, n, n == 1 ? "" : "s");
	else
		snprintf(question, sizeof question, "%c  %s%s%s%s%s%s%s  [y/n/d/a/q] ", (char)it->change->kind,
		         from ? path_printable(from, old, sizeof old) : "", from ? " -> " : "", path, slash, about,
		         it->why[0] ? ": " : "", it->why);
	for (;;) {
		key = term_ask(question, tree ? "yes no each diff all quit" : "yes no diff all quit");
		if (key == 'd')
			show_diff(s, it, tree);
		else if (key != 0)
			return key;
		else
			log_say("y commit this, n leave it,%s d show the diff, a this and all that follow, q or Ctrl-D stop asking "
			        "and commit what was answered y, Ctrl-C commit nothing",
			        tree ? " e ask for each thing in it," : "");
	}
}

/* Item k, in the new directory at i, is what the host has elsewhere, or one file with it, or lends rights. */
static bool asks_for_itself(const struct commit_plan *plan, size_t i, size_t k)
{
	const struct commit_item *it = &plan->items[k];
	const char *dir = plan->items[i].change->path, *from = it->change->from;

	return it->marks || (from && !path_below(from, dir, NULL)) || (it->one_with && !path_below(it->one_with, dir, NULL));
}

/* How the questions ended. */
enum asked { ASKED_ALL, ASKED_QUIT, ASKED_INTERRUPTED };

/* One question a change, or a new directory with all that is in it: y(es), n(o), e(ach in it), d(iff), a(ll that follow), q(uit). A directory of
 * which each is asked comes along when something in it is taken. ret_taken: how many were. */
static enum asked choose_by_asking(struct session *s, struct commit_plan *plan, size_t *ret_taken)
{
	bool all = false;

	for (size_t i = 0, end; i < plan->count; i = end) {
		int key = 'a';

		end = tree_end(plan, i);
		/* What cannot be committed is no question: it is told at the end that it was left. */
		if (end == i + 1 && (plan->items[i].verdict == COMMIT_CONFLICT || plan->items[i].verdict == COMMIT_REFUSE)) {
			plan->items[i].chosen = true;
			continue;
		}
		if (!all)
			key = ask_about(s, plan, i, end);
		if (key == TERM_INTERRUPTED)
			return ASKED_INTERRUPTED;
		if (key < 0 || key == 'q')
			return ASKED_QUIT;
		all = all || key == 'a';
		if (key == 'e')
			end = i + 1;
		for (size_t k = i; k < end; k++) {
			int one = key;

			/* That was not in the question. */
			if (key == 'y' && k > i && asks_for_itself(plan, i, k))
				one = ask_about(s, plan, k, k + 1);
			if (one == TERM_INTERRUPTED)
				return ASKED_INTERRUPTED;
			if (one < 0 || one == 'q')
				return ASKED_QUIT;
			all = all || one == 'a';
			*ret_taken += plan->items[k].chosen = all || one == 'y';
		}
	}
	return ASKED_ALL;
}

/* Settles the choice, and names the new directories that come along by that. */
static int settle(struct commit_plan *plan)
{
	_cleanup_free_ bool *was = calloc(plan->count + 1, sizeof *was);
	char path[4 * PATH_MAX];
	size_t n = 0;

	if (!was)
		return -ENOMEM;
	for (size_t i = 0; i < plan->count; i++)
		was[i] = plan->items[i].chosen;
	commit_settle(plan);
	for (size_t i = 0; i < plan->count; i++) {
		const struct commit_item *it = &plan->items[i];

		if (it->chosen && !was[i] && !verdict_is_left(it->verdict) && n++ < ALONG_MAX)
			log_say("goes along: %s (it is needed for what is in it)", name_of(it, path));
	}
	if (n > ALONG_MAX)
		log_say("goes along: and %zu more", n - ALONG_MAX);
	return 0;
}

static size_t chosen_count(const struct commit_plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->count; i++)
		n += plan->items[i].chosen;
	return n;
}

bool commit_everything(struct session *s)
{
	_cleanup_commit_plan_ struct commit_plan *plan = NULL;
	_cleanup_close_ int hold = -1;
	struct err err = { 0 };
	int r;

	hold = commit_hold(s->box, &err);
	r = hold < 0 ? hold : commit_plan_new(s->ov, &plan, &err);
	if (r < 0) {
		say_box_error("commit", s->box->name, s->box, &err);
		return false;
	}
	commit_choose(plan, (struct vpath){ "/" });
	commit_settle(plan);
	apply(s, plan);
	fd_closep(&hold);
	return session_drop_empty(s);
}

struct wish {
	const char *box;
	bool all, dry;
};

static int commit(const struct verb *v, const struct options *o, const struct wish *wish)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_paths_ struct paths paths = { 0 };
	_cleanup_commit_plan_ struct commit_plan *plan = NULL;
	_cleanup_close_ int hold = -1;
	struct err err = { 0 };
	enum asked asked = ASKED_ALL;
	size_t taken = 0;
	int r, status = CMD_OK, done;

	r = session_open_paths(&s, wish->box, o, &paths, &err);
	if (r == 0 && !wish->all && !wish->dry && !o->nargs && !term_is_interactive())
		return usage(v, "what to commit? -a for all, or PATHs (there is no terminal to ask on)");
	if (r == 0 && !wish->dry)
		r = hold = commit_hold(s.box, &err);
	if (r >= 0) {
		r = commit_plan_new(s.ov, &plan, &err);
	}
	if (r < 0)
		return s.box ? say_box_error(v->name, s.box->name, s.box, &err) : say_error(v->name, &err);
	if (plan->count == 0) {
		log_say("box %s has no changes", s.box->name);
		fd_closep(&hold);
		if (!wish->dry)
			session_drop_empty(&s);
		return paths.count ? CMD_LEFT : CMD_OK;
	}
	if (paths.count)
		status = choose_paths(&s, plan, &paths);
	else if (wish->all || wish->dry)
		commit_choose(plan, (struct vpath){ "/" });
	else
		asked = choose_by_asking(&s, plan, &taken);
	if (asked != ASKED_ALL)
		status = CMD_LEFT;
	if (asked == ASKED_INTERRUPTED || (asked == ASKED_QUIT && !taken)) {
		log_say("nothing was committed");
		return CMD_LEFT;
	}
	if (chosen_count(plan) == 0) {
		if (!paths.count)
			log_say("nothing was committed");
		return CMD_LEFT;
	}
	if (settle(plan) < 0)
		return say_error(v->name, &(struct err){ .code = -ENOMEM, .msg = "out of memory" });
	if (wish->dry) {
		done = tell_plan(&s, plan);
	} else {
		done = apply(&s, plan);
		fd_closep(&hold);
		session_drop_empty(&s);
	}
	return done == CMD_OK ? status : done;
}

static int run_commit(const struct verb *v, int argc, char **argv)
{
	_cleanup_options_ struct options o = { 0 };
	struct wish wish = { 0 };
	int id;

	if (options_init(&o, v, argc, argv) < 0)
		return CMD_FAILED;
	while ((id = options_next(&o)) > 0) {
		if (help_common(v, id))
			return CMD_OK;
		if (id == 'b')
			wish.box = o.value;
		else if (id == 'a')
			wish.all = true;
		else if (id == 'n')
			wish.dry = true;
		else if (id == OPT_ON_CONFLICT && strcmp(o.value, "skip") != 0)
			return usage(v, "--on-conflict=%s: it can only be skip", o.value);
	}
	if (id < 0)
		return CMD_USAGE;
	if (wish.all && o.nargs)
		return usage(v, "-a is for all changes, PATHs are for some: give one or the other");
	return commit(v, &o, &wish);
}

const struct verb verb_commit = {
	.name = "commit",
	.usage = "[-b BOX] [-a] [-n] [--on-conflict=skip] [PATH...]",
	.summary = "make changes of the box true on the host",
	.details = "All of them with -a, those at or below the PATHs, or else each after asking: y yes, n no, d show the diff, a "
		   "all that\n"
		   "follow, q (or Ctrl-D) stop asking and commit what was answered y, Ctrl-C commit nothing. A new directory is "
		   "asked for as\n"
		   "a whole; e then asks for each thing in it. With PATHs or -a such a directory comes along with what is in it. "
		   "Both names\n"
		   "of what was renamed, and all names of a file that has changed, must be asked for, or it is left. What the host "
		   "has\n"
		   "changed as well since the box first touched it is left too. All that is left is named, and stays in the box; "
		   "what was\n"
		   "committed leaves it, and a box that nobody named is removed with its last change.",
	.exits = "0 all that was asked for was committed\n1 something was left (conflict, refused, failed, not chosen): it is "
		 "named, and still in the box; or nothing changed at a PATH\n"
		 "2 wrong usage\n3 it failed and changed nothing",
	.options = options,
	.run = run_commit,
};
