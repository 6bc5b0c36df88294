/* commit_random.c - random operations on a view, then commits and discards: nobody else touches the host, so nothing may go wrong.
 *
 * commit_props.c says what must hold. Each round is a process of its own; a failing one is made small: fewer operations, fewer objects on the
 * host, fewer chosen paths, as long as it fails in the same way.
 */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "../skip.h"
#include "base/cred.h"
#include "base/fd.h"
#include "commit_random.h"
#include "sample.h"
#include "snapshot.h"

static bool replaying;

/* ---- in the child ---- */

static void do_op(struct cr *c, const struct op *op)
{
	if (c->o->verbose)
		op_print(stderr, op);
	_cleanup_free_ char *plain = op_run_text(op, &c->w.plain), *view = op_run_text(op, &c->w.view);

	if (c->o->verbose)
		fprintf(stderr, "    plain %.200s\n     view %.200s\n", plain, view);
}

/* Batch 1 is for property 4 alone, and a third of all. */
static int run_batch(struct cr *c, int batch)
{
	static struct cr_gen gen;
	struct cr_report *rep = c->rep;
	int n = c->property != 4 ? c->o->ops : batch ? c->o->ops / 3 : c->o->ops - c->o->ops / 3;

	if (!replaying && !batch)
		gen.r.state = c->o->seed * 7919 + 17;
	for (int i = 0; !replaying && i < n && rep->count < CR_OPS; i++) {
		struct op *op = &rep->ops[rep->count];
		int tries = 0;

		do
			cr_gen_next(&gen, op, &c->w, &c->o->op);
		while (!op_stays_inside(op, &c->w.plain, &c->o->op) && ++tries < 50);
		if (tries == 50)
			continue;
		rep->batch[rep->count++] = (unsigned char)batch;
		do_op(c, op);
	}
	for (int i = 0; replaying && i < rep->count; i++)
		if (rep->batch[i] == batch && op_stays_inside(&rep->ops[i], &c->w.plain, &c->o->op))
			do_op(c, &rep->ops[i]);
	return 0;
}

static void remove_gone(struct cr *c)
{
	char path[PATH_MAX + CR_PATH];

	for (int i = 0; i < c->rep->ngone; i++) {
		snprintf(path, sizeof path, "%s/%s", c->w.host.root, c->rep->gone[i]);
		sample_remove(path);
		snprintf(path, sizeof path, "%s/%s", c->w.plain.root, c->rep->gone[i]);
		sample_remove(path);
	}
	if (c->rep->ngone)
		world_renew(&c->w);
}

static void note_tree(struct cr *c)
{
	_cleanup_free_ char *text = NULL;
	struct cr names = { .w = c->w };

	cr_note_names(&names, &c->w.host);
	c->rep->ntree = 0;
	for (const char *p = names.names; p && p < names.names + names.names_size && c->rep->ntree < CR_TREE; p += strlen(p) + 1)
		if (strlen(p) < CR_PATH)
			strcpy(c->rep->tree[c->rep->ntree++], p);
	free(names.names);
	if (snapshot_take(&c->w.host, SNAPSHOT_NLINK, &text) == 0)
		snprintf(c->rep->host, sizeof(c->rep->host), "%s", text);
}

static void become(uid_t uid)
{
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0) {
		perror("oracle: --run-as");
		_exit(125);
	}
}

static int child(const struct cr_options *o, struct cr_report *rep)
{
	static struct cr c;

	alarm(30);
	c.o = o;
	c.rep = rep;
	c.property = o->property ? o->property : 1 + (int)(o->seed % 4);
	cred_init();
	world_make(&c.w, o->parent, o->seed, o->sample_flags, true);
	snprintf(rep->dir, sizeof(rep->dir), "%s", c.w.dir);
	remove_gone(&c);
	note_tree(&c);
	int r = cr_property(&c, run_batch);
	world_release(&c.w, !(r && o->keep));
	free(c.names);
	line_region_release(&c.back);
	return r;
}

/* ---- in the parent ---- */

/* 0: all held. 1: the failure is in the report. */
static int run(const struct cr_options *o, struct cr_report *rep, bool replay)
{
	int status;

	rep->npicks = 0;
	rep->what[0] = rep->text[0] = rep->log[0] = rep->dir[0] = '\0';
	replaying = replay;
	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0) {
		perror("oracle: fork");
		exit(125);
	}
	if (pid == 0) {
		if (o->run_as != (uid_t)-1)
			become(o->run_as);
		int r = child(o, rep);
		fflush(NULL);
		_exit(r);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 1 || !rep->what[0]) {
		snprintf(rep->what, sizeof(rep->what), "the run ended by %s %d", WIFSIGNALED(status) ? "signal" : "exit status",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		if (!o->keep && rep->dir[0])
			sample_remove(rep->dir);
	}
	return 1;
}

static bool try(const struct cr_options *o, struct cr_report *trial, struct cr_report *rep)
{
	if (!run(o, trial, true) || strcmp(trial->what, rep->what))
		return false;
	memcpy(rep, trial, sizeof(*rep));
	return true;
}

static void fewer_ops(const struct cr_options *o, struct cr_report *rep, struct cr_report *trial)
{
	for (int n = rep->count > 1 ? rep->count / 2 : 1; n >= 1; n /= 2)
		for (int from = rep->count - n; from >= 0; from -= n) {
			if (from + n > rep->count)
				continue;
			memcpy(trial, rep, sizeof(*rep));
			memmove(trial->ops + from, trial->ops + from + n, (size_t)(rep->count - from - n) * sizeof(struct op));
			memmove(trial->batch + from, trial->batch + from + n, (size_t)(rep->count - from - n));
			trial->count -= n;
			try(o, trial, rep);
		}
}

static void fewer_picks(const struct cr_options *o, struct cr_report *rep, struct cr_report *trial)
{
	for (int i = rep->npicks - 1; i >= 0 && rep->nskips < CR_PICKS; i--) {
		if (i >= rep->npicks)
			continue;
		memcpy(trial, rep, sizeof(*rep));
		trial->skips[trial->nskips++] = rep->picks[i];
		try(o, trial, rep);
	}
}

static void fewer_objects(const struct cr_options *o, struct cr_report *rep, struct cr_report *trial)
{
	for (int i = 0; i < rep->ntree && rep->ngone < CR_TREE;) {
		memcpy(trial, rep, sizeof(*rep));
		strcpy(trial->gone[trial->ngone++], rep->tree[i]);
		if (!try(o, trial, rep))
			i++;   /* else the list is shorter */
	}
}

static void shrink(const struct cr_options *o, struct cr_report *rep, struct cr_report *trial)
{
	memcpy(trial, rep, sizeof(*rep));
	if (!try(o, trial, rep)) {
		fprintf(stderr, "oracle: does not fail again when replayed; left as it is\n");
		return;
	}
	fewer_ops(o, rep, trial);
	fewer_picks(o, rep, trial);
	fewer_objects(o, rep, trial);
	fewer_ops(o, rep, trial);
	fewer_objects(o, rep, trial);
	fewer_picks(o, rep, trial);
}

static void tell(const struct cr_options *o, const struct cr_report *rep)
{
	fprintf(stderr, "the host:\n%soperations:\n", rep->host);
	for (int i = 0; i < rep->count; i++) {
		if (i && rep->batch[i] && !rep->batch[i - 1])
			fprintf(stderr, "  (after the first commit:)\n");
		fprintf(stderr, "  ");
		op_print(stderr, &rep->ops[i]);
	}
	fprintf(stderr, "then:\n%s%s\n%s\n", rep->log, rep->what, rep->text);
	if (o->keep)
		fprintf(stderr, "the data is in %s\n", rep->dir);
}

static int round_run(const struct cr_options *o, struct cr_report *rep, struct cr_report *trial, int failed)
{
	struct cr_options small = *o;

	memset(rep, 0, sizeof(*rep));
	if (!run(o, rep, false))
		return 0;
	printf("FAILED seed %llu: %s\n", (unsigned long long)o->seed, rep->what);
	fflush(stdout);
	fprintf(stderr, "oracle: seed %llu: %s\nagain with: oracle_commit --seed %llu --ops %d%s", (unsigned long long)o->seed, rep->what,
		(unsigned long long)o->seed, o->ops, o->run_as != (uid_t)-1 ? " --run-as ..." : "");
	fprintf(stderr, o->property ? " --property %d\n" : "\n", o->property);
	if (failed >= o->shrink_max)
		return 1;
	small.keep = false;
	shrink(&small, rep, trial);
	if (o->keep)
		run(o, rep, true);
	tell(o, rep);
	return 1;
}

static const char usage[] =
	"usage: oracle_commit [--seed N] [--ops N] [--rounds N] [--seconds N] [--property N] [--run-as UID] [--shrink-max N] [--dir DIR]\n"
	"                     [--no-hard-links] [--ignore TEXT] [--dir-times] [--keep] [--verbose]\n"
	"  --seed N        0 (default): a random one, printed; each round adds one\n"
	"  --seconds N     rounds until that time has passed\n"
	"  --property N    1 to 4 (commit_props.c); 0 (default): in turn, by the seed\n"
	"  --run-as U      as root: everything as the ordinary user U\n"
	"  --shrink-max N  how many failing rounds are made small and told in full (default 1)\n"
	"  --ignore TEXT   pass over failures told with this text, and go on: to look behind a known one\n"
	"  --dir-times     the times of directories must agree even where a name came and went\n"
	"  --keep          leave the data of failing rounds\n"
	"  --dir DIR       where the trees are made (default $TMPDIR or /tmp)\n";

static void parse(int argc, char **argv, struct cr_options *o)
{
	static const struct option longs[] = {
		{ "seed", 1, 0, 's' }, { "ops", 1, 0, 'o' }, { "rounds", 1, 0, 'r' }, { "seconds", 1, 0, 't' }, { "property", 1, 0, 'p' },
		{ "run-as", 1, 0, 'u' }, { "shrink-max", 1, 0, 'm' }, { "dir", 1, 0, 'd' }, { "no-hard-links", 0, 0, 'L' },
		{ "keep", 0, 0, 'k' }, { "ignore", 1, 0, 'i' }, { "known", 1, 0, 'K' },
		{ "dir-times", 0, 0, 'T' }, { "verbose", 0, 0, 'v' }, { 0, 0, 0, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 's': o->seed = strtoull(optarg, NULL, 0); break;
		case 'o': o->ops = atoi(optarg); break;
		case 'r': o->rounds = atoi(optarg); break;
		case 't': o->seconds = atoi(optarg); break;
		case 'p': o->property = atoi(optarg); break;
		case 'u': o->run_as = (uid_t)atoi(optarg); break;
		case 'm': o->shrink_max = atoi(optarg); break;
		case 'd': o->parent = optarg; break;
		case 'L': o->sample_flags &= ~(unsigned)SAMPLE_HARD_LINKS; break;
		case 'K': o->known = optarg; break;
		case 'i':
			if (o->nignored < (int)(sizeof(o->ignored) / sizeof(o->ignored[0])))
				o->ignored[o->nignored++] = optarg;
			break;
		case 'T': o->dir_times = true; break;
		case 'k': o->keep = true; break;
		case 'v': o->verbose = true; break;
		default: fputs(usage, stderr); exit(2);
		}
	if (optind < argc || o->ops < 1 || o->ops > CR_OPS || o->property < 0 || o->property > 4) {
		fputs(usage, stderr);
		exit(2);
	}
}

/* The seed stands in the list "1,20,300". */
static bool is_known(const struct cr_options *o)
{
	char *end;

	for (const char *p = o->known; p && *p; p = *end ? end + 1 : end)
		if (strtoull(p, &end, 10) == o->seed)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	struct cr_options o = { .ops = 24, .rounds = 1, .shrink_max = 1, .run_as = (uid_t)-1,
				.sample_flags = SAMPLE_HARD_LINKS | SAMPLE_ACLS, .op = { .as_uid = (uid_t)-1, .no_held = true, .no_sockets = true } };
	time_t start = time(NULL);
	int failed = 0, left_out = 0, i;

	parse(argc, argv, &o);
	/* Other trees are made for an ordinary user, and other seeds are known. */
	if (geteuid() != 0 && o.known) {
		skip_note("the fixed seeds need root");
		return 77;
	}
	if (geteuid() != 0 && o.run_as != (uid_t)-1) {
		skip_note("--run-as needs root");
		return 77;
	}
	unsetenv("COWBOX_BOX");
	o.op.root = geteuid() == 0 && o.run_as == (uid_t)-1;
	o.op.own_uid = o.run_as != (uid_t)-1 ? o.run_as : geteuid();
	if (o.op.root)
		o.sample_flags |= SAMPLE_OWNERS | SAMPLE_UNREADABLE;
	if (!o.seed && getrandom(&o.seed, sizeof(uint32_t), 0) < 0)
		o.seed = (uint64_t)getpid();
	struct cr_report *rep = mmap(NULL, 2 * sizeof(*rep), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (rep == MAP_FAILED) {
		perror("oracle: mmap");
		return 125;
	}
	printf("from seed %llu: %d operations each\n", (unsigned long long)o.seed, o.ops);
	fflush(stdout);
	for (i = 0; o.seconds ? time(NULL) - start < o.seconds : i < o.rounds; i++, o.seed++)
		if (is_known(&o))
			left_out++;
		else
			failed += round_run(&o, rep, rep + 1, failed);
	if (left_out)
		skip_note("%d of %d seeds, which are known to fail by hard links that partial commits split", left_out, i);
	printf("%d of %d rounds failed\n", failed, i);
	return failed ? 1 : 0;
}
