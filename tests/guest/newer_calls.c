/* Calls that C libraries seldom make: fchmodat2, the *xattrat family, and old ones that were replaced (futimesat, utime, getdents). */
#include "guest.h"

#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <utime.h>

#define NR_FCHMODAT2 452
#define NR_SETXATTRAT 463
#define NR_GETXATTRAT 464
#define NR_LISTXATTRAT 465
#define NR_REMOVEXATTRAT 466

struct xattr_arg {
	uint64_t value;
	uint32_t size, flags;
};

/* The kernel may be older than a call; then it is not there natively, and what a box makes of it does not matter. */
static int kernel_at_least(int major, int minor)
{
	struct utsname u;
	int a = 0, b = 0;

	return uname(&u) == 0 && sscanf(u.release, "%d.%d", &a, &b) == 2 && (a > major || (a == major && b >= minor));
}

static void chmods(void)
{
	int dir = open("host", O_PATH | O_DIRECTORY), file = open("host/f2", O_PATH), link = open("host/link", O_PATH | O_NOFOLLOW);

	SHOW(syscall(NR_FCHMODAT2, dir, "f1", 0640, 0));
	SHOW(syscall(NR_FCHMODAT2, AT_FDCWD, "host/f3", 0604, AT_SYMLINK_NOFOLLOW));
	SHOW(syscall(NR_FCHMODAT2, file, "", 0600, AT_EMPTY_PATH));
	SHOW(syscall(NR_FCHMODAT2, file, "", 0600, 0));
	SHOW(syscall(NR_FCHMODAT2, link, "", 0600, AT_EMPTY_PATH));
	SHOW(syscall(NR_FCHMODAT2, AT_FDCWD, "host/link", 0611, AT_SYMLINK_NOFOLLOW));
	SHOW(syscall(NR_FCHMODAT2, AT_FDCWD, "host/link", 0611, 0));
	SHOW(syscall(NR_FCHMODAT2, AT_FDCWD, "host/f1", 0611, 0x8000));
	SHOW(syscall(NR_FCHMODAT2, AT_FDCWD, "host/nothing", 0611, 0));
	SHOW(syscall(NR_FCHMODAT2, AT_FDCWD, "host/f1/", 0611, 0));
	SHOW(syscall(NR_FCHMODAT2, 99, "f1", 0611, 0));
	SHOW(syscall(NR_FCHMODAT2, AT_FDCWD, NULL, 0611, 0));
	guest_stat("host/f1");
	guest_stat("host/f2");
	guest_stat("host/f3");
	close(dir);
	close(file);
	close(link);
}

static void xattrs(void)
{
	struct xattr_arg set = { (uintptr_t)"value", 5, 0 }, create = { (uintptr_t)"again", 5, XATTR_CREATE };
	char buf[64] = "", list[256] = "";
	struct xattr_arg get = { (uintptr_t)buf, sizeof(buf), 0 };
	int dir = open("host", O_PATH | O_DIRECTORY), file = open("host/f4", O_PATH);

	SHOW(syscall(NR_SETXATTRAT, dir, "f1", 0, "user.a", &set, sizeof(set)));
	SHOW(syscall(NR_SETXATTRAT, dir, "f1", 0, "user.a", &create, sizeof(create)));
	SHOW(syscall(NR_SETXATTRAT, file, "", AT_EMPTY_PATH, "user.b", &set, sizeof(set)));
	SHOW(syscall(NR_SETXATTRAT, AT_FDCWD, "host/link", AT_SYMLINK_NOFOLLOW, "user.c", &set, sizeof(set)));
	SHOW(syscall(NR_SETXATTRAT, AT_FDCWD, "host/dir", 0, "user.d", &set, sizeof(set)));
	SHOW(syscall(NR_SETXATTRAT, AT_FDCWD, "host/f1", 0, "user.a", &set, 4));
	SHOW(syscall(NR_SETXATTRAT, AT_FDCWD, "host/f1", 0x8000, "user.a", &set, sizeof(set)));
	SHOW(syscall(NR_SETXATTRAT, AT_FDCWD, "host/nothing", 0, "user.a", &set, sizeof(set)));
	SHOW(syscall(NR_GETXATTRAT, dir, "f1", 0, "user.a", &get, sizeof(get)));
	printf("%.5s\n", buf);
	SHOW(syscall(NR_GETXATTRAT, file, "", AT_EMPTY_PATH, "user.b", &get, sizeof(get)));
	SHOW(syscall(NR_GETXATTRAT, AT_FDCWD, "host/xattr", 0, "user.note", &get, sizeof(get)));
	printf("%.8s\n", buf);
	SHOW(syscall(NR_GETXATTRAT, AT_FDCWD, "host/xattr", 0, "user.none", &get, sizeof(get)));
	SHOW(syscall(NR_LISTXATTRAT, AT_FDCWD, "host/f1", 0, list, sizeof(list)));
	printf("%s\n", list);
	SHOW(syscall(NR_LISTXATTRAT, file, "", AT_EMPTY_PATH, list, 3));
	SHOW(syscall(NR_REMOVEXATTRAT, AT_FDCWD, "host/xattr", 0, "user.note"));
	SHOW(syscall(NR_REMOVEXATTRAT, AT_FDCWD, "host/xattr", 0, "user.note"));
	SHOW(syscall(NR_REMOVEXATTRAT, file, "", AT_EMPTY_PATH, "user.b"));
	SHOW(syscall(NR_LISTXATTRAT, file, "", AT_EMPTY_PATH, list, sizeof(list)));
	close(dir);
	close(file);
	SHOW(lsetxattr("host/f5", "user.e", "x", 1, 0));
	SHOW(lremovexattr("host/f5", "user.e"));
	SHOW(lremovexattr("host/f5", "user.e"));
	SHOW(lremovexattr("host/link", "user.e"));
}

static void old_calls(void)
{
	struct timeval tv[2] = { { 1000, 5 }, { 2000, 6 } }, bad[2] = { { 1, 0 }, { 2, 1000000 } };
	struct utimbuf ut = { 3000, 4000 };
	struct stat st;
	char buf[4096];
	int dir = open("host", O_RDONLY | O_DIRECTORY);

	SHOW(syscall(SYS_futimesat, dir, "f6", tv));
	SHOW(syscall(SYS_futimesat, AT_FDCWD, "host/f6", bad));
	SHOW(syscall(SYS_futimesat, dir, "nothing", tv));
	SHOW(syscall(SYS_futimesat, 99, "f6", tv));
	if (stat("host/f6", &st) == 0)
		printf("f6: %jd.%09ld\n", (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	SHOW(syscall(SYS_utime, "host/f7", &ut));
	if (stat("host/f7", &st) == 0)
		printf("f7: %jd\n", (intmax_t)st.st_mtim.tv_sec);
	SHOW(syscall(SYS_utimes, "host/dirlink", tv));
	SHOW(syscall(SYS_utime, "host/dangling", &ut));
	SHOW(unlink("host/dir/a"));
	SHOW(mkdir("host/dir/new", 0755));
	close(dir);
	/* getdents with its old records: the names, however they are ordered */
	dir = open("host/dir", O_RDONLY | O_DIRECTORY);
	int seen[5] = { 0 };
	for (long n; (n = syscall(SYS_getdents, dir, buf, sizeof(buf))) > 0;)
		for (long at = 0; at < n;) {
			unsigned short len;
			const char *names[] = { ".", "a", "b", "new", "sub" };

			memcpy(&len, buf + at + 16, sizeof(len));
			for (int i = 0; i < 5; i++)
				seen[i] += strcmp(buf + at + 18, names[i]) == 0;
			at += len;
		}
	printf("getdents: . %d a %d b %d new %d sub %d\n", seen[0], seen[1], seen[2], seen[3], seen[4]);
	SHOW(lseek(dir, 0, SEEK_SET));
	SHOW(syscall(SYS_getdents, dir, buf, 4));
	while (syscall(SYS_getdents, dir, buf, sizeof(buf)) > 0)
		;
	SHOW(syscall(SYS_getdents, dir, buf, 4));
	SHOW(syscall(SYS_getdents, 99, buf, sizeof(buf)));
	close(dir);
	int file = open("host/f8", O_RDONLY);
	SHOW(syscall(SYS_getdents, file, buf, sizeof(buf)));
	close(file);
}

int main(void)
{
	if (kernel_at_least(6, 6))
		chmods();
	if (kernel_at_least(6, 13))
		xattrs();
	old_calls();
	return 0;
}
