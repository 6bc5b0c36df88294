/* AF_UNIX sockets between guests: bind, connect, names, long paths, descriptors passed over. */
#include "guest.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static socklen_t name_of(struct sockaddr_un *a, const char *path)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	snprintf(a->sun_path, sizeof(a->sun_path), "%s", path);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
}

static int bind_to(int s, const char *path)
{
	struct sockaddr_un a;
	socklen_t n = name_of(&a, path);

	return bind(s, (struct sockaddr *)&a, n);
}

static int connect_to(int s, const char *path)
{
	struct sockaddr_un a;
	socklen_t n = name_of(&a, path);

	return connect(s, (struct sockaddr *)&a, n);
}

static void streams(const char *path)
{
	struct sockaddr_un a;
	socklen_t n = sizeof(a);
	char buf[16] = "";
	int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), t;

	printf("-- %s\n", path);
	SHOW(connect_to(c, path));
	SHOW(bind_to(s, path));
	guest_stat(path);
	SHOW(connect_to(c, path));
	SHOW(listen(s, 5));
	SHOW(connect_to(c, path));
	SHOW(t = accept(s, NULL, NULL));
	SHOW(write(c, "hello", 5));
	SHOW(read(t, buf, sizeof(buf)));
	printf("%s\n", buf);
	SHOW(getsockname(s, (struct sockaddr *)&a, &n));
	printf("name %s size %d\n", guest_relative(a.sun_path), n == offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
	n = sizeof(a);
	SHOW(getpeername(c, (struct sockaddr *)&a, &n));
	printf("peer %s\n", guest_relative(a.sun_path));
	SHOW(bind_to(socket(AF_UNIX, SOCK_STREAM, 0), path));
	SHOW(bind_to(s, "again"));
	close(s);
	close(c);
	close(t);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(connect_to(c, path));
	SHOW(unlink(path));
	SHOW(connect_to(c, path));
	close(c);
}

static void datagrams(void)
{
	struct sockaddr_un a;
	socklen_t n;
	char buf[16] = "";
	int r = socket(AF_UNIX, SOCK_DGRAM, 0), s = socket(AF_UNIX, SOCK_DGRAM, 0);

	SHOW(bind_to(r, "dgram"));
	SHOW(bind_to(s, "sender"));
	n = name_of(&a, "dgram");
	SHOW(sendto(s, "data", 4, 0, (struct sockaddr *)&a, n));
	n = sizeof(a);
	memset(&a, 0, sizeof(a));
	SHOW(recvfrom(r, buf, sizeof(buf), 0, (struct sockaddr *)&a, &n));
	/* Not the sender's name: it differs, see docs/DIFFERENCES.md. But an answer to it must reach the sender. */
	SHOW(sendto(r, "back", 4, 0, (struct sockaddr *)&a, n));
	SHOW(recv(s, buf, sizeof(buf), 0));
	n = name_of(&a, "dgram");
	struct iovec iov = { buf, 4 };
	struct msghdr m = { .msg_name = &a, .msg_namelen = n, .msg_iov = &iov, .msg_iovlen = 1 };

	SHOW(sendmsg(s, &m, 0));
	SHOW(recv(r, buf, sizeof(buf), 0));
	struct mmsghdr mm[2] = { { .msg_hdr = m }, { .msg_hdr = m } };

	SHOW(sendmmsg(s, mm, 2, 0));
	SHOW(recv(r, buf, sizeof(buf), 0));
	SHOW(recv(r, buf, sizeof(buf), 0));
	n = name_of(&a, "none");
	SHOW(sendto(s, "data", 4, 0, (struct sockaddr *)&a, n));
	n = name_of(&a, "host/f1");
	SHOW(sendto(s, "data", 4, 0, (struct sockaddr *)&a, n));
	close(r);
	n = name_of(&a, "dgram");
	SHOW(sendto(s, "data", 4, 0, (struct sockaddr *)&a, n));
	close(s);
}

static void errnos(void)
{
	struct sockaddr_un a;
	char path[200];
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	SHOW(bind_to(s, "host/f1"));
	SHOW(bind_to(s, "host/none/s"));
	SHOW(bind_to(s, "host/f1/s"));
	SHOW(connect_to(s, "host/f1"));
	SHOW(connect_to(s, "host/dir"));
	name_of(&a, "x");
	SHOW(bind(s, (struct sockaddr *)&a, 1));
	SHOW(bind(s, (struct sockaddr *)&a, 200));
	SHOW(bind(s, (struct sockaddr *)8, 20));
	SHOW(bind(77, (struct sockaddr *)&a, 10));
	/* 108 bytes without a NUL are a legal name */
	memset(&a, 0, sizeof(a));
	a.sun_family = AF_UNIX;
	memset(a.sun_path, 'n', sizeof(a.sun_path));
	SHOW(bind(s, (struct sockaddr *)&a, sizeof(a)));
	memset(path, 'n', 108);
	path[108] = 0;
	guest_stat(path);
	SHOW(listen(s, 1));
	int c = socket(AF_UNIX, SOCK_STREAM, 0);

	SHOW(connect(c, (struct sockaddr *)&a, sizeof(a)));
	close(s);
	close(c);
	/* abstract names and autobind are of no file system */
	memset(&a, 0, sizeof(a));
	a.sun_family = AF_UNIX;
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(bind(s, (struct sockaddr *)&a, sizeof(a.sun_family)));
	SHOW(listen(s, 1));
	socklen_t n = sizeof(a);

	SHOW(getsockname(s, (struct sockaddr *)&a, &n) || a.sun_path[0]);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(connect(c, (struct sockaddr *)&a, n));
}

static socklen_t abstract_name(struct sockaddr_un *a, const char *text)
{
	int n;

	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	n = snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1, "cowbox-test-%d%s", (int)getpid(), text);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

/* abstract names with any bytes, of several types, and while very many others come and go */
static void abstract_names(void)
{
	struct sockaddr_un a, b;
	socklen_t n = abstract_name(&a, "\nx y"), m;
	int s = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), q, failed = 0;

	printf("-- abstract names\n");
	SHOW(connect(c, (struct sockaddr *)&a, n));
	SHOW(bind(d, (struct sockaddr *)&a, n));
	SHOW(connect(c, (struct sockaddr *)&a, n));
	SHOW(bind(s, (struct sockaddr *)&a, n));
	SHOW(bind(c, (struct sockaddr *)&a, n));
	SHOW(listen(s, 10));
	SHOW(connect(c, (struct sockaddr *)&a, n));
	for (int i = 0; i < 9000; i++) {
		char text[20];

		snprintf(text, sizeof(text), " %d", i);
		m = abstract_name(&b, text);
		q = socket(AF_UNIX, SOCK_DGRAM, 0);
		failed += bind(q, (struct sockaddr *)&b, m) < 0;
		close(q);
	}
	printf("%d failed\n", failed);
	close(c);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(connect(c, (struct sockaddr *)&a, n));
	q = socket(AF_UNIX, SOCK_DGRAM, 0);
	SHOW(sendto(q, "x", 1, 0, (struct sockaddr *)&a, n));
	close(s);
	close(c);
	close(d);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(connect(c, (struct sockaddr *)&a, n));
	SHOW(sendto(q, "x", 1, 0, (struct sockaddr *)&a, n));
	close(c);
	close(q);
}

/* servers that are gone as soon as they have what they waited for, and names that only an accepted connection still has */
static void short_lived(void)
{
	struct sockaddr_un a;
	socklen_t n = abstract_name(&a, "short");
	int good = 0, again, s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), t;

	printf("-- short-lived\n");
	for (int i = 0; i < 100; i++) {
		int server = socket(AF_UNIX, SOCK_STREAM, 0);
		char byte = 0;

		bind(server, (struct sockaddr *)&a, n);
		listen(server, 1);
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0) {
			int got = accept(server, NULL, NULL);

			close(server);
			_exit(write(got, "x", 1) == 1 ? 0 : errno);
		}
		close(server);
		int client = socket(AF_UNIX, SOCK_STREAM, 0);
		good += connect(client, (struct sockaddr *)&a, n) == 0 && read(client, &byte, 1) == 1 && byte == 'x';
		close(client);
		guest_wait(pid);
	}
	printf("%d good\n", good);
	SHOW(bind(s, (struct sockaddr *)&a, n));
	SHOW(listen(s, 5));
	SHOW(connect(c, (struct sockaddr *)&a, n));
	t = accept(s, NULL, NULL);
	SHOW(bind(t, (struct sockaddr *)&a, sizeof(a.sun_family)));
	again = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(connect(again, (struct sockaddr *)&a, n));
	close(again);
	close(s);
	again = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(connect(again, (struct sockaddr *)&a, n));
	SHOW(bind(again, (struct sockaddr *)&a, n));
	close(again);
	close(c);
	close(t);
}

/* a client that asks for credentials gets a name from the kernel, and is answered by it */
static void autobound(void)
{
	struct sockaddr_un a, from;
	socklen_t n = abstract_name(&a, "server"), m = sizeof(from);
	int s = socket(AF_UNIX, SOCK_DGRAM, 0), c = socket(AF_UNIX, SOCK_DGRAM, 0), one = 1;
	char buf[16] = "";

	printf("-- autobound\n");
	SHOW(setsockopt(c, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)));
	SHOW(bind(s, (struct sockaddr *)&a, n));
	SHOW(sendto(c, "hello", 5, 0, (struct sockaddr *)&a, n));
	SHOW(recvfrom(s, buf, sizeof(buf), 0, (struct sockaddr *)&from, &m));
	printf("%s, from a name of %d bytes\n", buf, (int)m);
	SHOW(sendto(s, "answer", 6, 0, (struct sockaddr *)&from, m));
	SHOW(recv(c, buf, sizeof(buf), MSG_DONTWAIT));
	close(c);
	c = socket(AF_UNIX, SOCK_DGRAM, 0);
	SHOW(setsockopt(c, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)));
	SHOW(connect(c, (struct sockaddr *)&a, n));
	SHOW(getsockname(c, (struct sockaddr *)&from, &m));
	SHOW(sendto(s, "answer", 6, 0, (struct sockaddr *)&from, m));
	SHOW(recv(c, buf, sizeof(buf), MSG_DONTWAIT));
	close(s);
	close(c);
}

/* what a message says of its sender, and what no message may hold */
static void messages(void)
{
	union {
		struct cmsghdr h;
		char bytes[4096];
	} control;
	struct iovec v[2] = { { (char[]){ "xy" }, 1 }, { (char[]){ "xy" }, 1 } };
	struct sockaddr_un a;
	socklen_t n = name_of(&a, "messages");
	struct msghdr h = { .msg_name = &a, .msg_namelen = n, .msg_iov = v, .msg_iovlen = 2, .msg_control = &control };
	int s = socket(AF_UNIX, SOCK_DGRAM, 0), c = socket(AF_UNIX, SOCK_DGRAM, 0), one = 1;
	struct ucred u = { getpid(), getuid(), getgid() };
	struct cmsghdr *p = &control.h;

	printf("-- messages\n");
	setsockopt(s, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
	SHOW(bind(s, (struct sockaddr *)&a, n));
	memset(&control, 0, sizeof(control));
	*p = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(u)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS };
	memcpy(CMSG_DATA(p), &u, sizeof(u));
	h.msg_controllen = CMSG_SPACE(sizeof(u));
	SHOW(sendmsg(c, &h, 0));
	h.msg_controllen = sizeof(control);
	SHOW(recvmsg(s, &h, MSG_DONTWAIT));
	memcpy(&u, CMSG_DATA(p), sizeof(u));
	printf("type %d uid %d gid %d\n", p->cmsg_type, (int)u.uid, (int)u.gid);

	h = (struct msghdr){ .msg_name = &a, .msg_namelen = n, .msg_iov = v, .msg_iovlen = 2 };
	v[1].iov_len = (size_t)-1;
	SHOW(sendmsg(c, &h, 0));
	v[1].iov_len = 1;
	/* 400 descriptors, in two pieces */
	memset(&control, 0, sizeof(control));
	h.msg_control = &control;
	h.msg_controllen = 2 * CMSG_SPACE(200 * sizeof(int));
	for (int i = 0; i < 2; i++, p = CMSG_NXTHDR(&h, p))
		*p = (struct cmsghdr){ .cmsg_len = CMSG_LEN(200 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	SHOW(sendmsg(c, &h, 0));
	close(s);
	close(c);
}

/* an open file handed over is the same file */
static void passing(void)
{
	char control[CMSG_SPACE(sizeof(int))] = "", c = 'x', buf[16] = "";
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	int pair[2], fd = open("host/f2", O_RDWR), got = -1;

	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(int));
	SHOW(sendmsg(pair[0], &m, 0));
	SHOW(recvmsg(pair[1], &m, 0));
	h = CMSG_FIRSTHDR(&m);
	if (h)
		memcpy(&got, CMSG_DATA(h), sizeof(int));
	SHOW(pwrite(got, "PASSED", 6, 0));
	SHOW(pread(fd, buf, 6, 0));
	printf("%s\n", buf);
	guest_cat("host/f2");
}

static void between_processes(void)
{
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	char buf[16] = "";

	mkdir("fresh", 0755);
	SHOW(bind_to(s, "fresh/server"));
	SHOW(listen(s, 1));
	fflush(stdout);
	pid_t pid = fork();

	if (pid == 0) {
		int c = socket(AF_UNIX, SOCK_STREAM, 0);

		if (chdir("fresh") < 0 || connect_to(c, "../fresh/server") < 0 || write(c, "child", 5) != 5)
			_exit(errno);
		_exit(0);
	}
	int t = accept(s, NULL, NULL);

	printf("read %zd %s\n", read(t, buf, 15), buf);
	guest_wait(pid);
}

int main(void)
{
	guest_start();
	streams("sock");
	streams("host/dir/sock");
	streams("host/dirlink/sock");
	streams("./host/../host/s2");
	datagrams();
	errnos();
	passing();
	between_processes();
	abstract_names();
	short_lived();
	autobound();
	messages();
	return 0;
}
