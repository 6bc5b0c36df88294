/* cases.h - the table of what becomes of a change: what the host had, what the box did with it, what the host did since.
 *
 * cases.def has the rows, docs/MERGE-CASES.md shows them. classify.c computes the three states and looks the row up; a combination that no row names
 * is the row "in doubt", which is a conflict. Nothing is applied that no row allows.
 */
#ifndef COWBOX_COMMIT_CASES_H
#define COWBOX_COMMIT_CASES_H

#include "commit/commit.h"

/* What the host had when the box first changed it. */
enum case_was {
	WAS_NONE = 1,
	WAS_FILE = 2,
	WAS_DIR = 4,
	WAS_LINK = 8,
	WAS_SPECIAL = 16, /* WAS_SPECIAL: FIFO, socket, device */
	WAS_LEAF = WAS_FILE | WAS_LINK | WAS_SPECIAL,
	WAS_ANY = 31,
};

/* What the box did with it. */
enum case_box {
	BOX_NOTHING = 1, /* BOX_NOTHING: opened it for writing, or gave it what it had */
	BOX_TIMES = 2,   /* BOX_TIMES: its modification time, and nothing else */
	BOX_META = 4,    /* BOX_META: mode, owner, attributes; not the content */
	BOX_CONTENT = 8, /* BOX_CONTENT: the bytes, a symlink's text, a device's number */
	BOX_BOTH = 16,
	BOX_MADE = 32,   /* BOX_MADE: made something that is no directory, where nothing was */
	BOX_MKDIR = 64,  /* BOX_MKDIR: made a directory, where none was */
	BOX_OTHER = 128, /* BOX_OTHER: put something of another type there that is no directory */
	BOX_DELETED = 256,
	BOX_MOVED = 512,      /* BOX_MOVED: gave it another name; its mode may be another too */
	BOX_REWRITTEN = 1024, /* BOX_REWRITTEN: gave it another name and other content */
	BOX_DEVICE = 2048,    /* BOX_DEVICE: made a device, and we are not root */
	BOX_CHANGED = BOX_NOTHING | BOX_TIMES | BOX_META | BOX_CONTENT | BOX_BOTH, /* BOX_CHANGED: it is there, of its type */
	BOX_RENAMED = BOX_MOVED | BOX_REWRITTEN,
	BOX_SOCKET = 4096,    /* BOX_SOCKET: made a socket */
	BOX_ALL = 2047, /* BOX_ALL: all but what is refused, or left out */
	BOX_ANY = 8191,
};

/* What the host did since. */
enum case_host {
	HOST_SAME = 1 << 0,
	HOST_TOUCHED = 1 << 1,        /* HOST_TOUCHED: it is another by its stamps, but nothing differs */
	HOST_META = 1 << 2,           /* HOST_META: mode or owner; where the box changed the same, to the same */
	HOST_CLASH = 1 << 3,          /* HOST_CLASH: metadata that the box changed too, to something else; or that cannot be told */
	HOST_CONTENT = 1 << 4,        /* HOST_CONTENT: the content, and perhaps metadata as for HOST_META */
	HOST_BOTH = 1 << 5,           /* HOST_BOTH: the content, and metadata as for HOST_CLASH */
	HOST_BIG = 1 << 6,            /* HOST_BIG: the content; one of the files is larger than what is merged */
	HOST_UNKNOWN = 1 << 7,        /* HOST_UNKNOWN: something; no original was kept that would tell what */
	HOST_NAMES = 1 << 8,          /* HOST_NAMES: content or metadata of a file with several names */
	HOST_THERE = 1 << 9,          /* HOST_THERE: all that the box did */
	HOST_EQUAL = 1 << 10,         /* HOST_EQUAL: the same content; metadata differ */
	HOST_REMOVED = 1 << 11,       /* HOST_REMOVED: removed it, or gave it another name */
	HOST_TYPE = 1 << 12,          /* HOST_TYPE: has something of another type there */
	HOST_ENTRIES = 1 << 13,       /* HOST_ENTRIES: changed or made something in the directory */
	HOST_OTHER = 1 << 14,         /* HOST_OTHER: has another file there, by its inode, with other content */
	HOST_TAKEN = 1 << 15,         /* HOST_TAKEN: has something at the name that is new, or new there */
	HOST_TAKEN_CHANGED = 1 << 16, /* HOST_TAKEN_CHANGED: changed what it had at the new name */
	HOST_TAKEN_TYPE = 1 << 17,
	HOST_MOVED = 1 << 18,      /* HOST_MOVED: gave it the same new name */
	HOST_LEAVES = 1 << 19,     /* HOST_LEAVES: nothing; the box itself moves what is there elsewhere */
	HOST_CARRIED = 1 << 20,    /* HOST_CARRIED: nothing; the box itself moves a directory above it elsewhere */
	HOST_LINK_ABOVE = 1 << 21, /* HOST_LINK_ABOVE: has a symlink for a directory on the way */
	HOST_NO_RECORD = 1 << 22,  /* HOST_NO_RECORD: has something there, and it is not known what it was */
	HOST_UNREADABLE = 1 << 23,
	HOST_STATES = 24,
	HOST_ANY = (1 << 24) - 1,
};

enum case_verdict { CASE_APPLY, CASE_SAME, CASE_MERGE, CASE_CONFLICT, CASE_REFUSE };

struct case_row {
	unsigned number;         /* number: never given to another row */
	unsigned was, box, host; /* was, box, host: bits of the enums above; the row is for each combination of them */
	enum case_verdict verdict;
	const char *says; /* says: to people; one %s may stand for a detail. "": plain success */
	const char *does; /* does: for the page */
	const char *test; /* test: of tests/unit/test_commit_cases*.c, without its test_ */
};

/* The row for three single bits: never NULL. */
const struct case_row *case_find(unsigned was, unsigned box, unsigned host);
/* All rows; the last is "in doubt". */
const struct case_row *case_rows(size_t *ret_count);
/* CASE_MERGE is a conflict as long as nobody has merged. */
enum commit_verdict case_commit_verdict(enum case_verdict v);
const char *case_verdict_name(enum case_verdict v);
/* Of a single bit, in words; NULL: no such bit. */
const char *case_was_name(unsigned bit);
const char *case_box_name(unsigned bit);
const char *case_host_name(unsigned bit);

#endif
