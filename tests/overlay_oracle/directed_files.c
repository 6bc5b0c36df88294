/* directed_files.c - copy-up, hard links, opening. */
#include "directed.h"
#include <pthread.h>
#include <sys/xattr.h>
#include "rng.h"
#include "sample.h"

static void copy_up(struct test *t, const char *path)
{
	_cleanup_object_ struct object o;
	struct caller c = { .umask = 022, .comm = "directed" };

	assert_int_equal(view_object(t, path, LOOKUP_NOFOLLOW, &o), 0);
	assert_int_equal(object_copy_up(t->w.ov, &c, &o), 0);
	assert_true(o.is_top);
}

/* Everything stat tells, ids of the inode and change time aside. */
static void assert_same_stat(const struct stat *a, const struct stat *b)
{
	assert_int_equal(a->st_mode, b->st_mode);
	assert_int_equal(a->st_uid, b->st_uid);
	assert_int_equal(a->st_gid, b->st_gid);
	assert_int_equal(a->st_mtim.tv_sec, b->st_mtim.tv_sec);
	assert_int_equal(a->st_mtim.tv_nsec, b->st_mtim.tv_nsec);
	assert_int_equal(a->st_atim.tv_sec, b->st_atim.tv_sec);
	assert_int_equal(a->st_atim.tv_nsec, b->st_atim.tv_nsec);
	assert_int_equal(a->st_rdev, b->st_rdev);
	if (!S_ISDIR(a->st_mode)) {
		assert_int_equal(a->st_size, b->st_size);
		assert_int_equal(a->st_nlink, b->st_nlink);
	}
}

static void test_copyup_keeps(void **state)
{
	static const char *const names[] = { "f", "d", "l", "p" };
	struct test *t = T(state);
	struct rng r = { 7 };
	unsigned char acl[64], got[64];
	size_t acl_size = sample_acl(&r, acl);
	char value[16];
	bool has_acl;

	host_write(t, "f", "content");
	host_mkdir(t, "d");
	host_write(t, "d/in", "in");
	host_symlink(t, "f", "l");
	assert_int_equal(mkfifo(test_abs(t, "p"), 0640), 0);
	has_acl = setxattr(test_abs(t, "f"), "system.posix_acl_access", acl, acl_size, 0) == 0;
	assert_int_equal(setxattr(test_abs(t, "f"), "user.a", "value", 5, 0), 0);
	assert_int_equal(setxattr(test_abs(t, "d"), "user.b", "other", 5, 0), 0);
	if (has_acl)
		assert_int_equal(setxattr(test_abs(t, "d"), "system.posix_acl_default", acl, acl_size, 0), 0);
	for (int i = 0; i < 4; i++) {
		if (geteuid() == 0)
			assert_int_equal(lchown(test_abs(t, names[i]), 1000, 1001), 0);
		if (i == 1)
			assert_int_equal(chmod(test_abs(t, names[i]), 02750), 0);
		host_mtime(t, names[i], 1111111111 + i);
	}
	host_mtime(t, "", 1234567890);
	test_seal(t);
	struct stat root = view_lstat(t, ".");
	for (int i = 0; i < 4; i++) {
		struct stat before = view_lstat(t, names[i]);
		copy_up(t, names[i]);
		struct stat after = view_lstat(t, names[i]);
		assert_same_stat(&before, &after);
	}
	struct stat now = view_lstat(t, ".");
	assert_int_equal(root.st_mtim.tv_sec, now.st_mtim.tv_sec);
	assert_int_equal(V(t, getxattr, W("f"), true, "user.a", value, sizeof(value)), 5);
	assert_memory_equal(value, "value", 5);
	assert_int_equal(V(t, getxattr, W("d"), true, "user.b", value, sizeof(value)), 5);
	if (has_acl) {
		assert_int_equal(V(t, getxattr, W("f"), true, "system.posix_acl_access", got, sizeof(got)), acl_size);
		assert_memory_equal(got, acl, acl_size);
		assert_int_equal(V(t, getxattr, W("d"), true, "system.posix_acl_default", got, sizeof(got)), acl_size);
		assert_memory_equal(got, acl, acl_size);
	} else {
		print_message("no ACLs on this file system: not tested\n");
	}
	assert_view(t, "f", "content");
	assert_view(t, "d/in", "in");
}

static void test_copyup_holes(void **state)
{
	struct test *t = T(state);
	struct stat before, after;
	char byte = 'x';
	_cleanup_close_ int fd = open(test_abs(t, "sparse"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	assert_int_equal(ftruncate(fd, 16 << 20), 0);
	assert_int_equal(pwrite(fd, "middle", 6, 8 << 20), 6);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(fstat(fd, &before), 0);
	test_seal(t);
	_cleanup_close_ int copy = V(t, open, W("sparse"), O_RDWR | O_CLOEXEC, 0);
	assert_true(copy >= 0);
	assert_int_equal(pwrite(copy, &byte, 1, 0), 1);
	assert_int_equal(fsync(copy), 0);
	assert_int_equal(fstat(copy, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	assert_true(after.st_blocks <= before.st_blocks + 64);
	char buf[6];
	assert_int_equal(pread(copy, buf, 6, 8 << 20), 6);
	assert_memory_equal(buf, "middle", 6);
}

/* Opening for writing without writing changes nothing that shows. */
static void test_open_for_writing_keeps_times(void **state)
{
	struct test *t = T(state);

	host_write(t, "f", "f");
	assert_int_equal(chmod(test_abs(t, "f"), 04755), 0);
	host_mtime(t, "f", 1111111111);
	test_seal(t);
	struct stat before = view_lstat(t, "f");
	_cleanup_close_ int fd = V(t, open, W("f"), O_RDWR | O_CLOEXEC, 0);
	assert_true(fd >= 0);
	struct stat after = view_lstat(t, "f"), by_fd;
	assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
	assert_int_equal(before.st_mode, after.st_mode);
	assert_int_equal(V(t, fd_stat, fd, &by_fd), 0);
	assert_int_equal(by_fd.st_ino, after.st_ino);
	assert_int_equal(by_fd.st_dev, after.st_dev);
}

static void test_hard_links(void **state)
{
	struct test *t = T(state);

	for (int round = 0; round < 2; round++) {
		const char *first = round ? "d/b1" : "a0", *second = round ? "a1" : "d/b0";

		if (!round)
			host_mkdir(t, "d");
		host_write(t, first, "one");
		assert_int_equal(link(test_abs(t, first), test_abs(t, second)), 0);
		assert_int_equal(view_append(t, first, "+1"), 0);
		assert_view(t, second, "one+1");
		assert_int_equal(view_append(t, second, "+2"), 0);
		assert_view(t, first, "one+1+2");
		assert_int_equal(V(t, chmod, W(second), 0600), 0);
		struct stat a = view_lstat(t, first), b = view_lstat(t, second);
		assert_int_equal(a.st_mode & 07777, 0600);
		assert_int_equal(a.st_ino, b.st_ino);
		assert_int_equal(a.st_dev, b.st_dev);
		assert_int_equal(a.st_nlink, 2);
		assert_int_equal(b.st_nlink, 2);
		assert_int_equal(V(t, link, W(second), W(round ? "c1" : "c0"), 0), 0);
		assert_int_equal(view_lstat(t, first).st_nlink, 3);
		assert_int_equal(V(t, unlink, W(first), 0), 0);
		assert_gone(t, first);
		assert_int_equal(view_lstat(t, second).st_nlink, 2);
		assert_view(t, round ? "c1" : "c0", "one+1+2");
		world_reopen(&t->w);
		assert_view(t, second, "one+1+2");
		assert_int_equal(view_lstat(t, second).st_nlink, 2);
	}
	/* Unlinking alone, with nothing copied up. */
	host_write(t, "x", "x");
	assert_int_equal(link(test_abs(t, "x"), test_abs(t, "y")), 0);
	assert_int_equal(V(t, unlink, W("x"), 0), 0);
	assert_int_equal(view_lstat(t, "y").st_nlink, 1);
	assert_view(t, "y", "x");
	/* A new name for a host file that the box has not touched. */
	host_write(t, "h", "h");
	assert_int_equal(V(t, link, W("h"), W("h2"), 0), 0);
	assert_int_equal(view_append(t, "h2", "+"), 0);
	assert_view(t, "h", "h+");
	assert_int_equal(view_lstat(t, "h").st_nlink, 2);
}

static void test_hard_link_rename(void **state)
{
	struct test *t = T(state);

	host_write(t, "a", "one");
	assert_int_equal(link(test_abs(t, "a"), test_abs(t, "b")), 0);
	test_seal(t);
	assert_int_equal(V(t, rename, W("a"), W("c"), 0), 0);
	assert_int_equal(view_append(t, "c", "+"), 0);
	assert_view(t, "b", "one+");
	assert_int_equal(view_lstat(t, "b").st_ino, view_lstat(t, "c").st_ino);
	assert_int_equal(view_lstat(t, "b").st_nlink, 2);
	assert_names(t, "", "b c");
}

struct racer {
	pthread_t thread;
	struct test *t;
	int number, result;
	ino_t ino;
	pthread_barrier_t *barrier;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	char line[16];
	struct stat st;
	int n = snprintf(line, sizeof(line), "racer%04d\n", r->number);

	pthread_barrier_wait(r->barrier);
	if (r->number % 4 == 3) {
		r->result = V(r->t, chmod, W("big"), 0640);
		return NULL;
	}
	_cleanup_close_ int fd = V(r->t, open, W("big"), O_WRONLY | O_APPEND | O_CLOEXEC, 0);
	r->result = fd < 0 ? fd : fstat(fd, &st) < 0 ? -errno : write(fd, line, (size_t)n) == n ? 0 : -EIO;
	r->ino = st.st_ino;
	return NULL;
}

#define RACERS 16
#define BIG (6 << 20)

static void test_copyup_race(void **state)
{
	struct test *t = T(state);
	struct racer racers[RACERS];
	pthread_barrier_t barrier;
	_cleanup_free_ char *data = malloc(BIG + 4096);
	struct rng r = { 3 };
	uint64_t bytes, objects;

	assert_non_null(data);
	for (int i = 0; i < BIG; i++)
		data[i] = (char)rng_next(&r);
	_cleanup_close_ int host = open(test_abs(t, "big"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(host, data, BIG), BIG);
	test_seal(t);
	assert_int_equal(pthread_barrier_init(&barrier, NULL, RACERS), 0);
	for (int i = 0; i < RACERS; i++) {
		racers[i] = (struct racer){ .t = t, .number = i, .barrier = &barrier };
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (int i = 0; i < RACERS; i++) {
		pthread_join(racers[i].thread, NULL);
		assert_int_equal(racers[i].result, 0);
		if (i % 4 != 3)
			assert_int_equal(racers[i].ino, racers[0].ino);
	}
	pthread_barrier_destroy(&barrier);
	_cleanup_close_ int fd = V(t, open, W("big"), O_RDONLY | O_CLOEXEC, 0);
	_cleanup_free_ char *copy = calloc(1, BIG + 4096);
	assert_non_null(copy);
	ssize_t n = pread(fd, copy, BIG + 4096, 0);
	assert_int_equal(n, BIG + RACERS * 3 / 4 * 10);
	assert_memory_equal(copy, data, BIG);
	for (int i = 0; i < RACERS; i++) {
		char line[16];
		snprintf(line, sizeof(line), "racer%04d\n", i);
		assert_true((strstr(copy + BIG, line) != NULL) == (i % 4 != 3));
	}
	assert_int_equal(view_lstat(t, "big").st_mode & 07777, 0640);
	/* One copy on disk. */
	assert_int_equal(box_usage(t->w.box, &bytes, &objects), 0);
	assert_true(bytes < 2 * (uint64_t)BIG);
}

/* A caller that dies at some moment of a copy: when it is asked for the n-th time. */
struct mortal {
	int gone_at, asked, begun, ended;
};

static void mortal_begin(const struct caller *c)
{
	((struct mortal *)c->ctx)->begun++;
}

static bool mortal_gone(const struct caller *c)
{
	struct mortal *m = c->ctx;

	return ++m->asked >= m->gone_at;
}

static int mortal_end(const struct caller *c)
{
	((struct mortal *)c->ctx)->ended++;
	return mortal_gone(c) ? -CALLER_GONE : 0;
}

static void test_copyup_for_the_dead(void **state)
{
	struct test *t = T(state);
	struct mortal m = { 0 };
	struct caller c = { .umask = 022, .wait_begin = mortal_begin, .wait_end = mortal_end, .gone = mortal_gone, .ctx = &m };
	uint64_t bytes, objects, none, no_objects;
	int r;

	host_write(t, "big", "");
	assert_int_equal(truncate(test_abs(t, "big"), BIG), 0);
	_cleanup_close_ int host = open(test_abs(t, "big"), O_WRONLY | O_CLOEXEC);
	/* several pieces: one is copied, and the caller asked for, at a time */
	for (int i = 0; i < 4; i++)
		assert_int_equal(pwrite(host, "data", 4, (off_t)i * (BIG / 4)), 4);
	test_seal(t);
	assert_int_equal(box_usage(t->w.box, &none, &no_objects), 0);
	for (m.gone_at = 1; m.gone_at < 100; m.gone_at++) {
		_cleanup_object_ struct object o;

		m.asked = m.begun = m.ended = 0;
		assert_int_equal(view_object(t, "big", LOOKUP_NOFOLLOW, &o), 0);
		r = object_copy_up(t->w.ov, &c, &o);
		assert_true(m.begun > 0);
		assert_int_equal(m.ended, m.begun);
		if (r == 0)
			break;
		assert_int_equal(r, -CALLER_GONE);
		assert_int_equal(box_usage(t->w.box, &bytes, &objects), 0);
		assert_int_equal(objects, no_objects);
		assert_int_equal(bytes, none); /* nor is a part of a copy left */
	}
	assert_int_equal(r, 0);
	assert_true(m.gone_at > 2);
	assert_int_equal(view_lstat(t, "big").st_size, BIG);
}

static void test_special_copyup_does_not_block(void **state)
{
	struct test *t = T(state);

	assert_int_equal(mkfifo(test_abs(t, "p"), 0644), 0);
	assert_int_equal(mknod(test_abs(t, "s"), S_IFSOCK | 0644, 0), 0);
	test_seal(t);
	alarm(20);
	assert_int_equal(V(t, chmod, W("p"), 0600), 0);
	assert_int_equal(V(t, chmod, W("s"), 0600), 0);
	assert_int_equal(view_lstat(t, "p").st_mode, S_IFIFO | 0600);
	assert_int_equal(view_lstat(t, "s").st_mode, S_IFSOCK | 0600);
	assert_int_equal(V(t, rename, W("p"), W("q"), 0), 0);
	assert_int_equal(view_lstat(t, "q").st_mode, S_IFIFO | 0600);
	assert_int_equal(V(t, open, W("s"), O_RDONLY | O_CLOEXEC, 0), -ENXIO);
}

static void test_tmpfile(void **state)
{
	struct test *t = T(state);

	host_mkdir(t, "d");
	test_seal(t);
	_cleanup_close_ int fd = V(t, open, W("d"), O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "tmp", 3), 3);
	assert_names(t, "d", "");
	assert_int_equal(V(t, link_fd, fd, W("d/named")), 0);
	assert_int_equal(V(t, link_fd, fd, W("d/named")), -EEXIST);
	assert_view(t, "d/named", "tmp");
	assert_int_equal(view_lstat(t, "d/named").st_mode, S_IFREG | 0640);
	assert_names(t, "d", "named");
	_cleanup_close_ int excl = V(t, open, W("d"), O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0640);
	assert_true(excl >= 0);
	assert_int_equal(V(t, link_fd, excl, W("d/never")), -ENOENT);
	assert_int_equal(V(t, open, W("d"), O_TMPFILE | O_RDONLY | O_CLOEXEC, 0640), -EINVAL);
	assert_int_equal(V(t, open, W("d/named"), O_TMPFILE | O_RDWR | O_CLOEXEC, 0640), -ENOTDIR);
	assert_names(t, "d", "named");
}

static void test_open_flags(void **state)
{
	struct test *t = T(state);
	struct stat st;

	host_write(t, "f", "f");
	host_mkdir(t, "d");
	host_symlink(t, "f", "l");
	host_symlink(t, "target", "dangling");
	test_seal(t);
	assert_int_equal(V(t, open, W("f"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644), -EEXIST);
	assert_int_equal(V(t, open, W("dangling"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644), -EEXIST);
	assert_int_equal(V(t, open, W("l"), O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0), -ELOOP);
	assert_int_equal(V(t, open, W("f"), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), -ENOTDIR);
	assert_int_equal(V(t, open, W("d"), O_WRONLY | O_CLOEXEC, 0), -EISDIR);
	assert_int_equal(V(t, open, W("d"), O_RDONLY | O_CREAT | O_CLOEXEC, 0644), -EISDIR);
	assert_int_equal(V(t, open, W(""), O_RDONLY | O_CLOEXEC, 0), -ENOENT);
	_cleanup_close_ int path = V(t, open, W("l"), O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	assert_true(path >= 0);
	assert_int_equal(fstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(view_write(t, "dangling", "through"), 0);
	assert_view(t, "target", "through");
	assert_true(S_ISLNK(view_lstat(t, "dangling").st_mode));
	/* Neither the copy nor the new file may keep what O_TRUNC drops. */
	assert_int_equal(view_write(t, "l", "short"), 0);
	assert_view(t, "f", "short");
	_cleanup_close_ int new = V(t, open, &((struct where){ .base = "d", .path = "n", .umask = 077 }),
				    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	assert_true(new >= 0);
	assert_int_equal(view_lstat(t, "d/n").st_mode, S_IFREG | 0600);
	/* Created without any rights, still open for writing. */
	_cleanup_close_ int none = V(t, open, W("d/none"), O_RDWR | O_CREAT | O_CLOEXEC, 0);
	assert_true(none >= 0);
	assert_int_equal(write(none, "x", 1), 1);
}

/* A slash at the end of a link's text counts as one at the end of the path. */
static void test_create_with_slash(void **state)
{
	const int create = O_WRONLY | O_CREAT | O_CLOEXEC;
	struct test *t = T(state);

	host_mkdir(t, "d");
	host_symlink(t, "d/new/", "slash");
	host_symlink(t, "none/new/", "nowhere");
	host_symlink(t, "loop", "loop");
	host_symlink(t, "loop/", "to_loop");
	host_symlink(t, "d/.", "dot");
	test_seal(t);
	assert_int_equal(V(t, open, W("d/new/"), create, 0644), -EISDIR);
	assert_int_equal(V(t, open, W("slash"), create, 0644), -EISDIR);
	assert_int_equal(V(t, open, W("slash"), create | O_EXCL, 0644), -EEXIST);
	assert_int_equal(V(t, open, W("nowhere"), create, 0644), -ENOENT);
	assert_int_equal(V(t, open, W("to_loop"), create, 0644), -EISDIR);
	assert_int_equal(V(t, open, W("loop"), create, 0644), -ELOOP);
	assert_int_equal(V(t, open, W("dot"), create, 0644), -EISDIR);
	assert_int_equal(V(t, open, W("d/.."), create | O_EXCL, 0644), -EEXIST);
	assert_names(t, "d", "");
}

static void test_reader_follows_copy_by_lookup(void **state)
{
	struct test *t = T(state);
	struct stat st;

	host_write(t, "f", "f");
	test_seal(t);
	_cleanup_close_ int fd = V(t, open, W("f"), O_RDONLY | O_CLOEXEC, 0);
	assert_int_equal(view_append(t, "f", "more"), 0);
	assert_int_equal(V(t, fd_stat, fd, &st), 0);
	assert_int_equal(st.st_size, 5);
	assert_int_equal(V(t, fd_chmod, fd, 0600), 0);
	assert_int_equal(view_lstat(t, "f").st_mode & 07777, 0600);
	/* When the view no longer has it, a change must not fall through to the host's (the seal looks). */
	assert_int_equal(V(t, unlink, W("f"), 0), 0);
	V(t, fd_chmod, fd, 0400);
}

static void test_long_names(void **state)
{
	struct test *t = T(state);
	char name[300];

	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	assert_int_equal(view_write(t, name, "x"), -ENAMETOOLONG);
	assert_int_equal(V(t, mkdir, W(name), 0755), -ENAMETOOLONG);
	name[255] = '\0';
	assert_int_equal(view_write(t, name, "x"), 0);
	assert_view(t, name, "x");
	assert_int_equal(V(t, unlink, W(name), 0), 0);
	host_write(t, name, "host");
	assert_int_equal(view_append(t, name, "+"), 0);
	assert_view(t, name, "host+");
	assert_int_equal(V(t, unlink, W(name), 0), 0);
	assert_gone(t, name);
}

int directed_files(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_copyup_keeps), TEST(test_copyup_holes), TEST(test_open_for_writing_keeps_times), TEST(test_hard_links),
		TEST(test_hard_link_rename), TEST(test_copyup_race), TEST(test_copyup_for_the_dead),
		TEST(test_special_copyup_does_not_block), TEST(test_tmpfile),
		TEST(test_open_flags), TEST(test_create_with_slash), TEST(test_reader_follows_copy_by_lookup), TEST(test_long_names),
	};

	return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
