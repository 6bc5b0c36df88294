/* fd.c - ownership of file descriptors and heap memory. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
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

char *fd_path(char buf[static FD_PATH_MAX], int fd)
{
	static const char prefix[] = "/proc/self/fd/";
	char digits[12];
	unsigned v = fd < 0 ? 0 : (unsigned)fd;
	size_t n = 0, at = sizeof prefix - 1;

	/* By hand: this is on the way of every call that touches an O_PATH descriptor. */
	memcpy(buf, prefix, sizeof prefix - 1);
	if (fd < 0)
		buf[at++] = '-';
	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		buf[at++] = digits[--n];
	buf[at] = '\0';
	return buf;
}

int fd_real_path(int fd, char *ret, size_t size)
{
	return sys_readlinkat(AT_FDCWD, FD_PATH(fd), ret, size);
}

DIR *dir_take(int fd)
{
	DIR *d = fdopendir(fd);

	if (!d)
		fd_closep(&fd);
	return d;
}
