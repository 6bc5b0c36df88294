/* test_commit_choice.c - what the user did not choose is neither written nor taken away, however the box has tied it to what they chose. */
#include "commit_world.h"

/* The user's files are in home/, what they commit is in w/. */
static void host_home(void)
{
	assert_int_equal(mkdir("home", 0755) | mkdir("w", 0755), 0);
	host_write("home/rc", "rc\n");
	host_write("home/other", "other\n");
}

static void commit_only(struct world *x, const char *name)
{
	plan(x);
	assert_true(choose(x, name) > 0);
	apply(x);
}

static void assert_home_is_as_it_was(void)
{
	assert_string_equal(host_read("home/rc"), "rc\n");
	assert_string_equal(host_read("home/other"), "other\n");
	assert_int_equal(host_stat_of("home/rc").st_nlink, 1);
	assert_int_equal(host_stat_of("home/rc").st_mode & 07777, 0644);
}

static void assert_left(struct world *x, const char *name, const char *reason)
{
	const struct commit_item *it = find(x, name);

	assert_int_equal(it->outcome, COMMIT_LEFT);
	assert_int_equal(it->verdict, COMMIT_WAIT);
	if (!strstr(it->why, reason))
		fail_msg("%s: \"%s\" does not say \"%s\"", name, it->why, reason);
}

static void test_link_to_changed(void **state)
{
	struct world *x = *state;

	host_home();
	box_append(x, "home/rc", "box\n");
	box_link(x, "home/rc", "w/new");
	box_new(x, "w/n", "n\n");
	commit_only(x, "w");
	assert_left(x, "w/new", "home/rc, which was not chosen");
	assert_home_is_as_it_was();
	assert_int_equal(access("w/new", F_OK), -1);
	assert_string_equal(host_read("w/n"), "n\n");
	/* Both chosen, they are one file. */
	plan(x);
	choose(x, "w");
	choose(x, "home/rc");
	apply(x);
	assert_all(x);
	assert_string_equal(host_read("home/rc"), "rc\nbox\n");
	assert_int_equal(host_stat_of("home/rc").st_ino, host_stat_of("w/new").st_ino);
}

/* Else a second run would write through it, and no change would tell of home/rc. */
static void test_link_to_unchanged(void **state)
{
	struct world *x = *state;

	host_home();
	box_link(x, "home/rc", "w/new");
	commit_only(x, "w");
	assert_left(x, "w/new", "it is one more name of");
	assert_home_is_as_it_was();
	plan(x);
	choose(x, "w/new");
	assert_int_equal(choose(x, "home/rc"), 1);
	apply(x);
	assert_all(x);
	assert_int_equal(host_stat_of("home/rc").st_ino, host_stat_of("w/new").st_ino);
}

static void test_link_then_directory_renamed(void **state)
{
	struct world *x = *state;

	host_home();
	box_link(x, "home/rc", "w/new");
	box_rename(x, "home", "away", 0);
	box_new(x, "t", "t\n");
	box_append(x, "w/new", "box\n");
	box_rename(x, "t", "away/rc", 0);
	commit_only(x, "w");
	assert_home_is_as_it_was();
}

static void test_two_links_then_removed(void **state)
{
	struct world *x = *state;

	host_home();
	box_link(x, "home/rc", "w/one");
	box_link(x, "home/rc", "w/two");
	box_append(x, "w/two", "box\n");
	box_unlink(x, "home/rc");
	commit_only(x, "w");
	assert_home_is_as_it_was();
	commit_all(x);
	assert_all(x);
	assert_string_equal(host_read("w/one"), "rc\nbox\n");
	assert_int_equal(access("home/rc", F_OK), -1);
}

static void test_answered_no(void **state)
{
	struct world *x = *state;

	host_home();
	box_append(x, "home/rc", "box\n");
	box_chmod(x, "home/rc", 0777);
	box_link(x, "home/rc", "w/new");
	plan(x);
	((struct commit_item *)find(x, "w/new"))->chosen = true;
	apply(x);
	assert_left(x, "w/new", "home/rc, which was not chosen");
	assert_home_is_as_it_was();
}

static void test_rename_out(void **state)
{
	struct world *x = *state;

	host_home();
	box_rename(x, "home/rc", "w/rc", 0);
	box_append(x, "w/rc", "box\n");
	commit_only(x, "w");
	assert_left(x, "w/rc", "home/rc was not chosen");
	assert_home_is_as_it_was();
	commit_only(x, "home");
	assert_left(x, "w/rc", "w/rc was not chosen");
	assert_home_is_as_it_was();
	plan(x);
	choose(x, "w");
	choose(x, "home");
	apply(x);
	assert_all(x);
	assert_string_equal(host_read("w/rc"), "rc\nbox\n");
}

static void test_rename_in(void **state)
{
	struct world *x = *state;

	host_home();
	host_write("w/f", "f\n");
	box_rename(x, "w/f", "home/rc", 0);
	commit_only(x, "w");
	assert_home_is_as_it_was();
}

static void test_exchange(void **state)
{
	struct world *x = *state;

	host_home();
	host_write("w/f", "f\n");
	box_rename(x, "w/f", "home/rc", RENAME_EXCHANGE);
	commit_only(x, "w");
	assert_home_is_as_it_was();
}

/* What is below a renamed directory has its old place on the host as long as that is left. */
static void test_below_renamed_directory(void **state)
{
	struct world *x = *state;

	host_home();
	box_rename(x, "home", "w/h", 0);
	box_append(x, "w/h/rc", "box\n");
	box_unlink(x, "w/h/other");
	box_new(x, "w/h/new", "new\n");
	commit_only(x, "w");
	assert_left(x, "w/h", "home was not chosen");
	assert_left(x, "w/h/rc", "home/rc, which was not chosen");
	assert_home_is_as_it_was();
	assert_int_equal(access("home/new", F_OK), -1);
	/* No for the directory, yes for what is in it. */
	plan(x);
	((struct commit_item *)find(x, "w/h/rc"))->chosen = true;
	apply(x);
	assert_home_is_as_it_was();
	commit_all(x);
	assert_all(x);
	assert_string_equal(host_read("w/h/rc"), "rc\nbox\n");
}

/* A directory comes along only where nothing has to make room for it. */
static void test_directory_in_place_of_file(void **state)
{
	struct world *x = *state;

	host_home();
	box_unlink(x, "home/rc");
	box_mkdir(x, "home/rc");
	box_new(x, "home/rc/f", "f\n");
	commit_only(x, "home/rc/f");
	assert_left(x, "home/rc/f", "was not chosen");
	assert_home_is_as_it_was();
}

/* The host's own link: its other name is not written because one is removed. */
static void test_written_then_removed(void **state)
{
	struct world *x = *state;

	host_home();
	assert_int_equal(link("home/rc", "w/f") | mkdir("w/d", 0755) | link("home/other", "w/d/f"), 0);
	box_append(x, "w/f", "box\n");
	box_unlink(x, "w/f");
	box_append(x, "w/d/f", "box\n");
	box_unlink(x, "w/d/f");
	box_rmdir(x, "w/d");
	commit_only(x, "w");
	assert_left(x, "w/f", "other names");
	assert_left(x, "w/d", "other names");
	assert_string_equal(host_read("home/rc"), "rc\n");
	assert_string_equal(host_read("home/other"), "other\n");
	commit_all(x);
	assert_all(x);
	assert_string_equal(host_read("home/rc"), "rc\nbox\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_link_to_changed),
		WORLD_TEST(test_link_to_unchanged),
		WORLD_TEST(test_link_then_directory_renamed),
		WORLD_TEST(test_two_links_then_removed),
		WORLD_TEST(test_answered_no),
		WORLD_TEST(test_rename_out),
		WORLD_TEST(test_rename_in),
		WORLD_TEST(test_exchange),
		WORLD_TEST(test_below_renamed_directory),
		WORLD_TEST(test_directory_in_place_of_file),
		WORLD_TEST(test_written_then_removed),
	};

	cred_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
