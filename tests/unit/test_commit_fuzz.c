/* test_commit_fuzz.c - random operations on names, in a box and on a plain copy of the tree: after the commit the two are the same.
 *
 * test_commit_fuzz [FIRST-SEED COUNT [OPERATIONS [PARTS]]] tries others than the test does. PARTS: so many commits of single paths come before
 * that of all. COWBOX_FUZZ_TELL=1 tells each operation and what the commit left.
 */
#include "commit_world.h"
#include "commit/history.h"

#include <dirent.h>

static unsigned long first_seed = 1, seeds = 150;
static unsigned operations = 12, parts;
static bool tell;

/* ---- one operation, twice ---- */

static uint64_t state_of_random;

static unsigned any(unsigned n)
{
	state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state_of_random >> 33) % n;
}

static void any_path(char ret[16])
{
	unsigned depth = 1 + any(3);

	*ret = '\0';
	for (unsigned i = 0; i < depth; i++) {
		char part[3] = { i ? '/' : "abc"[any(3)], i ? "defLS"[any(5)] : '\0' };

		strcat(ret, part);
	}
}

enum op { MOVE, EXCHANGE, REMOVE, MKDIR, RMDIR, LINK, SYMLINK, APPEND, REWRITE, CHMOD, OPS };
static const char *const op_name[] = { "mv", "xch", "rm", "mkdir", "rmdir", "ln", "symlink", "append", "rewrite", "chmod" };
/* Moves and exchanges are what makes it hard. */
static const enum op often[] = { MOVE, MOVE, MOVE, EXCHANGE, EXCHANGE, REMOVE, MKDIR, RMDIR, LINK, SYMLINK, APPEND, REWRITE, CHMOD };

static int write_to(int fd, const char *text)
{
	int r = fd < 0 ? -errno : write(fd, text, strlen(text)) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return r;
}

static int plainly(enum op op, const char *p, const char *q)
{
	int r = 0;

	switch (op) {
	case MOVE:
	case EXCHANGE:
		r = renameat2(AT_FDCWD, p, AT_FDCWD, q, op == EXCHANGE ? RENAME_EXCHANGE : 0);
		break;
	case REMOVE:
		r = unlink(p);
		break;
	case MKDIR:
		r = mkdir(p, 0755);
		break;
	case RMDIR:
		r = rmdir(p);
		break;
	case LINK:
		r = link(p, q);
		break;
	case SYMLINK:
		r = symlink("e", p);
		break;
	case CHMOD:
		r = chmod(p, 0700);
		break;
	case APPEND:
		return write_to(open(p, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644), "x");
	case REWRITE:
		return write_to(open(p, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644), q);
	case OPS:
		break;
	}
	return r < 0 ? -errno : 0;
}

static int boxed_write(struct world *x, struct at p, int flags, const char *text)
{
	_cleanup_opened_ struct opened o;
	int r;

	opened_init(&o);
	r = overlay_open(x->ov, &x->caller, p, (uint64_t)(O_WRONLY | O_CREAT | O_NOFOLLOW | flags), 0644, 0, &o);
	return r < 0 ? r : write(o.fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int boxed(struct world *x, enum op op, const char *pt, const char *qt)
{
	struct at p = view(x, pt), q = view(x, qt);
	_cleanup_object_ struct object o;
	int r;

	object_init(&o);
	switch (op) {
	case MOVE:
	case EXCHANGE:
		return overlay_rename(x->ov, &x->caller, p, q, op == EXCHANGE ? RENAME_EXCHANGE : 0);
	case REMOVE:
		return overlay_unlink(x->ov, &x->caller, p, 0);
	case MKDIR:
		return overlay_mkdir(x->ov, &x->caller, p, 0755);
	case RMDIR:
		return overlay_unlink(x->ov, &x->caller, p, AT_REMOVEDIR);
	case LINK:
		return overlay_link(x->ov, &x->caller, p, q, 0);
	case SYMLINK:
		return overlay_symlink(x->ov, &x->caller, "e", p);
	case APPEND:
		return boxed_write(x, p, O_APPEND, "x");
	case REWRITE:
		return boxed_write(x, p, O_TRUNC, qt);
	case CHMOD:
		r = overlay_lookup(x->ov, &x->caller, p, 0, &o);
		return r < 0 ? r : object_chmod(x->ov, &x->caller, &o, 0700);
	case OPS:
		break;
	}
	return 0;
}

/* ---- the tree ---- */

static void make_tree(void)
{
	for (const char *a = "abc"; *a; a++) {
		char p[8] = { *a }, q[8];

		mkdir(p, 0755);
		for (const char *b = "de"; *b; b++) {
			snprintf(p, sizeof p, "%c/%c", *a, *b);
			mkdir(p, 0755);
			for (const char *c = "fL"; *c; c++) {
				snprintf(p, sizeof p, "%c/%c/%c", *a, *b, *c);
				host_write(p, p);
			}
		}
		snprintf(p, sizeof p, "%c/f", *a);
		host_write(p, p);
		snprintf(q, sizeof q, "%c/L", *a);
		assert_int_equal(link(p, q), 0);
		snprintf(p, sizeof p, "%c/S", *a);
		assert_int_equal(symlink("d", p), 0);
	}
}

/* One line an object: type, mode, names, the first of its names, content. */
static char text[1 << 16];
static size_t used;
static struct {
	ino_t ino;
	char name[24];
} seen[256];
static size_t nseen;

static int describe(const char *path)
{
	struct stat st = host_stat_of(path);
	char link_text[64] = "";
	size_t k;

	for (k = 0; k < nseen && seen[k].ino != st.st_ino; k++)
		;
	if (k == nseen) {
		assert_true(nseen < 256);
		seen[nseen].ino = st.st_ino;
		snprintf(seen[nseen++].name, sizeof seen[0].name, "%.23s", path);
	}
	if (S_ISLNK(st.st_mode) && readlink(path, link_text, sizeof link_text - 1) < 0)
		strcpy(link_text, "?");
	used += (size_t)snprintf(text + used, sizeof text - used, "%-10s %6o %u %s %s\n", path, st.st_mode,
	                         S_ISDIR(st.st_mode) ? 0 : (unsigned)st.st_nlink, seen[k].name,
	                         S_ISREG(st.st_mode) ? host_read(path) : link_text);
	assert_true(used < sizeof text);
	return 0;
}

static void describe_below(const char *dir)
{
	static const char names[] = "SLabcdefghijklmnopqrstuvwxyz";
	char path[64];
	size_t found = 0, known = 0;
	DIR *d = opendir(*dir ? dir : ".");
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)))
		found += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	for (const char *n = names; *n; n++) {
		snprintf(path, sizeof path, "%s%s%c", dir, *dir ? "/" : "", *n);
		if (host_stat_of(path).st_mode) {
			known++;
			describe(path);
			if (S_ISDIR(host_stat_of(path).st_mode))
				describe_below(path);
		}
	}
	if (known != found)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s: other names\n", dir);
}

static char *describe_all(const char *dir)
{
	used = nseen = 0;
	text[0] = '\0';
	assert_int_equal(chdir(dir), 0);
	describe_below("");
	return strdup(text);
}

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

	state_of_random = seed * 2654435761u + 12345;
	any(2);
	assert_int_equal(chdir(model), 0);
	make_tree();
	assert_int_equal(chdir(x->w), 0);
	make_tree();
	before = describe_all(x->w);
	/* The tree is older than the box, by the clock that stamps files. */
	usleep(10000);
	box_begin(x);
	for (unsigned i = 0; i < operations; i++) {
		enum op op = often[any(sizeof often / sizeof often[0])];
		char p[16], q[16];
		int a, b;

		any_path(p);
		any_path(q);
		assert_int_equal(chdir(model), 0);
		a = plainly(op, p, q);
		assert_int_equal(chdir(x->w), 0);
		b = boxed(x, op, p, q);
		if (tell && a == 0)
			printf("   %s %s %s\n", op_name[op], p, q);
		if ((a < 0) != (b < 0)) {
			printf("seed %lu: %s %s %s: %s on the host, %s in the box\n", seed, op_name[op], p, q, strerror(-a), strerror(-b));
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

	if (argc > 2) {
		first_seed = strtoul(argv[1], NULL, 10);
		seeds = strtoul(argv[2], NULL, 10);
	}
	if (argc > 3)
		operations = (unsigned)strtoul(argv[3], NULL, 10);
	if (argc > 4)
		parts = (unsigned)strtoul(argv[4], NULL, 10);
	tell = getenv("COWBOX_FUZZ_TELL") != NULL;
	cred_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
