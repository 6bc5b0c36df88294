/* flock, fcntl locks (of processes and of open files), leases refused; on host files and after copy-up. */
#include "guest.h"
#include <sys/file.h>

static struct flock range(short type, off_t start, off_t len)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
}

/* what another process gets */
static void other(const char *path, int flags)
{
	fflush(stdout);
	pid_t pid = fork();

	if (pid == 0) {
		struct flock l = range(F_WRLCK, 0, 10), q = range(F_WRLCK, 0, 10);
		int fd = open(path, flags);

		SHOW(flock(fd, LOCK_EX | LOCK_NB));
		SHOW(fcntl(fd, F_GETLK, &q));
		printf("type %d start %jd len %jd by parent %d\n", q.l_type, (intmax_t)q.l_start, (intmax_t)q.l_len, q.l_pid == getppid());
		SHOW(fcntl(fd, F_SETLK, &l));
		fflush(stdout);
		_exit(0);
	}
	guest_wait(pid);
}

static void try(const char *path)
{
	struct flock l = range(F_WRLCK, 2, 5), ofd = range(F_RDLCK, 0, 1);
	int fd = open(path, O_RDWR), fd2;

	printf("-- %s\n", path);
	SHOW(flock(fd, LOCK_EX));
	other(path, O_RDWR);
	SHOW(flock(fd, LOCK_UN));
	SHOW(fcntl(fd, F_SETLK, &l));
	other(path, O_RDWR);
	fd2 = open(path, O_RDONLY);
	SHOW(flock(fd2, LOCK_SH | LOCK_NB));
	SHOW(flock(fd, LOCK_EX | LOCK_NB));
	close(fd2);
	other(path, O_RDWR);
	fd2 = open(path, O_RDWR);
	SHOW(fcntl(fd, F_OFD_SETLK, &ofd));
	ofd = range(F_WRLCK, 0, 1);
	SHOW(fcntl(fd2, F_OFD_SETLK, &ofd));
	SHOW(fcntl(77, F_SETLK, &l));
	close(fd);
	close(fd2);
}

int main(void)
{
	int ready[2];
	char c;

	guest_put("new", "0123456789");
	try("host/f1");
	try("new");
	try("host/f1");
	/* reader of the host's file and writer of the copy agree once both opened after the change */
	if (pipe(ready) < 0)
		return 1;
	fflush(stdout);
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open("host/f2", O_RDWR);

		flock(fd, LOCK_EX);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		usleep(200000);
		if (pwrite(fd, "LOCKED", 6, 0) != 6)
			_exit(2);
		_exit(0);
	}
	if (read(ready[0], &c, 1) != 1)
		return 1;
	int fd = open("host/f2", O_RDWR);

	SHOW(flock(fd, LOCK_EX));
	guest_cat("host/f2");
	guest_wait(pid);
	SHOW(lockf(fd, F_LOCK, 0));
	SHOW(lockf(fd, F_ULOCK, 0));
	return 0;
}
