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
	return 0;
}
