/* commit_world.h - for the tests of the commit: a host directory and a box of the test's own. No guest runs. */
#ifndef COWBOX_TESTS_COMMIT_WORLD_H
#define COWBOX_TESTS_COMMIT_WORLD_H

#include "fixture.h"

#include <limits.h>
#include <stdbool.h>

#include "base/cred.h"
#include "base/fd.h"
#include "commit/commit.h"

/* The test's directory has the store in store/, and the host's tree in w/, which is *state->path. */
struct world {
	struct dir *dir;
	char w[PATH_MAX + 8];
	char store_dir[256]; /* store_dir: where the store is when it is not in dir, or "" */
	struct store *store;
	struct box *box;
	struct overlay *ov;
	struct commit_plan *plan;
	struct commit_result result;
	struct caller caller;
};

/* store_base: a directory in which the store is to be, or NULL: beside the host's tree. */
static inline int world_setup_at(void **state, const char *store_base)
{
	struct world *x = calloc(1, sizeof *x);
	char path[PATH_MAX + 16], real[PATH_MAX];

	if (!x || dir_setup((void **)&x->dir) < 0 || !realpath(x->dir->path, real))
		return -1;
	umask(022);
	x->caller.umask = 022;
	if (store_base)
		snprintf(x->store_dir, sizeof x->store_dir, "%s/cowbox-unit.XXXXXX", store_base);
	if (store_base && !mkdtemp(x->store_dir))
		return -1;
	snprintf(path, sizeof path, "%s/store", store_base ? x->store_dir : real);
	setenv("COWBOX_HOME", path, 1);
	snprintf(x->w, sizeof x->w, "%s/w", real);
	if (mkdir(x->w, 0755) < 0 || chdir(x->w) < 0)
		return -1;
	*state = x;
	return store_open(true, &x->store, NULL);
}

static inline int world_setup(void **state)
{
	return world_setup_at(state, NULL);
}

static inline int world_teardown(void **state)
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
	if (x->store_dir[0])
		nftw(x->store_dir, dir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(x);
	return 0;
}
/* What the host does from now on has other stamps than what the box saw. */
static inline void later(void)
{
	usleep(12000);
}

/* What the host did before was not in the moment that the box notes it: the records are proof (since_is_proof). */
static inline void much_later(void)
{
	usleep(60000);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

/* ---- the host ---- */

static inline void host_write(const char *name, const char *text)
{
	close(dir_file(AT_FDCWD, name, text, 0644));
}

static inline char *host_read(const char *name)
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

static inline struct stat host_stat_of(const char *name)
{
	struct stat st;

	if (lstat(name, &st) < 0)
		memset(&st, 0, sizeof st);
	return st;
}

/* Nothing but what is wanted lies in the directory: no temporaries. */
static inline void assert_clean(const char *dir)
{
	char cmd[PATH_MAX + 64];

	snprintf(cmd, sizeof cmd, "test -z \"$(find %s -name '.cowbox-*')\"", dir);
	assert_int_equal(system(cmd), 0);
}

/* What undo would need is gone, and with it the names that the history has of the host's files. */
static inline void drop_history(struct world *x)
{
	char cmd[PATH_MAX + 64];

	snprintf(cmd, sizeof cmd, "rm -rf %s/history", x->store->path);
	assert_int_equal(system(cmd), 0);
}

/* ---- the box ---- */

/* Made when it is first needed: its origins must be of a finished host. */
static inline void box_begin(struct world *x)
{
	struct err err = { 0 };

	if (!x->box && box_create(x->store, "test", "test", &x->box, &err) < 0)
		fail_msg("%s", err.msg);
	if (!x->ov && overlay_new(x->box, &x->ov, &err) < 0)
		fail_msg("%s", err.msg);
}

static inline struct at view(struct world *x, const char *name)
{
	return (struct at){ .dir = { x->w }, .path = name };
}

static inline void box_write(struct world *x, const char *name, const char *text, int flags)
{
	_cleanup_opened_ struct opened o;

	box_begin(x);
	opened_init(&o);
	assert_int_equal(overlay_open(x->ov, &x->caller, view(x, name), (uint64_t)(O_WRONLY | flags), 0644, 0, &o), 0);
	assert_int_equal(o.how, OPENED_FD);
	assert_int_equal(write(o.fd, text, strlen(text)), (ssize_t)strlen(text));
}

static inline void box_new(struct world *x, const char *name, const char *text)
{
	box_write(x, name, text, O_CREAT | O_TRUNC);
}

static inline void box_append(struct world *x, const char *name, const char *text)
{
	box_write(x, name, text, O_APPEND);
}

static inline void box_unlink(struct world *x, const char *name)
{
	box_begin(x);
	assert_int_equal(overlay_unlink(x->ov, &x->caller, view(x, name), 0), 0);
}

static inline void box_rmdir(struct world *x, const char *name)
{
	box_begin(x);
	assert_int_equal(overlay_unlink(x->ov, &x->caller, view(x, name), AT_REMOVEDIR), 0);
}

static inline void box_mkdir(struct world *x, const char *name)
{
	box_begin(x);
	assert_int_equal(overlay_mkdir(x->ov, &x->caller, view(x, name), 0755), 0);
}

static inline void box_rename(struct world *x, const char *old, const char *new, unsigned flags)
{
	box_begin(x);
	assert_int_equal(overlay_rename(x->ov, &x->caller, view(x, old), view(x, new), flags), 0);
}

static inline void box_link(struct world *x, const char *old, const char *new)
{
	box_begin(x);
	assert_int_equal(overlay_link(x->ov, &x->caller, view(x, old), view(x, new), 0), 0);
}

static inline void box_symlink(struct world *x, const char *target, const char *name)
{
	box_begin(x);
	assert_int_equal(overlay_symlink(x->ov, &x->caller, target, view(x, name)), 0);
}

static inline void box_chmod(struct world *x, const char *name, mode_t mode)
{
	_cleanup_object_ struct object o;

	box_begin(x);
	object_init(&o);
	assert_int_equal(overlay_lookup(x->ov, &x->caller, view(x, name), 0, &o), 0);
	assert_int_equal(object_chmod(x->ov, &x->caller, &o, mode), 0);
}

static inline void box_touch(struct world *x, const char *name, time_t sec)
{
	struct timespec ts[2] = { { .tv_sec = sec }, { .tv_sec = sec } };
	_cleanup_object_ struct object o;

	box_begin(x);
	object_init(&o);
	assert_int_equal(overlay_lookup(x->ov, &x->caller, view(x, name), LOOKUP_NOFOLLOW, &o), 0);
	assert_int_equal(object_utimens(x->ov, &x->caller, &o, ts), 0);
}

/* ---- the commit ---- */

static inline void plan(struct world *x)
{
	struct err err = { 0 };

	commit_plan_freep(&x->plan);
	assert_true(commit_recover(x->store, NULL, NULL, &err) >= 0);
	if (commit_plan_new(x->ov, &x->plan, &err) < 0)
		fail_msg("%s", err.msg);
}

static inline const struct commit_item *find(struct world *x, const char *name)
{
	char path[PATH_MAX + 300];

	snprintf(path, sizeof path, "%s/%s", x->w, name);
	for (size_t i = 0; i < x->plan->count; i++)
		if (strcmp(x->plan->items[i].change->path, path) == 0)
			return &x->plan->items[i];
	fail_msg("no change at %s", name);
	return NULL;
}

static inline size_t choose(struct world *x, const char *name)
{
	char path[PATH_MAX + 300];

	/* "": all there is, as -a. */
	snprintf(path, sizeof path, "%s/%s", *name ? x->w : "", name);
	return commit_choose(x->plan, (struct vpath){ path });
}

static inline void apply(struct world *x)
{
	struct err err = { 0 };

	commit_settle(x->plan);
	if (commit_apply(x->plan, NULL, NULL, &x->result, &err) < 0)
		fail_msg("%s", err.msg);
	assert_clean(x->w);
}

static inline void commit_all(struct world *x)
{
	plan(x);
	choose(x, "");
	apply(x);
	for (size_t i = 0; i < x->plan->count; i++)
		if (x->plan->items[i].outcome != COMMIT_DONE)
			print_message("%s: %s\n", x->plan->items[i].change->path, x->plan->items[i].why);
}

/* All was applied, and the box has nothing left. */
static inline void assert_all(struct world *x)
{
	assert_int_equal(x->result.left + x->result.failed + x->result.untried, 0);
	plan(x);
	for (size_t i = 0; i < x->plan->count; i++)
		print_message("left in the box: %c %s\n", (char)x->plan->items[i].change->kind, x->plan->items[i].change->path);
	assert_int_equal(x->plan->count, 0);
}

#endif
