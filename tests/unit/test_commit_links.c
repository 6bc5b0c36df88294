/* test_commit_links.c - names of hard-linked host files change places: what is one file in the view is one on the host, and no other. */
#include "commit_world.h"

/* Two pairs of names, and a file of one: c/f = c/L "CCC", b/f = b/L "BBB", a/h "AAA". */
static void make_pairs(void)
{
	assert_int_equal(mkdir("a", 0755) | mkdir("b", 0755) | mkdir("c", 0755), 0);
	host_write("a/h", "AAA\n");
	host_write("b/f", "BBB\n");
	host_write("c/f", "CCC\n");
	assert_int_equal(link("b/f", "b/L") | link("c/f", "c/L"), 0);
}

static void assert_same_file(const char *x, const char *y, nlink_t n)
{
	assert_int_equal(host_stat_of(x).st_ino, host_stat_of(y).st_ino);
	assert_int_equal(host_stat_of(x).st_nlink, n);
}

static void box_swap(struct world *x, const char *p, const char *q)
{
	box_rename(x, p, "t", 0);
	box_rename(x, q, p, 0);
	box_rename(x, "t", q, 0);
}

static void swapped_with_single(struct world *x)
{
	commit_all(x);
	assert_string_equal(host_read("a/h"), "CCC\n");
	assert_string_equal(host_read("c/f"), "CCC\n");
	assert_string_equal(host_read("c/L"), "AAA\n");
	assert_same_file("a/h", "c/f", 2);
	assert_int_equal(host_stat_of("c/L").st_nlink, 1);
	assert_all(x);
}

static void test_swap_by_moves(void **state)
{
	struct world *x = *state;

	make_pairs();
	box_swap(x, "c/L", "a/h");
	swapped_with_single(x);
}

static void test_swap_by_exchange(void **state)
{
	struct world *x = *state;

	make_pairs();
	box_rename(x, "c/L", "a/h", RENAME_EXCHANGE);
	swapped_with_single(x);
}

/* Each of the two needs the name that the other takes. */
static void test_swap_two_pairs(void **state)
{
	struct world *x = *state;
	ino_t b, c;

	make_pairs();
	b = host_stat_of("b/f").st_ino;
	c = host_stat_of("c/f").st_ino;
	box_swap(x, "c/L", "b/L");
	box_append(x, "b/f", "more\n");
	commit_all(x);
	assert_string_equal(host_read("c/L"), "BBB\nmore\n");
	assert_string_equal(host_read("b/L"), "CCC\n");
	assert_same_file("c/L", "b/f", 2);
	assert_same_file("b/L", "c/f", 2);
	assert_int_equal(host_stat_of("b/f").st_ino, b);
	assert_int_equal(host_stat_of("c/f").st_ino, c);
	assert_all(x);
}

/* The old name has something new by the time that the file gets its new one. */
static void test_moved_and_replaced(void **state)
{
	struct world *x = *state;

	make_pairs();
	box_rename(x, "b/L", "b/L2", 0);
	box_new(x, "b/L", "new\n");
	box_rename(x, "c/L", "a/L", 0);
	box_rename(x, "a/h", "c/L", 0);
	commit_all(x);
	assert_string_equal(host_read("b/L"), "new\n");
	assert_string_equal(host_read("b/L2"), "BBB\n");
	assert_same_file("b/L2", "b/f", 2);
	assert_string_equal(host_read("c/L"), "AAA\n");
	assert_same_file("a/L", "c/f", 2);
	assert_all(x);
}

/* Below directories that change places too. */
static void test_swap_in_swapped_directories(void **state)
{
	struct world *x = *state;

	make_pairs();
	box_rename(x, "c/L", "a/h", RENAME_EXCHANGE);
	box_rename(x, "a", "b", RENAME_EXCHANGE);
	commit_all(x);
	assert_string_equal(host_read("b/h"), "CCC\n");
	assert_same_file("b/h", "c/f", 2);
	assert_string_equal(host_read("c/L"), "AAA\n");
	assert_same_file("a/f", "a/L", 2);
	assert_all(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_swap_by_moves),      WORLD_TEST(test_swap_by_exchange),
		WORLD_TEST(test_swap_two_pairs),     WORLD_TEST(test_moved_and_replaced),
		WORLD_TEST(test_swap_in_swapped_directories),
	};

	cred_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
