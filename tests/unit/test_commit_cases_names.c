/* test_commit_cases_names.c - rows of docs/MERGE-CASES.md: directories, removals and renames. The others: test_commit_cases.c. */
#include "cases_world.h"

static void host_mkdir(const char *name)
{
	assert_int_equal(mkdir(name, 0755), 0);
}

/* Removed and made again, with another inode: the old one is there until the new one is. */
static void host_mkdir_anew(const char *name)
{
	assert_int_equal(rename(name, "old one"), 0);
	host_mkdir(name);
	assert_int_equal(rmdir("old one"), 0);
}

/* ---- directories ---- */

static void test_directory_metadata(void **state)
{
	struct world *x = *state;

	host_mkdir("names");
	host_mkdir("anew");
	host_mkdir("opaque");
	host_write("opaque/f", "old\n");
	box_chmod(x, "names", 0700);
	box_chmod(x, "anew", 0700);
	box_unlink(x, "opaque/f");
	box_rmdir(x, "opaque");
	box_mkdir(x, "opaque");
	box_chmod(x, "opaque", 0700);
	later();
	host_write("names/new", "host\n");
	host_mkdir_anew("anew");
	row(x, 60, "names");
	row(x, 60, "anew");
	row(x, 60, "opaque");
	row(x, 80, "opaque/f");
	done(x);
	assert_int_equal(host_mode("names") | host_mode("anew") | host_mode("opaque"), 0700);
	assert_string_equal(host_read("names/new"), "host\n");
	assert_int_equal(access("opaque/f", F_OK), -1);
}

static void test_directory_metadata_both(void **state)
{
	struct world *x = *state;

	host_mkdir("mode");
	host_mkdir("time");
	box_chmod(x, "mode", 0700);
	box_touch(x, "time", 1000000);
	assert_int_equal(chmod("mode", 0750) | chmod("time", 0750), 0);
	row(x, 61, "mode");
	row(x, 61, "time");
	commit_all(x);
	assert_int_equal(host_mode("mode") & host_mode("time"), 0750);
}

static void test_directory_same_metadata(void **state)
{
	struct world *x = *state;

	host_mkdir("d");
	box_chmod(x, "d", 0700);
	box_touch(x, "d", 1000000);
	assert_int_equal(chmod("d", 0700), 0);
	row(x, 62, "d");
	done(x);
}

static void test_directory_removed(void **state)
{
	struct world *x = *state;

	host_mkdir("d");
	host_write("d/f", "old\n");
	box_append(x, "d/f", "box\n");
	box_new(x, "d/new", "box\n");
	assert_int_equal(unlink("d/f") | rmdir("d"), 0);
	row(x, 63, "d");
	row(x, 42, "d/f");
	row(x, 10, "d/new");
	commit_all(x);
	assert_int_equal(find(x, "d/new")->verdict, COMMIT_WAIT);
	host_mkdir("d");
	commit_all(x);
	assert_string_equal(host_read("d/new"), "box\n");
}

static void test_directory_against_file(void **state)
{
	struct world *x = *state;

	host_mkdir("d");
	box_new(x, "d/new", "box\n");
	box_chmod(x, "d", 0700);
	assert_int_equal(rmdir("d"), 0);
	host_write("d", "host\n");
	row(x, 64, "d");
	commit_all(x);
	assert_string_equal(host_read("d"), "host\n");
}

/* Directories a and b with a file each, which the box replaces by a file. */
static void replace_directories(struct world *x)
{
	host_mkdir("a");
	host_write("a/f", "old\n");
	host_mkdir("b");
	for (const char *p = "ab"; *p; p++) {
		char name[2] = { *p };

		if (*p == 'a')
			box_unlink(x, "a/f");
		box_rmdir(x, name);
		box_new(x, name, "box\n");
	}
	later();
}

static void test_file_against_directory(void **state)
{
	struct world *x = *state;

	replace_directories(x);
	host_mkdir_anew("b");
	row(x, 65, "a");
	row(x, 65, "b");
	done(x);
	assert_string_equal(host_read("a"), "box\n");
	assert_string_equal(host_read("b"), "box\n");
}

static void test_directory_got_entry(void **state)
{
	struct world *x = *state;

	replace_directories(x);
	host_write("a/late", "host\n");
	assert_non_null(strstr(row(x, 66, "a")->why, "/a/late since"));
	host_mkdir("d");
	host_write("d/f", "old\n");
	host_mkdir("d/sub");
	box_unlink(x, "d/f");
	box_rmdir(x, "d/sub");
	box_rmdir(x, "d");
	row(x, 80, "d");
	later();
	host_append("d/f", "host\n");
	assert_non_null(strstr(row(x, 66, "d")->why, "/d/f since"));
	assert_int_equal(unlink("d/f") | chmod("d/sub", 0700), 0);
	assert_non_null(strstr(row(x, 66, "d")->why, "/d/sub since"));
	commit_all(x);
	assert_string_equal(host_read("a/late"), "host\n");
	assert_int_equal(host_mode("d/sub"), 0700);
}

static void test_directory_gone_changed(void **state)
{
	struct world *x = *state;

	replace_directories(x);
	host_mkdir("d");
	box_rmdir(x, "d");
	assert_int_equal(chmod("d", 0700) | chmod("b", 0700), 0);
	row(x, 67, "b");
	row(x, 67, "d");
	commit_all(x);
	assert_int_equal(host_mode("d"), 0700);
}

static void test_directory_replaced_removed(void **state)
{
	struct world *x = *state;

	replace_directories(x);
	assert_int_equal(rmdir("b"), 0);
	row(x, 68, "b");
}

static void test_directory_replaced_both(void **state)
{
	struct world *x = *state;

	replace_directories(x);
	assert_int_equal(rmdir("b"), 0);
	host_write("b", "box\n");
	row(x, 69, "b");
	done(x);
	assert_string_equal(host_read("b"), "box\n");
}

static void test_directory_replaced_differently(void **state)
{
	struct world *x = *state;

	replace_directories(x);
	assert_int_equal(rmdir("b"), 0);
	host_write("b", "host\n");
	row(x, 70, "b");
	commit_all(x);
	assert_string_equal(host_read("b"), "host\n");
}

/* ---- removals ---- */

static void test_deleted(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	assert_int_equal(symlink("old", "l"), 0);
	assert_int_equal(mkfifo("p", 0644), 0);
	host_mkdir("d");
	host_write("d/f", "old\n");
	box_unlink(x, "f");
	box_unlink(x, "l");
	box_unlink(x, "p");
	box_unlink(x, "d/f");
	box_rmdir(x, "d");
	row(x, 80, "f");
	row(x, 80, "l");
	row(x, 80, "p");
	row(x, 80, "d");
	done(x);
	assert_int_equal(access("d", F_OK) + access("f", F_OK) + access("p", F_OK), -3);
}

/* Of a file that is only removed no original is kept: written anew with the same bytes it counts as changed. */
static void test_deleted_touched(void **state)
{
	struct world *x = *state;

	host_write("kept", "old\n");
	host_write("not", "old\n");
	host_write("owner", "old\n");
	assert_int_equal(symlink("old", "l"), 0);
	host_mkdir("d");
	box_append(x, "kept", "box\n");
	box_unlink(x, "kept");
	box_unlink(x, "not");
	box_unlink(x, "owner");
	box_unlink(x, "l");
	box_rmdir(x, "d");
	later();
	host_touch("kept", 1000000);
	host_touch("not", 1000000);
	assert_int_equal(chown("owner", geteuid(), getegid()), 0);
	host_touch("l", 1000000);
	host_mkdir_anew("d");
	row(x, 81, "kept");
	row(x, 83, "not");
	row(x, 81, "owner");
	row(x, 81, "l");
	row(x, 81, "d");
	commit_all(x);
	assert_int_equal(access("kept", F_OK) + access("owner", F_OK) + access("d", F_OK), -3);
	assert_string_equal(host_read("not"), "old\n");
}

static void test_deleted_metadata(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	host_write("attr", "old\n");
	host_write("kept", "old\n");
	box_unlink(x, "f");
	box_unlink(x, "attr");
	box_append(x, "kept", "box\n");
	box_unlink(x, "kept");
	later();
	assert_int_equal(chmod("f", 0600), 0);
	assert_int_equal(setxattr("attr", "user.host", "1", 1, 0), 0);
	assert_int_equal(setxattr("kept", "user.host", "1", 1, 0), 0);
	row(x, 82, "f");
	row(x, 82, "attr");
	row(x, 82, "kept");
	commit_all(x);
	assert_int_equal(host_mode("f"), 0600);
}

static void test_deleted_changed(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	host_write("kept", "old\n");
	assert_int_equal(symlink("old", "l"), 0);
	box_unlink(x, "f");
	box_append(x, "kept", "box\n");
	box_unlink(x, "kept");
	box_unlink(x, "l");
	later();
	host_append("f", "host\n");
	host_append("kept", "host\n");
	assert_int_equal(unlink("l"), 0);
	assert_int_equal(symlink("host", "l"), 0);
	row(x, 83, "f");
	row(x, 83, "kept");
	row(x, 83, "l");
	commit_all(x);
	assert_string_equal(host_read("kept"), "old\nhost\n");
}

static void test_both_deleted(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	host_mkdir("d");
	box_unlink(x, "f");
	box_rmdir(x, "d");
	assert_int_equal(unlink("f") | rmdir("d"), 0);
	plan(x);
	/* A name that neither has is no change, unless the host lost it just now. */
	assert_int_equal(x->plan->count, 0);
	row_is(84, WAS_FILE, BOX_DELETED, HOST_REMOVED);
	done(x);
}

static void test_deleted_retyped(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	host_mkdir("d");
	box_unlink(x, "f");
	box_rmdir(x, "d");
	assert_int_equal(unlink("f") | rmdir("d"), 0);
	host_mkdir("f");
	host_write("d", "host\n");
	row(x, 85, "f");
	row(x, 85, "d");
}

/* ---- renames of files ---- */

static void test_renamed(void **state)
{
	struct world *x = *state;
	static const char *const names[] = { "plain", "rewritten", "touched", "both", "meta" };
	char to[32];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		host_write(names[i], "old\n");
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		box_chmod(x, names[i], 0640);
		snprintf(to, sizeof to, "%s.new", names[i]);
		box_rename(x, names[i], to, 0);
	}
	box_append(x, "rewritten.new", "box\n");
	box_append(x, "both.new", "same\n");
	box_append(x, "meta.new", "same\n");
	later();
	host_touch("touched", 1000000);
	host_append("both", "same\n");
	assert_int_equal(chmod("both", 0640), 0);
	host_append("meta", "same\n");
	row_keeps(row(x, 90, "plain.new"), 0);
	row(x, 90, "rewritten.new");
	row(x, 90, "touched.new");
	row(x, 90, "both.new");
	row(x, 90, "meta.new");
	done(x);
	assert_string_equal(host_read("rewritten.new"), "old\nbox\n");
	assert_string_equal(host_read("both.new"), "old\nsame\n");
	assert_int_equal(host_mode("meta.new"), 0640);
	assert_int_equal(access("plain", F_OK), -1);
}

static void test_renamed_metadata(void **state)
{
	struct world *x = *state;

	host_write("a", "old\n");
	host_write("c", "old\n");
	box_rename(x, "a", "b", 0);
	box_rename(x, "c", "d", 0);
	box_append(x, "d", "box\n");
	later();
	assert_int_equal(chmod("a", 0600) | chmod("c", 0600), 0);
	row_keeps(row(x, 91, "b"), COMMIT_KEEP_MODE);
	row_keeps(row(x, 91, "d"), COMMIT_KEEP_MODE);
	done(x);
	assert_int_equal(host_mode("b") & host_mode("d"), 0600);
}

static void test_renamed_against_modified(void **state)
{
	struct world *x = *state;

	host_write("a", "old\n");
	box_rename(x, "a", "b", 0);
	later();
	host_append("a", "host\n");
	row_keeps(row(x, 92, "b"), COMMIT_KEEP_CONTENT | COMMIT_KEEP_TIMES);
	done(x);
	assert_string_equal(host_read("b"), "old\nhost\n");
}

static void test_renamed_against_replaced(void **state)
{
	struct world *x = *state;

	host_write("a", "old\n");
	box_rename(x, "a", "b", 0);
	host_write("other", "host\n");
	assert_int_equal(rename("other", "a"), 0);
	row(x, 93, "b");
	commit_all(x);
	assert_string_equal(host_read("a"), "host\n");
}

static void test_renamed_both_modified(void **state)
{
	struct world *x = *state;

	host_write("a", "old\n");
	box_rename(x, "a", "b", 0);
	box_append(x, "b", "box\n");
	later();
	host_append("a", "host\n");
	row(x, 94, "b");
	commit_all(x);
	assert_string_equal(host_read("a"), "old\nhost\n");
}

static void test_renamed_clash(void **state)
{
	struct world *x = *state;

	host_write("mode", "old\n");
	host_write("names", "old\n");
	assert_int_equal(link("names", "more"), 0);
	host_write("big", "old\n");
	assert_int_equal(truncate("big", BIG + 1), 0);
	box_chmod(x, "mode", 0600);
	box_rename(x, "mode", "mode.new", 0);
	box_append(x, "names", "box\n");
	box_rename(x, "names", "names.new", 0);
	box_rename(x, "big", "big.new", 0);
	later();
	assert_int_equal(chmod("mode", 0640) | chmod("names", 0640), 0);
	host_append("big", "host\n");
	row(x, 95, "mode.new");
	row(x, 95, "names.new");
	row(x, 106, "big.new");
	host_append("mode", "host\n");
	row(x, 95, "mode.new");
	commit_all(x);
	assert_int_equal(host_mode("mode"), 0640);
}

static void test_renamed_big(void **state)
{
	struct world *x = *state;

	host_write("a", "old\n");
	box_rename(x, "a", "b", 0);
	box_append(x, "b", "box\n");
	later();
	assert_int_equal(truncate("a", BIG + 1), 0);
	row(x, 106, "b");
}

/* What the host calls it now nobody tells. */
static void test_both_renamed_differently(void **state)
{
	struct world *x = *state;

	host_mkdir("d");
	host_write("d/f", "old\n");
	box_rename(x, "d", "e", 0);
	host_write("a", "old\n");
	box_rename(x, "a", "b", 0);
	host_write("a2", "old\n");
	box_rename(x, "a2", "b2", 0);
	box_append(x, "b2", "box\n");
	assert_int_equal(rename("d", "elsewhere") | rename("a", "c") | unlink("a2"), 0);
	row(x, 96, "e");
	row(x, 96, "b");
	row(x, 96, "b2");
	commit_all(x);
	assert_string_equal(host_read("elsewhere/f"), "old\n");
	assert_int_equal(access("b", F_OK), -1);
}

static void test_renamed_retyped(void **state)
{
	struct world *x = *state;

	host_mkdir("d");
	host_write("d/f", "old\n");
	box_rename(x, "d", "e", 0);
	assert_int_equal(rename("d", "elsewhere"), 0);
	host_write("d", "host\n");
	row(x, 97, "e");
}

/* ---- renames of directories ---- */

static void test_renamed_directory(void **state)
{
	struct world *x = *state;

	host_mkdir("d");
	host_write("d/f", "old\n");
	box_rename(x, "d", "e", 0);
	box_append(x, "e/f", "box\n");
	later();
	host_write("d/late", "host\n");
	row(x, 98, "e");
	row(x, 30, "e/f");
	done(x);
	assert_string_equal(host_read("e/f"), "old\nbox\n");
	assert_string_equal(host_read("e/late"), "host\n");
}

/* It has its old name again, in a directory that has another's. */
static void test_renamed_to_its_old_name(void **state)
{
	struct world *x = *state;

	host_mkdir("a");
	host_mkdir("a/e");
	host_write("a/e/f", "a\n");
	host_mkdir("c");
	host_mkdir("c/e");
	host_write("c/e/f", "c\n");
	host_write("c/e/g", "c\n");
	box_rename(x, "c", "x", 0);
	box_rename(x, "a", "c", 0);
	box_rename(x, "c/e", "y", 0);
	box_rename(x, "x/e", "c/e", 0);
	box_unlink(x, "c/e/f");
	row(x, 98, "c/e");
	row(x, 80, "c/e/f");
	done(x);
	assert_string_equal(host_read("y/f"), "a\n");
	assert_string_equal(host_read("c/e/g"), "c\n");
	assert_int_equal(access("c/e/f", F_OK) + access("x/e", F_OK), -2);
}

static void test_renamed_directory_metadata(void **state)
{
	struct world *x = *state;

	host_mkdir("d");
	box_rename(x, "d", "e", 0);
	assert_int_equal(chmod("d", 0700), 0);
	row_keeps(row(x, 99, "e"), COMMIT_KEEP_MODE);
	done(x);
	assert_int_equal(host_mode("e"), 0700);
}

static void test_renamed_directory_clash(void **state)
{
	struct world *x = *state;

	host_mkdir("d");
	box_chmod(x, "d", 0750);
	box_rename(x, "d", "e", 0);
	assert_int_equal(chmod("d", 0700), 0);
	row(x, 100, "e");
	commit_all(x);
	assert_int_equal(host_mode("d"), 0700);
}

static void test_both_renamed_directory(void **state)
{
	struct world *x = *state;

	host_mkdir("d");
	host_write("d/f", "old\n");
	box_rename(x, "d", "e", 0);
	host_mkdir("mode");
	box_rename(x, "mode", "mode.new", 0);
	box_chmod(x, "mode.new", 0700);
	assert_int_equal(rename("d", "e") | rename("mode", "mode.new"), 0);
	row(x, 101, "e");
	row(x, 96, "mode.new");
	assert_int_equal(chmod("mode.new", 0700), 0);
	row(x, 101, "mode.new");
	done(x);
	assert_string_equal(host_read("e/f"), "old\n");
}

/* Of files the box's copy stands at the new name, and is compared with what the host has there. */
static void test_both_renamed_file(void **state)
{
	struct world *x = *state;

	host_write("a", "old\n");
	host_write("c", "old\n");
	box_rename(x, "a", "b", 0);
	box_rename(x, "c", "d", 0);
	box_append(x, "d", "box\n");
	assert_int_equal(rename("a", "b") | rename("c", "d"), 0);
	host_touch("b", 1000000);
	row(x, 11, "b");
	row(x, 12, "d");
}

static void test_renamed_onto_new(void **state)
{
	struct world *x = *state;

	host_mkdir("d");
	box_rename(x, "d", "e", 0);
	host_write("e", "host\n");
	row(x, 102, "e");
	commit_all(x);
	assert_string_equal(host_read("e"), "host\n");
}

static void test_renamed_onto_changed(void **state)
{
	struct world *x = *state;

	host_mkdir("a");
	host_mkdir("b");
	host_mkdir("c");
	host_mkdir("d");
	box_rename(x, "a", "b", 0);
	box_rename(x, "c", "d", 0);
	assert_int_equal(chmod("b", 0700) | rmdir("d"), 0);
	host_write("d", "host\n");
	row(x, 103, "b");
	row(x, 104, "d");
	commit_all(x);
	assert_int_equal(host_mode("b"), 0700);
	assert_string_equal(host_read("d"), "host\n");
}

static void test_renamed_onto_entries(void **state)
{
	struct world *x = *state;

	host_mkdir("a");
	host_mkdir("b");
	box_rename(x, "a", "b", 0);
	host_write("b/late", "host\n");
	row(x, 105, "b");
	commit_all(x);
	assert_string_equal(host_read("b/late"), "host\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_directory_metadata),
		WORLD_TEST(test_directory_metadata_both),
		WORLD_TEST(test_directory_same_metadata),
		WORLD_TEST(test_directory_removed),
		WORLD_TEST(test_directory_against_file),
		WORLD_TEST(test_file_against_directory),
		WORLD_TEST(test_directory_got_entry),
		WORLD_TEST(test_directory_gone_changed),
		WORLD_TEST(test_directory_replaced_removed),
		WORLD_TEST(test_directory_replaced_both),
		WORLD_TEST(test_directory_replaced_differently),
		WORLD_TEST(test_deleted),
		WORLD_TEST(test_deleted_touched),
		WORLD_TEST(test_deleted_metadata),
		WORLD_TEST(test_deleted_changed),
		WORLD_TEST(test_both_deleted),
		WORLD_TEST(test_deleted_retyped),
		WORLD_TEST(test_renamed),
		WORLD_TEST(test_renamed_metadata),
		WORLD_TEST(test_renamed_against_modified),
		WORLD_TEST(test_renamed_against_replaced),
		WORLD_TEST(test_renamed_both_modified),
		WORLD_TEST(test_renamed_clash),
		WORLD_TEST(test_renamed_big),
		WORLD_TEST(test_both_renamed_differently),
		WORLD_TEST(test_renamed_retyped),
		WORLD_TEST(test_renamed_directory),
		WORLD_TEST(test_renamed_to_its_old_name),
		WORLD_TEST(test_renamed_directory_metadata),
		WORLD_TEST(test_renamed_directory_clash),
		WORLD_TEST(test_both_renamed_directory),
		WORLD_TEST(test_both_renamed_file),
		WORLD_TEST(test_renamed_onto_new),
		WORLD_TEST(test_renamed_onto_changed),
		WORLD_TEST(test_renamed_onto_entries),
	};

	cred_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
