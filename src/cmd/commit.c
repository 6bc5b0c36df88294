/* commit.c - cowbox commit: make changes of the box true. */
#include "commit_ui.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct option_row options[] = {
	{ 'b', "box", "BOX", NULL, "the box (else $COWBOX_BOX, else the one used last)" },
	{ 'a', "all", NULL, NULL, "all changes" },
	{ 'p', "patch", NULL, NULL, "ask about modified files hunk by hunk" },
	{ 'n', "dry-run", NULL, NULL, "only say what would be done" },
	{ OPT_ON_CONFLICT, "on-conflict", "HOW", NULL, "ask, skip, box, host, merge or both: what the host has changed too" },
	{ OPT_KEEP, "keep", NULL, NULL, "keep in the box what is committed" },
	{ OPT_JSON, "json", NULL, NULL, "tell what was done, or with -n would be, as JSON" },
	{ 0 },
};

#define ALONG_MAX 20 /* lines about what goes along */

/* ---- ^C ----
 *
 * Until the changes are applied nothing has happened, and we can end anywhere; while they are, the library stops and takes back. Questions see to
 * the signals themselves. */

static volatile sig_atomic_t applying;
static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
#define ENDS (sizeof ends / sizeof *ends)

static void on_end(int sig)
{
	static const char text[] = "\ncowbox: nothing was committed\n";

	(void)sig;
	if (applying)
		return;
	scratch_end();
	if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
		_exit(CMD_FAILED);
	_exit(CMD_LEFT);
}

struct signals {
	struct sigaction before[ENDS], child;
};

static void signals_take(struct signals *s)
{
	struct sigaction act = { .sa_handler = on_end };

	applying = 0;
	/* We wait for merges and editors, whatever we were started with. */
	sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = SIG_DFL }, &s->child);
	for (size_t i = 0; i < ENDS; i++) {
		sigaction(ends[i], NULL, &s->before[i]);
		if (s->before[i].sa_handler != SIG_IGN)
			sigaction(ends[i], &act, NULL);
	}
}

static void signals_restore(struct signals *s)
{
	for (size_t i = 0; i < ENDS; i++)
		sigaction(ends[i], &s->before[i], NULL);
	sigaction(SIGCHLD, &s->child, NULL);
}
#define _cleanup_signals_ _cleanup_(signals_restore)

/* ---- applying ---- */

/* Stops at ^C between two changes. */
static int tell_progress(void *ctx, const struct commit_item *item, size_t done, size_t total)
{
	(void)ctx;
	(void)item;
	return progress_step(done, total);
}

static int apply(struct session *s, struct commit_plan *plan, enum form form)
{
	struct commit_result res;
	struct err err = { 0 };
	int r;

	applying = 1;
	progress_begin("committing");
	r = commit_apply(plan, tell_progress, NULL, &res, &err);
	progress_end();
	if (r == 0 && res.changed && !res.unfinished)
		history_trim(s->store);
	r = r < 0 ? say_error("commit", &err) : tell_result(s, plan, &res, form);
	return r;
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
			log_say("goes along: %s (it is needed for what is in it)", item_name(it, path));
	}
	if (n > ALONG_MAX)
		log_say("goes along: and %zu more", n - ALONG_MAX);
	return 0;
}

/* q was not the answer to all of them. */
static void tell_unchosen(const struct session *s, const struct commit_plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->count; i++)
		n += !plan->items[i].chosen;
	if (n)
		log_say("%zu change%s not chosen, and stay%s in box %s", n, n == 1 ? " was" : "s were", n == 1 ? "s" : "", s->box->name);
}

static size_t chosen_count(const struct commit_plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->count; i++)
		n += plan->items[i].chosen;
	return n;
}

/* ---- the order of things ---- */

struct wish {
	const char *box;
	bool all, parts, dry, keep;
	bool conflict_given;
	enum on_conflict on_conflict;
	enum form form;
};

static bool is_asked(const struct wish *w, const struct paths *paths)
{
	return w->parts || (!w->all && !w->dry && !paths->count);
}

/* Chooses what is wanted. *ret_status: CMD_LEFT when a PATH named nothing. */
static enum asked choose(struct asking *a, const struct wish *w, const struct paths *paths, const struct options *o,
                         int *ret_status)
{
	_cleanup_free_ bool *wanted = NULL;
	enum asked r;

	if (paths->count)
		*ret_status = choose_paths(a->s, a->plan, paths, o->args);
	else if (w->all || w->dry)
		commit_choose(a->plan, (struct vpath){ "/" });
	if (!is_asked(w, paths))
		return ASKED_ALL;
	/* What the paths chose is what is asked about. */
	if (paths->count) {
		wanted = calloc(a->plan->count + 1, sizeof *wanted);
		if (!wanted)
			return ASKED_INTERRUPTED;
		for (size_t i = 0; i < a->plan->count; i++) {
			wanted[i] = a->plan->items[i].chosen;
			a->plan->items[i].chosen = false;
		}
		a->wanted = wanted;
	}
	r = !w->parts && a->plan->count > GROUPS_FROM ? choose_by_groups(a, 0, a->plan->count) : choose_range(a, 0, a->plan->count);
	a->wanted = NULL;
	return r;
}

/* Something chosen can be committed, or would be tried. */
static bool has_work(const struct commit_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->items[i].chosen && !verdict_is_left(plan->items[i].verdict))
			return true;
	return false;
}

/* Asks and decides all. False: nothing is to be committed, which was told. */
static bool decide(struct asking *a, const struct wish *w, const struct paths *paths, const struct options *o, int *ret_status)
{
	enum asked r = choose(a, w, paths, o, ret_status);
	bool asked = is_asked(w, paths);

	if (r == ASKED_ALL && has_conflicts(a->plan)) {
		asked = asked || w->on_conflict == ON_CONFLICT_ASK;
		r = decide_conflicts(a, w->on_conflict);
	} else if (r == ASKED_QUIT && w->on_conflict != ON_CONFLICT_ASK) {
		/* They were answered y, and nothing is asked about them. */
		(void)decide_conflicts(a, w->on_conflict);
	}
	if (r != ASKED_ALL)
		*ret_status = CMD_LEFT;
	a->quit |= r == ASKED_QUIT;
	if (r == ASKED_INTERRUPTED || (r == ASKED_QUIT && !has_work(a->plan)) || chosen_count(a->plan) == 0) {
		*ret_status = CMD_LEFT;
		if (asked)
			log_say("nothing was committed");
		return false;
	}
	return true;
}

static int out_of_memory(void)
{
	return say_error("commit", &(struct err){ .code = -ENOMEM, .msg = "out of memory" });
}

/* With the plan. */
static int commit_plan(struct session *s, struct commit_plan *plan, const struct wish *w, const struct paths *paths,
                       const struct options *o)
{
	struct asking a = { .s = s, .plan = plan, .hunks = w->parts, .on_conflict = w->on_conflict };
	int status = CMD_OK, done;

	if (!decide(&a, w, paths, o, &status)) {
		tell_nothing(s, w->form, w->dry);
		return status;
	}
	if (settle(plan) < 0)
		return out_of_memory();
	plan->keep = w->keep;
	done = w->dry ? tell_plan(s, plan, w->form) : apply(s, plan, w->form);
	if (a.quit && done != CMD_FAILED)
		tell_unchosen(s, plan);
	return done == CMD_OK ? status : done;
}

static int empty_box(struct session *s, const struct wish *w, const struct paths *paths)
{
	log_say("box %s has no changes", s->box->name);
	tell_nothing(s, w->form, w->dry);
	return paths->count ? CMD_LEFT : CMD_OK;
}

static int commit(const struct verb *v, const struct options *o, const struct wish *w)
{
	_cleanup_session_ struct session s = { .only_looks = w->dry };
	_cleanup_paths_ struct paths paths = { 0 };
	_cleanup_commit_plan_ struct commit_plan *plan = NULL;
	_cleanup_close_ int hold = -1;
	_cleanup_signals_ struct signals signals;
	struct err err = { 0 };
	int r, status;

	signals_take(&signals);
	r = session_open_paths(&s, w->box, o, &paths, &err);
	if (r == 0 && is_asked(w, &paths) && !term_is_interactive())
		return usage(v, "what to commit? -a for all, or PATHs (there is no terminal to ask on)");
	if (r == 0 && !w->dry)
		r = hold = commit_hold(s.box, &err);
	if (r >= 0)
		r = commit_plan_new(s.ov, &plan, &err);
	if (r < 0)
		return s.box ? say_box_error(v->name, s.box->name, s.box, &err) : say_error(v->name, &err);
	status = plan->count ? commit_plan(&s, plan, w, &paths, o) : empty_box(&s, w, &paths);
	fd_closep(&hold);
	if (!w->dry && !w->keep)
		session_drop_empty(&s);
	return status;
}

bool commit_after_run(struct session *s, bool pick, bool *ret_gone)
{
	struct wish w = { .all = !pick, .on_conflict = ON_CONFLICT_ASK };
	_cleanup_commit_plan_ struct commit_plan *plan = NULL;
	_cleanup_close_ int hold = -1;
	_cleanup_signals_ struct signals signals;
	struct paths paths = { 0 };
	struct err err = { 0 };
	int r;

	signals_take(&signals);
	hold = commit_hold(s->box, &err);
	r = hold < 0 ? hold : commit_plan_new(s->ov, &plan, &err);
	if (r < 0) {
		say_box_error("commit", s->box->name, s->box, &err);
		return true;
	}
	applying = 0;
	commit_plan(s, plan, &w, &paths, NULL);
	if (!applying)
		return false;
	fd_closep(&hold);
	*ret_gone = session_drop_empty(s);
	return true;
}

/* ---- the verb ---- */

static int check_wish(const struct verb *v, const struct options *o, struct wish *w)
{
	if (w->all && o->nargs)
		return usage(v, "-a is for all changes, PATHs are for some: give one or the other");
	if (w->parts && (w->all || w->dry || w->form == FORM_JSON))
		return usage(v, "-p asks about each hunk: it goes with neither -a, -n nor --json");
	if (w->form == FORM_JSON && !w->all && !w->dry && !o->nargs)
		return usage(v, "--json asks nothing: give -a for all changes, or PATHs");
	if (w->conflict_given && w->on_conflict == ON_CONFLICT_ASK && !w->dry && !term_is_interactive())
		return usage(v, "--on-conflict=ask: there is no terminal to ask on");
	if (!w->conflict_given)
		w->on_conflict = term_is_interactive() ? ON_CONFLICT_ASK : ON_CONFLICT_SKIP;
	/* What would be asked is left. */
	if (w->dry && w->on_conflict == ON_CONFLICT_ASK)
		w->on_conflict = ON_CONFLICT_SKIP;
	return CMD_OK;
}

static int take_option(const struct verb *v, const struct options *o, int id, struct wish *w)
{
	switch (id) {
	case 'b':
		w->box = o->value;
		break;
	case 'a':
		w->all = true;
		break;
	case 'p':
		w->parts = true;
		break;
	case 'n':
		w->dry = true;
		break;
	case OPT_KEEP:
		w->keep = true;
		break;
	case OPT_ON_CONFLICT:
		w->conflict_given = true;
		if (on_conflict_parse(o->value, &w->on_conflict) < 0)
			return usage(v, "--on-conflict=%s: it is ask, skip, box, host, merge or both", o->value);
		break;
	default:
		return form_option(v, id, &w->form);
	}
	return CMD_OK;
}

static int run_commit(const struct verb *v, int argc, char **argv)
{
	_cleanup_options_ struct options o = { 0 };
	struct wish wish = { 0 };
	int id, status;

	if (options_init(&o, v, argc, argv) < 0)
		return CMD_FAILED;
	while ((id = options_next(&o)) > 0) {
		if (help_common(v, id))
			return CMD_OK;
		status = take_option(v, &o, id, &wish);
		if (status != CMD_OK)
			return status;
	}
	if (id < 0)
		return CMD_USAGE;
	status = check_wish(v, &o, &wish);
	return status == CMD_OK ? commit(v, &o, &wish) : status;
}

const struct verb verb_commit = {
	.name = "commit",
	.usage = "[-b BOX] [-a | -p] [-n] [--on-conflict=HOW] [--keep] [--json] [PATH...]",
	.summary = "make changes of the box true on the host",
	.details = "All of them with -a, those at or below the PATHs, or else each after asking; with -p modified files hunk by "
	           "hunk. A PATH "
		   "that\n"
		   "names no change and has *, ? or [ is a pattern for the paths of changes, in which ** stands for any number of "
	           "directories.\n"
		   "A new directory is asked for as a whole. Where there are more than 200 changes a summary comes first, and "
	           "directories are\n"
		   "asked for. The questions show their keys, and ? tells what they do; q (or Ctrl-D) stops asking and commits "
	           "what was\n"
		   "answered y, Ctrl-C commits nothing.\n"
		   "With PATHs or -a new directories come along with what is in them. Both names of what was renamed, and all "
	           "names of a file\n"
		   "that has changed, must be asked for, or it is left.\n"
		   "What the host has changed as well since the box first touched it is a conflict. On a terminal it is asked what "
	           "to do:\n"
		   "merge the two, take the box's or the host's, edit the text of both, keep both, or leave it in the box (skip). "
	           "Elsewhere\n"
		   "it is left; --on-conflict decides for all at once. merge takes what merges cleanly, and leaves the rest.\n"
		   "All or nothing: when something fails, or at Ctrl-C, the host is as it was. All that is left is named, and "
	           "stays in the\n"
		   "box; what was committed leaves it, unless --keep is given, and a box that nobody named is removed with its "
	           "last change.",
	.exits = "0 all that was asked for was committed\n1 something was left (conflict, refused, skipped, not asked to the end): "
	         "it is "
		 "named, and still in the box; or nothing changed at a PATH\n"
		 "2 wrong usage\n3 it failed and changed nothing; or it was done, and stdout could not be written, which is said",
	.options = options,
	.run = run_commit,
};
