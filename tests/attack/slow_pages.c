/* Arguments on pages that fault: beyond a file's end, without rights, unmapped or cut off while the call is on its way, at addresses that cannot
 * be, under userfaultfd. Whoever reads them for a guest must neither stop, nor wait, nor leave the other guests waiting.
 */
#include "outsiders.h"

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { PAGE = 4096, CALLS = 200 };
enum kind { BEYOND, NO_RIGHTS, UNMAPPED, CUT, PROTECTED, DROPPED, ODD, FAULTFD, KINDS };

static char *page;   /* page: the one that faults is page + PAGE; the one before it never does */
static int file = -1;

static char *map(size_t at, int prot, int flags, int fd)
{
	return mmap(at ? page + at : NULL, at ? PAGE : 3 * PAGE, prot, flags | (at ? MAP_FIXED : 0), fd, 0);
}

static bool prepare(enum kind kind)
{
	page = map(0, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	file = memfd_create("pages", MFD_CLOEXEC);
	if (page == MAP_FAILED || file < 0)
		return false;
	if (kind == BEYOND || kind == CUT)
		return map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file) != MAP_FAILED;
	if (kind == NO_RIGHTS)
		return mprotect(page + PAGE, PAGE, PROT_NONE) == 0;
	if (kind == FAULTFD) {
		int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
		struct uffdio_api api = { .api = UFFD_API };
		struct uffdio_register reg = { .range = { (uintptr_t)page + PAGE, PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING };

		return fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0 && ioctl(fd, UFFDIO_REGISTER, &reg) == 0;
	}
	return true;
}

static void *disturb(void *arg)
{
	enum kind kind = *(enum kind *)arg;

	for (;;)
		switch (kind) {
		case UNMAPPED:
			munmap(page + PAGE, PAGE);
			map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
			break;
		case CUT:
			if (ftruncate(file, PAGE) < 0 || ftruncate(file, 0) < 0)
				return NULL;
			break;
		case PROTECTED:
			mprotect(page + PAGE, PAGE, PROT_NONE);
			mprotect(page + PAGE, PAGE, PROT_READ | PROT_WRITE);
			break;
		case DROPPED:
			madvise(page + PAGE, PAGE, MADV_DONTNEED);
			break;
		default:
			return NULL;
		}
}

/* Calls with a path, a structure, an address, a vector and a list of arguments at p */
static void call_at(char *p)
{
	struct iovec v[4] = { { p, 16 }, { p, PAGE }, { (void *)-4096L, 64 }, { p, (size_t)-1 } };
	struct msghdr m = { .msg_name = p, .msg_namelen = sizeof(struct sockaddr_un), .msg_iov = v, .msg_iovlen = 4, .msg_control = p, .msg_controllen = PAGE };
	struct msghdr at_p = { .msg_name = p, .msg_namelen = 110, .msg_iov = (struct iovec *)(uintptr_t)p, .msg_iovlen = 1024 };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), dir = open(attack_prey, O_RDONLY | O_DIRECTORY);

	syscall(SYS_open, p, O_RDONLY | O_NONBLOCK);
	syscall(SYS_stat, attack_prey, p);
	syscall(SYS_statx, AT_FDCWD, p, 0, 0xfff, p);
	syscall(SYS_rename, p, p);
	syscall(SYS_mkdir, p, 0700);
	syscall(SYS_readlink, prey("link"), p, 4096L);
	syscall(SYS_getcwd, p, 4096L);
	syscall(SYS_getdents64, dir, p, 32768L);
	syscall(SYS_setxattr, p, p, p, 4096L, 0);
	syscall(SYS_getxattr, prey("noted"), "user.note", p, 4096L);
	syscall(SYS_listxattr, prey("noted"), p, 4096L);
	syscall(SYS_utimensat, AT_FDCWD, prey("file"), p, 0);
	syscall(SYS_openat2, AT_FDCWD, prey("file"), p, 24L);
	syscall(SYS_openat2, AT_FDCWD, p, p, 100000L);
	syscall(SYS_connect, fd, p, 110L);
	syscall(SYS_bind, fd, p, 110L);
	syscall(SYS_sendmsg, fd, &m, 0);
	syscall(SYS_sendmsg, fd, p, 0);
	syscall(SYS_sendmsg, fd, &at_p, 0);
	syscall(SYS_sendmmsg, fd, p, 1024L, 0);
	syscall(SYS_sendto, fd, "x", 1L, 0, p, 110L);
	syscall(SYS_getsockname, fd, p, p);
	syscall(SYS_chdir, p);
	syscall(SYS_execve, p, p, p);
	syscall(SYS_execveat, dir, p, p, p, 0);
	syscall(SYS_setgroups, 1000L, p);
	syscall(SYS_fcntl, fd, F_SETOWN_EX, p);
	close(fd);
	close(dir);
}

/* Never ends by itself */
static void worry(void *arg)
{
	static char *const odd[] = { NULL, (char *)1, (char *)-1L, (char *)0x7ffffffff000, (char *)0xffffffff81000000, (char *)0x8000000000000000 };
	enum kind kind = *(enum kind *)arg;
	pthread_t t;

	if (!prepare(kind) || pthread_create(&t, NULL, disturb, arg) != 0)
		return;
	for (unsigned i = 0;; i++) {
		/* whole on the page, across its border, and as a text without an end before it */
		static const size_t before[] = { 0, 3, 8, 100 };
		char *p = page + PAGE - before[i % 4];

		if (i % 4)
			memcpy(p, "././././././././././././././././././././././././././././././././././././././././././././././././././", before[i % 4]);
		if (kind == ODD)
			p = odd[i % (sizeof odd / sizeof odd[0])];
		call_at(p);
	}
}

int main(int argc, char **argv)
{
	attack_begin(argc, argv);
	for (enum kind kind = 0; kind < KINDS; kind++) {
		pid_t pids[3];
		double start, took, end = attack_now() + attack_seconds / 16;
		struct stat st;

		fflush(stdout);
		for (int i = 0; i < 3; i++)
			if ((pids[i] = fork()) == 0) {
				worry(&kind);
				_exit(0);
			}
		do {
			start = attack_now();
			for (int i = 0; i < CALLS; i++)
				TRY(stat(prey("file"), &st));
			took = attack_now() - start;
			if (took > 5) {
				printf("kind %d: %d calls take %.1f s\n", (int)kind, CALLS, took);
				reached("the supervisor's time");
			}
		} while (attack_now() < end);
		for (int i = 0; i < 3; i++) {
			kill(pids[i], SIGKILL);
			start = attack_now();
			waitpid(pids[i], NULL, 0);
			if (attack_now() - start > 5)
				reached("a guest that does not end");
		}
		if (stat(prey("file"), &st) < 0)
			reached("the supervisor's end");
	}
	attack_harmless("there is nobody who reads its memory");
	return attack_end();
}
