/* test_base_fd.c - ownership macros and descriptor paths. */
#include "fixture.h"

#include <limits.h>

#include <sys/wait.h>

#include "base/fd.h"
#include "base/sys.h"

static int make_and_drop(int take)
{
	_cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int number = fd;

	assert_true(fd >= 0);
	errno = EXDEV;
	if (take)
		return TAKE_FD(fd);
	return number;
}

static void closes_at_the_end_of_the_scope(void **state)
{
	int fd = make_and_drop(0);

	(void)state;
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(errno, EBADF);
}

static void take_moves_ownership_and_errno_stays(void **state)
{
	int fd = make_and_drop(1);

	(void)state;
	assert_int_equal(errno, EXDEV);
	assert_int_not_equal(fcntl(fd, F_GETFD), -1);
	fd_closep(&fd);
	assert_int_equal(fd, -1);
}

static void take_ptr_leaves_null(void **state)
{
	_cleanup_free_ char *p = strdup("x");
	_cleanup_free_ char *q = TAKE_PTR(p);

	(void)state;
	assert_null(p);
	assert_string_equal(q, "x");
}

static void path_of_a_descriptor(void **state)
{
	char real[PATH_MAX], small[4];

	assert_string_equal(FD_PATH(0), "/proc/self/fd/0");
	assert_string_equal(FD_PATH(1234567), "/proc/self/fd/1234567");
	assert_string_equal(FD_PATH(INT_MAX), "/proc/self/fd/2147483647");
	assert_int_equal(fd_real_path(T(state), real, sizeof real), (int)strlen(((struct dir *)*state)->path));
	assert_string_equal(real, ((struct dir *)*state)->path);
	assert_int_equal(fd_real_path(T(state), small, sizeof small), -ENAMETOOLONG);
	assert_int_equal(fd_real_path(-1, real, sizeof real), -ENOENT);
}

/* Paths and descriptors by a kept directory of /proc; a child has its own table, and must not go by its parent's. */
static void kept_proc_directory(void **state)
{
	const char *dir = ((struct dir *)*state)->path;
	char real[PATH_MAX];
	int fd, status;

	fd_keep_proc();
	fd_keep_proc();
	assert_int_equal(fd_real_path(T(state), real, sizeof real), (int)strlen(dir));
	assert_string_equal(real, dir);
	assert_int_equal(fd_real_path(-1, real, sizeof real), -ENOENT);
	fd = sys_reopen(T(state), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	assert_true(fd >= 0);
	close(fd);
	fd = openat(T(state), "other", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	pid_t pid = fork();
	if (pid == 0) {
		/* the number is another file's here than in the parent */
		if (dup2(T(state), fd) != fd || fd_real_path(fd, real, sizeof real) < 0)
			_exit(2);
		_exit(strcmp(real, dir) != 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closes_at_the_end_of_the_scope),
		cmocka_unit_test(take_moves_ownership_and_errno_stays),
		cmocka_unit_test(take_ptr_leaves_null),
		DIR_TEST(path_of_a_descriptor),
		DIR_TEST(kept_proc_directory),
	};

	return cmocka_run_group_tests_name("base/fd", tests, NULL, NULL);
}
