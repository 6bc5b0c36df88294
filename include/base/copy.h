/* copy.h - copying one file-system object onto another, losing nothing.
 *
 * Data: reflink (FICLONE) where the file system can, else copy_file_range/SEEK_DATA extents so that holes stay holes, else read and
 * write. Metadata: mode, owner, times, every xattr but those of our own and the kernel's overlay ("user.overlay.",
 * "trusted.overlay."), POSIX ACLs among them.
 */
#ifndef COWBOX_BASE_COPY_H
#define COWBOX_BASE_COPY_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Copies the content of src (readable) to dst (writable, empty). size: the length to copy (st_size of src). When src has become
 * shorter meanwhile, dst ends where src did. The file positions of both may move. */
int copy_data(int src, int dst, off_t size);
/* As copy_data, and tells of progress: bytes done; a non-zero return stops the copy with that value. */
int copy_data_progress(int src, int dst, off_t size, int (*progress)(void *ctx, off_t done), void *ctx);

enum copy_flags {
	COPY_OWNER = 1,          /* set uid and gid; -EPERM is ignored and reported in *ret_lost */
	COPY_MODE = 2,           /* with COPY_OWNER, the set-id bit of an owner or group that was refused is left out (not on directories) */
	COPY_TIMES = 4,          /* mtime and atime */
	COPY_XATTRS = 8,         /* all that can be read and set, and those that src has not are removed; what is refused is reported
	                          * in *ret_lost. Left alone: the overlay prefixes, security.ima, security.evm (sums over content) */
	COPY_ALL = 15,
};
enum copy_lost { COPY_LOST_OWNER = 1, COPY_LOST_XATTR = 2 };
/* Copies metadata from src to dst; either may be an O_PATH descriptor, of a symlink also. st: what fstat(src) said.
 * ret_lost (may be NULL): bits of enum copy_lost. The order is right for set-id bits: owner, then mode, then xattrs, then times. */
int copy_metadata(int src, int dst, const struct stat *st, unsigned flags, unsigned *ret_lost);
/* True when both descriptors have the same set of xattrs, those of the overlay prefixes, sums and LSM labels aside. -errno on failure. */
int copy_xattrs_equal(int a, int b);
/* Tells of each of these that the two do not have alike. An n below 0: that one has none of it. */
typedef void (*copy_xattr_tell)(void *ctx, const char *name, const void *a, ssize_t na, const void *b, ssize_t nb);
/* a or b: -1 for an object without any. */
int copy_xattrs_compare(int a, int b, copy_xattr_tell tell, void *ctx);
/* XXH3 (64 bits) of all of a regular file's bytes. It is no proof against who makes files for it. */
int copy_content_hash(int fd, uint64_t *ret);
/* True (1) when both regular files have the same bytes, 0 when not, -errno on failure. */
int copy_content_equal(int a, int b);

#endif
