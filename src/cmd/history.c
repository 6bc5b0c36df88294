/* history.c - what commit, undo and log share: how much of the history is kept, and how its entries are written. */
#include "cmd.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- limits ---- */

struct unit {
	char letter;
	uint64_t factor;
};

/* A whole number, and the letter of a unit or none: that of the first row. The last row has the letter 0. */
static int parse_amount(const char *text, const struct unit *units, uint64_t *ret)
{
	const struct unit *u = units;
	unsigned long long n;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	while (*end && u->letter && u->letter != *end)
		u++;
	if (errno || !u->letter || (*end && end[1]) || n > UINT64_MAX / u->factor)
		return -EINVAL;
	*ret = n * u->factor;
	return 0;
}

int history_parse_age(const char *text, uint64_t *ret_seconds)
{
	static const struct unit units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'w', 7 * 86400 }, { 0 } };

	return parse_amount(text, units, ret_seconds);
}

int history_parse_size(const char *text, uint64_t *ret_bytes)
{
	static const struct unit units[] = {
		{ 'B', 1 }, { 'k', 1ull << 10 }, { 'K', 1ull << 10 }, { 'M', 1ull << 20 }, { 'G', 1ull << 30 }, { 'T', 1ull << 40 },
		{ 0 }
	};

	return parse_amount(text, units, ret_bytes);
}

unsigned history_parse_number(const char *text)
{
	unsigned long n;
	char *end;

	if (*text < '1' || *text > '9')
		return 0;
	errno = 0;
	n = strtoul(text, &end, 10);
	return *end || errno || n > UINT_MAX - 1 ? 0 : (unsigned)n;
}

/* Of what nobody can read nothing is given up. */
static uint64_t limit_wanted(const char *name, const char *text, int (*parse)(const char *text, uint64_t *ret), uint64_t otherwise)
{
	uint64_t limit = otherwise;

	if (text && *text && parse(text, &limit) < 0) {
		log_warn("%s=%s is no limit: nothing is given up for it (see cowbox log --help)", name, text);
		return 0;
	}
	return limit;
}

struct history_limits history_limits_wanted(void)
{
	return (struct history_limits){
		.age_s = limit_wanted("COWBOX_HISTORY_AGE", getenv("COWBOX_HISTORY_AGE"), history_parse_age, HISTORY_AGE_MAX),
		.bytes = limit_wanted("COWBOX_HISTORY_SIZE", getenv("COWBOX_HISTORY_SIZE"), history_parse_size, HISTORY_SIZE_MAX),
	};
}

void history_trim(struct store *store)
{
	const struct history_limits limits = history_limits_wanted();

	/* What cannot be given up now is given up after the next one. */
	(void)history_prune(store, &limits);
}

/* ---- texts ---- */

char *history_counts(const struct history_entry *e, char ret[static COUNTS_MAX])
{
	size_t at = 0;

	strcpy(ret, "no changes");
	for (size_t k = 0; k < HISTORY_KINDS && at < COUNTS_MAX; k++)
		if (e->counts[k])
			at += (size_t)snprintf(ret + at, COUNTS_MAX - at, "%s%llu %s", at ? ", " : "",
			                       (unsigned long long)e->counts[k], kind_name((enum change_kind)HISTORY_LETTERS[k]));
	return ret;
}

char *changes_text(size_t n, char ret[static 32])
{
	snprintf(ret, 32, "%zu change%s", n, n == 1 ? "" : "s");
	return ret;
}

void history_path_print(FILE *out, const struct history_path *p)
{
	char text[4 * PATH_MAX];

	fprintf(out, "%c  ", p->letter);
	if (p->from)
		fprintf(out, "%s -> ", path_printable(p->from, text, sizeof text));
	fprintf(out, "%s%s", path_printable(p->path, text, sizeof text), p->directory ? "/" : "");
}

void history_path_json(FILE *out, const struct history_path *p)
{
	fprintf(out, "{\"kind\":\"%s\",\"letter\":\"%c\",\"directory\":%s,", kind_name((enum change_kind)p->letter), p->letter,
	        p->directory ? "true" : "false");
	json_path(out, "path", p->path);
	if (p->from) {
		fputc(',', out);
		json_path(out, "from", p->from);
	}
	fputc('}', out);
}
