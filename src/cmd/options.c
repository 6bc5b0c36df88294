/* options.c - parsing by the option tables, and the nearest right word for a wrong one. */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define WORD_MAX 48

const struct option_row options_common[] = {
	{ 'h', "help", NULL, NULL, "show this" },
	{ OPT_VERSION, "version", NULL, NULL, "show the version" },
	{ OPT_DEBUG, "debug", NULL, NULL, "tell on stderr what is done" },
	{ 0 },
};

unsigned edit_distance(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > WORD_MAX || lb > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= lb; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned *now = rows[i % 3], *up = rows[(i + 2) % 3], *upper = rows[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned best = up[j - 1] + (a[i - 1] != b[j - 1]);

			if (up[j] + 1 < best)
				best = up[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && upper[j - 2] + 1 < best)
				best = upper[j - 2] + 1;
			now[j] = best;
		}
	}
	return rows[la % 3][lb];
}

const char *nearest_word(const char *wrong, const char *(*next)(const void *ctx, size_t i), const void *ctx)
{
	const char *word, *best = NULL;
	size_t len = strlen(wrong);
	unsigned least = WORD_MAX;

	for (size_t i = 0; (word = next(ctx, i)); i++) {
		unsigned d = edit_distance(wrong, word);

		/* The start of a word counts as near. */
		if (len >= 2 && strncmp(word, wrong, len) == 0)
			d = 1;
		if (d < least) {
			least = d;
			best = word;
		}
	}
	return least <= (len + 1) / 3 && least < len ? best : NULL;
}

int options_init(struct options *o, const struct verb *v, int argc, char **argv)
{
	*o = (struct options){ .verb = v, .argc = argc, .argv = argv };
	o->args = calloc((size_t)argc + 1, sizeof *o->args);
	return o->args ? 0 : -ENOMEM;
}

void options_release(struct options *o)
{
	free(o->args);
	o->args = NULL;
}

static const struct option_row *row_at(const struct verb *v, size_t i)
{
	const struct option_row *row = v->options;

	for (; row && row->id; row++)
		if (i-- == 0)
			return row;
	for (row = options_common; row->id; row++)
		if (i-- == 0)
			return row;
	return NULL;
}

static const char *long_name_at(const void *ctx, size_t i)
{
	const struct option_row *row;

	for (size_t k = 0; (row = row_at(ctx, k)); k++)
		if (row->name && i-- == 0)
			return row->name;
	return NULL;
}

static int unknown_long(const struct options *o, const char *name)
{
	const char *near = nearest_word(name, long_name_at, o->verb);

	if (near)
		log_say("%s: unknown option --%s: did you mean --%s?", o->verb->name, name, near);
	else
		log_say("%s: unknown option --%s: see cowbox %s --help", o->verb->name, name, o->verb->name);
	return -EINVAL;
}

static int take_long(struct options *o, const char *text)
{
	const char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : strlen(text);
	const struct option_row *row;
	char name[64];

	for (size_t i = 0; (row = row_at(o->verb, i)); i++)
		if (row->name && strlen(row->name) == len && strncmp(row->name, text, len) == 0)
			break;
	if (!row) {
		if (len >= sizeof name)
			len = sizeof name - 1;
		memcpy(name, text, len);
		name[len] = '\0';
		return unknown_long(o, name);
	}
	if (!row->arg && equals) {
		log_say("%s: option --%s takes no value", o->verb->name, row->name);
		return -EINVAL;
	}
	o->value = equals ? equals + 1 : row->fallback;
	if (row->arg && !o->value) {
		if (o->at >= o->argc) {
			log_say("%s: option --%s needs a value: --%s=%s", o->verb->name, row->name, row->name, row->arg);
			return -EINVAL;
		}
		o->value = o->argv[o->at++];
	}
	return row->id;
}

static int take_short(struct options *o)
{
	char letter = *o->cluster++;
	const struct option_row *row;

	for (size_t i = 0; (row = row_at(o->verb, i)); i++)
		if (row->id == (unsigned char)letter)
			break;
	if (!row) {
		log_say("%s: unknown option -%c: see cowbox %s --help", o->verb->name, letter, o->verb->name);
		return -EINVAL;
	}
	o->value = row->fallback;
	if (row->arg && !row->fallback) {
		o->value = *o->cluster ? o->cluster : o->at < o->argc ? o->argv[o->at++] : NULL;
		o->cluster = NULL;
		/* "-b=big": no value of ours starts so. */
		if (o->value && *o->value == '=') {
			log_say("%s: option -%c takes its value without a '=': -%c %s", o->verb->name, letter, letter,
			        o->value[1] ? o->value + 1 : row->arg);
			return -EINVAL;
		}
		if (!o->value) {
			log_say("%s: option -%c needs a value: -%c %s", o->verb->name, letter, letter, row->arg);
			return -EINVAL;
		}
	}
	return row->id;
}

/* Of two boxes only one can be meant. What else is given twice is repeated on purpose, or overrides what an alias gave. */
static int refuse_second(struct options *o, int id)
{
	if (id != 'b')
		return id;
	if (o->box && strcmp(o->box, o->value) != 0) {
		log_say("%s: -b %s and -b %s: give one box", o->verb->name, o->box, o->value);
		return -EINVAL;
	}
	o->box = o->value;
	return id;
}

static int take_rest(struct options *o)
{
	while (o->at < o->argc)
		o->args[o->nargs++] = o->argv[o->at++];
	return 0;
}

int options_next(struct options *o)
{
	o->value = NULL;
	if (o->cluster && *o->cluster)
		return refuse_second(o, take_short(o));
	while (o->at < o->argc) {
		const char *arg = o->argv[o->at++];

		if (strcmp(arg, "--") == 0)
			return take_rest(o);
		if (arg[0] == '-' && arg[1] == '-')
			return refuse_second(o, take_long(o, arg + 2));
		if (arg[0] == '-' && arg[1]) {
			o->cluster = arg + 1;
			return refuse_second(o, take_short(o));
		}
		o->args[o->nargs++] = arg;
		if (o->verb->stops)
			return take_rest(o);
	}
	return 0;
}
