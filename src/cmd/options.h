/* options.h - one table of options a verb: what parses them, what --help prints, what is suggested for a wrong word.
 *
 * Calling sequence:
 *     struct options o;  options_init(&o, verb, argc, argv);
 *     while ((id = options_next(&o)) > 0) switch (id) ...        o.value is the option's value
 *     id < 0: a usage error, already told; else o.args[0 .. o.nargs-1] are the arguments
 *     options_release(&o);
 */
#ifndef COWBOX_CMD_OPTIONS_H
#define COWBOX_CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* Options are known by their short letter, or by one of these. */
enum option_id {
	OPT_HELP = 256,
	OPT_VERSION,
	OPT_JSON,
	OPT_COLOR,
	OPT_STAT,
	OPT_RM,
	OPT_KEEP_ORIGINALS,
	OPT_INHERIT_FD,
	OPT_ALLOW_SOCKET,
	OPT_ON_CONFLICT,
	OPT_PRUNE,
	OPT_AGE,
	OPT_SIZE,
	OPT_KEEP,
	OPT_DEBUG,
};

struct option_row {
	int id;           /* id: the letter, or one of enum option_id; 0 ends the table */
	const char *name; /* name: the long form without dashes, NULL for none */
	const char *arg;  /* arg: what its value is called, NULL when it takes none */
	const char
		*fallback; /* fallback: the value when it is given without "=VALUE"; then only the long form with "=" takes one */
	const char *help;
};

struct verb {
	const char *name;
	const char *usage;   /* usage: what follows the name */
	const char *summary; /* summary: one line */
	const char *details; /* details: more for --help and the manual; NULL for none */
	const char *exits;   /* exits: its exit statuses, one a line: "0 all was applied" */
	const struct option_row *options;
	bool stops; /* stops: the first argument ends the options (it is a command) */
	int (*run)(const struct verb *v, int argc, char **argv);
};

/* What every verb takes. */
extern const struct option_row options_common[];

struct options {
	const struct verb *verb;
	int argc, at;
	char **argv;
	const char *cluster; /* cluster: rest of "-xyz" */
	const char *value;   /* value: of the option just returned, or NULL */
	const char *box;     /* box: of -b, once it was given */
	const char **args;
	size_t nargs;
};
int options_init(struct options *o, const struct verb *v, int argc, char **argv);
/* The next option's id; 0 at the end; -EINVAL after telling what is wrong. */
int options_next(struct options *o);
void options_release(struct options *o);
#define _cleanup_options_ __attribute__((cleanup(options_release)))

/* Number of single changes (insert, remove, replace, swap neighbours) that make b of a. */
unsigned edit_distance(const char *a, const char *b);
/* The word nearest to the wrong one, when it is near enough to be meant; NULL else. next: called with i = 0, 1, ... until it gives NULL. */
const char *nearest_word(const char *wrong, const char *(*next)(const void *ctx, size_t i), const void *ctx);

#endif
