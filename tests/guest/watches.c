/* inotify between guests: names made, changed, moved and removed in host directories and in fresh ones. */
#include "guest.h"
#include <poll.h>
#include <sys/inotify.h>

static void drain(int fd, const char *what)
{
	char buf[8192] __attribute__((aligned(8)));
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint32_t seen = 0;
	int named = 0;

	while (poll(&p, 1, 300) > 0) {
		ssize_t n = read(fd, buf, sizeof(buf));

		for (char *at = buf; n > 0 && at < buf + n;) {
			struct inotify_event *e = (struct inotify_event *)at;

			seen |= e->mask;
			named |= e->len && strcmp(e->name, "x") == 0;
			at += sizeof(*e) + e->len;
		}
	}
	/* how many and which of open and close come is not promised; that the change itself is told is */
	printf("%s: create %d modify %d delete %d moved %d named %d\n", what, !!(seen & IN_CREATE), !!(seen & IN_MODIFY),
	       !!(seen & IN_DELETE), !!(seen & (IN_MOVED_FROM | IN_MOVED_TO)), named);
}

int main(void)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	uint32_t mask = IN_CREATE | IN_MODIFY | IN_DELETE | IN_MOVE;

	SHOW(mkdir("fresh", 0755));
	SHOW(inotify_add_watch(fd, "fresh", mask));
	guest_put("fresh/x", "1");
	drain(fd, "create");
	guest_put("fresh/x", "2");
	drain(fd, "modify");
	rename("fresh/x", "fresh/y");
	drain(fd, "rename");
	unlink("fresh/y");
	drain(fd, "delete");
	SHOW(inotify_rm_watch(fd, 1));
	SHOW(inotify_rm_watch(fd, 1));
	SHOW(inotify_add_watch(fd, "host/none", mask));
	SHOW(inotify_add_watch(fd, "host/f1", mask | IN_ONLYDIR));
	SHOW(inotify_add_watch(77, "host/f1", mask));
	SHOW(inotify_add_watch(fd, "host/f1", 0));
	guest_put("new", "1");
	SHOW_OK(inotify_add_watch(fd, "new", IN_MODIFY));
	guest_put("new", "2");
	drain(fd, "file");
	return 0;
}
