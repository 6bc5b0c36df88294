/* directed_names.c - removing, making and renaming names: whiteouts, opaque directories, redirects. */
#include "directed.h"
#include <sys/xattr.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif

static void test_whiteout(void **state)
{
	struct test *t = T(state);

	host_write(t, "f", "host");
	host_mkdir(t, "d");
	host_mkdir(t, "empty");
	host_write(t, "d/x", "x");
	test_seal(t);
	assert_int_equal(V(t, unlink, W("f"), 0), 0);
	assert_gone(t, "f");
	assert_int_equal(V(t, unlink, W("f"), 0), -ENOENT);
	assert_int_equal(V(t, unlink, W("d"), 0), -EISDIR);
	assert_int_equal(V(t, unlink, W("d"), AT_REMOVEDIR), -ENOTEMPTY);
	assert_int_equal(V(t, unlink, W("empty"), AT_REMOVEDIR), 0);
	assert_gone(t, "empty");
	assert_int_equal(V(t, unlink, W("d/x"), 0), 0);
	assert_names(t, "d", "");
	assert_int_equal(V(t, unlink, W("d"), AT_REMOVEDIR), 0);
	assert_gone(t, "d");
	assert_gone(t, "d/x");
	assert_names(t, "", "");
	world_reopen(&t->w);
	assert_names(t, "", "");
}

/* What is on disk is what the kernel's overlayfs reads. */
static void test_layer_format(void **state)
{
	struct test *t = T(state);
	char path[3 * PATH_MAX], value[8] = "";
	struct stat st;

	host_write(t, "f", "host");
	host_mkdir(t, "d");
	host_write(t, "d/x", "x");
	test_seal(t);
	assert_int_equal(V(t, unlink, W("f"), 0), 0);
	assert_int_equal(V(t, unlink, W("d/x"), 0), 0);
	assert_int_equal(V(t, unlink, W("d"), AT_REMOVEDIR), 0);
	assert_int_equal(V(t, mkdir, W("d"), 0700), 0);
	snprintf(path, sizeof(path), "%s/layers/%d/tree%s/f", t->w.box->path, t->w.box->layer[0], t->w.host.root);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == 0);
	snprintf(path, sizeof(path), "%s/layers/%d/tree%s/d", t->w.box->path, t->w.box->layer[0], t->w.host.root);
	assert_int_equal(lgetxattr(path, "user.overlay.opaque", value, sizeof(value)), 1);
	assert_int_equal(value[0], 'y');
	/* None of that shows in the view. */
	assert_int_equal(V(t, getxattr, W("d"), true, "user.overlay.opaque", value, sizeof(value)), -ENODATA);
	assert_int_equal(V(t, listxattr, W("d"), true, NULL, 0), 0);
}

static void test_opaque(void **state)
{
	struct test *t = T(state);

	host_mkdir(t, "d");
	host_write(t, "d/x", "x");
	host_mkdir(t, "d/sub");
	host_write(t, "d/sub/y", "y");
	test_seal(t);
	assert_int_equal(V(t, unlink, W("d/x"), 0), 0);
	assert_int_equal(V(t, unlink, W("d/sub/y"), 0), 0);
	assert_int_equal(V(t, unlink, W("d/sub"), AT_REMOVEDIR), 0);
	assert_int_equal(V(t, unlink, W("d"), AT_REMOVEDIR), 0);
	assert_int_equal(V(t, mkdir, W("d"), 0755), 0);
	assert_names(t, "d", "");
	assert_gone(t, "d/x");
	assert_gone(t, "d/sub/y");
	assert_int_equal(V(t, mkdir, W("d/sub"), 0755), 0);
	assert_names(t, "d/sub", "");
	assert_int_equal(view_write(t, "d/x", "new"), 0);
	assert_view(t, "d/x", "new");
	world_reopen(&t->w);
	assert_names(t, "d", "sub x");
	assert_names(t, "d/sub", "");
}

static void test_redirect(void **state)
{
	struct test *t = T(state);

	host_mkdir(t, "old");
	host_mkdir(t, "old/sub");
	host_write(t, "old/f", "f");
	host_write(t, "old/sub/g", "g");
	struct stat before = view_lstat(t, "old");
	assert_int_equal(V(t, rename, W("old"), W("new"), 0), 0);
	assert_gone(t, "old");
	assert_gone(t, "old/f");
	assert_view(t, "new/f", "f");
	assert_view(t, "new/sub/g", "g");
	assert_names(t, "new", "f sub");
	struct stat after = view_lstat(t, "new");
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_dev, after.st_dev);
	assert_int_equal(V(t, mkdir, W("old"), 0755), 0);
	assert_names(t, "old", "");
	assert_gone(t, "old/f");
	/* The live host shows through under the new name. */
	host_write(t, "old/later", "later");
	assert_view(t, "new/later", "later");
	assert_gone(t, "old/later");
	world_reopen(&t->w);
	assert_view(t, "new/sub/g", "g");
	assert_names(t, "old", "");
	assert_names(t, "new", "f later sub");
}

static void test_redirect_again(void **state)
{
	struct test *t = T(state);

	host_mkdir(t, "a");
	host_mkdir(t, "a/b");
	host_mkdir(t, "a/b/c");
	host_write(t, "a/b/c/f", "f");
	host_mkdir(t, "z");
	test_seal(t);
	assert_int_equal(V(t, rename, W("a/b"), W("z/b2"), 0), 0);
	assert_int_equal(V(t, rename, W("z"), W("y"), 0), 0);
	assert_view(t, "y/b2/c/f", "f");
	assert_int_equal(V(t, rename, W("y/b2/c"), W("top"), 0), 0);
	assert_view(t, "top/f", "f");
	assert_gone(t, "y/b2/c");
	assert_int_equal(view_append(t, "top/f", "+"), 0);
	assert_view(t, "top/f", "f+");
	assert_int_equal(V(t, rename, W("top"), W("y/b2/c"), 0), 0);
	assert_view(t, "y/b2/c/f", "f+");
	assert_int_equal(V(t, rename, W("y/b2"), W("a/b"), 0), 0);
	assert_view(t, "a/b/c/f", "f+");
	assert_int_equal(V(t, unlink, W("a/b/c/f"), 0), 0);
	assert_names(t, "a/b/c", "");
	world_reopen(&t->w);
	assert_names(t, "a/b/c", "");
	assert_names(t, "y", "");
	assert_names(t, "", "a y");
}

/* A directory may not go below itself, over one that is not empty, nor over a file. */
static void test_rename_refusals(void **state)
{
	struct test *t = T(state);

	host_mkdir(t, "d");
	host_mkdir(t, "d/sub");
	host_mkdir(t, "full");
	host_write(t, "full/x", "x");
	host_mkdir(t, "empty");
	host_write(t, "f", "f");
	test_seal(t);
	assert_int_equal(V(t, rename, W("d"), W("d/sub/d"), 0), -EINVAL);
	assert_int_equal(V(t, rename, W("d"), W("full"), 0), -ENOTEMPTY);
	assert_int_equal(V(t, rename, W("d"), W("f"), 0), -ENOTDIR);
	assert_int_equal(V(t, rename, W("f"), W("d"), 0), -EISDIR);
	assert_int_equal(V(t, rename, W("f"), W("d"), RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(V(t, rename, W("f"), W("g"), RENAME_NOREPLACE | RENAME_EXCHANGE), -EINVAL);
	assert_int_equal(V(t, rename, W("none"), W("g"), 0), -ENOENT);
	assert_int_equal(V(t, rename, W("f"), W("none"), RENAME_EXCHANGE), -ENOENT);
	assert_int_equal(V(t, rename, W("d/."), W("g"), 0), -EBUSY);
	assert_int_equal(V(t, rename, W("f"), W("g/"), 0), -ENOTDIR);
	assert_int_equal(V(t, rename, W("d"), W("empty"), 0), 0);
	assert_names(t, "empty", "sub");
	assert_gone(t, "d");
	assert_int_equal(V(t, unlink, W("full/x"), 0), 0);
	assert_int_equal(V(t, rename, W("empty"), W("full"), 0), 0);
	assert_names(t, "full", "sub");
}

static void test_rename_over_whiteout(void **state)
{
	struct test *t = T(state);

	host_write(t, "a", "a");
	host_write(t, "b", "b");
	host_mkdir(t, "d");
	host_write(t, "d/in", "in");
	host_mkdir(t, "e");
	host_write(t, "e/old", "old");
	test_seal(t);
	assert_int_equal(V(t, unlink, W("b"), 0), 0);
	assert_int_equal(V(t, rename, W("a"), W("b"), RENAME_NOREPLACE), 0);
	assert_view(t, "b", "a");
	assert_gone(t, "a");
	assert_int_equal(V(t, unlink, W("e/old"), 0), 0);
	assert_int_equal(V(t, unlink, W("e"), AT_REMOVEDIR), 0);
	assert_int_equal(V(t, rename, W("d"), W("e"), 0), 0);
	assert_names(t, "e", "in");
	assert_gone(t, "d");
	assert_names(t, "", "b e");
	/* A directory of the box's own over a whiteout hides what the host has there. */
	assert_int_equal(V(t, mkdir, W("new"), 0755), 0);
	assert_int_equal(V(t, rename, W("new"), W("d"), 0), 0);
	assert_names(t, "d", "");
	world_reopen(&t->w);
	assert_names(t, "", "b d e");
	assert_names(t, "d", "");
	assert_view(t, "e/in", "in");
}

static void test_exchange(void **state)
{
	struct test *t = T(state);

	host_mkdir(t, "d");
	host_write(t, "d/in", "in");
	host_write(t, "f", "f");
	host_mkdir(t, "d2");
	host_write(t, "d2/in2", "in2");
	test_seal(t);
	assert_int_equal(V(t, rename, W("d"), W("f"), RENAME_EXCHANGE), 0);
	assert_view(t, "d", "f");
	assert_view(t, "f/in", "in");
	assert_int_equal(V(t, rename, W("f"), W("d2"), RENAME_EXCHANGE), 0);
	assert_view(t, "d2/in", "in");
	assert_view(t, "f/in2", "in2");
	assert_names(t, "d2", "in");
	assert_names(t, "f", "in2");
	assert_int_equal(view_write(t, "own", "own"), 0);
	assert_int_equal(V(t, rename, W("own"), W("d2/in"), RENAME_EXCHANGE), 0);
	assert_view(t, "own", "in");
	assert_view(t, "d2/in", "own");
	world_reopen(&t->w);
	assert_names(t, "", "d d2 f own");
	assert_view(t, "d", "f");
	assert_view(t, "f/in2", "in2");
}

static void test_rename_same_inode(void **state)
{
	struct test *t = T(state);

	host_write(t, "a", "a");
	assert_int_equal(link(test_abs(t, "a"), test_abs(t, "b")), 0);
	test_seal(t);
	/* Two names of one file: rename does nothing, before copy-up and after. */
	assert_int_equal(V(t, rename, W("a"), W("b"), 0), 0);
	assert_names(t, "", "a b");
	assert_int_equal(view_append(t, "a", "+"), 0);
	assert_int_equal(V(t, rename, W("a"), W("b"), 0), 0);
	assert_names(t, "", "a b");
	assert_view(t, "b", "a+");
}

static void test_trailing_slashes(void **state)
{
	struct test *t = T(state);
	struct stat st;

	host_write(t, "f", "f");
	host_mkdir(t, "d");
	host_symlink(t, "d", "l");
	test_seal(t);
	assert_int_equal(V(t, stat, W("f/"), 0, &st), -ENOTDIR);
	assert_int_equal(V(t, stat, W("l/"), LOOKUP_NOFOLLOW, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(V(t, open, W("f/"), O_RDONLY | O_CLOEXEC, 0), -ENOTDIR);
	assert_int_equal(V(t, open, W("new/"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644), -EISDIR);
	assert_int_equal(V(t, mkdir, W("made//"), 0755), 0);
	assert_int_equal(V(t, mknod, W("p/"), S_IFIFO | 0644, 0), -ENOENT);
	assert_int_equal(V(t, symlink, "x", W("s/")), -ENOENT);
	assert_int_equal(V(t, link, W("f"), W("g/"), 0), -ENOENT);
	assert_int_equal(V(t, unlink, W("f/"), 0), -ENOTDIR);
	assert_int_equal(V(t, unlink, W("l/"), AT_REMOVEDIR), -ENOTDIR);
	assert_int_equal(V(t, unlink, W("d/."), AT_REMOVEDIR), -EINVAL);
	assert_int_equal(V(t, unlink, W("d/.."), AT_REMOVEDIR), -ENOTEMPTY);
	assert_int_equal(V(t, unlink, W("made/"), AT_REMOVEDIR), 0);
	assert_int_equal(V(t, rename, W("d/"), W("d9/"), 0), 0);
	assert_names(t, "", "d9 f l");
}

/* ".." is the parent in the view of where a symlink led, not of where it lies. */
static void test_dotdot_after_symlink(void **state)
{
	struct test *t = T(state);

	host_mkdir(t, "a");
	host_mkdir(t, "a/deep");
	host_write(t, "a/x", "in a");
	host_write(t, "x", "on top");
	host_symlink(t, "a/deep", "l");
	test_seal(t);
	assert_view(t, "l/../x", "in a");
	assert_int_equal(view_write(t, "l/../y", "y"), 0);
	assert_view(t, "a/y", "y");
	/* After a rename the parent is the new one. */
	assert_int_equal(V(t, mkdir, W("b"), 0755), 0);
	assert_int_equal(view_write(t, "b/x", "in b"), 0);
	assert_int_equal(V(t, rename, W("a/deep"), W("b/deep"), 0), 0);
	assert_view(t, "b/deep/../x", "in b");
	assert_int_equal(V(t, unlink, W("l"), 0), 0);
	assert_int_equal(V(t, symlink, test_abs(t, "b/deep"), W("l")), 0);
	assert_view(t, "l/../x", "in b");
}

static void test_symlink_limit(void **state)
{
	struct test *t = T(state);
	char name[16], to[16];

	host_write(t, "l0", "end");
	for (int i = 1; i <= 41; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		snprintf(to, sizeof(to), "l%d", i - 1);
		if (i % 2)
			host_symlink(t, to, name);
		else
			assert_int_equal(V(t, symlink, to, W(name)), 0);
	}
	host_symlink(t, "loop", "loop");
	assert_view(t, "l40", "end");
	assert_int_equal(V(t, open, W("l41"), O_RDONLY | O_CLOEXEC, 0), -ELOOP);
	assert_int_equal(V(t, open, W("loop"), O_RDONLY | O_CLOEXEC, 0), -ELOOP);
	assert_int_equal(V(t, open, W("loop/x"), O_RDONLY | O_CREAT | O_CLOEXEC, 0644), -ELOOP);
}

static void test_type_changes(void **state)
{
	struct test *t = T(state);

	host_write(t, "f", "f");
	host_mkdir(t, "d");
	host_write(t, "d/x", "x");
	test_seal(t);
	assert_int_equal(V(t, unlink, W("f"), 0), 0);
	assert_int_equal(V(t, mkdir, W("f"), 0755), 0);
	assert_int_equal(view_write(t, "f/in", "in"), 0);
	assert_int_equal(V(t, unlink, W("d/x"), 0), 0);
	assert_int_equal(V(t, unlink, W("d"), AT_REMOVEDIR), 0);
	assert_int_equal(view_write(t, "d", "now a file"), 0);
	assert_view(t, "d", "now a file");
	struct stat st;
	assert_int_equal(V(t, stat, W("d/x"), 0, &st), -ENOTDIR);
	assert_view(t, "f/in", "in");
	assert_int_equal(V(t, unlink, W("d"), 0), 0);
	assert_int_equal(V(t, symlink, "f", W("d")), 0);
	assert_view(t, "d/in", "in");
}

int directed_names(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_whiteout), TEST(test_layer_format), TEST(test_opaque), TEST(test_redirect), TEST(test_redirect_again),
		TEST(test_rename_refusals), TEST(test_rename_over_whiteout), TEST(test_exchange), TEST(test_rename_same_inode),
		TEST(test_trailing_slashes), TEST(test_dotdot_after_symlink), TEST(test_symlink_limit), TEST(test_type_changes),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
