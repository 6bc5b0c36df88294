/* test_base_err.c - messages are set, wrapped and cut as err.h says. */
#include "fixture.h"

#include "base/err.h"

static void sets_message_and_returns_code(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(err_set(&e, -ENOENT, "%s: no such box", "demo"), -ENOENT);
	assert_int_equal(e.code, -ENOENT);
	assert_string_equal(e.msg, "demo: no such box");
}

static void appends_reason(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(err_sys(&e, -EACCES, "/etc/shadow"), -EACCES);
	assert_string_equal(e.msg, "/etc/shadow: Permission denied");
}

static void wraps_outermost_first(void **state)
{
	struct err e = { 0 };

	(void)state;
	err_sys(&e, -EACCES, "/etc/hosts");
	assert_int_equal(err_wrap(&e, "commit"), -EACCES);
	assert_string_equal(e.msg, "commit: /etc/hosts: Permission denied");
}

static void null_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, -EBUSY, "x"), -EBUSY);
	assert_int_equal(err_sys(NULL, -EBUSY, "x"), -EBUSY);
	assert_int_equal(err_wrap(NULL, "x"), -EIO);
}

static void keeps_the_reason_of_a_long_message(void **state)
{
	static const char reason[] = "...: No space left on device";
	char path[4096];
	struct err e = { 0 };

	(void)state;
	memset(path, 'p', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	err_sys(&e, -ENOSPC, "%s", path);
	assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
	assert_string_equal(e.msg + sizeof e.msg - sizeof reason, reason);

	err_set(&e, -ENOSPC, "reason");
	err_wrap(&e, "%s", path);
	assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
	assert_string_equal(e.msg + sizeof e.msg - sizeof "...: reason", "...: reason");

	err_set(&e, -ENOSPC, "%s", path);
	err_wrap(&e, "%s", path);
	assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_message_and_returns_code),
		cmocka_unit_test(appends_reason),
		cmocka_unit_test(wraps_outermost_first),
		cmocka_unit_test(null_is_allowed),
		cmocka_unit_test(keeps_the_reason_of_a_long_message),
	};

	return cmocka_run_group_tests_name("base/err", tests, NULL, NULL);
}
