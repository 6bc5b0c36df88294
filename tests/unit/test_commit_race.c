/* test_commit_race.c - the host's programs go on while a commit is at work: what they wrote last is there at the end. */
#include "commit_world.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/inotify.h>
#include <sys/resource.h>

#define BIG (48u << 20)

/* Replaces the file as soon as the commit has begun its temporary. */
struct writer {
	int inotify;
	atomic_int wrote;
};

static void *write_at_once(void *arg)
{
	struct writer *w = arg;
	char events[4096];

	if (read(w->inotify, events, sizeof events) > 0) {
		host_write("s/new", "the host's\n");
		if (rename("s/new", "w/f") == 0)
			atomic_store(&w->wrote, 1);
	}
	return NULL;
}

static void box_write_big(struct world *x)
{
	_cleanup_opened_ struct opened o;
	static char buf[1 << 20];

	memset(buf, 'x', sizeof buf);
	box_begin(x);
	opened_init(&o);
	assert_int_equal(overlay_open(x->ov, &x->caller, view(x, "w/f"), O_WRONLY | O_TRUNC, 0644, 0, &o), 0);
	for (size_t n = 0; n < BIG; n += sizeof buf)
		assert_int_equal(write(o.fd, buf, sizeof buf), sizeof buf);
}

static void test_written_while_copied(void **state)
{
	struct world *x = *state;
	struct writer w = { .inotify = inotify_init1(IN_CLOEXEC) };
	pthread_t thread;

	assert_int_equal(mkdir("w", 0755) | mkdir("s", 0755), 0);
	host_write("w/f", "old\n");
	box_write_big(x);
	plan(x);
	choose(x, "");
	assert_true(inotify_add_watch(w.inotify, "w", IN_CREATE | IN_MOVED_TO) >= 0);
	assert_int_equal(pthread_create(&thread, NULL, write_at_once, &w), 0);
	apply(x);
	pthread_join(thread, NULL);
	close(w.inotify);
	assert_true(atomic_load(&w.wrote));
	assert_string_equal(host_read("w/f"), "the host's\n");
	/* It may have come after the commit was done, on a slow machine. */
	if (x->result.left) {
		assert_int_equal(find(x, "w/f")->verdict, COMMIT_CONFLICT);
		assert_string_equal(find(x, "w/f")->why, "the host's was changed since");
	}
	assert_int_equal(x->result.failed, 0);
}

/* As soon as the commit has begun to keep what the file has. */
static void *append_at_once(void *arg)
{
	atomic_int *wrote = arg;
	int fd;

	for (int i = 0; i < 100000 && access("../store/history/1/w1", F_OK) < 0; i++)
		usleep(50);
	fd = open("w/g", O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd >= 0 && write(fd, "the host's\n", 11) == 11)
		atomic_store(wrote, 1);
	close(fd);
	return NULL;
}

/* A file of two names is written in place, once what it had is kept: that takes a while, and what comes meanwhile is not written over. */
static void test_appended_while_kept(void **state)
{
	struct world *x = *state;
	char end[12] = "";
	atomic_int wrote = 0;
	pthread_t thread;
	int fd;

	assert_int_equal(mkdir("w", 0755), 0);
	host_write("w/f", "old\n");
	assert_int_equal(truncate("w/f", BIG) | link("w/f", "w/g"), 0);
	box_write_big(x);
	plan(x);
	choose(x, "");
	assert_int_equal(pthread_create(&thread, NULL, append_at_once, &wrote), 0);
	apply(x);
	pthread_join(thread, NULL);
	assert_true(atomic_load(&wrote));
	fd = open("w/f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, end, 11, lseek(fd, -11, SEEK_END)), 11);
	close(fd);
	assert_string_equal(end, "the host's\n");
}

/* Called before each item: what the host does then was not there when the plan was made. */
static int host_acts(void *ctx, const struct commit_item *it, size_t done, size_t total)
{
	const char *what = ctx;

	(void)it;
	(void)done;
	(void)total;
	if (access("acted", F_OK) == 0)
		return 0;
	host_write("acted", "");
	assert_int_equal(system(what), 0);
	return 0;
}

static void apply_while(struct world *x, const char *command)
{
	struct err err = { 0 };

	plan(x);
	choose(x, "");
	commit_settle(x->plan);
	assert_int_equal(commit_apply(x->plan, host_acts, (void *)(uintptr_t)command, &x->result, &err), 0);
	assert_clean(x->w);
}

static void test_removed_file_changed(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	box_unlink(x, "f");
	apply_while(x, "echo new >f");
	assert_int_equal(x->result.left, 1);
	assert_string_equal(host_read("f"), "new\n");
}

static void test_removed_tree_grows(void **state)
{
	struct world *x = *state;

	assert_int_equal(mkdir("d", 0755), 0);
	host_write("d/f", "old\n");
	box_unlink(x, "d/f");
	box_rmdir(x, "d");
	apply_while(x, "echo new >d/g");
	assert_int_equal(x->result.left, 1);
	assert_string_equal(host_read("d/f"), "old\n");
	assert_string_equal(host_read("d/g"), "new\n");
}

static void test_renamed_file_replaced(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	host_write("h", "old\n");
	box_rename(x, "f", "g", 0);
	box_rename(x, "h", "i", 0);
	apply_while(x, "echo new >n; mv n f; echo in the way >i");
	assert_int_equal(x->result.left, 2);
	assert_string_equal(host_read("f"), "new\n");
	assert_int_equal(access("g", F_OK), -1);
	assert_string_equal(host_read("h"), "old\n");
	assert_string_equal(host_read("i"), "in the way\n");
}

/* What is below a directory that could not be moved does not go to where it would have been: there is something else now. */
static void test_renamed_directory_replaced(void **state)
{
	struct world *x = *state;

	assert_int_equal(mkdir("d", 0755) | mkdir("d/s", 0755), 0);
	host_write("d/f", "old\n");
	host_write("d/h", "old\n");
	box_rename(x, "d", "e", 0);
	box_append(x, "e/f", "box\n");
	box_new(x, "e/g", "box\n");
	box_mkdir(x, "e/m");
	box_new(x, "e/m/n", "box\n");
	box_unlink(x, "e/h");
	box_rename(x, "e/s", "e/t", 0);
	apply_while(x, "mv d away; mkdir d d/s; echo new >d/h");
	assert_int_equal(x->result.done + x->result.failed, 0);
	assert_string_equal(host_read("d/h"), "new\n");
	assert_string_equal(host_read("away/f"), "old\n");
	assert_int_equal(host_stat_of("d/s").st_nlink, 2);
	assert_int_equal(access("d/g", F_OK) & access("d/m", F_OK) & access("e", F_OK), -1);
	assert_true(find(x, "e/g")->verdict != COMMIT_APPLY && find(x, "e/m/n")->verdict != COMMIT_APPLY);
}

/* A limit on the size of files fails the commit, and does not end the program. */
static void test_file_size_limit(void **state)
{
	struct world *x = *state;
	struct rlimit old, small;

	host_write("f", "old\n");
	host_write("h", "old\n");
	assert_int_equal(link("h", "h2"), 0);
	box_new(x, "f", "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789\n");
	box_new(x, "h", "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789\n");
	box_new(x, "z", "z\n");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 30;
	plan(x);
	choose(x, "");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	apply(x);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(x->result.done, 0);
	assert_int_equal(access("z", F_OK), -1);
	assert_string_equal(host_read("f"), "old\n");
	assert_string_equal(host_read("h2"), "old\n");
	commit_all(x);
	assert_all(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_written_while_copied),
		WORLD_TEST(test_appended_while_kept),
		WORLD_TEST(test_removed_file_changed),
		WORLD_TEST(test_removed_tree_grows),
		WORLD_TEST(test_renamed_file_replaced),
		WORLD_TEST(test_renamed_directory_replaced),
		WORLD_TEST(test_file_size_limit),
	};

	cred_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
