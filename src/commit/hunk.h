/* hunk.h - what hunks.c and hunk_edit.c share.
 *
 * (I1) The changes of all hunks, one hunk after the other, are in the order of the old text: each ends at or before where the next begins.
 * (I2) Every line of every result but its last ends with a newline: only a change at the end of the old text, in the last hunk, may put a line
 *      without one, and none puts lines behind an old one without.
 * (I3) A hunk has at least one change, and between two changes of one hunk is at least one unchanged line.
 */
#ifndef COWBOX_COMMIT_HUNK_H
#define COWBOX_COMMIT_HUNK_H

#include <stdint.h>
#include "commit/hunks.h"

/* Lines count from 0, and keep their newline. */
struct lines {
	char *data; /* data: owned */
	size_t size;
	uint32_t *at; /* at: where each line begins; at[count]: size */
	size_t count;
};

struct change {
	size_t old_at, old_n; /* old_at, old_n: lines of the old text that go */
	size_t new_at, new_n; /* new_at: where the new ones are when all hunks are chosen */
	const char *text;     /* text: the lines that come; borrowed from the new text or an edit */
	size_t size;
};

struct hunk {
	struct change *changes; /* changes: borrowed from the diff or an edit; no two hunks share any */
	size_t count;
	enum hunk_state state;
};

/* What a person made of a hunk. It stays until all ends: pieces of the hunk may borrow from it. */
struct edit {
	struct edit *next;
	struct change *changes;
	size_t count;
	char *text;
};

struct hunks {
	struct lines old, new;
	size_t context;
	struct change *changes; /* changes: as the diff found them */
	size_t nchanges;
	struct hunk *list;
	size_t count;
	struct edit *edits;
};

/* A range of lines of the old text. */
struct range {
	size_t from, to;
};
/* What a hunk shows: its changes and the context around them, but nothing that other hunks change. */
struct range hunk_shown(const struct hunks *h, size_t i);
/* Counts new_at anew after hunk i got other changes. */
void hunk_renumber(struct hunks *h);
void edit_free(struct edit *e);

#endif
