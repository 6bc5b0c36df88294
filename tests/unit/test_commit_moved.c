/* test_commit_moved.c - what the box moved about before it was changed, removed or made again; and files that have names there. */
#include "cases_world.h"

#include <sys/stat.h>

#include "commit/history.h"

static void host_mkdirs(const char *const *names)
{
	for (; *names; names++)
		assert_int_equal(mkdir(*names, 0755), 0);
}

/* The host has e/b/h; the box moves e below f, makes e anew, and removes f with all that is in it: the records of what was in e are under f. */
static void move_remove_and_make(struct world *x)
{
	host_mkdirs((const char *const[]){ "e", "e/b", "f", NULL });
	host_write("e/b/h", "old\n");
	much_later();
	box_rename(x, "e", "f/c", 0);
	box_mkdir(x, "e");
	box_unlink(x, "f/c/b/h");
	box_rmdir(x, "f/c/b");
	box_rmdir(x, "f/c");
	box_rmdir(x, "f");
	later();
}

static void test_made_again(void **state)
{
	struct world *x = *state;

	move_remove_and_make(x);
	commit_all(x);
	assert_all(x);
	assert_int_equal(access("e", F_OK) | ~access("e/b", F_OK), 0);
}

static void assert_kept(struct world *x)
{
	plan(x);
	assert_int_equal(find(x, "e/b")->verdict, COMMIT_CONFLICT);
	commit_all(x);
	assert_int_equal(access("e/b/h", F_OK), 0);
}

static void test_made_again_and_host_wrote(void **state)
{
	move_remove_and_make(*state);
	host_write("e/b/h", "the host's\n");
	assert_kept(*state);
	assert_string_equal(host_read("e/b/h"), "the host's\n");
}

static void test_made_again_and_host_changed_mode(void **state)
{
	move_remove_and_make(*state);
	assert_int_equal(chmod("e/b/h", 0600), 0);
	assert_kept(*state);
}

static void test_made_again_and_host_made(void **state)
{
	move_remove_and_make(*state);
	host_write("e/b/new", "the host's\n");
	assert_kept(*state);
}

/* A name more of what the box has seen, and a directory that it has seen elsewhere, are the host's too. */
static void test_made_again_and_host_linked(void **state)
{
	move_remove_and_make(*state);
	assert_int_equal(link("e/b/h", "e/b/more"), 0);
	assert_kept(*state);
}

static void test_made_again_and_host_moved(void **state)
{
	struct world *x = *state;

	host_mkdirs((const char *const[]){ "e", "e/b", "f", "seen", NULL });
	much_later();
	box_rename(x, "e", "f/c", 0);
	box_mkdir(x, "e");
	box_rmdir(x, "f/c/b");
	box_rmdir(x, "f/c");
	box_rmdir(x, "f");
	box_chmod(x, "seen", 0700);
	later();
	assert_int_equal(rename("seen", "e/b/seen"), 0);
	plan(x);
	assert_int_equal(find(x, "e/b")->verdict, COMMIT_CONFLICT);
}

/* ---- what the host has moved itself ---- */

/* What is noted of app.new is no proof of what the host has made app of. */
static void swap_on_host(struct world *x)
{
	host_mkdirs((const char *const[]){ "app", "app.new", NULL });
	host_write("app/c", "old\n");
	host_write("app.new/c", "new release\n");
	much_later();
	box_begin(x);
}

static void assert_release(struct world *x)
{
	assert_int_equal(rename("app", "app.old") | rename("app.new", "app"), 0);
	commit_all(x);
	assert_string_equal(host_read("app/c"), "new release\n");
}

static void test_host_swapped_what_was_written(void **state)
{
	struct world *x = *state;

	swap_on_host(x);
	box_unlink(x, "app.new/c");
	box_rmdir(x, "app.new");
	box_append(x, "app/c", "box\n");
	assert_release(x);
}

static void test_host_swapped_what_was_renamed(void **state)
{
	struct world *x = *state;

	swap_on_host(x);
	box_rename(x, "app.new", "gone", 0);
	box_unlink(x, "gone/c");
	box_rmdir(x, "gone");
	box_append(x, "app/c", "box\n");
	assert_release(x);
}

static void test_host_swapped_what_was_removed(void **state)
{
	struct world *x = *state;

	swap_on_host(x);
	box_unlink(x, "app/c");
	box_append(x, "app.new/c", "box\n");
	assert_release(x);
}

static void test_host_swapped_what_was_moved(void **state)
{
	struct world *x = *state;

	swap_on_host(x);
	box_rename(x, "app/c", "d", 0);
	box_append(x, "app.new/c", "box\n");
	assert_release(x);
}

static void test_host_swapped_directories(void **state)
{
	struct world *x = *state;

	host_mkdirs((const char *const[]){ "p", "p/d", "q", "q/d", NULL });
	host_write("p/d/f", "old\n");
	host_write("q/d/f", "precious\n");
	much_later();
	box_unlink(x, "p/d/f");
	box_rmdir(x, "p/d");
	box_append(x, "q/d/f", "box\n");
	assert_int_equal(rename("p", "old") | rename("q", "p"), 0);
	commit_all(x);
	assert_string_equal(host_read("p/d/f"), "precious\n");
}

/* A name that is gone tells nothing of where the host has moved the other. */
static void test_host_moved_one_of_two_names(void **state)
{
	struct world *x = *state;

	host_mkdirs((const char *const[]){ "d", NULL });
	host_write("c", "old\n");
	host_write("x", "precious\n");
	host_write("d/f", "old\n");
	host_write("z", "of z\n");
	assert_int_equal(link("x", "y") | link("z", "zz"), 0);
	much_later();
	box_append(x, "c", "box\n");
	box_unlink(x, "x");
	box_unlink(x, "y");
	box_append(x, "z", "box\n");
	box_unlink(x, "d/f");
	box_rmdir(x, "d");
	later();
	assert_int_equal(unlink("y") | rename("x", "c") | unlink("zz") | rename("z", "d/z"), 0);
	commit_all(x);
	assert_string_equal(host_read("c"), "precious\n");
	assert_string_equal(host_read("d/z"), "of z\n");
}

static void test_attribute_where_a_name_went(void **state)
{
	struct world *x = *state;
	char value[8] = "";

	host_write("a", "old\n");
	assert_int_equal(link("a", "b"), 0);
	if (setxattr("b", "user.host", "1", 1, 0) < 0)
		skip();
	much_later();
	box_unlink(x, "a");
	box_chmod(x, "b", 0640);
	later();
	assert_int_equal(unlink("a") | setxattr("b", "user.host", "2", 1, 0), 0);
	commit_all(x);
	assert_int_equal(getxattr("b", "user.host", value, sizeof value), 1);
	assert_string_equal(value, "2");
}

/* ---- places that are nobody's ---- */

/* Below a directory that was moved away the host's symlink is in nobody's way. */
static void test_below_what_moves_away(void **state)
{
	struct world *x = *state;

	host_mkdirs((const char *const[]){ "b", "b/h", "c", NULL });
	assert_int_equal(symlink("elsewhere", "b/h/h"), 0);
	box_rename(x, "b/h", "c/g", 0);
	box_mkdir(x, "b/h");
	box_mkdir(x, "b/h/h");
	box_new(x, "b/h/h/a", "new\n");
	commit_all(x);
	assert_all(x);
	assert_string_equal(host_read("b/h/h/a"), "new\n");
	assert_true(S_ISLNK(host_stat_of("c/g/h").st_mode));
}

/* What was below a directory that came and went again tells nothing of the file that the host has in its place. */
static void test_below_what_came_and_went(void **state)
{
	struct world *x = *state;

	host_mkdirs((const char *const[]){ "d", "d/e", NULL });
	host_write("f", "old\n");
	box_rename(x, "f", "swap", 0);
	box_rename(x, "d", "f", 0);
	box_rmdir(x, "f/e");
	box_rmdir(x, "f");
	box_mkdir(x, "f");
	box_new(x, "f/e", "new\n");
	commit_all(x);
	assert_all(x);
	assert_string_equal(host_read("f/e"), "new\n");
	assert_string_equal(host_read("swap"), "old\n");
}

static void test_into_what_is_made_in_its_place(void **state)
{
	struct world *x = *state;

	host_mkdirs((const char *const[]){ "a", NULL });
	host_write("a/d", "old\n");
	box_rename(x, "a", "e", 0);
	box_mkdir(x, "a");
	box_rename(x, "e", "a/d", 0);
	commit_all(x);
	assert_all(x);
	assert_string_equal(host_read("a/d/d"), "old\n");
}

/* An ordinary user's may not be moved elsewhere, but another can take its place. */
static void test_over_directory_without_write_bit(void **state)
{
	struct world *x = *state;
	struct undo_result result;
	struct err err = { 0 };

	host_mkdirs((const char *const[]){ "d", "d/h", "g", NULL });
	host_write("d/h/f", "old\n");
	assert_int_equal(chmod("g", 0555), 0);
	box_rename(x, "d/h", "g", 0);
	commit_all(x);
	assert_all(x);
	assert_string_equal(host_read("g/f"), "old\n");
	assert_int_equal(access("d/h", F_OK), -1);
	assert_int_equal(history_undo(x->store, &(struct undo_wish){ 0 }, &result, &err), 0);
	free(result.commit.box);
	free(result.commit.command);
	assert_string_equal(host_read("d/h/f"), "old\n");
	assert_int_equal(host_stat_of("g").st_mode & 07777, 0555);
}

/* Modes that shut their owner out are the last that a commit gives, and the box is rid of what is below all the same. */
static void test_directory_shut(void **state)
{
	struct world *x = *state;

	host_mkdirs((const char *const[]){ "d", "d/a", "d/a/b", NULL });
	host_write("d/a/b/f", "old\n");
	box_append(x, "d/a/b/f", "more\n");
	box_rename(x, "d/a/b", "d/a/c", 0);
	box_chmod(x, "d/a", 0644);
	box_rename(x, "d/a", "e", 0);
	commit_all(x);
	assert_int_equal(x->result.unforgotten, 0);
	assert_all(x);
	assert_int_equal(chmod("e", 0755), 0);
	assert_string_equal(host_read("e/c/f"), "old\nmore\n");
}

/* ---- files with several names ---- */

/* One name is committed, and the history keeps it: the other is no conflict, also when the history is gone. */
static void removed_one_by_one(struct world *x, bool pruned)
{
	host_write("f", "old\n");
	assert_int_equal(link("f", "g"), 0);
	much_later();
	box_unlink(x, "f");
	box_unlink(x, "g");
	plan(x);
	choose(x, "f");
	apply(x);
	if (pruned)
		drop_history(x);
	commit_all(x);
	assert_all(x);
	assert_int_equal(access("f", F_OK) & access("g", F_OK), -1);
}

static void test_names_removed_one_by_one(void **state)
{
	removed_one_by_one(*state, false);
}

static void test_names_removed_one_by_one_and_pruned(void **state)
{
	removed_one_by_one(*state, true);
}

static char *view_read(struct world *x, const char *name)
{
	static char text[64];
	struct opened o;
	ssize_t n;

	assert_int_equal(overlay_open(x->ov, &x->caller, view(x, name), O_RDONLY | O_CLOEXEC, 0, 0, &o), 0);
	n = read(o.fd, text, sizeof text - 1);
	assert_true(n >= 0);
	text[n] = 0;
	close(o.fd);
	return text;
}

/* The name becomes the copy's when it is looked at, and the host's again when the change has left the box. */
static void test_other_name_leaves_too(void **state)
{
	struct world *x = *state;

	host_mkdirs((const char *const[]){ "d", NULL });
	host_write("d/f", "old\n");
	assert_int_equal(link("d/f", "g"), 0);
	box_rename(x, "d/f", "d/h", 0);
	assert_string_equal(view_read(x, "g"), "old\n");
	box_rename(x, "d", "e", 0);
	commit_all(x);
	assert_all(x);
	host_append("g", "more\n");
	assert_string_equal(view_read(x, "g"), "old\nmore\n");
	assert_string_equal(view_read(x, "e/h"), "old\nmore\n");
}

static void test_link_in_new_directory(void **state)
{
	struct world *x = *state;

	host_write("g", "old\n");
	box_mkdir(x, "a");
	box_link(x, "g", "a/c");
	commit_all(x);
	assert_all(x);
	assert_int_equal(host_stat_of("g").st_ino, host_stat_of("a/c").st_ino);
	host_append("g", "more\n");
	assert_string_equal(view_read(x, "g"), "old\nmore\n");
	assert_string_equal(view_read(x, "a/c"), "old\nmore\n");
}

static void test_linked_twice_and_replaced(void **state)
{
	struct world *x = *state;
	ino_t ino;

	host_write("a", "old\n");
	assert_int_equal(symlink("nowhere", "n"), 0);
	ino = host_stat_of("a").st_ino;
	box_link(x, "a", "h");
	box_link(x, "a", "c");
	box_rename(x, "n", "a", 0);
	commit_all(x);
	assert_all(x);
	assert_true(S_ISLNK(host_stat_of("a").st_mode));
	assert_int_equal(host_stat_of("h").st_ino, ino);
	assert_int_equal(host_stat_of("c").st_ino, ino);
}

/* A symlink that replaces one of two names is not the other. */
static void test_symlink_of_several_names(void **state)
{
	struct world *x = *state;
	struct stat before;

	assert_int_equal(symlink("to", "c") | symlink("to", "f") | link("f", "g"), 0);
	before = host_stat_of("g");
	later();
	box_touch(x, "c", 1000000);
	box_rename(x, "c", "f", 0);
	commit_all(x);
	assert_all(x);
	assert_int_equal(host_stat_of("f").st_mtime, 1000000);
	assert_int_equal(host_stat_of("g").st_ino, before.st_ino);
	assert_int_equal(host_stat_of("g").st_mtime, before.st_mtime);
}

/* A part of what hides a directory is committed; what was moved out of it does not show again. */
static void test_hidden_stays_hidden(void **state)
{
	struct world *x = *state;
	_cleanup_object_ struct object o;

	object_init(&o);
	host_mkdirs((const char *const[]){ "e", "e/s", "g", NULL });
	box_rename(x, "e", "g/c", 0);
	box_mkdir(x, "e");
	box_mkdir(x, "h");
	box_rename(x, "g/c/s", "h/a", 0);
	box_rmdir(x, "g/c");
	box_rmdir(x, "g");
	box_chmod(x, "e", 0700);
	plan(x);
	choose(x, "e");
	apply(x);
	assert_int_equal(overlay_lookup(x->ov, &x->caller, view(x, "e/s"), LOOKUP_NOFOLLOW, &o), -ENOENT);
	commit_all(x);
	assert_all(x);
	assert_int_equal(access("h/a", F_OK), 0);
	assert_int_equal(access("e/s", F_OK) & access("g", F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_made_again),
		WORLD_TEST(test_made_again_and_host_wrote),
		WORLD_TEST(test_made_again_and_host_changed_mode),
		WORLD_TEST(test_made_again_and_host_made),
		WORLD_TEST(test_made_again_and_host_linked),
		WORLD_TEST(test_made_again_and_host_moved),
		WORLD_TEST(test_host_swapped_what_was_written),
		WORLD_TEST(test_host_swapped_what_was_renamed),
		WORLD_TEST(test_host_swapped_what_was_removed),
		WORLD_TEST(test_host_swapped_what_was_moved),
		WORLD_TEST(test_host_swapped_directories),
		WORLD_TEST(test_host_moved_one_of_two_names),
		WORLD_TEST(test_attribute_where_a_name_went),
		WORLD_TEST(test_below_what_moves_away),
		WORLD_TEST(test_below_what_came_and_went),
		WORLD_TEST(test_into_what_is_made_in_its_place),
		WORLD_TEST(test_over_directory_without_write_bit),
		WORLD_TEST(test_directory_shut),
		WORLD_TEST(test_names_removed_one_by_one),
		WORLD_TEST(test_names_removed_one_by_one_and_pruned),
		WORLD_TEST(test_other_name_leaves_too),
		WORLD_TEST(test_link_in_new_directory),
		WORLD_TEST(test_linked_twice_and_replaced),
		WORLD_TEST(test_symlink_of_several_names),
		WORLD_TEST(test_hidden_stays_hidden),
	};

	cred_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
