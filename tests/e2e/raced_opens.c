/* raced_opens.c - a guest that exchanges what an open names, or its flags, while the supervisor looks at the call.
 *
 *     raced_opens DIR SECONDS [KIND...]
 *
 * DIR (absolute, the host's) holds the links n -> /dev/null, t -> /dev/tty, m -> /dev/ptmx, p -> /proc/self/fd/10, the files v and w0 to w999, and
 * perhaps k -> a device that guests may not have. A thread flips the last letter of the path between two of them (or flags of openat2) all the time, while
 * another opens. It ends with 0 also when it won: whether the host's files are whole is for who runs it to see, but for devices, of which it says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PIPE_FD = 10, FILES = 1000 };

static const char *dir;
static double seconds;
static volatile int stop;

struct flipper {
	volatile char *letter;
	char harmless, wanted;
	volatile uint64_t *flags;
	uint64_t calm, wild;
};

static void *flip(void *arg)
{
	struct flipper *f = arg;

	for (unsigned i = 0; !stop; i++) {
		/* long enough for one to be read, of a length that changes */
		for (volatile unsigned n = 0; n < 200 + i * 7919 % 3000; n++)
			;
		if (f->letter)
			*f->letter = i & 1 ? f->wanted : f->harmless;
		if (f->flags)
			*f->flags = i & 1 ? f->wild : f->calm;
	}
	return NULL;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One of the devices that a guest may have. */
static int fair(const struct stat *st)
{
	unsigned maj = major(st->st_rdev);

	return !S_ISCHR(st->st_mode) || (maj == 1 && minor(st->st_rdev) != 11) || maj == 5 || (maj >= 136 && maj <= 143);
}

static void look(int fd, const char *kind)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && !fair(&st))
		printf("%s: a device %u:%u was opened\n", kind, major(st.st_rdev), minor(st.st_rdev));
	close(fd);
}

static void race_path(const char *kind, char harmless, char wanted, int flags)
{
	char path[4096];
	pthread_t t;
	unsigned long tries = 0, got = 0;
	double end = now() + seconds;

	snprintf(path, sizeof path, "%s/%c", dir, harmless);
	struct flipper f = { .letter = path + strlen(path) - 1, .harmless = harmless, .wanted = wanted };

	stop = 0;
	pthread_create(&t, NULL, flip, &f);
	while (now() < end) {
		int fd = (int)syscall(SYS_open, path, flags);

		tries++;
		if (fd >= 0) {
			got++;
			look(fd, kind);
		}
	}
	stop = 1;
	pthread_join(t, NULL);
	printf("%s: %s\n", kind, tries && got ? "tried" : "nothing could be opened");
}

/* Many files, since one that the supervisor has seen opened for truncation is the box's own from then on. */
static void race_how(void)
{
	static char path[4096];
	struct open_how how = { 0 };
	struct flipper f = { .flags = (volatile uint64_t *)&how.flags, .calm = O_PATH, .wild = O_RDONLY | O_TRUNC };
	pthread_t t;
	unsigned long got = 0;

	stop = 0;
	pthread_create(&t, NULL, flip, &f);
	for (int i = 0; i < FILES; i++) {
		int fd;

		snprintf(path, sizeof path, "%s/w%d", dir, i);
		fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
		if (fd >= 0) {
			got++;
			close(fd);
		}
	}
	stop = 1;
	pthread_join(t, NULL);
	printf("openat2: %s\n", got ? "tried" : "nothing could be opened");
}

/* A thread that is traced makes its own call, with openat2's flags where they are. */
static void traced_how(void)
{
	/* absolute, since only the path itself can be written over, and "/proc/self/fd/N/new" must fit */
	char cwd[2048], name[4096];
	int go[2], status;

	snprintf(name, sizeof name, "%s/new", getcwd(cwd, sizeof cwd) ? cwd : "");
	close(open(name, O_CREAT | O_WRONLY, 0600));
	if (pipe(go))
		return;
	fflush(stdout);
	pid_t pid = fork();

	if (pid == 0) {
		struct open_how how = { .flags = O_PATH };
		char c;

		if (read(go[0], &c, 1) != 1)
			_exit(9);
		int old = openat(AT_FDCWD, name, O_PATH);
		int new = (int)syscall(SYS_openat2, AT_FDCWD, name, &how, sizeof how);
		printf("traced: openat %s, openat2 %s\n", old < 0 ? "fails" : "works", new < 0 ? "fails" : "works");
		fflush(stdout);
		_exit(0);
	}
	ptrace(PTRACE_SEIZE, pid, 0, 0);
	if (write(go[1], "x", 1) != 1)
		return;
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
		ptrace(PTRACE_CONT, pid, 0, 0);
}

int main(int argc, char **argv)
{
	int p[2];

	if (argc < 3 || pipe(p) || dup2(p[0], PIPE_FD) < 0)
		return 2;
	dir = argv[1];
	seconds = atof(argv[2]);
	for (int i = 3; i < argc; i++) {
		const char *k = argv[i];

		if (!strcmp(k, "null"))
			race_path(k, 'n', 'v', O_RDONLY | O_TRUNC);
		else if (!strcmp(k, "null-3"))
			race_path(k, 'n', 'v', O_ACCMODE | O_TRUNC);
		else if (!strcmp(k, "null-create"))
			race_path(k, 'n', 'v', O_RDONLY | O_CREAT | O_TRUNC);
		else if (!strcmp(k, "null-write"))
			race_path(k, 'n', 'v', O_WRONLY | O_TRUNC);
		else if (!strcmp(k, "pipe"))
			race_path(k, 'p', 'v', O_RDONLY | O_TRUNC | O_NONBLOCK);
		else if (!strcmp(k, "ptmx"))
			race_path(k, 'm', 'v', O_RDONLY | O_TRUNC | O_NOCTTY);
		else if (!strcmp(k, "device"))
			race_path(k, 'n', 'k', O_RDONLY | O_NONBLOCK);
		else if (!strcmp(k, "openat2"))
			race_how();
		else if (!strcmp(k, "traced"))
			traced_how();
		else
			return 2;
	}
	return 0;
}
