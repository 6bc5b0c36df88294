/* directed_lists.c - the live host showing through, listings that change half-way, identity of directories, several users of one box. */
#include "directed.h"
#include <dirent.h>
#include <sys/wait.h>

static void test_live_host(void **state)
{
	struct test *t = T(state);

	host_mkdir(t, "d");
	host_write(t, "d/a", "a");
	host_write(t, "d/kept", "kept");
	assert_int_equal(view_write(t, "d/own", "own"), 0);
	assert_int_equal(view_append(t, "d/kept", "+box"), 0);
	host_write(t, "d/b", "b");
	assert_view(t, "d/b", "b");
	assert_names(t, "d", "a b kept own");
	host_write(t, "d/a", "changed");
	assert_view(t, "d/a", "changed");
	assert_int_equal(unlink(test_abs(t, "d/b")), 0);
	assert_gone(t, "d/b");
	host_mkdir(t, "d/late");
	host_write(t, "d/late/f", "f");
	assert_view(t, "d/late/f", "f");
	/* What the box changed stays as the box left it. */
	host_write(t, "d/kept", "host again");
	assert_view(t, "d/kept", "kept+box");
	host_write(t, "d/own", "host's");
	assert_view(t, "d/own", "own");
	assert_int_equal(V(t, unlink, W("d/a"), 0), 0);
	host_write(t, "d/a", "back");
	assert_gone(t, "d/a");
	/* A whole directory removed outside: what the box made below stays. */
	assert_int_equal(rename(test_abs(t, "d"), test_abs(t, "elsewhere")), 0);
	assert_view(t, "d/own", "own");
	assert_view(t, "d/kept", "kept+box");
	assert_gone(t, "d/late");
}

static void test_directory_identity(void **state)
{
	struct test *t = T(state);
	struct stat before, after, by_fd;

	host_mkdir(t, "d");
	host_mkdir(t, "d/sub");
	host_write(t, "d/f", "f");
	test_seal(t);
	_cleanup_close_ int early = V(t, open, W("d"), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	before = view_lstat(t, "d");
	assert_int_equal(view_write(t, "d/new", "new"), 0);
	assert_int_equal(V(t, chmod, W("d"), 0711), 0);
	after = view_lstat(t, "d");
	assert_int_equal(before.st_dev, after.st_dev);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(after.st_nlink, 1);
	assert_int_equal(after.st_mode & 07777, 0711);
	_cleanup_close_ int late = V(t, open, W("d"), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	assert_int_equal(fstat(late, &by_fd), 0);
	assert_int_equal(by_fd.st_ino, after.st_ino);
	assert_int_equal(by_fd.st_dev, after.st_dev);
	assert_int_equal(fstat(early, &by_fd), 0);
	assert_int_equal(by_fd.st_ino, after.st_ino);
	/* The descriptor from before the change is the merged directory, too. */
	_cleanup_free_ struct side_dirent *list = NULL;
	size_t count = 0;
	assert_int_equal(side_list_fd(&t->w.view, early, 4096, &list, &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(V(t, fd_stat, early, &by_fd), 0);
	assert_int_equal(by_fd.st_mode & 07777, 0711);
	/* ".." of a directory below is it. */
	struct stat up;
	assert_int_equal(V(t, stat, W("d/sub/.."), 0, &up), 0);
	assert_int_equal(up.st_ino, after.st_ino);
}

static void test_types_listed(void **state)
{
	struct test *t = T(state);
	_cleanup_free_ struct side_dirent *list = NULL;
	size_t count = 0;

	host_write(t, "f", "f");
	host_mkdir(t, "d");
	host_symlink(t, "f", "l");
	test_seal(t);
	assert_int_equal(V(t, unlink, W("f"), 0), 0);
	assert_int_equal(V(t, mkdir, W("f"), 0755), 0);
	assert_int_equal(V(t, unlink, W("d"), AT_REMOVEDIR), 0);
	assert_int_equal(V(t, mknod, W("d"), S_IFIFO | 0644, 0), 0);
	assert_int_equal(V(t, unlink, W("l"), 0), 0);
	assert_int_equal(view_write(t, "l", "file"), 0);
	assert_int_equal(side_list(&t->w.view, "", &list, &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(list[0].type, DT_FIFO);
	assert_int_equal(list[1].type, DT_DIR);
	assert_int_equal(list[2].type, DT_REG);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(list[i].ino, view_lstat(t, list[i].name).st_ino);
}

#define MANY 10000

static int number_of(const char *name)
{
	return name[0] == 'e' ? atoi(name + 1) : -1;
}

/* Half on the host, half of the box (all_host: all on the host). */
static void make_many(struct test *t, bool all_host)
{
	char path[64];

	host_mkdir(t, "many");
	for (int i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "many/e%d", i);
		if (all_host || i % 2)
			host_write(t, path, "");
	}
	for (int i = 0; !all_host && i < MANY; i += 2) {
		snprintf(path, sizeof(path), "many/e%d", i);
		assert_int_equal(view_write(t, path, ""), 0);
	}
}

/* As rm does: read some, remove those, read on. */
static void remove_while_listing(struct test *t)
{
	_cleanup_free_ unsigned char *seen = calloc(MANY, 1);
	char buf[8192], path[64];
	int total = 0;
	_cleanup_close_ int fd = V(t, open, W("many"), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	assert_true(fd >= 0);
	for (;;) {
		ssize_t n = V(t, getdents, fd, buf, sizeof(buf));
		assert_true(n >= 0);
		if (!n)
			break;
		for (ssize_t at = 0; at < n;) {
			const struct linux_dirent64 *d = (const void *)(buf + at);
			int i = number_of(d->d_name);
			at += d->d_reclen;
			if (i < 0)
				continue;
			assert_int_equal(seen[i]++, 0);
			total++;
			snprintf(path, sizeof(path), "many/%s", d->d_name);
			assert_int_equal(V(t, unlink, W(path), 0), 0);
		}
	}
	assert_int_equal(total, MANY);
	assert_names(t, "many", "");
	assert_int_equal(V(t, unlink, W("many"), AT_REMOVEDIR), 0);
	assert_gone(t, "many");
}

static void test_remove_many_of_host(void **state)
{
	struct test *t = T(state);

	make_many(t, true);
	test_seal(t);
	remove_while_listing(t);
}

static void test_remove_many_mixed(void **state)
{
	struct test *t = T(state);

	make_many(t, false);
	test_seal(t);
	remove_while_listing(t);
}

/* Every other one removed, new ones made, while the listing runs: what was there throughout is listed once. */
static void test_change_while_listing(void **state)
{
	struct test *t = T(state);
	_cleanup_free_ unsigned char *seen = calloc(MANY, 1);
	char buf[4096], path[64];
	int step = 0;

	make_many(t, false);
	_cleanup_close_ int fd = V(t, open, W("many"), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	for (ssize_t n; (n = V(t, getdents, fd, buf, sizeof(buf))) != 0; step++) {
		assert_true(n > 0);
		for (ssize_t at = 0; at < n;) {
			const struct linux_dirent64 *d = (const void *)(buf + at);
			at += d->d_reclen;
			if (number_of(d->d_name) >= 0)
				assert_int_equal(seen[number_of(d->d_name)]++, 0);
		}
		for (int i = step * 10; i < step * 10 + 10 && i < MANY; i++) {
			snprintf(path, sizeof(path), "many/e%d", i);
			if (i % 3 == 0)
				assert_int_equal(V(t, unlink, W(path), 0), 0);
			else if (i % 3 == 1)
				assert_int_equal(V(t, chmod, W(path), 0600), 0);
		}
		snprintf(path, sizeof(path), "many/fresh%d", step);
		assert_int_equal(view_write(t, path, ""), 0);
	}
	for (int i = 0; i < MANY; i++)
		if (i % 3 || i >= step * 10)
			assert_int_equal(seen[i], 1);
}

/* telldir and seekdir; a duplicate shares the position. */
static void test_seek(void **state)
{
	struct test *t = T(state);
	struct {
		char name[64];
		int64_t next;
	} entry[64];
	char path[64], buf[4096];
	int count = 0;

	host_mkdir(t, "d");
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "d/h%d", i);
		host_write(t, path, "");
		snprintf(path, sizeof(path), "d/b%d", i);
		assert_int_equal(view_write(t, path, ""), 0);
	}
	_cleanup_close_ int fd = V(t, open, W("d"), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	_cleanup_close_ int twin = dup(fd);
	for (ssize_t n; (n = V(t, getdents, count % 2 ? twin : fd, buf, 64)) > 0;)
		for (ssize_t at = 0; at < n && count < 64;) {
			const struct linux_dirent64 *d = (const void *)(buf + at);
			at += d->d_reclen;
			snprintf(entry[count].name, 64, "%s", d->d_name);
			entry[count++].next = d->d_off;
		}
	assert_int_equal(count, 42);
	for (int i = 0; i < count - 1; i++) {
		const struct linux_dirent64 *d = (const void *)buf;
		assert_int_equal(lseek(fd, entry[i].next, SEEK_SET), entry[i].next);
		assert_true(V(t, getdents, fd, buf, sizeof(buf)) > 0);
		assert_string_equal(d->d_name, entry[i + 1].name);
	}
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(V(t, getdents, fd, buf, 8), -EINVAL);
}

static void test_two_overlays(void **state)
{
	struct test *t = T(state), second = { 0 };

	host_mkdir(t, "d");
	host_write(t, "d/f", "f");
	host_mkdir(t, "e");
	test_seal(t);
	assert_view(t, "d/f", "f");
	assert_int_equal(box_open(t->w.store, "oracle", &second.w.box, NULL), 0);
	assert_int_equal(overlay_new(second.w.box, &second.w.ov, NULL), 0);
	side_init_view(&second.w.view, "second", t->w.host.root, second.w.ov);
	for (int i = 0; i < 2; i++) {
		struct test *a = i ? &second : t, *b = i ? t : &second;
		const char *name = i ? "d/i1" : "d/i0";
		assert_int_equal(view_write(a, name, "one"), 0);
		assert_view(b, name, "one");
		assert_int_equal(view_append(b, name, "+two"), 0);
		assert_view(a, name, "one+two");
		assert_int_equal(view_append(a, "d/f", "+"), 0);
		assert_view(b, "d/f", i ? "f++" : "f+");
		assert_int_equal(V(b, rename, W("d"), W("d9"), 0), 0);
		assert_gone(a, "d");
		assert_view(a, "d9/f", i ? "f++" : "f+");
		assert_int_equal(V(a, rename, W("d9"), W("d"), 0), 0);
		assert_names(b, "d", i ? "f i0 i1" : "f i0");
		assert_int_equal(V(a, unlink, W("e"), AT_REMOVEDIR), 0);
		assert_gone(b, "e");
		assert_int_equal(V(b, mkdir, W("e"), 0755), 0);
		assert_names(a, "e", "");
	}
	assert_int_equal(V(&second, unlink, W("d/f"), 0), 0);
	assert_gone(t, "d/f");
	overlay_freep(&second.w.ov);
	box_freep(&second.w.box);
}

/* Another process at work on the same box. */
static void test_two_processes(void **state)
{
	struct test *t = T(state);
	char path[64];
	int status;

	host_mkdir(t, "d");
	host_write(t, "d/f", "f");
	test_seal(t);
	assert_names(t, "d", "f");
	pid_t pid = fork();
	if (pid == 0) {
		world_reopen(&t->w);
		for (int i = 0; i < 200; i++) {
			snprintf(path, sizeof(path), "d/c%d", i);
			if (view_write(t, path, "child") < 0)
				_exit(1);
		}
		_exit(V(t, unlink, W("d/f"), 0) < 0);
	}
	for (int i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "d/p%d", i);
		assert_int_equal(view_write(t, path, "parent"), 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	_cleanup_free_ struct side_dirent *list = NULL;
	size_t count = 0;
	assert_int_equal(side_list(&t->w.view, "d", &list, &count), 0);
	assert_int_equal(count, 400);
	assert_gone(t, "d/f");
	assert_view(t, "d/c199", "child");
}

static void test_store_is_hidden(void **state)
{
	struct test *t = T(state);
	struct caller c = { .umask = 022 };
	char path[PATH_MAX], buf[4096];
	_cleanup_object_ struct object o;
	_cleanup_opened_ struct opened dir;

	object_init(&o);
	opened_init(&dir);
	snprintf(path, sizeof(path), "%s/home", t->w.dir);
	assert_true(overlay_hides(t->w.ov, path));
	assert_false(overlay_hides(t->w.ov, t->w.host.root));
	assert_int_equal(overlay_lookup(t->w.ov, &c, AT_VIEW(path), 0, &o), -ENOENT);
	snprintf(path, sizeof(path), "%s/home/boxes/oracle/box.json", t->w.dir);
	assert_int_equal(overlay_lookup(t->w.ov, &c, AT_VIEW(path), 0, &o), -ENOENT);
	snprintf(path, sizeof(path), "%s/host/../home/boxes", t->w.dir);
	assert_int_equal(overlay_lookup(t->w.ov, &c, AT_VIEW(path), 0, &o), -ENOENT);
	assert_int_equal(overlay_open(t->w.ov, &c, AT_VIEW(t->w.dir), O_RDONLY | O_DIRECTORY, 0, 0, &dir), 0);
	for (ssize_t n; (n = overlay_getdents(t->w.ov, &c, dir.fd, buf, sizeof(buf))) > 0;)
		for (ssize_t at = 0; at < n;) {
			const struct linux_dirent64 *d = (const void *)(buf + at);
			at += d->d_reclen;
			assert_string_not_equal(d->d_name, "home");
		}
}

static void test_untouched(void **state)
{
	struct test *t = T(state);
	char real[PATH_MAX], view[PATH_MAX];

	host_mkdir(t, "a");
	host_mkdir(t, "a/b");
	host_mkdir(t, "c");
	assert_true(overlay_untouched(t->w.ov, (struct vpath){ test_abs(t, "a") }));
	assert_int_equal(view_write(t, "a/b/f", "f"), 0);
	assert_false(overlay_untouched(t->w.ov, (struct vpath){ test_abs(t, "a/b") }));
	assert_false(overlay_untouched(t->w.ov, (struct vpath){ test_abs(t, "a") }));
	assert_false(overlay_untouched(t->w.ov, (struct vpath){ "/" }));
	assert_true(overlay_untouched(t->w.ov, (struct vpath){ test_abs(t, "c") }));
	/* What the kernel calls an open file of the layer has a name in the view. */
	_cleanup_close_ int fd = V(t, open, W("a/b/f"), O_RDWR | O_CLOEXEC, 0);
	assert_true(fd_real_path(fd, real, sizeof(real)) > 0);
	assert_int_equal(overlay_view_path(t->w.ov, real, view, sizeof(view)) < 0, 0);
	assert_string_equal(view, test_abs(t, "a/b/f"));
	assert_int_equal(V(t, rename, W("a"), W("z"), 0), 0);
	assert_int_equal(overlay_view_path(t->w.ov, test_abs(t, "a/b"), view, sizeof(view)) < 0, 0);
	assert_string_equal(view, test_abs(t, "z/b"));
}

int directed_lists(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_live_host), TEST(test_directory_identity), TEST(test_types_listed), TEST(test_remove_many_of_host),
		TEST(test_remove_many_mixed), TEST(test_change_while_listing), TEST(test_seek), TEST(test_two_overlays),
		TEST(test_two_processes), TEST(test_store_is_hidden), TEST(test_untouched),
	};

	return cmocka_run_group_tests_name("lists", tests, NULL, NULL);
}
