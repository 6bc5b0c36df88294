/* open and openat: flags, modes, errnos, on host files, new files, and what is in the way. */
#include "guest.h"
#include <sys/resource.h>

static void creating(void)
{
	SHOW(open("new", O_RDONLY));
	SHOW(open("new", O_RDONLY | O_CREAT, 0600));
	SHOW(open("new", O_RDWR | O_CREAT | O_EXCL, 0600));
	SHOW(open("host/f1", O_RDWR | O_CREAT | O_EXCL, 0600));
	SHOW(open("host/dangling", O_RDWR | O_CREAT | O_EXCL, 0600));
	SHOW(open("host/dangling", O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
	SHOW(open("host/dangling", O_RDWR | O_CREAT, 0640));
	guest_stat("host/missing-target");
	SHOW(open("host/none/new", O_WRONLY | O_CREAT, 0600));
	SHOW(open("host/f1/new", O_WRONLY | O_CREAT, 0600));
	SHOW(open("host/newslash/", O_WRONLY | O_CREAT, 0600));
	SHOW(open("host/newdir", O_DIRECTORY | O_CREAT, 0600));
	SHOW(creat("host/f2", 0600));
	guest_stat("host/f2");
	SHOW(creat("host/dir", 0600));
	SHOW(open("host/mode", O_RDONLY | O_CREAT, 07777));
	guest_stat("host/mode");
	SHOW(open("", O_RDONLY));
	SHOW(open("new", O_WRONLY | O_CREAT | O_TMPFILE, 0600));
}

static void directories(void)
{
	SHOW(open("host/dir", O_RDONLY));
	SHOW(open("host/dir", O_RDWR));
	SHOW(open("host/dir", O_WRONLY));
	SHOW(open("host/dir", O_RDONLY | O_TRUNC));
	SHOW(open("host/dir/", O_RDONLY | O_DIRECTORY));
	SHOW(open("host/f1", O_RDONLY | O_DIRECTORY));
	SHOW(open("host/f1/", O_RDONLY));
	SHOW(open("host/dirlink", O_RDONLY | O_NOFOLLOW));
	SHOW(open("host/dirlink/", O_RDONLY | O_NOFOLLOW));
	SHOW(open("host/dirlink", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
	SHOW(open("host/dir/.", O_RDONLY));
	SHOW(open("host/dir/..", O_RDONLY));
	SHOW(open("host/../host/dir/../f1", O_RDONLY));
	SHOW(open("host/none/../f1", O_RDONLY));
	SHOW(open("host/f1/../f1", O_RDONLY));
	SHOW(open("/", O_RDONLY));
	SHOW(open("//", O_RDONLY | O_PATH));
}

static void writing(void)
{
	char buf[16] = "";
	int fd;

	SHOW(fd = open("host/f3", O_RDWR | O_APPEND));
	SHOW(write(fd, "tail", 4));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(pread(fd, buf, 4, 0));
	printf("%s\n", buf);
	SHOW(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND));
	SHOW(fcntl(fd, F_GETFD));
	close(fd);
	SHOW(fd = open("host/f4", O_WRONLY | O_TRUNC | O_CLOEXEC));
	SHOW(fcntl(fd, F_GETFD));
	SHOW(read(fd, buf, 1));
	SHOW(write(fd, "x", 1));
	close(fd);
	guest_cat("host/f4");
	SHOW(fd = open("host/f5", O_RDONLY | O_TRUNC));
	guest_stat("host/f5");
	close(fd);
	SHOW(open("host/readonly", O_WRONLY));
	SHOW(open("host/readonly", O_RDONLY | O_TRUNC));
	SHOW(open("host/unreadable", O_RDONLY));
	SHOW(open("host/locked/inside", O_RDONLY));
	SHOW(open("host/locked/new", O_WRONLY | O_CREAT, 0600));
	SHOW(open("host/script", O_WRONLY | O_NOFOLLOW));
	/* a reader opened before the change: one file on the host, two here; the new reader sees the change */
	guest_put("host/f6", "changed");
	guest_cat("host/f6");
	SHOW(fd = open("host/f6", 3));
	if (fd >= 0)
		SHOW(read(fd, buf, 1));
}

static void paths_only(void)
{
	struct stat st;
	char buf[4];
	int fd;

	SHOW(fd = open("host/f1", O_PATH));
	SHOW(read(fd, buf, 1));
	SHOW(fstat(fd, &st));
	SHOW(fchmod(fd, 0600));
	SHOW(fcntl(fd, F_GETFL) & O_PATH);
	close(fd);
	SHOW(fd = open("host/link", O_PATH | O_NOFOLLOW));
	SHOW(fstat(fd, &st));
	printf("%o\n", st.st_mode & S_IFMT);
	SHOW(readlinkat(fd, "", buf, sizeof(buf)));
	close(fd);
	SHOW(fd = open("host/dir", O_PATH | O_DIRECTORY));
	SHOW(openat(fd, "a", O_RDONLY));
	SHOW(openat(fd, "../f1", O_RDONLY));
	SHOW(openat(fd, "new-in-dir", O_WRONLY | O_CREAT, 0600));
	SHOW(openat(fd, "", O_RDONLY));
	close(fd);
	SHOW(openat(9999, "a", O_RDONLY));
	SHOW(openat(-5, "a", O_RDONLY));
	SHOW_OK(openat(-5, "/etc/passwd", O_RDONLY));
	fd = open("host/f1", O_RDONLY);
	SHOW(openat(fd, "a", O_RDONLY));
	close(fd);
	SHOW(open((const char *)8, O_RDONLY));
}

static void limits(void)
{
	struct rlimit rl = { 64, 64 };
	int fd, last = -1;

	setrlimit(RLIMIT_NOFILE, &rl);
	while ((fd = open("host/f1", O_RDONLY)) >= 0)
		last = fd;
	printf("last %d %s\n", last, strerrorname_np(errno));
	SHOW(open("host/dir/b", O_RDWR));
	SHOW(openat(AT_FDCWD, "host/f2", O_RDWR | O_CREAT, 0600));
	SHOW(openat(AT_FDCWD, "host/full", O_WRONLY | O_CREAT, 0600));
	SHOW(open("host/full", O_WRONLY | O_CREAT | O_EXCL, 0600));
	SHOW(creat("host/full", 0600));
	SHOW(open("host/f3", O_WRONLY | O_TRUNC));
	SHOW(open("host/none/full", O_WRONLY | O_CREAT, 0600));
	/* a hole, and numbers beyond a limit that was lowered */
	close(20);
	SHOW(open("host/hole", O_WRONLY | O_CREAT, 0600));
	rl.rlim_cur = 30;
	setrlimit(RLIMIT_NOFILE, &rl);
	SHOW(open("host/full", O_WRONLY | O_CREAT, 0600));
	close(29);
	SHOW(open("host/last", O_WRONLY | O_CREAT, 0600));
	rl.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &rl);
	SHOW(open("host/full", O_WRONLY | O_CREAT, 0600));
}

int main(void)
{
	creating();
	directories();
	writing();
	paths_only();
	limits();
	return 0;
}
