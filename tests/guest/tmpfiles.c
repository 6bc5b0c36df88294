/* O_TMPFILE, and giving such files a name. */
#include "guest.h"

static void name_it(int fd, const char *name)
{
	char proc[64];

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, proc, AT_FDCWD, name, AT_SYMLINK_FOLLOW) < 0)
		printf("name %s: %s\n", name, strerrorname_np(errno));
	else
		guest_stat(name);
}

int main(void)
{
	struct stat st;
	char buf[8] = "";
	int fd;

	SHOW(fd = open("host/dir", O_TMPFILE | O_RDWR, 0640));
	SHOW(write(fd, "hidden", 6));
	SHOW(fstat(fd, &st));
	printf("links %ju mode %o\n", (uintmax_t)st.st_nlink, st.st_mode);
	name_it(fd, "host/dir/named");
	guest_cat("host/dir/named");
	name_it(fd, "host/dir/named");
	name_it(fd, "host/second");
	SHOW(write(fd, " more", 5));
	guest_cat("host/second");
	SHOW(pread(fd, buf, 6, 0));
	close(fd);
	SHOW(fd = open("host", O_TMPFILE | O_WRONLY | O_EXCL, 0600));
	name_it(fd, "host/forbidden");
	close(fd);
	SHOW(open("host", O_TMPFILE | O_RDONLY, 0600));
	SHOW(open("host/f1", O_TMPFILE | O_RDWR, 0600));
	SHOW(open("host/none", O_TMPFILE | O_RDWR, 0600));
	SHOW(open("host/locked", O_TMPFILE | O_RDWR, 0600));
	SHOW(mkdir("fresh", 0755));
	SHOW(fd = open("fresh", O_TMPFILE | O_RDWR, 0600));
	SHOW(write(fd, "x", 1));
	name_it(fd, "fresh/x");
	close(fd);
	char path[] = "host/tmp-XXXXXX";

	SHOW(fd = mkstemp(path));
	SHOW(unlink(path));
	SHOW(write(fd, "gone", 4));
	SHOW(fstat(fd, &st));
	printf("links %ju\n", (uintmax_t)st.st_nlink);
	SHOW(fchmod(fd, 0400));
	SHOW(fstat(fd, &st));
	printf("mode %o\n", st.st_mode);
	return 0;
}
