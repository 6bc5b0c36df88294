/* process_stat.c - see process_stat.h. */
#include "process_stat.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "base/fd.h"

int process_stat_read(pid_t pid, struct process_stat *ret)
{
	char name[40], text[1024];
	int session, parent, tty;
	snprintf(name, sizeof name, "/proc/%d/stat", (int)pid);
	_cleanup_close_ int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0)
		return -ESRCH;
	text[n] = 0;
	/* The name stands in parentheses and may hold some itself, and spaces; nothing behind it does. */
	const char *p = strrchr(text, ')');
	if (!p || sscanf(p + 1, " %c %d %*d %d %d", &ret->state, &parent, &session, &tty) != 4)
		return -EIO;
	/* the kernel's new_encode_dev() */
	unsigned u = (unsigned)tty;
	ret->parent = parent;
	ret->session = session;
	ret->tty = makedev((u >> 8) & 0xfff, (u & 0xff) | ((u >> 12) & 0xfff00));
	return 0;
}
