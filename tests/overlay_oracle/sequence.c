/* sequence.c - a random sequence of file calls, made by plain system calls in the current process, and what each of them gave.
 *
 *     oracle_sequence build DIR SEED               fills DIR with the random tree of that seed
 *     oracle_sequence run DIR SEED OPS [UID]       makes OPS calls in it (half of them with the rights of UID), prints each with its results, and
 *                                                  the whole tree now and then
 *
 * Run natively and in a box on equal trees, the output must be the same: tests/guest/sequences.sh. What is drawn next depends on the tree as it is,
 * so that after the first difference the two go apart.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cred.h"
#include "base/fd.h"
#include "op.h"
#include "sample.h"
#include "snapshot.h"

#define SNAPSHOT_EVERY 25

static unsigned sample_flags(void)
{
	return SAMPLE_HARD_LINKS | SAMPLE_ACLS | (geteuid() == 0 ? SAMPLE_OWNERS | SAMPLE_UNREADABLE : 0);
}

static int build(const char *dir, uint64_t seed)
{
	struct rng r = { seed };
	int e = sample_build(dir, &r, sample_flags());

	if (e < 0)
		fprintf(stderr, "sequence: cannot make the tree: %s\n", strerror(-e));
	return e < 0;
}

static void show_tree(struct side *s)
{
	char *text = NULL;

	snapshot_take(s, SNAPSHOT_NLINK | SNAPSHOT_TIMES, &text);
	printf("the tree:\n%s", text);
	free(text);
}

/* Of a descriptor whose object has another name since, or none, a box shows less (docs/DIFFERENCES.md). */
static bool held_has_moved(const struct op *op, const struct side *s, char held[SIDE_HELD][PATH_MAX])
{
	int slot = (int)(op->seed % SIDE_HELD);
	struct stat st, now;

	if (op->kind < OP_HELD_STAT || s->held[slot] < 0)
		return false;
	return fstat(s->held[slot], &st) < 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) || !held[slot][0] || lstat(held[slot], &now) < 0 ||
	       now.st_ino != st.st_ino || now.st_dev != st.st_dev;
}

static void note_held(const struct op *op, const struct side *s, char held[SIDE_HELD][PATH_MAX])
{
	int slot = (int)(op->seed % SIDE_HELD);

	if (op->kind == OP_HOLD && (s->held[slot] < 0 || fd_real_path(s->held[slot], held[slot], PATH_MAX) <= 0))
		held[slot][0] = '\0';
}

static int run(const char *dir, uint64_t seed, int ops, uid_t as_uid)
{
	static char held[SIDE_HELD][PATH_MAX];
	struct op_options options = { .root = geteuid() == 0, .as_uid = as_uid, .own_uid = geteuid() };
	struct cred user = { .fsuid = as_uid, .fsgid = as_uid };
	struct rng r = { seed * 7919 + 1 };
	struct side side;

	side_init_plain(&side, "tree", dir, dir);
	for (int i = 0; i < ops; i++) {
		struct op op;
		int tries = 0;

		do
			op_make(&op, &r, &side, &options);
		while (!op_stays_inside(&op, &side, &options) && ++tries < 50);
		if (!op_stays_inside(&op, &side, &options) || held_has_moved(&op, &side, held))
			continue;
		printf("%d ", i);
		op_print(stdout, &op);
		if (op.as_user && cred_assume(&user) < 0)
			return 1;
		char *text = op_run_text(&op, &side);
		cred_drop();
		printf("    %s\n", text);
		free(text);
		note_held(&op, &side, held);
		if (i % SNAPSHOT_EVERY == SNAPSHOT_EVERY - 1)
			show_tree(&side);
	}
	side_release(&side);
	show_tree(&side);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;

	umask(0022);
	cred_init();
	if (argc == 4 && !strcmp(argv[1], "build"))
		return build(argv[2], seed);
	if ((argc == 5 || argc == 6) && !strcmp(argv[1], "run"))
		return run(argv[2], seed, atoi(argv[4]), argc == 6 ? (uid_t)atoi(argv[5]) : (uid_t)-1);
	fprintf(stderr, "usage: oracle_sequence build DIR SEED | run DIR SEED OPS [UID]\n");
	return 2;
}
