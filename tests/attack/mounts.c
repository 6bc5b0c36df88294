/* Other ways to PREY: name spaces of its own, mounts by the old and the new calls, other roots, and the roots of other processes in /proc. Natively
 * each part that mounts does so in a mount name space of its own; where that is refused in a box, mounting is tried all the same, onto the
 * attack's own directory. */
#include "attack.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif
#ifndef SYS_fchroot
#define SYS_fchroot 472
#endif
#define AT_RECURSIVE_FLAG 0x8000

static char own[64], below[4200];       /* own: the attack's directory; below: names in it, or elsewhere */
static bool native, is_own_space;       /* is_own_space: what is mounted is seen by nobody else */

static const char *at(const char *dir, const char *name)
{
	snprintf(below, sizeof below, "%s/%s", dir, name);
	return below;
}

/* What is done once PREY is there under another name. */
static void harm(const char *dir, int n)
{
	char made[64];

	snprintf(made, sizeof made, "made%d", n);
	TRY(open(at(dir, n % 2 ? "private" : "file"), O_RDWR | O_TRUNC));
	TRY(open(at(dir, made), O_WRONLY | O_CREAT, 0644));
	TRY(chmod(at(dir, "program"), 0600 + (mode_t)n));
	TRY(unlink(at(dir, "hard")));
}

static void harm_at(int fd, int n)
{
	char made[64];

	snprintf(made, sizeof made, "made%d", n);
	TRY(openat(fd, n % 2 ? "private" : "file", O_RDWR | O_TRUNC));
	TRY(openat(fd, made, O_WRONLY | O_CREAT, 0644));
	TRY(fchmodat(fd, "noted", 0600 + (mode_t)n, 0));
	TRY(unlinkat(fd, "hard", 0));
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0)
		return;
	TRY(write(fd, text, strlen(text)));
	close(fd);
}

/* True where mounting may be tried. */
static bool own_space(void)
{
	char map[64];
	const unsigned uid = getuid(), gid = getgid();

	if (TRY(unshare(CLONE_NEWNS)) < 0) {
		if (TRY(unshare(CLONE_NEWUSER | CLONE_NEWNS)) < 0)
			return !native;
		put("/proc/self/setgroups", "deny");
		snprintf(map, sizeof map, "0 %u 1", uid);
		put("/proc/self/uid_map", map);
		snprintf(map, sizeof map, "0 %u 1", gid);
		put("/proc/self/gid_map", map);
	}
	is_own_space = TRY(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) == 0;
	return is_own_space;
}

/* ---- the old calls ---- */

static void old_mounts(void *arg)
{
	char options[3 * 4096];

	(void)arg;
	if (!own_space())
		return;
	if (TRY(mount(attack_prey, own, NULL, MS_BIND, NULL)) == 0) {
		harm(own, 1);
		TRY(mount(NULL, own, NULL, MS_REMOUNT | MS_BIND, NULL));
		umount2(own, MNT_DETACH);
	}
	if (TRY(mount(attack_prey, own, NULL, MS_BIND | MS_REC, NULL)) == 0) {
		harm(own, 2);
		umount2(own, MNT_DETACH);
	}
	mkdir(prey("dir/sub/upper"), 0755);
	mkdir(prey("dir/sub/work"), 0755);
	snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s/dir/sub/upper,workdir=%s/dir/sub/work,userxattr", own, attack_prey, attack_prey);
	if (TRY(mount("overlay", own, "overlay", 0, options)) == 0) {
		harm(own, 3);
		umount2(own, MNT_DETACH);
	}
	if (TRY(mount("tmpfs", own, "tmpfs", 0, "size=64k")) == 0)
		TRY(umount2(own, MNT_DETACH));
	TRY(umount2(own, MNT_EXPIRE));
	TRY(umount2(own, MNT_DETACH | UMOUNT_NOFOLLOW));
}

/* ---- the new ones ---- */

static void new_mounts(void *arg)
{
	struct {
		uint64_t set, clear, propagation, userns;
	} attr = { .clear = 1 };
	int fd, fs;

	(void)arg;
	/* this one needs no right at all */
	fd = (int)TRY(syscall(SYS_open_tree, AT_FDCWD, attack_prey, 0));
	if (fd >= 0)
		harm_at(fd, 4);
	if (!own_space())
		return;
	fd = (int)TRY(syscall(SYS_open_tree, AT_FDCWD, attack_prey, 1 /* OPEN_TREE_CLONE */ | AT_RECURSIVE_FLAG));
	if (fd >= 0) {
		harm_at(fd, 5);
		TRY(syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof attr));
		if (TRY(syscall(SYS_move_mount, fd, "", AT_FDCWD, own, 4 /* MOVE_MOUNT_F_EMPTY_PATH */)) == 0) {
			harm(own, 6);
			umount2(own, MNT_DETACH);
		}
	}
	fd = (int)TRY(syscall(SYS_open_tree_attr, AT_FDCWD, attack_prey, 1, &attr, sizeof attr));
	if (fd >= 0)
		harm_at(fd, 7);
	fd = (int)TRY(syscall(SYS_fspick, AT_FDCWD, attack_prey, 0));
	close(fd);
	fs = (int)TRY(syscall(SYS_fsopen, "overlay", 0));
	mkdir(prey("dir/sub/upper"), 0755);
	mkdir(prey("dir/sub/work"), 0755);
	TRY(syscall(SYS_fsconfig, fs, 1 /* SET_STRING */, "lowerdir", own, 0));
	TRY(syscall(SYS_fsconfig, fs, 1, "upperdir", prey("dir/sub/upper"), 0));
	TRY(syscall(SYS_fsconfig, fs, 1, "workdir", prey("dir/sub/work"), 0));
	TRY(syscall(SYS_fsconfig, fs, 0 /* SET_FLAG */, "userxattr", NULL, 0));
	TRY(syscall(SYS_fsconfig, fs, 6 /* CMD_CREATE */, NULL, NULL, 0));
	fd = (int)TRY(syscall(SYS_fsmount, fs, 0, 0));
	if (fd >= 0)
		harm_at(fd, 8);
}

/* ---- other roots ---- */

static void roots(void *arg)
{
	(void)arg;
	int prey_fd = open(attack_prey, O_RDONLY | O_DIRECTORY), root = open("/", O_RDONLY | O_DIRECTORY);

	own_space();
	/* natively harmless outside: only this process's root changes */
	if (TRY(chroot(attack_prey)) == 0) {
		TRY(chdir("/"));
		harm("", 9);
	}
	TRY(fchdir(root));
	if (TRY(chroot(own)) == 0) {
		if (TRY(fchdir(prey_fd)) == 0)
			harm(".", 10);
	}
	TRY(fchdir(root));
	TRY(syscall(SYS_fchroot, prey_fd, 0));
	/* out of a root by .. */
	TRY(fchdir(prey_fd));
	for (int i = 0; i < 64; i++)
		if (chdir("..") < 0)
			break;
	if (chroot(".") == 0)
		harm(attack_prey, 11);
}

static void pivot(void *arg)
{
	(void)arg;
	if (!own_space())
		return;
	/* without a mount at that place it fails and changes nothing */
	if (mount(attack_prey, own, NULL, MS_BIND, NULL) == 0 && !is_own_space) {
		umount2(own, MNT_DETACH);
		reached("the host's mounts");
		return;
	}
	if (TRY(chdir(own)) == 0 && TRY(syscall(SYS_pivot_root, ".", ".")) == 0) {
		harm("", 12);
		umount2("/", MNT_DETACH);
	}
}

/* ---- name spaces ---- */

static void join(void *arg)
{
	static const char *const kinds[] = { "mnt", "user", "pid", "net", "ipc", "uts", "cgroup", "time" };
	const pid_t pid = *(const pid_t *)arg;
	char path[64];
	int pidfd;

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, kinds[i]);
		int fd = open(path, O_RDONLY);

		if (fd >= 0 && TRY(setns(fd, 0)) == 0)
			harm(attack_prey, 13);
		close(fd);
	}
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (TRY(setns(pidfd, CLONE_NEWNS)) == 0)
		harm(attack_prey, 14);
	if (TRY(setns(pidfd, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET)) == 0)
		harm(attack_prey, 15);
	/* PIDFD_GET_MNT_NAMESPACE and its like */
	for (unsigned nr = 1; nr <= 10; nr++) {
		int fd = ioctl(pidfd, 0xff00 | nr, 0);

		if (fd >= 0 && TRY(setns(fd, 0)) == 0)
			harm(attack_prey, 16);
	}
}

/* The flags with which a process is made; the new one mounts if they took. */
static void cloned(void *arg)
{
	static const unsigned long flags[] = { CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWUSER | CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS };
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
	} args;

	(void)arg;
	for (size_t i = 0; i < 3 * sizeof flags / sizeof flags[0]; i++) {
		unsigned long f = flags[i / 3];
		long pid;

		memset(&args, 0, sizeof args);
		args.flags = f;
		args.exit_signal = SIGCHLD;
		if (i % 3 == 0)
			pid = syscall(SYS_clone, f | SIGCHLD, NULL, NULL, NULL, NULL);
		else if (i % 3 == 1)
			pid = syscall(SYS_clone, f | SIGCHLD | 0xabcd00000000, NULL, NULL, NULL, NULL);
		else
			pid = syscall(SYS_clone3, &args, sizeof args);
		if (pid == 0) {
			if (!native)
				reached("a name space of its own");
			harm(attack_prey, 17);
			/* in no other mount name space than a new one */
			if (f & CLONE_NEWNS && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount(attack_prey, own, NULL, MS_BIND, NULL) == 0)
				harm(own, 18);
			_exit(0);
		}
		if (pid > 0)
			waitpid((pid_t)pid, NULL, 0);
	}
}

static void unshared(void *arg)
{
	const int bit = *(const int *)arg;

	/* CLONE_THREAD, CLONE_VM and the like among them, which unshare takes too */
	if (TRY(unshare(1 << bit)) == 0 && !native && (0x7e020080U >> bit & 1))
		reached("a name space of its own");
}

/* ---- through /proc ---- */

static void through_proc(void *arg)
{
	char victim_root[64], victim_cwd[64], victim_task[64], path[8192];
	const char *const links[] = { "/proc/self/root", "/proc/thread-self/root", "/proc/1/root", "/proc/self/task/../root", victim_root, victim_cwd, victim_task };

	(void)arg;
	snprintf(victim_root, sizeof victim_root, "/proc/%d/root", attack_victim);
	snprintf(victim_cwd, sizeof victim_cwd, "/proc/%d/cwd", attack_victim);
	snprintf(victim_task, sizeof victim_task, "/proc/%d/task/%d/root", attack_victim, attack_victim);
	for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
		snprintf(path, sizeof path, "%s%s", links[i], attack_prey);
		harm(path, 19);
		int fd = open(path, O_RDONLY | O_DIRECTORY);

		if (fd >= 0)
			harm_at(fd, 20);
		close(fd);
		TRY(truncate(at(path, "large"), 19));
	}
}

int main(int argc, char **argv)
{
	attack_begin(argc, argv);
	native = getenv("ATTACK_NATIVE");
	snprintf(own, sizeof own, "/tmp/attack-mounts-%d", getpid());
	if (mkdir(own, 0755) < 0)
		return 1;
	pid_t pids[] = { getpid(), attack_victim, 1 };

	attack_child(old_mounts, NULL, 2);
	attack_child(new_mounts, NULL, 2);
	attack_child(roots, NULL, 2);
	attack_child(pivot, NULL, 2);
	for (size_t i = 0; i < sizeof pids / sizeof pids[0]; i++)
		attack_child(join, &pids[i], 2);
	attack_child(cloned, NULL, 4);
	for (int bit = 0; bit < 32; bit++)
		attack_child(unshared, &bit, 2);
	attack_child(through_proc, NULL, 2);
	umount2(own, MNT_DETACH);
	rmdir(own);
	return attack_end();
}
