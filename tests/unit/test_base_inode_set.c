/* test_base_inode_set.c - sets of inodes. */
#include "fixture.h"

#include "base/inode_set.h"

static void what_was_added_is_there(void **state)
{
	struct inode_set s = { 0 };

	(void)state;
	assert_false(inode_set_has(&s, 1, 1));
	for (uint64_t i = 1; i <= 5000; i++)
		for (uint64_t dev = 0; dev < 3; dev++)
			assert_int_equal(inode_set_add(&s, dev, i * 8), 0);
	assert_int_equal(s.used, 15000);
	for (uint64_t i = 1; i <= 5000; i++) {
		assert_true(inode_set_has(&s, i % 3, i * 8));
		assert_false(inode_set_has(&s, 3, i * 8));
		assert_false(inode_set_has(&s, i % 3, i * 8 + 1));
	}
	inode_set_release(&s);
	assert_false(inode_set_has(&s, 0, 8));
}

static void twice_is_once_and_zero_is_nothing(void **state)
{
	struct inode_set s = { 0 };

	(void)state;
	assert_int_equal(inode_set_add(&s, 7, 0), 0);
	assert_false(inode_set_has(&s, 7, 0));
	assert_int_equal(inode_set_add(&s, 7, UINT64_MAX), 0);
	assert_int_equal(inode_set_add(&s, 7, UINT64_MAX), 0);
	assert_int_equal(s.used, 1);
	assert_true(inode_set_has(&s, 7, UINT64_MAX));
	assert_false(inode_set_has(&s, 7, 0));
	inode_set_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_added_is_there),
		cmocka_unit_test(twice_is_once_and_zero_is_nothing),
	};

	return cmocka_run_group_tests_name("base/inode_set", tests, NULL, NULL);
}
