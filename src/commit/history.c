/* history.c - the store's history/: its entries, which of them is at work, and what is shown of them. The layout is in journal.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/path.h"
#include "base/strv.h"
#include "base/sys.h"
#include "base/tree.h"
#include "journal.h"

#define SUMMARY_MAGIC "cbxsumm1"

int history_dir(const char *store_path, bool create, int *ret_fd)
{
	_cleanup_close_ int store = sys_openat(AT_FDCWD, store_path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	int r = store;

	if (r >= 0 && create) {
		r = sys_mkdirat(store, "history", 0700);
		r = r == -EEXIST ? 0 : r;
	}
	if (r >= 0)
		r = sys_openat(store, "history", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (r < 0)
		return r;
	*ret_fd = r;
	return 0;
}

int history_lock(int history_fd, bool wait, int *ret_fd)
{
	_cleanup_close_ int fd = sys_openat(history_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? fd : sys_flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));

	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* A whole decimal number, 1 or more; else 0. */
static unsigned number_of(const char *text)
{
	unsigned long v;
	char *end;

	if (*text < '1' || *text > '9')
		return 0;
	errno = 0;
	v = strtoul(text, &end, 10);
	return *end || errno || v > UINT_MAX - 1 ? 0 : (unsigned)v;
}

int history_open_entry(int history_fd, unsigned *ret_number)
{
	_cleanup_close_ int fd = sys_openat(history_fd, "open", O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC, 0);
	char text[16];
	ssize_t n;

	*ret_number = 0;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	n = sys_pread_all(fd, text, sizeof text - 1, 0);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	*ret_number = number_of(text);
	return *ret_number ? 0 : -EBADMSG;
}

static int by_number(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return x < y ? -1 : x > y;
}

int history_numbers(int history_fd, unsigned **ret, size_t *ret_count)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_strv_ char **names = NULL;
	_cleanup_free_ unsigned *all = NULL;
	size_t n = 0, count = 0;
	int r = dir_open(history_fd, &dir);

	if (r == 0)
		r = dir_names(dir, &names);
	if (r < 0)
		return r;
	while (names[n])
		n++;
	all = calloc(n + 1, sizeof *all);
	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (number_of(names[i]))
			all[count++] = number_of(names[i]);
	qsort(all, count, sizeof *all, by_number);
	*ret = TAKE_PTR(all);
	*ret_count = count;
	return 0;
}

/* ---- summaries ---- */

void summary_release(struct journal_summary *s)
{
	free(s->head.box);
	free(s->head.command);
	*s = (struct journal_summary){ 0 };
}

static int read_summary(void *ctx, struct unpack *u)
{
	struct journal_summary *s = ctx;

	journal_unpack_head(u, &s->head);
	s->bytes = unpack_u64(u);
	s->undone_by = unpack_u64(u);
	return u->failed || !s->head.box || !s->head.command ? -EBADMSG : 1;
}

int summary_read(int history_fd, unsigned number, struct journal_summary *ret)
{
	_cleanup_close_ int fd = -1;
	struct journal_summary s = { 0 };
	char name[32];
	int r;

	snprintf(name, sizeof name, "%u/summary", number);
	r = fd = sys_openat2(history_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (r >= 0)
		r = reclog_read(fd, SUMMARY_MAGIC, read_summary, &s, NULL);
	if (r != 1) {
		summary_release(&s);
		return r < 0 ? r : -EBADMSG;
	}
	s.number = number;
	*ret = s;
	return 0;
}

static void pack_summary(struct pack *p, const struct journal_summary *s)
{
	journal_pack_head(p, &s->head);
	pack_u64(p, s->bytes);
	pack_u64(p, s->undone_by);
}

int summary_write(int history_fd, const struct journal_summary *s)
{
	_cleanup_close_ int dir = -1, fd = -1;
	_cleanup_pack_ struct pack p = { 0 };
	char name[16];
	int r;

	snprintf(name, sizeof name, "%u", s->number);
	r = dir = sys_openat(history_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (r < 0)
		return r;
	(void)sys_unlinkat(dir, "new", 0);
	r = fd = sys_openat(dir, "new", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r >= 0)
		r = reclog_begin(fd, SUMMARY_MAGIC);
	if (r == 0) {
		pack_summary(&p, s);
		r = reclog_append(fd, &p);
	}
	if (r == 0)
		r = sys_fsync(fd);
	if (r == 0)
		r = sys_renameat2(dir, "new", dir, "summary", 0);
	return r < 0 ? r : sys_fsync(dir);
}

/* ---- the end of an entry ---- */

static int no_longer_open(struct journal *j)
{
	int r = sys_unlinkat(j->history_fd, "open", 0);

	return r == 0 ? sys_fsync(j->history_fd) : r == -ENOENT ? 0 : r;
}

int journal_close(struct journal *j)
{
	struct journal_summary s = { .head = j->head, .number = j->number };
	uint64_t objects = 0;
	char name[16];
	int r;

	snprintf(name, sizeof name, "%u", j->number);
	/* It was taken back, but for what it holds. */
	if (j->back != SIZE_MAX)
		s.undone_by = j->number;
	r = tree_usage(j->history_fd, name, &s.bytes, &objects);
	if (r == 0)
		r = summary_write(j->history_fd, &s);
	return r < 0 ? r : no_longer_open(j);
}

int journal_drop(struct journal *j)
{
	char name[16];
	int r = no_longer_open(j);

	snprintf(name, sizeof name, "%u", j->number);
	return r < 0 ? r : tree_remove(j->history_fd, name);
}
