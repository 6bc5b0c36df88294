/* random.c - the first oracle: random operations on a plain directory and on the view of its twin must agree.
 *
 * Results, errnos and what the caller sees are compared after every operation, both trees after every --check operations, and the host
 * directory must be as it was, to the last inode change time. Each run is a process of its own, so a crash or a hang is a finding
 * like any other; a failing sequence is cut to its shortest failing prefix and then thinned out.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cred.h"
#include "op.h"
#include "snapshot.h"
#include "sample.h"
#include "world.h"
#include "../skip.h"

#define OPS_MAX 4000

/* What a run leaves behind for its parent, in shared memory. */
struct report {
	int count;              /* count: operations made or given */
	int failed_at;          /* failed_at: the one after which the difference was seen, -1 for none */
	char dir[PATH_MAX];
	char text[16384];
	struct op ops[OPS_MAX];
};

struct options {
	uint64_t seed;
	int ops, rounds, check;
	int layer_every;        /* layer_every: a new layer after so many operations; 0: one layer */
	bool shrink, verbose;
	bool any_error;         /* any_error: which error it is does not matter */
	bool twin;              /* twin: no box at all, a second plain directory instead: tests the oracle itself */
	const char *parent;
	uid_t run_as;
	unsigned sample_flags;
	struct op_options op;
};

struct session {
	struct world w;
	const struct options *o;
	struct report *rep;
	struct cred user;
	char held_path[SIDE_HELD][PATH_MAX];   /* held_path: where a held object was when it was opened, on the plain side */
};

static char *run_side(struct session *s, const struct op *op, struct side *side)
{
	if (op->as_user && cred_assume(&s->user) < 0)
		abort();
	char *text = op_run_text(op, side);
	cred_drop();
	return text;
}

/* What an already removed object still answers is the kernel's business on one side and nobody's on the other. */
static bool held_is_gone(struct session *s, const struct op *op)
{
	int fd = s->w.plain.held[op->seed % SIDE_HELD];
	struct stat st;

	return op->kind >= OP_HELD_STAT && fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 0;
}

/* A host file opened for reading, and renamed or removed since: where its copy is now the view cannot know. Nor which copy an open FIFO or device
 * of the host has, as the copies of these do not say what they were made from (DIFFERENCES.md). */
static bool is_left_out(struct session *s, const struct op *op)
{
	unsigned slot = op->seed % SIDE_HELD;
	int plain = s->w.plain.held[slot], view = s->w.view.held[slot];
	char now[PATH_MAX], real[PATH_MAX];
	struct stat st;

	if (op->kind < OP_HELD_STAT || op->kind > OP_HELD_UTIMENS || plain < 0 || view < 0)
		return false;
	if (fstat(plain, &st) < 0 || fd_real_path(plain, now, sizeof now) <= 0)
		return false;
	return (strcmp(now, s->held_path[slot]) || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) &&
	       fd_real_path(view, real, sizeof real) > 0 && !strstr(real, "/home/boxes/");
}

static void note_held(struct session *s, const struct op *op)
{
	unsigned slot = op->seed % SIDE_HELD;

	if (op->kind == OP_HOLD && (s->w.plain.held[slot] < 0 || fd_real_path(s->w.plain.held[slot], s->held_path[slot], PATH_MAX) < 0))
		s->held_path[slot][0] = '\0';
}

static int fail(struct session *s, int at, const char *what, const char *a, const char *b)
{
	s->rep->failed_at = at;
	snprintf(s->rep->text, sizeof(s->rep->text), "%s\n%s%s%s", what, a, b ? "\n" : "", b ? b : "");
	return 1;
}

static int compare_trees(struct session *s, int at)
{
	char *plain = NULL, *view = NULL, *diff;
	int r = 0;

	snapshot_take(&s->w.plain, SNAPSHOT_NLINK | SNAPSHOT_TIMES, &plain);
	snapshot_take(&s->w.view, SNAPSHOT_NLINK | SNAPSHOT_TIMES, &view);
	diff = snapshot_diff("plain", plain, " view", view, 12);
	if (diff)
		r = fail(s, at, "the trees differ:", diff, NULL);
	free(diff);
	free(plain);
	free(view);
	if (r)
		return r;
	diff = s->o->twin ? NULL : world_broken(&s->w);
	if (diff)
		r = fail(s, at, "THE HOST CHANGED:", diff, NULL);
	free(diff);
	return r;
}

/* Equal but for which errors they tell of. */
static bool same_but_errors(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		if (*a != *b)
			return false;
		if (a[0] != '-' || a[1] != 'E' || b[1] != 'E')
			continue;
		a += strcspn(a, " ") - 1;
		b += strcspn(b, " ") - 1;
		/* "-EACCES -13": the number that a call gave. */
		if (a[1] == ' ' && a[2] == '-' && b[1] == ' ' && b[2] == '-') {
			a += 2 + strcspn(a + 2, " ") - 1;
			b += 2 + strcspn(b + 2, " ") - 1;
		}
	}
	return *a == *b;
}

static int do_op(struct session *s, const struct op *op, int at)
{
	char *plain, *view, a[6000], b[6000];
	bool gone = held_is_gone(s, op);
	int r = 0;

	/* refused: who may not come to the start directory is told so by the view in the course of the call, not before it */

	if (is_left_out(s, op))
		return 0;

	if (s->o->verbose)
		op_print(stderr, op);
	s->w.plain.refused = false;
	plain = run_side(s, op, &s->w.plain);
	if (s->o->verbose)
		fprintf(stderr, "    %.300s\n", plain);
	view = run_side(s, op, &s->w.view);
	note_held(s, op);
	if (!gone && strcmp(plain, view) && !((s->o->any_error || s->w.plain.refused) && same_but_errors(plain, view))) {
		snprintf(a, sizeof(a), "  plain: %.5000s", plain);
		snprintf(b, sizeof(b), "   view: %.5000s", view);
		r = fail(s, at, "the answers differ:", a, b);
	}
	free(plain);
	free(view);
	return r;
}

/* replay: the operations in the report; otherwise new ones are made and written there. */
static int run_ops(struct session *s, bool replay, int check)
{
	struct rng r = { s->o->seed * 7919 + 1 };

	if (compare_trees(s, 0))
		return 1;
	for (int i = 0, done = 0; i < (replay ? s->rep->count : s->o->ops); i++) {
		struct op *op = &s->rep->ops[i];

		if (!replay) {
			int tries = 0;
			do
				op_make(op, &r, &s->w.plain, &s->o->op);
			while (!op_stays_inside(op, &s->w.plain, &s->o->op) && ++tries < 50);
			s->rep->count = i + 1;
		}
		if (!op_stays_inside(op, &s->w.plain, &s->o->op))
			continue;
		s->rep->failed_at = i;   /* in case it crashes */
		if (do_op(s, op, i))
			return 1;
		s->rep->failed_at = -1;
		if (s->o->layer_every && (i + 1) % s->o->layer_every == 0 && s->w.box->nlayers < BOX_LAYERS_MAX)
			world_add_layer(&s->w);
		if (++done % check == 0 && compare_trees(s, i))
			return 1;
	}
	if (compare_trees(s, s->rep->count - 1))
		return 1;
	if (s->o->twin)
		return 0;
	/* Nothing but the disk knows now. */
	world_reopen(&s->w);
	return compare_trees(s, s->rep->count - 1);
}

static void become(uid_t uid)
{
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0) {
		perror("oracle: --run-as");
		_exit(125);
	}
}

static int child(const struct options *o, struct report *rep, bool replay, int check, bool keep)
{
	static struct session s;

	alarm(replay ? 30 : 300);
	s.o = o;
	s.rep = rep;
	s.user = (struct cred){ .fsuid = o->op.as_uid, .fsgid = o->op.as_uid };
	cred_init();
	world_make(&s.w, o->parent, o->seed, o->sample_flags, true);
	snprintf(rep->dir, sizeof(rep->dir), "%s", s.w.dir);
	if (o->twin)
		side_init_plain(&s.w.view, "twin", s.w.host.root, s.w.host.root);
	int r = run_ops(&s, replay, check);
	world_release(&s.w, !(r && keep));
	return r;
}

/* 0: agreed. 1: a difference, in the report. */
static int run(const struct options *o, struct report *rep, bool replay, int check, bool keep)
{
	int status;

	rep->failed_at = -1;
	rep->text[0] = '\0';
	rep->dir[0] = '\0';
	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0) {
		perror("oracle: fork");
		exit(125);
	}
	if (pid == 0) {
		if (o->run_as != (uid_t)-1)
			become(o->run_as);
		int r = child(o, rep, replay, check, keep);
		fflush(NULL);
		_exit(r);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 1 || !rep->text[0]) {
		snprintf(rep->text, sizeof(rep->text), "the run ended by %s %d%s", WIFSIGNALED(status) ? "signal" : "exit status",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
			 WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? " (it hangs)" : "");
		if (!keep && rep->dir[0])
			sample_remove(rep->dir);
	}
	return 1;
}

/* Tries the first sequence without the operations from..from+n. */
static bool fails_without(const struct options *o, struct report *trial, const struct report *rep, int from, int n)
{
	trial->count = rep->count - n;
	memcpy(trial->ops, rep->ops, (size_t)from * sizeof(struct op));
	memcpy(trial->ops + from, rep->ops + from + n, (size_t)(rep->count - from - n) * sizeof(struct op));
	return run(o, trial, true, 1, false) != 0;
}

static void adopt(struct report *rep, const struct report *trial)
{
	rep->count = trial->failed_at >= 0 && trial->failed_at + 1 < trial->count ? trial->failed_at + 1 : trial->count;
	memcpy(rep->ops, trial->ops, (size_t)rep->count * sizeof(struct op));
	memcpy(rep->text, trial->text, sizeof(rep->text));
}

static void shrink(const struct options *o, struct report *rep, struct report *trial)
{
	rep->count = rep->failed_at + 1;
	if (!fails_without(o, trial, rep, 0, 0)) {
		fprintf(stderr, "oracle: does not fail again when replayed; left as it is\n");
		return;
	}
	adopt(rep, trial);
	for (int n = rep->count / 2; n >= 1; n /= 2)
		for (int from = rep->count - n; from >= 0; from -= n) {
			if (from + n > rep->count || !fails_without(o, trial, rep, from, n))
				continue;
			adopt(rep, trial);
		}
}

static void tell(const struct options *o, struct report *rep, bool whole)
{
	int last = rep->failed_at >= 0 ? rep->failed_at : rep->count - 1;
	int first = whole || last < 12 ? 0 : last - 12;

	fprintf(stderr, "oracle: seed %llu: %s\n", (unsigned long long)o->seed, rep->text);
	fprintf(stderr, "the %s %d operations:\n", whole ? "smallest failing" : "last", last - first + 1);
	for (int i = first; i <= last && i < rep->count; i++)
		op_print(stderr, &rep->ops[i]);
}

static int round_run(const struct options *o, struct report *rep, struct report *trial)
{
	if (!run(o, rep, false, o->check, !o->shrink))
		return 0;
	tell(o, rep, false);
	if (o->shrink) {
		shrink(o, rep, trial);
		memcpy(trial, rep, sizeof(*rep));
		run(o, trial, true, 1, true);
		tell(o, trial, true);
		memcpy(rep->dir, trial->dir, sizeof(rep->dir));
	}
	fprintf(stderr, "again with: random --seed %llu --ops %d --rounds 1 --check %d%s%s\nthe data is in %s\n",
		(unsigned long long)o->seed, o->ops, o->check, o->op.as_uid != (uid_t)-1 ? " --as-uid ..." : "",
		o->run_as != (uid_t)-1 ? " --run-as ..." : "", rep->dir);
	return 1;
}

static const char usage[] =
	"usage: random [--seed N] [--ops N] [--rounds N] [--check N] [--as-uid UID] [--run-as UID] [--dir DIR]\n"
	"              [--no-shrink] [--no-directory-rename] [--no-held] [--no-hard-links] [--any-error] [--twin] [--verbose]\n"
	"  --seed N     0 (default): a random one, printed; each round adds one\n"
	"  --check N    compare the whole trees after every N operations (default 10)\n"
	"  --as-uid U   as root: half of the operations with the rights of user U\n"
	"  --run-as U   as root: everything as the ordinary user U\n"
	"  --layer-every N  seal the top layer and go on in a new one after every N operations; no descriptors are held then\n"
	"  --any-error  both sides must fail, with whatever error\n"
	"  --twin       a second plain directory instead of the view, to test this program\n"
	"  --dir DIR    where the trees are made (default $TMPDIR or /tmp)\n";

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "seed", 1, 0, 's' }, { "ops", 1, 0, 'o' }, { "rounds", 1, 0, 'r' }, { "check", 1, 0, 'c' }, { "as-uid", 1, 0, 'a' },
		{ "run-as", 1, 0, 'u' }, { "dir", 1, 0, 'd' }, { "no-shrink", 0, 0, 'n' }, { "no-directory-rename", 0, 0, 'R' },
		{ "no-held", 0, 0, 'H' }, { "no-hard-links", 0, 0, 'L' }, { "verbose", 0, 0, 'v' }, { "twin", 0, 0, 't' },
		{ "layer-every", 1, 0, 'l' }, { "any-error", 0, 0, 'e' }, { 0, 0, 0, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 's': o->seed = strtoull(optarg, NULL, 0); break;
		case 'o': o->ops = atoi(optarg); break;
		case 'r': o->rounds = atoi(optarg); break;
		case 'c': o->check = atoi(optarg); break;
		case 'a': o->op.as_uid = (uid_t)atoi(optarg); break;
		case 'u': o->run_as = (uid_t)atoi(optarg); break;
		case 'd': o->parent = optarg; break;
		case 'n': o->shrink = false; break;
		case 'R': o->op.no_directory_rename = true; break;
		case 'H': o->op.no_held = true; break;
		case 'L': o->sample_flags &= ~(unsigned)SAMPLE_HARD_LINKS; break;
		case 'l': o->layer_every = atoi(optarg); o->op.no_held = true; break;
		case 't': o->twin = true; break;
		case 'e': o->any_error = true; break;
		case 'v': o->verbose = true; break;
		default: fputs(usage, stderr); exit(2);
		}
	if (optind < argc || o->ops < 1 || o->ops > OPS_MAX || o->check < 1) {
		fputs(usage, stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct options o = { .ops = 300, .rounds = 1, .check = 10, .shrink = true, .run_as = (uid_t)-1,
			     .sample_flags = SAMPLE_HARD_LINKS | SAMPLE_ACLS, .op = { .as_uid = (uid_t)-1 } };
	int failed = 0;

	parse(argc, argv, &o);
	if (geteuid() != 0 && (o.run_as != (uid_t)-1 || o.op.as_uid != (uid_t)-1)) {
		skip_note("--run-as and --as-uid need root");
		return 77;
	}
	o.op.root = geteuid() == 0 && o.run_as == (uid_t)-1;
	o.op.own_uid = o.run_as != (uid_t)-1 ? o.run_as : geteuid();
	if (o.op.root)
		o.sample_flags |= SAMPLE_OWNERS | SAMPLE_UNREADABLE;
	if (!o.seed && getrandom(&o.seed, sizeof(uint32_t), 0) < 0)
		o.seed = (uint64_t)getpid();
	struct report *rep = mmap(NULL, 2 * sizeof(*rep), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (rep == MAP_FAILED) {
		perror("oracle: mmap");
		return 125;
	}
	for (int i = 0; i < o.rounds; i++, o.seed++) {
		printf("seed %llu: %d operations\n", (unsigned long long)o.seed, o.ops);
		fflush(stdout);
		failed += round_run(&o, rep, rep + 1);
	}
	return failed ? 1 : 0;
}
