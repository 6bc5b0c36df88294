/* main.c - which verb was asked for. */
#include "cmd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cred.h"
#include "inside.h"

static const char *verb_name_at(const void *ctx, size_t i)
{
	(void)ctx;
	return verbs[i] ? verbs[i]->name : NULL;
}

static int unknown_verb(const char *word)
{
	const char *near = nearest_word(word, verb_name_at, NULL);

	if (near)
		log_say("unknown command %s: did you mean %s?", word, near);
	else
		log_say("unknown command %s: see cowbox --help (to run it in a box: cowbox run -- %s)", word, word);
	return CMD_USAGE;
}

static const struct verb *verb_find(const char *word)
{
	for (size_t i = 0; verbs[i]; i++)
		if (strcmp(verbs[i]->name, word) == 0)
			return verbs[i];
	return NULL;
}

/* "-b web status": what was meant is told where the command is the next word, or the one after. */
static int refuse_early_option(int argc, char **argv)
{
	int at = 2;

	while (at < argc && at < 4 && !verb_find(argv[at]))
		at++;
	if (at == 2 && argc > 2)
		log_say("unknown option %s: options come after the command: cowbox %s %s", argv[1], argv[2], argv[1]);
	else if (at == 3 && argc > 3)
		log_say("unknown option %s: options come after the command: cowbox %s %s %s", argv[1], argv[3], argv[1], argv[2]);
	else
		log_say("unknown option %s: options come after the command, as in cowbox status --json", argv[1]);
	return CMD_USAGE;
}

/* A program started with stdout closed would write into whatever it opens first. */
static void hold_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

/* What was written to stdout must have arrived. */
static int flushed(const struct verb *v, int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (status == CMD_OK) {
		log_say("stdout: cannot be written to%s", v == &verb_commit || v == &verb_undo || v == &verb_discard ? "; it is done all the same" : "");
		return CMD_FAILED;
	}
	return status;
}

static bool wants_help(const struct verb *v, const char *first)
{
	return v == &verb_help ||
	       (first && (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 || strcmp(first, "--version") == 0));
}

/* Another working directory would mean another store, and the boxes of this one would seem lost. Help is given anyhow. */
static int refuse_relative_store(const struct verb *v, const char *first)
{
	const char *home = getenv("COWBOX_HOME");

	if (!home || !*home || *home == '/' || wants_help(v, first))
		return CMD_OK;
	log_say("%s: COWBOX_HOME=%s is relative: give an absolute path", v->name, home);
	return CMD_USAGE;
}

/* The store does not exist in the view, and boxes do not nest. Help is given anywhere. */
static int refuse_inside(const struct verb *v, const char *first)
{
	char where[INSIDE_NAME_MAX];

	if (wants_help(v, first) || !inside_box())
		return CMD_OK;
	inside_name(where);
	if (v == &verb_run) {
		log_say("run: this is %s already, and boxes do not nest: run the command itself, or leave the box first", where);
		return CMD_RUN_FAILED;
	}
	log_say("%s: this is %s, where boxes cannot be seen: leave it first", v->name, where);
	return CMD_FAILED;
}

int main(int argc, char **argv)
{
	const struct verb *v;
	int r;

	hold_standard_fds();
	cred_init();
	if (argc < 2) {
		help_all(stderr);
		return CMD_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		help_all(stdout);
		return flushed(NULL, CMD_OK);
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		help_version(stdout);
		return flushed(NULL, CMD_OK);
	}
	if (argv[1][0] == '-')
		return refuse_early_option(argc, argv);
	v = verb_find(argv[1]);
	if (!v)
		return unknown_verb(argv[1]);
	r = refuse_inside(v, argc > 2 ? argv[2] : NULL);
	if (r == CMD_OK)
		r = refuse_relative_store(v, argc > 2 ? argv[2] : NULL);
	return flushed(v, r != CMD_OK ? r : v->run(v, argc - 2, argv + 2));
}
