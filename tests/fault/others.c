/* others.c - what may go wrong with a commit besides its own calls: other processes, limits, ^C, and who reads meanwhile. */
#include "stage.h"

#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <linux/fs.h>

#include "../skip.h"
#include "commit/history.h"

static struct site site;

/* A stage of a scene of the table, or an empty one. */
static void nothing_on_host(void)
{
}

static void nothing_in_box(struct world *x)
{
	(void)x;
}

static const struct scene empty = { "empty", nothing_on_host, nothing_in_box, NULL, 0 };

static int setup(void **state, const struct scene *scene)
{
	struct world *x = malloc(sizeof *x);

	if (!x)
		return -1;
	stage_make(x, &site, scene);
	*state = x;
	return 0;
}

static int setup_empty(void **state)
{
	return setup(state, &empty);
}

static int setup_files(void **state)
{
	return setup(state, scene_find("files"));
}

static int setup_renames(void **state)
{
	return setup(state, scene_find("renames"));
}

static int teardown(void **state)
{
	struct world *x = *state;

	stage_clear(x, &site);
	free(x);
	return 0;
}
#define STAGE_TEST(f, scene) cmocka_unit_test_setup_teardown(f, setup_##scene, teardown)

static void open_plan(struct world *x)
{
	struct err err = { 0 };

	if (!stage_open(x))
		fail_msg("no box");
	if (commit_recover(x->store, NULL, NULL, &err) < 0 || commit_plan_new(x->ov, &x->plan, &err) < 0)
		fail_msg("%s", err.msg);
	choose(x, "");
	commit_settle(x->plan);
}

static void apply_plan(struct world *x, commit_progress progress, void *ctx)
{
	struct err err = { 0 };

	if (commit_apply(x->plan, progress, ctx, &x->result, &err) < 0)
		fail_msg("%s", err.msg);
}

/* All that is in the box can be committed, and leaves it. */
static void assert_commits(struct world *x)
{
	stage_close(x);
	open_plan(x);
	apply_plan(x, NULL, NULL);
	for (size_t i = 0; i < x->plan->count; i++)
		if (x->plan->items[i].outcome != COMMIT_DONE)
			fail_msg("%s: %s", x->plan->items[i].change->path, x->plan->items[i].why);
	stage_close(x);
	open_plan(x);
	assert_int_equal(x->plan->count, 0);
	assert_clean(x->w);
}

static void assert_sealed(struct world *x, const char *seal)
{
	char *now = seal_tree(x->w);

	if (strcmp(now, seal) != 0) {
		seal_diff(stdout, "was", seal, "now", now);
		fail_msg("the host is not as it was");
	}
	free(now);
}

/* ---- ^C ---- */

static int stop_at(void *ctx, const struct commit_item *it, size_t done, size_t total)
{
	(void)it;
	(void)total;
	return done == *(size_t *)ctx;
}

static void interrupt_each(struct world *x, const struct scene *scene)
{
	char *before = seal_tree(x->w);
	size_t items = 1;

	for (size_t n = 0; n < items; n++) {
		open_plan(x);
		items = x->plan->count;
		apply_plan(x, stop_at, &n);
		assert_string_equal(x->result.trouble, "interrupted");
		assert_int_equal(x->result.done, 0);
		assert_false(x->result.unfinished);
		assert_false(stage_is_open(x));
		assert_sealed(x, before);
		stage_close(x);
		/* The box is the same, and so is what it can be asked for next: every third time. */
		if (n % 3 == 2) {
			assert_commits(x);
			stage_clear(x, &site);
			free(before);
			stage_make(x, &site, scene);
			before = seal_tree(x->w);
		}
	}
	assert_commits(x);
	free(before);
	print_message("interrupted at each of %zu items\n", items);
}

static void test_interrupted_files(void **state)
{
	interrupt_each(*state, scene_find("files"));
}

static void test_interrupted_renames(void **state)
{
	interrupt_each(*state, scene_find("renames"));
}

/* ---- rights and limits ---- */

#define MANY 1000

static void make_many(struct world *x)
{
	char name[32];

	assert_int_equal(mkdir("d", 0755), 0);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "d/%04d", i);
		assert_int_equal(mkdir(name, 0755), 0);
		strcat(name, "/f");
		host_write(name, "old\n");
	}
	/* The box knows the host as it is. */
	stage_close(x);
	assert_true(stage_open(x));
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "d/%04d/f", i);
		box_write(x, name, "new\n", O_TRUNC);
	}
	stage_close(x);
}

static int set_immutable(const char *path, bool on)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), flags = 0, r;

	r = ioctl(fd, FS_IOC_GETFLAGS, &flags);
	flags = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
	if (r == 0)
		r = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	close(fd);
	return r;
}

/* Of 1,000 files the 500th cannot be written: nothing is, and it is named. */
static void test_one_cannot_be_written(void **state)
{
	struct world *x = *state;
	const struct commit_item *it;
	char *before;

	make_many(x);
	if (geteuid() == 0) {
		if (set_immutable("d/0499/f", true) < 0)
			SKIP("an immutable file: %s", strerror(errno));
		if (set_immutable("d/0499", true) < 0)
			fail_msg("%s", strerror(errno));
	} else {
		assert_int_equal(chmod("d/0499/f", 0444) | chmod("d/0499", 0555), 0);
	}
	before = seal_tree(x->w);
	open_plan(x);
	apply_plan(x, NULL, NULL);
	it = find(x, "d/0499/f");
	print_message("%s: %s\n", it->change->path, it->why);
	/* As the user's own file it may be written in place. */
	if (geteuid() == 0) {
		assert_int_equal(it->outcome, COMMIT_FAILED);
		assert_string_not_equal(it->why, "");
		assert_int_equal(x->result.done, 0);
		assert_sealed(x, before);
		assert_int_equal(set_immutable("d/0499", false) | set_immutable("d/0499/f", false), 0);
	}
	free(before);
	if (geteuid() == 0)
		assert_commits(x);
}

/* ---- what is in the way of who takes a commit back ---- */

/* A commit that is killed when it has gone so far; the exit status is 0 when there was no such call. */
static int commit_killed_at(struct world *x, uint64_t n)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		open_plan(x);
		sys_fault(SYS_FAULT_KILL, n, 0);
		apply_plan(x, NULL, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void count_line(void *ctx, const char *text)
{
	size_t *n = ctx;

	print_message("%s\n", text);
	++*n;
}

static void one_file_host(void)
{
	host_write("f", "the host's\n");
	host_write("other", "other\n");
}

static void one_file_box(struct world *x)
{
	box_unlink(x, "f");
	box_unlink(x, "other");
}

static const struct scene one_file = { "one file", one_file_host, one_file_box, NULL, 0 };

static int setup_one_file(void **state)
{
	return setup(state, &one_file);
}

/* What the host cannot get back is named and kept, and the entry is none that an undo takes back. */
static void test_in_the_way(void **state)
{
	struct world *x = *state;
	struct history_entry *list;
	struct undo_result undo;
	struct err err = { 0 };
	char command[3 * PATH_MAX];
	bool tried = false;

	for (uint64_t n = 1; commit_killed_at(x, n) != 0; n++) {
		size_t lines = 0, count;

		if (host_stat_of("f").st_mode || !stage_is_open(x)) {
			stage_clear(x, &site);
			stage_make(x, &site, &one_file);
			continue;
		}
		host_write("f", "another's\n");
		assert_true(stage_open(x));
		assert_true(commit_recover(x->store, count_line, &lines, &err) >= 0);
		assert_string_equal(host_read("f"), "another's\n");
		assert_int_equal(history_list(x->store, &list, &count, &err), 0);
		assert_int_equal(count, 1);
		/* Past its commit point it was finished. */
		if (list[0].failed) {
			tried = true;
			assert_int_equal(lines, 1);
			assert_string_equal(host_read("other"), "other\n");
			snprintf(command, sizeof command, "grep -qx \"the host's\" '%s'/history/1/saved*", x->store->path);
			assert_int_equal(system(command), 0);
			assert_int_equal(history_undo(x->store, &(struct undo_wish){ 0 }, &undo, &err), -ENOENT);
		}
		history_free(list, count);
		stage_clear(x, &site);
		stage_make(x, &site, &one_file);
	}
	assert_true(tried);
}

static void new_directory_box(struct world *x)
{
	box_mkdir(x, "n");
	box_new(x, "n/f", "new\n");
}

static const struct scene new_directory = { "new directory", nothing_on_host, new_directory_box, NULL, 0 };

static int setup_new_directory(void **state)
{
	return setup(state, &new_directory);
}

/* It goes back into the box, and takes what somebody else has put into it along: that is told. */
static void test_in_what_was_given(void **state)
{
	struct world *x = *state;
	struct err err = { 0 };
	char command[2 * PATH_MAX];
	bool tried = false;

	for (uint64_t n = 1; commit_killed_at(x, n) != 0; n++) {
		size_t lines = 0;

		if (S_ISDIR(host_stat_of("n").st_mode) && stage_is_open(x)) {
			host_write("n/mine", "another's\n");
			assert_true(stage_open(x));
			assert_true(commit_recover(x->store, count_line, &lines, &err) >= 0);
			snprintf(command, sizeof command, "find '%s' -path '*/tree/*' -name mine | grep -q .", x->store->path);
			if (!host_stat_of("n").st_mode) {
				tried = true;
				assert_int_equal(lines, 1);
				assert_int_equal(system(command), 0);
			} else {
				assert_string_equal(host_read("n/mine"), "another's\n");
			}
		}
		stage_clear(x, &site);
		stage_make(x, &site, &new_directory);
	}
	assert_true(tried);
}

/* A new file in it cannot be made by any means. */
static void test_one_cannot_be_made(void **state)
{
	struct world *x = *state;
	char name[32], *before;

	assert_int_equal(mkdir("d", 0755), 0);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "d/%04d", i);
		assert_int_equal(mkdir(name, 0755), 0);
	}
	assert_true(stage_open(x));
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "d/%04d/f", i);
		box_new(x, name, "new\n");
	}
	stage_close(x);
	if (geteuid() == 0 && set_immutable("d/0499", true) < 0)
		SKIP("an immutable directory: %s", strerror(errno));
	if (geteuid() != 0)
		SKIP("a directory that its owner cannot write to: a commit opens its own for the time of the change");
	before = seal_tree(x->w);
	open_plan(x);
	apply_plan(x, NULL, NULL);
	assert_int_equal(find(x, "d/0499/f")->outcome, COMMIT_FAILED);
	assert_string_not_equal(find(x, "d/0499/f")->why, "");
	assert_int_equal(x->result.done, 0);
	assert_sealed(x, before);
	free(before);
	assert_int_equal(set_immutable("d/0499", false), 0);
	assert_commits(x);
}

static bool has_told_failure(const struct commit_plan *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->items[i].outcome == COMMIT_FAILED && p->items[i].why[0])
			return true;
	return false;
}

static void limited(struct world *x, int resource, rlim_t limit)
{
	struct rlimit was, now;
	char *before = seal_tree(x->w);

	open_plan(x);
	assert_int_equal(getrlimit(resource, &was), 0);
	now = was;
	now.rlim_cur = limit;
	assert_int_equal(setrlimit(resource, &now), 0);
	apply_plan(x, NULL, NULL);
	assert_int_equal(setrlimit(resource, &was), 0);
	/* All or nothing, now or with the next command. */
	if (!x->result.unfinished && x->result.done < x->plan->count)
		assert_sealed(x, before);
	if (x->result.done < x->plan->count)
		assert_true(x->result.trouble[0] || has_told_failure(x->plan));
	free(before);
	assert_commits(x);
}

static void test_size_limit(void **state)
{
	struct world *x = *state;

	for (rlim_t size = 16; size <= 65536; size *= 2) {
		limited(x, RLIMIT_FSIZE, size);
		stage_clear(x, &site);
		stage_make(x, &site, scene_find("files"));
	}
}

static void test_descriptor_limit(void **state)
{
	struct world *x = *state;

	for (rlim_t n = 8; n <= 40; n++) {
		limited(x, RLIMIT_NOFILE, n);
		stage_clear(x, &site);
		stage_make(x, &site, scene_find("renames"));
	}
}

/* ---- other processes ---- */

static int change_host(void *ctx, const struct commit_item *it, size_t done, size_t total)
{
	(void)it;
	(void)total;
	/* Of the files that come one after another, one that is still to come. */
	if (done == 2 && !*(bool *)ctx) {
		*(bool *)ctx = true;
		host_write("7", "the host's own\n");
	}
	return 0;
}

/* What the host changes between the plan and its turn is left, and all else is committed. */
static void test_host_changes_meanwhile(void **state)
{
	struct world *x = *state;
	bool changed = false;
	char name[8];

	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof name, "%d", i);
		host_write(name, "old\n");
	}
	assert_true(stage_open(x));
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof name, "%d", i);
		box_write(x, name, "new content\n", O_TRUNC);
	}
	stage_close(x);
	open_plan(x);
	apply_plan(x, change_host, &changed);
	assert_true(changed);
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof name, "%d", i);
		assert_int_equal(find(x, name)->outcome, i == 7 ? COMMIT_LEFT : COMMIT_DONE);
		assert_string_equal(host_read(name), i == 7 ? "the host's own\n" : "new content\n");
	}
	assert_clean(x->w);
	stage_close(x);
	open_plan(x);
	assert_int_equal(x->plan->count, 1);
	assert_int_equal(find(x, "7")->verdict, COMMIT_CONFLICT);
}

static void make_box(struct world *x, const char *name, const char *prefix)
{
	struct err err = { 0 };
	char file[64];

	if (box_create(x->store, name, name, &x->box, &err) < 0 || overlay_new(x->box, &x->ov, &err) < 0)
		fail_msg("%s", err.msg);
	for (int i = 0; i < 200; i++) {
		snprintf(file, sizeof file, "%s-%d", prefix, i);
		box_new(x, file, prefix);
	}
	overlay_freep(&x->ov);
	box_freep(&x->box);
}

/* Commits a box in a process of its own; its exit status is 0 when all was committed, 1 when it was busy. */
static pid_t commit_in_child(struct world *x, const char *name)
{
	_cleanup_commit_plan_ struct commit_plan *p = NULL;
	struct commit_result res;
	struct overlay *ov = NULL;
	struct store *store = NULL;
	struct box *box = NULL;
	struct err err = { 0 };
	pid_t pid = fork();
	int hold;

	if (pid != 0)
		return pid;
	(void)x;
	if (store_open(true, &store, &err) < 0 || commit_recover(store, NULL, NULL, &err) < 0 ||
	    box_open(store, name, &box, &err) < 0)
		_exit(2);
	hold = commit_hold(box, &err);
	if (hold == -EBUSY)
		_exit(1);
	if (hold < 0 || overlay_new(box, &ov, &err) < 0 || commit_plan_new(ov, &p, &err) < 0)
		_exit(2);
	commit_choose(p, (struct vpath){ "/" });
	commit_settle(p);
	if (commit_apply(p, NULL, NULL, &res, &err) < 0)
		_exit(2);
	_exit(res.done == p->count && !res.unfinished ? 0 : 3);
}

static int status_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static size_t count_files(void)
{
	DIR *d = opendir(".");
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void test_two_boxes_at_once(void **state)
{
	struct world *x = *state;
	pid_t a, b;

	assert_true(stage_open(x));
	overlay_freep(&x->ov);
	box_freep(&x->box);
	make_box(x, "one", "one");
	make_box(x, "two", "two");
	a = commit_in_child(x, "one");
	b = commit_in_child(x, "two");
	assert_int_equal(status_of(a), 0);
	assert_int_equal(status_of(b), 0);
	assert_int_equal(count_files(), 400);
	assert_false(stage_is_open(x));
	assert_clean(x->w);
}

/* The second is refused, or finds that nothing is left to be done. */
static void test_one_box_twice_at_once(void **state)
{
	struct world *x = *state;
	pid_t a, b;
	int ra, rb;

	assert_true(stage_open(x));
	overlay_freep(&x->ov);
	box_freep(&x->box);
	make_box(x, "one", "one");
	a = commit_in_child(x, "one");
	b = commit_in_child(x, "one");
	ra = status_of(a);
	rb = status_of(b);
	assert_true((ra == 0 && rb <= 1) || (rb == 0 && ra <= 1));
	assert_int_equal(count_files(), 200);
	assert_false(stage_is_open(x));
	assert_clean(x->w);
}

/* ---- who reads meanwhile ---- */

#define READ 8 /* names that are read */
#define ROUNDS 60

static const char *const old_text = "the old content of a file that is read while it is changed\n";
static const char *const new_text = "the new content, which is another, and somewhat longer than the old one was\n";

struct reading {
	volatile bool stop;
	unsigned long reads, missing, torn;
};

static bool is_whole(const char *text, size_t n)
{
	return (n == strlen(old_text) && memcmp(text, old_text, n) == 0) ||
	       (n == strlen(new_text) && memcmp(text, new_text, n) == 0);
}

static void read_names(struct reading *r)
{
	char name[16], text[256];

	for (unsigned long k = 0; !r->stop; k++) {
		ssize_t n;
		int fd;

		snprintf(name, sizeof name, "%lu", k % READ);
		fd = open(name, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			r->missing++;
			continue;
		}
		n = read(fd, text, sizeof text);
		r->reads++;
		r->torn += n < 0 || !is_whole(text, (size_t)n);
		close(fd);
	}
}

/* 0-3 get new content by a new file, 4 and 5 by a file renamed over them, 6 and 7 are exchanged. Files of several names are written in place, and
 * are left out: there no reader is promised anything. */
static void change_read_names(struct world *x)
{
	char name[16];

	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof name, "%d", i);
		box_write(x, name, new_text, O_TRUNC);
	}
	box_new(x, "a", new_text);
	box_rename(x, "a", "4", 0);
	box_rename(x, "other", "5", 0);
	box_rename(x, "6", "7", RENAME_EXCHANGE);
	box_chmod(x, "3", 0600);
}

/* kill: the commit is ended at some call, and taken back or finished. */
static void read_meanwhile(struct world *x, bool kill_it)
{
	struct reading *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char name[16];
	pid_t reader;

	assert_true(r != MAP_FAILED);
	for (int i = 0; i < READ; i++) {
		snprintf(name, sizeof name, "%d", i);
		host_write(name, old_text);
	}
	host_write("other", new_text);
	reader = fork();
	if (reader == 0) {
		read_names(r);
		_exit(0);
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		pid_t pid;

		assert_true(stage_open(x));
		change_read_names(x);
		stage_close(x);
		fflush(NULL);
		pid = fork();
		if (pid == 0) {
			open_plan(x);
			if (kill_it)
				sys_fault(SYS_FAULT_KILL, 1 + round * 5, 0);
			apply_plan(x, NULL, NULL);
			_exit(0);
		}
		status_of(pid);
		open_plan(x);
		apply_plan(x, NULL, NULL);
		for (size_t i = 0; i < x->plan->count; i++)
			if (x->plan->items[i].outcome != COMMIT_DONE)
				fail_msg("%s: %s", x->plan->items[i].change->path, x->plan->items[i].why);
		stage_close(x);
		/* Back, in ways that are whole to a reader too. */
		for (int i = 0; i < READ; i++) {
			snprintf(name, sizeof name, "%d", i);
			host_write("t", old_text);
			assert_int_equal(rename("t", name), 0);
		}
		host_write("t", new_text);
		assert_int_equal(rename("t", "other"), 0);
	}
	r->stop = true;
	status_of(reader);
	print_message("%lu reads in %d commits\n", r->reads, ROUNDS);
	assert_true(r->reads > ROUNDS);
	assert_int_equal(r->missing, 0);
	assert_int_equal(r->torn, 0);
	munmap(r, sizeof *r);
}

static void test_readers(void **state)
{
	read_meanwhile(*state, false);
}

static void test_readers_of_killed(void **state)
{
	read_meanwhile(*state, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGE_TEST(test_interrupted_files, files),
		STAGE_TEST(test_interrupted_renames, renames),
		STAGE_TEST(test_one_cannot_be_written, empty),
		STAGE_TEST(test_in_the_way, one_file),
		STAGE_TEST(test_in_what_was_given, new_directory),
		STAGE_TEST(test_one_cannot_be_made, empty),
		STAGE_TEST(test_size_limit, files),
		STAGE_TEST(test_descriptor_limit, renames),
		STAGE_TEST(test_host_changes_meanwhile, empty),
		STAGE_TEST(test_two_boxes_at_once, empty),
		STAGE_TEST(test_one_box_twice_at_once, empty),
		STAGE_TEST(test_readers, empty),
		STAGE_TEST(test_readers_of_killed, empty),
	};
	char why[512];
	int r;

	cred_init();
	if (!site_open(&site, false, geteuid(), why, sizeof why)) {
		skip_note("no place for it: %s", why);
		return 77;
	}
	r = cmocka_run_group_tests(tests, NULL, NULL);
	if (chdir("/") == 0)
		site_close(&site);
	return r;
}
