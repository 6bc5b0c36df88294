/* test_store.c - the store: found, refused, swept; names of boxes, the list of them. */
#include "store_room.h"
#include "../skip.h"

#include <sched.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/mount.h>

/* ---- the store ---- */

static void test_store_open(void **state)
{
	_cleanup_store_ struct store *s = NULL;
	struct store *t = NULL;
	struct err err = { 0 };
	char deep[sizeof room + 64];
	struct stat st;

	(void)state;
	snprintf(deep, sizeof deep, "%s/a//b/c/", room);
	setenv("COWBOX_HOME", deep, 1);
	assert_int_equal(store_open(false, &t, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "there are no boxes yet"));
	assert_null(t);
	assert_int_equal(store_open(true, &s, &err), 0);
	snprintf(deep, sizeof deep, "%s/a/b/c", room);
	assert_string_equal(s->path, deep);
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fstat(s->boxes_fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(entries(s), 0);
	assert_int_equal(store_open(false, &t, &err), 0);
	store_freep(&t);
	assert_null(t);
	store_free(NULL);
}

static void test_store_places(void **state)
{
	_cleanup_store_ struct store *s = NULL;
	struct err err = { 0 };
	char path[sizeof room + 64];

	(void)state;
	setenv("COWBOX_HOME", "", 1);
	setenv("XDG_STATE_HOME", room, 1);
	assert_int_equal(store_open(true, &s, &err), 0);
	snprintf(path, sizeof path, "%s/cowbox", room);
	assert_string_equal(s->path, path);
	store_freep(&s);
	/* A relative XDG_STATE_HOME is to be ignored, says its specification. */
	setenv("XDG_STATE_HOME", "relative", 1);
	setenv("HOME", room, 1);
	assert_int_equal(store_open(true, &s, &err), 0);
	snprintf(path, sizeof path, "%s/.local/state/cowbox", room);
	assert_string_equal(s->path, path);
	store_freep(&s);
	/* A relative COWBOX_HOME, and one that is a symlink: the store tells its real path. */
	assert_int_equal(chdir(room), 0);
	assert_int_equal(symlink(".local", "link"), 0);
	setenv("COWBOX_HOME", "link/store", 1);
	assert_int_equal(store_open(true, &s, &err), 0);
	snprintf(path, sizeof path, "%s/.local/store", room);
	assert_string_equal(s->path, path);
	assert_int_equal(chdir("/"), 0);
}

static void test_store_refused(void **state)
{
	struct store *s = NULL;
	struct err err = { 0 };
	char path[sizeof room + 64];

	(void)state;
	setenv("COWBOX_HOME", "/", 1);
	assert_int_equal(store_open(false, &s, &err), -EINVAL);
	setenv("COWBOX_HOME", "/dev/null/store", 1);
	assert_int_equal(store_open(true, &s, &err), -ENOTDIR);
	assert_non_null(strstr(err.msg, "COWBOX_HOME"));
	setenv("COWBOX_HOME", room, 1);
	snprintf(path, sizeof path, "%s/boxes", room);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_int_equal(store_open(true, &s, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "is not a directory"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0777), 0);
	assert_int_equal(chmod(path, 0777), 0);
	s = open_store();
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	store_freep(&s);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, NOBODY, NOBODY), 0);
		assert_int_equal(store_open(true, &s, &err), -EPERM);
		assert_non_null(strstr(err.msg, "another user"));
	}
	assert_null(s);
}

/* A full disk, by the error it gives. */
static void test_store_full(void **state)
{
	_cleanup_store_ struct store *s = open_store();
	struct store *t = NULL;
	struct err err = { 0 };
	uint64_t calls;
	int full = 0;

	(void)state;
	(void)s;
	sys_fault(SYS_FAULT_COUNT, 0, 0);
	assert_int_equal(store_open(true, &t, &err), 0);
	calls = sys_fault_count();
	store_freep(&t);
	for (uint64_t n = 1; n <= calls; n++) {
		int r;

		sys_fault(SYS_FAULT_FAIL, n, ENOSPC);
		r = store_open(true, &t, &err);
		sys_fault(SYS_FAULT_OFF, 0, 0);
		if (r < 0) {
			assert_null(t);
			assert_int_equal(r, -ENOSPC);
			full += strstr(err.msg, "has no room left") != NULL;
		}
		store_freep(&t);
	}
	assert_true(full >= 2);
}

static bool write_map(const char *path, const char *format, unsigned id)
{
	FILE *f = fopen(path, "we");
	bool ok;

	if (!f)
		return false;
	ok = fprintf(f, format, id) > 0;
	return fclose(f) == 0 && ok;
}

/* A mount namespace, in a user namespace where we are not root. */
static bool enter_namespace(void)
{
	unsigned uid = geteuid(), gid = getegid();

	if (uid == 0)
		return unshare(CLONE_NEWNS) == 0;
	return unshare(CLONE_NEWNS | CLONE_NEWUSER) == 0 && write_map("/proc/self/setgroups", "deny", 0) &&
	       write_map("/proc/self/uid_map", "0 %u 1", uid) && write_map("/proc/self/gid_map", "0 %u 1", gid);
}

/* ramfs keeps no user xattrs. */
static int child_ramfs(void)
{
	struct store *s = NULL;
	struct err err = { 0 };

	if (!enter_namespace() || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("ramfs", room, "ramfs", 0, NULL) < 0)
		return 77;
	if (store_open(true, &s, &err) != -EOPNOTSUPP || !strstr(err.msg, "extended attributes") ||
	    !strstr(err.msg, "COWBOX_HOME=/dir")) {
		fprintf(stderr, "%s\n", s ? "the store was opened" : err.msg);
		return 1;
	}
	return 0;
}

static void test_store_no_xattrs(void **state)
{
	int r = in_child(child_ramfs);

	(void)state;
	if (r == 77) {
		SKIP("no mount namespace to be had here");
	}
	assert_int_equal(r, 0);
}

static void test_sweep(void **state)
{
	_cleanup_store_ struct store *s = open_store();
	_cleanup_close_ int held = -1;

	(void)state;
	assert_int_equal(mkdirat(s->boxes_fd, ".rm-1-2", 0700), 0);
	assert_int_equal(mkdirat(s->boxes_fd, ".rm-1-2/x", 0), 0);
	assert_int_equal(mkdirat(s->boxes_fd, ".new-1-3", 0700), 0);
	assert_int_equal(mkdirat(s->boxes_fd, ".new-1-4", 0700), 0);
	assert_int_equal(mkdirat(s->boxes_fd, ".other", 0700), 0);
	write_file(s->boxes_fd, ".probe-1", "", 0);
	held = openat(s->boxes_fd, ".new-1-4", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(held, LOCK_EX), 0);
	store_freep(&s);
	s = open_store();
	/* What is being made, what is none of ours, and a file of just now stay. */
	assert_int_equal(entries(s), 3);
	assert_int_equal(faccessat(s->boxes_fd, ".new-1-4", F_OK, 0), 0);
	fd_closep(&held);
	assert_int_equal(utimensat(s->boxes_fd, ".probe-1", (struct timespec[2]){ { .tv_sec = 1 }, { .tv_sec = 1 } }, 0), 0);
	store_freep(&s);
	s = open_store();
	assert_int_equal(entries(s), 1);
}

/* ---- names ---- */

static void test_names(void **state)
{
	static const char *const good[] = { "a", "A-1_b.c", "x.y", "0" };
	static const char *const bad[] = { "", ".", "..", ".x", "-x", "a/b", "/", "a b", "a\n", "\xff", "caf\xc3\xa9" };
	char name[BOX_NAME_MAX + 2];
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_int_equal(box_name_check(good[i], &err), 0);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		err.msg[0] = '\0';
		assert_int_equal(box_name_check(bad[i], &err), -EINVAL);
		assert_true(err.msg[0] && !strchr(err.msg, '\n'));
	}
	memset(name, 'n', sizeof name);
	name[BOX_NAME_MAX + 1] = '\0';
	assert_int_equal(box_name_check(name, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "longer than 64"));
	name[BOX_NAME_MAX] = '\0';
	assert_int_equal(box_name_check(name, NULL), 0);
}

static void test_fresh_name(void **state)
{
	static const struct { const char *command, *start; } t[] = {
		{ "tar xf big.tar", "tar-" }, { "/usr/bin/python3.11 -m venv", "python3.11-" }, { "", "box-" }, { "...", "box-" },
		{ "./a b", "a-" }, { "-x", "x-" }, { "caf\xc3\xa9", "caf-" }, { "bin/", "bin-" }, { "/", "box-" }, { "a+b", "a-b-" },
	};
	_cleanup_store_ struct store *s = open_store();
	char name[BOX_NAME_MAX + 1], second[BOX_NAME_MAX + 1], longest[500];
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		assert_int_equal(store_fresh_name(s, t[i].command, name, &err), 0);
		assert_int_equal(box_name_check(name, &err), 0);
		if (strncmp(name, t[i].start, strlen(t[i].start)) != 0)
			fail_msg("'%s' gave %s", t[i].command, name);
	}
	assert_int_equal(store_fresh_name(s, NULL, name, &err), 0);
	memset(longest, 'l', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	assert_int_equal(store_fresh_name(s, longest, name, &err), 0);
	assert_int_equal(box_name_check(name, &err), 0);
	assert_int_equal(mkdirat(s->boxes_fd, name, 0700), 0);
	assert_int_equal(store_fresh_name(s, longest, second, &err), 0);
	assert_string_not_equal(name, second);
}

static void test_list_and_last(void **state)
{
	_cleanup_store_ struct store *s = open_store();
	_cleanup_strv_ char **names = NULL;
	_cleanup_box_ struct box *b = NULL;
	char last[BOX_NAME_MAX + 1] = "untouched";
	struct err err = { 0 };

	(void)state;
	assert_int_equal(store_list(s, &names, &err), 0);
	assert_null(names[0]);
	strv_freep(&names);
	assert_int_equal(store_last(s, last, &err), -ENOENT);
	assert_string_equal(last, "untouched");
	b = make_box(s, "zeta");
	box_freep(&b);
	b = make_box(s, "Alpha");
	write_file(s->boxes_fd, "stray", "x", 1);
	assert_int_equal(mkdirat(s->boxes_fd, "with space", 0700), 0);
	assert_int_equal(store_list(s, &names, &err), 0);
	assert_string_equal(names[0], "Alpha");
	assert_string_equal(names[1], "zeta");
	assert_null(names[2]);
	assert_int_equal(store_set_last(s, "no/good", &err), -EINVAL);
	assert_int_equal(store_set_last(s, "zeta", &err), 0);
	assert_int_equal(store_set_last(s, "Alpha", &err), 0);
	assert_int_equal(store_last(s, last, &err), 0);
	assert_string_equal(last, "Alpha");
	assert_int_equal(box_remove(s, b, &err), 0);
	assert_int_equal(store_last(s, last, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "Alpha, is gone"));
	write_file(s->fd, "last", "../../etc\n", 10);
	assert_int_equal(store_last(s, last, &err), -ENOENT);
	write_file(s->fd, "last", "", 0);
	assert_int_equal(store_last(s, last, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROOM_TEST(test_store_open),
		ROOM_TEST(test_store_places),
		ROOM_TEST(test_store_refused),
		ROOM_TEST(test_store_full),
		ROOM_TEST(test_store_no_xattrs),
		ROOM_TEST(test_sweep),
		ROOM_TEST(test_names),
		ROOM_TEST(test_fresh_name),
		ROOM_TEST(test_list_and_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
