/* directed_rights.c - what the host would refuse this user is refused, with the same errno. */
#include "directed.h"
#include "../skip.h"

static struct caller user_caller = { .umask = 022, .comm = "directed" };

static int open_abs(struct test *t, const char *path, uint64_t flags)
{
	_cleanup_opened_ struct opened o;
	int r;

	opened_init(&o);
	r = overlay_open(t->w.ov, &user_caller, AT_VIEW(path), flags | O_CLOEXEC, flags & O_CREAT ? 0644 : 0, 0, &o);
	return r < 0 ? r : 0;
}

static void test_system_directories(void **state)
{
	struct test *t = T(state);
	struct timespec now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } }, old[2] = { { 1, 0 }, { 1, 0 } };
	_cleanup_object_ struct object passwd;
	struct stat st;

	object_init(&passwd);
	if (stat("/etc/shadow", &st) < 0 || st.st_uid == test_user()) {
		SKIP("no /etc/shadow of another user");
	}
	as_user();
	assert_int_equal(open_abs(t, "/usr/oracle-x", O_WRONLY | O_CREAT), -EACCES);
	assert_int_equal(open_abs(t, "/etc/passwd", O_WRONLY), -EACCES);
	assert_int_equal(open_abs(t, "/etc/passwd", O_WRONLY | O_TRUNC), -EACCES);
	assert_int_equal(open_abs(t, "/etc/passwd", O_RDONLY), 0);
	assert_int_equal(open_abs(t, "/etc/shadow", O_RDONLY), -EACCES);
	assert_int_equal(open_abs(t, "/usr", O_TMPFILE | O_RDWR), -EACCES);
	assert_int_equal(overlay_mkdir(t->w.ov, &user_caller, AT_VIEW("/usr/oracle-x"), 0755), -EACCES);
	assert_int_equal(overlay_mkdir(t->w.ov, &user_caller, AT_VIEW("/usr/bin"), 0755), -EEXIST);
	assert_int_equal(overlay_mknod(t->w.ov, &user_caller, AT_VIEW("/usr/oracle-x"), S_IFIFO | 0644, 0), -EACCES);
	assert_int_equal(overlay_symlink(t->w.ov, &user_caller, "x", AT_VIEW("/usr/oracle-x")), -EACCES);
	assert_int_equal(overlay_unlink(t->w.ov, &user_caller, AT_VIEW("/usr/bin/env"), 0), -EACCES);
	assert_int_equal(overlay_unlink(t->w.ov, &user_caller, AT_VIEW("/usr/bin"), AT_REMOVEDIR), -EACCES);
	assert_int_equal(overlay_rename(t->w.ov, &user_caller, AT_VIEW("/usr/bin"), AT_VIEW("/usr/oracle-x"), 0), -EACCES);
	assert_int_equal(overlay_lookup(t->w.ov, &user_caller, AT_VIEW("/etc/passwd"), 0, &passwd), 0);
	assert_int_equal(object_chmod(t->w.ov, &user_caller, &passwd, 0666), -EPERM);
	assert_int_equal(object_chown(t->w.ov, &user_caller, &passwd, test_user(), (gid_t)-1), -EPERM);
	assert_int_equal(object_utimens(t->w.ov, &user_caller, &passwd, old), -EPERM);
	assert_int_equal(object_utimens(t->w.ov, &user_caller, &passwd, now), -EACCES);
	assert_int_equal(object_truncate(t->w.ov, &user_caller, &passwd, 0), -EACCES);
	assert_int_equal(object_setxattr(t->w.ov, &user_caller, &passwd, "user.x", "y", 1, 0), -EACCES);
	assert_int_equal(object_access(t->w.ov, &passwd, W_OK, AT_EACCESS), -EACCES);
	assert_int_equal(object_access(t->w.ov, &passwd, R_OK, AT_EACCESS), 0);
	as_self();
	assert_int_equal(overlay_untouched(t->w.ov, (struct vpath){ "/usr" }), true);
	assert_int_equal(overlay_untouched(t->w.ov, (struct vpath){ "/etc" }), true);
}

static void give(struct test *t, const char *path, uid_t uid, mode_t mode)
{
	assert_int_equal(lchown(test_abs(t, path), uid, uid), 0);
	assert_int_equal(chmod(test_abs(t, path), mode), 0);
}

static void need_root(void)
{
	if (geteuid() != 0) {
		SKIP("needs files of two users, thus root");
	}
}

static void test_sticky(void **state)
{
	struct test *t = T(state);

	need_root();
	host_mkdir(t, "sticky");
	host_write(t, "sticky/root", "root");
	host_write(t, "sticky/user", "user");
	host_mkdir(t, "sticky/rootdir");
	give(t, "sticky/root", 0, 0666);
	give(t, "sticky/user", TEST_UID, 0644);
	give(t, "sticky/rootdir", 0, 0777);
	give(t, "sticky", 0, 01777);
	test_seal(t);
	for (int round = 0; round < 2; round++) {
		/* The second time the directory is merged, and some of it the layer's. */
		as_user();
		assert_int_equal(V(t, unlink, W("sticky/root"), 0), -EPERM);
		assert_int_equal(V(t, rename, W("sticky/root"), W("sticky/mine"), 0), -EPERM);
		assert_int_equal(V(t, unlink, W("sticky/rootdir"), AT_REMOVEDIR), -EPERM);
		assert_int_equal(V(t, rename, W("sticky/user"), W("sticky/root"), 0), -EPERM);
		assert_int_equal(view_write(t, round ? "sticky/mine1" : "sticky/mine0", "mine"), 0);
		assert_int_equal(V(t, rename, W(round ? "sticky/mine1" : "sticky/mine0"), W("sticky/user"), 0), 0);
		as_self();
		assert_int_equal(view_write(t, round ? "sticky/again1" : "sticky/again0", "root's own"), 0);
		as_user();
		assert_int_equal(V(t, unlink, W(round ? "sticky/again1" : "sticky/again0"), 0), -EPERM);
		as_self();
		assert_int_equal(V(t, chmod, W("sticky/root"), 0660), 0);
	}
	as_user();
	assert_int_equal(V(t, unlink, W("sticky/user"), 0), 0);
	as_self();
	assert_int_equal(V(t, unlink, W("sticky/root"), 0), 0);
}

static void test_other_users_directory(void **state)
{
	struct test *t = T(state);
	struct stat st;

	need_root();
	host_mkdir(t, "private");
	host_write(t, "private/f", "f");
	host_mkdir(t, "closed");
	host_write(t, "closed/f", "f");
	give(t, "closed/f", TEST_UID, 0644);
	give(t, "private", 0, 0700);
	give(t, "closed", 0, 0755);
	test_seal(t);
	as_self();
	assert_int_equal(view_write(t, "private/by-root", "x"), 0);
	for (int round = 0; round < 2; round++) {
		as_user();
		assert_int_equal(V(t, stat, W("private/f"), 0, &st), -EACCES);
		assert_int_equal(V(t, stat, W("private/by-root"), 0, &st), -EACCES);
		assert_int_equal(V(t, stat, W("private/none"), 0, &st), -EACCES);
		assert_int_equal(V(t, open, W("private"), O_RDONLY | O_CLOEXEC, 0), -EACCES);
		assert_int_equal(view_write(t, "private/new", "x"), -EACCES);
		/* A file of one's own in a directory that one may not write: its content yes, its name no. */
		assert_int_equal(view_append(t, "closed/f", "+"), 0);
		assert_int_equal(V(t, chmod, W("closed/f"), 0600), 0);
		assert_int_equal(V(t, unlink, W("closed/f"), 0), -EACCES);
		assert_int_equal(view_write(t, "closed/new", "x"), -EACCES);
		assert_int_equal(V(t, mkdir, W("closed/dir"), 0755), -EACCES);
		as_self();
	}
	assert_view(t, "closed/f", "f++");
	/* Once the box opens the directory, it is open: the view's mode counts. */
	assert_int_equal(V(t, chmod, W("closed"), 0777), 0);
	as_user();
	assert_int_equal(view_write(t, "closed/new", "x"), 0);
	assert_int_equal(view_lstat(t, "closed/new").st_uid, TEST_UID);
	assert_int_equal(V(t, unlink, W("closed/f"), 0), 0);
	as_self();
	/* And the other way round. */
	assert_int_equal(V(t, chmod, W("closed"), 0700), 0);
	as_user();
	assert_int_equal(V(t, stat, W("closed/new"), 0, &st), -EACCES);
	assert_int_equal(V(t, open, W("closed"), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), -EACCES);
	as_self();
}

/* The host's file is judged by the host's mode until the box changes it. */
static void test_unreadable_files(void **state)
{
	struct test *t = T(state);

	need_root();
	host_write(t, "secret", "secret");
	give(t, "secret", 0, 0600);
	host_write(t, "readable", "r");
	give(t, "readable", 0, 0644);
	host_write(t, "group", "g");
	assert_int_equal(chown(test_abs(t, "group"), 0, TEST_UID), 0);
	assert_int_equal(chmod(test_abs(t, "group"), 0660), 0);
	test_seal(t);
	as_user();
	assert_int_equal(V(t, open, W("secret"), O_RDONLY | O_CLOEXEC, 0), -EACCES);
	assert_int_equal(V(t, open, W("secret"), O_RDWR | O_CLOEXEC, 0), -EACCES);
	assert_int_equal(V(t, open, W("readable"), O_WRONLY | O_CLOEXEC, 0), -EACCES);
	assert_int_equal(V(t, truncate, W("readable"), 0), -EACCES);
	assert_int_equal(V(t, chmod, W("readable"), 0666), -EPERM);
	assert_view(t, "readable", "r");
	assert_int_equal(view_append(t, "group", "+"), 0);
	as_self();
	struct stat st = view_lstat(t, "group");
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_gid, TEST_UID);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(V(t, chmod, W("secret"), 0644), 0);
	as_user();
	assert_view(t, "secret", "secret");
	as_self();
	assert_int_equal(V(t, chmod, W("group"), 0600), 0);
	as_user();
	assert_int_equal(V(t, open, W("group"), O_RDONLY | O_CLOEXEC, 0), -EACCES);
	as_self();
}

/* What the user owns but has locked: as an ordinary user none of our own doing may unlock it on the host. */
static void test_own_locked_objects(void **state)
{
	struct test *t = T(state);
	bool root = geteuid() == 0;

	host_write(t, "ro", "ro");
	host_mkdir(t, "rodir");
	host_write(t, "rodir/f", "f");
	host_write(t, "wo", "wo");
	assert_int_equal(chmod(test_abs(t, "ro"), 0444), 0);
	assert_int_equal(chmod(test_abs(t, "wo"), 0200), 0);
	assert_int_equal(chmod(test_abs(t, "rodir"), 0555), 0);
	if (root) {
		assert_int_equal(chown(test_abs(t, "ro"), TEST_UID, TEST_UID), 0);
		assert_int_equal(chown(test_abs(t, "wo"), TEST_UID, TEST_UID), 0);
		assert_int_equal(chown(test_abs(t, "rodir"), TEST_UID, TEST_UID), 0);
		assert_int_equal(chown(test_abs(t, "rodir/f"), TEST_UID, TEST_UID), 0);
	}
	test_seal(t);
	as_user();
	assert_int_equal(V(t, open, W("ro"), O_WRONLY | O_CLOEXEC, 0), -EACCES);
	assert_int_equal(V(t, open, W("wo"), O_RDONLY | O_CLOEXEC, 0), -EACCES);
	int r = V(t, open, W("wo"), O_WRONLY | O_CLOEXEC, 0);
	assert_true(r >= 0 || r == -EACCES);   /* without the right to read, an ordinary user's supervisor cannot copy it */
	fd_closep(&r);
	assert_int_equal(view_write(t, "rodir/new", "x"), -EACCES);
	assert_int_equal(V(t, unlink, W("rodir/f"), 0), -EACCES);
	assert_int_equal(view_append(t, "rodir/f", "+"), 0);
	assert_view(t, "rodir/f", "f+");
	assert_int_equal(view_lstat(t, "rodir").st_mode & 07777, 0555);
	assert_int_equal(V(t, unlink, W("rodir/f"), 0), -EACCES);
	assert_int_equal(V(t, chmod, W("ro"), 0644), 0);
	assert_int_equal(view_append(t, "ro", "+"), 0);
	assert_int_equal(V(t, chmod, W("rodir"), 0755), 0);
	assert_int_equal(view_write(t, "rodir/new", "x"), 0);
	assert_int_equal(V(t, unlink, W("rodir/f"), 0), 0);
	assert_names(t, "rodir", "new");
	as_self();
}

/* New objects belong to whom the call is done for, and to the directory's group where that is set-group-id. */
static void test_ownership_of_new(void **state)
{
	struct test *t = T(state);

	need_root();
	host_mkdir(t, "open");
	give(t, "open", 0, 0777);
	host_mkdir(t, "setgid");
	assert_int_equal(chown(test_abs(t, "setgid"), 0, 1234), 0);
	assert_int_equal(chmod(test_abs(t, "setgid"), 02777), 0);
	test_seal(t);
	as_user();
	assert_int_equal(view_write(t, "open/f", "f"), 0);
	assert_int_equal(V(t, mkdir, W("open/d"), 0755), 0);
	assert_int_equal(V(t, symlink, "x", W("open/l")), 0);
	assert_int_equal(view_write(t, "setgid/f", "f"), 0);
	assert_int_equal(V(t, mkdir, W("setgid/d"), 0755), 0);
	as_self();
	static const char *const names[] = { "open/f", "open/d", "open/l" };
	for (int i = 0; i < 3; i++) {
		assert_int_equal(view_lstat(t, names[i]).st_uid, TEST_UID);
		assert_int_equal(view_lstat(t, names[i]).st_gid, TEST_UID);
	}
	assert_int_equal(view_lstat(t, "setgid/f").st_gid, 1234);
	assert_int_equal(view_lstat(t, "setgid/d").st_gid, 1234);
	assert_int_equal(view_lstat(t, "setgid/d").st_mode & 07777, 02755);
}

/* Anybody may set the times of /dev/null to now. Who cannot have a device of their own keeps the host's as it is. */
static void test_touch_device(void **state)
{
	const struct timespec early[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	struct caller caller = { .umask = 022 };
	_cleanup_object_ struct object o;
	struct test *t = T(state);
	struct stat before, after;
	int now, past;

	object_init(&o);
	if (cred_process_is_root()) {
		SKIP("needs an ordinary user");
	}
	assert_int_equal(stat("/dev/null", &before), 0);
	assert_int_equal(overlay_lookup(t->w.ov, &caller, AT_VIEW("/dev/null"), 0, &o), 0);
	now = object_utimens(t->w.ov, &caller, &o, NULL);
	past = object_utimens(t->w.ov, &caller, &o, early);
	assert_int_equal(stat("/dev/null", &after), 0);
	assert_int_equal(now, 0);
	assert_int_equal(past, -EPERM);
	assert_int_equal(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
	assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
}

/* A directory that the box made and that something of the host was moved into: the table remembers its mode, also a new one. */
static void test_mode_of_filled_directory(void **state)
{
	struct test *t = T(state);
	struct object o;

	if (cred_process_is_root()) {
		SKIP("needs an ordinary user");
	}
	host_mkdir(t, "from");
	host_mkdir(t, "from/in");
	test_seal(t);
	assert_int_equal(V(t, mkdir, W("made"), 0755), 0);
	assert_int_equal(V(t, rename, W("from"), W("made/moved"), 0), 0);
	assert_int_equal(V(t, chmod, W("made"), 0600), 0);
	assert_int_equal(view_object(t, "made/moved/in", 0, &o), -EACCES);
	assert_int_equal(view_object(t, "made/moved/none", 0, &o), -EACCES);
	assert_int_equal(V(t, chmod, W("made"), 0200), 0);
	assert_int_equal(V(t, chmod, W("made"), 0100), 0);
	assert_int_equal(view_object(t, "made/moved/in", 0, &o), 0);
	object_release(&o);
	assert_int_equal(V(t, chmod, W("made"), 0700), 0);
}

/* An open descriptor shows the copy of its file, also where the way to it is barred since. */
static void test_fstat_below_barred(void **state)
{
	struct test *t = T(state);
	_cleanup_close_ int fd = -1;
	struct stat st;

	host_mkdir(t, "d");
	host_write(t, "d/f", "text");
	test_seal(t);
	as_user();
	fd = V(t, open, W("d/f"), O_RDONLY | O_CLOEXEC, 0);
	assert_true(fd >= 0);
	as_self();
	assert_int_equal(V(t, chmod, W("d/f"), 0604), 0);
	assert_int_equal(V(t, chmod, W("d"), 0600), 0);
	as_user();
	assert_int_equal(V(t, fd_stat, fd, &st), 0);
	as_self();
	assert_int_equal(st.st_mode & 07777, 0604);
	assert_int_equal(V(t, chmod, W("d"), 0755), 0);
}

/* What is copied up by a descriptor needs no way to it. */
static void test_fchmod_below_barred(void **state)
{
	struct test *t = T(state);
	_cleanup_close_ int fd = -1;
	struct stat st;

	host_mkdir(t, "d");
	host_mkdir(t, "d/e");
	host_write(t, "d/e/f", "text");
	test_seal(t);
	fd = V(t, open, W("d/e/f"), O_RDONLY | O_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(V(t, chmod, W("d"), 0400), 0);
	assert_int_equal(V(t, fd_chmod, fd, 0604), 0);
	assert_int_equal(V(t, fd_stat, fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0604);
	assert_int_equal(V(t, chmod, W("d"), 0755), 0);
	assert_int_equal(view_lstat(t, "d/e/f").st_mode & 07777, 0604);
	assert_view(t, "d/e/f", "text");
}

/* An open that is refused empties nothing. */
static void test_noatime_of_others(void **state)
{
	struct test *t = T(state);

	need_root();
	host_write(t, "f", "text");
	give(t, "f", 0, 0666);
	test_seal(t);
	as_user();
	assert_int_equal(V(t, open, W("f"), O_RDWR | O_TRUNC | O_NOATIME | O_CLOEXEC, 0), -EPERM);
	as_self();
	assert_view(t, "f", "text");
}

int directed_rights(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_system_directories), TEST(test_sticky), TEST(test_other_users_directory), TEST(test_unreadable_files),
		TEST(test_own_locked_objects), TEST(test_ownership_of_new), TEST(test_touch_device),
		TEST(test_mode_of_filled_directory), TEST(test_fstat_below_barred),
		TEST(test_fchmod_below_barred), TEST(test_noatime_of_others),
	};

	return cmocka_run_group_tests_name("rights", tests, NULL, NULL);
}
