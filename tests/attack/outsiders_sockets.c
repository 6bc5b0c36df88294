/* Sockets of the host's servers: by path, symbolic link, descriptor, working directory, other names made in the box; by abstract name; with the
 * address or the descriptor exchanged while the call is on its way; and netlink, which changes the machine.
 */
#include "outsiders.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static socklen_t address(struct sockaddr_un *a, const char *path)
{
	memset(a, 0, sizeof *a);
	a->sun_family = AF_UNIX;
	size_t n = strlen(path);
	if (n >= sizeof a->sun_path)
		return 0;
	memcpy(a->sun_path, path, n);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
}

static int new_socket(int type)
{
	return socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static void by_address(const struct sockaddr_un *a, socklen_t len)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	struct iovec v = { "attack", 6 };

	if (!len)
		return;
	for (size_t t = 0; t < 3; t++) {
		struct mmsghdr m[2] = { 0 };
		int fd = new_socket(types[t]);

		if (fd < 0)
			continue;
		for (int i = 0; i < 2; i++)
			m[i].msg_hdr = (struct msghdr){ .msg_name = (void *)(uintptr_t)a, .msg_namelen = len, .msg_iov = &v, .msg_iovlen = 1 };
		TRY(sendto(fd, "attack", 6, MSG_NOSIGNAL, (const struct sockaddr *)a, len));
		TRY(sendmsg(fd, &m[0].msg_hdr, MSG_NOSIGNAL));
		TRY(sendmmsg(fd, m, 2, MSG_NOSIGNAL));
		if (TRY(connect(fd, (const struct sockaddr *)a, len)) == 0) {
			TRY(write(fd, "attack", 6));
			TRY(send(fd, "attack", 6, MSG_NOSIGNAL));
		}
		TRY(syscall(SYS_connect, (long)fd | 0x900000000L, a, (long)len));
		close(fd);
	}
}

static void by_path(const char *path)
{
	struct sockaddr_un a;
	socklen_t len = address(&a, path);

	by_address(&a, len);
	if (len && strlen(path) < sizeof a.sun_path - 1)   /* without the byte of zero at its end */
		by_address(&a, len - 1);
}

static void by_name(const char *name)
{
	char path[4200], copy[4096];
	int fd = open(prey(name), O_PATH);

	snprintf(copy, sizeof copy, "%s", prey(name));
	by_path(copy);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	by_path(path);
	snprintf(path, sizeof path, "/proc/thread-self/fd/%d", fd);
	by_path(path);
	snprintf(path, sizeof path, "/dev/fd/%d", fd);
	by_path(path);
	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), fd);
	by_path(path);
	close(fd);
	/* from PREY, which is the working directory */
	by_path(name);
	snprintf(path, sizeof path, "./dir/..//%s", name);
	by_path(path);
	snprintf(path, sizeof path, "/proc/self/cwd/%s", name);
	by_path(path);
	fd = open(attack_prey, O_PATH | O_DIRECTORY);
	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", fd, name);
	by_path(path);
	snprintf(path, sizeof path, "/proc/self/root%s", copy);
	by_path(path);
	snprintf(path, sizeof path, "/proc/%d/root%s", (int)attack_victim, copy);
	by_path(path);
	close(fd);
	/* other names for it */
	if (symlink(copy, "to-it") == 0)
		by_path("to-it");
	unlink("to-it");
	if (symlink(attack_prey, "to-dir") == 0) {
		snprintf(path, sizeof path, "to-dir/%s", name);
		by_path(path);
	}
	unlink("to-dir");
	if (link(name, "second") == 0)
		by_path("second");
	unlink("second");
	TRY(chmod(name, 0777));   /* from here on the box has it */
	by_path(name);
	if (rename(name, "renamed") == 0) {
		by_path("renamed");
		rename("renamed", name);
	}
}

/* In the directory itself, as a relative name after chdir, and after the directory was renamed */
static void by_dir(void)
{
	if (chdir("run") == 0) {
		by_path("docker.sock");
		by_path("dbus/system_bus_socket");
		if (chdir("..") < 0)
			return;
	}
	if (rename("run", "run2") == 0) {
		by_path("run2/docker.sock");
		by_path("run2/systemd/private");
		if (chdir("run2/systemd") == 0) {
			by_path("private");
			if (chdir("../..") < 0)
				return;
		}
		rename("run2", "run");
	}
}

static socklen_t abstract_address(struct sockaddr_un *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
static socklen_t abstract_address(struct sockaddr_un *a, const char *format, ...)
{
	va_list ap;

	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	va_start(ap, format);
	int n = vsnprintf(a->sun_path + 1, sizeof a->sun_path - 1, format, ap);
	va_end(ap);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

/* The victim's abstract name: as it is; while a socket of ours of another type has it too; after a bind to it that failed; and with a line of
 * /proc/net/unix in another name, which says that it is ours. */
static void abstract(void)
{
	static const int types[] = { SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM };
	struct sockaddr_un a, forged;
	socklen_t n = abstract_address(&a, "attack-victim-%d", (int)attack_victim), m;
	struct stat st = { 0 };
	int own[3], forger = new_socket(SOCK_STREAM);

	by_address(&a, n);
	for (size_t t = 0; t < 3; t++) {
		own[t] = new_socket(types[t]);
		TRY(bind(own[t], (struct sockaddr *)&a, n));
		listen(own[t], 10);
		by_address(&a, n);
		if (fstat(own[t], &st) < 0)
			return;
	}
	m = abstract_address(&forged, "x\n0000000000000000: 00000002 00000000 00010000 0001 01 %llu @%s", (unsigned long long)st.st_ino, a.sun_path + 1);
	TRY(bind(forger, (struct sockaddr *)&forged, m));
	by_address(&a, n);
	for (size_t t = 0; t < 3; t++)
		close(own[t]);
	close(forger);
}

/* ---- races ---- */

static volatile int stop;
static volatile union {
	struct sockaddr_un un;
	struct sockaddr_in in;
	char bytes[sizeof(struct sockaddr_un)];
} shared;
static struct sockaddr_un good, bad;
static struct sockaddr_in inet;
static int racing, number, unix_fd, inet_fd;

static void copy_in(const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		shared.bytes[i] = ((const char *)from)[i];
}

static void *exchange(void *arg)
{
	(void)arg;
	for (unsigned i = 0; !stop; i++)
		switch (racing) {
		case 0:   /* the path */
			copy_in(i & 1 ? &bad : &good, sizeof bad);
			break;
		case 1:   /* the family: an Internet address, or the path */
			copy_in(&bad, sizeof bad);
			copy_in(&inet, sizeof inet);
			break;
		case 2:   /* the descriptor: a socket of the Internet, or of the host */
			dup2(i & 1 ? unix_fd : inet_fd, number);
			break;
		case 3:   /* where a symbolic link leads */
			unlink("race-link");
			if (symlink(i & 1 ? "race-own" : "socket", "race-link") < 0)
				usleep(1);
			break;
		case 4: { /* the working directory */
			if (chdir(i & 1 ? "race-dir" : "..") < 0)
				usleep(1);
			break;
		}
		}
	return NULL;
}

static void race(void *arg)
{
	pthread_t t;
	struct iovec v = { "attack", 6 };
	double end = attack_now() + *(double *)arg / 12;
	struct sockaddr_un link_name, *at = (struct sockaddr_un *)(uintptr_t)&shared;
	socklen_t len = sizeof bad;

	number = fcntl(0, F_DUPFD, 100);
	unix_fd = new_socket(SOCK_STREAM);
	inet_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (racing == 3)
		len = address(&link_name, "race-link");
	else if (racing == 4)
		len = address(&link_name, "socket");
	if (racing >= 3)
		at = &link_name;
	if (racing == 2) {
		copy_in(&bad, sizeof bad);
		dup2(inet_fd, number);
	}
	if (pthread_create(&t, NULL, exchange, NULL) != 0)
		return;
	while (attack_now() < end) {
		int stream = new_socket(SOCK_STREAM), datagram = new_socket(SOCK_DGRAM);
		struct msghdr m = { .msg_name = at, .msg_namelen = len, .msg_iov = &v, .msg_iovlen = 1 };

		if (racing == 2) {
			connect(number, (struct sockaddr *)at, len);
			sendto(number, "x", 1, MSG_NOSIGNAL, (struct sockaddr *)at, len);
		} else {
			connect(stream, (struct sockaddr *)at, len);
			sendto(datagram, "x", 1, MSG_NOSIGNAL, (struct sockaddr *)at, len);
			sendmsg(datagram, &m, MSG_NOSIGNAL);
		}
		close(stream);
		close(datagram);
	}
	stop = 1;
	pthread_join(t, NULL);
}

static void races(void)
{
	int own = new_socket(SOCK_STREAM), n;

	mkdir("race-dir", 0755);
	address(&good, "race-own");
	bind(own, (struct sockaddr *)&good, sizeof good);
	listen(own, 1000);
	inet = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	for (n = 0; n < 5; n++) {
		address(&bad, "socket");
		racing = n;
		attack_child(race, &attack_seconds, attack_seconds + 2);
	}
	address(&bad, "datagrams");
	racing = 0;
	attack_child(race, &attack_seconds, attack_seconds + 2);
	close(own);
	unlink("race-own");
	unlink("race-link");
	rmdir("race-dir");
}

/* ---- over their names ---- */

static void bind_over(void)
{
	struct sockaddr_un a;
	int fd = new_socket(SOCK_STREAM);
	socklen_t len = address(&a, "run/docker.sock");

	TRY(bind(fd, (struct sockaddr *)&a, len));
	TRY(unlink("run/docker.sock"));
	TRY(bind(fd, (struct sockaddr *)&a, len));
	TRY(listen(fd, 1));
	close(fd);
}

/* ---- netlink; in boxes only ---- */

static void netlink(void)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
		char attributes[64];
	} m = { 0 };
	static const char event[] = "change@/attack\0ACTION=change\0DEVPATH=/attack\0SUBSYSTEM=attack\0SEQNUM=1";
	char answer[4096];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	/* a dummy device; were it made, it would be taken away again */
	struct rtattr *name = (struct rtattr *)m.attributes, *info = (struct rtattr *)(m.attributes + 20), *kind = (struct rtattr *)(m.attributes + 24);
	*name = (struct rtattr){ .rta_len = 4 + 11, .rta_type = IFLA_IFNAME };
	memcpy(RTA_DATA(name), "attackdev0", 11);
	*info = (struct rtattr){ .rta_len = 4 + 10, .rta_type = IFLA_LINKINFO };
	*kind = (struct rtattr){ .rta_len = 4 + 6, .rta_type = IFLA_INFO_KIND };
	memcpy(RTA_DATA(kind), "dummy", 6);
	/* name takes 16 with its padding */
	memmove(m.attributes + 16, m.attributes + 20, 16);
	m.h = (struct nlmsghdr){ .nlmsg_len = NLMSG_LENGTH(sizeof m.i) + 32, .nlmsg_type = RTM_NEWLINK,
				 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL };
	if (fd >= 0 && TRY(sendto(fd, &m, m.h.nlmsg_len, 0, (struct sockaddr *)&to, sizeof to)) > 0 && recv(fd, answer, sizeof answer, MSG_DONTWAIT) > 0) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)answer;
		const struct nlmsgerr *e = NLMSG_DATA(h);

		errno = -e->error;
		if (TRY(h->nlmsg_type == NLMSG_ERROR && e->error == 0 ? 0 : -1) == 0) {
			reached("a network device");
			m.h.nlmsg_type = RTM_DELLINK;
			m.h.nlmsg_flags = NLM_F_REQUEST;
			sendto(fd, &m, m.h.nlmsg_len, 0, (struct sockaddr *)&to, sizeof to);
		}
	}
	close(fd);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	to.nl_groups = 1;
	if (fd >= 0 && TRY(sendto(fd, event, sizeof event, 0, (struct sockaddr *)&to, sizeof to)) > 0)
		reached("an event of the kernel's kind");
	struct iovec v = { (void *)(uintptr_t)event, sizeof event };
	struct msghdr h = { .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &v, .msg_iovlen = 1 };
	if (fd >= 0 && TRY(sendmsg(fd, &h, 0)) > 0)
		reached("an event of the kernel's kind, by sendmsg");
	close(fd);
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "socket", "datagrams", "run/dbus/system_bus_socket", "run/systemd/private", "run/docker.sock" };

	attack_begin(argc, argv);
	if (chdir(attack_prey) < 0)
		return 1;
	races();
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		by_name(names[i]);
	by_dir();
	abstract();
	bind_over();
	if (!attack_native())
		netlink();
	return attack_end();
}
