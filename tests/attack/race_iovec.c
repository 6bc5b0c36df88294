/* What bind, connect and the sends are told, exchanged while they run: the address in its memory, its length, its family, the pointer to it, the
 * pieces of the message, the control messages, and the socket that the descriptor means. They aim at PREY/socket and PREY/datagrams, where the
 * victim hears what comes; bind at making a name in PREY.
 */
#include "race.h"

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un *stream, *datagrams, *fresh, *either, *family;
static struct msghdr *message, *pointed;
static struct mmsghdr *many;
static struct iovec *pieces;
static char *control;
static int inet_fd, stream_fd, datagram_fd, swapped;
static volatile int stop_fds;

/* "prey/name", exchanged with "mine/name". */
static struct sockaddr_un *name_at(const char *name)
{
	struct sockaddr_un *a = race_room(sizeof *a);
	uint32_t mine, theirs;
	const char *dir = strrchr(attack_prey, '/') + 1;
	size_t at = strlen(dir) - 4;

	a->sun_family = AF_UNIX;
	snprintf(a->sun_path, sizeof a->sun_path, "%s/%s", strrchr(race_mine, '/') + 1, name);
	memcpy(&mine, a->sun_path + at, 4);
	memcpy(&theirs, dir + at, 4);
	race_swap(a->sun_path + at, 4, mine, theirs);
	return a;
}

static struct sockaddr_un *prey_at(const char *name)
{
	struct sockaddr_un *a = race_room(sizeof *a);

	a->sun_family = AF_UNIX;
	snprintf(a->sun_path, sizeof a->sun_path, "%s/%s", strrchr(attack_prey, '/') + 1, name);
	return a;
}

static int serve(const char *name, int type)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof a.sun_path, "%s/%s", strrchr(race_mine, '/') + 1, name);
	unlink(a.sun_path);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0)
		perror(a.sun_path);
	if (type == SOCK_STREAM)
		listen(fd, 64);
	return fd;
}

static void drain(int listener, int receiver)
{
	char buf[64];
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
	while (recv(receiver, buf, sizeof buf, 0) >= 0)
		;
}

static void connects(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), dg = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (TRY(connect(fd, (struct sockaddr *)stream, sizeof *stream)) == 0)
		TRY(send(fd, "attack", 6, MSG_NOSIGNAL));
	if (TRY(connect(dg, (struct sockaddr *)datagrams, sizeof *datagrams)) == 0)
		TRY(send(dg, "attack", 6, MSG_NOSIGNAL));
	TRY(connect(dg, (struct sockaddr *)family, sizeof *family));
	TRY(send(dg, "attack", 6, MSG_NOSIGNAL));
	close(fd);
	close(dg);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	TRY(connect(fd, (struct sockaddr *)either, sizeof *either));
	close(fd);
	/* the socket itself is exchanged with one that knows no paths */
	TRY(connect(swapped, (struct sockaddr *)either, sizeof *either));
	TRY(connect(swapped, (struct sockaddr *)datagrams, sizeof *datagrams));
	TRY(send(swapped, "attack", 6, MSG_NOSIGNAL));
	TRY(connect(swapped, (struct sockaddr *)stream, sizeof *stream));
}

static void sends(void)
{
	int dg = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int fds[2] = { dg, swapped };

	for (int i = 0; i < 2; i++) {
		TRY(sendto(fds[i], "attack", 6, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)datagrams, sizeof *datagrams));
		TRY(sendto(fds[i], "attack", 6, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)family, sizeof *family));
		TRY(sendmsg(fds[i], message, MSG_DONTWAIT | MSG_NOSIGNAL));
		TRY(sendmsg(fds[i], pointed, MSG_DONTWAIT | MSG_NOSIGNAL));
		TRY(syscall(SYS_sendmmsg, fds[i], many, 3, MSG_DONTWAIT | MSG_NOSIGNAL));
	}
	close(dg);
}

static void binds(void)
{
	char path[64];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	TRY(bind(fd, (struct sockaddr *)fresh, sizeof *fresh));
	close(fd);
	TRY(bind(swapped, (struct sockaddr *)fresh, sizeof *fresh));
	snprintf(path, sizeof path, "%s/fresh", strrchr(race_mine, '/') + 1);
	unlink(path);
}

static void *exchange_fds(void *unused)
{
	(void)unused;
	for (unsigned turn = 0; !stop_fds; turn++) {
		int from = turn % 3 == 0 ? inet_fd : turn % 3 == 1 ? datagram_fd : stream_fd;

		dup3(from, swapped, O_CLOEXEC);
		for (unsigned wait = turn % 61 * 32; wait; wait--)
			__builtin_ia32_pause();
		if (turn % 32 == 0) { /* a connected one would not move any more */
			close(datagram_fd);
			close(stream_fd);
			datagram_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
			stream_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		}
	}
	return NULL;
}

static void set_messages(int listener)
{
	struct cmsghdr *cm;

	stream = name_at("socket");
	datagrams = name_at("datagrams");
	fresh = name_at("fresh");
	/* a family that knows no paths, with a path behind it: not AF_INET, for which the text would be a real address to send to */
	family = prey_at("datagrams");
	race_swap(&family->sun_family, 1, AF_INET6, AF_UNIX);
	either = prey_at("socket");
	race_swap(&either->sun_family, 1, AF_UNSPEC, AF_UNIX);

	control = race_room(128);
	pieces = race_room(2 * sizeof *pieces);
	message = race_room(sizeof *message);
	pointed = race_room(sizeof *pointed);
	many = race_room(3 * sizeof *many);
	pieces[0] = (struct iovec){ .iov_base = race->room, .iov_len = 6 };
	pieces[1] = (struct iovec){ .iov_base = race->room, .iov_len = 6 };
	race_swap(&pieces[0].iov_base, 8, (uintptr_t)race->room, 16);
	race_swap(&pieces[1].iov_len, 8, 6, UINT64_MAX);
	*message = (struct msghdr){ .msg_name = datagrams, .msg_namelen = sizeof *datagrams, .msg_iov = pieces, .msg_iovlen = 1 };
	message->msg_control = control;
	message->msg_controllen = CMSG_SPACE(sizeof(int));
	cm = CMSG_FIRSTHDR(message);
	*cm = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(cm), &listener, sizeof listener);
	race_swap(&cm->cmsg_len, 8, CMSG_LEN(sizeof(int)), CMSG_LEN(1 << 20));
	race_swap(&cm->cmsg_type, 4, SCM_RIGHTS, SCM_CREDENTIALS);
	race_swap(CMSG_DATA(cm), 4, (uint32_t)listener, 0x7fffffff);
	*pointed = (struct msghdr){ .msg_name = datagrams, .msg_namelen = sizeof *datagrams, .msg_iov = pieces, .msg_iovlen = 2 };
	race_swap(&pointed->msg_name, 8, 0, (uintptr_t)datagrams);
	race_swap(&pointed->msg_namelen, 4, sizeof *datagrams, 0x80000000);
	race_swap(&pointed->msg_iovlen, 8, 1, 2);
	for (int i = 0; i < 3; i++)
		many[i].msg_hdr = (struct msghdr){ .msg_name = datagrams, .msg_namelen = sizeof *datagrams, .msg_iov = pieces, .msg_iovlen = 1 };
	race_swap(&many[1].msg_hdr.msg_name, 8, (uintptr_t)family, (uintptr_t)datagrams);
	race_swap(&many[2].msg_hdr.msg_iov, 8, (uintptr_t)pieces, 16);
}

int main(int argc, char **argv)
{
	const struct sockaddr_in loopback = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	pthread_t fds;
	int listener, receiver;

	attack_begin(argc, argv);
	race_page();
	race_make_mine();
	if (chdir(attack_prey) < 0 || chdir("..") < 0) /* a socket's name is short */
		return 2;
	listener = serve("socket", SOCK_STREAM);
	receiver = serve("datagrams", SOCK_DGRAM);
	inet_fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* nothing leaves the machine by a socket that is bound to the loopback address */
	if (inet_fd < 0 || bind(inet_fd, (struct sockaddr *)&loopback, sizeof loopback) < 0)
		return 2;
	datagram_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	stream_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	swapped = dup(inet_fd);
	set_messages(listener);
	if (pthread_create(&fds, NULL, exchange_fds, NULL) != 0)
		return 2;
	for (int who = 0; who < RACE_WHOS; who++) {
		double share = attack_seconds / 2 / RACE_WHOS;

		race_start(who, share);
		for (double end = attack_now() + share; attack_now() < end;) {
			connects();
			sends();
			binds();
			drain(listener, receiver);
		}
		race_stop();
	}
	stop_fds = 1;
	pthread_join(fds, NULL);
	return attack_end();
}
