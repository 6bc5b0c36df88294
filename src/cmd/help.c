/* help.c - help, made from the verbs' tables. */
#include "cmd.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define COLUMN 26

static void print_row(const struct option_row *row, FILE *out)
{
	char left[64];
	int n = 0;

	if (row->id < 256)
		n = snprintf(left, sizeof left, "  -%c%s%s", row->id, row->name ? ", --" : "", row->name ? row->name : "");
	else
		n = snprintf(left, sizeof left, "      --%s", row->name);
	if (row->arg && row->fallback)
		snprintf(left + n, sizeof left - (size_t)n, "[=%s]", row->arg);
	else if (row->arg)
		snprintf(left + n, sizeof left - (size_t)n, "%c%s", row->name ? '=' : ' ', row->arg);
	fprintf(out, "%-*s %s\n", COLUMN, left, row->help);
}

void help_verb(const struct verb *v, FILE *out)
{
	fprintf(out, "usage: cowbox %s%s%s\n\n%s\n", v->name, *v->usage ? " " : "", v->usage, v->summary);
	if (v->details)
		fprintf(out, "\n%s\n", v->details);
	fprintf(out, "\noptions:\n");
	for (const struct option_row *row = v->options; row && row->id; row++)
		print_row(row, out);
	for (const struct option_row *row = options_common; row->id; row++)
		print_row(row, out);
	fprintf(out, "\nexit status:\n");
	for (const char *line = v->exits; *line;) {
		size_t len = strcspn(line, "\n");

		fprintf(out, "  %.*s\n", (int)len, line);
		line += len + (line[len] == '\n');
	}
}

void help_all(FILE *out)
{
	fprintf(out, "usage: cowbox COMMAND [OPTION...] [ARG...]\n\n"
	             "Runs any program against a copy-on-write view of the whole file system: the program believes it changed\n"
	             "the machine, and you decide afterwards what of it becomes true.\n\n"
	             "commands:\n");
	for (size_t i = 0; verbs[i]; i++)
		fprintf(out, "  %-10s%s\n", verbs[i]->name, verbs[i]->summary);
	fprintf(out, "\ncowbox COMMAND --help tells more. The first steps:\n"
	             "  cowbox run -- npm install      run something\n"
	             "  cowbox diff                    look at what it changed\n"
	             "  cowbox commit -a               make it true, or\n"
	             "  cowbox discard                 forget it\n"
	             "  cowbox undo                    take the commit back\n");
}

void help_version(FILE *out)
{
	fprintf(out, "cowbox %s\n", COWBOX_VERSION);
}

int help_common(const struct verb *v, int id)
{
	switch (id) {
	case 'h':
		help_verb(v, stdout);
		return 1;
	case OPT_VERSION:
		help_version(stdout);
		return 1;
	case OPT_DEBUG:
		log_level = LOG_DEBUG;
		return 0;
	}
	return 0;
}

int usage(const struct verb *v, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	log_say("%s: %s", v->name, text);
	return CMD_USAGE;
}

int form_option(const struct verb *v, int id, enum form *form)
{
	enum form wanted = id == OPT_JSON ? FORM_JSON : id == 'z' ? FORM_NUL : *form;

	if (*form != FORM_TEXT && wanted != *form)
		return usage(v, "--json and -z exclude each other");
	*form = wanted;
	return 0;
}

static const char *verb_name_at(const void *ctx, size_t i)
{
	(void)ctx;
	return verbs[i] ? verbs[i]->name : NULL;
}

static int run_help(const struct verb *v, int argc, char **argv)
{
	_cleanup_options_ struct options o = { 0 };
	const char *near;
	int id;

	if (options_init(&o, v, argc, argv) < 0)
		return CMD_FAILED;
	while ((id = options_next(&o)) > 0)
		if (help_common(v, id))
			return CMD_OK;
	if (id < 0)
		return CMD_USAGE;
	if (o.nargs == 0) {
		help_all(stdout);
		return CMD_OK;
	}
	for (size_t i = 0; verbs[i]; i++) {
		if (strcmp(verbs[i]->name, o.args[0]) == 0) {
			help_verb(verbs[i], stdout);
			return CMD_OK;
		}
	}
	near = nearest_word(o.args[0], verb_name_at, NULL);
	return near ? usage(v, "unknown command %s: did you mean %s?", o.args[0], near)
	            : usage(v, "unknown command %s: see cowbox --help", o.args[0]);
}

const struct verb verb_help = {
	.name = "help",
	.usage = "[COMMAND]",
	.summary = "show how to use cowbox, or one of its commands",
	.exits = "0 shown\n2 there is no such command",
	.run = run_help,
};
