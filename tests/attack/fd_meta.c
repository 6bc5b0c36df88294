/* Metadata of host files, by read-only and O_PATH descriptors, and by the links of /proc that lead to those. */
#include "attack.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

static void by_fd(int fd)
{
	const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	char path[64];
	int flags = FS_NODUMP_FL;
	struct fsxattr fsx = { .fsx_xflags = FS_XFLAG_NODUMP };

	TRY(fchmod(fd, 0777));
	TRY(fchown(fd, getuid(), getgid()));
	TRY(futimens(fd, times));
	TRY(fsetxattr(fd, "user.attack", "x", 1, 0));
	TRY(fremovexattr(fd, "user.note"));
	TRY(ftruncate(fd, 0));
	TRY(fallocate(fd, 0, 0, 1 << 21));
	TRY(write(fd, "attack", 6));
	TRY(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	TRY(ioctl(fd, FS_IOC_FSSETXATTR, &fsx));
	TRY(syscall(SYS_fchmodat2, fd, "", 0777, AT_EMPTY_PATH));
	TRY(fchownat(fd, "", getuid(), getgid(), AT_EMPTY_PATH));
	TRY(utimensat(fd, "", times, AT_EMPTY_PATH));
	TRY(syscall(SYS_utimensat, fd, NULL, times, 0));
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	TRY(chmod(path, 0777));
	TRY(chown(path, getuid(), getgid()));
	TRY(utimensat(AT_FDCWD, path, times, 0));
	TRY(setxattr(path, "user.attack", "x", 1, 0));
	TRY(removexattr(path, "user.note"));
	TRY(truncate(path, 0));
	snprintf(path, sizeof path, "/proc/thread-self/fd/%d", fd);
	TRY(chmod(path, 0777));
	TRY(truncate(path, 0));
	snprintf(path, sizeof path, "/dev/fd/%d", fd);
	TRY(chmod(path, 0777));
	TRY(open(path, O_WRONLY | O_TRUNC | O_NONBLOCK));
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "file", "private", "large", "noted", "dir", "dirlink", "fifo", "socket", "." };
	static const int hows[] = { O_RDONLY | O_NONBLOCK, O_PATH, O_PATH | O_NOFOLLOW, O_RDONLY | O_NONBLOCK | O_NOATIME };

	attack_begin(argc, argv);
	for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
		for (size_t h = 0; h < sizeof hows / sizeof hows[0]; h++) {
			int fd = open(prey(names[n]), hows[h]);

			if (fd < 0)
				continue;
			by_fd(fd);
			close(fd);
		}
	return attack_end();
}
