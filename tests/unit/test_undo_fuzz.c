/* test_undo_fuzz.c - a commit of random operations, then random operations on the host, then an undo with each way of dealing with conflicts.
 *
 * Whatever the host has become, an undo
 *   - that refuses, or fails, leaves it as it is,
 *   - that skips leaves all that the host has changed since,
 *   - that replaces is done, and what it takes away is in the history,
 *   - leaves no temporary name and no entry at work.
 *
 * test_undo_fuzz [FIRST-SEED COUNT [OPERATIONS [HOST-OPERATIONS]]] tries others than the test does. COWBOX_FUZZ_TELL=1 tells each operation, and
 * what the undo said. COWBOX_FUZZ_STORE=DIR puts the store there: on another file system than the host's tree, it is copies that come and go.
 */
#include "fuzz_tree.h"
#include "commit/history.h"

#include <ftw.h>

#include "../skip.h"

static unsigned operations = 10, host_operations = 5;
static const char *store_base;

static void hear_conflict(void *ctx, const char *path, const char *what)
{
	const struct world *x = ctx;

	if (tell)
		printf("   conflict: %s: %s\n", path + strlen(x->w), what);
}

/* How many files came back that were one with others before. */
static unsigned splits;

static void hear_note(void *ctx, const char *line)
{
	(void)ctx;
	splits += strstr(line, "it is a copy now") != NULL;
	if (tell)
		printf("   note: %s\n", line);
}

static int undo(struct world *x, enum undo_conflict conflict, struct undo_result *ret, struct err *err)
{
	const struct undo_wish wish = { .conflict = conflict, .conflicting = hear_conflict, .note = hear_note, .ctx = x };
	int r = history_undo(x->store, &wish, ret, err);

	free(ret->commit.box);
	free(ret->commit.command);
	return r;
}

static bool bad(unsigned long seed, const char *what, const char *detail)
{
	printf("seed %lu: %s%s%s\n", seed, what, *detail ? ": " : "", detail);
	return false;
}

static bool is_at_work(struct world *x)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof path, "%s/history/open", x->store->path);
	return access(path, F_OK) == 0;
}

/* ---- what the host has made itself ---- */

struct thing {
	char path[64], content[64];
	struct stat st;
};

struct things {
	struct thing list[512];
	size_t count;
};

static struct things *walked;

static int note_thing(const char *path, const struct stat *st, int type, struct FTW *where)
{
	struct thing *t = &walked->list[walked->count];

	(void)type;
	(void)where;
	assert_true(walked->count < sizeof walked->list / sizeof walked->list[0]);
	*t = (struct thing){ .st = *st };
	snprintf(t->path, sizeof t->path, "%.63s", path);
	if (S_ISREG(st->st_mode))
		snprintf(t->content, sizeof t->content, "%.63s", host_read(path));
	else if (S_ISLNK(st->st_mode) && readlink(path, t->content, sizeof t->content - 1) < 0)
		return -1;
	walked->count++;
	return 0;
}

static struct things *walk(const char *top)
{
	walked = calloc(1, sizeof *walked);
	assert_non_null(walked);
	assert_int_equal(chdir(top), 0);
	assert_int_equal(nftw(".", note_thing, 20, FTW_PHYS), 0);
	return walked;
}

/* Whatever it is called: it may have gone along with a directory above it. any: or a copy of it. */
static bool has_thing(const struct things *all, const struct thing *t, bool any)
{
	for (size_t i = 0; i < all->count; i++)
		if ((any || all->list[i].st.st_ino == t->st.st_ino) &&
		    (all->list[i].st.st_mode & S_IFMT) == (t->st.st_mode & S_IFMT) && strcmp(all->list[i].content, t->content) == 0)
			return true;
	return false;
}

static const struct thing *first_lost(const struct things *committed, const struct things *changed, const struct things *end,
                                      const struct things *history)
{
	for (size_t i = 0; i < changed->count; i++)
		if (!has_thing(committed, &changed->list[i], false) && !has_thing(end, &changed->list[i], false) &&
		    !(history && has_thing(history, &changed->list[i], true)))
			return &changed->list[i];
	return NULL;
}

/* The clock that stamps files is coarse: each has a time of its own all the same, by which copies of it are told. */
static void spread_times(const char *top)
{
	_cleanup_free_ struct things *all = walk(top);

	for (size_t i = 0; i < all->count; i++) {
		const struct timespec times[2] = { { 0, UTIME_OMIT }, { 1500000000 + (time_t)i, 0 } };

		assert_int_equal(utimensat(AT_FDCWD, all->list[i].path, times, AT_SYMLINK_NOFOLLOW), 0);
	}
}

/* The history may have names of what the host has. */
static char *describe_without_names(const char *top)
{
	char *all = describe_all(top), *to = all;

	for (char *line = all, *end; *line; line = end) {
		char path[64], rest[160] = "";
		unsigned mode;

		end = strchr(line, '\n') + 1;
		assert_true(sscanf(line, "%63s %o %*u %159[^\n]", path, &mode, rest) >= 2);
		to += sprintf(to, "%s %o %s\n", path, mode, rest);
	}
	return all;
}

/* ---- one seed ---- */

struct states {
	char *before, *committed, *changed;
	struct things *left, *made; /* left: by the commit; made: what the host has then */
};

static bool check(struct world *x, unsigned long seed, enum undo_conflict conflict, const struct states *s, bool *ret_refused)
{
	struct undo_result result;
	struct err err = { 0 };
	_cleanup_free_ struct things *now = NULL, *history = NULL;
	char path[PATH_MAX + 16];
	const struct thing *lost;
	int r;
	_cleanup_free_ char *end = NULL;

	splits = 0;
	r = undo(x, conflict, &result, &err);

	if (is_at_work(x))
		return bad(seed, "an entry is at work still", "");
	snprintf(path, sizeof path, "%s/history", x->store->path);
	history = walk(path);
	/* It may have names of what the host has. */
	if (r == 0)
		drop_history(x);
	end = describe_all(x->w);
	now = walk(x->w);
	lost = first_lost(s->left, s->made, now, conflict == UNDO_REPLACE ? history : NULL);
	if (tell)
		printf("   undo %s: %d %s, %zu conflicts, %zu done, %zu skipped\n",
		       conflict == UNDO_REFUSE ? "refuse"
		       : conflict == UNDO_SKIP ? "skip"
		                               : "replace",
		       r, r < 0 ? err.msg : "", result.conflicts, result.done, result.skipped);
	if (tell)
		printf("--- before\n%s--- committed\n%s--- changed\n%s--- now\n%s", s->before, s->committed, s->changed, end);
	if (strstr(end, "other names"))
		return bad(seed, "a temporary name is left", "");
	if (r < 0 && strcmp(end, s->changed) != 0)
		return bad(seed, "it failed, and the host is another", err.msg);
	if (r < 0 && (conflict == UNDO_REPLACE || !result.conflicts || (conflict == UNDO_SKIP && result.done)))
		return bad(seed, "it refuses", err.msg);
	if (r == 0 && conflict == UNDO_REFUSE && result.conflicts)
		return bad(seed, "it does not refuse", "");
	if (r == 0 && !result.conflicts && !splits && strcmp(s->committed, s->changed) == 0 && strcmp(end, s->before) != 0)
		return bad(seed, "the host is not as it was", "");
	*ret_refused = r < 0;
	if (r == 0 && lost)
		return bad(seed, "what the host has made is lost", lost->path);
	return true;
}

static void commit_random(struct world *x)
{
	struct err err = { 0 };

	usleep(10000);
	box_begin(x);
	for (unsigned i = 0; i < operations; i++) {
		struct operation o = any_operation();

		if (boxed(x, o.op, o.p, o.q) == 0 && tell)
			printf("   box: %s %s %s\n", op_name[o.op], o.p, o.q);
	}
	plan(x);
	choose(x, "");
	commit_settle(x->plan);
	assert_int_equal(commit_apply(x->plan, NULL, NULL, &x->result, &err), 0);
}

/* Two commits are taken back one after the other: the tree is as it was after the first, and then as before. */
static bool two_commits(struct world *x, unsigned long seed)
{
	const char *const when[] = { "after the first commit", "before" };
	_cleanup_free_ char *before = NULL, *between = NULL;
	struct undo_result result;
	struct err err = { 0 };
	bool good = true;

	seed_random(seed);
	assert_int_equal(chdir(x->w), 0);
	make_tree();
	spread_times(x->w);
	before = describe_without_names(x->w);
	commit_random(x);
	if (!x->result.done)
		return true;
	between = describe_without_names(x->w);
	commit_random(x);
	splits = 0;
	for (int k = x->result.done ? 0 : 1; k < 2 && good; k++) {
		int r = undo(x, UNDO_REFUSE, &result, &err);
		_cleanup_free_ char *now = describe_without_names(x->w);

		/* What was parted by the undo before, which said so, is another by now. */
		if (r < 0 && splits)
			break;
		if (r < 0)
			good = bad(seed, "two commits: it refuses", err.msg);
		else if (!splits && strcmp(now, k ? before : between) != 0)
			good = bad(seed, "two commits: the host is not as it was", when[k]);
		if (!good && tell)
			printf("--- wanted\n%s--- now\n%s", k ? before : between, now);
	}
	return good;
}

static bool one_seed(struct world *x, unsigned long seed)
{
	static const enum undo_conflict later[] = { UNDO_SKIP, UNDO_REPLACE };
	struct states s;
	bool refused, good = true;

	seed_random(seed);
	assert_int_equal(chdir(x->w), 0);
	make_tree();
	spread_times(x->w);
	s.before = describe_all(x->w);
	commit_random(x);
	s.committed = describe_all(x->w);
	s.left = walk(x->w);
	for (unsigned i = 0; i < host_operations; i++) {
		struct operation o = any_operation();

		if (plainly(o.op, o.p, o.q) == 0 && tell)
			printf("   host: %s %s %s\n", op_name[o.op], o.p, o.q);
	}
	s.changed = describe_all(x->w);
	s.made = walk(x->w);
	if (x->result.done)
		good = check(x, seed, UNDO_REFUSE, &s, &refused);
	if (x->result.done && good && refused)
		good = check(x, seed, later[seed % 2], &s, &refused);
	free(s.before);
	free(s.committed);
	free(s.changed);
	free(s.left);
	free(s.made);
	return good;
}

/* Why there cannot be a store, or none that is apart; NULL: there can. */
static const char *store_is_no_use(void)
{
	void *world = NULL;
	struct stat host, store;
	struct world *x;
	bool apart;

	if (!store_base)
		return NULL;
	if (world_setup_at(&world, store_base) < 0)
		return "no store can be made there";
	x = world;
	apart = stat(x->w, &host) == 0 && stat(x->store->path, &store) == 0 && host.st_dev != store.st_dev;
	world_teardown(&world);
	return apart ? NULL : "it is the file system of the temporary directory";
}

static void test_random(void **state)
{
	unsigned long wrong = 0;

	(void)state;
	for (unsigned long seed = first_seed; seed < first_seed + seeds; seed++) {
		void *world = NULL;

		assert_int_equal(world_setup_at(&world, store_base), 0);
		wrong += seed % 4 == 0 ? !two_commits(world, seed) : !one_seed(world, seed);
		fflush(stdout);
		assert_int_equal(world_teardown(&world), 0);
	}
	if (wrong)
		fail_msg("%lu of %lu seeds", wrong, seeds);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random) };

	fuzz_arguments(argc, argv, &operations, &host_operations);
	store_base = getenv("COWBOX_FUZZ_STORE");
	cred_init();
	if (store_is_no_use()) {
		skip_note("%s: %s", store_base, store_is_no_use());
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
