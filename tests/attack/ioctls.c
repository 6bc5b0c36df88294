/* ioctls that change a file, with and without rubbish in the high half of their number, and the calls that move data between descriptors, all on descriptors
 * of the host that are for reading only. */
#include "attack.h"

#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#ifndef FS_IOC_SETFSLABEL
#define FS_IOC_SETFSLABEL _IOW(0x94, 50, char[256])
#endif

static int scratch;

static void numbers(int fd)
{
	static char room[8192];
	struct file_clone_range range = { .src_fd = scratch, .src_length = 0 };
	struct fsxattr fsx = { .fsx_xflags = FS_XFLAG_NODUMP };
	struct { unsigned long nr; void *arg; } all[] = {
		{ FS_IOC_SETFLAGS, &(int){ FS_NODUMP_FL } }, { FS_IOC_FSSETXATTR, &fsx }, { FICLONE, (void *)(intptr_t)scratch }, { FICLONERANGE, &range },
		{ _IOW('f', 4, long), room },                /* ext4, btrfs: the inode's version */
		{ _IOW('v', 2, long), room },                /* FS_IOC_SETVERSION */
		{ _IOW('X', 43, char[24]), room },           /* FS_IOC_UNRESVSP and what is like it */
		{ _IOW('X', 40, char[48]), room }, { _IOW('X', 41, char[48]), room }, { _IOW('X', 57, char[48]), room },
		{ _IOW(0x94, 1, char[4096]), room },         /* btrfs: SNAP_CREATE, SUBVOL_CREATE, SNAP_DESTROY and their second versions */
		{ _IOW(0x94, 14, char[4096]), room }, { _IOW(0x94, 15, char[4096]), room }, { _IOW(0x94, 23, char[4096]), room },
		{ _IOW(0x94, 24, char[4096]), room }, { _IOW(0x94, 26, long long), room }, { _IOW(0x94, 63, char[4096]), room },
		{ _IOW('f', 9, int), room },                 /* ext4: EXT4_IOC_MIGRATE and neighbours */
		{ _IO('f', 9), NULL }, { _IO('f', 12), NULL }, { _IOWR('f', 15, char[40]), room },
		{ _IOW('f', 19, char[12]), room },           /* fscrypt policy */
		{ _IOW('f', 133, char[128]), room },         /* fsverity */
		{ _IO(0xf5, 1), NULL }, { _IO(0xf5, 2), NULL }, { _IO(0xf5, 3), NULL },   /* f2fs: atomic writes */
	};

	snprintf(room + 8, sizeof room - 8, "attack-subvolume");
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		for (unsigned long high = 0; high < 3; high++)
			TRY(syscall(SYS_ioctl, fd, all[i].nr | high << 32 | (high == 2 ? 1UL << 63 : 0), all[i].arg));
}

static void move_data(int fd)
{
	int pipes[2];
	loff_t to = 0, from = 0;
	struct iovec one = { "attack", 6 };

	if (pipe2(pipes, O_NONBLOCK) < 0)
		return;
	TRY(copy_file_range(scratch, &from, fd, &to, 16, 0));
	from = 0;
	TRY(sendfile(fd, scratch, &from, 16));
	(void)!write(pipes[1], "attack", 6);
	to = 0;
	TRY(splice(pipes[0], NULL, fd, &to, 6, SPLICE_F_NONBLOCK));
	TRY(vmsplice(pipes[1], &one, 1, SPLICE_F_GIFT));
	TRY(pwritev(fd, &one, 1, 0));
	TRY(syscall(SYS_pwritev2, fd, &one, 1, 0, 0, 0));
	TRY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	/* Pages of the file's own in a pipe, and written there. */
	from = 0;
	if (TRY(splice(fd, &from, pipes[1], NULL, 16, SPLICE_F_NONBLOCK)) > 0) {
		char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, pipes[0], 0);

		if (p != MAP_FAILED)
			*p = '!';
		(void)!write(pipes[1], "attack", 6);
	}
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED)
		*p = '!';
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED && TRY(mprotect(p, 4096, PROT_READ | PROT_WRITE)) == 0)
		*p = '!';
	TRY(syscall(SYS_remap_file_pages, p, 4096, 0, 0, 0));
	close(pipes[0]);
	close(pipes[1]);
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "file", "private", "large", "noted", "dir", "." };

	attack_begin(argc, argv);
	scratch = memfd_create("scratch", 0);
	(void)!write(scratch, "attack attack attack", 20);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int fd = open(prey(names[i]), O_RDONLY);

		numbers(fd);
		move_data(fd);
		close(fd);
		fd = open(prey(names[i]), O_PATH);
		numbers(fd);
		move_data(fd);
		close(fd);
	}
	return attack_end();
}
