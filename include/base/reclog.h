/* reclog.h - logs of records: files that are only appended to, and whose torn tail after a crash is told from what is whole.
 *
 * File: 8 bytes of magic, then records, little endian:
 *     u32 size     of the whole record; a multiple of 8, at most RECLOG_RECORD_MAX
 *     u32 sum      XXH32 (seed 0) of the bytes after this field
 *     payload, NUL padding to the multiple of 8
 * A record that is cut short or has a wrong sum ends the log.
 */
#ifndef COWBOX_BASE_RECLOG_H
#define COWBOX_BASE_RECLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/fd.h"

#define RECLOG_RECORD_MAX (1u << 20)
#define RECLOG_MAGIC 8

/* ---- the bytes of one record ---- */

/* What is put into a record, in order. Zeroed is an empty one; the room for the head is kept free in front. After a failure (no memory, too
 * large) the rest does nothing, and reclog_append tells. */
struct pack {
	uint8_t *buf;
	size_t size, room;
	int failed; /* failed: -errno of the first that was, or 0 */
};
void pack_u64(struct pack *p, uint64_t v);
void pack_bytes(struct pack *p, const void *data, size_t size);
/* NULL is told from "". */
void pack_text(struct pack *p, const char *text);
void pack_reset(struct pack *p);
void pack_release(struct pack *p);
#define _cleanup_pack_ _cleanup_(pack_release)

/* What is taken out of one, in the same order. What is not there is 0 or NULL, and sets failed. */
struct unpack {
	const uint8_t *at, *end;
	bool failed;
};
uint64_t unpack_u64(struct unpack *u);
/* Borrowed; *ret_size bytes. */
const void *unpack_bytes(struct unpack *u, size_t *ret_size);
/* A copy, owned by the caller, or NULL (as it was packed, or no memory, which sets failed). Text with a NUL in it sets failed. */
char *unpack_text(struct unpack *u);

/* ---- the file ---- */

/* Writes the magic to an empty file. */
int reclog_begin(int fd, const char magic[static RECLOG_MAGIC]);
/* One record, in one write at the file position. */
int reclog_append(int fd, struct pack *p);
/* Records that are written together. Zeroed is none. */
struct reclog_held {
	uint8_t *buf;
	size_t size, room;
};
int reclog_hold(struct reclog_held *h, struct pack *p);
/* In one write at the file position. After a failure they are still held, and the file ends where it did, if it can be cut. */
int reclog_write_held(int fd, struct reclog_held *h);
void reclog_held_release(struct reclog_held *h);
/* Calls fn for each whole record from the start, until it returns non-zero, which is returned; 0 at the end, and *ret_end (may be NULL) is where
 * whole records end. -EBADMSG: another magic. A file shorter than the magic has no records. */
int reclog_read(int fd, const char magic[static RECLOG_MAGIC], int (*fn)(void *ctx, struct unpack *u), void *ctx, int64_t *ret_end);

#endif
