/* test_box_remove.c - boxes removed whatever they hold, and counted. */
#include "store_room.h"
#include "../skip.h"

#include <grp.h>

#define DEEP 10000

/* A chain of directories, the deepest with a file; made from the inside out so that no path gets long. */
static int make_chain(int dirfd, const char *name, int depth)
{
	int fd = dup(dirfd);

	for (int i = 0; i < depth; i++) {
		int next;

		if (mkdirat(fd, i ? "d" : name, 0700) < 0)
			return -1;
		next = openat(fd, i ? "d" : name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = next;
		if (fd < 0)
			return -1;
	}
	close(openat(fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0));
	close(fd);
	return 0;
}

/* All that makes removing hard, as the user we are. Returns 0, or the number of what went wrong. */
static int remove_hard(void)
{
	_cleanup_store_ struct store *s = NULL;
	_cleanup_box_ struct box *b = NULL;
	_cleanup_close_ int tree = -1, locked = -1;
	uint64_t bytes = 0, objects = 0;
	struct err err = { 0 };
	char name[64], keep[sizeof room + 64];
	struct stat st;

	if (store_open(true, &s, &err) < 0 || box_create(s, "hard", "x", &b, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	tree = openat(b->fd, "layers/1/tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* The mirror of "/" may lack the owner's w where "/" does. */
	if (fchmod(tree, 0755) < 0 || make_chain(tree, "chain", DEEP) < 0)
		return 2;
	if (box_usage(b, &bytes, &objects) < 0 || objects != DEEP + 1)
		return 3;
	/* Outside, and what symlinks and hard links in the layer lead to. */
	snprintf(keep, sizeof keep, "%s/keep", room);
	if (mkdir(keep, 0755) < 0)
		return 4;
	snprintf(keep, sizeof keep, "%s/keep/file", room);
	close(open(keep, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	if (symlinkat("../../../../../keep", tree, "link") < 0 || linkat(AT_FDCWD, keep, tree, "hard", 0) < 0)
		return 5;
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "wide%d", i);
		if (mkdirat(tree, name, 0700) < 0 || make_chain(tree, strcat(name, "x"), 3) < 0)
			return 6;
	}
	if (mknodat(tree, "whiteout", S_IFCHR, 0) < 0 || mkfifoat(tree, "fifo", 0) < 0)
		return 7;
	if (mkdirat(tree, "locked", 0700) < 0)
		return 8;
	locked = openat(tree, "locked", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int mode = 0; mode < 8; mode++) {
		snprintf(name, sizeof name, "m%d", mode);
		if (make_chain(locked, name, 2) < 0 || fchmodat(locked, name, (mode_t)mode << 6, 0) < 0)
			return 9;
	}
	if (fchmod(locked, 0) < 0 || fchmodat(b->fd, "layers/1/work", 0, 0) < 0 || fchmod(tree, 0555) < 0)
		return 10;
	if (box_usage(b, &bytes, &objects) < 0)
		return 11;
	if (box_remove(s, b, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 12;
	}
	if (entries(s) != 0 || stat(keep, &st) < 0 || (st.st_mode & 07777) != 0600)
		return 13;
	return 0;
}

static int remove_as_user(void)
{
	if (geteuid() == 0) {
		if (chown(room, NOBODY, NOBODY) < 0 || setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		    setresuid(NOBODY, NOBODY, NOBODY) < 0)
			return 99;
	}
	return remove_hard();
}

static void test_remove_hard(void **state)
{
	(void)state;
	assert_int_equal(in_child(remove_as_user), 0);
}

static void test_remove_hard_root(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		SKIP("not root");
	}
	assert_int_equal(in_child(remove_hard), 0);
}

/* A failure in the middle leaves what the next start finishes, never a half box under its name. */
static void test_remove_faults(void **state)
{
	_cleanup_store_ struct store *s = open_store();
	struct err err = { 0 };
	uint64_t calls = 1;

	(void)state;
	for (uint64_t n = 1; n <= calls; n++) {
		_cleanup_box_ struct box *b = make_box(s, "gone"), *c = NULL;
		_cleanup_close_ int tree = openat(b->fd, "layers/1/tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int r;

		assert_int_equal(make_chain(tree, "chain", 3), 0);
		sys_fault(n == 1 ? SYS_FAULT_COUNT : SYS_FAULT_FAIL, n - 1, EIO);
		r = box_remove(s, b, &err);
		if (n == 1)
			calls = sys_fault_count() + 1;
		sys_fault(SYS_FAULT_OFF, 0, 0);
		if (faccessat(s->boxes_fd, "gone", F_OK, 0) == 0) {
			assert_true(r < 0);
			assert_int_equal(box_open(s, "gone", &c, &err), 0);
			assert_int_equal(box_remove(s, c, &err), 0);
		}
		store_freep(&s);
		s = open_store();
		assert_int_equal(entries(s), 0);
	}
	assert_true(calls > 15);
}

/* Another process moves directories about while they are removed. */
static int mover(int tree)
{
	for (int i = 0; i < 20000; i++) {
		char from[64], to[64];

		snprintf(from, sizeof from, "c%d/d/d", i % 50);
		snprintf(to, sizeof to, "c%d/moved%d", (i + 1) % 50, i);
		(void)!renameat(tree, from, tree, to);
	}
	return 0;
}

static void test_remove_moving(void **state)
{
	_cleanup_store_ struct store *s = open_store();
	_cleanup_box_ struct box *b = make_box(s, "moving");
	_cleanup_close_ int tree = openat(b->fd, "layers/1/tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err = { 0 };
	char name[16];
	pid_t pid;

	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof name, "c%d", i);
		assert_int_equal(make_chain(tree, name, 20), 0);
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(mover(tree));
	assert_int_equal(box_remove(s, b, &err), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	store_freep(&s);
	s = open_store();
	assert_int_equal(entries(s), 0);
}

static void test_usage(void **state)
{
	_cleanup_store_ struct store *s = open_store();
	_cleanup_box_ struct box *b = make_box(s, "used");
	_cleanup_close_ int tree = openat(b->fd, "layers/1/tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t bytes = 7, objects = 7, more, same;
	char data[65536];

	(void)state;
	memset(data, 'x', sizeof data);
	assert_int_equal(box_usage(b, &bytes, &objects), 0);
	assert_int_equal(objects, 0);
	write_file(tree, "file", data, sizeof data);
	assert_int_equal(fsync(tree), 0);
	sync();
	assert_int_equal(box_usage(b, &more, &objects), 0);
	assert_int_equal(objects, 1);
	assert_true(more >= bytes + sizeof data);
	/* A second name of it costs nothing, wherever it is. */
	assert_int_equal(linkat(tree, "file", b->fd, "layers/1/links/8:1:5", 0), 0);
	assert_int_equal(box_usage(b, &same, &objects), 0);
	assert_true(same == more);
	assert_int_equal(objects, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROOM_TEST(test_remove_hard),
		ROOM_TEST(test_remove_hard_root),
		ROOM_TEST(test_remove_faults),
		ROOM_TEST(test_remove_moving),
		ROOM_TEST(test_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
