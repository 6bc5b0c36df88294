/* test_commit.c - judging and applying changes, on a host directory and a box of the test's own. No guest runs. */
#include "fixture.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/xattr.h>

#include "base/cred.h"
#include "base/fd.h"
#include "commit/commit.h"

/* The test's directory has the store in store/, and the host's tree in w/, which is *state->path. */
struct world {
	struct dir *dir;
	char w[PATH_MAX + 8];
	struct store *store;
	struct box *box;
	struct overlay *ov;
	struct commit_plan *plan;
	struct commit_result result;
	struct caller caller;
};

static int world_setup(void **state)
{
	struct world *x = calloc(1, sizeof *x);
	char path[PATH_MAX + 16], real[PATH_MAX];

	if (!x || dir_setup((void **)&x->dir) < 0 || !realpath(x->dir->path, real))
		return -1;
	umask(022);
	x->caller.umask = 022;
	snprintf(path, sizeof path, "%s/store", real);
	setenv("COWBOX_HOME", path, 1);
	snprintf(x->w, sizeof x->w, "%s/w", real);
	if (mkdir(x->w, 0755) < 0 || chdir(x->w) < 0)
		return -1;
	*state = x;
	return store_open(true, &x->store, NULL);
}

static int world_teardown(void **state)
{
	struct world *x = *state;
	void *dir = x->dir;

	commit_plan_freep(&x->plan);
	overlay_freep(&x->ov);
	box_freep(&x->box);
	store_freep(&x->store);
	if (chdir("/") < 0)
		return -1;
	dir_teardown(&dir);
	free(x);
	return 0;
}
#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

/* ---- the host ---- */

static void host_write(const char *name, const char *text)
{
	close(dir_file(AT_FDCWD, name, text, 0644));
}

static char *host_read(const char *name)
{
	static char text[256];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	if (n < 0)
		return strcpy(text, "(none)");
	text[n] = '\0';
	close(fd);
	return text;
}

static struct stat host_stat_of(const char *name)
{
	struct stat st;

	if (lstat(name, &st) < 0)
		memset(&st, 0, sizeof st);
	return st;
}

/* Nothing but what is wanted lies in the directory: no temporaries. */
static void assert_clean(const char *dir)
{
	char cmd[PATH_MAX + 64];

	snprintf(cmd, sizeof cmd, "test -z \"$(find %s -name '.cowbox-*')\"", dir);
	assert_int_equal(system(cmd), 0);
}

/* ---- the box ---- */

/* Made when it is first needed: its origins must be of a finished host. */
static void box_begin(struct world *x)
{
	struct err err = { 0 };

	if (!x->box && box_create(x->store, "test", "test", &x->box, &err) < 0)
		fail_msg("%s", err.msg);
	if (!x->ov && overlay_new(x->box, &x->ov, &err) < 0)
		fail_msg("%s", err.msg);
}

static struct at view(struct world *x, const char *name)
{
	return (struct at){ .dir = { x->w }, .path = name };
}

static void box_write(struct world *x, const char *name, const char *text, int flags)
{
	_cleanup_opened_ struct opened o;

	box_begin(x);
	opened_init(&o);
	assert_int_equal(overlay_open(x->ov, &x->caller, view(x, name), (uint64_t)(O_WRONLY | flags), 0644, 0, &o), 0);
	assert_int_equal(o.how, OPENED_FD);
	assert_int_equal(write(o.fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void box_new(struct world *x, const char *name, const char *text)
{
	box_write(x, name, text, O_CREAT | O_TRUNC);
}

static void box_append(struct world *x, const char *name, const char *text)
{
	box_write(x, name, text, O_APPEND);
}

static void box_unlink(struct world *x, const char *name)
{
	box_begin(x);
	assert_int_equal(overlay_unlink(x->ov, &x->caller, view(x, name), 0), 0);
}

static void box_rmdir(struct world *x, const char *name)
{
	box_begin(x);
	assert_int_equal(overlay_unlink(x->ov, &x->caller, view(x, name), AT_REMOVEDIR), 0);
}

static void box_mkdir(struct world *x, const char *name)
{
	box_begin(x);
	assert_int_equal(overlay_mkdir(x->ov, &x->caller, view(x, name), 0755), 0);
}

static void box_rename(struct world *x, const char *old, const char *new, unsigned flags)
{
	box_begin(x);
	assert_int_equal(overlay_rename(x->ov, &x->caller, view(x, old), view(x, new), flags), 0);
}

static void box_link(struct world *x, const char *old, const char *new)
{
	box_begin(x);
	assert_int_equal(overlay_link(x->ov, &x->caller, view(x, old), view(x, new), 0), 0);
}

static void box_symlink(struct world *x, const char *target, const char *name)
{
	box_begin(x);
	assert_int_equal(overlay_symlink(x->ov, &x->caller, target, view(x, name)), 0);
}

static void box_chmod(struct world *x, const char *name, mode_t mode)
{
	_cleanup_object_ struct object o;

	box_begin(x);
	object_init(&o);
	assert_int_equal(overlay_lookup(x->ov, &x->caller, view(x, name), 0, &o), 0);
	assert_int_equal(object_chmod(x->ov, &x->caller, &o, mode), 0);
}

/* ---- the commit ---- */

static void plan(struct world *x)
{
	struct err err = { 0 };

	commit_plan_freep(&x->plan);
	if (commit_plan_new(x->ov, &x->plan, &err) < 0)
		fail_msg("%s", err.msg);
}

static const struct commit_item *find(struct world *x, const char *name)
{
	char path[PATH_MAX + 300];

	snprintf(path, sizeof path, "%s/%s", x->w, name);
	for (size_t i = 0; i < x->plan->count; i++)
		if (strcmp(x->plan->items[i].change->path, path) == 0)
			return &x->plan->items[i];
	fail_msg("no change at %s", name);
	return NULL;
}

static size_t choose(struct world *x, const char *name)
{
	char path[PATH_MAX + 300];

	snprintf(path, sizeof path, "%s%s%s", x->w, *name ? "/" : "", name);
	return commit_choose(x->plan, (struct vpath){ path });
}

static void apply(struct world *x)
{
	struct err err = { 0 };

	commit_settle(x->plan);
	if (commit_apply(x->plan, NULL, NULL, &x->result, &err) < 0)
		fail_msg("%s", err.msg);
	assert_clean(x->w);
}

static void commit_all(struct world *x)
{
	plan(x);
	choose(x, "");
	apply(x);
	for (size_t i = 0; i < x->plan->count; i++)
		if (x->plan->items[i].outcome != COMMIT_DONE)
			print_message("%s: %s\n", x->plan->items[i].change->path, x->plan->items[i].why);
}

/* All was applied, and the box has nothing left. */
static void assert_all(struct world *x)
{
	assert_int_equal(x->result.left + x->result.failed + x->result.untried, 0);
	plan(x);
	for (size_t i = 0; i < x->plan->count; i++)
		print_message("left in the box: %c %s\n", (char)x->plan->items[i].change->kind, x->plan->items[i].change->path);
	assert_int_equal(x->plan->count, 0);
}

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
	assert_int_equal(x->result.done, 1);
	assert_int_equal(x->result.untried, 1);
	assert_true(x->result.trouble[0]);
	assert_string_equal(host_read("a"), "a\n");
	plan(x);
	find(x, "b");
	assert_int_equal(x->plan->count, 1);
}

/* ---- diff ---- */

static char *diff_text(struct world *x, unsigned flags)
{
	struct changes c;
	struct err err = { 0 };
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (changes_collect(x->ov, 0, &c, &err) < 0 || diff_write(x->ov, &c, NULL, 0, flags, f, &err) < 0)
		fail_msg("%s", err.msg);
	changes_release(&c);
	fclose(f);
	return text;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in:\n%s", part, text);
}

static void test_diff(void **state)
{
	struct world *x = *state;
	char *text;

	host_write("f", "one\ntwo\nthree\n");
	host_write("bin", "x");
	mkdir("d", 0755);
	host_write("d/in", "in\n");
	box_new(x, "f", "one\n2\nthree\n");
	box_chmod(x, "f", 0755);
	box_rename(x, "d", "e", 0);
	box_append(x, "e/in", "more\n");
	box_new(x, "we\"ird", "no newline");
	text = diff_text(x, 0);
	assert_has(text, "old mode 100644\nnew mode 100755\n");
	assert_has(text, "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n");
	assert_has(text, "rename from ");
	assert_has(text, "@@ -1 +1,2 @@\n in\n+more\n");
	assert_has(text, "we\\\"ird\"");
	assert_has(text, "+no newline\n\\ No newline at end of file\n");
	free(text);
	text = diff_text(x, DIFF_COLOR);
	assert_has(text, "\033[31m-two\033[m\n\033[32m+2\033[m\n");
	free(text);
	text = diff_text(x, DIFF_STAT);
	assert_has(text, "/f      | 2 +-\n");
	assert_has(text, "/we\"ird | 1 +\n");
	assert_has(text, " 3 files changed, 3 lines added, 1 removed; 1 directory\n");
	free(text);
}

static void test_diff_binary(void **state)
{
	struct world *x = *state;
	char *text;
	int fd = open("bin", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_int_equal(ftruncate(fd, 12288), 0);
	close(fd);
	box_append(x, "bin", "x");
	text = diff_text(x, 0);
	assert_has(text, "Binary files a/");
	assert_has(text, " differ (12.0 KiB -> 12.0 KiB)\n");
	free(text);
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
		WORLD_TEST(test_conflict_content),
		WORLD_TEST(test_conflict_added_both),
		WORLD_TEST(test_conflict_removed),
		WORLD_TEST(test_conflict_in_removed_dir),
		WORLD_TEST(test_false_conflict),
		WORLD_TEST(test_parent_became_symlink),
		WORLD_TEST(test_changed_under_our_hands),
		WORLD_TEST(test_choose_path),
		WORLD_TEST(test_rename_waits),
		WORLD_TEST(test_stopped),
		WORLD_TEST(test_diff),
		WORLD_TEST(test_diff_binary),
	};

	cred_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
