/* directed_changes.c - the list of changes and the origins. */
#include "directed.h"
#include "overlay/changes.h"
#include "overlay/origins.h"

static const struct change *find_change(struct test *t, const struct changes *c, const char *path)
{
	const char *abs = test_abs(t, path);

	for (size_t i = 0; i < c->count; i++)
		if (!strcmp(c->list[i].path, abs))
			return &c->list[i];
	return NULL;
}

static void assert_change(struct test *t, const struct changes *c, const char *path, char kind)
{
	const struct change *ch = find_change(t, c, path);

	if (!ch)
		fail_msg("%s: not listed, expected %c", path, kind);
	if (ch->kind != (enum change_kind)kind)
		fail_msg("%s: listed as %c, expected %c", path, ch->kind, kind);
}

/* Each line "K path" and nothing else, in the order given. */
static void assert_changes(struct test *t, const char *lines)
{
	struct changes c = { 0 };
	struct err err = { .msg = "" };
	char all[8192] = "";
	size_t n = 0, skip_root = strlen(t->w.host.root) + 1;

	if (changes_collect(t->w.ov, 0, &c, &err) < 0)
		fail_msg("changes_collect: %s", err.msg);
	for (size_t i = 0; i < c.count && n < sizeof(all) - 600; i++)
		n += (size_t)snprintf(all + n, 600, "%c %s\n", c.list[i].kind,
				      strlen(c.list[i].path) > skip_root ? c.list[i].path + skip_root : c.list[i].path);
	changes_release(&c);
	assert_string_equal(all, lines);
}

static void test_nothing(void **state)
{
	struct test *t = T(state);

	host_mkdir(t, "d");
	host_write(t, "d/f", "f");
	assert_changes(t, "");
	assert_view(t, "d/f", "f");
	assert_changes(t, "");
	/* Made and removed again leaves nothing. */
	assert_int_equal(view_write(t, "d/new", "x"), 0);
	assert_int_equal(V(t, unlink, W("d/new"), 0), 0);
	assert_changes(t, "");
	/* Opened for writing and not written. */
	_cleanup_close_ int fd = V(t, open, W("d/f"), O_RDWR | O_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_changes(t, "");
}

static void make_changes(struct test *t)
{
	host_mkdir(t, "keep");
	host_write(t, "keep/modified", "old");
	host_write(t, "keep/untouched", "same");
	host_write(t, "keep/meta", "meta");
	host_write(t, "keep/typed", "typed");
	host_write(t, "keep/deleted", "deleted");
	host_mkdir(t, "gone");
	host_write(t, "gone/in", "in");
	host_mkdir(t, "old");
	host_write(t, "old/in", "in");
	host_mkdir(t, "mode");
	host_mtime(t, "keep/meta", 1111111111);
	test_seal(t);
	assert_int_equal(view_write(t, "keep/added", "added"), 0);
	assert_int_equal(view_append(t, "keep/modified", "+new"), 0);
	assert_int_equal(V(t, chmod, W("keep/meta"), 0600), 0);
	assert_int_equal(V(t, unlink, W("keep/typed"), 0), 0);
	assert_int_equal(V(t, symlink, "elsewhere", W("keep/typed")), 0);
	assert_int_equal(V(t, unlink, W("keep/deleted"), 0), 0);
	assert_int_equal(V(t, unlink, W("gone/in"), 0), 0);
	assert_int_equal(V(t, unlink, W("gone"), AT_REMOVEDIR), 0);
	assert_int_equal(V(t, rename, W("old"), W("renamed"), 0), 0);
	assert_int_equal(V(t, chmod, W("mode"), 0700), 0);
	assert_int_equal(V(t, mkdir, W("tree"), 0755), 0);
	assert_int_equal(V(t, mkdir, W("tree/sub"), 0755), 0);
	assert_int_equal(view_write(t, "tree/sub/f", "f"), 0);
}

static void test_kinds(void **state)
{
	struct test *t = T(state);
	struct changes c = { 0 };

	make_changes(t);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(changes_collect(t->w.ov, round ? CHANGES_NO_CONTENT : 0, &c, NULL), 0);
		assert_change(t, &c, "keep/added", 'A');
		assert_change(t, &c, "keep/modified", 'M');
		assert_change(t, &c, "keep/meta", 'm');
		assert_change(t, &c, "keep/typed", 'T');
		assert_change(t, &c, "keep/deleted", 'D');
		assert_change(t, &c, "gone", 'D');
		assert_change(t, &c, "renamed", 'R');
		assert_change(t, &c, "mode", 'm');
		assert_change(t, &c, "tree", 'A');
		assert_change(t, &c, "tree/sub/f", 'A');
		assert_null(find_change(t, &c, "keep"));
		assert_null(find_change(t, &c, "keep/untouched"));
		assert_null(find_change(t, &c, ""));
		assert_null(find_change(t, &c, "old"));
		assert_string_equal(find_change(t, &c, "renamed")->from, test_abs(t, "old"));
		assert_int_equal(find_change(t, &c, "keep/deleted")->box.st_mode, 0);
		assert_int_equal(find_change(t, &c, "keep/added")->host.st_mode, 0);
		assert_int_equal(find_change(t, &c, "keep/modified")->host.st_size, 3);
		assert_int_equal(find_change(t, &c, "keep/modified")->box.st_size, 7);
		for (size_t i = 1; i < c.count; i++)
			assert_true(strcmp(c.list[i - 1].path, c.list[i].path) != 0);
		changes_release(&c);
		memset(&c, 0, sizeof(c));
		world_reopen(&t->w);
	}
}

/* (O1): each entry that the layer has where the host has or had a directory has a record. */
static void test_origins(void **state)
{
	struct test *t = T(state);
	struct changes c = { 0 };

	make_changes(t);
	assert_int_equal(changes_collect(t->w.ov, 0, &c, NULL), 0);
	assert_non_null(c.origins[0]);
	for (size_t i = 0; i < c.count; i++) {
		const struct change *ch = &c.list[i];
		const char *below = NULL;

		assert_false(ch->host_changed);
		if (path_below(ch->path, test_abs(t, "tree"), &below) && below[0])
			continue;   /* inside a directory of the box's own */
		if (!ch->origin)
			fail_msg("%s: no origin", ch->path);
		assert_int_equal(ch->origin->kind == ORIGIN_ABSENT, ch->kind == CHANGE_ADDED);
		assert_int_equal(ch->origin->kind == ORIGIN_DIRECTORY, ch->kind != CHANGE_ADDED && S_ISDIR(ch->host.st_mode));
		assert_string_equal(ch->origin->comm, "oracle");
		assert_true(ch->origin->when_ns > 0);
	}
	const struct origin *o = origins_find(c.origins[0], test_abs(t, "keep/modified"));
	struct stat st;
	assert_non_null(o);
	assert_int_equal(stat(test_abs(t, "keep/modified"), &st), 0);
	assert_int_equal(origin_same(o, &st), 1);
	assert_int_equal(origin_same(o, NULL), 0);
	assert_int_equal(o->ino, st.st_ino);
	assert_int_equal(o->size, 3);
	changes_release(&c);
}

static void test_kept_original(void **state)
{
	struct test *t = T(state);
	struct changes c = { 0 };
	char path[PATH_MAX + 64];

	host_write(t, "f", "the original");
	host_write(t, "g", "another");
	test_seal(t);
	assert_int_equal(view_write(t, "f", "replaced"), 0);
	assert_int_equal(V(t, unlink, W("g"), 0), 0);
	assert_int_equal(changes_collect(t->w.ov, 0, &c, NULL), 0);
	const struct origin *o = origins_find(c.origins[0], test_abs(t, "f"));
	assert_non_null(o);
	assert_true(o->base_id > 0);
	snprintf(path, sizeof(path), "%s/base/%llu", t->w.box->path, (unsigned long long)o->base_id);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_fd_text(fd, "the original");
	int box = -1;
	assert_int_equal(changes_open(t->w.ov, find_change(t, &c, "f"), &box), 0);
	assert_fd_text(box, "replaced");
	fd_closep(&box);
	changes_release(&c);
}

static void test_host_changed(void **state)
{
	struct test *t = T(state);
	struct changes c = { 0 };

	host_write(t, "f", "f");
	host_write(t, "g", "g");
	host_write(t, "same", "same");
	assert_int_equal(view_append(t, "f", "+box"), 0);
	assert_int_equal(view_append(t, "same", "+box"), 0);
	assert_int_equal(V(t, unlink, W("g"), 0), 0);
	assert_int_equal(view_write(t, "new", "box's"), 0);
	host_write(t, "f", "the host went on");
	host_write(t, "g", "too");
	host_write(t, "new", "host's");
	assert_int_equal(changes_collect(t->w.ov, 0, &c, NULL), 0);
	assert_true(find_change(t, &c, "f") && find_change(t, &c, "f")->host_changed);
	assert_true(find_change(t, &c, "g") && find_change(t, &c, "g")->host_changed);
	assert_true(find_change(t, &c, "new") && find_change(t, &c, "new")->host_changed);
	assert_true(find_change(t, &c, "same") && !find_change(t, &c, "same")->host_changed);
	changes_release(&c);
}

/* What was opened for writing, or given the mode that it had, is no change, whatever the host makes of its own since; the same with more done is one. */
static void test_untouched(void **state)
{
	static const char *const all[] = { "opened", "mode", "gone", "written", "times", "attributes" };
	struct test *t = T(state);
	struct changes c = { 0 };
	int fd;

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		host_write(t, all[i], "host's");
	host_mkdir(t, "dir");
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		fd = V(t, open, W(all[i]), O_RDWR, 0);
		assert_true(fd >= 0);
		if (!strcmp(all[i], "written"))
			assert_int_equal(pwrite(fd, "box's!", 6, 0), 6);
		close(fd);
	}
	assert_int_equal(V(t, chmod, W("mode"), 0644), 0);
	assert_int_equal(V(t, chmod, W("dir"), 0755), 0);
	assert_int_equal(V(t, utimens, W("times"), false, (struct timespec[2]){ { .tv_sec = 1 }, { .tv_sec = 1 } }), 0);
	assert_int_equal(V(t, setxattr, W("attributes"), false, "user.box", "x", 1, 0), 0);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		host_write(t, all[i], "and more");
	assert_int_equal(unlink(test_abs(t, "gone")), 0);
	assert_int_equal(chmod(test_abs(t, "dir"), 0711), 0);
	assert_int_equal(changes_collect(t->w.ov, 0, &c, NULL), 0);
	assert_null(find_change(t, &c, "opened"));
	assert_null(find_change(t, &c, "mode"));
	assert_null(find_change(t, &c, "gone"));
	assert_null(find_change(t, &c, "dir"));
	assert_non_null(find_change(t, &c, "written"));
	assert_non_null(find_change(t, &c, "times"));
	assert_non_null(find_change(t, &c, "attributes"));
	changes_release(&c);
}

static void test_forget(void **state)
{
	struct test *t = T(state);

	make_changes(t);
	static const char *const all[] = { "keep/added", "keep/modified", "keep/meta", "keep/typed", "keep/deleted", "gone", "renamed", "old", "mode", "tree" };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_int_equal(overlay_forget(t->w.ov, (struct vpath){ test_abs(t, all[i]) }), 0);
	assert_gone(t, "keep/added");
	assert_view(t, "keep/modified", "old");
	assert_view(t, "keep/typed", "typed");
	assert_view(t, "keep/deleted", "deleted");
	assert_view(t, "gone/in", "in");
	assert_view(t, "old/in", "in");
	assert_gone(t, "renamed");
	assert_gone(t, "tree");
	assert_changes(t, "");
	world_reopen(&t->w);
	assert_changes(t, "");
	assert_names(t, "", "gone keep mode old");
}

static void forget(struct test *t, const char *path)
{
	assert_int_equal(overlay_forget(t->w.ov, (struct vpath){ test_abs(t, path) }), 0);
}

static void host_three_names(struct test *t)
{
	host_write(t, "h1", "one");
	host_mkdir(t, "d");
	assert_int_equal(link(test_abs(t, "h1"), test_abs(t, "h2")), 0);
	assert_int_equal(link(test_abs(t, "h1"), test_abs(t, "d/h3")), 0);
}

/* Each of the names must show the host's file again when it is taken out, and the others what they showed. */
static void test_forget_one_of_several_names(void **state)
{
	struct test *t = T(state);

	host_three_names(t);
	test_seal(t);
	assert_int_equal(view_append(t, "h1", "+box"), 0);
	assert_view(t, "h2", "one+box");
	assert_changes(t, "M h1\nM h2\n");
	forget(t, "h1");
	assert_view(t, "h1", "one");
	assert_view(t, "h2", "one+box");
	assert_view(t, "d/h3", "one");
	assert_int_equal(view_lstat(t, "h1").st_nlink, 2);
	assert_int_equal(view_lstat(t, "h2").st_nlink, 1);
	assert_changes(t, "M h2\n");
	world_reopen(&t->w);
	assert_view(t, "h1", "one");
	assert_changes(t, "M h2\n");
	forget(t, "h2");
	assert_view(t, "h2", "one");
	assert_int_equal(view_lstat(t, "d/h3").st_nlink, 3);
	assert_changes(t, "");
}

static void test_forget_below_a_directory(void **state)
{
	struct test *t = T(state);

	host_three_names(t);
	test_seal(t);
	assert_int_equal(view_append(t, "d/h3", "+box"), 0);
	forget(t, "d");
	assert_view(t, "d/h3", "one");
	assert_view(t, "h1", "one");
	assert_changes(t, "");
}

static void test_forget_new_name(void **state)
{
	struct test *t = T(state);

	host_three_names(t);
	test_seal(t);
	assert_int_equal(view_append(t, "h1", "+box"), 0);
	assert_int_equal(V(t, link, W("h1"), W("n1"), 0), 0);
	assert_int_equal(V(t, link, W("h1"), W("n2"), 0), 0);
	assert_int_equal(V(t, unlink, W("h1"), 0), 0);
	assert_changes(t, "R n1\nA n2\n");
	forget(t, "n2");
	assert_gone(t, "h1");
	assert_view(t, "n1", "one+box");
	assert_changes(t, "R n1\n");
	forget(t, "n1");
	assert_gone(t, "h1");
	forget(t, "h1");
	assert_view(t, "h1", "one");
	assert_changes(t, "");
}

static void view_touch(struct test *t, const char *path, time_t sec)
{
	struct timespec ts[2] = { { .tv_sec = sec }, { .tv_sec = sec, .tv_nsec = 5 } };

	assert_int_equal(V(t, utimens, W(path), true, ts), 0);
}

/* Times that somebody set are a change of a directory; those that came by the names in it are none. */
static void test_times_of_directories(void **state)
{
	static const char *const dirs[] = { "touched", "before", "after", "names", "same", "access" };
	struct test *t = T(state);

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		host_mkdir(t, dirs[i]);
		host_mtime(t, dirs[i], 1000000);
	}
	test_seal(t);
	view_touch(t, "touched", 2000000);
	view_touch(t, "before", 2000000);
	assert_int_equal(view_write(t, "before/new", "x"), 0);
	assert_int_equal(view_write(t, "after/new", "x"), 0);
	view_touch(t, "after", 2000000);
	assert_int_equal(view_write(t, "names/new", "x"), 0);
	assert_int_equal(V(t, unlink, W("names/new"), 0), 0);
	struct timespec host[2] = { { .tv_nsec = UTIME_NOW }, view_lstat(t, "same").st_mtim };
	assert_int_equal(V(t, utimens, W("same"), true, host), 0);
	struct timespec access[2] = { { .tv_sec = 3000000 }, { .tv_nsec = UTIME_OMIT } };
	assert_int_equal(V(t, utimens, W("access"), true, access), 0);
	assert_changes(t, "m after\nA after/new\nA before/new\nm touched\n");
	world_reopen(&t->w);
	assert_changes(t, "m after\nA after/new\nA before/new\nm touched\n");
	assert_int_equal(view_lstat(t, "after").st_mtim.tv_sec, 2000000);
	/* A name that is taken out of the box takes nothing of the directory's own with it. */
	forget(t, "after/new");
	assert_changes(t, "m after\nA before/new\nm touched\n");
	assert_int_equal(view_lstat(t, "after").st_mtim.tv_sec, 2000000);
	forget(t, "after");
	assert_int_equal(view_lstat(t, "after").st_mtim.tv_sec, 1000000);
	assert_changes(t, "A before/new\nm touched\n");
}

static void test_order(void **state)
{
	struct test *t = T(state);

	host_mkdir(t, "a");
	host_write(t, "a-b", "x");
	test_seal(t);
	assert_int_equal(view_write(t, "a/z", "z"), 0);
	assert_int_equal(view_append(t, "a-b", "y"), 0);
	assert_int_equal(V(t, mkdir, W("n"), 0755), 0);
	assert_int_equal(view_write(t, "n/2", "2"), 0);
	assert_int_equal(view_write(t, "n/1", "1"), 0);
	struct changes c = { 0 };
	assert_int_equal(changes_collect(t->w.ov, 0, &c, NULL), 0);
	assert_int_equal(c.count, 5);
	/* A directory before what is in it. */
	for (size_t i = 0; i < c.count; i++)
		for (size_t j = i + 1; j < c.count; j++)
			assert_false(path_below(c.list[i].path, c.list[j].path, NULL));
	changes_release(&c);
}

int directed_changes(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing), TEST(test_kinds), TEST(test_origins), TEST(test_kept_original), TEST(test_host_changed), TEST(test_untouched),
		TEST(test_forget), TEST(test_forget_one_of_several_names),
		TEST(test_forget_below_a_directory), TEST(test_forget_new_name), TEST(test_times_of_directories), TEST(test_order),
	};

	return cmocka_run_group_tests_name("changes", tests, NULL, NULL);
}
