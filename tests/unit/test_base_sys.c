/* test_base_sys.c - the error convention of the sys_ calls, and fault injection. */
#include "fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/sys.h"

static void errors_are_negative_errno(void **state)
{
	struct stat st;
	char buf[8];
	int dir = T(state);

	assert_int_equal(sys_openat(dir, "none", O_RDONLY, 0), -ENOENT);
	assert_int_equal(sys_openat2(dir, "none", O_RDONLY, 0, 0), -ENOENT);
	assert_int_equal(sys_mkdirat(dir, "a", 0755), 0);
	assert_int_equal(sys_mkdirat(dir, "a", 0755), -EEXIST);
	assert_int_equal(sys_unlinkat(dir, "none", 0), -ENOENT);
	assert_int_equal(sys_renameat2(dir, "a", dir, "a/b", 0), -EINVAL);
	assert_int_equal(sys_fstatat(dir, "none", &st, 0), -ENOENT);
	assert_int_equal(sys_fstat(-1, &st), -EBADF);
	assert_int_equal(sys_fgetxattr(dir, "user.none", buf, sizeof buf), -ENODATA);
	assert_int_equal(sys_ftruncate(-1, 0), -EBADF);
}

static void openat2_takes_what_openat_takes(void **state)
{
	_cleanup_close_ int fd = -1;
	int dir = T(state);

	/* A mode without O_CREAT, and file-type bits in it, are EINVAL to the bare call. */
	fd = sys_openat2(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, S_IFDIR | 0755, 0);
	assert_true(fd >= 0);
	fd_closep(&fd);
	fd = sys_openat2(dir, "f", O_WRONLY | O_CREAT | O_CLOEXEC, S_IFREG | 0600, RESOLVE_BENEATH);
	assert_true(fd >= 0);
	assert_int_equal(sys_openat2(dir, "../x", O_RDONLY, 0, RESOLVE_BENEATH), -EXDEV);
}

static void chmod_and_times_work_on_path_descriptors(void **state)
{
	_cleanup_close_ int file = dir_file(T(state), "f", "x", 0600);
	_cleanup_close_ int path = sys_openat(T(state), "f", O_PATH | O_CLOEXEC, 0);
	struct timespec ts[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000 } };
	struct stat st;

	assert_true(path >= 0);
	assert_int_equal(sys_fchmod(path, 0640), -EBADF);
	assert_int_equal(sys_chmod_fd(path, 04640), 0);
	assert_int_equal(sys_utimensat(path, "", ts, AT_EMPTY_PATH), 0);
	assert_int_equal(sys_fstat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 04640);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	ts[1].tv_sec = 3000;
	assert_int_equal(sys_utimensat(file, NULL, ts, 0), 0);
	assert_int_equal(sys_fstat(file, &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, 3000);
}

static void readlink_terminates_or_refuses(void **state)
{
	char buf[8];

	assert_int_equal(sys_symlinkat("1234567", T(state), "l"), 0);
	assert_int_equal(sys_readlinkat(T(state), "l", buf, 8), 7);
	assert_string_equal(buf, "1234567");
	assert_int_equal(sys_readlinkat(T(state), "l", buf, 7), -ENAMETOOLONG);
	assert_int_equal(sys_readlinkat(T(state), "l", buf, 0), -ENAMETOOLONG);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* A pipe gives and takes little at a time, and signals come in between. */
static void whole_buffers_through_a_pipe_with_signals(void **state)
{
	enum { SIZE = 1 << 20 };
	struct sigaction sa = { .sa_handler = on_alarm }, old;
	_cleanup_free_ char *out = malloc(SIZE), *in = calloc(1, SIZE);
	int p[2], status = 0;
	pid_t child;

	(void)state;
	assert_non_null(out);
	assert_non_null(in);
	for (int i = 0; i < SIZE; i++)
		out[i] = (char)(i * 7 + i / 251);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(sigaction(SIGUSR1, &sa, &old), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		for (int i = 0; i < SIZE; i += SIZE / 8) {
			kill(getppid(), SIGUSR1);
			usleep(2000);
			if (sys_write_all(p[1], out + i, SIZE / 8) < 0)
				_exit(1);
		}
		_exit(0);
	}
	close(p[1]);
	assert_int_equal(sys_read_all(p[0], in, SIZE), SIZE);
	assert_int_equal(sys_read_all(p[0], in, 1), 0);
	assert_memory_equal(in, out, SIZE);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	assert_int_equal(status, 0);
	close(p[0]);
	sigaction(SIGUSR1, &old, NULL);
}

static void reads_stop_at_the_end_of_the_file(void **state)
{
	_cleanup_close_ int fd = dir_file(T(state), "f", "hello", 0600);
	char buf[16];

	assert_int_equal(sys_pread_all(fd, buf, sizeof buf, 1), 4);
	assert_memory_equal(buf, "ello", 4);
	assert_int_equal(sys_pwrite_all(fd, "HE", 2, 0), 0);
	assert_int_equal(sys_pread_all(fd, buf, 5, 0), 5);
	assert_memory_equal(buf, "HEllo", 5);
}

static int three_calls(int dir)
{
	int r = sys_mkdirat(dir, "one", 0755);

	if (r == 0)
		r = sys_mkdirat(dir, "two", 0755);
	if (r == 0)
		r = sys_mkdirat(dir, "three", 0755);
	return r;
}

static int count_dirs(int dir)
{
	return (faccessat(dir, "one", F_OK, 0) == 0) + (faccessat(dir, "two", F_OK, 0) == 0) +
	       (faccessat(dir, "three", F_OK, 0) == 0);
}

static void faults_count_and_fail_the_nth(void **state)
{
	struct stat st;
	int dir = T(state);

	sys_fault(SYS_FAULT_FAIL, 2, ENOSPC);
	assert_int_equal(three_calls(dir), -ENOSPC);
	assert_int_equal(sys_fault_count(), 2);
	assert_int_equal(count_dirs(dir), 1);
	sys_fault(SYS_FAULT_COUNT, 0, 0);
	assert_int_equal(sys_unlinkat(dir, "one", AT_REMOVEDIR), 0);
	assert_int_equal(three_calls(dir), 0);
	assert_int_equal(sys_fstat(dir, &st), 0); /* not counted */
	assert_int_equal(sys_fault_count(), 4);
	sys_fault(SYS_FAULT_OFF, 0, 0);
	assert_int_equal(count_dirs(dir), 3);
	assert_int_equal(sys_fault_count(), 0);
}

static void faults_kill_at_the_nth(void **state)
{
	int dir = T(state), status = 0;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		sys_fault(SYS_FAULT_KILL, 3, 0);
		three_calls(dir);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 137);
	assert_int_equal(count_dirs(dir), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(errors_are_negative_errno),
		DIR_TEST(openat2_takes_what_openat_takes),
		DIR_TEST(chmod_and_times_work_on_path_descriptors),
		DIR_TEST(readlink_terminates_or_refuses),
		DIR_TEST(whole_buffers_through_a_pipe_with_signals),
		DIR_TEST(reads_stop_at_the_end_of_the_file),
		DIR_TEST(faults_count_and_fail_the_nth),
		DIR_TEST(faults_kill_at_the_nth),
	};

	return cmocka_run_group_tests_name("base/sys", tests, NULL, NULL);
}
