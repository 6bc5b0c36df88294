/* undo.c - cowbox undo: take a commit back. */
#include "cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct option_row options[] = {
	{ 'n', "dry-run", NULL, NULL, "only say what would be taken back" },
	{ 'y', "yes", NULL, NULL, "do not ask" },
	{ OPT_ON_CONFLICT, "on-conflict", "HOW", NULL, "what the host has changed since: refuse (as without it), skip, replace" },
	{ OPT_JSON, "json", NULL, NULL, "the result as a JSON object; does not ask" },
	{ 0 },
};

#define SUMMARY_LINES 10 /* paths before the question */

struct conflict {
	char *path, *what;
};

/* What the library tells: which changes, which conflicts. */
struct told {
	struct history_path *changes;
	struct conflict *conflicts;
	size_t nchanges, changes_room, nconflicts, conflicts_room;
	bool failed; /* failed: no memory for all of it */
};

static void told_release(struct told *t)
{
	history_paths_free(t->changes, t->nchanges);
	for (size_t i = 0; i < t->nconflicts; i++) {
		free(t->conflicts[i].path);
		free(t->conflicts[i].what);
	}
	free(t->conflicts);
}
#define _cleanup_told_ __attribute__((cleanup(told_release)))

static bool make_room(struct told *t, void *list, size_t count, size_t *room, size_t size)
{
	void **p = list, *more;

	if (count < *room)
		return true;
	more = reallocarray(*p, 2 * count + 16, size);
	t->failed |= !more;
	if (more) {
		*p = more;
		*room = 2 * count + 16;
	}
	return more != NULL;
}

static void hear_change(void *ctx, const struct history_path *p)
{
	struct told *t = ctx;
	struct history_path copy = { .letter = p->letter, .directory = p->directory };

	if (!make_room(t, &t->changes, t->nchanges, &t->changes_room, sizeof *t->changes))
		return;
	copy.path = strdup(p->path);
	copy.from = p->from ? strdup(p->from) : NULL;
	t->failed |= !copy.path || (p->from && !copy.from);
	if (copy.path)
		t->changes[t->nchanges++] = copy;
}

static void hear_conflict(void *ctx, const char *path, const char *what)
{
	struct told *t = ctx;
	struct conflict c;

	if (!make_room(t, &t->conflicts, t->nconflicts, &t->conflicts_room, sizeof *t->conflicts))
		return;
	c = (struct conflict){ .path = strdup(path), .what = strdup(what) };
	t->failed |= !c.path || !c.what;
	t->conflicts[t->nconflicts++] = c;
}

static void hear_note(void *ctx, const char *text)
{
	(void)ctx;
	log_warn("%s", text);
}

static int hear_progress(void *ctx, size_t done, size_t total)
{
	(void)ctx;
	return progress_step(done, total);
}

struct wish {
	unsigned number;
	enum undo_conflict conflict;
	bool dry, yes, json;
};

/* One call of the library, with all that it said. */
struct attempt {
	struct told told;
	struct undo_result result;
	struct err err;
	int r;
};

static void attempt_release(struct attempt *a)
{
	told_release(&a->told);
	free(a->result.commit.box);
	free(a->result.commit.command);
}
#define _cleanup_attempt_ __attribute__((cleanup(attempt_release)))

static void attempt_make(struct attempt *a, struct store *store, const struct wish *wish, bool dry)
{
	struct undo_wish w = { .number = wish->number,
		               .conflict = wish->conflict,
		               .dry = dry,
		               .change = hear_change,
		               .conflicting = hear_conflict,
		               .note = hear_note,
		               .progress = hear_progress,
		               .ctx = &a->told };

	if (!dry)
		progress_begin("taking back");
	a->r = history_undo(store, &w, &a->result, &a->err);
	if (!dry)
		progress_end();
	if (dry && a->r == 0 && a->told.failed)
		a->r = err_sys(&a->err, -ENOMEM, "undo");
}

/* ---- what is said ---- */

static void tell_conflicts(const struct attempt *a, enum undo_conflict how)
{
	static const char *const label[] = { [UNDO_REFUSE] = "conflict", [UNDO_SKIP] = "left", [UNDO_REPLACE] = "conflict" };
	char text[4 * PATH_MAX];

	for (size_t i = 0; i < a->told.nconflicts; i++) {
		const struct conflict *c = &a->told.conflicts[i];

		if (c->path && c->what)
			log_say("%s: %s: %s", label[how], path_printable(c->path, text, sizeof text), c->what);
	}
}

static void tell_refusal(const struct attempt *a, enum undo_conflict how)
{
	const struct history_entry *e = &a->result.commit;
	size_t n = a->result.conflicts;
	const char *them = n == 1 ? "it" : "them";

	if (how == UNDO_SKIP)
		log_say("nothing was taken back: the host has changed all that commit %u did. Look at it first; then cowbox undo "
		        "--on-conflict=replace %u takes it back all the same (what is there now is kept in the history)",
		        e->number, e->number);
	else
		log_say("nothing was taken back: the host has changed %zu path%s since commit %u of box %s. Look at %s first; then "
		        "cowbox undo --on-conflict=skip %u leaves %s, and --on-conflict=replace %u takes %s back all the same "
		        "(what is there "
		        "now is kept in the history)",
		        n, n == 1 ? "" : "s", e->number, e->box, them, e->number, n == 1 ? "it as it is" : "them as they are",
		        e->number, them);
}

static void say_done(const struct attempt *a, const struct store *store, enum undo_conflict how)
{
	const struct undo_result *res = &a->result;
	char changes[32], left[64] = "", path[4 * PATH_MAX];

	if (res->skipped)
		snprintf(left, sizeof left, ", %zu %s left as the host has %s", res->skipped, res->skipped == 1 ? "is" : "are",
		         res->skipped == 1 ? "it" : "them");
	log_say("took back commit %u of box %s (%s%s; it is kept as undo %u)", res->commit.number, res->commit.box,
	        changes_text(res->done, changes), left, res->number);
	if (how == UNDO_REPLACE && res->conflicts && res->done && res->holds)
		log_say("what the host had instead is in %s/history/%u (cowbox log %u tells by which name)",
		        path_printable(store->path, path, sizeof path), res->number, res->number);
	if (res->unfinished)
		log_warn("the disk failed: the next cowbox command will finish this");
}

static int say_failed(const struct attempt *a, const char *verb)
{
	if (a->r == -ENOENT || !a->result.commit.number)
		return say_error(verb, &a->err);
	if (a->result.unfinished)
		log_say("%s: %s: the disk failed, and the next cowbox command will take back what was done by then", verb,
		        a->err.msg);
	else if (a->result.left)
		log_say("%s: %s: nothing was taken back, and the host is as it was, but for what is named above", verb, a->err.msg);
	else
		log_say("%s: %s: nothing was taken back, and the host is as it was", verb, a->err.msg);
	return CMD_FAILED;
}

static void print_changes(FILE *out, const struct told *t, size_t most, const char *indent)
{
	for (size_t i = 0; i < t->nchanges && i < most; i++) {
		fputs(indent, out);
		history_path_print(out, &t->changes[i]);
		fputc('\n', out);
	}
	if (t->nchanges > most)
		fprintf(out, "%sand %zu more\n", indent, t->nchanges - most);
}

static void print_json(const struct attempt *a, const struct wish *wish)
{
	const struct undo_result *res = &a->result;
	bool done = a->r == 0 && !wish->dry;

	printf("{\"commit\":%u,\"box\":", res->commit.number);
	json_text(stdout, res->commit.box);
	fputs(",\"command\":", stdout);
	json_text(stdout, res->commit.command);
	printf(",\"dry_run\":%s,\"done\":%s,\"undo\":", wish->dry ? "true" : "false", done ? "true" : "false");
	printf(done ? "%u" : "null", res->number);
	fputs(",\n \"changes\":[", stdout);
	for (size_t i = 0; i < a->told.nchanges; i++) {
		fputs(i ? ",\n  " : "\n  ", stdout);
		history_path_json(stdout, &a->told.changes[i]);
	}
	printf("],\n \"skipped\":%zu,\n \"conflicts\":[", res->skipped);
	for (size_t i = 0; i < a->told.nconflicts; i++) {
		fputs(i ? ",\n  {" : "\n  {", stdout);
		json_path(stdout, "path", a->told.conflicts[i].path);
		fputs(",\"what\":", stdout);
		json_text(stdout, a->told.conflicts[i].what);
		fputc('}', stdout);
	}
	fputs("]}\n", stdout);
}

/* ---- the question ---- */

static void show_list(const struct told *t)
{
	struct pager pager;

	pager_begin(&pager);
	print_changes(pager.out, t, SIZE_MAX, "");
	if (!pager_end(&pager))
		print_changes(stdout, t, SIZE_MAX, "");
	fflush(stdout);
}

static void show_summary(const struct attempt *a)
{
	const struct history_entry *e = &a->result.commit;
	struct history_entry would = { 0 };
	char age[32], when[32] = "", counts[COUNTS_MAX], command[4 * PATH_MAX];
	time_t t = (time_t)(e->when_ns / 1000000000u);
	struct tm tm;

	/* Without what is left. */
	for (size_t i = 0; i < a->told.nchanges; i++) {
		const char *letter = strchr(HISTORY_LETTERS, a->told.changes[i].letter);

		if (letter && *letter)
			would.counts[letter - HISTORY_LETTERS]++;
	}
	if (localtime_r(&t, &tm))
		strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
	text_printable(e->command, command, sizeof command);
	text_cut(command, 60);
	log_say("commit %u of box %s, made %s ago (%s): %s", e->number, e->box, age_text((int64_t)(time(NULL) - t), age), when,
	        command);
	log_say("what is taken back: %s", history_counts(&would, counts));
	print_changes(stderr, &a->told, SUMMARY_LINES, "  ");
}

static bool ask(const struct attempt *a)
{
	int key;

	show_summary(a);
	do {
		key = term_ask("take it back? [y/N/l(ist)] ", "yes no list");
		if (key == 'l')
			show_list(&a->told);
	} while (key == 'l');
	if (key != 'y')
		log_say("nothing was taken back");
	return key == 'y';
}

/* ---- the verb ---- */

/* Nothing was done, and nothing will be. */
static int refused(const struct attempt *a, const struct wish *wish)
{
	if (wish->json) {
		print_json(a, wish);
		return CMD_LEFT;
	}
	if (wish->dry) {
		print_changes(stdout, &a->told, SIZE_MAX, "");
		fflush(stdout);
	}
	tell_conflicts(a, UNDO_REFUSE);
	if (!wish->dry)
		tell_refusal(a, wish->conflict);
	else
		log_say("commit %u of box %s would not be taken back: the host has changed %zu path%s since",
		        a->result.commit.number, a->result.commit.box, a->result.conflicts, a->result.conflicts == 1 ? "" : "s");
	return CMD_LEFT;
}

static int tell_plan(const struct attempt *a, const struct wish *wish)
{
	const struct undo_result *res = &a->result;
	char changes[32];

	if (wish->json) {
		print_json(a, wish);
		return res->skipped ? CMD_LEFT : CMD_OK;
	}
	print_changes(stdout, &a->told, SIZE_MAX, "");
	fflush(stdout);
	tell_conflicts(a, wish->conflict);
	if (res->skipped)
		log_say("would take back commit %u of box %s (%s), and leave %zu", res->commit.number, res->commit.box,
		        changes_text(res->done, changes), res->skipped);
	else
		log_say("would take back commit %u of box %s (%s)", res->commit.number, res->commit.box,
		        changes_text(res->done, changes));
	return res->skipped ? CMD_LEFT : CMD_OK;
}

static int take_back(const struct verb *v, struct store *store, const struct wish *wish, bool conflicts_told)
{
	_cleanup_attempt_ struct attempt a = { 0 };

	attempt_make(&a, store, wish, false);
	if (a.r == -EBUSY)
		return refused(&a, wish);
	if (a.r < 0)
		return say_failed(&a, v->name);
	if (wish->json) {
		print_json(&a, wish);
	} else {
		if (!conflicts_told)
			tell_conflicts(&a, wish->conflict);
		say_done(&a, store, wish->conflict);
	}
	if (!a.result.unfinished)
		history_trim(store);
	return a.result.skipped ? CMD_LEFT : CMD_OK;
}

static int undo(const struct verb *v, struct wish *wish)
{
	_cleanup_store_ struct store *store = NULL;
	_cleanup_attempt_ struct attempt first = { 0 };
	struct err err = { 0 };
	bool asks = !wish->dry && !wish->yes && !wish->json && term_is_interactive();
	int r = store_open(false, &store, &err);

	if (r == 0)
		r = session_recover(store, &err);
	else if (r == -ENOENT)
		err_set(&err, r, "there is no commit to take back");
	if (r < 0)
		return say_error(v->name, &err);
	if (!asks && !wish->dry)
		return take_back(v, store, wish, false);
	attempt_make(&first, store, wish, true);
	if (first.r == -EBUSY)
		return refused(&first, wish);
	if (first.r < 0)
		return say_error(v->name, &first.err);
	if (wish->dry)
		return tell_plan(&first, wish);
	tell_conflicts(&first, wish->conflict);
	if (!ask(&first))
		return CMD_LEFT;
	/* What was asked about, whatever was committed meanwhile. */
	wish->number = first.result.commit.number;
	return take_back(v, store, wish, true);
}

static int parse_conflict(const char *text, enum undo_conflict *ret)
{
	static const char *const word[] = { [UNDO_REFUSE] = "refuse", [UNDO_SKIP] = "skip", [UNDO_REPLACE] = "replace" };

	for (size_t i = 0; i < sizeof word / sizeof *word; i++) {
		if (strcmp(text, word[i]) == 0) {
			*ret = (enum undo_conflict)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int run_undo(const struct verb *v, int argc, char **argv)
{
	_cleanup_options_ struct options o = { 0 };
	struct wish wish = { 0 };
	int id;

	if (options_init(&o, v, argc, argv) < 0)
		return CMD_FAILED;
	while ((id = options_next(&o)) > 0) {
		if (help_common(v, id))
			return CMD_OK;
		if (id == 'n')
			wish.dry = true;
		else if (id == 'y')
			wish.yes = true;
		else if (id == OPT_JSON)
			wish.json = true;
		else if (id == OPT_ON_CONFLICT && parse_conflict(o.value, &wish.conflict) < 0)
			return usage(v, "--on-conflict=%s: it is refuse, skip or replace", o.value);
	}
	if (id < 0)
		return CMD_USAGE;
	if (o.nargs > 1)
		return usage(v, "it takes back one commit at a time: %s and %s", o.args[0], o.args[1]);
	if (o.nargs && !(wish.number = history_parse_number(o.args[0])))
		return usage(v, "%s is no number of a commit: see cowbox log", o.args[0]);
	return undo(v, &wish);
}

const struct verb verb_undo = {
	.name = "undo",
	.usage = "[-n] [-y] [--on-conflict=HOW] [--json] [NUMBER]",
	.summary = "take a commit back",
	.details = "The last commit, of whatever box, that was not taken back yet, or the one with that NUMBER (cowbox log lists "
	           "them):\n"
		   "content, modes, owners, times, attributes, links are as they were before. All of it or nothing, as a commit. "
	           "On a terminal\n"
		   "it asks first.\n"
		   "Where the host has changed since, that is named, and nothing is done; --on-conflict=skip leaves those paths "
	           "and takes the\n"
		   "rest back, --on-conflict=replace takes them back too. What an undo takes away is kept in the history, as what "
	           "a commit does.",
	.exits = "0 taken back (-n: can be)\n1 nothing was done, since the host has changed or the answer was no; or something was "
	         "skipped\n"
		 "2 wrong usage\n3 it failed and changed nothing, or there is no such commit; or it was done, and stdout could not be written, which is said",
	.options = options,
	.run = run_undo,
};
