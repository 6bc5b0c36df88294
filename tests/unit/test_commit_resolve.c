/* test_commit_resolve.c - conflicts that somebody has decided, and parts of changes. */
#include "commit_world.h"

#include "commit/history.h"
#include "commit/merge.h"

static size_t index_of(struct world *x, const char *name)
{
	return (size_t)(find(x, name) - x->plan->items);
}

static int resolve(struct world *x, const char *name, enum commit_resolution how, const char *text, bool part)
{
	struct err err = { 0 };
	int r = commit_resolve(x->plan, index_of(x, name), how, text, text ? strlen(text) : 0, part, &err);

	if (r < 0)
		print_message("%s\n", err.msg);
	return r;
}

/* Plans all; then the test decides, and apply_all does it. */
static void plan_all(struct world *x)
{
	plan(x);
	choose(x, "");
}

static void apply_all(struct world *x)
{
	apply(x);
	for (size_t i = 0; i < x->plan->count; i++)
		if (x->plan->items[i].outcome != COMMIT_DONE)
			fail_msg("%s: %s", x->plan->items[i].change->path, x->plan->items[i].why);
}

static void undo(struct world *x)
{
	struct undo_wish wish = { 0 };
	struct undo_result result;
	struct err err = { 0 };

	if (history_undo(x->store, &wish, &result, &err) < 0)
		fail_msg("%s", err.msg);
	free(result.commit.box);
	free(result.commit.command);
}

/* Both sides have changed it. */
static void both_changed(struct world *x)
{
	host_write("f", "one\n");
	box_append(x, "f", "box\n");
	host_write("f", "one\nhost\n");
	plan_all(x);
	assert_int_equal(find(x, "f")->verdict, COMMIT_CONFLICT);
}

static void test_box(void **state)
{
	struct world *x = *state;

	both_changed(x);
	assert_int_equal(resolve(x, "f", RESOLVE_BOX, NULL, false), 0);
	apply_all(x);
	assert_string_equal(host_read("f"), "one\nbox\n");
	assert_all(x);
	undo(x);
	assert_string_equal(host_read("f"), "one\nhost\n");
}

static void test_host(void **state)
{
	struct world *x = *state;

	both_changed(x);
	assert_int_equal(resolve(x, "f", RESOLVE_HOST, NULL, false), 0);
	apply_all(x);
	assert_string_equal(host_read("f"), "one\nhost\n");
	assert_all(x);
}

static void test_text(void **state)
{
	struct world *x = *state;

	both_changed(x);
	assert_int_equal(resolve(x, "f", RESOLVE_TEXT, "one\nhost\nbox\n", false), 0);
	apply_all(x);
	assert_string_equal(host_read("f"), "one\nhost\nbox\n");
	assert_all(x);
	undo(x);
	assert_string_equal(host_read("f"), "one\nhost\n");
}

static void test_both(void **state)
{
	struct world *x = *state;

	both_changed(x);
	assert_int_equal(resolve(x, "f", RESOLVE_BOTH, NULL, false), 0);
	apply_all(x);
	assert_string_equal(host_read("f"), "one\nhost\n");
	assert_string_equal(host_read("f.test"), "one\nbox\n");
	assert_all(x);
	undo(x);
	assert_int_equal(access("f.test", F_OK), -1);
}

/* A file of several names keeps its inode, and gets the merged text. */
static void test_text_in_place(void **state)
{
	struct world *x = *state;
	ino_t was;

	host_write("f", "one\n");
	assert_int_equal(link("f", "g"), 0);
	was = host_stat_of("f").st_ino;
	box_append(x, "f", "box\n");
	host_write("f", "one\nhost\n");
	plan_all(x);
	for (size_t i = 0; i < x->plan->count; i++)
		assert_int_equal(commit_resolve(x->plan, i, RESOLVE_TEXT, "both\n", 5, false, NULL), 0);
	apply_all(x);
	assert_string_equal(host_read("g"), "both\n");
	assert_int_equal(host_stat_of("f").st_ino, was);
	assert_all(x);
}

static void test_removed_on_one_side(void **state)
{
	struct world *x = *state;

	host_write("a", "a\n");
	host_write("b", "b\n");
	box_unlink(x, "a");
	box_append(x, "b", "box\n");
	host_write("a", "changed\n");
	assert_int_equal(unlink("b"), 0);
	plan_all(x);
	assert_int_equal(find(x, "a")->verdict, COMMIT_CONFLICT);
	assert_int_equal(find(x, "b")->verdict, COMMIT_CONFLICT);
	assert_int_equal(resolve(x, "b", RESOLVE_BOTH, NULL, false), -EOPNOTSUPP);
	assert_int_equal(resolve(x, "a", RESOLVE_BOX, NULL, false), 0);
	assert_int_equal(resolve(x, "b", RESOLVE_BOX, NULL, false), 0);
	apply_all(x);
	assert_int_equal(access("a", F_OK), -1);
	assert_string_equal(host_read("b"), "b\nbox\n");
	undo(x);
	assert_string_equal(host_read("a"), "changed\n");
	assert_int_equal(access("b", F_OK), -1);
}

/* What has come into a directory that goes is not lost. */
static void test_removed_directory(void **state)
{
	struct world *x = *state;

	assert_int_equal(mkdir("d", 0755), 0);
	host_write("d/f", "f\n");
	box_unlink(x, "d/f");
	box_rmdir(x, "d");
	host_write("d/late", "late\n");
	plan_all(x);
	assert_int_equal(find(x, "d")->verdict, COMMIT_CONFLICT);
	assert_int_equal(resolve(x, "d", RESOLVE_BOX, NULL, false), 0);
	apply_all(x);
	assert_int_equal(access("d", F_OK), -1);
	undo(x);
	assert_string_equal(host_read("d/late"), "late\n");
}

static void test_directory_gone(void **state)
{
	struct world *x = *state;

	assert_int_equal(mkdir("d", 0755), 0);
	host_write("d/f", "f\n");
	box_append(x, "d/f", "box\n");
	assert_int_equal(unlink("d/f") | rmdir("d"), 0);
	plan_all(x);
	assert_int_equal(find(x, "d/f")->verdict, COMMIT_CONFLICT);
	assert_int_equal(resolve(x, "d/f", RESOLVE_BOX, NULL, false), 0);
	apply_all(x);
	assert_string_equal(host_read("d/f"), "f\nbox\n");
	assert_all(x);
	undo(x);
	assert_int_equal(access("d", F_OK), -1);
}

static void test_directory_gone_for_good(void **state)
{
	struct world *x = *state;

	assert_int_equal(mkdir("d", 0755), 0);
	host_write("d/f", "f\n");
	box_append(x, "d/f", "box\n");
	assert_int_equal(unlink("d/f") | rmdir("d"), 0);
	plan_all(x);
	assert_int_equal(resolve(x, "d", RESOLVE_HOST, NULL, false), 0);
	apply_all(x);
	assert_all(x);
}

static void test_renamed(void **state)
{
	struct world *x = *state;

	host_write("f", "f\n");
	host_write("g", "g\n");
	box_rename(x, "f", "f2", 0);
	box_rename(x, "g", "g2", 0);
	box_append(x, "g2", "box\n");
	host_write("f", "changed\n");
	host_write("g2", "in the way\n");
	plan_all(x);
	assert_int_equal(find(x, "g2")->verdict, COMMIT_CONFLICT);
	for (size_t i = 0; i < x->plan->count; i++)
		if (x->plan->items[i].verdict == COMMIT_CONFLICT)
			assert_int_equal(commit_resolve(x->plan, i, RESOLVE_BOX, NULL, 0, false, NULL), 0);
	apply_all(x);
	assert_string_equal(host_read("f2"), "changed\n");
	assert_string_equal(host_read("g2"), "g\nbox\n");
	assert_int_equal(access("f", F_OK) & access("g", F_OK), -1);
	assert_all(x);
}

/* The host changes it once more, after it was decided. */
static int change_again(void *ctx, const struct commit_item *it, size_t done, size_t total)
{
	(void)ctx;
	(void)it;
	(void)done;
	(void)total;
	if (access("again", F_OK) < 0) {
		host_write("again", "");
		host_write("f", "one\nhost\nagain\n");
	}
	return 0;
}

static void test_changed_after_the_decision(void **state)
{
	struct world *x = *state;

	both_changed(x);
	assert_int_equal(resolve(x, "f", RESOLVE_BOX, NULL, false), 0);
	commit_settle(x->plan);
	assert_int_equal(commit_apply(x->plan, change_again, NULL, &x->result, NULL), 0);
	assert_int_equal(x->result.left, 1);
	assert_string_equal(host_read("f"), "one\nhost\nagain\n");
}

static void test_part(void **state)
{
	struct world *x = *state;

	host_write("f", "1\n2\n3\n");
	box_write(x, "f", "one\n2\nthree\n", O_TRUNC);
	box_new(x, "n", "a\nb\n");
	plan_all(x);
	assert_int_equal(resolve(x, "f", RESOLVE_TEXT, "one\n2\n3\n", true), 0);
	assert_int_equal(resolve(x, "n", RESOLVE_TEXT, "a\n", true), 0);
	apply_all(x);
	assert_string_equal(host_read("f"), "one\n2\n3\n");
	assert_string_equal(host_read("n"), "a\n");
	/* The rest is still there, and no conflict. */
	plan_all(x);
	assert_int_equal(x->plan->count, 2);
	assert_int_equal(find(x, "f")->change->kind, CHANGE_MODIFIED);
	assert_int_equal(find(x, "n")->change->kind, CHANGE_MODIFIED);
	apply_all(x);
	assert_string_equal(host_read("f"), "one\n2\nthree\n");
	assert_string_equal(host_read("n"), "a\nb\n");
	assert_all(x);
	undo(x);
	assert_string_equal(host_read("f"), "one\n2\n3\n");
	undo(x);
	assert_string_equal(host_read("f"), "1\n2\n3\n");
	assert_int_equal(access("n", F_OK), -1);
}

/* In a directory that the box made. */
static void test_part_of_new(void **state)
{
	struct world *x = *state;

	box_mkdir(x, "d");
	box_new(x, "d/n", "a\nb\n");
	box_new(x, "d/m", "m\n");
	plan_all(x);
	assert_int_equal(resolve(x, "d/n", RESOLVE_TEXT, "b\n", true), 0);
	apply_all(x);
	assert_string_equal(host_read("d/n"), "b\n");
	assert_string_equal(host_read("d/m"), "m\n");
	plan_all(x);
	assert_int_equal(x->plan->count, 1);
	assert_int_equal(find(x, "d/n")->verdict, COMMIT_APPLY);
	apply_all(x);
	assert_string_equal(host_read("d/n"), "a\nb\n");
	assert_all(x);
}

static void test_keep(void **state)
{
	struct world *x = *state;

	host_write("m", "m\n");
	host_write("d", "d\n");
	host_write("r", "r\n");
	assert_int_equal(mkdir("dir", 0755), 0);
	host_write("dir/f", "f\n");
	box_append(x, "m", "box\n");
	box_unlink(x, "d");
	box_rename(x, "r", "r2", 0);
	box_rename(x, "dir", "dir2", 0);
	box_append(x, "dir2/f", "box\n");
	box_mkdir(x, "new");
	box_new(x, "new/n", "n\n");
	plan_all(x);
	x->plan->keep = true;
	apply_all(x);
	assert_string_equal(host_read("m"), "m\nbox\n");
	assert_string_equal(host_read("new/n"), "n\n");
	assert_string_equal(host_read("dir2/f"), "f\nbox\n");
	/* It is in the box, too, and so it does not see what the host does there from now on: that is told, and the host's stays. */
	plan_all(x);
	assert_int_equal(x->plan->count, 0);
	host_write("m", "host\n");
	assert_int_equal(unlink("new/n"), 0);
	plan_all(x);
	assert_int_equal(find(x, "m")->verdict, COMMIT_SAME);
	assert_int_equal(find(x, "m")->row, 48);
	box_append(x, "m", "more\n");
	plan_all(x);
	assert_int_equal(find(x, "m")->verdict, COMMIT_CONFLICT);
	box_append(x, "r2", "more\n");
	plan_all(x);
	assert_int_equal(find(x, "r2")->verdict, COMMIT_APPLY);
}

static void test_sides(void **state)
{
	struct world *x = *state;
	_cleanup_merge_side_ struct merge_side base = { 0 }, box = { 0 }, host = { 0 };
	_cleanup_merged_ struct merged merged = { 0 };
	int fd[3] = { -1, -1, -1 };
	struct err err = { 0 };

	host_write("f", "1\n2\n3\n4\n5\n");
	box_write(x, "f", "one\n2\n3\n4\n5\n", O_TRUNC);
	host_write("f", "1\n2\n3\n4\nfive\n");
	plan_all(x);
	assert_int_equal(commit_open_sides(x->plan, index_of(x, "f"), &fd[0], &fd[1], &fd[2]), 0);
	assert_int_equal(merge_side_read(fd[0], &base) | merge_side_read(fd[1], &box) | merge_side_read(fd[2], &host), 0);
	assert_int_equal(merge_text(&base, &box, &host, "box test", "host", 0, &merged, &err), 1);
	assert_int_equal(commit_resolve(x->plan, index_of(x, "f"), RESOLVE_TEXT, merged.data, merged.size, false, &err), 0);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	apply_all(x);
	assert_string_equal(host_read("f"), "one\n2\n3\n4\nfive\n");
	assert_all(x);
}

/* The host does something to the files, once, when so many items are done: then all is judged anew. */
struct meddling {
	size_t at;
	bool done, restore; /* restore: x is written to with its size and time as they were; else it gets another owner, or mode */
};

static int meddle(void *ctx, const struct commit_item *it, size_t done, size_t total)
{
	struct meddling *m = ctx;
	struct timespec times[2];
	struct stat st;

	(void)it;
	(void)total;
	if (m->done || done != m->at)
		return 0;
	m->done = true;
	host_write("y", "the host's\n");
	if (!m->restore)
		return 0;
	assert_int_equal(stat("x", &st), 0);
	host_write("x", "HOST!\n");
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(utimensat(AT_FDCWD, "x", times, 0), 0);
	assert_int_equal(chmod("w", 0640), 0);
	return 0;
}

static void race_decisions(struct world *x, struct meddling *m)
{
	struct err err = { 0 };

	for (const char *p = "wxyz"; *p; p++) {
		char name[2] = { *p };

		host_write(name, "old\n");
		box_append(x, name, "box\n");
	}
	later();
	host_write("w", "host w\n");
	host_write("x", "host.\n");
	plan_all(x);
	assert_int_equal(resolve(x, "w", RESOLVE_BOX, NULL, false), 0);
	assert_int_equal(resolve(x, "x", RESOLVE_BOX, NULL, false), 0);
	commit_settle(x->plan);
	assert_int_equal(commit_apply(x->plan, meddle, m, &x->result, &err), 0);
	assert_true(m->done);
	assert_string_equal(host_read("y"), "the host's\n");
	assert_string_equal(host_read("z"), "old\nbox\n");
}

/* What was decided holds when another file makes the commit begin anew, */
static void test_decisions_again(void **state)
{
	struct meddling m = { .at = 2 };

	race_decisions(*state, &m);
	assert_string_equal(host_read("w"), "old\nbox\n");
	assert_string_equal(host_read("x"), "old\nbox\n");
}

/* unless it was decided on something else than what is there then, whenever that came. */
static void decide_on_another(struct world *x, size_t at)
{
	struct meddling m = { .at = at, .restore = true };

	race_decisions(x, &m);
	assert_string_equal(host_read("x"), "HOST!\n");
	assert_int_equal(host_stat_of("w").st_mode & 07777, 0640);
}

static void test_decisions_on_another_first(void **state)
{
	decide_on_another(*state, 0);
}

static void test_decisions_on_another_next(void **state)
{
	decide_on_another(*state, 1);
}

static void test_decisions_on_another_last(void **state)
{
	decide_on_another(*state, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_box),
		WORLD_TEST(test_host),
		WORLD_TEST(test_text),
		WORLD_TEST(test_both),
		WORLD_TEST(test_text_in_place),
		WORLD_TEST(test_removed_on_one_side),
		WORLD_TEST(test_removed_directory),
		WORLD_TEST(test_directory_gone),
		WORLD_TEST(test_directory_gone_for_good),
		WORLD_TEST(test_renamed),
		WORLD_TEST(test_changed_after_the_decision),
		WORLD_TEST(test_part),
		WORLD_TEST(test_part_of_new),
		WORLD_TEST(test_keep),
		WORLD_TEST(test_sides),
		WORLD_TEST(test_decisions_again),
		WORLD_TEST(test_decisions_on_another_first),
		WORLD_TEST(test_decisions_on_another_next),
		WORLD_TEST(test_decisions_on_another_last),
	};

	cred_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
