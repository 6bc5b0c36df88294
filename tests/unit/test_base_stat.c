/* test_base_stat.c - whether two looks saw the same object. */
#include "fixture.h"

#include "base/stat.h"

static void the_same_until_something_changes(void **state)
{
	const struct stat st = { .st_dev = 1, .st_ino = 2, .st_mode = S_IFREG | 0644, .st_size = 3, .st_mtim = { 4, 5 }, .st_ctim = { 6, 7 } };
	struct stat other[] = { st, st, st, st, st, st, st, st };

	(void)state;
	other[0].st_dev++;
	other[1].st_ino++;
	other[2].st_mode = S_IFREG | 0600;
	other[3].st_size++;
	other[4].st_mtim.tv_sec++;
	other[5].st_mtim.tv_nsec++;
	other[6].st_ctim.tv_sec++;
	other[7].st_ctim.tv_nsec++;
	assert_true(stat_same(&st, &st));
	for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
		assert_false(stat_same(&st, &other[i]));
}

/* Another name, a read, another owner: what the change time tells of needs no field of its own. */
static void names_and_reads_do_not_count(void **state)
{
	const struct stat st = { .st_ino = 2, .st_nlink = 1 };
	struct stat other = st;

	(void)state;
	other.st_nlink = 2;
	other.st_atim.tv_sec = 9;
	other.st_uid = 1;
	assert_true(stat_same(&st, &other));
}

static void on_real_files(void **state)
{
	int fd = dir_file(T(state), "f", "one", 0644);
	struct stat before, after;

	assert_int_equal(fstat(fd, &before), 0);
	assert_int_equal(fstatat(T(state), "f", &after, 0), 0);
	assert_true(stat_same(&before, &after));
	assert_int_equal(write(fd, "two", 3), 3);
	assert_int_equal(fstat(fd, &after), 0);
	assert_false(stat_same(&before, &after));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_until_something_changes),
		cmocka_unit_test(names_and_reads_do_not_count),
		DIR_TEST(on_real_files),
	};

	return cmocka_run_group_tests_name("base/stat", tests, NULL, NULL);
}
