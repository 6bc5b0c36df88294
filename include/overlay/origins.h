/* origins.h - what the host had when the box first changed an object.
 *
 * File format (layers/N/origins), append-only, little endian. The file starts with the 8 bytes "cbxorig1". Then records:
 *
 *     u32 size      of the whole record, this field included; a multiple of 8, at most 16384
 *     u32 sum       XXH32 (seed 0) of the bytes after this field
 *     u8  kind      0 absent, else the type: 1 regular, 2 directory, 3 symlink, 4 other
 *     u8  flags     bit 0: the content, and the extended attributes, are kept in base/ (under the name BASE_ID in decimal); bit 1: BASE_ID is
 *                   the content's XXH3 instead; bit 2: by_commit; bit 3: moved
 *     u16 path_len, u16 target_len (of a symlink's text), u16 comm_len
 *     u64 dev, ino, size, mtime_ns, ctime_ns      of the host object (times in ns since the epoch)
 *     u32 mode, uid, gid, nlink
 *     u64 when_ns, u32 pid, u32 host_sum, u64 base_id      host_sum: with bit 3, of the path that the host had it at (origin_path_sum)
 *     path, target, comm, NUL padding to the multiple of 8
 *
 * A record cut short or with a wrong sum ends the log: everything from there on is torn and is cut off by the next writer.
 * The last record of a path counts. Invariant (O1): whenever a layer has an entry in a directory that also is (or was) on the host, the
 * entry's record was appended before the entry was made. What lies below a directory that the box itself made has no records.
 * (O2): a record that says that the host had nothing at a path ends all earlier records of paths below it: they were of another directory that
 * the box had there before.
 */
#ifndef COWBOX_OVERLAY_ORIGINS_H
#define COWBOX_OVERLAY_ORIGINS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include "base/err.h"
#include "base/path.h"

enum origin_kind { ORIGIN_ABSENT, ORIGIN_REGULAR, ORIGIN_DIRECTORY, ORIGIN_SYMLINK, ORIGIN_OTHER };

struct origin {
	const char *path;        /* path: where the object was, in the view, when first changed */
	enum origin_kind kind;
	uint64_t dev, ino, size, mtime_ns, ctime_ns;
	uint32_t mode, uid, gid, nlink;
	const char *target;      /* target: a symlink's text, else NULL */
	uint64_t base_id;        /* base_id: the file in base/ that keeps the content, 0 for none */
	uint64_t hash;           /* hash: with hashed: of the content (copy_content_hash), of what is too large to be kept */
	bool hashed;
	bool by_commit;          /* by_commit: it tells what a commit had made of the host, of what it left in the box */
	bool moved;              /* moved: a directory above it was renamed in the box then: the host had it at another path, of which host_sum is */
	uint32_t host_sum;
	uint64_t when_ns;
	uint32_t pid;
	const char *comm;
};

/* One origins file opened for appending (the caller holds the box lock for each append). */
int origins_open(int layer_fd, int *ret_fd);
int origins_append(int fd, const struct origin *o);
/* Opens the kept original of a regular file for reading. base_fd: of base/. -ENOENT: none was kept. */
int origin_open_base(int base_fd, const struct origin *o);
/* Fills what stat tells; path, target, comm, when, pid and base_id are the caller's. */
void origin_from_stat(struct origin *o, const struct stat *st);

/* All records of a file in memory, the last of each path. */
struct origins;
int origins_load(int layer_fd, struct origins **ret, struct err *err);
void origins_free(struct origins *o);
void origins_freep(struct origins **o);
/* Borrowed, NULL when the path has no record. */
const struct origin *origins_find(const struct origins *o, const char *path);
size_t origins_count(const struct origins *o);
/* The record of a path, which the list has, becomes what stat tells now; the file is not written. Strings and the rest stay. */
void origins_renew(struct origins *o, const char *path, const struct stat *st);
/* Calls fn for each record of the list that is not ended by another (O2), until it returns non-zero, and returns that. It may renew the record. */
int origins_each(const struct origins *o, int (*fn)(void *ctx, const struct origin *o), void *ctx);
/* Calls fn for every whole record of the log, also those that later ones have replaced, until it returns non-zero, and returns that. A missing file has
 * none. */
int origins_history(int layer_fd, int (*fn)(void *ctx, const struct origin *o), void *ctx);
/* Calls fn for the (dev, ino) of each record from *at on (0: the start) whose kind is not absent, and moves *at behind the last whole
 * record: so that a reader follows a log that grows. A missing file has no records. */
int origins_identities(int layer_fd, off_t *at, int (*fn)(void *ctx, uint64_t dev, uint64_t ino), void *ctx);
/* 1 when the stat of the host's object now is the identity the origin has (kind, dev, ino, size, mtime, ctime), else 0.
 * st NULL: the host has nothing there now. Directories compare kind, dev and ino alone. */
int origin_same(const struct origin *o, const struct stat *st);
/* XXH32 (seed 0) of a path. */
uint32_t origin_path_sum(const char *host);
/* The host had it at that path then. */
bool origin_was_at(const struct origin *o, const char *host);
/* 1 when it is, but that some of its names have gone, which moved the time of change. */
int origin_same_fewer_names(const struct origin *o, const struct stat *st);

#endif
