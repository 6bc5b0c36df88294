/* test_commit_apply.c - changes applied to the host: kinds of change, renames, hard links. */
#include "commit_world.h"

#include <sys/xattr.h>

/* ---- what is applied ---- */

static void test_add_modify_delete(void **state)
{
	struct world *x = *state;

	host_write("m", "old\n");
	host_write("d", "gone\n");
	box_append(x, "m", "new\n");
	box_unlink(x, "d");
	box_new(x, "a", "added\n");
	box_mkdir(x, "dir");
	box_mkdir(x, "dir/sub");
	box_new(x, "dir/sub/f", "deep\n");
	assert_string_equal(host_read("m"), "old\n");
	commit_all(x);
	assert_string_equal(host_read("m"), "old\nnew\n");
	assert_string_equal(host_read("a"), "added\n");
	assert_string_equal(host_read("dir/sub/f"), "deep\n");
	assert_int_equal(access("d", F_OK), -1);
	assert_int_equal(host_stat_of("dir").st_mode & 07777, 0755);
	assert_all(x);
}

static void test_metadata(void **state)
{
	struct world *x = *state;
	const struct timespec old[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000, .tv_nsec = 5 } };
	_cleanup_object_ struct object o;
	char value[8] = "";
	ino_t ino;

	host_write("f", "same\n");
	mkdir("d", 0755);
	ino = host_stat_of("f").st_ino;
	box_chmod(x, "f", 0600);
	box_chmod(x, "d", 01777);
	object_init(&o);
	assert_int_equal(overlay_lookup(x->ov, &x->caller, view(x, "f"), 0, &o), 0);
	assert_int_equal(object_utimens(x->ov, &x->caller, &o, old), 0);
	assert_int_equal(object_setxattr(x->ov, &x->caller, &o, "user.k", "v", 1, 0), 0);
	plan(x);
	assert_int_equal(find(x, "f")->change->kind, CHANGE_META);
	commit_all(x);
	assert_int_equal(host_stat_of("f").st_ino, ino);
	assert_int_equal(host_stat_of("f").st_mode & 07777, 0600);
	assert_int_equal(host_stat_of("f").st_mtim.tv_sec, 1000000000);
	assert_int_equal(host_stat_of("f").st_mtim.tv_nsec, 5);
	assert_int_equal(host_stat_of("d").st_mode & 07777, 01777);
	assert_int_equal(getxattr("f", "user.k", value, sizeof value), 1);
	assert_all(x);
}

static void test_types(void **state)
{
	struct world *x = *state;
	char target[16] = "";

	host_write("to-link", "x");
	host_write("to-dir", "x");
	mkdir("to-file", 0755);
	host_write("to-file/in", "x");
	assert_int_equal(symlink("to-link", "l"), 0);
	box_unlink(x, "to-link");
	box_symlink(x, "nowhere", "to-link");
	box_unlink(x, "to-dir");
	box_mkdir(x, "to-dir");
	box_new(x, "to-dir/in", "in\n");
	box_unlink(x, "to-file/in");
	box_rmdir(x, "to-file");
	box_new(x, "to-file", "file\n");
	box_unlink(x, "l");
	box_symlink(x, "to-dir", "l");
	commit_all(x);
	assert_int_equal(readlink("to-link", target, sizeof target), 7);
	assert_string_equal(host_read("to-dir/in"), "in\n");
	assert_string_equal(host_read("to-file"), "file\n");
	assert_int_equal(readlink("l", target, sizeof target), 6);
	assert_all(x);
}

static void test_rename_file(void **state)
{
	struct world *x = *state;
	ino_t ino;

	host_write("f", "text\n");
	host_write("g", "text\n");
	ino = host_stat_of("f").st_ino;
	box_rename(x, "f", "f2", 0);
	box_rename(x, "g", "g2", 0);
	box_append(x, "g2", "more\n");
	commit_all(x);
	assert_int_equal(host_stat_of("f2").st_ino, ino);
	assert_int_equal(access("f", F_OK), -1);
	assert_int_equal(access("g", F_OK), -1);
	assert_string_equal(host_read("g2"), "text\nmore\n");
	assert_all(x);
}

static void test_rename_dir(void **state)
{
	struct world *x = *state;
	ino_t ino;

	mkdir("d", 0755);
	host_write("d/f", "f\n");
	host_write("d/g", "g\n");
	mkdir("d/e", 0755);
	host_write("d/e/h", "h\n");
	ino = host_stat_of("d").st_ino;
	box_rename(x, "d", "d2", 0);
	box_append(x, "d2/f", "more\n");
	box_unlink(x, "d2/g");
	box_rename(x, "d2/e", "e2", 0);
	box_new(x, "d2/new", "new\n");
	box_mkdir(x, "d");
	box_new(x, "d/again", "again\n");
	box_new(x, "d/f", "another\n");
	commit_all(x);
	assert_int_equal(host_stat_of("d2").st_ino, ino);
	assert_string_equal(host_read("d2/f"), "f\nmore\n");
	assert_string_equal(host_read("d2/new"), "new\n");
	assert_int_equal(access("d2/g", F_OK), -1);
	assert_int_equal(access("d2/e", F_OK), -1);
	assert_string_equal(host_read("e2/h"), "h\n");
	assert_string_equal(host_read("d/again"), "again\n");
	assert_string_equal(host_read("d/f"), "another\n");
	assert_int_equal(access("d/g", F_OK), -1);
	assert_all(x);
}

static void test_exchange_dirs(void **state)
{
	struct world *x = *state;
	ino_t one, two;

	mkdir("one", 0755);
	mkdir("two", 0755);
	host_write("one/1", "1\n");
	host_write("two/2", "2\n");
	one = host_stat_of("one").st_ino;
	two = host_stat_of("two").st_ino;
	box_rename(x, "one", "two", RENAME_EXCHANGE);
	commit_all(x);
	assert_int_equal(host_stat_of("one").st_ino, two);
	assert_int_equal(host_stat_of("two").st_ino, one);
	assert_string_equal(host_read("two/1"), "1\n");
	assert_all(x);
}

/* The new directory comes into the place of the one that moves into it. */
static void test_rename_into_own_place(void **state)
{
	struct world *x = *state;

	mkdir("a", 0755);
	host_write("a/f", "f\n");
	box_rename(x, "a", "t", 0);
	box_mkdir(x, "a");
	box_rename(x, "t", "a/old", 0);
	commit_all(x);
	assert_string_equal(host_read("a/old/f"), "f\n");
	assert_int_equal(access("a/f", F_OK), -1);
	assert_int_equal(access("t", F_OK), -1);
	assert_all(x);
}

/* A directory that was emptied and made anew hides what the host has. */
static void test_opaque(void **state)
{
	struct world *x = *state;

	mkdir("d", 0755);
	host_write("d/a", "a\n");
	host_write("d/b", "b\n");
	box_unlink(x, "d/a");
	box_unlink(x, "d/b");
	box_rmdir(x, "d");
	box_mkdir(x, "d");
	box_new(x, "d/b", "other\n");
	commit_all(x);
	assert_int_equal(access("d/a", F_OK), -1);
	assert_string_equal(host_read("d/b"), "other\n");
	assert_all(x);
}

static void test_renamed_then_removed(void **state)
{
	struct world *x = *state;

	mkdir("d", 0755);
	host_write("d/a", "a\n");
	box_rename(x, "d", "e", 0);
	box_unlink(x, "e/a");
	box_rmdir(x, "e");
	commit_all(x);
	assert_int_equal(access("d", F_OK), -1);
	assert_all(x);
}

/* The origin was noted under another name than the last. */
static void test_changed_then_renamed(void **state)
{
	struct world *x = *state;

	mkdir("d", 0755);
	host_write("d/f", "f\n");
	host_write("d/g", "g\n");
	box_append(x, "d/f", "more\n");
	box_unlink(x, "d/g");
	box_rename(x, "d", "e", 0);
	commit_all(x);
	assert_string_equal(host_read("e/f"), "f\nmore\n");
	assert_int_equal(access("e/g", F_OK), -1);
	assert_int_equal(access("d", F_OK), -1);
	assert_all(x);
}

/* ---- hard links ---- */

static void test_links_in_box(void **state)
{
	struct world *x = *state;

	box_new(x, "a", "one\n");
	box_link(x, "a", "b");
	commit_all(x);
	assert_int_equal(host_stat_of("a").st_ino, host_stat_of("b").st_ino);
	assert_int_equal(host_stat_of("a").st_nlink, 2);
	assert_all(x);
}

static void test_host_links_stay(void **state)
{
	struct world *x = *state;
	ino_t ino;

	host_write("a", "one\n");
	assert_int_equal(link("a", "b"), 0);
	ino = host_stat_of("a").st_ino;
	box_append(x, "a", "two\n");
	commit_all(x);
	assert_int_equal(host_stat_of("a").st_ino, ino);
	assert_int_equal(host_stat_of("b").st_ino, ino);
	assert_string_equal(host_read("b"), "one\ntwo\n");
	assert_all(x);
}

static void test_link_to_host_file(void **state)
{
	struct world *x = *state;
	ino_t ino;

	host_write("a", "one\n");
	ino = host_stat_of("a").st_ino;
	box_link(x, "a", "b");
	box_append(x, "b", "two\n");
	commit_all(x);
	assert_int_equal(host_stat_of("a").st_ino, ino);
	assert_int_equal(host_stat_of("b").st_ino, ino);
	assert_string_equal(host_read("a"), "one\ntwo\n");
	assert_all(x);
}

/* Replaced, not changed: the other name keeps its content, as it would natively. */
static void test_replaced_link(void **state)
{
	struct world *x = *state;

	host_write("a", "one\n");
	assert_int_equal(link("a", "b"), 0);
	box_new(x, "t", "new\n");
	box_rename(x, "t", "a", 0);
	commit_all(x);
	assert_string_equal(host_read("a"), "new\n");
	assert_string_equal(host_read("b"), "one\n");
	/* The history has the other name, which nobody could find again. */
	drop_history(x);
	assert_int_equal(host_stat_of("b").st_nlink, 1);
	assert_all(x);
}

/* Both names replaced, one after the other. */
static void test_both_links_replaced(void **state)
{
	struct world *x = *state;

	host_write("a", "one\n");
	assert_int_equal(link("a", "b"), 0);
	box_new(x, "t", "new a\n");
	box_rename(x, "t", "a", 0);
	box_new(x, "t", "new b\n");
	box_rename(x, "t", "b", 0);
	commit_all(x);
	assert_string_equal(host_read("a"), "new a\n");
	assert_string_equal(host_read("b"), "new b\n");
	assert_all(x);
}

static void test_directory_times(void **state)
{
	struct world *x = *state;

	assert_int_equal(mkdir("d", 0755), 0);
	host_write("d/a", "a\n");
	box_new(x, "d/new", "new\n");
	box_append(x, "d/a", "box\n");
	box_touch(x, "d", 1000000);
	/* What is below goes without it ... */
	plan(x);
	assert_int_equal(x->plan->count, 3);
	choose(x, "d/new");
	apply(x);
	assert_int_not_equal(host_stat_of("d").st_mtim.tv_sec, 1000000);
	plan(x);
	assert_int_equal(find(x, "d")->change->kind, CHANGE_META);
	assert_int_equal(x->plan->count, 2);
	/* ... and it without what is below, and is done with then, whatever the host does to the time later. */
	for (size_t i = 0; i < x->plan->count; i++)
		x->plan->items[i].chosen = &x->plan->items[i] == find(x, "d");
	apply(x);
	assert_int_equal(host_stat_of("d").st_mtim.tv_sec, 1000000);
	host_write("d/later", "host\n");
	plan(x);
	assert_int_equal(x->plan->count, 1);
	find(x, "d/a");
	commit_all(x);
	assert_all(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_add_modify_delete),
		WORLD_TEST(test_metadata),
		WORLD_TEST(test_types),
		WORLD_TEST(test_rename_file),
		WORLD_TEST(test_rename_dir),
		WORLD_TEST(test_exchange_dirs),
		WORLD_TEST(test_rename_into_own_place),
		WORLD_TEST(test_opaque),
		WORLD_TEST(test_renamed_then_removed),
		WORLD_TEST(test_links_in_box),
		WORLD_TEST(test_host_links_stay),
		WORLD_TEST(test_link_to_host_file),
		WORLD_TEST(test_replaced_link),
		WORLD_TEST(test_both_links_replaced),
		WORLD_TEST(test_changed_then_renamed),
		WORLD_TEST(test_directory_times),
	};

	cred_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
