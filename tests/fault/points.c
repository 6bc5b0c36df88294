/* points.c - a commit, an undo, their recovery and a discard, each with something going wrong at each of its calls.
 *
 *     fault_points [--scene NAME] [--phase commit|recover|undo|unrecover|discard|meddle|unmeddle] [OPTION...]
 *         --step N         each Nth point only            --inner N     of a recovery each Nth call only
 *         --offset N       begin at the Nth               --full        every point
 *         --at N [--then M] this one only                 --mode NAME   only so: kill, tear, EIO, ENOSPC, EACCES, dead, full
 *         --whole          killed at the calls before, too, with which the commit looks at all (what cannot be looked at is told, and left)
 *         --apart          the store is on another file system than the host's tree
 *         --plain          the host's file system cannot exchange names, nor refuse to replace one
 *         --quota          the file system of both lets nothing go from the one to the other by a rename
 *         --another        of an undo: each file and directory of the host is another by then, a copy of what it was
 *         --run-as UID
 *
 * A point: the stage is made anew (stage.h), and a child does the action (action.c) with a fault armed at its nth call. Then another opens the
 * store, as the next cowbox command does (commit_recover), and the host must be as it was before, or as after the whole commit, to the byte and the
 * nanosecond; a commit of what the box has left must bring it to the latter in any case.
 *
 * EACCES is no trouble of a disk, and means that something is not ours to do, now or later. Then a commit may do without: a directory keeps its mode or
 * the time of the commit, a FIFO becomes one of its own, and what cannot be taken out of the box is told. So much is allowed there, and no more.
 */
#include "points.h"

#include <getopt.h>
#include <grp.h>
#include <sys/mman.h>
#include <time.h>

#include "../skip.h"

const struct mode modes[NMODES] = {
	{ "kill", SYS_FAULT_KILL, 0, true }, /* before the call */
	{ "tear", SYS_FAULT_TEAR, 0, true }, /* in the midst of a write */
	{ "EIO", SYS_FAULT_FAIL, EIO, false },       { "ENOSPC", SYS_FAULT_FAIL, ENOSPC, false },
	{ "EACCES", SYS_FAULT_FAIL, EACCES, false }, { "dead", SYS_FAULT_DEAD, EIO, false }, /* this call and all after it */
	{ "full", SYS_FAULT_TEAR, ENOSPC, false },                                           /* half of a write is done */
};

struct wish wish = { .uid = (uid_t)-1 };
struct site site;
unsigned failures, known;
unsigned long points;

/* ---- phases ---- */

bool mode_is_wanted(const struct mode *m)
{
	return !wish.mode || strcmp(wish.mode, m->name) == 0;
}

void point_failed(const char *what, const struct mode *m, unsigned long n, unsigned long k)
{
	failures++;
	printf("FAILED: --scene %s --phase %s%s%s%s%s%s%s --mode %s --at %lu", wish.scene->name, what, wish.whole ? " --whole" : "",
	       wish.apart ? " --apart" : "", wish.plain ? " --plain" : "", wish.another ? " --another" : "",
	       wish.quota ? " --quota" : "", wish.uid == (uid_t)-1 ? "" : " --run-as UID", m->name,
	       n);
	if (k)
		printf(" --then %lu", k);
	if (discard_path)
		printf(" (discard %s)", discard_path);
	printf("\n    it said: %s\n\n", report->text);
	fflush(stdout);
	if (failures >= 12) {
		printf("too many\n");
		if (chdir("/") == 0)
			site_close(&site);
		exit(1);
	}
}

static void take_seals(struct world *x, struct seals *ret)
{
	struct err err = { 0 };
	size_t strays;

	stage_make(x, &site, wish.scene);
	ret->before = seal_tree(x->w);
	point_run(x, do_commit, NULL, 0);
	ret->commit_calls = report->calls;
	if (!report->done)
		fail_msg("scene %s cannot be committed: %s", wish.scene->name, report->text);
	if (stage_drop_history(x, &strays) != 1 || strays)
		fail_msg("scene %s: the history has not one finished entry", wish.scene->name);
	ret->after = seal_tree(x->w);
	if (!stage_open(x) || commit_plan_new(x->ov, &x->plan, &err) < 0)
		fail_msg("scene %s: %s", wish.scene->name, err.msg);
	else
		for (size_t i = 0; i < x->plan->count; i++)
			fail_msg("scene %s: %s is left", wish.scene->name, x->plan->items[i].change->path);
	stage_clear(x, &site);
}

unsigned long point_first(unsigned long step, unsigned long turn)
{
	return wish.at ? wish.at : 1 + (wish.offset + turn) % step;
}

static void phase_commit(struct world *x, const struct seals *s)
{
	for (size_t k = 0; k < NMODES; k++) {
		const struct mode *m = &modes[k];
		/* Of a second try what is kept from us is a conflict, and the others are committed. */
		bool hit = mode_is_wanted(m) && (m->dies || !wish.whole) && !(wish.quota && m->code == EACCES);

		loose = m->code == EACCES;
		for (unsigned long n = point_first(wish.step, k); hit; n += wish.step) {
			stage_make(x, &site, wish.scene);
			hit = point_run(x, do_commit, m, n);
			points += hit;
			if (hit &&
			    !check_commit(x, s,
			                  m->dies ? NULL
			                          : &(struct report){ report->calls, report->r, report->done, report->unfinished,
			                                              report->lost, report->unforgotten, "" }))
				point_failed("commit", m, n, 0);
			stage_clear(x, &site);
			hit = hit && !wish.at;
		}
	}
	loose = false;
}

const struct mode *mode_named(const char *name)
{
	for (size_t k = 0; k < NMODES; k++)
		if (strcmp(modes[k].name, name) == 0)
			return &modes[k];
	return NULL;
}

/* The commit is killed at its nth call, and then the recovery at its kth. False: it had fewer. */
static bool recover_point(struct world *x, const struct seals *s, const struct mode *m, unsigned long n, unsigned long k,
                          bool *ret_commit_hit)
{
	bool hit = false;

	stage_make(x, &site, wish.scene);
	*ret_commit_hit = point_run(x, do_commit, mode_named("kill"), n);
	/* Where nothing was begun there is nothing to recover. */
	if (*ret_commit_hit && stage_is_open(x))
		hit = point_run(x, do_recover, m, k);
	points += hit;
	if (hit && !check_commit(x, s, NULL))
		point_failed("recover", m, n, k);
	stage_clear(x, &site);
	return hit;
}

static void phase_recover(struct world *x, const struct seals *s)
{
	bool commit_hit = true;
	unsigned long turn = 0;

	for (unsigned long n = point_first(wish.step, 0); commit_hit; n += wish.step, turn++) {
		for (size_t i = 0; i < NMODES; i++) {
			const struct mode *m = &modes[i];
			bool hit = mode_is_wanted(m) && strcmp(m->name, "EACCES") != 0;

			for (unsigned long k = wish.then ? wish.then : 1 + (wish.offset + turn + i) % wish.inner; hit;
			     k += wish.inner)
				hit = recover_point(x, s, m, n, k, &commit_hit) && !wish.then;
		}
		if (wish.at)
			break;
	}
}

/* ---- */

static void run_phase(const char *phase)
{
	struct timespec begin, end;
	unsigned long was = points;
	struct seals seals = { 0 };
	struct world x;

	if (wish.phase && strcmp(wish.phase, phase) != 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	if (strcmp(phase, "discard") == 0) {
		phase_discard(&x);
	} else if (strcmp(phase, "meddle") == 0 || strcmp(phase, "unmeddle") == 0) {
		phase_meddle(&x, *phase == 'u');
	} else {
		take_seals(&x, &seals);
		if (strcmp(phase, "commit") == 0)
			phase_commit(&x, &seals);
		else if (strcmp(phase, "undo") == 0)
			phase_undo(&x, &seals);
		else if (strcmp(phase, "unrecover") == 0)
			phase_unrecover(&x, &seals);
		else
			phase_recover(&x, &seals);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%s: %s: %lu points in %.1f s", wish.scene->name, phase, points - was,
	       (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	if (seals.commit_calls)
		printf(" (the commit makes %llu calls)", (unsigned long long)seals.commit_calls);
	putchar('\n');
	fflush(stdout);
	free(seals.before);
	free(seals.after);
}

static const struct option options[] = {
	{ "scene", required_argument, NULL, 's' },  { "phase", required_argument, NULL, 'p' },
	{ "mode", required_argument, NULL, 'm' },   { "step", required_argument, NULL, 'n' },
	{ "inner", required_argument, NULL, 'i' },  { "offset", required_argument, NULL, 'o' },
	{ "at", required_argument, NULL, 'a' },     { "then", required_argument, NULL, 't' },
	{ "full", no_argument, NULL, 'f' },         { "whole", no_argument, NULL, 'w' },
	{ "apart", no_argument, NULL, 'A' },        { "plain", no_argument, NULL, 'P' },
	{ "run-as", required_argument, NULL, 'u' }, { "another", no_argument, NULL, 'O' },
	{ "quota", no_argument, NULL, 'Q' },
	{ 0 },
};

static unsigned long number(const char *text)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*end || !*text) {
		fprintf(stderr, "no number: %s\n", text);
		exit(2);
	}
	return v;
}

static void read_options(int argc, char **argv)
{
	int id;

	wish.step = wish.inner = 1;
	while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (id) {
		case 's':
			wish.scene = scene_find(optarg);
			break;
		case 'p':
			wish.phase = optarg;
			break;
		case 'm':
			wish.mode = optarg;
			break;
		case 'n':
			wish.step = number(optarg);
			break;
		case 'i':
			wish.inner = number(optarg);
			break;
		case 'o':
			wish.offset = number(optarg);
			break;
		case 'a':
			wish.at = number(optarg);
			break;
		case 't':
			wish.then = number(optarg);
			break;
		case 'f':
			wish.full = true;
			break;
		case 'w':
			wish.whole = true;
			break;
		case 'A':
			wish.apart = true;
			break;
		case 'P':
			wish.plain = true;
			break;
		case 'Q':
			wish.quota = true;
			break;
		case 'O':
			wish.another = true;
			break;
		case 'u':
			wish.uid = (uid_t)number(optarg);
			break;
		default:
			exit(2);
		}
		if (id == 's' && !wish.scene) {
			fprintf(stderr, "no such scene: %s\n", optarg);
			exit(2);
		}
	}
	if (!wish.step || !wish.inner || wish.full)
		wish.step = wish.inner = 1;
	if (wish.mode && !mode_named(wish.mode)) {
		fprintf(stderr, "no such mode: %s\n", wish.mode);
		exit(2);
	}
}

static void become(uid_t uid)
{
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0) {
		perror("run-as");
		exit(2);
	}
}

static void run_scene(const struct scene *scene)
{
	if (scene->flags & SCENE_ROOT && geteuid() != 0) {
		skip_note("scene %s: needs root", scene->name);
		return;
	}
	if (wish.plain && !(scene->flags & SCENE_PLAIN))
		return;
	wish.scene = scene;
	run_phase("commit");
	run_phase("recover");
	run_phase("undo");
	run_phase("unrecover");
	run_phase("discard");
	run_phase("meddle");
	run_phase("unmeddle");
}

int main(int argc, char **argv)
{
	const struct scene *only;
	char why[512];

	read_options(argc, argv);
	only = wish.scene;
	if (wish.uid != (uid_t)-1 && geteuid() != 0) {
		skip_note("--run-as: needs root");
		return 77;
	}
	if (!site_open(&site, wish.apart, wish.uid == (uid_t)-1 ? geteuid() : wish.uid, why, sizeof why)) {
		skip_note("no place for it: %s", why);
		return 77;
	}
	if (wish.uid != (uid_t)-1)
		become(wish.uid);
	cred_init();
	report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED)
		return 2;
	for (const struct scene *s = only ? only : scenes; s->name; s++) {
		run_scene(s);
		if (only)
			break;
	}
	if (chdir("/") == 0)
		site_close(&site);
	printf("%lu points, %u failed", points, failures);
	if (known)
		printf(", %u left a directory of the box with a mode that is not its own (known)", known);
	putchar('\n');
	return failures ? 1 : points ? 0 : 77;
}
