/* A working directory that was removed: what still works from there. */
#include "guest.h"
#include <dirent.h>

static void where(void)
{
	char buf[4096];

	if (!getcwd(buf, sizeof(buf)))
		printf("cwd: %s\n", strerrorname_np(errno));
	else
		printf("cwd: %s\n", guest_relative(buf));
}

static void list(int fd)
{
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int n = 0;

	if (!d)
		return;
	while (readdir(d))
		n++;
	printf("entries %d\n", n);
	closedir(d);
}

static void stat_here(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		printf("stat %s: %s\n", path, strerrorname_np(errno));
	else
		printf("stat %s: %06o%s\n", path, st.st_mode, st.st_nlink ? "" : " gone");
}

/* From a directory that is gone. Leads out of it at the end. */
static void look_around(const char *up)
{
	struct stat st, dot;
	char buf[64];
	int fd;

	where();
	stat_here(".");
	stat_here("./");
	stat_here("./.");
	SHOW(lstat(".", &st));
	SHOW(fstatat(AT_FDCWD, "", &dot, AT_EMPTY_PATH));
	printf("same %d\n", guest_same(&st, &dot));
	SHOW(access(".", W_OK | X_OK));
	SHOW(chdir("."));
	where();
	SHOW(fd = open(".", O_RDONLY | O_DIRECTORY));
	list(fd);
	SHOW(fd = open(".", O_PATH));
	SHOW(fstat(fd, &dot));
	printf("same %d\n", guest_same(&st, &dot));
	SHOW(fchdir(fd));
	SHOW(openat(fd, "x", O_RDONLY));
	SHOW(openat(fd, "x", O_WRONLY | O_CREAT, 0600));
	close(fd);
	SHOW(open(".", O_WRONLY));
	SHOW(open(".", O_WRONLY | O_TMPFILE, 0600));
	SHOW(open("x", O_RDONLY));
	SHOW(open("x", O_WRONLY | O_CREAT, 0600));
	SHOW(mkdir("x", 0700));
	SHOW(mkdir(".", 0700));
	SHOW(symlink("x", "y"));
	SHOW(link("x", "y"));
	SHOW(link("../host/f1", "y"));
	SHOW(rename("../host/f1", "y"));
	SHOW(rename("x", "../host/f1"));
	SHOW(unlink("x"));
	SHOW(rmdir("."));
	SHOW(rmdir("x"));
	SHOW(readlink(".", buf, sizeof(buf)));
	SHOW(open("", O_RDONLY));
	SHOW(open("x/../..", O_RDONLY));
	stat_here("..");
	stat_here("../..");
	snprintf(buf, sizeof(buf), "%s/host/f1", up);
	guest_cat(buf);
	snprintf(buf, sizeof(buf), "./%s/host/f2", up);
	guest_cat(buf);
	snprintf(buf, sizeof(buf), "%s/from-gone", up);
	guest_put(buf, "made from there");
	SHOW(unlink(buf));
	SHOW(fd = open("..", O_RDONLY | O_DIRECTORY));
	close(fd);
	SHOW(chdir("x"));
	SHOW(chdir(".."));
	where();
}

static void up(void)
{
	if (chdir(guest_top) < 0)
		perror("chdir");
}

static void stat_at(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0)
		printf("fstat%s\n", st.st_nlink ? "" : " gone");
	if (fstatat(fd, ".", &st, 0) == 0)
		printf("fstatat .%s\n", st.st_nlink ? "" : " gone");
	SHOW(fstatat(fd, "x", &st, 0));
	SHOW_OK(fstatat(fd, "..", &st, 0));
	SHOW_OK(fstatat(fd, "../host/f1", &st, 0));
	SHOW(openat(fd, "x", O_WRONLY | O_CREAT, 0600));
}

int main(void)
{
	int fd;

	guest_start();
	/* one that the box made */
	SHOW(mkdir("gone", 0755));
	SHOW(chdir("gone"));
	SHOW(rmdir("../gone"));
	/* of one of the host's these give EPERM, see docs/DIFFERENCES.md */
	SHOW(chmod(".", 0711));
	stat_here(".");
	SHOW(utimensat(AT_FDCWD, ".", NULL, 0));
	look_around("..");
	up();
	/* one of the host, empty, and one with entries that are removed first */
	SHOW(chdir("host/empty"));
	SHOW(rmdir("../empty"));
	look_around("../..");
	up();
	SHOW(chdir("host/dir/sub"));
	SHOW(unlink("deep"));
	SHOW(rmdir("../sub"));
	look_around("../../..");
	up();
	/* another takes its name: that is not this one */
	SHOW(mkdir("gone", 0755));
	SHOW(chdir("gone"));
	SHOW(rmdir("../gone"));
	SHOW(mkdir("../gone", 0700));
	where();
	stat_here(".");
	SHOW(open("x", O_WRONLY | O_CREAT, 0600));
	SHOW(chdir(".."));
	where();
	SHOW(rmdir("gone"));
	/* by a descriptor, and back into it */
	SHOW(mkdir("fd", 0755));
	SHOW(fd = open("fd", O_RDONLY));
	SHOW(rmdir("fd"));
	stat_at(fd);
	SHOW(chdir("/proc/self/fd/3"));
	where();
	SHOW(chdir("/proc/self/fd/3/x"));
	close(fd);
	up();
	SHOW(fd = open("host/acl-default", O_RDONLY));
	SHOW(rmdir("host/acl-default"));
	stat_at(fd);
	SHOW(fchdir(fd));
	where();
	SHOW(chdir(".."));
	where();
	/* the directory above it moves: ".." is that one, wherever it is */
	up();
	SHOW(mkdir("above", 0755));
	SHOW(mkdir("above/below", 0755));
	SHOW(chdir("above/below"));
	SHOW(rename("../../above", "../../moved"));
	SHOW(rmdir("../below"));
	SHOW(chdir(".."));
	where();
	return 0;
}
