/* The host's files under more names: hard links into the box's own directory, files without a name that are given one in the host's directories, and writing
 * through whatever came of it. */
#include "attack.h"

#include <sys/mman.h>
#include <sys/xattr.h>

static char base[4200];

static const char *in(const char *name)
{
	static char text[8][4300];
	static unsigned turn;
	char *p = text[turn++ % 8];

	snprintf(p, sizeof text[0], "%s/%s", base, name);
	return p;
}

static void write_fd(int fd)
{
	if (fd < 0)
		return;
	TRY(pwrite(fd, "attack", 6, 0));
	TRY(fchmod(fd, 0777));
	TRY(fsetxattr(fd, "user.attack", "x", 1, 0));
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED) {
		*(volatile char *)p = '!';
		msync(p, 4096, MS_SYNC);
		munmap(p, 4096);
	}
	TRY(fallocate(fd, 0, 0, 8192));
	TRY(ftruncate(fd, 2));
	close(fd);
}

static void write_name(const char *path)
{
	write_fd((int)TRY(open(path, O_RDWR | O_NONBLOCK)));
	TRY(truncate(path, 1));
	TRY(chmod(path, 0777));
	TRY(setxattr(path, "user.attack", "x", 1, 0));
	write_fd((int)TRY(open(path, O_RDWR | O_TRUNC | O_NONBLOCK)));
}

static void link_all_ways(const char *from)
{
	char number[40];
	int fd = open(from, O_PATH | O_NOFOLLOW), rd = open(from, O_RDONLY | O_NONBLOCK), dir = open(base, O_RDONLY | O_DIRECTORY);

	snprintf(number, sizeof number, "/proc/self/fd/%d", fd);
	TRY(link(from, in("l1")));
	TRY(linkat(AT_FDCWD, from, dir, "l2", AT_SYMLINK_FOLLOW));
	TRY(linkat(fd, "", AT_FDCWD, in("l3"), AT_EMPTY_PATH));
	TRY(linkat(AT_FDCWD, number, AT_FDCWD, in("l4"), AT_SYMLINK_FOLLOW));
	TRY(linkat(rd, "", AT_FDCWD, in("l5"), AT_EMPTY_PATH));
	snprintf(number, sizeof number, "/proc/self/fd/%d", rd);
	TRY(linkat(AT_FDCWD, number, AT_FDCWD, in("l6"), AT_SYMLINK_FOLLOW));
	TRY(link(in("l1"), in("l7")));
	TRY(rename(in("l7"), in("l8")));
	TRY(link(in("l8"), prey("linked-back")));
	for (int i = 1; i <= 8; i++) {
		char name[8];

		snprintf(name, sizeof name, "l%d", i);
		write_name(in(name));
	}
	write_name(prey("linked-back"));
	write_name(from);
	TRY(rename(in("l2"), from));
	TRY(syscall(SYS_renameat2, AT_FDCWD, in("l3"), AT_FDCWD, from, 2));
	for (int i = 1; i <= 8; i++) {
		char name[8];

		snprintf(name, sizeof name, "l%d", i);
		unlink(in(name));
	}
	unlink(prey("linked-back"));
	close(fd);
	close(rd);
	close(dir);
}

static void without_name(void)
{
	char number[40];
	int fd = TRY(open(prey("dir"), O_TMPFILE | O_RDWR, 0666));

	if (fd < 0)
		return;
	TRY(write(fd, "attack", 6));
	snprintf(number, sizeof number, "/proc/self/fd/%d", fd);
	TRY(linkat(AT_FDCWD, number, AT_FDCWD, prey("dir/tmp1"), AT_SYMLINK_FOLLOW));
	TRY(linkat(fd, "", AT_FDCWD, prey("dir/tmp2"), AT_EMPTY_PATH));
	int dir = open(prey("dir"), O_PATH | O_DIRECTORY);
	TRY(linkat(AT_FDCWD, number, dir, "tmp3", AT_SYMLINK_FOLLOW));
	TRY(rename(prey("dir/tmp3"), prey("dir/file")));
	close(dir);
	close(fd);
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "file", "hard", "private", "large", "noted", "link", "fifo", "socket", "dir/file" };
	char command[4300];

	attack_begin(argc, argv);
	/* beside the host's files: on one file system with them, where links are possible natively */
	snprintf(base, sizeof base, "%s/../attack.XXXXXX", attack_prey);
	if (!mkdtemp(base))
		return 1;
	without_name();
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		link_all_ways(prey(names[i]));
	snprintf(command, sizeof command, "rm -rf %s", base);
	(void)!system(command);
	return attack_end();
}
