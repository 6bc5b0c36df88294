/* fd.c - ownership of file descriptors and heap memory. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"

void fd_closep(int *fd)
{
	int saved = errno;

	/* Linux has freed the number even when close says EINTR: never again. */
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

void mem_freep(void *p)
{
	void *mem;

	/* Copied, since the variable may be of any pointer type. */
	memcpy(&mem, p, sizeof mem);
	free(mem);
}

void file_closep(FILE **f)
{
	int saved = errno;

	if (*f)
		fclose(*f);
	*f = NULL;
	errno = saved;
}

void dir_closep(DIR **d)
{
	int saved = errno;

	if (*d)
		closedir(*d);
	*d = NULL;
	errno = saved;
}

/* By hand: this is on the way of every call that touches an O_PATH descriptor. */
static void put_number(char *at, int fd)
{
	char digits[12];
	unsigned v = fd < 0 ? 0 : (unsigned)fd;
	size_t n = 0;

	if (fd < 0)
		*at++ = '-';
	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		*at++ = digits[--n];
	*at = '\0';
}

char *fd_path(char buf[static FD_PATH_MAX], int fd)
{
	static const char prefix[] = "/proc/self/fd/";

	memcpy(buf, prefix, sizeof prefix - 1);
	put_number(buf + sizeof prefix - 1, fd);
	return buf;
}

/* /proc/self/fd, or -1: paths are used. */
static atomic_int proc_dir = -1;

static void forget_proc(void)
{
	atomic_store(&proc_dir, -1);
}

void fd_keep_proc(void)
{
	int fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC), none = -1;

	/* In a child it would still be the parent's. */
	if (fd >= 0 && (pthread_atfork(NULL, NULL, forget_proc) != 0 || !atomic_compare_exchange_strong(&proc_dir, &none, fd)))
		close(fd);
}

int fd_proc_at(int fd, char name[static FD_PATH_MAX])
{
	int dir = atomic_load_explicit(&proc_dir, memory_order_relaxed);

	if (dir < 0) {
		fd_path(name, fd);
		return AT_FDCWD;
	}
	put_number(name, fd);
	return dir;
}

int fd_real_path(int fd, char *ret, size_t size)
{
	char name[FD_PATH_MAX];
	int dir = fd_proc_at(fd, name);

	return sys_readlinkat(dir, name, ret, size);
}

DIR *dir_take(int fd)
{
	DIR *d = fdopendir(fd);

	if (!d)
		fd_closep(&fd);
	return d;
}
