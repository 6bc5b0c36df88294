/* directed_full.c - a store whose file system is full, and many threads on one overlay. */
#include "directed.h"
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include "rng.h"
#include "../skip.h"

/* ---- a full disk ---- */

static int full_setup(void **state)
{
	struct test *t = calloc(1, sizeof(*t));
	char dir[] = "/tmp/cowbox-full-XXXXXX";

	if (!t)
		return -1;
	*state = t;
	if (geteuid() != 0 || !mkdtemp(dir))
		return 0;
	if (mount("none", dir, "tmpfs", 0, "size=4m,mode=755") < 0) {
		rmdir(dir);
		return 0;
	}
	alarm(120);
	world_make(&t->w, dir, 0, 0, false);
	return 0;
}

static int full_teardown(void **state)
{
	struct test *t = T(state);
	char dir[PATH_MAX];

	if (t->w.dir[0]) {
		snprintf(dir, sizeof dir, "%s", t->w.dir);
		*strrchr(dir, '/') = '\0';
		world_release(&t->w, true);
		if (umount(dir) < 0 || rmdir(dir) < 0)
			fprintf(stderr, "%s: %s\n", dir, strerror(errno));
	}
	free(t);
	alarm(0);
	return 0;
}

static int entries(const char *path)
{
	_cleanup_closedir_ DIR *d = opendir(path);
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	return n - 2;
}

static void fill(struct test *t, off_t leave)
{
	static char zeros[4096];
	char path[PATH_MAX + 16];

	snprintf(path, sizeof path, "%s/filler", t->w.dir);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	off_t size = 0;
	assert_true(fd >= 0);
	while (write(fd, zeros, sizeof zeros) == (ssize_t)sizeof zeros)
		size += (off_t)sizeof zeros;
	assert_int_equal(ftruncate(fd, size > leave ? size - leave : 0), 0);
}

static void test_full(void **state)
{
	struct test *t = T(state);
	static char big[600 * 1024 + 1];
	char work[PATH_MAX + 64], filler[PATH_MAX + 16];

	if (!t->w.dir[0])
		SKIP("no small file system can be mounted here");
	memset(big, 'x', sizeof big - 1);
	host_mkdir(t, "d");
	host_write(t, "d/big", big);
	snprintf(work, sizeof work, "%s/home/boxes/oracle/layers/1/work", t->w.dir);
	snprintf(filler, sizeof filler, "%s/filler", t->w.dir);
	/* The data of a copy-up does not fit; a directory and a record do. */
	fill(t, 64 * 1024);
	assert_int_equal(view_append(t, "d/big", "y"), -ENOSPC);
	assert_int_equal(entries(work), 0);
	assert_int_equal(view_lstat(t, "d/big").st_size, sizeof big - 1);
	/* Nothing fits, not even a page. */
	fill(t, 0);
	for (int i = 0; i < 200; i++) {
		char name[32];
		snprintf(name, sizeof name, "d/new%d", i);
		_cleanup_close_ int fd = V(t, open, W(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		assert_true(fd >= 0 || fd == -ENOSPC);
		/* What failed is not there; what succeeded is. */
		assert_int_equal(view_has(t, name), fd >= 0);
	}
	int r = V(t, rename, W("d/big"), W("d/moved"), 0);
	assert_int_equal(r, -ENOSPC);
	assert_true(view_has(t, "d/big"));
	assert_false(view_has(t, "d/moved"));
	assert_int_equal(entries(work), 0);
	/* Room again: all goes on. */
	assert_int_equal(unlink(filler), 0);
	assert_int_equal(view_append(t, "d/big", "y"), 0);
	assert_int_equal(view_lstat(t, "d/big").st_size, sizeof big);
	world_reopen(&t->w);
	assert_int_equal(view_lstat(t, "d/big").st_size, sizeof big);
}

/* ---- threads ---- */

#define THREADS 8
#define ROUNDS 400

struct worker {
	struct test *t;
	pthread_t thread;
	uint64_t seed;
	const char *wrong;   /* wrong: a result that no order of the threads can give */
};

static void name_of(char ret[static 64], struct rng *r)
{
	static const char *const dirs[] = { "a", "a/sub", "b", "new" };

	snprintf(ret, 64, "%s/%u", RNG_PICK(r, dirs), rng_below(r, 6));
}

static void one(struct worker *w, struct rng *r)
{
	char p[64], q[64], text[32];
	struct test *t = w->t;
	struct stat st;
	int fd;

	name_of(p, r);
	name_of(q, r);
	switch (rng_below(r, 9)) {
	case 0:
	case 1:
		fd = V(t, open, W(p), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
		if (fd >= 0 && write(fd, "hello", 5) != 5)
			w->wrong = "write";
		if (fd >= 0 && (pread(fd, text, 5, 0) != 5 || memcmp(text, "hello", 5)))
			w->wrong = "read back";
		fd_closep(&fd);
		break;
	case 2: V(t, unlink, W(p), 0); break;
	case 3: V(t, rename, W(p), W(q), rng_chance(r, 30) ? RENAME_EXCHANGE : 0); break;
	case 4: V(t, link, W(p), W(q), 0); break;
	case 5: V(t, mkdir, W("new"), 0755); break;
	case 6: V(t, chmod, W(p), 0600 + rng_below(r, 0200)); break;
	case 7: {
		_cleanup_free_ struct side_dirent *list = NULL;
		size_t count = 0;
		if (side_list(&t->w.view, "a", &list, &count) < 0)
			w->wrong = "list";
		for (size_t i = 1; i < count; i++)
			if (!strcmp(list[i].name, list[i - 1].name))
				w->wrong = "listed twice";
		break;
	}
	default:
		fd = V(t, stat, W(p), LOOKUP_NOFOLLOW, &st);
		if (fd < 0 && fd != -ENOENT)
			w->wrong = "stat";
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct rng r = { w->seed };

	if (unshare(CLONE_FS) < 0)
		w->wrong = "unshare";
	for (int i = 0; i < ROUNDS && !w->wrong; i++)
		one(w, &r);
	return NULL;
}

static void test_threads(void **state)
{
	struct test *t = T(state);
	struct worker w[THREADS];
	char path[64];

	host_mkdir(t, "a");
	host_mkdir(t, "a/sub");
	host_mkdir(t, "b");
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof path, "%s/%d", i % 2 ? "a" : "b", i);
		host_write(t, path, "host content");
	}
	assert_int_equal(link(test_abs(t, "a/1"), test_abs(t, "a/sub/1")), 0);
	test_seal(t);
	for (int i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ .t = t, .seed = (uint64_t)i + 1 };
		assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(w[i].thread, NULL);
	for (int i = 0; i < THREADS; i++)
		if (w[i].wrong)
			fail_msg("thread %d: %s", i, w[i].wrong);
}

int directed_full(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_full, full_setup, full_teardown),
		TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
