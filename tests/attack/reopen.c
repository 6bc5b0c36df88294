/* Read-only and O_PATH descriptors of PREY's files opened anew for writing, by every path of /proc that leads to them: the process's own, its
 * threads' and another guest's; descriptors that came over a socket or by pidfd_getfd; the links root, cwd and map_files; and
 * memory that maps such a file, written to by /proc/PID/mem and process_vm_writev, which pass over a mapping's protection.
 *
 *     reopen PREY VICTIM_PID SECONDS      opens them itself
 *     reopen --inherited FD...            was started with them
 */
#include "attack.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_open 434
#define SYS_pidfd_getfd 438
#endif

static pid_t helper;         /* helper: another guest, which has the same descriptors */
static pid_t thread;

static void closed(long fd)
{
	if (fd < 0)
		return;
	TRY(write((int)fd, "attack", 6));
	TRY(ftruncate((int)fd, 1));
	close((int)fd);
}

static void strike(const char *path)
{
	static const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	struct stat st;

	/* a terminal, a pipe or /dev/null is nobody's prey, and natively would be hit */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return;
	closed(TRY(open(path, O_WRONLY | O_NONBLOCK)));
	closed(TRY(open(path, O_RDWR | O_NONBLOCK)));
	closed(TRY(open(path, O_RDWR | O_CREAT | O_NONBLOCK, 0600)));
	closed(TRY(open(path, O_WRONLY | O_APPEND | O_NONBLOCK)));
	closed(TRY(open(path, O_RDONLY | O_TRUNC | O_NONBLOCK)));
	TRY(truncate(path, 2));
	TRY(chmod(path, 0604));
	TRY(utimensat(AT_FDCWD, path, times, 0));
	TRY(setxattr(path, "user.attack", "x", 1, 0));
}

static void by_link(pid_t pid, const char *rest)
{
	char path[4200];

	snprintf(path, sizeof path, "/proc/%d/%s", pid, rest);
	strike(path);
}

static void by_links(int fd)
{
	char path[128];
	int dir;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	strike(path);
	snprintf(path, sizeof path, "/proc/thread-self/fd/%d", fd);
	strike(path);
	snprintf(path, sizeof path, "/dev/fd/%d", fd);
	strike(path);
	snprintf(path, sizeof path, "fd/%d", fd);
	by_link(getpid(), path);
	by_link(helper, path);
	snprintf(path, sizeof path, "task/%d/fd/%d", thread, fd);
	by_link(getpid(), path);
	snprintf(path, sizeof path, "task/%d/fd/%d", helper, fd);
	by_link(helper, path);
	snprintf(path, sizeof path, "root/proc/%d/fd/%d", helper, fd);
	by_link(getpid(), path);
	snprintf(path, sizeof path, "%d", fd);
	dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
	closed(TRY(openat(dir, path, O_RDWR | O_NONBLOCK)));
	TRY(fchmodat(dir, path, 0640, 0));
	close(dir);
	dir = open("/proc/self/fdinfo", O_PATH | O_DIRECTORY);
	snprintf(path, sizeof path, "../fd/%d", fd);
	closed(TRY(openat(dir, path, O_RDWR | O_TRUNC | O_NONBLOCK)));
	close(dir);
	if (dup2(fd, 0) == 0) {
		strike("/dev/stdin");
		strike("/proc/self/fd/0");
	}
}

/* Only one that may be written can be written through; that it is mapped does not change that. */
static void by_memory(int fd)
{
	char path[128], maps[4200];
	char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	struct iovec from = { .iov_base = (char[]){ "memory" }, .iov_len = 6 }, to = { .iov_base = p, .iov_len = 6 };
	int mem;

	if (p == MAP_FAILED)
		return;
	mem = open("/proc/self/mem", O_RDWR);
	TRY(pwrite(mem, "memory", 6, (off_t)(uintptr_t)p));
	close(mem);
	TRY(syscall(SYS_process_vm_writev, getpid(), &from, 1UL, &to, 1UL, 0UL));
	TRY(syscall(SYS_process_vm_writev, helper, &from, 1UL, &to, 1UL, 0UL));
	snprintf(path, sizeof path, "/proc/%d/mem", helper);
	mem = open(path, O_RDWR);
	TRY(pwrite(mem, "memory", 6, (off_t)(uintptr_t)p));
	close(mem);
	snprintf(maps, sizeof maps, "/proc/self/map_files/%lx-%lx", (unsigned long)p, (unsigned long)p + 4096);
	strike(maps);
	snprintf(maps, sizeof maps, "/proc/%d/map_files/%lx-%lx", getpid(), (unsigned long)p, (unsigned long)p + 4096);
	strike(maps);
	if (TRY(mprotect(p, 4096, PROT_READ | PROT_WRITE)) == 0)
		memcpy(p, "memory", 6);
	munmap(p, 4096);
}

static int passed(int fd)
{
	int pair[2], got = -1;
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&m);
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	*cm = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(cm), &fd, sizeof fd);
	pid = fork();
	if (pid == 0)
		_exit(TRY(sendmsg(pair[1], &m, 0)) < 0);
	waitpid(pid, NULL, 0);
	if (recvmsg(pair[0], &m, MSG_DONTWAIT) == 1 && (cm = CMSG_FIRSTHDR(&m)))
		memcpy(&got, CMSG_DATA(cm), sizeof got);
	close(pair[0]);
	close(pair[1]);
	return got;
}

static void all_of(int fd)
{
	char path[128];
	int got, pidfd;

	/* the file is the same for all who have it, so those are made while there is nothing else to see */
	by_links(fd);
	by_memory(fd);
	got = passed(fd);
	if (got >= 0) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", got);
		strike(path);
		TRY(fchmod(got, 0606));
		close(got);
	}
	pidfd = (int)syscall(SYS_pidfd_open, helper, 0);
	got = (int)TRY(syscall(SYS_pidfd_getfd, pidfd, fd, 0));
	if (got >= 0) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", got);
		strike(path);
		TRY(fchmod(got, 0606));
		TRY(write(got, "attack", 6));
		close(got);
	}
	close(pidfd);
}

static void *wait_there(void *unused)
{
	(void)unused;
	thread = (pid_t)syscall(SYS_gettid);
	for (;;)
		pause();
	return NULL;
}

/* Another guest with all that this one has now. */
static void start_helper(void)
{
	helper = fork();
	if (helper == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
}

static void end_helper(void)
{
	kill(helper, SIGKILL);
	waitpid(helper, NULL, 0);
}

static void start_thread(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, wait_there, NULL) != 0)
		exit(2);
	while (!*(volatile pid_t *)&thread)
		usleep(1000);
}

static void by_roots(void)
{
	static const char *const names[] = { "file", "private", "dir/file", "link", "hard" };
	char path[4200];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "/proc/self/root%s", prey(names[i]));
		strike(path);
		snprintf(path, sizeof path, "/proc/self/cwd/%s", names[i]);
		strike(path);
		snprintf(path, sizeof path, "root%s", prey(names[i]));
		by_link(helper, path);
		by_link(attack_victim, path);
		by_link(1, path);
		snprintf(path, sizeof path, "cwd/%s", names[i]);
		by_link(helper, path);
			snprintf(path, sizeof path, "cwd%s", prey(names[i]));
		by_link(attack_victim, path);
		snprintf(path, sizeof path, "task/%d/cwd/../prey/%s", thread, names[i]);
		by_link(getpid(), path);
	}
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "file", "private", "large", "noted", "dir/file", "link" };
	static const int hows[] = { O_RDONLY | O_NONBLOCK, O_PATH, O_PATH | O_NOFOLLOW };

	if (argc > 2 && !strcmp(argv[1], "--inherited")) {
		start_thread();
		start_helper();
		for (int i = 2; i < argc; i++) {
			TRY(fchmod(atoi(argv[i]), 0700));
			TRY(ftruncate(atoi(argv[i]), 1));
			all_of(atoi(argv[i]));
		}
		end_helper();
		return attack_end();
	}
	attack_begin(argc, argv);
	start_thread();
	if (chdir(attack_prey) < 0)
		return 2;
	for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
		for (size_t h = 0; h < sizeof hows / sizeof hows[0]; h++) {
			int fd = open(prey(names[n]), hows[h]);

			if (fd < 0)
				continue;
			start_helper();
			all_of(fd);
			end_helper();
			close(fd);
		}
	start_helper();
	by_roots();
	end_helper();
	return attack_end();
}
