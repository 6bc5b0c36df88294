/* test_base_descent.c - walking trees in loops. */
#include "fixture.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/descent.h"
#include "base/strv.h"

/* The names "a", "b", ... */
static char **names_of(size_t count)
{
	char **v = calloc(1, sizeof *v);
	size_t n = 0;

	for (size_t k = 0; k < count; k++)
		assert_int_equal(strv_add(&v, &n, (char[]){ (char)('a' + k), '\0' }), 0);
	return v;
}

static void names_come_in_order_and_directories_behind_them(void **state)
{
	char path[PATH_MAX] = "/", other[PATH_MAX] = "/o", seen[256] = "";
	_cleanup_descent_ struct descent d = { .path = { path, other } };
	int r = descent_enter(&d, names_of(2));

	(void)state;
	while (r >= 0 && d.depth) {
		r = descent_step(&d);
		snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s%s:%s ", r ? "" : "<", path, other);
		if (r == 1 && (strcmp(path, "/a") == 0 || strcmp(path, "/a/b") == 0)) {
			r = descent_enter(&d, names_of(strcmp(path, "/a") == 0 ? 2 : 0));
			d.levels[d.depth - 1].mode = 7;
		} else if (r == 0 && d.depth) {
			assert_int_equal(d.levels[d.depth].mode, 7);
		}
	}
	assert_int_equal(r, 0);
	assert_string_equal(seen, "/a:/o/a /a/a:/o/a/a /a/b:/o/a/b </a/b:/o/a/b </a:/o/a /b:/o/b </:/o ");
}

static void what_no_path_can_name_is_passed_over(void **state)
{
	char path[PATH_MAX] = "/";
	_cleanup_descent_ struct descent d = { .path = { path } };
	size_t deep = 0, too_long = 0, left = 0;
	int r = descent_enter(&d, names_of(1));

	(void)state;
	while (d.depth) {
		assert_int_equal(strlen(path) % 2, strlen(path) > 1 ? 0 : 1);
		r = descent_step(&d);
		if (r == -ENAMETOOLONG)
			too_long++;
		else if (r == 0)
			left++;
		else if (r == 1 && descent_enter(&d, names_of(1)) == 0)
			deep++;
	}
	assert_int_equal(deep, (PATH_MAX - 1) / 2);
	assert_int_equal(left, deep + 1);
	assert_int_equal(too_long, 1);
	assert_string_equal(path, "/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_come_in_order_and_directories_behind_them),
		cmocka_unit_test(what_no_path_can_name_is_passed_over),
	};

	return cmocka_run_group_tests_name("base/descent", tests, NULL, NULL);
}
