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

#define ENDING ".kept"   /* of place_kept_name */
#define KEPT_NAME_MAX 47

/* The second file of NAME.kept is NAME.path. */
static void path_file(const char *kept, char ret[static 64])
{
	snprintf(ret, 64, "%.*s.path", (int)(strlen(kept) - strlen(ENDING)), kept);
}

/* Never through a link that somebody has put in its place. */
static int history_open(const struct box *box)
{
	return sys_openat(box->fd, "history", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
}

int kept_make(const struct box *box, const char *name, const char *host)
{
	_cleanup_close_ int history = history_open(box), fd = -1;
	char path[64];
	int r;

	if (history < 0)
		return history;
	path_file(name, path);
	fd = sys_openat(history, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = fd < 0 ? fd : sys_write_all(fd, host, strlen(host));
	if (r < 0)
		return r;
	return sys_openat(history, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

void kept_remove(const struct box *box, const char *name)
{
	_cleanup_close_ int history = history_open(box);
	char path[64];

	if (history < 0)
		return;
	path_file(name, path);
	sys_unlinkat(history, name, 0);
	sys_unlinkat(history, path, 0);
}

size_t commit_kept(const struct box *box, void (*tell)(void *ctx, const char *host, const char *kept), void *ctx)
{
	_cleanup_close_ int history = history_open(box);
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_strv_ char **names = NULL;
	size_t count = 0;

	if (history < 0 || dir_open(history, &dir) < 0 || dir_names(dir, &names) < 0)
		return 0;
	for (char **n = names; *n; n++) {
		size_t size = strlen(*n), end = strlen(ENDING);
		char path[64], host[PATH_MAX];
		_cleanup_close_ int fd = -1;
		ssize_t len;

		if (strncmp(*n, ".cowbox-", 8) != 0 || size > KEPT_NAME_MAX || strcmp(*n + size - end, ENDING) != 0)
			continue;
		path_file(*n, path);
		fd = sys_openat(history, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
		len = fd < 0 ? fd : sys_pread_all(fd, host, sizeof host - 1, 0);
		host[len > 0 ? len : 0] = '\0';
		tell(ctx, host, *n);
		count++;
	}
	return count;
}
