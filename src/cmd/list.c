/* list.c - cowbox list: the boxes there are. */
#include "cmd.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct option_row options[] = {
	{ OPT_JSON, "json", NULL, NULL, "a JSON array, one object a box" },
	{ 'z', NULL, NULL, NULL, "names only, each ended by NUL" },
	{ 0 },
};

#define FIELDS_WIDTH 35 /* columns of the fields between the name and the last */

/* One box as it is listed. */
struct row {
	const char *name;
	struct box *box; /* box: NULL when it cannot be opened */
	struct err err;  /* err: why not */
	uint64_t bytes, objects;
	bool running, last;
};

static void row_read(struct row *row, struct store *store)
{
	if (box_open(store, row->name, &row->box, &row->err) < 0)
		return;
	row->running = box_is_running(row->box) > 0;
	box_usage(row->box, &row->bytes, &row->objects);
}

/* What is to be said of it before its command. */
static const char *row_state(const struct row *row)
{
	return row->running ? "(running) " : row->objects == 0 ? "(no changes) " : "";
}

static bool is_narrow(int width, int columns)
{
	return columns > 0 && columns < width + FIELDS_WIDTH + TEXT_REST_MIN;
}

/* On a narrow terminal: the name, and what there is to say of it below. */
static void print_narrow(const struct row *row, int columns)
{
	char text[128], age[32], size[32];

	printf("%s%s\n  ", row->name, row->box && row->last ? " *" : "");
	if (!row->box) {
		char why[sizeof row->err.msg];

		fputs("damaged: ", stdout);
		text_wrap(stdout, text_printable(row->err.msg, why, sizeof why), 2 + strlen("damaged: "), 2, (size_t)columns);
		return;
	}
	if (!row->objects && !row->running)
		snprintf(text, sizeof text, "%s, no changes", age_text((int64_t)time(NULL) - row->box->created, age));
	else
		snprintf(text, sizeof text, "%s, %llu object%s, %s%s", age_text((int64_t)time(NULL) - row->box->created, age),
		         (unsigned long long)row->objects, row->objects == 1 ? "" : "s", size_text(row->bytes, size),
		         row->running ? ", running" : "");
	text_wrap(stdout, text, 2, 2, (size_t)columns);
	fputs("  ", stdout);
	text_rest(stdout, row->box->command ? row->box->command : "", 2, columns);
}

/* width: of the names; columns: of the terminal, 0 for none. */
static void print_text(const struct row *row, int width, int columns)
{
	char age[32], size[32];
	int used;

	if (is_narrow(width, columns)) {
		print_narrow(row, columns);
		return;
	}
	if (!row->box) {
		used = printf("%-*s  damaged: ", width, row->name);
		text_rest(stdout, row->err.msg, used, columns);
		return;
	}
	used = printf("%-*s%c %9s %10llu %10s  %s", width, row->name, row->last ? '*' : ' ',
	              age_text((int64_t)time(NULL) - row->box->created, age), (unsigned long long)row->objects,
	              size_text(row->bytes, size), row_state(row));
	text_rest(stdout, row->box->command ? row->box->command : "", used, columns);
}

static void print_json(const struct row *row, bool first)
{
	fputs(first ? "\n  {\"name\":" : ",\n  {\"name\":", stdout);
	json_text(stdout, row->name);
	if (!row->box) {
		fputs(",\"damaged\":", stdout);
		json_text(stdout, row->err.msg);
	} else {
		printf(",\"created\":%lld,\"running\":%s,\"last\":%s,\"objects\":%llu,\"bytes\":%llu,\"layers\":%d,\"command\":",
		       (long long)row->box->created, row->running ? "true" : "false", row->last ? "true" : "false",
		       (unsigned long long)row->objects, (unsigned long long)row->bytes, row->box->nlayers);
		json_text(stdout, row->box->command ? row->box->command : "");
		fputs(",\"path\":", stdout);
		json_text(stdout, row->box->path);
	}
	fputc('}', stdout);
}

static void print_names(struct store *store, char **names, enum form form)
{
	char last[BOX_NAME_MAX + 1] = "";
	int width = 4, columns = term_columns(STDOUT_FILENO);

	if (store_last(store, last, NULL) < 0)
		last[0] = '\0';
	for (char **n = names; *n; n++)
		width = (int)strlen(*n) > width ? (int)strlen(*n) : width;
	if (form == FORM_TEXT && *names && !is_narrow(width, columns))
		printf("%-*s  %9s %10s %10s  %s\n", width, "NAME", "AGE", "OBJECTS", "SIZE", "COMMAND");
	if (form == FORM_JSON)
		fputc('[', stdout);
	for (char **n = names; *n; n++) {
		struct row row = { .name = *n, .last = strcmp(*n, last) == 0 };

		if (form == FORM_NUL) {
			printf("%s%c", *n, '\0');
			continue;
		}
		row_read(&row, store);
		if (form == FORM_JSON)
			print_json(&row, n == names);
		else
			print_text(&row, width, columns);
		box_free(row.box);
	}
	if (form == FORM_JSON)
		fputs(*names ? "\n]\n" : "]\n", stdout);
}

static void tell_none(enum form form)
{
	if (form == FORM_TEXT && isatty(STDERR_FILENO))
		log_say("there are no boxes: cowbox run makes one");
}

/* What all commits hold: as it is no box's, not in the list itself. */
static void tell_history(struct store *store, enum form form)
{
	struct history_entry *list = NULL;
	char text[128], size[32];
	uint64_t bytes = 0;
	size_t n = 0, commits = 0;

	if (form != FORM_TEXT || !isatty(STDERR_FILENO) || history_list(store, &list, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		bytes += list[i].bytes;
		commits += !list[i].undo;
	}
	history_free(list, n);
	if (!n)
		return;
	snprintf(text, sizeof text, "cowbox: history: %zu commit%s, %s: cowbox log", commits, commits == 1 ? "" : "s", size_text(bytes, size));
	fflush(stdout);
	text_wrap(stderr, text, 0, 2, (size_t)term_columns(STDERR_FILENO));
}

static int run_list(const struct verb *v, int argc, char **argv)
{
	_cleanup_options_ struct options o = { 0 };
	_cleanup_store_ struct store *store = NULL;
	_cleanup_strv_ char **names = NULL;
	enum form form = FORM_TEXT;
	struct err err = { 0 };
	int id, r;

	if (options_init(&o, v, argc, argv) < 0)
		return CMD_FAILED;
	while ((id = options_next(&o)) > 0) {
		if (help_common(v, id))
			return CMD_OK;
		if (form_option(v, id, &form) != 0)
			return CMD_USAGE;
	}
	if (id < 0)
		return CMD_USAGE;
	if (o.nargs)
		return usage(v, "it takes no arguments: %s", o.args[0]);
	r = store_open(false, &store, &err);
	/* No store is no error: there are no boxes. */
	if (r == -ENOENT) {
		fputs(form == FORM_JSON ? "[]\n" : "", stdout);
		tell_none(form);
		return CMD_OK;
	}
	if (r == 0)
		r = session_recover(store, &err);
	if (r == 0)
		r = store_list(store, &names, &err);
	if (r < 0)
		return say_error(v->name, &err);
	if (!*names)
		tell_none(form);
	print_names(store, names, form);
	tell_history(store, form);
	return CMD_OK;
}

const struct verb verb_list = {
	.name = "list",
	.usage = "[--json | -z]",
	.summary = "list the boxes",
	.details = "Name (* the one used last), age, how many objects its layers hold, their size on disk, and the command it was "
		   "made for,\nwhich is cut where a terminal's line ends. On a terminal the last line tells of the history (cowbox log).\n"
		   "What they changed, compared with the host as it is now, is what cowbox status -b NAME tells.",
	.exits = "0 listed\n2 wrong usage\n3 the store could not be read",
	.options = options,
	.run = run_list,
};
