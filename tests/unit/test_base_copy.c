/* test_base_copy.c - nothing is lost on the way: data, holes, set-id bits, owners, times, xattrs, ACLs, capabilities; of files that
 * are open, of O_PATH descriptors and of symlinks. */
#include "fixture.h"

#include <sys/xattr.h>

#include "base/copy.h"
#include "base/fd.h"
#include "base/sys.h"
#include "../skip.h"

#define MIB ((off_t)1 << 20)

/* struct posix_acl_xattr: version 2, then (tag, permissions, id) in little endian. */
struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};
struct acl {
	uint32_t version;
	struct acl_entry e[5];
};
static const struct acl sample_acl = {
	2,
	{ { 0x01, 6, ~0u }, { 0x02, 7, 1234 }, { 0x04, 4, ~0u }, { 0x10, 5, ~0u }, { 0x20, 0, ~0u } },
};
/* A file capability as setcap writes it: VFS_CAP_REVISION_2, effective, CAP_NET_BIND_SERVICE. */
static const uint32_t sample_cap[5] = { 0x02000001, 1u << 10, 0, 0, 0 };

static int new_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static int path_fd(int dir, const char *name)
{
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static off_t data_bytes(int fd)
{
	struct stat st;
	off_t at = 0, sum = 0;

	assert_int_equal(fstat(fd, &st), 0);
	while (at < st.st_size) {
		off_t data = lseek(fd, at, SEEK_DATA);

		if (data < 0)
			break;
		at = lseek(fd, data, SEEK_HOLE);
		sum += at - data;
	}
	return sum;
}

static void copies_plain_data(void **state)
{
	_cleanup_close_ int src = dir_file(T(state), "src", "hello, world", 0600), dst = new_file(T(state), "dst");
	char buf[32] = "";

	assert_int_equal(copy_data(src, dst, 12), 0);
	assert_int_equal(pread(dst, buf, sizeof buf, 0), 12);
	assert_string_equal(buf, "hello, world");
	assert_int_equal(copy_content_equal(src, dst), 1);
}

static void copies_nothing_of_nothing(void **state)
{
	_cleanup_close_ int src = new_file(T(state), "src"), dst = new_file(T(state), "dst");
	struct stat st;

	assert_int_equal(copy_data(src, dst, 0), 0);
	assert_int_equal(fstat(dst, &st), 0);
	assert_int_equal(st.st_size, 0);
}

static void holes_stay_holes(void **state)
{
	_cleanup_close_ int src = new_file(T(state), "src"), dst = new_file(T(state), "dst");
	struct stat st;

	/* A hole first, data, a hole, data, a hole last. */
	assert_int_equal(pwrite(src, "middle", 6, 8 * MIB), 6);
	assert_int_equal(pwrite(src, "later", 5, 32 * MIB), 5);
	assert_int_equal(ftruncate(src, 64 * MIB), 0);
	assert_int_equal(copy_data(src, dst, 64 * MIB), 0);
	assert_int_equal(fstat(dst, &st), 0);
	assert_int_equal(st.st_size, 64 * MIB);
	assert_int_equal(data_bytes(dst), data_bytes(src));
	assert_int_equal(copy_content_equal(src, dst), 1);
}

static void only_a_hole(void **state)
{
	_cleanup_close_ int src = new_file(T(state), "src"), dst = new_file(T(state), "dst");
	struct stat st;

	assert_int_equal(ftruncate(src, 4 * MIB + 1), 0);
	assert_int_equal(copy_data(src, dst, 4 * MIB + 1), 0);
	assert_int_equal(fstat(dst, &st), 0);
	assert_int_equal(st.st_size, 4 * MIB + 1);
	assert_int_equal(data_bytes(dst), data_bytes(src));
}

static void a_file_that_shrank_ends_where_it_ends(void **state)
{
	_cleanup_close_ int src = dir_file(T(state), "src", "short", 0600), dst = new_file(T(state), "dst");
	struct stat st;

	assert_int_equal(copy_data(src, dst, 100), 0);
	assert_int_equal(fstat(dst, &st), 0);
	assert_int_equal(st.st_size, 5);
}

/* /dev/shm is a tmpfs: no clone, and another file system than the test's directory. */
static void across_file_systems(void **state)
{
	_cleanup_close_ int src = new_file(T(state), "src"), dst = -1;
	_cleanup_free_ char *block = malloc(3 * MIB);

	dst = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (dst < 0) {
		SKIP("no tmpfs at /dev/shm: %s", strerror(errno));
	}
	assert_non_null(block);
	for (off_t i = 0; i < 3 * MIB; i++)
		block[i] = (char)(i ^ i >> 9);
	assert_int_equal(pwrite(src, block, 3 * MIB, MIB), 3 * MIB);
	assert_int_equal(copy_data(src, dst, 4 * MIB), 0);
	assert_int_equal(copy_content_equal(src, dst), 1);
	assert_true(data_bytes(dst) <= 3 * MIB);
	assert_int_equal(pwrite(dst, "X", 1, 2 * MIB), 1);
	assert_int_equal(copy_content_equal(src, dst), 0);
}

struct watch {
	off_t last;
	int calls;
	int stop_at;
};

static int watch_progress(void *ctx, off_t done)
{
	struct watch *w = ctx;

	assert_true(done > w->last);
	w->last = done;
	return ++w->calls == w->stop_at ? -ECANCELED : 0;
}

static void progress_is_told_and_can_stop(void **state)
{
	_cleanup_close_ int src = new_file(T(state), "src"), dst = new_file(T(state), "dst"), other = new_file(T(state), "other");
	struct watch w = { 0 }, stop = { .stop_at = 1 };

	assert_int_equal(pwrite(src, "a", 1, 0), 1);
	assert_int_equal(pwrite(src, "z", 1, 40 * MIB - 1), 1);
	assert_int_equal(copy_data_progress(src, dst, 40 * MIB, watch_progress, &w), 0);
	assert_true(w.calls >= 1);
	assert_int_equal(w.last, 40 * MIB);
	assert_int_equal(copy_data_progress(src, other, 40 * MIB, watch_progress, &stop), -ECANCELED);
}

static void content_compare(void **state)
{
	_cleanup_close_ int a = dir_file(T(state), "a", "same text", 0600), b = dir_file(T(state), "b", "same text", 0600);
	_cleanup_close_ int c = dir_file(T(state), "c", "same tex!", 0600), d = dir_file(T(state), "d", "same text and more", 0600);
	_cleanup_close_ int hole = new_file(T(state), "hole"), zeros = dir_file(T(state), "zeros", "", 0600);
	static const char zero[65536];

	assert_int_equal(copy_content_equal(a, a), 1);
	assert_int_equal(copy_content_equal(a, b), 1);
	assert_int_equal(copy_content_equal(a, c), 0);
	assert_int_equal(copy_content_equal(a, d), 0);
	/* A hole and written zeros read the same. */
	assert_int_equal(ftruncate(hole, sizeof zero), 0);
	assert_int_equal(pwrite(zeros, zero, sizeof zero, 0), sizeof zero);
	assert_int_equal(copy_content_equal(hole, zeros), 1);
	assert_int_equal(pwrite(zeros, "x", 1, sizeof zero - 1), 1);
	assert_int_equal(copy_content_equal(hole, zeros), 0);
	assert_int_equal(copy_content_equal(a, -1), -EBADF);
}

static int copy_all(int src, int dst, unsigned *ret_lost)
{
	struct stat st;

	assert_int_equal(fstatat(src, "", &st, AT_EMPTY_PATH), 0);
	return copy_metadata(src, dst, &st, COPY_ALL, ret_lost);
}

static void mode_times_and_xattrs_by_path_descriptors(void **state)
{
	_cleanup_close_ int src = dir_file(T(state), "src", "x", 06751), dst = new_file(T(state), "dst");
	_cleanup_close_ int src_path = path_fd(T(state), "src"), dst_path = path_fd(T(state), "dst");
	struct timespec ts[2] = { { 1111111111, 123456789 }, { 1222222222, 987654321 } };
	unsigned lost = 99;
	struct stat st;
	char value[16] = "";

	assert_int_equal(futimens(src, ts), 0);
	assert_int_equal(fsetxattr(src, "user.note", "hello", 5, 0), 0);
	assert_int_equal(fsetxattr(src, "user.empty", "", 0, 0), 0);
	assert_int_equal(fsetxattr(src, "user.overlay.opaque", "y", 1, 0), 0);
	assert_int_equal(fsetxattr(dst, "user.extra", "gone", 4, 0), 0);
	assert_int_equal(fsetxattr(dst, "user.overlay.origin", "kept", 4, 0), 0);
	assert_int_equal(copy_xattrs_equal(src_path, dst_path), 0);
	assert_int_equal(copy_all(src_path, dst_path, &lost), 0);
	assert_int_equal(lost, 0);
	assert_int_equal(fstat(dst, &st), 0);
	assert_int_equal(st.st_mode & 07777, 06751);
	assert_int_equal(st.st_atim.tv_sec, ts[0].tv_sec);
	assert_int_equal(st.st_atim.tv_nsec, ts[0].tv_nsec);
	assert_int_equal(st.st_mtim.tv_sec, ts[1].tv_sec);
	assert_int_equal(st.st_mtim.tv_nsec, ts[1].tv_nsec);
	assert_int_equal(fgetxattr(dst, "user.note", value, sizeof value), 5);
	assert_string_equal(value, "hello");
	assert_int_equal(fgetxattr(dst, "user.empty", value, sizeof value), 0);
	assert_int_equal(fgetxattr(dst, "user.overlay.opaque", value, sizeof value), -1);
	assert_int_equal(fgetxattr(dst, "user.overlay.origin", value, sizeof value), 4);
	assert_int_equal(fgetxattr(dst, "user.extra", value, sizeof value), -1);
	assert_int_equal(copy_xattrs_equal(src_path, dst_path), 1);
	assert_int_equal(fsetxattr(dst, "user.note", "HELLO", 5, 0), 0);
	assert_int_equal(copy_xattrs_equal(src, dst), 0);
}

/* More names than the small buffer holds. */
static void many_xattrs(void **state)
{
	_cleanup_close_ int src = new_file(T(state), "src"), dst = new_file(T(state), "dst");
	char name[64], value[32];
	unsigned lost = 99;

	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof name, "user.some-longer-name-to-fill-the-list.%03d", i);
		assert_int_equal(fsetxattr(src, name, &i, sizeof i, 0), 0);
	}
	assert_int_equal(copy_all(src, dst, &lost), 0);
	assert_int_equal(lost, 0);
	assert_int_equal(copy_xattrs_equal(src, dst), 1);
	assert_int_equal(fgetxattr(dst, name, value, sizeof value), sizeof(int));
}

static void symlinks_carry_times_and_owner(void **state)
{
	_cleanup_close_ int a = -1, b = -1;
	struct timespec ts[2] = { { 1000000, 1 }, { 2000000, 2 } };
	struct stat st;
	unsigned lost = 99;

	assert_int_equal(symlinkat("/no/where", T(state), "a"), 0);
	assert_int_equal(symlinkat("/no/where", T(state), "b"), 0);
	assert_int_equal(utimensat(T(state), "a", ts, AT_SYMLINK_NOFOLLOW), 0);
	a = path_fd(T(state), "a");
	b = path_fd(T(state), "b");
	if (geteuid() == 0) {
		assert_int_equal(fchownat(a, "", 1234, 2345, AT_EMPTY_PATH), 0);
		assert_int_equal(setxattr(FD_PATH(a), "trusted.note", "t", 1, 0), 0);
	}
	assert_int_equal(copy_all(a, b, &lost), 0);
	assert_int_equal(lost, 0);
	assert_int_equal(fstatat(T(state), "b", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mtim.tv_sec, 2000000);
	assert_int_equal(st.st_atim.tv_nsec, 1);
	if (geteuid() == 0) {
		char name[FD_PATH_MAX + 256], value[4];

		assert_int_equal(st.st_uid, 1234);
		assert_int_equal(st.st_gid, 2345);
		/* Of the link itself, not of the link in /proc. */
		snprintf(name, sizeof name, "%s/b", ((struct dir *)*state)->path);
		assert_int_equal(lgetxattr(name, "trusted.note", value, sizeof value), 1);
	}
	assert_int_equal(copy_xattrs_equal(a, b), 1);
}

static void need_acl(int fd)
{
	if (fsetxattr(fd, "system.posix_acl_access", &sample_acl, sizeof sample_acl, 0) < 0) {
		SKIP("no ACLs here: %s", strerror(errno));
	}
}

static void acls_are_copied(void **state)
{
	_cleanup_close_ int src = new_file(T(state), "src"), dst = new_file(T(state), "dst");
	struct acl got = { 0 };
	unsigned lost = 99;
	struct stat a, b;

	need_acl(src);
	assert_int_equal(copy_all(src, dst, &lost), 0);
	assert_int_equal(lost, 0);
	assert_int_equal(fgetxattr(dst, "system.posix_acl_access", &got, sizeof got), sizeof got);
	assert_memory_equal(&got, &sample_acl, sizeof got);
	assert_int_equal(fstat(src, &a), 0);
	assert_int_equal(fstat(dst, &b), 0);
	assert_int_equal(a.st_mode, b.st_mode);
}

/* For an ordinary user an ACL that bars the owner from writing bars them from setting attributes too. */
static void an_acl_does_not_bar_other_attributes(void **state)
{
	_cleanup_close_ int src = new_file(T(state), "src"), dst = new_file(T(state), "dst");
	struct acl barring = sample_acl;
	unsigned lost = 99;
	char v;

	barring.e[0].perm = 4;
	assert_int_equal(fsetxattr(src, "user.after", "v", 1, 0), 0);
	if (fsetxattr(src, "system.posix_acl_access", &barring, sizeof barring, 0) < 0) {
		SKIP("no ACLs here: %s", strerror(errno));
	}
	assert_int_equal(copy_all(src, dst, &lost), 0);
	assert_int_equal(lost, 0);
	assert_int_equal(fgetxattr(dst, "user.after", &v, 1), 1);
	assert_int_equal(fgetxattr(dst, "system.posix_acl_access", NULL, 0), sizeof barring);
}

/* A directory with a default ACL gives new files an ACL that the source never had. */
static void an_inherited_acl_is_taken_away(void **state)
{
	_cleanup_close_ int src = dir_file(T(state), "src", "x", 0664), dst = -1;
	struct stat st;

	if (fsetxattr(T(state), "system.posix_acl_default", &sample_acl, sizeof sample_acl, 0) < 0) {
		SKIP("no ACLs here: %s", strerror(errno));
	}
	dst = openat(T(state), "dst", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(dst >= 0);
	assert_int_equal(fgetxattr(dst, "system.posix_acl_access", NULL, 0), sizeof sample_acl);
	assert_int_equal(copy_all(src, dst, NULL), 0);
	assert_int_equal(fgetxattr(dst, "system.posix_acl_access", NULL, 0), -1);
	assert_int_equal(fstat(dst, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0664);
}

static void directories_carry_default_acls(void **state)
{
	_cleanup_close_ int src = -1, dst = -1;
	unsigned lost = 99;
	struct stat st;

	assert_int_equal(mkdirat(T(state), "a", 0700), 0);
	assert_int_equal(mkdirat(T(state), "b", 0700), 0);
	assert_int_equal(fchmodat(T(state), "a", 03775, 0), 0);
	src = path_fd(T(state), "a");
	dst = path_fd(T(state), "b");
	if (setxattr(FD_PATH(src), "system.posix_acl_default", &sample_acl, sizeof sample_acl, 0) < 0) {
		SKIP("no ACLs here: %s", strerror(errno));
	}
	assert_int_equal(copy_all(src, dst, &lost), 0);
	assert_int_equal(lost, 0);
	assert_int_equal(getxattr(FD_PATH(dst), "system.posix_acl_default", NULL, 0), sizeof sample_acl);
	assert_int_equal(fstatat(T(state), "b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 03775);
}

/* chown clears set-id bits and capabilities: the order decides whether they are there at the end. */
static void root_keeps_owner_set_id_bits_and_capabilities(void **state)
{
	_cleanup_close_ int src = dir_file(T(state), "src", "x", 0755), dst = new_file(T(state), "dst");
	uint32_t got[5] = { 0 };
	unsigned lost = 99;
	struct stat st;

	if (geteuid() != 0) {
		SKIP("needs root to give files away");
	}
	assert_int_equal(fchown(src, 1234, 2345), 0);
	assert_int_equal(fchmod(src, 06755), 0);
	assert_int_equal(fsetxattr(src, "security.capability", sample_cap, sizeof sample_cap, 0), 0);
	assert_int_equal(copy_all(src, dst, &lost), 0);
	assert_int_equal(lost, 0);
	assert_int_equal(fstat(dst, &st), 0);
	assert_int_equal(st.st_uid, 1234);
	assert_int_equal(st.st_gid, 2345);
	assert_int_equal(st.st_mode & 07777, 06755);
	assert_int_equal(fgetxattr(dst, "security.capability", got, sizeof got), sizeof got);
	assert_memory_equal(got, sample_cap, sizeof got);
}

/* An owner that cannot be set is told, and its set-user-id bit must not lend our own rights instead. */
static void an_ordinary_user_loses_owner_and_set_id(void **state)
{
	_cleanup_close_ int src = open("/usr/bin/passwd", O_PATH | O_CLOEXEC), dst = new_file(T(state), "dst");
	unsigned lost = 0;
	struct stat st;

	if (geteuid() == 0 || src < 0) {
		SKIP("needs an ordinary user and /usr/bin/passwd");
	}
	assert_int_equal(fstatat(src, "", &st, AT_EMPTY_PATH), 0);
	assert_int_equal(copy_metadata(src, dst, &st, COPY_OWNER | COPY_MODE, &lost), 0);
	assert_int_equal(lost, COPY_LOST_OWNER);
	assert_int_equal(fstat(dst, &st), 0);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void a_file_system_without_user_xattrs_is_told(void **state)
{
	_cleanup_close_ int src = dir_file(T(state), "src", "x", 0600), dst = open("/proc/self/comm", O_PATH | O_CLOEXEC);
	unsigned lost = 0;
	struct stat st;

	assert_int_equal(fsetxattr(src, "user.note", "v", 1, 0), 0);
	assert_int_equal(fstat(src, &st), 0);
	assert_int_equal(copy_metadata(src, dst, &st, COPY_XATTRS, &lost), 0);
	assert_int_equal(lost, COPY_LOST_XATTR);
	/* And one that has none of its own costs nothing. */
	assert_int_equal(copy_metadata(dst, dst, &st, COPY_XATTRS, &lost), 0);
	assert_int_equal(lost, 0);
}

/* Each call that a copy makes fails once, for each the copy says so or has done without; nothing crashes or leaks. */
static void every_failure_is_reported(void **state)
{
	_cleanup_close_ int src = new_file(T(state), "src");
	uint64_t calls = 0;

	assert_int_equal(pwrite(src, "data", 4, MIB), 4);
	assert_int_equal(ftruncate(src, 2 * MIB), 0);
	assert_int_equal(fsetxattr(src, "user.note", "v", 1, 0), 0);
	for (uint64_t n = 1; n == 1 || n <= calls; n++) {
		_cleanup_close_ int dst = openat(T(state), "dst", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		int r, m;

		sys_fault(SYS_FAULT_FAIL, n, EIO);
		r = copy_data(src, dst, 2 * MIB);
		m = copy_all(src, dst, NULL);
		calls = sys_fault_count() > calls ? sys_fault_count() : calls;
		sys_fault(SYS_FAULT_OFF, 0, 0);
		assert_true(r == 0 || r == -EIO);
		assert_true(m == 0 || m == -EIO);
		if (r == 0)
			assert_int_equal(copy_content_equal(src, dst), 1);
		if (m == 0)
			assert_int_equal(copy_xattrs_equal(src, dst), 1);
		assert_int_equal(unlinkat(T(state), "dst", 0), 0);
	}
	assert_true(calls > 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(copies_plain_data),
		DIR_TEST(copies_nothing_of_nothing),
		DIR_TEST(holes_stay_holes),
		DIR_TEST(only_a_hole),
		DIR_TEST(a_file_that_shrank_ends_where_it_ends),
		DIR_TEST(across_file_systems),
		DIR_TEST(progress_is_told_and_can_stop),
		DIR_TEST(content_compare),
		DIR_TEST(mode_times_and_xattrs_by_path_descriptors),
		DIR_TEST(many_xattrs),
		DIR_TEST(symlinks_carry_times_and_owner),
		DIR_TEST(acls_are_copied),
		DIR_TEST(an_acl_does_not_bar_other_attributes),
		DIR_TEST(an_inherited_acl_is_taken_away),
		DIR_TEST(directories_carry_default_acls),
		DIR_TEST(root_keeps_owner_set_id_bits_and_capabilities),
		DIR_TEST(an_ordinary_user_loses_owner_and_set_id),
		DIR_TEST(a_file_system_without_user_xattrs_is_told),
		DIR_TEST(every_failure_is_reported),
	};

	return cmocka_run_group_tests_name("base/copy", tests, NULL, NULL);
}
