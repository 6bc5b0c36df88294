/* test_landlock.c - what a guest's domain lets through, tried in a child that stands in it: once for each ABI up to the kernel's own. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/fd.h"
#include "../../src/trace/landlock.h"
#include "../skip.h"

struct place {
	char dir[64];
	int host;  /* host: a directory that stands for the host's */
	int layer; /* layer: a directory that is granted */
	int listener; /* listener: on layer/socket */
	int ruleset;
	int abi;
};

/* The ABI that the next group's domain is built for. */
static int group_abi;

static int set_up(void **state)
{
	static struct place p;
	struct err err;
	p.abi = group_abi;
	if (p.abi < 0) {
		print_message("SKIPPED: no Landlock here: %s\n", strerror(-p.abi));
		*state = NULL;
		return 0;
	}
	print_message("a domain of ABI %d\n", p.abi);
	strcpy(p.dir, "/tmp/test-landlock-XXXXXX");
	if (!mkdtemp(p.dir) || chdir(p.dir) < 0 || mkdir("host", 0755) < 0 || mkdir("layer", 0755) < 0)
		return -1;
	p.host = open("host", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p.layer = open("layer", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(openat(p.host, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	close(openat(p.layer, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	if (mkfifoat(p.layer, "fifo", 0644) < 0)
		return -1;
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "layer/socket" };
	p.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(p.listener, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(p.listener, 4) < 0)
		return -1;
	p.ruleset = landlock_build(p.abi, &p.layer, 1, &err);
	if (p.ruleset < 0) {
		print_error("%s\n", err.msg);
		return -1;
	}
	*state = &p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	if (!p)
		return 0;
	unlinkat(p->host, "file", 0);
	close(p->ruleset);
	close(p->listener);
	unlinkat(p->layer, "file", 0);
	unlinkat(p->layer, "fifo", 0);
	unlinkat(p->layer, "socket", 0);
	rmdir("host");
	rmdir("layer");
	return rmdir(p->dir);
}

/* Runs body in a child behind the domain; it returns 0 or the number of the check that failed. */
static void in_domain(struct place *p, int (*body)(struct place *p))
{
	if (!p)
		SKIP("Landlock is not there");
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		if (landlock_enforce(p->ruleset) < 0)
			_exit(99);
		_exit(body(p));
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static bool fails(int result, int code)
{
	return result < 0 && errno == code;
}

static int body_reads(struct place *p)
{
	int fd = openat(p->host, "file", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || openat(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0)
		return 1;
	return access("/bin/sh", X_OK) < 0 ? 2 : 0;
}

static int body_changes_nothing(struct place *p)
{
	if (!fails(openat(p->host, "file", O_WRONLY | O_CLOEXEC), EACCES))
		return 1;
	if (p->abi >= 3 && !fails(openat(p->host, "file", O_RDONLY | O_TRUNC | O_CLOEXEC), EACCES))
		return 2;
	if (!fails(openat(p->host, "new", O_CREAT | O_WRONLY | O_CLOEXEC, 0644), EACCES))
		return 3;
	if (!fails(mkdirat(p->host, "d", 0755), EACCES) || !fails(symlinkat("x", p->host, "s"), EACCES))
		return 4;
	if (!fails(unlinkat(p->host, "file", 0), EACCES) || !fails(renameat(p->host, "file", p->host, "x"), EACCES))
		return 5;
	if (!fails(linkat(p->host, "file", p->host, "x", 0), EACCES))
		return 6;
	if (p->abi >= 3 && !fails(truncate("host/file", 0), EACCES))
		return 7;
	/* Between directories: refused by every ABI, also by the first, which has no right for it. */
	if (renameat(p->host, "file", p->layer, "x") == 0 || linkat(p->host, "file", p->layer, "x", 0) == 0)
		return 8;
	return 0;
}

/* Why guests open nothing themselves: what a domain before ABI 3 does not hold. */
static int body_truncates(struct place *p)
{
	static const int modes[] = { O_RDONLY, O_ACCMODE };
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct stat st;
		int fd = openat(p->host, "full", modes[i] | O_TRUNC | O_CLOEXEC);
		if (p->abi >= 3 ? !fails(fd, EACCES) : fd < 0)
			return 1;
		if (fstatat(p->host, "full", &st, 0) < 0 || (st.st_size == 0) != (p->abi < 3))
			return 2;
	}
	if (truncate("host/full", 0) == 0 && p->abi >= 3)
		return 3;
	return fails(open("host/full", O_WRONLY | O_TRUNC | O_CLOEXEC), EACCES) && fails(creat("host/full", 0600), EACCES) ? 0 : 4;
}

/* The same before ABI 5: an ioctl on a device that was opened for reading. */
static int body_ioctl(struct place *p)
{
	int fd = open("/dev/tty0", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	struct winsize size;
	if (fd < 0)
		return 2;
	int r = ioctl(fd, TIOCGWINSZ, &size);
	return p->abi >= 5 ? !fails(r, EACCES) : r < 0 && errno == EACCES;
}

static int body_layer(struct place *p)
{
	/* Nor in the layer: a device node that root made there would be the host's device. */
	if (!fails(openat(p->layer, "file", O_WRONLY | O_CLOEXEC), EACCES) || !fails(openat(p->layer, "fifo", O_RDWR | O_CLOEXEC), EACCES))
		return 1;
	if (!fails(openat(p->layer, "new", O_CREAT | O_WRONLY | O_CLOEXEC, 0644), EACCES))
		return 2;
	if (!fails(unlinkat(p->layer, "file", 0), EACCES) || !fails(renameat(p->layer, "file", p->layer, "x"), EACCES))
		return 3;
	struct sockaddr_un made = { .sun_family = AF_UNIX, .sun_path = "layer/made" };
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "layer/socket" };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), c = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!fails(bind(s, (struct sockaddr *)&made, sizeof(made)), EACCES))
		return 4;
	return connect(c, (struct sockaddr *)&sun, sizeof(sun)) < 0 ? 5 : 0;
}

static int body_devices(struct place *p)
{
	(void)p;
	static const char *const names[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/dev/ptmx" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (access(names[i], W_OK) == 0 && open(names[i], O_RDWR | O_NOCTTY | O_CLOEXEC) < 0)
			return (int)i + 1;
	return 0;
}

static int body_signals(struct place *p)
{
	if (landlock_has_scopes(p->abi) && !fails(kill(getppid(), 0), EPERM))
		return 1;
	return kill(getpid(), 0) < 0 ? 2 : 0;
}

static int body_trace(struct place *p)
{
	(void)p;
	return fails((int)ptrace(PTRACE_SEIZE, getppid(), 0, 0), EPERM) ? 0 : 1;
}

/* clang-format off */
static void test_reads(void **state) { in_domain(*state, body_reads); }
static void test_changes_nothing(void **state) { in_domain(*state, body_changes_nothing); }
static void test_truncates(void **state)
{
	struct place *p = *state;
	if (!p)
		SKIP("Landlock is not there");
	int fd = openat(p->host, "full", O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "text", 4), 4);
	close(fd);
	in_domain(p, body_truncates);
	unlinkat(p->host, "full", 0);
}
static void test_ioctl(void **state)
{
	int fd = open("/dev/tty0", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		SKIP("no device to try an ioctl on: /dev/tty0: %s", strerror(errno));
	close(fd);
	in_domain(*state, body_ioctl);
}
static void test_layer(void **state) { in_domain(*state, body_layer); }
static void test_devices(void **state) { in_domain(*state, body_devices); }
static void test_signals(void **state) { in_domain(*state, body_signals); }
static void test_trace(void **state) { in_domain(*state, body_trace); }
/* clang-format on */
static int writable_fd = -1;
static int body_inherited(struct place *p)
{
	(void)p;
	if (write(writable_fd, "x", 1) != 1 || ftruncate(writable_fd, 0) < 0)
		return 1;
	return fails(open(FD_PATH(writable_fd), O_WRONLY | O_CLOEXEC), EACCES) ? 0 : 2;
}

/* A descriptor that was opened outside the domain keeps its rights; opening it anew asks the domain. */
static void test_descriptor_from_outside(void **state)
{
	struct place *p = *state;
	if (!p)
		SKIP("Landlock is not there");
	writable_fd = openat(p->host, "file", O_WRONLY | O_CLOEXEC);
	assert_true(writable_fd >= 0);
	in_domain(p, body_inherited);
	close(writable_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_changes_nothing),
		cmocka_unit_test(test_truncates),
		cmocka_unit_test(test_ioctl),
		cmocka_unit_test(test_layer),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_trace),
		cmocka_unit_test(test_descriptor_from_outside),
	};
	int abi = landlock_abi(), failed = 0;
	group_abi = abi < 0 ? abi : 1;
	do {
		/* each stands in the directory of its own */
		failed += cmocka_run_group_tests(tests, set_up, tear_down);
	} while (group_abi >= 0 && ++group_abi <= abi);
	return failed;
}
