/* kept.c - what host files had before they were written in place: files in the box's history/, each with its file's path beside it. */
#include "apply.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/fd.h"
#include "base/strv.h"
#include "base/sys.h"

/* history/NAME.kept and history/NAME.path; name: with either ending or none. */
static void kept_path(const char *name, const char *ending, char ret[static 64])
{
	const char *dot = strrchr(name, '.');
	int n = dot && (!strcmp(dot, ".kept") || !strcmp(dot, ".path")) ? (int)(dot - name) : (int)strlen(name);

	snprintf(ret, 64, "history/%.*s%s", n < 40 ? n : 40, name, ending);
}

int kept_make(const struct box *box, const char *name, const char *host)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	int r;

	kept_path(name, ".path", path);
	fd = sys_openat(box->fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = fd < 0 ? fd : sys_write_all(fd, host, strlen(host));
	if (r < 0)
		return r;
	kept_path(name, ".kept", path);
	return sys_openat(box->fd, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

void kept_remove(const struct box *box, const char *name)
{
	char path[64];

	kept_path(name, ".kept", path);
	sys_unlinkat(box->fd, path, 0);
	kept_path(name, ".path", path);
	sys_unlinkat(box->fd, path, 0);
}

size_t commit_kept(const struct box *box, void (*tell)(void *ctx, const char *host, const char *kept), void *ctx)
{
	_cleanup_close_ int history = sys_openat(box->fd, "history", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_strv_ char **names = NULL;
	size_t count = 0;

	if (history < 0 || dir_open(history, &dir) < 0 || dir_names(dir, &names) < 0)
		return 0;
	for (char **n = names; *n; n++) {
		const char *dot = strrchr(*n, '.');
		char path[64], host[PATH_MAX];
		_cleanup_close_ int fd = -1;
		ssize_t len;

		if (strncmp(*n, ".cowbox-", 8) != 0 || !dot || strcmp(dot, ".kept") != 0 || strlen(*n) > 44)
			continue;
		kept_path(*n, ".path", path);
		fd = sys_openat(box->fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
		len = fd < 0 ? fd : sys_pread_all(fd, host, sizeof host - 1, 0);
		host[len > 0 ? len : 0] = '\0';
		tell(ctx, host, *n);
		count++;
	}
	return count;
}
