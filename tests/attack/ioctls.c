/* ioctls of file systems, with a clean and with a dirty upper half of the number, and the calls that move data, on read-only descriptors of PREY.
 *
 * Left out are those that natively change a whole file system or disk: freeze, trim, shutdown, resize, label, uuid, swap of the boot loader's inode. */
#include "attack.h"

#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

/* The kernel takes an unsigned int; libc's ioctl passes a long. */
static long raw_ioctl(int fd, uint64_t request, void *arg)
{
	long r = syscall(SYS_ioctl, fd, request, arg);

	attack_tries++;
	if (getenv("ATTACK_VERBOSE") && (r >= 0 || (errno != ENOTTY && errno != EPERM)))
		printf("ioctl %llx = %ld %s\n", (unsigned long long)request, r, r < 0 ? strerrorname_np(errno) : "");
	return r;
}

static void both(int fd, uint32_t request, void *arg)
{
	raw_ioctl(fd, request, arg);
	raw_ioctl(fd, 0xdead000000000000 | request, arg);
	raw_ioctl(fd, 0xffffffff00000000 | request, arg);
	raw_ioctl(fd, (uint64_t)(int64_t)(int32_t)request, arg);
}

/* ---- flags, attributes, versions: an owner needs no writable descriptor for them ---- */

static void attributes(int fd)
{
	struct fsxattr x = { 0 };
	long flags;

	flags = 0;
	raw_ioctl(fd, FS_IOC_GETFLAGS, &flags);
	flags ^= FS_NODUMP_FL;
	both(fd, FS_IOC_SETFLAGS, &flags);
	both(fd, FS_IOC32_SETFLAGS, &flags);
	flags ^= FS_NOATIME_FL;
	both(fd, FS_IOC_SETFLAGS, &flags);
	raw_ioctl(fd, FS_IOC_FSGETXATTR, &x);
	x.fsx_xflags ^= FS_XFLAG_NODUMP;
	both(fd, FS_IOC_FSSETXATTR, &x);
	x.fsx_projid ^= 77;
	both(fd, FS_IOC_FSSETXATTR, &x);
	flags = 4711;
	both(fd, FS_IOC_SETVERSION, &flags);
	both(fd, FS_IOC32_SETVERSION, &flags);
	both(fd, 0x40086604, &flags);                   /* EXT4_IOC_SETVERSION */
	both(fd, 0x40046604, &flags);                   /* EXT4_IOC32_SETVERSION */
	both(fd, 0x6609, NULL);                         /* EXT4_IOC_MIGRATE */
	both(fd, 0x660c, NULL);                         /* EXT4_IOC_ALLOC_DA_BLKS */
	both(fd, 0x6628, NULL);                         /* EXT4_IOC_CLEAR_ES_CACHE */
	both(fd, 0x40087211, &flags);                   /* FAT_IOCTL_SET_ATTRIBUTES, long */
	both(fd, 0x40047211, &flags);
}

/* ---- content ---- */

static void content(int fd, int other)
{
	struct file_clone_range range = { .src_fd = other, .src_length = 0 };
	struct {
		struct file_dedupe_range h;
		struct file_dedupe_range_info info;
	} dedupe = { .h = { .src_length = 4096, .dest_count = 1 }, .info = { .dest_fd = fd } };
	struct space_resv { int16_t type, whence; int64_t start, len; int32_t sysid; uint32_t pid; int32_t pad[4]; } space = { .len = 4096 };
	uint64_t policy[16] = { 0 }, verity[16] = { 1 | 1ULL << 32, 4096 };
	struct { uint32_t reserved, donor; uint64_t orig_start, donor_start, len, moved; } move = { .donor = (uint32_t)other, .len = 1 };

	both(fd, FICLONE, (void *)(uintptr_t)other);
	both(fd, FICLONERANGE, &range);
	both(other, FIDEDUPERANGE, &dedupe);
	for (unsigned nr = 36; nr <= 43; nr++)
		both(fd, _IOC(_IOC_WRITE, 'X', nr, sizeof space), &space);
	both(fd, _IOC(_IOC_WRITE, 'X', 57, sizeof space), &space);
	both(fd, _IOC(_IOC_WRITE, 'X', 129, 88), policy);                       /* XFS_IOC_EXCHANGE_RANGE */
	both(fd, _IOC(_IOC_READ | _IOC_WRITE, 'f', 15, sizeof move), &move);    /* EXT4_IOC_MOVE_EXT */
	both(fd, 0x40806685, verity);                                           /* FS_IOC_ENABLE_VERITY */
	both(fd, 0x800c6613, policy);                                           /* FS_IOC_SET_ENCRYPTION_POLICY */
}

/* ---- btrfs: most of these name paths, or snapshots, below a directory that may be open for reading only ---- */

static void btrfs(int dir)
{
	/* numbers that make or change something there: snapshot, defrag, subvolumes, their flags, default, received, label's kin, tree search */
	static const unsigned char numbers[] = { 1, 2, 8, 14, 15, 16, 17, 18, 19, 23, 24, 25, 26, 35, 37, 38, 40, 41, 42, 43, 44, 52, 57, 60, 61, 62, 63, 64 };
	struct {
		int64_t fd;
		uint64_t transid, flags, unused[4];
		char name[4040];
	} args;

	for (size_t i = 0; i < sizeof numbers; i++)
		for (unsigned direction = 0; direction < 4; direction++) {
			memset(&args, 0, sizeof args);
			args.fd = dir;
			/* the older form has its name at once */
			strcpy(numbers[i] == 1 || numbers[i] == 14 || numbers[i] == 15 ? (char *)&args.transid : args.name, i % 2 ? "sub" : "made");
			both(dir, _IOC(direction, 0x94, numbers[i], 4096), &args);
		}
	/* BTRFS_IOC_SUBVOL_SETFLAGS, BTRFS_IOC_DEFRAG_RANGE */
	uint64_t flags = 2, range[6] = { 0, ~0ULL };

	both(dir, 0x4008941a, &flags);
	both(dir, 0x40309410, range);
}

static void others(int fd)
{
	uint64_t buf[512] = { 0 };

	for (unsigned nr = 1; nr <= 27; nr++)
		if (nr != 8 && nr != 16 && nr != 10)        /* f2fs's write checkpoint, resize, garbage collection of a range */
			both(fd, _IOC(nr % 2 ? 0 : _IOC_WRITE, 0xf5, nr, nr % 2 ? 0 : 8), buf);
	both(fd, _IOC(_IOC_WRITE, 'o', 4, 24), buf);            /* OCFS2_IOC_REFLINK */
	both(fd, _IOC(_IOC_WRITE, 0xbc, 16, 24), buf);          /* bcachefs's subvolumes */
	both(fd, _IOC(_IOC_WRITE, 0xbc, 17, 24), buf);
	both(fd, _IOC(_IOC_READ, 'r', 1, 560), buf);            /* VFAT_IOCTL_READDIR_BOTH */
	both(fd, 0x4004cd01, buf);                              /* REISERFS_IOC_UNPACK */
	both(fd, _IO(0, 1), buf);                               /* FIBMAP */
}

/* ---- data into what is open for reading only ---- */

static void by_aio(int fd)
{
	aio_context_t ctx = 0;
	char data[] = "attack";
	struct iovec iov = { data, 6 };
	struct iocb one = { .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = (uint32_t)fd, .aio_buf = (uint64_t)(uintptr_t)data, .aio_nbytes = 6 }, *list = &one;

	if (TRY(syscall(SYS_io_setup, 4, &ctx)) < 0)
		return;
	TRY(syscall(SYS_io_submit, ctx, 1, &list));
	one.aio_lio_opcode = IOCB_CMD_PWRITEV;
	one.aio_buf = (uint64_t)(uintptr_t)&iov;
	one.aio_nbytes = 1;
	TRY(syscall(SYS_io_submit, ctx, 1, &list));
	syscall(SYS_io_destroy, ctx);
}

static void by_mapping(int fd)
{
	static const int shared[] = { MAP_SHARED, MAP_SHARED_VALIDATE, MAP_SHARED_VALIDATE | MAP_SYNC };
	char name[] = "/proc/self/mem", data[] = "attack";

	for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++) {
		char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, shared[i], fd, 0);

		attack_tries++;
		if (p != MAP_FAILED)
			p[0] = 'x';
		p = mmap(NULL, 4096, PROT_READ, shared[i], fd, 0);
		if (p == MAP_FAILED)
			continue;
		if (TRY(mprotect(p, 4096, PROT_READ | PROT_WRITE)) == 0)
			p[0] = 'x';
		TRY(madvise(p, 4096, MADV_REMOVE));
		TRY(madvise(p, 4096, 23 /* MADV_POPULATE_WRITE */));
		TRY(syscall(SYS_remap_file_pages, p, 4096, 0, 0, 0));
		int mem = open(name, O_RDWR);
		TRY(pwrite(mem, data, 6, (off_t)(uintptr_t)p));
		struct iovec from = { data, 6 }, to = { p, 6 };
		TRY(syscall(SYS_process_vm_writev, getpid(), &from, 1, &to, 1, 0));
		TRY(read(open(prey("dir/file"), O_RDONLY), p, 6));
		close(mem);
		TRY(msync(p, 4096, MS_SYNC));
		munmap(p, 4096);
	}
}

static void by_pipes(int fd)
{
	int pipes[2], other = open(prey("large"), O_RDONLY);
	char data[4096] = "attack";
	struct iovec iov = { data, 6 };
	loff_t zero = 0;

	if (pipe2(pipes, O_NONBLOCK) < 0)
		return;
	TRY(write(pipes[1], "attack", 6));
	TRY(splice(pipes[0], NULL, fd, &zero, 6, SPLICE_F_NONBLOCK));
	TRY(tee(pipes[0], fd, 6, SPLICE_F_NONBLOCK));
	TRY(vmsplice(fd, &iov, 1, SPLICE_F_NONBLOCK | SPLICE_F_GIFT));
	TRY(copy_file_range(other, &zero, fd, NULL, 6, 0));
	TRY(sendfile(fd, other, NULL, 6));
	/* into a page of the file that stands in a pipe */
	while (read(pipes[0], data, sizeof data) > 0)
		;
	zero = 0;
	TRY(splice(fd, &zero, pipes[1], NULL, 1, SPLICE_F_NONBLOCK));
	TRY(write(pipes[1], "attack", 6));
	/* a page of the file's mapping given to a pipe */
	char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED) {
		struct iovec gift = { p, 4096 };
		TRY(vmsplice(pipes[1], &gift, 1, SPLICE_F_GIFT | SPLICE_F_NONBLOCK));
		TRY(read(pipes[0], p, 6));
		munmap(p, 4096);
	}
	close(pipes[0]);
	close(pipes[1]);
	close(other);
}

static void by_flags(int fd)
{
	TRY(fcntl(fd, F_SETFL, O_WRONLY | O_APPEND));
	TRY(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	TRY(write(fd, "attack", 6));
	TRY(pwrite(fd, "attack", 6, 0));
	TRY(syscall(SYS_pwritev2, fd, &(struct iovec){ (char[]){ "attack" }, 6 }, 1, -1L, -1L, 0x10 /* RWF_APPEND */));
	TRY(ftruncate(fd, 3));
	for (int mode = 0; mode < 64; mode = mode ? mode * 2 : 1)
		TRY(fallocate(fd, mode | (mode == FALLOC_FL_PUNCH_HOLE ? FALLOC_FL_KEEP_SIZE : 0), 0, 4096));
}

/* The expected life of what is written is kept in the inode, and told to whoever asks. */
static void by_hint(const char *name)
{
	int fd = open(prey(name), O_RDONLY), again;
	uint64_t hint = 3, is = 0;

	TRY(syscall(SYS_fcntl, fd, F_SET_RW_HINT, &hint));
	TRY(syscall(SYS_fcntl, fd, 0xdead00000000 | F_SET_RW_HINT, &hint));
	again = open(prey(name), O_RDONLY);
	if (fcntl(again, F_GET_RW_HINT, &is) == 0 && is == hint)
		reached("the write hint of an inode");
	close(again);
	close(fd);
}

static void all(void *arg)
{
	static const char *const names[] = { "file", "private", "large", "noted", "program", "dir", "." };

	(void)arg;
	for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
		int fd = open(prey(names[n]), O_RDONLY), other = open(prey("large"), O_RDONLY);

		attributes(fd);
		content(fd, other);
		btrfs(fd);
		others(fd);
		by_aio(fd);
		by_mapping(fd);
		by_pipes(fd);
		by_flags(fd);
		close(fd);
		close(other);
	}
}

int main(int argc, char **argv)
{
	attack_begin(argc, argv);
	attack_child(all, NULL, 5);
	by_hint("file");
	by_hint("private");
	by_hint("large");
	/* the same is asked of a file that the box has, whose descriptor is as good as the host's */
	TRY(chmod(prey("noted"), 0640));
	attack_child(all, NULL, 5);
	return attack_end();
}
