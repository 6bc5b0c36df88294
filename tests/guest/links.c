/* link, linkat, symlink, unlink, rmdir, mkdir. */
#include "guest.h"

static void linking(void)
{
	struct stat a, b;

	SHOW(link("host/f1", "host/l1"));
	guest_stat("host/l1");
	guest_stat("host/f1");
	stat("host/f1", &a);
	stat("host/l1", &b);
	printf("same %d\n", guest_same(&a, &b));
	guest_put("host/l1", "through the link");
	guest_cat("host/f1");
	SHOW(link("host/hard1", "host/dir/hard3"));
	guest_stat("host/hard2");
	guest_put("host/dir/hard3", "three");
	guest_cat("host/hard1");
	SHOW(unlink("host/hard1"));
	guest_stat("host/hard2");
	SHOW(link("host/f2", "host/f3"));
	SHOW(link("host/none", "x"));
	SHOW(link("host/dir", "x"));
	SHOW(link("host/f2", "host/none/x"));
	SHOW(link("host/link", "link-to-link"));
	guest_stat("link-to-link");
	SHOW(linkat(AT_FDCWD, "host/link", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW));
	guest_stat("followed");
	SHOW(linkat(AT_FDCWD, "host/f2", AT_FDCWD, "x", 0x8000));
	SHOW(link("host/fifo", "fifo-link"));
	guest_stat("fifo-link");
	int fd = open("host/f4", O_RDONLY);
	char proc[64];

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	SHOW(linkat(AT_FDCWD, proc, AT_FDCWD, "by-proc", AT_SYMLINK_FOLLOW));
	guest_cat("by-proc");
	SHOW(link("host/f5", "host/f5/"));
	SHOW(link("", "x"));
}

static void removing(void)
{
	char buf[32] = "";

	SHOW(unlink("host/f6"));
	SHOW(unlink("host/f6"));
	SHOW(open("host/f6", O_RDONLY));
	SHOW(symlink("target", "host/f6"));
	guest_stat("host/f6");
	SHOW(unlink("host/dir"));
	SHOW(unlink("host/dirlink/"));
	SHOW(unlink("host/dirlink"));
	SHOW(unlink("host/f7/"));
	SHOW(unlink("host/f7/x"));
	SHOW(rmdir("host/dir"));
	SHOW(rmdir("host/empty"));
	SHOW(rmdir("host/empty"));
	SHOW(rmdir("host/f7"));
	SHOW(rmdir("host/dir/."));
	SHOW(rmdir("host/dir/.."));
	SHOW(rmdir("/"));
	SHOW(rmdir(""));
	SHOW(unlinkat(AT_FDCWD, "host/sticky", AT_REMOVEDIR));
	SHOW(unlinkat(AT_FDCWD, "host/f7", AT_REMOVEDIR));
	SHOW(unlinkat(AT_FDCWD, "host/f7", 0x10));
	SHOW(unlink("host/readonly"));
	SHOW(unlink("host/locked/inside"));
	/* empty a host directory, make it again: what was in it stays away */
	SHOW(unlink("host/dir/a"));
	SHOW(unlink("host/dir/b"));
	SHOW(unlink("host/dir/c"));
	SHOW(unlink("host/dir/hard3"));
	SHOW(unlink("host/dir/sub/deep"));
	SHOW(rmdir("host/dir/sub"));
	SHOW(rmdir("host/dir"));
	SHOW(mkdir("host/dir", 0700));
	guest_stat("host/dir/a");
	SHOW(open("host/dir/sub", O_RDONLY));
	guest_put("host/dir/a", "second life");
	guest_cat("host/dir/a");
	/* gone but open */
	int fd = open("host/f8", O_RDWR);

	SHOW(unlink("host/f8"));
	SHOW(pread(fd, buf, 6, 0));
	SHOW(write(fd, "still", 5));
	SHOW(pread(fd, buf, 5, 0));
	printf("%.5s\n", buf);
	struct stat st;

	SHOW(fstat(fd, &st));
	printf("links %ju\n", (uintmax_t)st.st_nlink);
	SHOW(fchmod(fd, 0600));
	guest_stat("host/f8");
}

static void making(void)
{
	SHOW(mkdir("host/f9", 0755));
	SHOW(mkdir("host/dir", 0755));
	SHOW(mkdir("host/none/x", 0755));
	SHOW(mkdir("host/new/", 01777));
	guest_stat("host/new");
	SHOW(mkdir("host/dangling", 0755));
	SHOW(mkdir("host/dangling/", 0755));
	SHOW(mkdir("host/new/.", 0755));
	SHOW(mkdir("host/f9/x", 0755));
	SHOW(mkdir("", 0755));
	SHOW(mkdir("/", 0755));
	SHOW(symlink("anything at all", "host/s1"));
	SHOW(symlink("x", "host/s1"));
	SHOW(symlink("", "host/s2"));
	SHOW(symlink("x", "host/none/s"));
	SHOW(symlink("x", "host/s3/"));
	char buf[64] = "";

	SHOW(readlink("host/s1", buf, sizeof(buf)));
	printf("%s\n", buf);
	SHOW(readlink("host/s1", buf, 3));
	SHOW(readlink("host/f9", buf, sizeof(buf)));
	SHOW(readlink("host/s1", buf, 0));
	SHOW(mknod("host/node", S_IFREG | 0640, 0));
	guest_stat("host/node");
	SHOW(mknod("host/pipe", S_IFIFO | 0640, 0));
	guest_stat("host/pipe");
	SHOW(mknod("host/socket", S_IFSOCK | 0640, 0));
	guest_stat("host/socket");
	SHOW(mknod("host/socket", S_IFREG | 0640, 0));
	SHOW(mknod("host/asdir", S_IFDIR | 0755, 0));
	SHOW(mknod("host/plain", 0644, 0));
	guest_stat("host/plain");
}

int main(void)
{
	linking();
	removing();
	making();
	return 0;
}
