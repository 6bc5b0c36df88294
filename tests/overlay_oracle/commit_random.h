/* commit_random.h - the random test of commit and discard: operations on a view and on its plain twin, then what the two commands promise.
 *
 *     commit_random.c   rounds, each in a process of its own; shrinking; the report
 *     commit_gen.c      which operations
 *     commit_props.c    the properties, and the steps they are made of
 */
#ifndef ORACLE_COMMIT_RANDOM_H
#define ORACLE_COMMIT_RANDOM_H

#include "commit_lines.h"
#include "op.h"
#include "world.h"

#define CR_OPS 300
#define CR_TREE 160
#define CR_PICKS 200
#define CR_PATH 700

/* What a round is and what it leaves for its parent, in shared memory. A replay does the same with fewer operations, fewer host objects and
 * fewer chosen paths: the choice of a path depends on the seed and the path alone. */
struct cr_report {
	int count;
	struct op ops[CR_OPS];
	unsigned char batch[CR_OPS]; /* batch: 0 before the first step, 1 between two (property 4) */
	int ngone;
	char gone[CR_TREE][CR_PATH]; /* gone: host objects that are removed before the box is made */
	int nskips;
	uint64_t skips[CR_PICKS];    /* skips: choices not to be made */
	/* found out: */
	int npicks;
	uint64_t picks[CR_PICKS];
	int ntree;
	char tree[CR_TREE][CR_PATH]; /* tree: the host's objects, a directory before what is in it */
	char what[120];               /* what: the kind of failure, "" for none */
	char text[12000];
	char log[20000];             /* log: what was done after the operations */
	char host[12000];            /* host: the tree the box was made on */
	char dir[PATH_MAX];
};

struct cr_options {
	uint64_t seed;
	int ops, rounds, property, seconds, shrink_max;
	bool verbose, keep, dir_times;
	const char *known;          /* known: seeds to leave out, "1,20,300" */
	const char *ignored[16];     /* ignored: texts of failures that are passed over */
	int nignored;
	const char *parent;
	uid_t run_as;
	unsigned sample_flags;
	struct op_options op;
};

struct cr {
	struct world w;
	const struct cr_options *o;
	struct cr_report *rep;
	int property;
	char *names;    /* names: paths that were ever there, each with a NUL, relative; an empty one at the end */
	size_t names_size;
	bool lost;      /* lost: a commit told that metadata could not be kept */
	struct line_region back; /* back: where directories came back by a discard; what is in them the box has never seen */
	bool over;      /* over: something else of the box is in the way of one, and is told as a conflict, as it should be */
};

/* ---- commit_gen.c ---- */
struct cr_gen {
	struct rng r;
	struct op queue[24];
	int n, at;
};
/* The next operation from what the plain tree holds. */
void cr_gen_next(struct cr_gen *g, struct op *ret, struct world *w, const struct op_options *options);

/* ---- commit_props.c ---- */
/* 0, or 1 with the failure in the report. */
int cr_property(struct cr *c, int (*run_batch)(struct cr *c, int batch));

/* ---- commit_check.c ---- */
void cr_log(struct cr *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* 1, the failure noted; 0 when it is one that is passed over. */
int cr_fail(struct cr *c, const char *what, const char *text);
/* Remembers the names that a side has now. */
void cr_note_names(struct cr *c, struct side *s);
/* The snapshot, and after it which names are one file. The caller frees. */
char *cr_take(struct cr *c, struct side *s);
int cr_compare(struct cr *c, const char *what, const char *a_label, const char *a, const char *b_label, const char *b);
/* No name may be there that its directory does not list. */
int cr_check_ghosts(struct cr *c, const char *snapshot, const char *when);
/* The view must be as before, and without ghosts. */
int cr_check_view(struct cr *c, const char *what, const char *before, const char *when);
/* Opens the box anew; the view must be the one that was in memory. */
int cr_reopen(struct cr *c);

/* Below the root of the tree: "" or "/a/b". */
const char *cr_relative(const struct cr *c, const char *path);
/* A number that depends on the seed, the phase and the path alone, so that a replay chooses alike. */
uint64_t cr_choice(const struct cr *c, int phase, const char *path);
#define CR_PICKS_MOST 12
struct cr_picked {
	char *path[CR_PICKS_MOST];
	int count;
};
struct changes;
/* Some of the changes' paths: of renamed objects the old one, at times. */
void cr_pick_some(struct cr *c, int phase, const struct changes *all, struct cr_picked *ret);
void cr_picked_release(struct cr_picked *p);

#endif
