/* Descriptors of the host's files that may be read only, opened anew for writing by every name that /proc has for them; the host's files by the roots and
 * working directories of processes; another guest's memory and descriptors. */
#include "attack.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

static void write_to(const char *path)
{
	static const int hows[] = { O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC, O_WRONLY | O_APPEND, O_RDWR | O_CREAT, O_WRONLY | O_CREAT | O_TRUNC };

	for (size_t i = 0; i < sizeof hows / sizeof hows[0]; i++) {
		int fd = TRY(open(path, hows[i] | O_NONBLOCK, 0666));

		if (fd < 0)
			continue;
		TRY(write(fd, "attack", 6));
		TRY(ftruncate(fd, 2));
		void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p != MAP_FAILED) {
			if (lseek(fd, 0, SEEK_END) > 0)
				*(volatile char *)p = '!';
			msync(p, 4096, MS_SYNC);
			munmap(p, 4096);
		}
		close(fd);
	}
	TRY(truncate(path, 1));
	TRY(chmod(path, 0777));
}

static void by_number(int fd)
{
	static const char *const forms[] = { "/proc/self/fd/%d", "/proc/thread-self/fd/%d", "/dev/fd/%d", "/proc/self/root/proc/self/fd/%d", "/proc/self/../self/fd/%d" };
	char path[256];

	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		snprintf(path, sizeof path, forms[i], fd);
		write_to(path);
	}
	snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), fd);
	write_to(path);
	snprintf(path, sizeof path, "/proc/%d/task/%ld/fd/%d", getpid(), syscall(SYS_gettid), fd);
	write_to(path);
	int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY), again;

	snprintf(path, sizeof path, "%d", fd);
	again = TRY(openat(dir, path, O_WRONLY | O_TRUNC | O_NONBLOCK));
	if (again >= 0) {
		TRY(write(again, "attack", 6));
		close(again);
	}
	close(dir);
	again = TRY(openat(fd, "", O_WRONLY | O_TRUNC));
	TRY(fcntl(fd, F_SETFL, O_RDWR | O_APPEND));
	TRY(write(fd, "attack", 6));
	TRY(ftruncate(fd, 0));
	void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED) {
		if (TRY(mprotect(p, 4096, PROT_READ | PROT_WRITE)) == 0 && lseek(fd, 0, SEEK_END) > 0)
			*(volatile char *)p = '!';
		TRY(madvise(p, 4096, MADV_REMOVE));
		snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", (unsigned long)p, (unsigned long)p + 4096);
		write_to(path);
		int mem = TRY(open("/proc/self/mem", O_RDWR));
		if (mem >= 0) {
			TRY(pwrite(mem, "attack", 6, (off_t)(uintptr_t)p));
			close(mem);
		}
		struct iovec l = { "attack", 6 }, r = { p, 6 };
		TRY(process_vm_writev(getpid(), &l, 1, &r, 1, 0));
		munmap(p, 4096);
	}
}

/* "/proc/PID/root/PREY/file" and what is like it; cwd is PREY. */
static void by_places(pid_t pid)
{
	char path[4200];

	snprintf(path, sizeof path, "/proc/%d/root%s/file", pid, attack_prey);
	write_to(path);
	snprintf(path, sizeof path, "/proc/%d/cwd/file", pid);
	write_to(path);
	snprintf(path, sizeof path, "/proc/%d/task/%d/cwd/private", pid, pid);
	write_to(path);
	snprintf(path, sizeof path, "/proc/%d/task/%d/root%s/large", pid, pid, attack_prey);
	write_to(path);
	snprintf(path, sizeof path, "/proc/%d/cwd/dir/new", pid);
	write_to(path);
}

/* A guest that has the descriptor hands it to another, or is looked into by it. */
static void between_guests(int fd)
{
	char path[64], room[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec one = { &byte, 1 };
	struct msghdr m = { .msg_iov = &one, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
	int pair[2], got = -1;
	pid_t pid;

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(h), &fd, sizeof fd);
		sendmsg(pair[1], &m, 0);
		pause();
		_exit(0);
	}
	if (TRY(recvmsg(pair[0], &m, 0)) == 1 && CMSG_FIRSTHDR(&m)) {
		memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof got);
		by_number(got);
		close(got);
	}
	snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
	write_to(path);
	by_places(pid);
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	got = (int)TRY(syscall(SYS_pidfd_getfd, pidfd, fd, 0));
	if (got >= 0) {
		by_number(got);
		close(got);
	}
	close(pidfd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(pair[0]);
	close(pair[1]);
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "file", "private", "large", "program", "noted" };

	attack_begin(argc, argv);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		for (int how = 0; how < 2; how++) {
			int fd = open(prey(names[i]), how ? O_PATH : O_RDONLY);

			by_number(fd);
			between_guests(fd);
			close(fd);
		}
	(void)!chdir(attack_prey);
	by_places(getpid());
	by_places(attack_victim);
	if (!getenv("ATTACK_NATIVE"))   /* its working directory is somebody else's */
		by_places(1);
	int fd = open("dir", O_PATH | O_DIRECTORY);
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d/file", fd);
	write_to(path);
	snprintf(path, sizeof path, "/proc/self/fd/%d/../file", fd);
	write_to(path);
	snprintf(path, sizeof path, "/dev/fd/%d/made", fd);
	write_to(path);
	return attack_end();
}
