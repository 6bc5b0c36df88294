/* inplace.c - a host file gets new content and keeps its inode.
 *
 * (I1) What the file has is in the journal's entry, and on the disk, before the first byte is written: taking the step back writes it back.
 * (I2) Nothing is cut off or given back to the file system before all is written, and what goes beyond the old end is written first: so that a
 *      disk that is full is met before anything is lost, and what was there can be written back.
 * (I3) The host's programs do not wait for us: what was kept is compared once more with what is there, right before the first byte is written, and
 *      the length before anything is cut off.
 */
#include "apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/fd.h"
#include "base/stat.h"
#include "base/sys.h"

#define STEP ((size_t)256 << 10)

/* ---- the host's file ---- */

int inplace_reopen(int fd, const struct stat *st)
{
	int r = sys_reopen(fd, O_RDWR | O_NOCTTY | O_CLOEXEC, 0);

	if (r != -EACCES || st->st_uid != geteuid())
		return r;
	r = sys_chmod_fd(fd, (st->st_mode & 07777) | S_IRUSR | S_IWUSR);
	return r < 0 ? r : sys_reopen(fd, O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
}

/* The file, to read and to write, also one of ours that is kept from that by its mode, which then is another. *st: as it is. */
static int open_to_rewrite(struct apply *a, size_t i, const char *path, const struct stat *seen, int *ret_fd, struct stat *st)
{
	_cleanup_close_ int fd = -1;
	int r = host_open(&a->p->host, path, O_PATH, &fd);

	if (r == 0)
		r = sys_fstat(fd, st);
	if (r < 0)
		return r;
	if (!S_ISREG(st->st_mode) || st->st_dev != seen->st_dev || st->st_ino != seen->st_ino || !stat_same_content(st, seen))
		return swap_refuse(a, i);
	if (st->st_uid == geteuid() && (st->st_mode & (S_IRUSR | S_IWUSR)) != (S_IRUSR | S_IWUSR))
		r = act_meta(a, i, path, fd);
	if (r == 0)
		r = inplace_reopen(fd, st);
	if (r < 0)
		return r;
	*ret_fd = r;
	return sys_fstat(r, st);
}

/* ---- writing ---- */

/* [at, end) of src over that of dst. From old on dst has nothing yet, and holes may stay. */
static int write_over(int src, int dst, off_t at, off_t end, off_t old, char *buf)
{
	while (at < end) {
		off_t data = at < old ? at : lseek(src, at, SEEK_DATA);
		ssize_t n;
		int r;

		if (data < 0 && errno == ENXIO)
			return 0;
		if (data > at)
			at = data;
		if (at >= end)
			return 0;
		n = sys_pread_all(src, buf, end - at < (off_t)STEP ? (size_t)(end - at) : STEP, at);
		if (n <= 0)
			return (int)n;
		r = sys_pwrite_all(dst, buf, (size_t)n, at);
		if (r < 0)
			return r;
		at += n;
	}
	return 0;
}

/* dst, which has old bytes, becomes the size bytes of src (I2). -ESTALE: it is longer than we can have made it, so somebody else writes to it, and
 * nothing is cut off (I3). */
int inplace_rewrite(int src, int dst, off_t size, off_t old, off_t longest)
{
	char *buf = malloc(STEP);
	struct stat now;
	int r = buf ? write_over(src, dst, old, size, old, buf) : -ENOMEM;

	if (r == 0)
		r = write_over(src, dst, 0, size < old ? size : old, old, buf);
	free(buf);
	if (r == 0)
		r = sys_fstat(dst, &now);
	if (r < 0)
		return r;
	return now.st_size > longest ? -ESTALE : sys_ftruncate(dst, size);
}

/* What was kept is what is there (I3). */
static int check_kept(struct apply *a, size_t i, int fd, const struct stat *st)
{
	struct stat now;
	int r = sys_fstat(fd, &now);

	return r == 0 && !stat_same_content(&now, st) ? swap_refuse(a, i) : r;
}

int inplace_write(struct apply *a, size_t i, int box, int content, const struct stat *want, const char *path, const struct stat *seen)
{
	_cleanup_close_ int fd = -1;
	off_t longest;
	struct stat st;
	unsigned what;
	int r = open_to_rewrite(a, i, path, seen, &fd, &st);

	if (r == 0)
		r = apply_touch(a, &st);
	if (r < 0)
		return r;
	/* Of another user's file that we may write to, only attributes can have changed; its time is now, as after any writing. */
	what = geteuid() == 0 || st.st_uid == geteuid() ? COPY_ALL : COPY_XATTRS;
	if (content != box)
		what &= ~(unsigned)COPY_TIMES;
	what &= ~place_kept_bits(a, i);
	/* What has the right bytes already is not put at risk. */
	if (copy_content_equal(fd, content) == 1) {
		r = act_meta(a, i, path, fd);
		return r < 0 ? r : copy_metadata(box, fd, want, what, &item(a, i)->lost);
	}
	item(a, i)->in_place = true;
	longest = want->st_size > st.st_size ? want->st_size : st.st_size;
	r = act_write(a, i, path, fd, &st, want->st_size);
	if (r == 0)
		r = check_kept(a, i, fd, &st);
	if (r == 0)
		r = inplace_rewrite(content, fd, want->st_size, st.st_size, longest);
	if (r == -ESTALE)
		return swap_refuse(a, i);
	if (r == 0)
		r = copy_metadata(box, fd, want, what, &item(a, i)->lost);
	if (r == 0)
		r = copy_metadata(fd, fd, &st, place_kept_bits(a, i) & COPY_MODE, NULL);
	return r < 0 ? r : sys_fsync(fd);
}
