/* test_commit_cases.c - rows of docs/MERGE-CASES.md: what stays of its type. What is new or of another type: test_commit_cases_new.c;
 * directories, removals and renames: test_commit_cases_names.c. */
#include "cases_world.h"

#include <sys/sysmacros.h>

/* ---- the table itself ---- */

/* One combination has one row, and what no row is for is a conflict. */
static void test_in_doubt(void **state)
{
	size_t n, found;
	const struct case_row *rows = case_rows(&n);

	(void)state;
	row_is(4, WAS_DIR, BOX_CONTENT, HOST_BIG);
	assert_int_equal(rows[n - 1].verdict, CASE_CONFLICT);
	for (unsigned was = 1; was <= WAS_SPECIAL; was <<= 1)
		for (unsigned box = 1; box <= BOX_SOCKET; box <<= 1)
			for (unsigned host = 1; host <= HOST_UNREADABLE; host <<= 1) {
				found = 0;
				for (size_t i = 0; i + 1 < n; i++)
					found += (rows[i].was & was) && (rows[i].box & box) && (rows[i].host & host);
				if (found > 1)
					fail_msg("%s, %s, %s: %zu rows", case_was_name(was), case_box_name(box),
					         case_host_name(host), found);
				if (!found)
					row_is(4, was, box, host);
			}
}

/* ---- whatever it is ---- */

/* Root plans as a user, to whom the box is given for that. */
static void as_user(struct world *x, bool on)
{
	char cmd[PATH_MAX + 64];

	if (getuid() != 0)
		return;
	assert_int_equal(seteuid(0), 0);
	snprintf(cmd, sizeof cmd, "chmod 755 %s; chown -Rh %d:%d %s/store", x->dir->path, on ? 65534 : 0, on ? 65534 : 0,
	         x->dir->path);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(on ? seteuid(65534) : 0, 0);
}

static void test_device_by_user(void **state)
{
	struct world *x = *state;

	if (geteuid() != 0)
		SKIP("only root can make a device in a box");
	box_mknod(x, "dev", S_IFCHR | 0600, makedev(1, 3));
	as_user(x, true);
	row(x, 1, "dev");
	as_user(x, false);
	row(x, 10, "dev");
	done(x);
	assert_true(S_ISCHR(host_stat_of("dev").st_mode));
}

static void test_symlink_above(void **state)
{
	struct world *x = *state;

	assert_int_equal(mkdir("d", 0755) | mkdir("d/a", 0755), 0);
	host_write("d/f", "f\n");
	box_append(x, "d/f", "box\n");
	box_rename(x, "d/a", "a", 0);
	assert_int_equal(rename("d", "elsewhere"), 0);
	assert_int_equal(symlink("elsewhere", "d"), 0);
	row(x, 2, "a");
	row(x, 42, "d/f");
	row(x, 64, "d");
	commit_all(x);
	assert_string_equal(host_read("elsewhere/f"), "f\n");
	assert_int_equal(x->result.done, 0);
}

static void test_no_record(void **state)
{
	struct world *x = *state;
	char log[2 * PATH_MAX];

	host_write("f", "old\n");
	box_append(x, "f", "box\n");
	snprintf(log, sizeof log, "%s/layers/1/origins", x->box->path);
	assert_int_equal(truncate(log, 8), 0);
	row(x, 3, "f");
	host_append("f", "box\n");
	host_touch("f", 1000000);
	row(x, 11, "f");
}

static void test_unreadable(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	box_append(x, "f", "box\n");
	later();
	host_write("f", "odd\n");
	assert_int_equal(chmod("f", 0), 0);
	as_user(x, true);
	row(x, 5, "f");
	as_user(x, false);
}

static void test_exchanged(void **state)
{
	struct world *x = *state;

	mkdir("d", 0755);
	host_write("d/f", "f\n");
	box_rename(x, "d", "e", 0);
	box_mkdir(x, "d");
	row(x, 6, "d");
	row(x, 98, "e");
	done(x);
	assert_string_equal(host_read("e/f"), "f\n");
	assert_true(S_ISDIR(host_stat_of("d").st_mode));
}

static void test_carried(void **state)
{
	struct world *x = *state;

	mkdir("d", 0755);
	host_write("d/f", "f\n");
	box_rename(x, "d", "e", 0);
	box_mkdir(x, "d");
	box_new(x, "d/f", "box\n");
	row(x, 7, "d/f");
	done(x);
	assert_string_equal(host_read("e/f"), "f\n");
	assert_string_equal(host_read("d/f"), "box\n");
}

/* ---- it stays of its type ---- */

static void test_changed(void **state)
{
	struct world *x = *state;

	host_write("content", "old\n");
	host_write("mode", "old\n");
	host_write("both", "old\n");
	host_write("time", "old\n");
	host_write("attr", "old\n");
	assert_int_equal(symlink("old", "link"), 0);
	assert_int_equal(mkfifo("fifo", 0644), 0);
	box_append(x, "content", "box\n");
	box_chmod(x, "mode", 0600);
	box_append(x, "both", "box\n");
	box_chmod(x, "both", 0600);
	box_touch(x, "time", 1000000);
	box_setxattr(x, "attr", "user.box", "1");
	box_relink(x, "new", "link");
	box_chmod(x, "fifo", 0600);
	row(x, 30, "content");
	row(x, 30, "mode");
	row(x, 30, "both");
	row(x, 30, "time");
	row(x, 30, "attr");
	row(x, 30, "link");
	row(x, 30, "fifo");
	done(x);
	assert_string_equal(host_read("content"), "old\nbox\n");
	assert_int_equal(host_mode("both"), 0600);
	assert_int_equal(host_mode("fifo"), 0600);
	assert_int_equal(host_stat_of("time").st_mtim.tv_sec, 1000000);
	assert_int_equal(getxattr("attr", "user.box", NULL, 0), 1);
}

/* Touched, written anew with the same bytes, or saved by a program that makes a new file: nothing has changed. */
static void test_changed_touched(void **state)
{
	struct world *x = *state;

	host_write("touched", "old\n");
	host_write("saved", "old\n");
	assert_int_equal(setxattr("touched", "user.a", "1", 1, 0), 0);
	assert_int_equal(symlink("old", "link"), 0);
	box_append(x, "touched", "box\n");
	box_append(x, "saved", "box\n");
	box_relink(x, "new", "link");
	later();
	host_touch("touched", 1000000);
	host_write("saved.new", "old\n");
	assert_int_equal(rename("saved.new", "saved"), 0);
	host_touch("link", 1000000);
	row_keeps(row(x, 31, "touched"), 0);
	row(x, 31, "saved");
	row(x, 31, "link");
	done(x);
	assert_string_equal(host_read("touched"), "old\nbox\n");
	assert_string_equal(host_read("saved"), "old\nbox\n");
}

static void test_content_against_metadata(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	host_write("attr", "old\n");
	box_append(x, "f", "box\n");
	box_append(x, "attr", "box\n");
	later();
	assert_int_equal(chmod("f", 0600), 0);
	assert_int_equal(setxattr("attr", "user.host", "1", 1, 0), 0);
	row_keeps(row(x, 32, "f"), COMMIT_KEEP_MODE);
	row_keeps(row(x, 32, "attr"), COMMIT_KEEP_XATTRS);
	done(x);
	assert_string_equal(host_read("f"), "old\nbox\n");
	assert_int_equal(getxattr("attr", "user.host", NULL, 0), 1);
	assert_int_equal(host_mode("f"), 0600);
}

static void test_owner_against_content(void **state)
{
	struct world *x = *state;

	if (geteuid() != 0)
		SKIP("only root can give a file away");
	host_write("f", "old\n");
	host_write("both", "old\n");
	box_append(x, "f", "box\n");
	box_chown(x, "both", 1, 1);
	later();
	assert_int_equal(chown("f", 2, 2), 0);
	assert_int_equal(chown("both", 2, 2), 0);
	row_keeps(row(x, 32, "f"), COMMIT_KEEP_OWNER);
	row(x, 33, "both");
	assert_int_equal(chown("both", 1, 1), 0);
	host_append("both", "host\n");
	row(x, 40, "both");
	done(x);
	assert_string_equal(host_read("f"), "old\nbox\n");
	assert_int_equal(host_stat_of("f").st_uid, 2);
}

static void test_metadata_clash(void **state)
{
	struct world *x = *state;

	host_write("mode", "old\n");
	host_write("attr", "old\n");
	host_write("setuid", "old\n");
	assert_int_equal(mkfifo("fifo", 0644), 0);
	box_chmod(x, "mode", 0600);
	box_setxattr(x, "attr", "user.a", "box");
	box_append(x, "setuid", "box\n");
	box_chmod(x, "fifo", 0600);
	later();
	assert_int_equal(chmod("mode", 0640), 0);
	assert_int_equal(setxattr("attr", "user.a", "host", 4, 0), 0);
	assert_int_equal(chmod("setuid", 04755), 0);
	assert_int_equal(chmod("fifo", 0640), 0);
	row(x, 33, "mode");
	row(x, 33, "attr");
	row(x, 33, "setuid");
	row(x, 33, "fifo");
	commit_all(x);
	assert_int_equal(host_mode("mode"), 0640);
	assert_string_equal(host_read("setuid"), "old\n");
}

static void test_both_changed(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	host_write("mode", "old\n");
	box_append(x, "f", "box\n");
	box_append(x, "mode", "box\n");
	later();
	host_write("f", "new\n");
	host_append("mode", "host\n");
	assert_int_equal(chmod("mode", 0600), 0);
	row_keeps(row(x, 34, "f"), 0);
	row_keeps(row(x, 34, "mode"), COMMIT_KEEP_MODE);
	commit_all(x);
	assert_string_equal(host_read("f"), "new\n");
}

static void test_both_changed_symlink(void **state)
{
	struct world *x = *state;

	assert_int_equal(symlink("old", "l"), 0);
	box_relink(x, "box", "l");
	assert_int_equal(unlink("l"), 0);
	assert_int_equal(symlink("host", "l"), 0);
	row(x, 35, "l");
	assert_int_equal(unlink("l"), 0);
	assert_int_equal(symlink("box", "l"), 0);
	host_touch("l", 1000000);
	row(x, 40, "l");
	done(x);
}

static void test_both_changed_all(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	host_write("setuid", "old\n");
	box_append(x, "f", "box\n");
	box_chmod(x, "f", 0600);
	box_chmod(x, "setuid", 04755);
	later();
	host_append("f", "host\n");
	assert_int_equal(chmod("f", 0640), 0);
	host_append("setuid", "host\n");
	row(x, 36, "f");
	row(x, 36, "setuid"); /* nobody said that this program should run so */
}

static void test_both_changed_big(void **state)
{
	struct world *x = *state;

	host_write("host", "old\n");
	host_write("box", "old\n");
	box_append(x, "host", "box\n");
	box_write(x, "box", "box\n", O_TRUNC);
	{
		_cleanup_object_ struct object o;

		object_init(&o);
		assert_int_equal(overlay_lookup(x->ov, &x->caller, view(x, "box"), 0, &o), 0);
		assert_int_equal(object_truncate(x->ov, &x->caller, &o, BIG + 1), 0);
	}
	later();
	assert_int_equal(truncate("host", BIG + 1), 0);
	host_append("box", "host\n");
	row(x, 37, "host");
	row(x, 37, "box");
}

/* Without a kept original the stamps must do: what they cannot tell is a conflict. */
static void test_changed_unknown(void **state)
{
	struct world *x = *state;
	struct stat st;

	for (const char *p = "abc"; *p; p++) {
		char name[2] = { *p };

		host_write(name, "old\n");
		assert_int_equal(truncate(name, BIG + 1), 0);
		box_append(x, name, "box\n");
	}
	/* Nothing of it was read, so there is not even a hash. */
	host_write("d", "old\n");
	assert_int_equal(truncate("d", BIG + 1), 0);
	box_write(x, "d", "new\n", O_TRUNC);
	later();
	host_touch("d", 1000000);
	host_append("a", "host\n");
	host_touch("b", 1000000);
	st = host_stat_of("c");
	assert_int_equal(chmod("c", 0600), 0);
	assert_int_equal(host_stat_of("c").st_mtim.tv_nsec, st.st_mtim.tv_nsec);
	row(x, 37, "a");
	row(x, 31, "b");
	row(x, 38, "d");
	row_keeps(row(x, 32, "c"), COMMIT_KEEP_MODE);
	assert_int_equal(setxattr("c", "user.host", "1", 1, 0), 0);
	row(x, 33, "c");
}

static void test_changed_names(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	assert_int_equal(link("f", "g"), 0);
	box_append(x, "f", "box\n");
	later();
	assert_int_equal(chmod("f", 0600), 0);
	row(x, 39, "f");
	host_append("g", "host\n");
	row(x, 39, "f");
	commit_all(x);
	assert_string_equal(host_read("f"), "old\nhost\n");
}

/* The same change on both sides, whatever else the host did. */
static void test_same_change(void **state)
{
	struct world *x = *state;

	host_write("content", "old\n");
	host_write("mode", "old\n");
	host_write("attr", "old\n");
	assert_int_equal(mkfifo("fifo", 0644), 0);
	box_append(x, "content", "same\n");
	box_chmod(x, "mode", 0600);
	box_setxattr(x, "attr", "user.a", "1");
	box_chmod(x, "fifo", 0600);
	later();
	host_append("content", "same\n");
	host_append("mode", "host\n");
	assert_int_equal(chmod("mode", 0600), 0);
	assert_int_equal(setxattr("attr", "user.a", "1", 1, 0), 0);
	assert_int_equal(chmod("attr", 0600), 0);
	assert_int_equal(chmod("fifo", 0600), 0);
	host_touch("fifo", 1000000);
	row(x, 40, "content");
	row(x, 40, "mode");
	row(x, 40, "attr");
	row(x, 40, "fifo");
	done(x);
	assert_string_equal(host_read("mode"), "old\nhost\n");
	assert_int_equal(host_mode("attr"), 0600);
}

static void test_same_content(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	box_append(x, "f", "same\n");
	box_chmod(x, "f", 0600);
	later();
	host_append("f", "same\n");
	row_keeps(row(x, 41, "f"), COMMIT_KEEP_TIMES);
	done(x);
	assert_string_equal(host_read("f"), "old\nsame\n");
	assert_int_equal(host_mode("f"), 0600);
}

static void test_modified_deleted(void **state)
{
	struct world *x = *state;

	host_write("content", "old\n");
	host_write("mode", "old\n");
	assert_int_equal(symlink("old", "link"), 0);
	box_append(x, "content", "box\n");
	box_chmod(x, "mode", 0600);
	box_relink(x, "box", "link");
	assert_int_equal(unlink("content") | unlink("mode") | unlink("link"), 0);
	row(x, 42, "content");
	row(x, 42, "mode");
	row(x, 42, "link");
	commit_all(x);
	assert_int_equal(access("content", F_OK), -1);
}

static void test_modified_retyped(void **state)
{
	struct world *x = *state;

	host_write("dir", "old\n");
	host_write("link", "old\n");
	box_append(x, "dir", "box\n");
	box_chmod(x, "link", 0600);
	assert_int_equal(unlink("dir") | unlink("link"), 0);
	mkdir("dir", 0755);
	assert_int_equal(symlink("host", "link"), 0);
	row(x, 43, "dir");
	row(x, 43, "link");
}

static void test_metadata_touched(void **state)
{
	struct world *x = *state;

	host_write("mode", "old\n");
	host_write("time", "old\n");
	box_chmod(x, "mode", 0600);
	box_touch(x, "time", 1000000);
	later();
	host_touch("mode", 2000000);
	host_touch("time", 2000000);
	row_keeps(row(x, 44, "mode"), COMMIT_KEEP_TIMES);
	row_keeps(row(x, 44, "time"), 0);
	done(x);
	assert_int_equal(host_mode("mode"), 0600);
	assert_int_equal(host_stat_of("time").st_mtim.tv_sec, 1000000);
}

static void test_metadata_both(void **state)
{
	struct world *x = *state;

	host_write("attr", "old\n");
	host_write("time", "old\n");
	box_setxattr(x, "attr", "user.box", "1");
	box_touch(x, "time", 1000000);
	later();
	assert_int_equal(chmod("attr", 0600), 0);
	assert_int_equal(chmod("time", 0600), 0);
	row_keeps(row(x, 45, "attr"), COMMIT_KEEP_MODE);
	row_keeps(row(x, 45, "time"), COMMIT_KEEP_MODE);
	done(x);
	assert_int_equal(getxattr("attr", "user.box", NULL, 0), 1);
	assert_int_equal(host_stat_of("time").st_mtim.tv_sec, 1000000);
	assert_int_equal(host_mode("time"), 0600);
}

static void test_metadata_against_content(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	host_write("saved", "old\n");
	box_chmod(x, "f", 0600);
	box_chmod(x, "saved", 0600);
	later();
	host_append("f", "host\n");
	host_write("saved.new", "host\n");
	assert_int_equal(rename("saved.new", "saved"), 0);
	row_keeps(row(x, 46, "f"), COMMIT_KEEP_CONTENT | COMMIT_KEEP_TIMES);
	row_keeps(row(x, 46, "saved"), COMMIT_KEEP_CONTENT | COMMIT_KEEP_TIMES);
	done(x);
	assert_int_equal(host_mode("f"), 0600);
	assert_string_equal(host_read("f"), "old\nhost\n");
	assert_string_equal(host_read("saved"), "host\n");
}

static void test_touched_against_content(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	box_touch(x, "f", 1000000);
	later();
	host_append("f", "host\n");
	row(x, 47, "f");
	done(x);
	assert_string_equal(host_read("f"), "old\nhost\n");
}

/* Below a renamed directory the box has a copy of what it has only opened. */
static void test_box_did_nothing(void **state)
{
	struct world *x = *state;

	mkdir("d", 0755);
	host_write("d/f", "old\n");
	box_rename(x, "d", "e", 0);
	box_append(x, "e/f", "");
	later();
	host_append("d/f", "host\n");
	row(x, 48, "e/f");
	done(x);
	assert_string_equal(host_read("e/f"), "old\nhost\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_doubt),
		WORLD_TEST(test_device_by_user),
		WORLD_TEST(test_symlink_above),
		WORLD_TEST(test_no_record),
		WORLD_TEST(test_unreadable),
		WORLD_TEST(test_exchanged),
		WORLD_TEST(test_carried),
		WORLD_TEST(test_changed),
		WORLD_TEST(test_changed_touched),
		WORLD_TEST(test_content_against_metadata),
		WORLD_TEST(test_owner_against_content),
		WORLD_TEST(test_metadata_clash),
		WORLD_TEST(test_both_changed),
		WORLD_TEST(test_both_changed_symlink),
		WORLD_TEST(test_both_changed_all),
		WORLD_TEST(test_both_changed_big),
		WORLD_TEST(test_changed_unknown),
		WORLD_TEST(test_changed_names),
		WORLD_TEST(test_same_change),
		WORLD_TEST(test_same_content),
		WORLD_TEST(test_modified_deleted),
		WORLD_TEST(test_modified_retyped),
		WORLD_TEST(test_metadata_touched),
		WORLD_TEST(test_metadata_both),
		WORLD_TEST(test_metadata_against_content),
		WORLD_TEST(test_touched_against_content),
		WORLD_TEST(test_box_did_nothing),
	};

	cred_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
