/* since.h - what the host did with an object since the box first changed it, and what the box did: part by part.
 *
 * The parts are content, mode, owner, extended attributes, modification time. The attributes are on record only with a kept original. Of what
 * has none, and was touched since, nobody knows them: where the host's has one that the box's has not alike, they are taken for changed by both.
 */
#ifndef COWBOX_COMMIT_SINCE_H
#define COWBOX_COMMIT_SINCE_H

#include "cases.h"
#include "plan.h"

/* What is merged, and what an original is kept of, is not larger. */
#define SINCE_MERGED_MAX ((off_t)8 << 20)

static inline bool same_inode(const struct origin *o, const struct stat *st)
{
	return o->ino == st->st_ino && o->dev == st->st_dev;
}

enum since_part { SINCE_SAME, SINCE_CHANGED, SINCE_UNKNOWN };

/* The host's object now against the record. */
struct since {
	const struct origin *origin;  /* origin: borrowed; NULL: no record */
	bool same;                    /* same: the very object, and nobody has touched it; then nothing below is set */
	bool removed, appeared, type; /* removed, appeared, type: then nothing below is set */
	enum since_part content, attributes;
	bool mode, owner, times; /* mode, owner, times: differ */
};

/* now: what is at path. -errno when the host's file cannot be read. */
int since_record(struct plan *p, const struct origin *o, const char *path, const struct stat *now, struct since *ret);
/* A host's object that has the record's stamps is the recorded one: it was not written to in the very moment that it was noted, or its original is kept. */
bool since_is_proof(const struct origin *o);
/* Nothing was changed, stamps aside. */
bool since_unchanged(const struct since *s);

/* The three states of a change, as cases.h has them, and what of the host's object is to stay. */
struct judgement {
	unsigned was, box, host;
	unsigned keep; /* keep: bits of enum commit_keep, if the row applies something */
};

/* Of an object that is of one type, and no directory, in the record, the box and on the host. Fills box, host and keep. */
int since_parts(struct plan *p, const struct change *ch, const struct since *s, const char *path, const struct stat *now,
                struct judgement *j);
/* The same of a directory. */
int since_directory(struct plan *p, const struct change *ch, const struct since *s, const char *path, const struct stat *now,
                    struct judgement *j);
/* What the host did with what the box took away, and that is no directory: no more than whether it may go. */
int since_taken(struct plan *p, const struct since *s, const char *path, const struct stat *now, unsigned *ret_host);
/* Both have made a file, symlink or special file of that name. */
int since_both_made(struct plan *p, const struct change *ch, const char *path, const struct stat *now, unsigned *ret_host);

/* 1 when the box's object, open as box, and the host's at path have the same content. Both are of one type. */
int since_content_equal(struct plan *p, int box, const struct stat *box_st, const char *path, const struct stat *now);

#endif
