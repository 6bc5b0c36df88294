/* guest.h - what the guest programs share: each prints what it saw, natively and in a box, and the outputs must agree. */
#ifndef GUEST_H
#define GUEST_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static inline long guest_show(const char *what, long r)
{
	int e = errno;

	if (r < 0)
		printf("%s = %ld %s\n", what, r, strerrorname_np(e));
	else
		printf("%s = %ld\n", what, r);
	fflush(stdout);
	errno = e;
	return r;
}
/* SHOW(call): the call as written, its result, its errno */
#define SHOW(call) guest_show(#call, (long)(call))
/* SHOW_OK(call): as SHOW, for results that differ between runs (addresses, pids): only whether it worked */
#define SHOW_OK(call) guest_show(#call, (long)(call) < 0 ? -1 : 0)

/* Writes a file anew; reads it back as a line. */
static inline void guest_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		printf("put %s: %s\n", path, strerrorname_np(errno));
	if (fd >= 0)
		close(fd);
}

static inline void guest_cat(const char *path)
{
	char buf[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (n < 0) {
		printf("cat %s: %s\n", path, strerrorname_np(errno));
	} else {
		buf[n] = 0;
		buf[strcspn(buf, "\n")] = 0;
		printf("cat %s: %zd \"%.60s\"\n", path, n, buf);
	}
	if (fd >= 0)
		close(fd);
}

/* type, mode, size and links of a path */
static inline void guest_stat(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		printf("lstat %s: %s\n", path, strerrorname_np(errno));
	else if (S_ISDIR(st.st_mode))
		printf("lstat %s: dir %04o\n", path, st.st_mode & 07777);
	else
		printf("lstat %s: %06o size %jd links %ju\n", path, st.st_mode, (intmax_t)st.st_size, (uintmax_t)st.st_nlink);
}

/* 1 when both are the same object by st_dev and st_ino */
static inline int guest_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The path below the working directory at the start, so that output has no machine paths. */
static char guest_top[4096] __attribute__((unused));
static inline const char *guest_relative(const char *path)
{
	size_t n = strlen(guest_top);

	return n && strncmp(path, guest_top, n) == 0 && (path[n] == '/' || !path[n]) ? path + n : path;
}
static inline void guest_start(void)
{
	if (!getcwd(guest_top, sizeof(guest_top)))
		perror("getcwd");
}

/* Ends the child with the status given; prints how it ended. */
static inline void guest_wait(pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, 0) < 0)
		printf("waitpid: %s\n", strerrorname_np(errno));
	else if (WIFSIGNALED(status))
		printf("child: signal %d\n", WTERMSIG(status));
	else
		printf("child: status %d\n", WEXITSTATUS(status));
	fflush(stdout);
}

#endif
