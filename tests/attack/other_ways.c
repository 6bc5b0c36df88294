/* Ways to a file that go by no path or by another view of the file systems: io_uring, file handles, mounts, namespaces, chroot, other processes' roots. */
#include "attack.h"

#include <linux/io_uring.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>

#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#define SYS_io_uring_enter 426
#endif
#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_fsopen 430
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

/* ---- io_uring ---- */

static void submit(int ring, char *sq, struct io_uring_params *p, struct io_uring_sqe *sqes, const struct io_uring_sqe *one)
{
	unsigned *tail = (unsigned *)(sq + p->sq_off.tail), *mask = (unsigned *)(sq + p->sq_off.ring_mask), *array = (unsigned *)(sq + p->sq_off.array);
	unsigned at = *tail & *mask;

	sqes[at] = *one;
	array[at] = at;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	TRY(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0));
}

static void by_ring(void *arg)
{
	struct io_uring_params p = { 0 };
	int ring = (int)TRY(syscall(SYS_io_uring_setup, 8, &p));
	(void)arg;
	if (ring < 0)
		return;
	char *sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4 + 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
	struct io_uring_sqe *sqes = mmap(NULL, p.sq_entries * sizeof *sqes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
	if (sq == MAP_FAILED || (void *)sqes == MAP_FAILED)
		return;
	submit(ring, sq, &p, sqes, &(struct io_uring_sqe){ .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (uintptr_t)prey("file"), .open_flags = O_WRONLY | O_TRUNC });
	submit(ring, sq, &p, sqes, &(struct io_uring_sqe){ .opcode = IORING_OP_UNLINKAT, .fd = AT_FDCWD, .addr = (uintptr_t)prey("hard") });
	submit(ring, sq, &p, sqes, &(struct io_uring_sqe){ .opcode = IORING_OP_RENAMEAT, .fd = AT_FDCWD, .addr = (uintptr_t)prey("noted"), .len = (unsigned)AT_FDCWD, .addr2 = (uintptr_t)prey("renamed") });
	submit(ring, sq, &p, sqes, &(struct io_uring_sqe){ .opcode = IORING_OP_MKDIRAT, .fd = AT_FDCWD, .addr = (uintptr_t)prey("made"), .len = 0777 });
}

/* ---- handles ---- */

static void by_handle(void *arg)
{
	struct { struct file_handle h; unsigned char room[128]; } h = { .h.handle_bytes = 128 };
	int id, mount = open(attack_prey, O_RDONLY | O_DIRECTORY);

	(void)arg;
	TRY(name_to_handle_at(AT_FDCWD, prey("file"), &h.h, &id, 0));
	int fd = (int)TRY(open_by_handle_at(mount, &h.h, O_WRONLY | O_TRUNC));
	if (fd >= 0)
		TRY(write(fd, "attack", 6));
	close(mount);
}

/* ---- mounts and namespaces ---- */

static void write_below(const char *dir)
{
	char path[8400];

	snprintf(path, sizeof path, "%s/file", dir);
	int fd = TRY(open(path, O_WRONLY | O_TRUNC));

	if (fd >= 0) {
		TRY(write(fd, "attack", 6));
		close(fd);
	}
	TRY(chmod(path, 0777));
	snprintf(path, sizeof path, "%s/dir/file", dir);
	TRY(unlink(path));
}

static void mounts_in(const char *dir)
{
	char path[8400];

	/* Nothing that is mounted here may be seen outside. */
	if (TRY(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)) < 0)
		return;
	if (TRY(mount(attack_prey, dir, NULL, MS_BIND | MS_REC, NULL)) == 0)
		write_below(dir);
	snprintf(path, sizeof path, "lowerdir=/,upperdir=%s,workdir=%s", dir, dir);
	TRY(mount("overlay", dir, "overlay", 0, path));
	TRY(mount(NULL, attack_prey, NULL, MS_REMOUNT | MS_BIND | MS_NOATIME, NULL));
	TRY(mount("tmpfs", attack_prey, "tmpfs", 0, NULL));
}

static void new_namespaces(void *arg)
{
	static const int kinds[] = { CLONE_NEWUSER | CLONE_NEWNS, CLONE_NEWNS, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC };

	for (size_t i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			if (TRY(unshare(kinds[i])) == 0)
				mounts_in(arg);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		pid = (pid_t)TRY(syscall(SYS_clone, (unsigned long)kinds[i] | SIGCHLD, 0, 0, 0, 0));
		if (pid == 0) {
			mounts_in(arg);
			_exit(0);
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

static void by_tree(void *arg)
{
	char path[64];
	int fd;

	(void)arg;
	/* natively root must not leave a mount behind */
	if (getenv("ATTACK_NATIVE") && (geteuid() != 0 || unshare(CLONE_NEWNS) < 0))
		return;
	fd = (int)TRY(syscall(SYS_open_tree, AT_FDCWD, attack_prey, 1 /* OPEN_TREE_CLONE */));
	if (fd >= 0) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		write_below(path);
		TRY(syscall(SYS_move_mount, fd, "", AT_FDCWD, "/mnt", 4));
	}
	TRY(syscall(SYS_fsopen, "tmpfs", 0));
	TRY(syscall(SYS_mount_setattr, AT_FDCWD, attack_prey, 0, NULL, 0));
}

static void by_root(void *arg)
{
	char path[8300];

	(void)arg;
	if (TRY(chroot(attack_prey)) == 0)
		write_below("");
	TRY(syscall(SYS_pivot_root, attack_prey, prey("dir")));
	snprintf(path, sizeof path, "/proc/%d/root%s", attack_victim, attack_prey);
	write_below(path);
	snprintf(path, sizeof path, "/proc/%d/ns/mnt", attack_victim);
	int fd = TRY(open(path, O_RDONLY));
	if (fd >= 0)
		TRY(setns(fd, 0));
	write_below(attack_prey);
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/attack.XXXXXX";

	attack_begin(argc, argv);
	if (!mkdtemp(dir))
		return 1;
	attack_child(by_ring, NULL, 5);
	attack_child(by_handle, NULL, 5);
	attack_child(new_namespaces, dir, 5);
	attack_child(by_tree, NULL, 5);
	attack_child(by_root, NULL, 5);
	rmdir(dir);
	return attack_end();
}
