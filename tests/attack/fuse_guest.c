/* fuse_guest.c - fuse_guest DIRECTORY MARK THREADS: calls whose arguments lie in pages that fuse_server never gives, and calls on names that it never
 * finds, all at once, each in a thread of its own; MARK is made when they are under way. None of them comes back. */
#include "attack.h"

#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

enum { PAGE = 4096 };

static char *page;   /* page: the second one hangs */
static char hang[PATH_MAX];
static const char *dir;

static void act(unsigned kind)
{
	char *stuck = page + PAGE, *const empty[] = { NULL };
	struct iovec iov = { stuck, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = stuck, .msg_controllen = 16 };
	int pair[2];

	switch (kind % 10) {
	case 0: (void)access(stuck, F_OK); break;
	case 1: (void)open(stuck - 1, O_RDWR); break;
	case 2: (void)execve(stuck, empty, empty); break;
	case 3: (void)execve(dir, (char **)(void *)stuck, empty); break;
	case 4: (void)rename(page, stuck); break;
	case 5: (void)connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)(void *)stuck, sizeof(struct sockaddr_un)); break;
	case 6: (void)sendmsg(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0 ? -1 : pair[0], &msg, 0); break;
	case 7: (void)access(hang, F_OK); break;
	case 8: (void)open(hang, O_RDWR | O_CREAT, 0644); break;
	case 9: (void)symlink("x", hang); break;
	}
}

static void *thread_main(void *arg)
{
	act((unsigned)(uintptr_t)arg);
	return NULL;
}

int main(int argc, char **argv)
{
	char path[PATH_MAX];
	int fd;

	if (argc != 4)
		return 2;
	dir = argv[1];
	snprintf(path, sizeof path, "%s/page", dir);
	snprintf(hang, sizeof hang, "%s/hang/name", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	page = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (fd < 0 || page == MAP_FAILED)
		return 2;
	for (int i = 0; i < atoi(argv[3]); i++) {
		pthread_t id;

		if (pthread_create(&id, NULL, thread_main, (void *)(uintptr_t)(unsigned)i) != 0)
			return 2;
	}
	sleep(1);
	close(open(argv[2], O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	for (;;)
		pause();
}
