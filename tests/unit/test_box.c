/* test_box.c - boxes: made, opened, refused when damaged, locked. */
#include "store_room.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>

/* ---- making and opening ---- */

static void test_create_open(void **state)
{
	static const char *const dirs[] = { "layers", "layers/1", "layers/1/work", "layers/1/links", "base" };
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
	/* To the nanosecond as the file system stamped a file of it. */
	assert_int_equal(fstatat(b->fd, "running", &st, 0), 0);
	assert_int_equal(c->born_ns, (uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec);
	assert_int_equal(b->born_ns, c->born_ns);
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
		{ "{\"version\":1,\"created\":1,\"born\":-1}", "born" },
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
	one = box_try_hold_running(b, &err);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROOM_TEST(test_create_open),
		ROOM_TEST(test_create_refused),
		ROOM_TEST(test_create_faults),
		ROOM_TEST(test_create_race),
		ROOM_TEST(test_damaged_json),
		ROOM_TEST(test_damaged_files),
		ROOM_TEST(test_running),
		ROOM_TEST(test_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
