/* test_commit_cases_new.c - rows of docs/MERGE-CASES.md: what is new, or of another type. The others: test_commit_cases.c. */
#include "cases_world.h"

/* ---- the host had nothing there ---- */

static void test_created(void **state)
{
	struct world *x = *state;

	box_new(x, "f", "box\n");
	box_mkdir(x, "d");
	box_symlink(x, "f", "l");
	box_mknod(x, "p", S_IFIFO | 0600, 0);
	row(x, 10, "f");
	row(x, 10, "l");
	row(x, 10, "p");
	row(x, 16, "d");
	done(x);
	assert_string_equal(host_read("l"), "box\n");
	assert_true(S_ISFIFO(host_stat_of("p").st_mode));
}

/* Not one alone, nor in a new directory, which comes without; one that the host has gets other metadata like any other. */
static void test_socket(void **state)
{
	struct world *x = *state;

	assert_int_equal(mknod("old", S_IFSOCK | 0600, 0), 0);
	box_mknod(x, "s", S_IFSOCK | 0600, 0);
	box_mkdir(x, "d");
	box_mknod(x, "d/s", S_IFSOCK | 0600, 0);
	box_new(x, "d/f", "box\n");
	box_chmod(x, "old", 0640);
	row(x, 8, "s");
	row(x, 8, "d/s");
	done(x);
	assert_int_equal(host_stat_of("s").st_mode, 0);
	assert_int_equal(host_stat_of("d/s").st_mode, 0);
	assert_string_equal(host_read("d/f"), "box\n");
	assert_int_equal(host_stat_of("old").st_mode, S_IFSOCK | 0640);
}

static void test_both_created_same(void **state)
{
	struct world *x = *state;

	box_new(x, "f", "same\n");
	box_mkdir(x, "d");
	box_chmod(x, "d", 0750);
	box_symlink(x, "f", "l");
	later();
	host_write("f", "same\n");
	mkdir("d", 0750);
	assert_int_equal(symlink("f", "l"), 0);
	row(x, 11, "f");
	row(x, 11, "l");
	done(x);
	assert_string_equal(host_read("f"), "same\n");
}

static void test_both_created(void **state)
{
	struct world *x = *state;

	box_new(x, "f", "box\n");
	host_write("f", "host\n");
	row_keeps(row(x, 12, "f"), 0);
	host_write("f", "the host's, longer\n");
	row(x, 12, "f");
}

static void test_both_created_unmergeable(void **state)
{
	struct world *x = *state;

	box_new(x, "big", "box\n");
	box_new(x, "names", "box\n");
	host_write("big", "host\n");
	assert_int_equal(truncate("big", BIG + 1), 0);
	host_write("names", "host\n");
	assert_int_equal(link("names", "more"), 0);
	row(x, 13, "big");
	row(x, 13, "names");
}

static void test_both_created_equal(void **state)
{
	struct world *x = *state;

	box_new(x, "f", "same\n");
	box_new(x, "attr", "same\n");
	host_write("f", "same\n");
	assert_int_equal(chmod("f", 0600), 0);
	host_write("attr", "same\n");
	assert_int_equal(setxattr("attr", "user.host", "1", 1, 0), 0);
	row(x, 14, "f");
	row(x, 14, "attr");
}

static void test_both_created_types(void **state)
{
	struct world *x = *state;

	box_new(x, "f", "box\n");
	box_mkdir(x, "d");
	box_symlink(x, "box", "l");
	mkdir("f", 0755);
	host_write("d", "host\n");
	assert_int_equal(symlink("host", "l"), 0);
	row(x, 15, "f");
	row(x, 15, "d");
	row(x, 15, "l");
}

static void test_both_made_directory(void **state)
{
	struct world *x = *state;

	box_mkdir(x, "d");
	box_new(x, "d/f", "box\n");
	mkdir("d", 0700);
	row(x, 17, "d");
	row(x, 10, "d/f");
	commit_all(x);
	assert_string_equal(host_read("d/f"), "box\n");
	assert_int_equal(host_mode("d"), 0700);
}

/* The box removed its own, and the host made one of that name. */
static void test_deleted_appeared(void **state)
{
	struct world *x = *state;

	box_new(x, "f", "box\n");
	host_write("f", "host\n");
	box_unlink(x, "f");
	row(x, 18, "f");
	commit_all(x);
	assert_string_equal(host_read("f"), "host\n");
}

/* ---- another type ---- */

static void test_retyped(void **state)
{
	struct world *x = *state;

	for (const char *p = "abcd"; *p; p++) {
		char name[2] = { *p };

		host_write(name, "old\n");
		if (p - "abcd" > 1)
			box_append(x, name, "kept\n");
	}
	box_relink(x, "box", "a");
	box_unlink(x, "b");
	box_mkdir(x, "b");
	box_relink(x, "box", "c");
	box_unlink(x, "d");
	box_mkdir(x, "d");
	row(x, 50, "a");
	row(x, 50, "b");
	later();
	host_touch("c", 1000000);
	host_touch("d", 1000000);
	row(x, 50, "c");
	row(x, 50, "d");
	done(x);
	assert_true(S_ISLNK(host_stat_of("c").st_mode));
	assert_true(S_ISDIR(host_stat_of("d").st_mode));
}

static void test_retyped_changed(void **state)
{
	struct world *x = *state;

	for (const char *p = "abc"; *p; p++) {
		char name[2] = { *p };

		host_write(name, "old\n");
	}
	box_relink(x, "box", "a");
	box_unlink(x, "b");
	box_mkdir(x, "b");
	box_relink(x, "box", "c");
	later();
	host_append("a", "host\n");
	host_append("b", "host\n");
	assert_int_equal(chmod("c", 0600), 0);
	row(x, 51, "a");
	row(x, 51, "b");
	row(x, 51, "c");
	commit_all(x);
	assert_string_equal(host_read("b"), "old\nhost\n");
}

static void test_retyped_removed(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	host_write("d", "old\n");
	box_relink(x, "box", "f");
	box_unlink(x, "d");
	box_mkdir(x, "d");
	assert_int_equal(unlink("f") | unlink("d"), 0);
	row(x, 52, "f");
	row(x, 53, "d");
}

static void test_retyped_both(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	host_write("d", "old\n");
	box_relink(x, "same", "f");
	box_unlink(x, "d");
	box_mkdir(x, "d");
	box_new(x, "d/new", "box\n");
	assert_int_equal(unlink("f") | unlink("d"), 0);
	assert_int_equal(symlink("same", "f"), 0);
	host_touch("f", 1000000);
	mkdir("d", 0700);
	assert_int_equal(chmod("d", 0755), 0);
	row(x, 54, "f");
	done(x);
	assert_string_equal(host_read("d/new"), "box\n");
}

static void test_retyped_differently(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	host_write("d", "old\n");
	box_relink(x, "box", "f");
	box_unlink(x, "d");
	box_mkdir(x, "d");
	assert_int_equal(unlink("f") | unlink("d"), 0);
	assert_int_equal(mkfifo("f", 0644), 0);
	assert_int_equal(symlink("host", "d"), 0);
	row(x, 55, "f");
	row(x, 55, "d");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_created),
		WORLD_TEST(test_socket),
		WORLD_TEST(test_both_created_same),
		WORLD_TEST(test_both_created),
		WORLD_TEST(test_both_created_unmergeable),
		WORLD_TEST(test_both_created_equal),
		WORLD_TEST(test_both_created_types),
		WORLD_TEST(test_both_made_directory),
		WORLD_TEST(test_deleted_appeared),
		WORLD_TEST(test_retyped),
		WORLD_TEST(test_retyped_changed),
		WORLD_TEST(test_retyped_removed),
		WORLD_TEST(test_retyped_both),
		WORLD_TEST(test_retyped_differently),
	};

	cred_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
