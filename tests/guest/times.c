/* utimensat, futimens, utimes, utime: exact times, now, omit, links, descriptors. */
#include "guest.h"
#include <sys/time.h>
#include <time.h>
#include <utime.h>

static time_t begun;

static void show_time(const char *what, struct timespec t)
{
	if (t.tv_sec >= begun - 1 && t.tv_sec < begun + 1000)
		printf(" %s now", what);
	else
		printf(" %s %jd.%09ld", what, (intmax_t)t.tv_sec, t.tv_nsec);
}

static void times(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		printf("%s: %s\n", path, strerrorname_np(errno));
		return;
	}
	printf("%s:", path);
	show_time("mtime", st.st_mtim);
	printf("\n");
}

static void atime(const char *path)
{
	struct stat st;

	stat(path, &st);
	printf("%s:", path);
	show_time("atime", st.st_atim);
	printf("\n");
}

int main(void)
{
	struct timespec t[2] = { { 1000000000, 111222333 }, { 1200000000, 999999999 } };
	struct timeval v[2] = { { 900000000, 5 }, { 950000000, 123456 } };
	struct utimbuf u = { 800000000, 850000000 };
	int fd;

	begun = time(NULL);
	times("host/f1");
	SHOW(utimensat(AT_FDCWD, "host/f1", t, 0));
	times("host/f1");
	atime("host/f1");
	SHOW(utimensat(AT_FDCWD, "host/link", t, AT_SYMLINK_NOFOLLOW));
	times("host/link");
	SHOW(utimensat(AT_FDCWD, "host/dir", t, 0));
	times("host/dir");
	guest_put("host/dir/new", "");
	times("host/dir");
	SHOW(utimes("host/f2", v));
	times("host/f2");
	SHOW(utime("host/f3", &u));
	times("host/f3");
	SHOW(lutimes("host/dirlink", v));
	times("host/dirlink");
	times("host/dir");
	fd = open("host/f4", O_RDONLY);
	SHOW(futimens(fd, t));
	times("host/f4");
	t[1].tv_nsec = UTIME_OMIT;
	SHOW(futimens(fd, t));
	times("host/f4");
	t[1].tv_nsec = UTIME_NOW;
	SHOW(futimens(fd, t));
	times("host/f4");
	close(fd);
	SHOW(utimensat(AT_FDCWD, "host/f5", NULL, 0));
	times("host/f5");
	t[0].tv_nsec = 2000000000;
	SHOW(utimensat(AT_FDCWD, "host/f5", t, 0));
	t[0].tv_nsec = t[1].tv_nsec = UTIME_OMIT;
	SHOW(utimensat(AT_FDCWD, "host/none", t, 0));
	SHOW(utimensat(AT_FDCWD, "host/f6", t, 0));
	times("host/f6");
	t[0] = t[1] = (struct timespec){ 7, 7 };
	SHOW(utimensat(AT_FDCWD, "host/none", t, 0));
	SHOW(utimensat(AT_FDCWD, "host/f6", t, 0x4000));
	SHOW(utimensat(77, "x", t, 0));
	SHOW(utimensat(AT_FDCWD, "host/readonly", t, 0));
	times("host/readonly");
	/* a change of content changes the time, a change of mode does not; copy-up keeps it */
	times("host/f7");
	SHOW(chmod("host/f7", 0600));
	times("host/f7");
	fd = open("host/f8", O_RDWR);
	times("host/f8");
	SHOW(write(fd, "x", 1));
	times("host/f8");
	SHOW(ftruncate(fd, 0));
	close(fd);
	SHOW(link("host/f9", "host/f9-link"));
	times("host/f9");
	SHOW(rename("host/f9", "host/f9-moved"));
	times("host/f9-moved");
	SHOW(mkdir("fresh", 0755));
	times("fresh");
	SHOW(utimensat(AT_FDCWD, "fresh", t, 0));
	times("fresh");
	guest_put("fresh/x", "");
	times("fresh");
	SHOW(utimensat(AT_FDCWD, "host/fifo", t, 0));
	times("host/fifo");
	/* what root does to the host's devices would be committed to them */
	if (geteuid()) {
		SHOW(utimensat(AT_FDCWD, "/dev/null", NULL, 0));
		SHOW(utimensat(AT_FDCWD, "/dev/null", t, 0));
		t[0].tv_nsec = t[1].tv_nsec = UTIME_NOW;
		SHOW(utimensat(AT_FDCWD, "/dev/zero", t, 0));
		fd = open("/dev/null", O_WRONLY | O_CREAT | O_NOCTTY | O_NONBLOCK, 0666);
		SHOW(futimens(fd, NULL));
		close(fd);
	}
	return 0;
}
