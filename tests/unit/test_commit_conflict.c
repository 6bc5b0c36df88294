/* test_commit_conflict.c - what a commit leaves: conflicts, what was not chosen, what waits. */
#include "commit_world.h"

#include "overlay/origins.h"

/* ---- conflicts ---- */

static void assert_conflict(struct world *x, const char *name)
{
	commit_all(x);
	assert_int_equal(find(x, name)->verdict, COMMIT_CONFLICT);
	assert_int_equal(find(x, name)->outcome, COMMIT_LEFT);
	assert_true(find(x, name)->why[0]);
	plan(x);
	find(x, name); /* it is still in the box */
}

static void test_conflict_content(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	host_write("ok", "old\n");
	box_append(x, "f", "box\n");
	box_append(x, "ok", "box\n");
	host_write("f", "host, and longer\n");
	assert_conflict(x, "f");
	assert_string_equal(host_read("f"), "host, and longer\n");
	assert_string_equal(host_read("ok"), "old\nbox\n");
	assert_int_equal(x->result.left, 1);
	assert_int_equal(x->result.done, 1);
}

static void test_conflict_added_both(void **state)
{
	struct world *x = *state;

	box_new(x, "f", "box\n");
	host_write("f", "host\n");
	assert_conflict(x, "f");
	assert_string_equal(host_read("f"), "host\n");
}

static void test_conflict_removed(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	box_append(x, "f", "box\n");
	assert_int_equal(unlink("f"), 0);
	assert_conflict(x, "f");
	assert_int_equal(access("f", F_OK), -1);
}

/* The box removed a directory into which the host has put something since. */
static void test_conflict_in_removed_dir(void **state)
{
	struct world *x = *state;

	mkdir("d", 0755);
	host_write("d/a", "a\n");
	box_unlink(x, "d/a");
	box_rmdir(x, "d");
	host_write("d/late", "late\n");
	assert_conflict(x, "d");
	assert_string_equal(host_read("d/late"), "late\n");
	assert_string_equal(host_read("d/a"), "a\n");
}

/* The record of the host's file with the stamps that it has now, of the content that was kept. */
static void record_again(struct world *x, const char *name)
{
	struct origins *all = NULL;
	char path[2 * PATH_MAX];
	struct origin o;
	struct stat st;
	int layer, log;

	snprintf(path, sizeof path, "%s/layers/1", x->box->path);
	layer = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(origins_load(layer, &all, NULL), 0);
	snprintf(path, sizeof path, "%s/%s", x->w, name);
	assert_non_null(origins_find(all, path));
	o = *origins_find(all, path);
	assert_true(o.base_id > 0);
	assert_int_equal(stat(path, &st), 0);
	origin_from_stat(&o, &st);
	o.when_ns = o.mtime_ns + 1000000;
	assert_int_equal(origins_open(layer, &log), 0);
	assert_int_equal(origins_append(log, &o), 0);
	close(log);
	close(layer);
	origins_free(all);
}

/* A write in the very moment of the copy: the kernel's clock is coarse, and may give it the stamps that the file had already. */
static void test_written_in_the_same_moment(void **state)
{
	struct world *x = *state;

	host_write("f", "before\n");
	box_append(x, "f", "box\n");
	host_write("f", "behind\n");
	record_again(x, "f");
	assert_conflict(x, "f");
	assert_string_equal(host_read("f"), "behind\n");
}

static void test_false_conflict(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	host_write("gone", "old\n");
	box_append(x, "f", "same\n");
	box_unlink(x, "gone");
	box_new(x, "n", "new\n");
	host_write("f", "old\nsame\n");
	host_write("n", "new\n");
	assert_int_equal(unlink("gone"), 0);
	plan(x);
	for (size_t i = 0; i < x->plan->count; i++)
		assert_int_equal(x->plan->items[i].verdict, COMMIT_SAME);
	commit_all(x);
	assert_all(x);
}

static void test_parent_became_symlink(void **state)
{
	struct world *x = *state;

	mkdir("d", 0755);
	host_write("d/f", "f\n");
	box_append(x, "d/f", "box\n");
	assert_int_equal(rename("d", "elsewhere"), 0);
	assert_int_equal(symlink("elsewhere", "d"), 0);
	commit_all(x);
	assert_string_equal(host_read("elsewhere/f"), "f\n");
	assert_int_equal(x->result.done, 0);
}

/* The host changes between the plan and the commit. */
static void test_changed_under_our_hands(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	box_append(x, "f", "box\n");
	plan(x);
	choose(x, "");
	assert_int_equal(find(x, "f")->verdict, COMMIT_APPLY);
	host_write("f", "host, now\n");
	apply(x);
	assert_int_equal(find(x, "f")->outcome, COMMIT_LEFT);
	assert_string_equal(host_read("f"), "host, now\n");
}

/* ---- choosing ---- */

static void test_choose_path(void **state)
{
	struct world *x = *state;

	host_write("m", "old\n");
	box_append(x, "m", "new\n");
	box_mkdir(x, "d");
	box_new(x, "d/a", "a\n");
	box_new(x, "d/b", "b\n");
	plan(x);
	assert_int_equal(choose(x, "nothing"), 0);
	assert_int_equal(choose(x, "d/a"), 1);
	apply(x);
	assert_string_equal(host_read("d/a"), "a\n"); /* its directory came along */
	assert_int_equal(access("d/b", F_OK), -1);
	assert_string_equal(host_read("m"), "old\n");
	plan(x);
	find(x, "d/b");
	find(x, "m");
	commit_all(x);
	assert_string_equal(host_read("d/b"), "b\n");
	assert_string_equal(host_read("d/a"), "a\n");
	assert_all(x);
}

/* A renamed directory waits while something in it cannot go; the rest goes under the old name. */
static void test_rename_waits(void **state)
{
	struct world *x = *state;

	mkdir("d", 0755);
	host_write("d/f", "f\n");
	host_write("d/g", "g\n");
	box_rename(x, "d", "e", 0);
	box_append(x, "e/f", "box\n");
	box_append(x, "e/g", "box\n");
	host_write("d/g", "host, longer\n");
	commit_all(x);
	assert_int_equal(find(x, "e")->verdict, COMMIT_WAIT);
	assert_int_equal(find(x, "e/g")->verdict, COMMIT_CONFLICT);
	assert_string_equal(host_read("d/f"), "f\nbox\n");
	assert_string_equal(host_read("d/g"), "host, longer\n");
	assert_int_equal(access("e", F_OK), -1);
}

static int stop_at_once(void *ctx, const struct commit_item *it, size_t done, size_t total)
{
	(void)ctx;
	(void)it;
	(void)total;
	return done == 1;
}

static void test_stopped(void **state)
{
	struct world *x = *state;
	struct err err = { 0 };

	box_new(x, "a", "a\n");
	box_new(x, "b", "b\n");
	plan(x);
	choose(x, "");
	commit_settle(x->plan);
	assert_int_equal(commit_apply(x->plan, stop_at_once, NULL, &x->result, &err), 0);
	assert_int_equal(x->result.done, 0);
	assert_int_equal(x->result.untried, 2);
	assert_true(x->result.trouble[0]);
	assert_int_equal(access("a", F_OK) & access("b", F_OK), -1);
	plan(x);
	assert_int_equal(x->plan->count, 2);
}

/* Of a file that is too large for its original to be kept, the hash tells a touch from a change. */
static void test_beyond_the_limit(void **state)
{
	struct world *x = *state;
	struct timespec ts[2] = { { .tv_sec = 5 }, { .tv_sec = 5 } };

	host_write("touched", "0123456789\n");
	host_write("changed", "0123456789\n");
	box_begin(x);
	overlay_set_base_limit(x->ov, 4);
	box_append(x, "touched", "box\n");
	box_append(x, "changed", "box\n");
	host_write("touched.new", "0123456789\n");
	host_write("changed.new", "9876543210\n");
	assert_int_equal(rename("touched.new", "touched") | rename("changed.new", "changed"), 0);
	assert_int_equal(utimensat(AT_FDCWD, "changed", ts, 0) | utimensat(AT_FDCWD, "touched", ts, 0), 0);
	plan(x);
	assert_int_equal(find(x, "touched")->change->origin->base_id, 0);
	assert_int_equal(find(x, "changed")->verdict, COMMIT_CONFLICT);
	assert_int_equal(find(x, "touched")->verdict, COMMIT_APPLY);
}

/* A file without an origin under a name that is still known: what was written in the very moment that it was noted is no proof, and whether the host changed
 * it since is a matter of nanoseconds. */
static void test_older_than_the_box(void **state)
{
	struct world *x = *state;
	struct stat st;

	assert_int_equal(mkdir("d", 0755), 0);
	host_write("d/f", "host\n");
	st = host_stat_of("d/f");
	box_begin(x);
	overlay_set_base_limit(x->ov, 4);
	box_rename(x, "d", "e", 0);
	box_append(x, "e/f", "box\n");
	box_rename(x, "e", "g", 0);
	x->box->born_ns = (uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec;
	plan(x);
	assert_int_equal(find(x, "g/f")->verdict, COMMIT_CONFLICT);
	x->box->born_ns++;
	commit_all(x);
	assert_all(x);
	assert_string_equal(host_read("g/f"), "host\nbox\n");
}

/* What the host does in a directory is no matter for the directory's own metadata; what it does to these is. */
static void test_directory_metadata(void **state)
{
	static const char *const dirs[] = { "names", "mode", "same", "touched" };
	struct world *x = *state;

	for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
		assert_int_equal(mkdir(dirs[i], 0755), 0);
	box_chmod(x, "names", 0700);
	box_chmod(x, "mode", 0700);
	box_chmod(x, "same", 0700);
	box_touch(x, "touched", 1000000);
	host_write("names/new", "host\n");
	host_write("touched/new", "host\n");
	assert_int_equal(chmod("mode", 0750), 0);
	assert_int_equal(chmod("same", 0700), 0);
	assert_int_equal(chmod("touched", 0750), 0);
	plan(x);
	assert_int_equal(find(x, "names")->verdict, COMMIT_APPLY);
	assert_int_equal(find(x, "mode")->verdict, COMMIT_CONFLICT);
	assert_int_equal(find(x, "touched")->verdict, COMMIT_CONFLICT);
	assert_int_equal(chmod("touched", 0755), 0);
	commit_all(x);
	assert_int_equal(host_stat_of("names").st_mode & 07777, 0700);
	assert_int_equal(host_stat_of("mode").st_mode & 07777, 0750);
	assert_int_equal(host_stat_of("touched").st_mtim.tv_sec, 1000000);
	plan(x);
	assert_int_equal(x->plan->count, 1);
	find(x, "mode");
}

/* Nobody touches the host: then nothing is a conflict, whatever way the names went. */
static void test_symlink_becomes_directory(void **state)
{
	struct world *x = *state;

	assert_int_equal(mkdir("d", 0755), 0);
	assert_int_equal(symlink("d", "S"), 0);
	box_unlink(x, "S");
	box_mkdir(x, "S");
	box_new(x, "S/f", "w\n");
	commit_all(x);
	assert_all(x);
	assert_string_equal(host_read("S/f"), "w\n");
}

/* What was recorded about a name is found under the one that it has by now on the host. */
static void test_exchanged_then_moved(void **state)
{
	struct world *x = *state;

	assert_int_equal(mkdir("a", 0755) | mkdir("a/d", 0755) | mkdir("b", 0755), 0);
	assert_int_equal(symlink("d", "b/S"), 0);
	host_write("a/d/f", "f\n");
	box_rename(x, "a/d", "b/S", RENAME_EXCHANGE);
	box_rename(x, "b", "a/h", 0);
	commit_all(x);
	assert_all(x);
	assert_string_equal(host_read("a/h/S/f"), "f\n");
	assert_true(S_ISLNK(host_stat_of("a/d").st_mode));
}

/* The record of one was overwritten by that of another, which had its name later. */
static void test_record_of_another(void **state)
{
	struct world *x = *state;

	assert_int_equal(mkdir("b", 0755) | mkdir("c", 0755), 0);
	host_write("b/f", "b\n");
	host_write("c/f", "c\n");
	box_append(x, "c/f", "box\n");
	box_rename(x, "b", "c", RENAME_EXCHANGE);
	box_unlink(x, "c/f");
	commit_all(x);
	assert_all(x);
	assert_string_equal(host_read("b/f"), "c\nbox\n");
	assert_int_equal(access("c/f", F_OK), -1);
}

/* Of two directories that change places, one inside the other's, only some can go: what belongs to the place is not looked for where the
 * thing of that name went. */
static void test_place_below_a_waiting_rename(void **state)
{
	struct world *x = *state;

	assert_int_equal(mkdir("a", 0755) | mkdir("b", 0755) | mkdir("b/d", 0755) | mkdir("c", 0755), 0);
	host_write("b/f", "b\n");
	host_write("b/d/f", "bd\n");
	host_write("c/f", "c\n");
	box_rename(x, "b", "a", RENAME_EXCHANGE);
	box_rename(x, "a/d", "c", RENAME_EXCHANGE);
	box_append(x, "a/d/f", "box\n");
	box_append(x, "a/f", "box\n");
	host_write("b/f", "the host's, longer\n");
	commit_all(x);
	assert_string_equal(host_read("b/f"), "the host's, longer\n");
	assert_string_equal(host_read("b/d/f"), "c\nbox\n");
	assert_string_equal(host_read("c/f"), "bd\n");
}

static void test_made_below_a_waiting_rename(void **state)
{
	struct world *x = *state;

	assert_int_equal(mkdir("a", 0755) | mkdir("b", 0755), 0);
	box_mkdir(x, "b/d");
	box_mkdir(x, "b/d/e");
	box_rename(x, "b", "a/z", 0);
	plan(x);
	choose(x, "a/z/d/e");
	choose(x, "b/d/e");
	apply(x);
	assert_int_equal(x->result.done, 2); /* d came along */
	assert_int_equal(x->result.failed, 0);
	assert_true(S_ISDIR(host_stat_of("b/d/e").st_mode));
	commit_all(x);
	assert_all(x);
	assert_true(S_ISDIR(host_stat_of("a/z/d/e").st_mode));
	assert_int_equal(access("b", F_OK), -1);
}

/* What must come along is named. */
static void test_waits_for_another(void **state)
{
	struct world *x = *state;

	assert_int_equal(mkdir("docs", 0755), 0);
	host_write("docs/a", "a\n");
	box_rename(x, "docs", "papers", 0);
	box_mkdir(x, "docs");
	box_new(x, "docs/README", "new\n");
	plan(x);
	choose(x, "docs/README");
	apply(x);
	assert_int_equal(find(x, "docs")->verdict, COMMIT_WAIT);
	assert_non_null(strstr(find(x, "docs")->why, "/papers, so commit that too"));
	assert_int_equal(access("papers", F_OK), -1);
}

/* What was inside another takes its place, and it goes into a third. */
static void test_inside_out(void **state)
{
	struct world *x = *state;

	assert_int_equal(mkdir("a", 0755) | mkdir("b", 0755) | mkdir("b/d", 0755) | mkdir("b/S", 0755) | mkdir("c", 0755), 0);
	host_write("a/f", "a\n");
	host_write("b/f", "b\n");
	host_write("b/d/f", "bd\n");
	host_write("c/f", "c\n");
	box_rename(x, "c", "b/d", RENAME_EXCHANGE);
	box_rmdir(x, "b/S");
	box_rename(x, "a", "c/S", 0);
	box_rename(x, "c", "b", RENAME_EXCHANGE);
	commit_all(x);
	assert_all(x);
	assert_string_equal(host_read("b/f"), "bd\n");
	assert_string_equal(host_read("b/S/f"), "a\n");
	assert_string_equal(host_read("c/f"), "b\n");
	assert_string_equal(host_read("c/d/f"), "c\n");
}

/* The name has a record of what is elsewhere on the host, where the box had it then. */
static void test_missing_by_moves(void **state)
{
	struct world *x = *state;

	assert_int_equal(mkdir("a", 0755) | mkdir("a/e", 0755) | mkdir("c", 0755) | mkdir("c/e", 0755), 0);
	box_mkdir(x, "a/e/e");
	box_mkdir(x, "c/e/e");
	box_rename(x, "a/e", "c", RENAME_EXCHANGE);
	commit_all(x);
	assert_all(x);
	assert_true(S_ISDIR(host_stat_of("a/e/e/e").st_mode));
	assert_true(S_ISDIR(host_stat_of("c/e").st_mode));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_conflict_content),
		WORLD_TEST(test_conflict_added_both),
		WORLD_TEST(test_conflict_removed),
		WORLD_TEST(test_conflict_in_removed_dir),
		WORLD_TEST(test_written_in_the_same_moment),
		WORLD_TEST(test_false_conflict),
		WORLD_TEST(test_parent_became_symlink),
		WORLD_TEST(test_changed_under_our_hands),
		WORLD_TEST(test_choose_path),
		WORLD_TEST(test_rename_waits),
		WORLD_TEST(test_stopped),
		WORLD_TEST(test_beyond_the_limit),
		WORLD_TEST(test_older_than_the_box),
		WORLD_TEST(test_directory_metadata),
		WORLD_TEST(test_symlink_becomes_directory),
		WORLD_TEST(test_exchanged_then_moved),
		WORLD_TEST(test_record_of_another),
		WORLD_TEST(test_place_below_a_waiting_rename),
		WORLD_TEST(test_made_below_a_waiting_rename),
		WORLD_TEST(test_waits_for_another),
		WORLD_TEST(test_inside_out),
		WORLD_TEST(test_missing_by_moves),
	};

	cred_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
