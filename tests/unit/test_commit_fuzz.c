/* test_commit_fuzz.c - random operations on names, in a box and on a plain copy of the tree: after the commit the two are the same.
 *
 * test_commit_fuzz [FIRST-SEED COUNT [OPERATIONS [PARTS]]] tries others than the test does. PARTS: so many commits of single paths come before
 * that of all. COWBOX_FUZZ_TELL=1 tells each operation and what the commit left.
 */
#include "fuzz_tree.h"
#include "commit/history.h"

static unsigned operations = 12, parts;

/* ---- one seed ---- */

/* A temporary that is left shows as a difference. */
static void apply_quietly(struct world *x)
{
	struct err err = { 0 };

	commit_settle(x->plan);
	assert_int_equal(commit_apply(x->plan, NULL, NULL, &x->result, &err), 0);
}

static void commit_part(struct world *x)
{
	plan(x);
	if (!x->plan->count)
		return;
	commit_choose(x->plan, (struct vpath){ x->plan->items[any((unsigned)x->plan->count)].change->path });
	commit_settle(x->plan);
	if (tell)
		for (size_t i = 0; i < x->plan->count; i++)
			if (x->plan->items[i].chosen)
				printf("   part: %c %s %s\n", (char)x->plan->items[i].change->kind,
				       x->plan->items[i].change->path + strlen(x->w), x->plan->items[i].why);
	apply_quietly(x);
}

static void tell_conflict(void *ctx, const char *path, const char *what)
{
	(void)ctx;
	printf("   undo: %s: %s\n", path, what);
}

/* All commits are taken back, the last first: the host is then what it was. */
static bool undo_all(struct world *x, const char *before, unsigned long seed)
{
	struct undo_wish wish = { .conflicting = tell_conflict };
	struct undo_result result;
	struct err err = { 0 };
	char *got;
	int r;
	bool good;

	while ((r = history_undo(x->store, &wish, &result, &err)) == 0) {
		free(result.commit.box);
		free(result.commit.command);
	}
	if (r != -ENOENT) {
		free(result.commit.box);
		free(result.commit.command);
		printf("seed %lu: undo: %s\n", seed, err.msg);
		return false;
	}
	drop_history(x);
	got = describe_all(x->w);
	good = strcmp(before, got) == 0;
	if (!good)
		printf("seed %lu: WRONG after undo\n", seed);
	if (!good && tell)
		printf("--- wanted\n%s--- got\n%s", before, got);
	free(got);
	return good;
}

static bool one_seed(struct world *x, const char *model, unsigned long seed)
{
	bool good = true;
	char *want, *got, *before;

	seed_random(seed);
	assert_int_equal(chdir(model), 0);
	make_tree();
	assert_int_equal(chdir(x->w), 0);
	make_tree();
	before = describe_all(x->w);
	/* The tree is older than the box, by the clock that stamps files. */
	usleep(10000);
	box_begin(x);
	for (unsigned i = 0; i < operations; i++) {
		struct operation o = any_operation();
		int a, b;

		assert_int_equal(chdir(model), 0);
		a = plainly(o.op, o.p, o.q);
		assert_int_equal(chdir(x->w), 0);
		b = boxed(x, o.op, o.p, o.q);
		if (tell && a == 0)
			printf("   %s %s %s\n", op_name[o.op], o.p, o.q);
		if ((a < 0) != (b < 0)) {
			printf("seed %lu: %s %s %s: %s on the host, %s in the box\n", seed, op_name[o.op], o.p, o.q, strerror(-a), strerror(-b));
			return false;
		}
	}
	for (unsigned k = 0; k < parts; k++)
		commit_part(x);
	plan(x);
	choose(x, "");
	apply_quietly(x);
	for (size_t i = 0; i < x->plan->count; i++) {
		const struct commit_item *it = &x->plan->items[i];

		if (tell)
			printf("   all: %c %s%s%s %s\n", (char)it->change->kind, it->change->path + strlen(x->w),
			       it->change->from ? " from " : "", it->change->from ? it->change->from + strlen(x->w) : "", it->why);
		if (it->outcome != COMMIT_DONE) {
			printf("seed %lu: left: %s: %s\n", seed, it->change->path + strlen(x->w), it->why);
			good = false;
		}
	}
	if (good && seed % 2) {
		good = undo_all(x, before, seed);
		free(before);
		return good;
	}
	free(before);
	drop_history(x);
	want = describe_all(model);
	got = describe_all(x->w);
	if (good && strcmp(want, got) != 0) {
		printf("seed %lu: WRONG\n", seed);
		if (tell)
			printf("--- wanted\n%s--- got\n%s", want, got);
		good = false;
	}
	free(want);
	free(got);
	plan(x);
	if (good && x->plan->count) {
		printf("seed %lu: not forgotten: %c %s\n", seed, (char)x->plan->items[0].change->kind,
		       x->plan->items[0].change->path + strlen(x->w));
		good = false;
	}
	return good;
}

static void test_random(void **state)
{
	unsigned long bad = 0;

	(void)state;
	for (unsigned long seed = first_seed; seed < first_seed + seeds; seed++) {
		void *world = NULL, *model = NULL;

		assert_int_equal(world_setup(&world), 0);
		assert_int_equal(dir_setup(&model), 0);
		bad += !one_seed(world, ((struct dir *)model)->path, seed);
		fflush(stdout);
		dir_teardown(&model);
		assert_int_equal(world_teardown(&world), 0);
	}
	if (bad)
		fail_msg("%lu of %lu seeds", bad, seeds);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random) };

	fuzz_arguments(argc, argv, &operations, &parts);
	cred_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
