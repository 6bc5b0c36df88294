/* log.c - cowbox log: the commits there were, and what the history holds of them. */
#include "cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct option_row options[] = {
	{ 'b', "box", "BOX", NULL, "the commits of this box" },
	{ OPT_JSON, "json", NULL, NULL, "a JSON array, one object a commit; with NUMBER an object" },
	{ 'z', NULL, NULL, NULL, "fields with tabs between, NUL; with NUMBER letter, space, path, NUL (old path, NUL)" },
	{ OPT_PRUNE, "prune", NULL, NULL, "give up what is older, or more, than is to be kept" },
	{ OPT_AGE, "age", "AGE", NULL, "with --prune: 30 or 30d (days), 12h, 2w; 0: any age" },
	{ OPT_SIZE, "size", "SIZE", NULL, "with --prune: bytes, 500M, 2G; 0: any size" },
	{ 0 },
};

#define TIME_WIDTH 16 /* 2026-11-23 21:59 */
#define HELD_WIDTH 10

struct entries {
	struct history_entry *list;
	size_t count;
};

static void entries_release(struct entries *e)
{
	history_free(e->list, e->count);
}

/* What is listed, and how. */
struct view {
	const struct entries *all;
	struct store *store;
	const char *box; /* box: of this one only, or NULL */
	enum form form;
	int columns;
	int number_width, box_width, counts_width;
};

static bool is_shown(const struct view *w, const struct history_entry *e)
{
	return !w->box || strcmp(e->box, w->box) == 0;
}

static char *time_text(const struct history_entry *e, const char *format, char ret[static 32])
{
	time_t t = (time_t)(e->when_ns / 1000000000u);
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(ret, 32, format, &tm))
		strcpy(ret, "?");
	return ret;
}

/* "undo of 3", "taken back by 7", "failed", or nothing. */
static char *relation(const struct history_entry *e, char ret[static 32])
{
	ret[0] = '\0';
	if (e->undo)
		snprintf(ret, 32, "%sundo of %u", e->failed ? "failed " : "", e->undoes);
	else if (e->failed)
		strcpy(ret, "failed");
	else if (e->undone_by)
		snprintf(ret, 32, "taken back by %u", e->undone_by);
	return ret;
}

/* ---- the list ---- */

static int fields_width(const struct view *w)
{
	return w->number_width + 2 + TIME_WIDTH + 2 + w->box_width + 2 + w->counts_width + 2 + HELD_WIDTH + 2;
}

static bool is_narrow(const struct view *w)
{
	return w->columns > 0 && w->columns < fields_width(w) + TEXT_REST_MIN;
}

static void measure(struct view *w)
{
	char text[COUNTS_MAX];

	w->number_width = 2;
	w->box_width = 3;
	w->counts_width = 7;
	for (size_t i = 0; i < w->all->count; i++) {
		const struct history_entry *e = &w->all->list[i];
		int number = snprintf(text, sizeof text, "%u", e->number), box = (int)strlen(e->box);
		int counts = (int)strlen(history_counts(e, text));

		if (!is_shown(w, e))
			continue;
		w->number_width = number > w->number_width ? number : w->number_width;
		w->box_width = box > w->box_width ? box : w->box_width;
		w->counts_width = counts > w->counts_width ? counts : w->counts_width;
	}
}

static void print_narrow(const struct view *w, const struct history_entry *e, FILE *out)
{
	char text[COUNTS_MAX + 128], counts[COUNTS_MAX], when[32], size[32], rel[32];

	relation(e, rel);
	fprintf(out, "%u  %s\n  ", e->number, e->box);
	snprintf(text, sizeof text, "%s, %s, %s%s%s", time_text(e, "%Y-%m-%d %H:%M", when), history_counts(e, counts),
	         size_text(e->bytes, size), *rel ? ", " : "", rel);
	text_wrap(out, text, 2, 2, (size_t)w->columns);
	fputs("  ", out);
	text_rest(out, e->command, 2, w->columns);
}

static void print_row(const struct view *w, const struct history_entry *e, FILE *out)
{
	char counts[COUNTS_MAX], when[32], size[32], rel[32];
	int used;

	if (is_narrow(w)) {
		print_narrow(w, e, out);
		return;
	}
	relation(e, rel);
	used = fprintf(out, "%*u  %-*s  %-*s  %-*s  %*s  %s%s%s", w->number_width, e->number, TIME_WIDTH,
	               time_text(e, "%Y-%m-%d %H:%M", when), w->box_width, e->box, w->counts_width, history_counts(e, counts),
	               HELD_WIDTH, size_text(e->bytes, size), *rel ? "(" : "", rel, *rel ? ") " : "");
	text_rest(out, e->command, used, w->columns);
}

static void print_fields_json(const struct history_entry *e)
{
	char when[32];

	printf("\"number\":%u,\"undo\":%s,\"undoes\":", e->number, e->undo ? "true" : "false");
	printf(e->undo ? "%u" : "null", e->undoes);
	fputs(",\"undone_by\":", stdout);
	printf(e->undone_by ? "%u" : "null", e->undone_by);
	printf(",\"failed\":%s", e->failed ? "true" : "false");
	printf(",\"time\":\"%s\",\"time_ns\":%llu,\"box\":", time_text(e, "%Y-%m-%dT%H:%M:%S%z", when),
	       (unsigned long long)e->when_ns);
	json_text(stdout, e->box);
	fputs(",\"command\":", stdout);
	json_text(stdout, e->command);
	printf(",\"bytes\":%llu,\"counts\":{", (unsigned long long)e->bytes);
	for (size_t k = 0; k < HISTORY_KINDS; k++)
		printf("%s\"%s\":%llu", k ? "," : "", kind_name((enum change_kind)HISTORY_LETTERS[k]),
		       (unsigned long long)e->counts[k]);
	fputc('}', stdout);
}

static void print_row_nul(const struct history_entry *e)
{
	unsigned long long changes = 0;

	for (size_t k = 0; k < HISTORY_KINDS; k++)
		changes += e->counts[k];
	printf("%u\t%s\t%u\t%llu\t%s\t%llu\t%llu\t%s%c", e->number, e->failed ? "failed" : e->undo ? "undo" : "commit", e->undo ? e->undoes : e->undone_by,
	       (unsigned long long)(e->when_ns / 1000000000u), e->box, changes, (unsigned long long)e->bytes, e->command, '\0');
}

/* The newest first. Returns how many. */
static size_t print_list(const struct view *w, FILE *out)
{
	size_t n = 0;

	for (size_t i = w->all->count; i > 0; i--) {
		const struct history_entry *e = &w->all->list[i - 1];

		if (!is_shown(w, e))
			continue;
		if (w->form == FORM_JSON) {
			fputs(n ? ",\n  {" : "[\n  {", stdout);
			print_fields_json(e);
			fputc('}', stdout);
		} else if (w->form == FORM_NUL) {
			print_row_nul(e);
		} else {
			if (n == 0 && !is_narrow(w))
				fprintf(out, "%*s  %-*s  %-*s  %-*s  %*s  %s\n", w->number_width, "NO", TIME_WIDTH, "TIME",
				        w->box_width, "BOX", w->counts_width, "CHANGES", HELD_WIDTH, "HELD", "COMMAND");
			print_row(w, e, out);
		}
		n++;
	}
	if (w->form == FORM_JSON)
		fputs(n ? "\n]\n" : "[]\n", stdout);
	return n;
}

static int list(struct view *w)
{
	struct pager pager = { .out = stdout };
	size_t n;

	measure(w);
	if (w->form != FORM_TEXT) {
		print_list(w, stdout);
		return CMD_OK;
	}
	for (n = 0; n < w->all->count && !is_shown(w, &w->all->list[n]); n++)
		;
	if (n == w->all->count) {
		if (w->box)
			log_say("the history has no commit of a box %s", w->box);
		else if (isatty(STDERR_FILENO))
			log_say("nothing was committed yet, or all of it was given up");
		return CMD_OK;
	}
	pager_begin(&pager);
	print_list(w, pager.out);
	if (!pager_end(&pager))
		print_list(w, stdout);
	return CMD_OK;
}

/* ---- one of them ---- */

/* One of them, with all that is told of it. */
struct detail {
	const struct history_entry *entry;
	struct history_path *paths;
	size_t npaths;
	struct history_held *held;
	size_t nheld;
};

static void detail_release(struct detail *d)
{
	history_paths_free(d->paths, d->npaths);
	history_held_free(d->held, d->nheld);
}

static void print_details(const struct view *w, const struct detail *d, FILE *out)
{
	const struct history_entry *e = d->entry;
	char text[16384], path[4 * PATH_MAX], when[32], age[32], size[32], rel[32], counts[COUNTS_MAX];

	time_text(e, "%Y-%m-%d %H:%M:%S", when);
	age_text((int64_t)time(NULL) - (int64_t)(e->when_ns / 1000000000u), age);
	if (e->undo)
		fprintf(out, "undo %u of commit %u of box %s\n", e->number, e->undoes, e->box);
	else
		fprintf(out, "commit %u of box %s\n", e->number, e->box);
	fprintf(out, "  command: %s\n  made:    %s (%s ago)\n  %s %s\n  held:    %s in %s/history/%u\n",
	        text_printable(e->command, text, sizeof text), when, age,
	        e->undo ? "undid:  " : "changes:", history_counts(e, counts), size_text(e->bytes, size),
	        path_printable(w->store->path, path, sizeof path), e->number);
	if (!e->undo && e->undone_by)
		fprintf(out, "  %s\n", relation(e, rel));
	if (e->failed)
		fputs("  it failed, and was taken back, but for what the host had changed by then; what could not go back to its place is held there\n", out);
	for (size_t i = 0; i < d->npaths; i++) {
		history_path_print(out, &d->paths[i]);
		fputc('\n', out);
	}
	if (d->nheld)
		fprintf(out, "held there:\n");
	for (size_t i = 0; i < d->nheld; i++)
		fprintf(out, "  %s%s  %s%s\n", d->held[i].name, d->held[i].directory ? "/" : "", path_printable(d->held[i].path, path, sizeof path),
		        d->held[i].directory ? "/" : "");
}

static void print_paths_nul(const struct history_path *paths, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		printf("%c %s%c", paths[i].letter, paths[i].path, '\0');
		if (paths[i].from)
			printf("%s%c", paths[i].from, '\0');
	}
}

static void print_details_json(const struct view *w, const struct detail *d)
{
	char place[PATH_MAX + 32];

	snprintf(place, sizeof place, "%s/history/%u", w->store->path, d->entry->number);
	fputc('{', stdout);
	print_fields_json(d->entry);
	fputc(',', stdout);
	json_path(stdout, "held_in", place);
	fputs(",\n \"changes\":[", stdout);
	for (size_t i = 0; i < d->npaths; i++) {
		fputs(i ? ",\n  " : "\n  ", stdout);
		history_path_json(stdout, &d->paths[i]);
	}
	fputs("],\n \"held\":[", stdout);
	for (size_t i = 0; i < d->nheld; i++) {
		printf("%s{\"name\":\"%s\",", i ? ",\n  " : "\n  ", d->held[i].name);
		json_path(stdout, "path", d->held[i].path);
		fputc('}', stdout);
	}
	fputs("]}\n", stdout);
}

static int details(const struct verb *v, const struct view *w, unsigned number)
{
	__attribute__((cleanup(detail_release))) struct detail d = { 0 };
	struct pager pager = { .out = stdout };
	struct err err = { 0 };
	size_t at = 0;

	while (at < w->all->count && w->all->list[at].number != number)
		at++;
	if (at == w->all->count) {
		log_say("%s: there is no entry %u in the history: see cowbox log", v->name, number);
		return CMD_FAILED;
	}
	d.entry = &w->all->list[at];
	if (history_paths(w->store, number, &d.paths, &d.npaths, &err) < 0 || history_held(w->store, number, &d.held, &d.nheld, &err) < 0)
		return say_error(v->name, &err);
	if (w->form == FORM_JSON) {
		print_details_json(w, &d);
	} else if (w->form == FORM_NUL) {
		print_paths_nul(d.paths, d.npaths);
	} else {
		pager_begin(&pager);
		print_details(w, &d, pager.out);
		if (!pager_end(&pager))
			print_details(w, &d, stdout);
	}
	return CMD_OK;
}

/* ---- giving up ---- */

static uint64_t bytes_of(const struct entries *e)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < e->count; i++)
		sum += e->list[i].bytes;
	return sum;
}

static int prune(const struct verb *v, struct store *store, const struct entries *before, const struct history_limits *limits)
{
	_cleanup_(entries_release) struct entries after = { 0 };
	char gone[32], rest[32];
	struct err err = { 0 };
	uint64_t had = bytes_of(before), has;
	int n = history_prune(store, limits);

	if (n == -EBUSY) {
		log_say("%s: another cowbox is at work on the history: wait until that has ended", v->name);
		return CMD_FAILED;
	}
	if (n < 0)
		err_sys(&err, n, "%s/history", store->path);
	if (n < 0 || history_list(store, &after.list, &after.count, &err) < 0)
		return say_error(v->name, &err);
	has = bytes_of(&after);
	size_text(had > has ? had - has : 0, gone);
	size_text(has, rest);
	if (n == 0)
		log_say("nothing was given up: the history has %zu entr%s, %s (the last commit is always kept)", after.count,
		        after.count == 1 ? "y" : "ies", rest);
	else
		log_say("gave up %d entr%s, %s; the history has %zu, %s", n, n == 1 ? "y" : "ies", gone, after.count, rest);
	return CMD_OK;
}

/* ---- the verb ---- */

struct wish {
	const char *box, *age, *size;
	enum form form;
	unsigned number;
	bool prune;
	struct history_limits limits;
};

static int log_history(const struct verb *v, const struct wish *wish)
{
	_cleanup_store_ struct store *store = NULL;
	_cleanup_(entries_release) struct entries all = { 0 };
	struct view w = { .all = &all, .box = wish->box, .form = wish->form, .columns = term_columns(STDOUT_FILENO) };
	struct err err = { 0 };
	int r = store_open(false, &store, &err);

	if (r == 0)
		r = session_recover(store, &err);
	if (r == 0)
		r = history_list(store, &all.list, &all.count, &err);
	/* No store is an empty history. */
	if (r < 0 && (store || r != -ENOENT))
		return say_error(v->name, &err);
	w.store = store;
	if (wish->prune && store)
		return prune(v, store, &all, &wish->limits);
	return wish->number ? details(v, &w, wish->number) : list(&w);
}

/* What excludes what, and what is no limit. */
static int check_wish(const struct verb *v, struct wish *wish)
{
	struct err err = { 0 };

	if (!wish->prune && (wish->age || wish->size))
		return usage(v, "--%s goes with --prune", wish->age ? "age" : "size");
	if (wish->prune && (wish->number || wish->box || wish->form != FORM_TEXT))
		return usage(v, "--prune is for the whole history, and lists nothing: it takes --age and --size only");
	if (wish->number && wish->box)
		return usage(v, "give -b or a number, a number is of one commit");
	if (wish->box && box_name_check(wish->box, &err) < 0)
		return say_error(v->name, &err);
	if (!wish->prune)
		return CMD_OK;
	wish->limits = history_limits_wanted();
	wish->limits.failed = true;
	if (wish->age && history_parse_age(wish->age, &wish->limits.age_s) < 0)
		return usage(v, "--age=%s: it is a number of days, or as in 30d, 12h, 2w", wish->age);
	if (wish->size && history_parse_size(wish->size, &wish->limits.bytes) < 0)
		return usage(v, "--size=%s: it is a number of bytes, or as in 100k, 500M, 2G", wish->size);
	return CMD_OK;
}

static int run_log(const struct verb *v, int argc, char **argv)
{
	_cleanup_options_ struct options o = { 0 };
	struct wish wish = { 0 };
	int id, r;

	if (options_init(&o, v, argc, argv) < 0)
		return CMD_FAILED;
	while ((id = options_next(&o)) > 0) {
		if (help_common(v, id))
			return CMD_OK;
		if (form_option(v, id, &wish.form) != 0)
			return CMD_USAGE;
		if (id == 'b')
			wish.box = o.value;
		else if (id == OPT_PRUNE)
			wish.prune = true;
		else if (id == OPT_AGE)
			wish.age = o.value;
		else if (id == OPT_SIZE)
			wish.size = o.value;
	}
	if (id < 0)
		return CMD_USAGE;
	if (o.nargs > 1)
		return usage(v, "it shows one commit at a time: %s and %s", o.args[0], o.args[1]);
	if (o.nargs && !(wish.number = history_parse_number(o.args[0])))
		return usage(v, "%s is no number of a commit", o.args[0]);
	r = check_wish(v, &wish);
	return r == CMD_OK ? log_history(v, &wish) : r;
}

const struct verb verb_log = {
	.name = "log",
	.usage = "[-b BOX] [--json | -z] [--prune [--age=AGE] [--size=SIZE]] [NUMBER]",
	.summary = "list the commits, of all boxes",
	.details = "The newest first: number, time, box, changes, what the history holds of it on the disk, the command that the "
	           "box was made\n"
		   "for; an undo is listed too, with the commit that it took back. With a NUMBER each change of that. On a "
	           "terminal it goes\n"
		   "through $PAGER.\n"
		   "-z writes number, commit or undo, the number of the undo or commit that belongs to it or 0, seconds since the "
	           "epoch, box,\n"
		   "number of changes, bytes held, command.\n"
		   "Each commit and undo gives up what is older than $COWBOX_HISTORY_AGE (30d), and the oldest as long as all hold "
	           "more than\n"
		   "$COWBOX_HISTORY_SIZE (1G); 0 is no limit, and the last commit is always kept. --prune does it now, with limits "
	           "of its own.",
	.exits = "0 listed, or given up\n2 wrong usage\n3 the history could not be read, or has no such number",
	.options = options,
	.run = run_log,
};
