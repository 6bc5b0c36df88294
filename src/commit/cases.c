/* cases.c - the table of cases.def. Needs nothing of the room: tests/lint/cases_doc.c links it alone. */
#include "cases.h"

#define APPLY CASE_APPLY
#define SAME CASE_SAME
#define MERGE CASE_MERGE
#define CONFLICT CASE_CONFLICT
#define REFUSE CASE_REFUSE
#define CASE(n, w, b, h, v, s, d, t) \
	{ .number = (n), .was = (w), .box = (b), .host = (h), .verdict = (v), .says = s, .does = d, .test = #t },

static const struct case_row rows[] = {
#include "cases.def"
};

#define NROWS (sizeof rows / sizeof rows[0])

const struct case_row *case_rows(size_t *ret_count)
{
	*ret_count = NROWS;
	return rows;
}

const struct case_row *case_find(unsigned was, unsigned box, unsigned host)
{
	const struct case_row *row = rows;

	/* The last has everything. */
	while (row < rows + NROWS - 1 && !((row->was & was) && (row->box & box) && (row->host & host)))
		row++;
	return row;
}

enum commit_verdict case_commit_verdict(enum case_verdict v)
{
	static const enum commit_verdict of[] = {
		[CASE_APPLY] = COMMIT_APPLY,       [CASE_SAME] = COMMIT_SAME,     [CASE_MERGE] = COMMIT_CONFLICT,
		[CASE_CONFLICT] = COMMIT_CONFLICT, [CASE_REFUSE] = COMMIT_REFUSE,
	};

	return of[v];
}

const char *case_verdict_name(enum case_verdict v)
{
	static const char *const name[] = {
		[CASE_APPLY] = "apply",       [CASE_SAME] = "already there", [CASE_MERGE] = "merge",
		[CASE_CONFLICT] = "conflict", [CASE_REFUSE] = "refuse",
	};

	return name[v];
}

/* ---- in words ---- */

struct word {
	unsigned bit;
	const char *text;
};

static const char *word_of(const struct word *w, size_t n, unsigned bit)
{
	for (size_t i = 0; i < n; i++)
		if (w[i].bit == bit)
			return w[i].text;
	return NULL;
}
#define WORD_OF(list, bit) word_of(list, sizeof(list) / sizeof((list)[0]), bit)

const char *case_was_name(unsigned bit)
{
	static const struct word words[] = {
		{ WAS_NONE, "nothing" }, { WAS_FILE, "regular file" },    { WAS_DIR, "directory" },
		{ WAS_LINK, "symlink" }, { WAS_SPECIAL, "special file" },
	};

	return WORD_OF(words, bit);
}

const char *case_box_name(unsigned bit)
{
	static const struct word words[] = {
		{ BOX_NOTHING, "nothing" },
		{ BOX_TIMES, "time" },
		{ BOX_META, "metadata" },
		{ BOX_CONTENT, "content" },
		{ BOX_BOTH, "content and metadata" },
		{ BOX_MADE, "made it" },
		{ BOX_MKDIR, "made a directory" },
		{ BOX_OTHER, "put another type there" },
		{ BOX_DELETED, "deleted" },
		{ BOX_MOVED, "renamed" },
		{ BOX_REWRITTEN, "renamed with new content" },
		{ BOX_DEVICE, "made a device, as a user" },
		{ BOX_SOCKET, "made a socket" },
	};

	return WORD_OF(words, bit);
}

const char *case_host_name(unsigned bit)
{
	static const struct word words[] = {
		{ HOST_SAME, "nothing" },
		{ HOST_TOUCHED, "touched, not changed" },
		{ HOST_META, "metadata without a clash" },
		{ HOST_CLASH, "metadata that clash" },
		{ HOST_CONTENT, "content" },
		{ HOST_BOTH, "content, and metadata clash" },
		{ HOST_BIG, "content that is too large" },
		{ HOST_UNKNOWN, "something, and no original was kept" },
		{ HOST_NAMES, "something, and it has several names" },
		{ HOST_THERE, "the same" },
		{ HOST_EQUAL, "the same content, other metadata" },
		{ HOST_REMOVED, "removed" },
		{ HOST_TYPE, "something of another type" },
		{ HOST_ENTRIES, "got entries" },
		{ HOST_OTHER, "another file of that name" },
		{ HOST_TAKEN, "has something at that name" },
		{ HOST_TAKEN_CHANGED, "changed what had that name" },
		{ HOST_TAKEN_TYPE, "something of another type at that name" },
		{ HOST_MOVED, "renamed to the same" },
		{ HOST_LEAVES, "nothing: the box moves it away" },
		{ HOST_CARRIED, "nothing: the box moves its directory" },
		{ HOST_LINK_ABOVE, "a symlink on the way" },
		{ HOST_NO_RECORD, "something, and there is no record" },
		{ HOST_UNREADABLE, "cannot be read" },
	};

	return WORD_OF(words, bit);
}
