/* Extended attributes by path, by link and by descriptor. */
#include "guest.h"
#include <sys/xattr.h>

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *path)
{
	char buf[4096], *names[64];
	ssize_t n = llistxattr(path, buf, sizeof(buf));
	size_t count = 0;

	if (n < 0) {
		printf("%s: %s\n", path, strerrorname_np(errno));
		return;
	}
	for (char *p = buf; p < buf + n && count < 64; p += strlen(p) + 1)
		names[count++] = p;
	qsort(names, count, sizeof(*names), by_text);
	printf("%s:", path);
	for (size_t i = 0; i < count; i++)
		printf(" %s", names[i]);
	printf(" (%zd bytes, asked %d)\n", n, llistxattr(path, NULL, 0) == n);
}

static void get(const char *path, const char *name)
{
	char buf[256] = "";
	ssize_t n = getxattr(path, name, buf, sizeof(buf) - 1);

	if (n < 0)
		printf("%s %s: %s\n", path, name, strerrorname_np(errno));
	else
		printf("%s %s: %zd %s\n", path, name, n, buf);
}

int main(void)
{
	char buf[8];
	int fd;

	list("host/xattr");
	get("host/xattr", "user.note");
	get("host/xattr", "user.none");
	get("host/f1", "user.note");
	SHOW(getxattr("host/xattr", "user.note", buf, 1));
	SHOW(getxattr("host/xattr", "user.note", NULL, 0));
	SHOW(setxattr("host/xattr", "user.note", "other", 5, XATTR_CREATE));
	SHOW(setxattr("host/xattr", "user.note", "other", 5, XATTR_REPLACE));
	get("host/xattr", "user.note");
	SHOW(setxattr("host/xattr", "user.two", "", 0, 0));
	SHOW(setxattr("host/f1", "user.x", "y", 1, XATTR_REPLACE));
	SHOW(setxattr("host/f1", "user.x", "y", 1, 0));
	list("host/xattr");
	list("host/f1");
	SHOW(removexattr("host/xattr", "user.note"));
	SHOW(removexattr("host/xattr", "user.note"));
	list("host/xattr");
	SHOW(setxattr("host/dir", "user.d", "dir", 3, 0));
	list("host/dir");
	get("host/dir", "user.d");
	SHOW(setxattr("host/link", "user.l", "v", 1, 0));
	get("host/f1", "user.l");
	SHOW(lsetxattr("host/link", "user.l", "v", 1, 0));
	SHOW(lgetxattr("host/link", "user.l", buf, sizeof(buf)));
	SHOW(setxattr("host/f2", "nonsense.x", "v", 1, 0));
	SHOW(setxattr("host/f2", "user.", "v", 1, 0));
	SHOW(setxattr("host/f2", "", "v", 1, 0));
	SHOW(setxattr("host/none", "user.x", "v", 1, 0));
	SHOW(setxattr("host/f2", "user.x", "v", 1, 77));
	SHOW(listxattr("host/none", buf, sizeof(buf)));
	SHOW(listxattr("host/f1", buf, 1));
	fd = open("host/f3", O_RDONLY);
	SHOW(fsetxattr(fd, "user.fd", "abc", 3, 0));
	SHOW(fgetxattr(fd, "user.fd", buf, sizeof(buf)));
	get("host/f3", "user.fd");
	SHOW(flistxattr(fd, NULL, 0));
	SHOW(fremovexattr(fd, "user.fd"));
	SHOW(fgetxattr(fd, "user.fd", buf, sizeof(buf)));
	SHOW(fsetxattr(77, "user.fd", "abc", 3, 0));
	fd = open("host/f3", O_PATH);
	SHOW(fgetxattr(fd, "user.fd", buf, sizeof(buf)));
	SHOW(setxattr("host/readonly", "user.x", "v", 1, 0));
	guest_put("new", "n");
	SHOW(setxattr("new", "user.n", "v", 1, 0));
	list("new");
	/* what the layer's own format uses does not show, and cannot be set through the view to confuse it */
	SHOW_OK(getxattr("host", "user.overlay.opaque", buf, sizeof(buf)));
	mkdir("host/fresh", 0755);
	list("host/fresh");
	list("host");
	rename("host/dir", "host/moved");
	list("host/moved");
	get("host/moved", "user.d");
	return 0;
}
