/* test_box.c - the store, and boxes in it: made, opened, refused when damaged, removed whatever they hold. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "overlay/box.h"

#define NOBODY 65534
#define DEEP 10000

/* ---- the room ---- */

static char room[PATH_MAX];   /* realpath() asks for no less */

static const char *tmp_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	return tmp ? tmp : "/var/tmp";
}

static int room_setup(void **state)
{
	char plain[sizeof room];

	(void)state;
	snprintf(plain, sizeof plain, "%s/cowbox-box-XXXXXX", tmp_dir());
	if (!mkdtemp(plain) || !realpath(plain, room) || chmod(room, 0711) < 0)
		return -1;
	unsetenv("XDG_STATE_HOME");
	return setenv("COWBOX_HOME", room, 1);
}

static int room_teardown(void **state)
{
	char cmd[2 * sizeof room + 64];

	(void)state;
	sys_fault(SYS_FAULT_OFF, 0, 0);
	snprintf(cmd, sizeof cmd, "chmod -R u+rwx '%s' && rm -rf '%s'", room, room);
	if (system(cmd) != 0)
		print_message("kept %s\n", room);
	return 0;
}

static struct store *open_store(void)
{
	struct store *s = NULL;
	struct err err = { 0 };

	if (store_open(true, &s, &err) < 0)
		fail_msg("store_open: %s", err.msg);
	return s;
}

static struct box *make_box(struct store *s, const char *name)
{
	struct box *b = NULL;
	struct err err = { 0 };

	if (box_create(s, name, "tar xf big.tar", &b, &err) < 0)
		fail_msg("box_create: %s", err.msg);
	return b;
}

/* How many entries boxes/ has besides . and .. */
static int entries(struct store *s)
{
	DIR *d = fdopendir(openat(s->boxes_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int n = -2;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void write_file(int dirfd, const char *name, const char *text, size_t len)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
}

/* ---- the store ---- */

static void test_store_open(void **state)
{
	_cleanup_store_ struct store *s = NULL;
	struct store *t = NULL;
	struct err err = { 0 };
	char deep[sizeof room + 64];
	struct stat st;

	(void)state;
	snprintf(deep, sizeof deep, "%s/a//b/c/", room);
	setenv("COWBOX_HOME", deep, 1);
	assert_int_equal(store_open(false, &t, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "there are no boxes yet"));
	assert_null(t);
	assert_int_equal(store_open(true, &s, &err), 0);
	snprintf(deep, sizeof deep, "%s/a/b/c", room);
	assert_string_equal(s->path, deep);
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fstat(s->boxes_fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(entries(s), 0);
	assert_int_equal(store_open(false, &t, &err), 0);
	store_freep(&t);
	assert_null(t);
	store_free(NULL);
}

static void test_store_places(void **state)
{
	_cleanup_store_ struct store *s = NULL;
	struct err err = { 0 };
	char path[sizeof room + 64];

	(void)state;
	setenv("COWBOX_HOME", "", 1);
	setenv("XDG_STATE_HOME", room, 1);
	assert_int_equal(store_open(true, &s, &err), 0);
	snprintf(path, sizeof path, "%s/cowbox", room);
	assert_string_equal(s->path, path);
	store_freep(&s);
	/* A relative XDG_STATE_HOME is to be ignored, says its specification. */
	setenv("XDG_STATE_HOME", "relative", 1);
	setenv("HOME", room, 1);
	assert_int_equal(store_open(true, &s, &err), 0);
	snprintf(path, sizeof path, "%s/.local/state/cowbox", room);
	assert_string_equal(s->path, path);
	store_freep(&s);
	/* A relative COWBOX_HOME, and one that is a symlink: the store tells its real path. */
	assert_int_equal(chdir(room), 0);
	assert_int_equal(symlink(".local", "link"), 0);
	setenv("COWBOX_HOME", "link/store", 1);
	assert_int_equal(store_open(true, &s, &err), 0);
	snprintf(path, sizeof path, "%s/.local/store", room);
	assert_string_equal(s->path, path);
	assert_int_equal(chdir("/"), 0);
}

static void test_store_refused(void **state)
{
	struct store *s = NULL;
	struct err err = { 0 };
	char path[sizeof room + 64];

	(void)state;
	setenv("COWBOX_HOME", "/", 1);
	assert_int_equal(store_open(false, &s, &err), -EINVAL);
	setenv("COWBOX_HOME", "/dev/null/store", 1);
	assert_int_equal(store_open(true, &s, &err), -ENOTDIR);
	assert_non_null(strstr(err.msg, "COWBOX_HOME"));
	setenv("COWBOX_HOME", room, 1);
	snprintf(path, sizeof path, "%s/boxes", room);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_int_equal(store_open(true, &s, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "is not a directory"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0777), 0);
	assert_int_equal(chmod(path, 0777), 0);
	s = open_store();
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	store_freep(&s);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, NOBODY, NOBODY), 0);
		assert_int_equal(store_open(true, &s, &err), -EPERM);
		assert_non_null(strstr(err.msg, "another user"));
	}
	assert_null(s);
}

/* A full disk, by the error it gives. */
static void test_store_full(void **state)
{
	_cleanup_store_ struct store *s = open_store();
	struct store *t = NULL;
	struct err err = { 0 };
	uint64_t calls;
	int full = 0;

	(void)state;
	(void)s;
	sys_fault(SYS_FAULT_COUNT, 0, 0);
	assert_int_equal(store_open(true, &t, &err), 0);
	calls = sys_fault_count();
	store_freep(&t);
	for (uint64_t n = 1; n <= calls; n++) {
		int r;

		sys_fault(SYS_FAULT_FAIL, n, ENOSPC);
		r = store_open(true, &t, &err);
		sys_fault(SYS_FAULT_OFF, 0, 0);
		if (r < 0) {
			assert_null(t);
			assert_int_equal(r, -ENOSPC);
			full += strstr(err.msg, "has no room left") != NULL;
		}
		store_freep(&t);
	}
	assert_true(full >= 2);
}

static bool write_map(const char *path, const char *format, unsigned id)
{
	FILE *f = fopen(path, "we");
	bool ok;

	if (!f)
		return false;
	ok = fprintf(f, format, id) > 0;
	return fclose(f) == 0 && ok;
}

/* A mount namespace, in a user namespace where we are not root. */
static bool enter_namespace(void)
{
	unsigned uid = geteuid(), gid = getegid();

	if (uid == 0)
		return unshare(CLONE_NEWNS) == 0;
	return unshare(CLONE_NEWNS | CLONE_NEWUSER) == 0 && write_map("/proc/self/setgroups", "deny", 0) &&
	       write_map("/proc/self/uid_map", "0 %u 1", uid) && write_map("/proc/self/gid_map", "0 %u 1", gid);
}

/* ramfs keeps no user xattrs. */
static int child_ramfs(void)
{
	struct store *s = NULL;
	struct err err = { 0 };

	if (!enter_namespace() || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("ramfs", room, "ramfs", 0, NULL) < 0)
		return 77;
	if (store_open(true, &s, &err) != -EOPNOTSUPP || !strstr(err.msg, "extended attributes") ||
	    !strstr(err.msg, "COWBOX_HOME=/dir")) {
		fprintf(stderr, "%s\n", s ? "the store was opened" : err.msg);
		return 1;
	}
	return 0;
}

static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_store_no_xattrs(void **state)
{
	int r = in_child(child_ramfs);

	(void)state;
	if (r == 77) {
		print_message("skipped: no mount namespace to be had here\n");
		skip();
	}
	assert_int_equal(r, 0);
}

static void test_sweep(void **state)
{
	_cleanup_store_ struct store *s = open_store();
	_cleanup_close_ int held = -1;

	(void)state;
	assert_int_equal(mkdirat(s->boxes_fd, ".rm-1-2", 0700), 0);
	assert_int_equal(mkdirat(s->boxes_fd, ".rm-1-2/x", 0), 0);
	assert_int_equal(mkdirat(s->boxes_fd, ".new-1-3", 0700), 0);
	assert_int_equal(mkdirat(s->boxes_fd, ".new-1-4", 0700), 0);
	assert_int_equal(mkdirat(s->boxes_fd, ".other", 0700), 0);
	write_file(s->boxes_fd, ".probe-1", "", 0);
	held = openat(s->boxes_fd, ".new-1-4", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(held, LOCK_EX), 0);
	store_freep(&s);
	s = open_store();
	/* What is being made, what is none of ours, and a file of just now stay. */
	assert_int_equal(entries(s), 3);
	assert_int_equal(faccessat(s->boxes_fd, ".new-1-4", F_OK, 0), 0);
	fd_closep(&held);
	assert_int_equal(utimensat(s->boxes_fd, ".probe-1", (struct timespec[2]){ { .tv_sec = 1 }, { .tv_sec = 1 } }, 0), 0);
	store_freep(&s);
	s = open_store();
	assert_int_equal(entries(s), 1);
}

/* ---- names ---- */

static void test_names(void **state)
{
	static const char *const good[] = { "a", "A-1_b.c", "x.y", "0" };
	static const char *const bad[] = { "", ".", "..", ".x", "-x", "a/b", "/", "a b", "a\n", "\xff", "caf\xc3\xa9" };
	char name[BOX_NAME_MAX + 2];
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_int_equal(box_name_check(good[i], &err), 0);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		err.msg[0] = '\0';
		assert_int_equal(box_name_check(bad[i], &err), -EINVAL);
		assert_true(err.msg[0] && !strchr(err.msg, '\n'));
	}
	memset(name, 'n', sizeof name);
	name[BOX_NAME_MAX + 1] = '\0';
	assert_int_equal(box_name_check(name, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "longer than 64"));
	name[BOX_NAME_MAX] = '\0';
	assert_int_equal(box_name_check(name, NULL), 0);
}

static void test_fresh_name(void **state)
{
	static const struct { const char *command, *start; } t[] = {
		{ "tar xf big.tar", "tar-" }, { "/usr/bin/python3.11 -m venv", "python3.11-" }, { "", "box-" }, { "...", "box-" },
		{ "./a b", "a-" }, { "-x", "x-" }, { "caf\xc3\xa9", "caf-" }, { "bin/", "bin-" }, { "/", "box-" }, { "a+b", "a-b-" },
	};
	_cleanup_store_ struct store *s = open_store();
	char name[BOX_NAME_MAX + 1], second[BOX_NAME_MAX + 1], longest[500];
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		assert_int_equal(store_fresh_name(s, t[i].command, name, &err), 0);
		assert_int_equal(box_name_check(name, &err), 0);
		if (strncmp(name, t[i].start, strlen(t[i].start)) != 0)
			fail_msg("'%s' gave %s", t[i].command, name);
	}
	assert_int_equal(store_fresh_name(s, NULL, name, &err), 0);
	memset(longest, 'l', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	assert_int_equal(store_fresh_name(s, longest, name, &err), 0);
	assert_int_equal(box_name_check(name, &err), 0);
	assert_int_equal(mkdirat(s->boxes_fd, name, 0700), 0);
	assert_int_equal(store_fresh_name(s, longest, second, &err), 0);
	assert_string_not_equal(name, second);
}

static void test_list_and_last(void **state)
{
	_cleanup_store_ struct store *s = open_store();
	_cleanup_strv_ char **names = NULL;
	_cleanup_box_ struct box *b = NULL;
	char last[BOX_NAME_MAX + 1] = "untouched";
	struct err err = { 0 };

	(void)state;
	assert_int_equal(store_list(s, &names, &err), 0);
	assert_null(names[0]);
	strv_freep(&names);
	assert_int_equal(store_last(s, last, &err), -ENOENT);
	assert_string_equal(last, "untouched");
	b = make_box(s, "zeta");
	box_freep(&b);
	b = make_box(s, "Alpha");
	write_file(s->boxes_fd, "stray", "x", 1);
	assert_int_equal(mkdirat(s->boxes_fd, "with space", 0700), 0);
	assert_int_equal(store_list(s, &names, &err), 0);
	assert_string_equal(names[0], "Alpha");
	assert_string_equal(names[1], "zeta");
	assert_null(names[2]);
	assert_int_equal(store_set_last(s, "no/good", &err), -EINVAL);
	assert_int_equal(store_set_last(s, "zeta", &err), 0);
	assert_int_equal(store_set_last(s, "Alpha", &err), 0);
	assert_int_equal(store_last(s, last, &err), 0);
	assert_string_equal(last, "Alpha");
	assert_int_equal(box_remove(s, b, &err), 0);
	assert_int_equal(store_last(s, last, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "Alpha, is gone"));
	write_file(s->fd, "last", "../../etc\n", 10);
	assert_int_equal(store_last(s, last, &err), -ENOENT);
	write_file(s->fd, "last", "", 0);
	assert_int_equal(store_last(s, last, &err), -ENOENT);
}

/* ---- making and opening ---- */

static void test_create_open(void **state)
{
	static const char *const dirs[] = { "layers", "layers/1", "layers/1/work", "layers/1/links", "base", "history" };
	_cleanup_store_ struct store *s = open_store();
	_cleanup_box_ struct box *b = NULL, *c = NULL;
	struct err err = { 0 };
	struct stat st, root;
	char path[PATH_MAX + 16];

	(void)state;
	assert_int_equal(box_create(s, "one", "echo \x1b[31m\xff x", &b, &err), 0);
	snprintf(path, sizeof path, "%s/boxes/one", room);
	assert_string_equal(b->path, path);
	assert_string_equal(b->store_path, room);
	assert_string_equal(b->name, "one");
	for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
		assert_int_equal(fstatat(b->fd, dirs[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(st.st_mode, S_IFDIR | 0700);
	}
	assert_int_equal(stat("/", &root), 0);
	assert_int_equal(fstatat(b->fd, "layers/1/tree", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode, root.st_mode);
	assert_true(st.st_mtim.tv_sec == root.st_mtim.tv_sec && st.st_mtim.tv_nsec == root.st_mtim.tv_nsec);
	if (geteuid() == 0)
		assert_true(st.st_uid == root.st_uid && st.st_gid == root.st_gid);
	assert_int_equal(box_open(s, "one", &c, &err), 0);
	assert_string_equal(c->command, "echo \\033[31m\\377 x");
	assert_string_equal(c->command, b->command);
	assert_string_equal(c->profile, "");
	assert_true(c->created == b->created && c->created > 1600000000);
	assert_int_equal(c->nlayers, 1);
	assert_int_equal(c->layer[0], 1);
	/* The counter is one and the same. */
	atomic_fetch_add(b->generation, 5);
	assert_int_equal(atomic_load(c->generation), 5);
	assert_int_equal(entries(s), 1);
}

static void test_create_refused(void **state)
{
	_cleanup_store_ struct store *s = open_store();
	_cleanup_box_ struct box *b = make_box(s, "taken");
	struct box *c = NULL;
	struct err err = { 0 };

	(void)state;
	(void)b;
	assert_int_equal(box_create(s, "taken", NULL, &c, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "taken already"));
	assert_int_equal(box_create(s, "a/b", NULL, &c, &err), -EINVAL);
	assert_int_equal(box_open(s, "a/b", &c, &err), -EINVAL);
	assert_int_equal(box_open(s, "none", &c, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "no box none"));
	write_file(s->boxes_fd, "stray", "x", 1);
	assert_int_equal(box_open(s, "stray", &c, &err), -EBADMSG);
	assert_int_equal(box_create(s, "stray", NULL, &c, &err), -EEXIST);
	assert_int_equal(symlinkat("taken", s->boxes_fd, "link"), 0);
	assert_int_equal(box_open(s, "link", &c, &err), -EBADMSG);
	assert_null(c);
}

/* Every call fails once: the box is whole, or there is none, and nothing is left lying about that the next start does not sweep. */
static void test_create_faults(void **state)
{
	_cleanup_store_ struct store *s = open_store();
	struct err err = { 0 };
	uint64_t calls = 1;
	int before = open_fds();

	(void)state;
	for (uint64_t n = 1; n <= calls; n++) {
		struct box *b = NULL;
		int r;

		sys_fault(n == 1 ? SYS_FAULT_COUNT : SYS_FAULT_FAIL, n - 1, EIO);
		r = box_create(s, "box", "x", &b, &err);
		if (n == 1) {
			calls = sys_fault_count() + 1;
			assert_int_equal(r, 0);
		}
		sys_fault(SYS_FAULT_OFF, 0, 0);
		if (r < 0) {
			assert_null(b);
			assert_int_equal(faccessat(s->boxes_fd, "box", F_OK, 0), -1);
		} else {
			assert_int_equal(box_remove(s, b, &err), 0);
		}
		box_freep(&b);
		assert_int_equal(open_fds(), before);
	}
	assert_true(calls > 15);
	store_freep(&s);
	s = open_store();
	assert_int_equal(entries(s), 0);
}

static struct store *racing_store;
static atomic_int racing_wins;

static void *race_create(void *arg)
{
	struct box *b = NULL;
	struct err err = { 0 };
	int r = box_create(racing_store, "raced", "x", &b, &err);

	(void)arg;
	if (r == 0)
		atomic_fetch_add(&racing_wins, 1);
	else if (r != -EEXIST)
		atomic_fetch_add(&racing_wins, 100);
	box_free(b);
	return NULL;
}

static void test_create_race(void **state)
{
	_cleanup_store_ struct store *s = open_store();
	pthread_t t[8];

	(void)state;
	racing_store = s;
	atomic_store(&racing_wins, 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&t[i], NULL, race_create, NULL), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(atomic_load(&racing_wins), 1);
	assert_int_equal(entries(s), 1);
}

/* ---- damage ---- */

static void expect_damaged(struct store *s, const char *json, const char *says)
{
	_cleanup_box_ struct box *b = NULL;
	_cleanup_close_ int fd = openat(s->boxes_fd, "hurt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err = { 0 };

	write_file(fd, "box.json", json, strlen(json));
	assert_int_equal(box_open(s, "hurt", &b, &err), says ? -EBADMSG : 0);
	if (says && (!strstr(err.msg, says) || !strstr(err.msg, "hurt") || strpbrk(err.msg, "\n\x1b")))
		fail_msg("%s\nsaid: %s\nnot: %s", json, err.msg, says);
}

static void test_damaged_json(void **state)
{
	static const struct { const char *json, *says; } t[] = {
		{ "", "not JSON" }, { "{", "not JSON" }, { "\x1b[2J", "not JSON" }, { "[]", "no version" }, { "{}", "no version" },
		{ "{\"version\":\"1\"}", "no version" }, { "{\"version\":1.0}", "no version" },
		{ "{\"version\":1,\"version\":2}", "not JSON" }, { "{\"version\":99999999999999999999}", "not JSON" },
		{ "{\"version\":2,\"layers\":\"whatever a later one has\"}", "version 2" }, { "{\"version\":0}", "version 0" },
		{ "{\"version\":1}", "created" }, { "{\"version\":1,\"created\":\"now\"}", "created" },
		{ "{\"version\":1,\"created\":1}", "layers" }, { "{\"version\":1,\"created\":1,\"layers\":[]}", "layers" },
		{ "{\"version\":1,\"created\":1,\"layers\":{\"1\":1}}", "layers" },
		{ "{\"version\":1,\"created\":1,\"layers\":[0]}", "layer 1" }, { "{\"version\":1,\"created\":1,\"layers\":[-1]}", "layer 1" },
		{ "{\"version\":1,\"created\":1,\"layers\":[\"../../x\"]}", "layer 1" },
		{ "{\"version\":1,\"created\":1,\"layers\":[4294967297]}", "layer 1" },
		{ "{\"version\":1,\"created\":1,\"layers\":[1,1]}", "twice" }, { "{\"version\":1,\"created\":1,\"layers\":[1,2]}", "layers/2/tree" },
		{ "{\"version\":1,\"created\":1,\"layers\":[1],\"command\":7}", "command" },
		{ "{\"version\":1,\"created\":1,\"layers\":[1],\"profile\":[]}", "profile" },
		{ "{\"version\":1,\"created\":1,\"layers\":[1],\"command\":\"a\\u0000b\"}", "not JSON" },
		{ "{\"version\":1,\"created\":1,\"layers\":[1],\"later\":{\"x\":[]}}", NULL },
	};
	_cleanup_store_ struct store *s = open_store();
	_cleanup_box_ struct box *b = make_box(s, "hurt");
	_cleanup_free_ char *big = malloc((2 << 20) + 1);
	char many[1024] = "{\"version\":1,\"created\":1,\"layers\":[1";

	(void)state;
	(void)b;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
		expect_damaged(s, t[i].json, t[i].says);
	for (int i = 2; i <= BOX_LAYERS_MAX + 1; i++)
		sprintf(many + strlen(many), ",%d", i);
	strcat(many, "]}");
	expect_damaged(s, many, "layers");
	memset(big, ' ', 2 << 20);
	big[2 << 20] = '\0';
	expect_damaged(s, big, "1 MiB");
	memset(big, '[', 1 << 20);
	big[1 << 20] = '\0';
	expect_damaged(s, big, "not JSON");
}

static void test_damaged_files(void **state)
{
	_cleanup_store_ struct store *s = open_store();
	_cleanup_box_ struct box *b = make_box(s, "hurt"), *c = NULL;
	struct err err = { 0 };
	struct stat st;

	(void)state;
	/* Stray files and directories are left alone; empty ones that went missing come back. */
	write_file(b->fd, "stray", "x", 1);
	assert_int_equal(mkdirat(b->fd, "layers/7", 0), 0);
	assert_int_equal(unlinkat(b->fd, "layers/1/work", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(b->fd, "lock", 0), 0);
	assert_int_equal(unlinkat(b->fd, "running", 0), 0);
	assert_int_equal(box_open(s, "hurt", &c, &err), 0);
	assert_int_equal(fstatat(b->fd, "layers/1/work", &st, 0), 0);
	assert_int_equal(faccessat(b->fd, "stray", F_OK, 0), 0);
	assert_int_equal(box_is_running(c), 0);
	box_freep(&c);
	/* A lock file that was cut short. */
	write_file(b->fd, "lock", "abc", 3);
	assert_int_equal(box_open(s, "hurt", &c, &err), 0);
	atomic_fetch_add(c->generation, 1);
	assert_int_equal(fstatat(b->fd, "lock", &st, 0), 0);
	assert_int_equal(st.st_size, 4096);
	box_freep(&c);
	assert_int_equal(unlinkat(b->fd, "lock", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", b->fd, "lock"), 0);
	assert_int_equal(box_open(s, "hurt", &c, &err), -EBADMSG);
	assert_int_equal(unlinkat(b->fd, "lock", 0), 0);
	assert_int_equal(mkfifoat(b->fd, "lock", 0600), 0);
	assert_int_equal(box_open(s, "hurt", &c, &err), -EBADMSG);
	assert_int_equal(unlinkat(b->fd, "lock", 0), 0);
	/* A layer that leads elsewhere. */
	assert_int_equal(renameat(b->fd, "layers/1/tree", b->fd, "moved"), 0);
	assert_int_equal(box_open(s, "hurt", &c, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "layers/1/tree"));
	assert_int_equal(symlinkat("../../moved", b->fd, "layers/1/tree"), 0);
	assert_int_equal(box_open(s, "hurt", &c, &err), -EBADMSG);
	assert_int_equal(unlinkat(b->fd, "box.json", 0), 0);
	assert_int_equal(box_open(s, "hurt", &c, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "no box.json"));
	assert_int_equal(mkfifoat(b->fd, "box.json", 0600), 0);
	assert_int_equal(box_open(s, "hurt", &c, &err), -EBADMSG);
	assert_null(c);
	/* And is removed all the same. */
	assert_int_equal(box_remove_damaged(s, "none", &err), -ENOENT);
	assert_int_equal(box_remove_damaged(s, "hurt", &err), 0);
	assert_int_equal(entries(s), 0);
}

/* ---- locks ---- */

static void test_running(void **state)
{
	_cleanup_store_ struct store *s = open_store();
	_cleanup_box_ struct box *b = make_box(s, "busy"), *again = NULL;
	struct err err = { 0 };
	int one, two;

	(void)state;
	assert_int_equal(box_is_running(b), 0);
	one = box_hold_running(b, &err);
	two = box_hold_running(b, &err);
	assert_true(one >= 0 && two >= 0);
	assert_true(box_is_running(b) > 0);
	assert_int_equal(box_remove(s, b, &err), -EBUSY);
	assert_int_equal(box_remove_damaged(s, "busy", &err), -EBUSY);
	assert_non_null(strstr(err.msg, "in use"));
	close(one);
	assert_true(box_is_running(b) > 0);
	close(two);
	assert_int_equal(box_is_running(b), 0);
	assert_int_equal(box_remove(s, b, &err), 0);
	/* Who still has it open cannot run in what is gone, nor remove the next of that name. */
	assert_true(box_hold_running(b, &err) < 0);
	again = make_box(s, "busy");
	assert_true(box_hold_running(b, &err) < 0);
	assert_int_equal(box_remove(s, b, &err), -ENOENT);
	assert_int_equal(faccessat(s->boxes_fd, "busy", F_OK, 0), 0);
}

static void test_lock(void **state)
{
	_cleanup_store_ struct store *s = open_store();
	_cleanup_box_ struct box *b = make_box(s, "locked"), *c = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(box_open(s, "locked", &c, &err), 0);
	assert_int_equal(box_lock(b), 0);
	assert_int_equal(flock(c->lock_fd, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	sys_fault(SYS_FAULT_FAIL, 1, EIO);
	box_unlock(b);
	sys_fault(SYS_FAULT_OFF, 0, 0);
	assert_int_equal(box_lock(c), 0);
	box_unlock(c);
}

/* ---- removing and counting ---- */

/* A chain of directories, the deepest with a file; made from the inside out so that no path gets long. */
static int make_chain(int dirfd, const char *name, int depth)
{
	int fd = dup(dirfd);

	for (int i = 0; i < depth; i++) {
		int next;

		if (mkdirat(fd, i ? "d" : name, 0700) < 0)
			return -1;
		next = openat(fd, i ? "d" : name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = next;
		if (fd < 0)
			return -1;
	}
	close(openat(fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0));
	close(fd);
	return 0;
}

/* All that makes removing hard, as the user we are. Returns 0, or the number of what went wrong. */
static int remove_hard(void)
{
	_cleanup_store_ struct store *s = NULL;
	_cleanup_box_ struct box *b = NULL;
	_cleanup_close_ int tree = -1, locked = -1;
	uint64_t bytes = 0, objects = 0;
	struct err err = { 0 };
	char name[64], keep[sizeof room + 64];
	struct stat st;

	if (store_open(true, &s, &err) < 0 || box_create(s, "hard", "x", &b, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	tree = openat(b->fd, "layers/1/tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* The mirror of "/" may lack the owner's w where "/" does. */
	if (fchmod(tree, 0755) < 0 || make_chain(tree, "chain", DEEP) < 0)
		return 2;
	if (box_usage(b, &bytes, &objects) < 0 || objects != DEEP + 1)
		return 3;
	/* Outside, and what symlinks and hard links in the layer lead to. */
	snprintf(keep, sizeof keep, "%s/keep", room);
	if (mkdir(keep, 0755) < 0)
		return 4;
	snprintf(keep, sizeof keep, "%s/keep/file", room);
	close(open(keep, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	if (symlinkat("../../../../../keep", tree, "link") < 0 || linkat(AT_FDCWD, keep, tree, "hard", 0) < 0)
		return 5;
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "wide%d", i);
		if (mkdirat(tree, name, 0700) < 0 || make_chain(tree, strcat(name, "x"), 3) < 0)
			return 6;
	}
	if (mknodat(tree, "whiteout", S_IFCHR, 0) < 0 || mkfifoat(tree, "fifo", 0) < 0)
		return 7;
	if (mkdirat(tree, "locked", 0700) < 0)
		return 8;
	locked = openat(tree, "locked", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int mode = 0; mode < 8; mode++) {
		snprintf(name, sizeof name, "m%d", mode);
		if (make_chain(locked, name, 2) < 0 || fchmodat(locked, name, (mode_t)mode << 6, 0) < 0)
			return 9;
	}
	if (fchmod(locked, 0) < 0 || fchmodat(b->fd, "layers/1/work", 0, 0) < 0 || fchmod(tree, 0555) < 0)
		return 10;
	if (box_usage(b, &bytes, &objects) < 0)
		return 11;
	if (box_remove(s, b, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 12;
	}
	if (entries(s) != 0 || stat(keep, &st) < 0 || (st.st_mode & 07777) != 0600)
		return 13;
	return 0;
}

static int remove_as_user(void)
{
	if (geteuid() == 0) {
		if (chown(room, NOBODY, NOBODY) < 0 || setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		    setresuid(NOBODY, NOBODY, NOBODY) < 0)
			return 99;
	}
	return remove_hard();
}

static void test_remove_hard(void **state)
{
	(void)state;
	assert_int_equal(in_child(remove_as_user), 0);
}

static void test_remove_hard_root(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: not root\n");
		skip();
	}
	assert_int_equal(in_child(remove_hard), 0);
}

/* A failure in the middle leaves what the next start finishes, never a half box under its name. */
static void test_remove_faults(void **state)
{
	_cleanup_store_ struct store *s = open_store();
	struct err err = { 0 };
	uint64_t calls = 1;

	(void)state;
	for (uint64_t n = 1; n <= calls; n++) {
		_cleanup_box_ struct box *b = make_box(s, "gone"), *c = NULL;
		_cleanup_close_ int tree = openat(b->fd, "layers/1/tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int r;

		assert_int_equal(make_chain(tree, "chain", 3), 0);
		sys_fault(n == 1 ? SYS_FAULT_COUNT : SYS_FAULT_FAIL, n - 1, EIO);
		r = box_remove(s, b, &err);
		if (n == 1)
			calls = sys_fault_count() + 1;
		sys_fault(SYS_FAULT_OFF, 0, 0);
		if (faccessat(s->boxes_fd, "gone", F_OK, 0) == 0) {
			assert_true(r < 0);
			assert_int_equal(box_open(s, "gone", &c, &err), 0);
			assert_int_equal(box_remove(s, c, &err), 0);
		}
		store_freep(&s);
		s = open_store();
		assert_int_equal(entries(s), 0);
	}
	assert_true(calls > 15);
}

/* Another process moves directories about while they are removed. */
static int mover(int tree)
{
	for (int i = 0; i < 20000; i++) {
		char from[64], to[64];

		snprintf(from, sizeof from, "c%d/d/d", i % 50);
		snprintf(to, sizeof to, "c%d/moved%d", (i + 1) % 50, i);
		(void)!renameat(tree, from, tree, to);
	}
	return 0;
}

static void test_remove_moving(void **state)
{
	_cleanup_store_ struct store *s = open_store();
	_cleanup_box_ struct box *b = make_box(s, "moving");
	_cleanup_close_ int tree = openat(b->fd, "layers/1/tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err = { 0 };
	char name[16];
	pid_t pid;

	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof name, "c%d", i);
		assert_int_equal(make_chain(tree, name, 20), 0);
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(mover(tree));
	assert_int_equal(box_remove(s, b, &err), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	store_freep(&s);
	s = open_store();
	assert_int_equal(entries(s), 0);
}

static void test_usage(void **state)
{
	_cleanup_store_ struct store *s = open_store();
	_cleanup_box_ struct box *b = make_box(s, "used");
	_cleanup_close_ int tree = openat(b->fd, "layers/1/tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t bytes = 7, objects = 7, more, same;
	char data[65536];

	(void)state;
	memset(data, 'x', sizeof data);
	assert_int_equal(box_usage(b, &bytes, &objects), 0);
	assert_int_equal(objects, 0);
	write_file(tree, "file", data, sizeof data);
	assert_int_equal(fsync(tree), 0);
	sync();
	assert_int_equal(box_usage(b, &more, &objects), 0);
	assert_int_equal(objects, 1);
	assert_true(more >= bytes + sizeof data);
	/* A second name of it costs nothing, wherever it is. */
	assert_int_equal(linkat(tree, "file", b->fd, "layers/1/links/8:1:5", 0), 0);
	assert_int_equal(box_usage(b, &same, &objects), 0);
	assert_true(same == more);
	assert_int_equal(objects, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, room_setup, room_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_store_open), T(test_store_places), T(test_store_refused), T(test_store_full), T(test_store_no_xattrs), T(test_sweep),
		T(test_names), T(test_fresh_name), T(test_list_and_last), T(test_create_open), T(test_create_refused),
		T(test_create_faults), T(test_create_race), T(test_damaged_json), T(test_damaged_files), T(test_running), T(test_lock),
		T(test_remove_hard), T(test_remove_hard_root), T(test_remove_faults), T(test_remove_moving), T(test_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
