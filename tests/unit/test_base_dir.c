/* test_base_dir.c - listing directories, and the arrays of texts that come of it. */
#include "fixture.h"

#include "base/dir.h"
#include "base/fd.h"
#include "base/strv.h"
#include "base/sys.h"

static void arrays_grow_and_are_sorted(void **state)
{
	_cleanup_strv_ char **v = NULL;
	size_t n = 0;

	(void)state;
	for (int i = 99; i >= 0; i--) {
		char text[8];

		snprintf(text, sizeof text, "%02d", i);
		assert_int_equal(strv_add(&v, &n, text), 0);
		assert_null(v[n]);
	}
	assert_int_equal(n, 100);
	strv_sort(v, n);
	assert_string_equal(v[0], "00");
	assert_string_equal(v[99], "99");
	strv_freep(&v);
	assert_null(v);
	strv_free(NULL);
	strv_sort(NULL, 0);
}

static void names_are_sorted_by_their_bytes(void **state)
{
	static const char *const made[] = { "b", "a", "\xff", ".hidden", "B", "..." }, *const want[] = { "...", ".hidden", "B", "a", "b", "\xff" };
	_cleanup_closedir_ DIR *d = NULL;
	_cleanup_strv_ char **v = NULL;

	for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
		close(dir_file(T(state), made[i], "", 0600));
	assert_int_equal(dir_open(T(state), &d), 0);
	assert_int_equal(dir_names(d, &v), 0);
	for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
		assert_string_equal(v[i], want[i]);
	assert_null(v[sizeof want / sizeof want[0]]);
}

static void an_empty_directory_has_an_empty_array(void **state)
{
	_cleanup_closedir_ DIR *d = NULL;
	_cleanup_strv_ char **v = NULL;

	assert_int_equal(dir_open(T(state), &d), 0);
	assert_int_equal(dir_names(d, &v), 0);
	assert_non_null(v);
	assert_null(v[0]);
}

/* The position of the descriptor does not matter, and stays. */
static void a_stream_starts_at_the_start(void **state)
{
	_cleanup_close_ int path_fd = openat(T(state), ".", O_PATH | O_CLOEXEC);

	close(dir_file(T(state), "f", "", 0600));
	for (int i = 0; i < 3; i++) {
		_cleanup_closedir_ DIR *d = NULL;
		struct dirent *e;

		assert_int_equal(dir_open(i == 2 ? path_fd : T(state), &d), 0);
		e = dir_next(d);
		assert_non_null(e);
		assert_string_equal(e->d_name, "f");
		errno = EIO;
		assert_null(dir_next(d));
		assert_int_equal(errno, 0);
	}
}

static void what_cannot_be_opened(void **state)
{
	_cleanup_close_ int file = dir_file(T(state), "f", "", 0600);
	DIR *d = NULL;

	assert_int_equal(dir_open(file, &d), -ENOTDIR);
	sys_fault(SYS_FAULT_FAIL, 1, EMFILE);
	assert_int_equal(dir_open(T(state), &d), -EMFILE);
	sys_fault(SYS_FAULT_OFF, 0, 0);
	assert_null(d);
}

static int open_fds(void)
{
	_cleanup_closedir_ DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (dir_next(d))
		n++;
	return n;
}

/* A stream owns its descriptor; one that cannot be made leaves none behind. */
static void descriptors_are_owned(void **state)
{
	int before = open_fds();
	DIR *d = NULL;

	assert_int_equal(dir_open(T(state), &d), 0);
	assert_int_equal(open_fds(), before + 1);
	dir_closep(&d);
	assert_int_equal(open_fds(), before);
	assert_null(dir_take(openat(T(state), "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
	assert_int_equal(open_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arrays_grow_and_are_sorted),
		DIR_TEST(names_are_sorted_by_their_bytes),
		DIR_TEST(an_empty_directory_has_an_empty_array),
		DIR_TEST(a_stream_starts_at_the_start),
		DIR_TEST(what_cannot_be_opened),
		DIR_TEST(descriptors_are_owned),
	};

	return cmocka_run_group_tests_name("base/dir", tests, NULL, NULL);
}
