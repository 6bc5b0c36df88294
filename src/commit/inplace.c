/* inplace.c - a host file gets new content and keeps its inode.
 *
 * (I1) What the file has is kept in the box until the new content is whole and on the disk. Where writing fails, it is written back; where that
 *      fails too, the kept copy stays, and is named.
 * (I2) Nothing is cut off or given back to the file system before all is written, and what goes beyond the old end is written first: so that a
 *      disk that is full is met before anything is lost, and what was there can be written back.
 * (I3) The host's programs do not wait for us: what was kept is compared once more with what is there, right before the first byte is written, and
 *      the length before anything is cut off.
 * (I4) A file that was written back is no conflict the next time: its record is told of the new change time.
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

/* The file, to read and to write, also one of ours that is kept from that by its mode. *st: as it was before. */
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
	r = sys_reopen(fd, O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
	if (r == -EACCES && st->st_uid == geteuid()) {
		if (sys_chmod_fd(fd, (st->st_mode & 07777) | S_IRUSR | S_IWUSR) < 0)
			return r;
		r = sys_reopen(fd, O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
		if (r < 0)
			sys_chmod_fd(fd, st->st_mode & 07777);
	}
	if (r < 0)
		return r;
	*ret_fd = r;
	return 0;
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
static int rewrite(int src, int dst, off_t size, off_t old, off_t longest)
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

/* ---- what was there (I1) ---- */

struct kept {
	int fd;
	bool attributes; /* attributes: it has all of them too */
	char name[48];   /* name: in the box's history/ */
};

static void kept_drop(struct apply *a, struct kept *k)
{
	fd_closep(&k->fd);
	kept_remove(overlay_box(a->p->p.ov), k->name);
}

static int keep_content(struct apply *a, size_t i, const char *path, int fd, const struct stat *st, struct kept *k)
{
	unsigned lost = 0;
	struct stat now;
	int r;

	place_kept_name(a, k->name);
	k->fd = kept_make(overlay_box(a->p->p.ov), k->name, path);
	r = k->fd < 0 ? k->fd : copy_data(fd, k->fd, st->st_size);
	if (r == 0)
		k->attributes = copy_metadata(fd, k->fd, st, COPY_XATTRS, &lost) == 0 && !lost;
	if (r == 0)
		r = sys_fsync(k->fd);
	if (r == 0)
		r = sys_fstat(fd, &now);
	if (r == 0 && !stat_same_content(&now, st))
		r = swap_refuse(a, i);
	if (r < 0)
		kept_drop(a, k);
	return r;
}

/* The record that was right about the file before is right about it again (I4). */
static void renew_record(struct apply *a, size_t i, const struct stat *before, const struct stat *after)
{
	const struct box *box = overlay_box(a->p->p.ov);
	const struct change *ch = item(a, i)->change;
	char host[PATH_MAX];
	const char *const names[] = { ch->path, ch->from, plan_host_path(a->p, ch->path, host) == 0 ? host : NULL };

	for (int layer = 0; layer < box->nlayers; layer++)
		for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
			const struct origins *all = a->p->p.changes.origins[layer];
			const struct origin *o = all && names[k] ? origins_find(all, names[k]) : NULL;
			_cleanup_close_ int dir = -1, log = -1;
			struct origin renewed;
			char path[32];

			if (!o || !origin_same(o, before))
				continue;
			renewed = *o;
			origin_from_stat(&renewed, after);
			snprintf(path, sizeof path, "layers/%d", box->layer[layer]);
			dir = box_open_in(box, path, O_RDONLY | O_DIRECTORY);
			if (dir >= 0 && origins_open(dir, &log) == 0)
				(void)origins_append(log, &renewed);
		}
}

/* Somebody else writes to the file at the same time: nothing more is done to it. */
static int leave_as_is(struct apply *a, size_t i, struct kept *k)
{
	why(item(a, i), item(a, i)->verdict, "the host's was written to just now; what it had before is in the box's history/%s", k->name);
	a->said = true;
	fd_closep(&k->fd);
	return -EBUSY;
}

/* Writing has failed with code: the file is as it was, or else what it had is named. */
static int write_back(struct apply *a, size_t i, int fd, const struct stat *st, struct kept *k, bool attributes, off_t longest,
                      int code)
{
	struct stat now;
	int r = sys_fstat(fd, &now);

	if (r == 0)
		r = rewrite(k->fd, fd, st->st_size, now.st_size < st->st_size ? now.st_size : st->st_size, longest);
	if (r < 0) {
		why(item(a, i), item(a, i)->verdict, "%.50s; what it had could not be written back: it is in the box's history/%s",
		    strerror(-code), k->name);
		a->said = true;
		fd_closep(&k->fd);
		return code;
	}
	/* As much of it as is ours to set. */
	if (attributes && k->attributes)
		(void)copy_metadata(k->fd, fd, st, COPY_XATTRS, NULL);
	if (attributes)
		(void)copy_metadata(k->fd, fd, st, COPY_OWNER, NULL);
	(void)copy_metadata(k->fd, fd, st, COPY_MODE, NULL);
	(void)copy_metadata(k->fd, fd, st, COPY_TIMES, NULL);
	(void)sys_fsync(fd);
	if (sys_fstat(fd, &now) == 0)
		renew_record(a, i, st, &now);
	kept_drop(a, k);
	return code;
}

int inplace_write(struct apply *a, size_t i, int box, const struct stat *want, const char *path, const struct stat *seen)
{
	_cleanup_close_ int fd = -1;
	struct kept kept = { .fd = -1 };
	bool written = false;
	off_t longest;
	struct stat st;
	unsigned what;
	int r = open_to_rewrite(a, i, path, seen, &fd, &st);

	if (r < 0)
		return r;
	r = apply_touch(a, &st);
	/* Of another user's file that we may write to, only attributes can have changed; its time is now, as after any writing. */
	what = geteuid() == 0 || st.st_uid == geteuid() ? COPY_ALL : COPY_XATTRS;
	/* What has the right bytes already is not put at risk. */
	if (r == 0 && copy_content_equal(fd, box) == 1)
		return copy_metadata(box, fd, want, what, &item(a, i)->lost);
	if (r == 0)
		r = keep_content(a, i, path, fd, &st, &kept);
	if (r < 0) {
		if (what == COPY_ALL)
			sys_chmod_fd(fd, st.st_mode & 07777);
		return r;
	}
	item(a, i)->in_place = true;
	longest = want->st_size > st.st_size ? want->st_size : st.st_size;
	r = rewrite(box, fd, want->st_size, st.st_size, longest);
	if (r == 0) {
		written = true;
		r = copy_metadata(box, fd, want, what, &item(a, i)->lost);
	}
	if (r == 0)
		r = sys_fsync(fd);
	if (r == -ESTALE)
		return leave_as_is(a, i, &kept);
	if (r < 0)
		return write_back(a, i, fd, &st, &kept, written, longest, r);
	kept_drop(a, &kept);
	return 0;
}
