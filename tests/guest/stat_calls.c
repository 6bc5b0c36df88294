/* stat, lstat, fstat, statx, access: identity, sizes, errnos; the same object by every way. */
#include "guest.h"
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

static void compare(const char *path)
{
	struct stat a, b, c;
	struct statx x;
	int fd = open(path, O_RDONLY | O_NONBLOCK);

	if (stat(path, &a) < 0 || fd < 0 || fstat(fd, &b) < 0 || fstatat(fd, "", &c, AT_EMPTY_PATH) < 0 ||
	    statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &x) < 0) {
		printf("%s: %s\n", path, strerrorname_np(errno));
		return;
	}
	printf("%s: fstat %d empty-path %d statx %d size %d/%d mode %o/%o links %d\n", path, guest_same(&a, &b), guest_same(&a, &c),
	       x.stx_ino == a.st_ino && makedev(x.stx_dev_major, x.stx_dev_minor) == a.st_dev, (intmax_t)a.st_size == (intmax_t)b.st_size,
	       (intmax_t)x.stx_size == (intmax_t)a.st_size, a.st_mode, x.stx_mode, a.st_nlink == b.st_nlink && a.st_nlink == x.stx_nlink);
	close(fd);
}

static void identities(void)
{
	struct stat before, after, parent, dotdot;

	compare("host/f1");
	compare("host/dir");
	stat("host/dir", &before);
	stat("host", &parent);
	guest_put("host/dir/new", "x");
	stat("host/dir", &after);
	stat("host/dir/..", &dotdot);
	printf("a directory keeps its number: %d parent %d\n", guest_same(&before, &after), guest_same(&parent, &dotdot));
	compare("host/dir");
	stat("host/dirlink/.", &dotdot);
	printf("through a link: %d\n", guest_same(&after, &dotdot));
	guest_put("host/f1", "larger than it was");
	compare("host/f1");
	compare("host/hard1");
	stat("host/hard1", &before);
	stat("host/hard2", &after);
	printf("hard links: %d %ju %ju\n", guest_same(&before, &after), (uintmax_t)before.st_nlink, (uintmax_t)after.st_nlink);
	guest_put("host/hard1", "through one name");
	guest_cat("host/hard2");
	stat("host/hard1", &before);
	stat("host/hard2", &after);
	printf("hard links: %d %ju %ju\n", guest_same(&before, &after), (uintmax_t)before.st_nlink, (uintmax_t)after.st_nlink);
	mkdir("fresh", 0750);
	compare("fresh");
	guest_put("fresh/f", "1");
	compare("fresh/f");
}

static void errnos(void)
{
	struct stat st;
	struct statx x;

	SHOW(stat("none", &st));
	SHOW(stat("", &st));
	SHOW(lstat("host/link/", &st));
	SHOW(stat("host/link/", &st));
	SHOW(lstat("host/dirlink/", &st));
	printf("dir %d\n", S_ISDIR(st.st_mode));
	SHOW(stat("host/f1/x", &st));
	SHOW(stat("host/f1/.", &st));
	SHOW(stat("host/loop1", &st));
	SHOW(lstat("host/loop1", &st));
	SHOW(stat("host/dangling", &st));
	SHOW(stat("host/locked/inside", &st));
	SHOW(stat((char *)8, &st));
	SHOW(syscall(SYS_newfstatat, AT_FDCWD, "host/f1", (void *)8, 0));
	SHOW(fstatat(AT_FDCWD, "host/f1", &st, 0x40000000));
	SHOW(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
	SHOW(fstatat(77, "", &st, AT_EMPTY_PATH));
	SHOW(fstatat(77, "host/f1", &st, 0));
	SHOW(statx(AT_FDCWD, "none", 0, STATX_ALL, &x));
	SHOW(statx(AT_FDCWD, "host/f1", 0x40000000, STATX_ALL, &x));
	SHOW(statx(AT_FDCWD, "host/link", AT_SYMLINK_NOFOLLOW, STATX_ALL, &x));
	printf("%o\n", x.stx_mode & S_IFMT);
	SHOW(statx(AT_FDCWD, "host/f1", AT_STATX_DONT_SYNC, STATX_SIZE, &x));
	SHOW(fstat(0, &st));
}

static void accesses(void)
{
	SHOW(access("host/f1", F_OK));
	SHOW(access("host/f1", R_OK | W_OK));
	SHOW(access("host/f1", X_OK));
	SHOW(access("host/script", X_OK));
	SHOW(access("host/readonly", W_OK));
	SHOW(access("host/unreadable", R_OK));
	SHOW(access("host/dangling", F_OK));
	SHOW(faccessat(AT_FDCWD, "host/dangling", F_OK, AT_SYMLINK_NOFOLLOW));
	SHOW(faccessat(AT_FDCWD, "host/f1", W_OK, AT_EACCESS));
	SHOW(access("host/f1", 0100));
	SHOW(access("host/locked/inside", F_OK));
	SHOW_OK(access("/etc/passwd", W_OK));
	SHOW_OK(access("/proc/self/status", R_OK));
	chmod("host/f1", 0400);
	SHOW(access("host/f1", W_OK));
	mkdir("nowrite", 0555);
	SHOW(access("nowrite", W_OK));
}

static void file_systems(void)
{
	struct statfs a, b;
	struct statvfs v;

	SHOW(statfs("host/f1", &a));
	SHOW(statfs("fresh/f", &b));
	printf("type %d block size %d\n", a.f_type == b.f_type, a.f_bsize == b.f_bsize);
	SHOW(statvfs("host", &v));
	SHOW(statfs("none", &a));
	int fd = open("fresh/f", O_RDONLY);

	SHOW(fstatfs(fd, &b));
	printf("type %d\n", a.f_type == b.f_type);
	SHOW(fstatfs(77, &b));
}

int main(void)
{
	identities();
	errnos();
	accesses();
	file_systems();
	return 0;
}
