/* points.c - a commit, its recovery and a discard, each with something going wrong at each of its calls.
 *
 *     fault_points [--scene NAME] [--phase commit|recover|discard] [OPTION...]
 *         --step N         each Nth point only            --inner N     of a recovery each Nth call only
 *         --offset N       begin at the Nth               --full        every point
 *         --at N [--then M] this one only                 --mode NAME   only so: kill, tear, EIO, ENOSPC, EACCES, dead, full
 *         --whole          killed at the calls before, too, with which the commit looks at all (what cannot be looked at is told, and left)
 *         --apart          the store is on another file system than the host's tree
 *         --plain          the host's file system cannot exchange names, nor refuse to replace one
 *         --run-as UID
 *
 * A point: the stage is made anew (stage.h), and a child does the action (struct action) with a fault armed at its nth call. Then another opens the
 * store, as the next cowbox command does (commit_recover), and the host must be as it was before, or as after the whole commit, to the byte and the
 * nanosecond; a commit of what the box has left must bring it to the latter in any case.
 *
 * EACCES is no trouble of a disk, and means that something is not ours to do, now or later. Then a commit may do without: a directory keeps its mode or
 * the time of the commit, a FIFO becomes one of its own, and what cannot be taken out of the box is told. So much is allowed there, and no more.
 */
#include "stage.h"

#include <getopt.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "../skip.h"
#include "cmd.h"
#include "base/log.h"

/* ---- what goes wrong ---- */

static const struct mode {
	const char *name;
	enum sys_fault_mode mode;
	int code;
	bool dies; /* dies: the process does not live on */
} modes[] = {
	{ "kill", SYS_FAULT_KILL, 0, true }, /* before the call */
	{ "tear", SYS_FAULT_TEAR, 0, true }, /* in the midst of a write */
	{ "EIO", SYS_FAULT_FAIL, EIO, false },       { "ENOSPC", SYS_FAULT_FAIL, ENOSPC, false },
	{ "EACCES", SYS_FAULT_FAIL, EACCES, false }, { "dead", SYS_FAULT_DEAD, EIO, false }, /* this call and all after it */
	{ "full", SYS_FAULT_TEAR, ENOSPC, false },                                           /* half of a write is done */
};
#define NMODES (sizeof modes / sizeof modes[0])

/* What a child tells, as long as it lives. */
struct report {
	uint64_t calls;
	int r;
	bool done;       /* done: it says that all was done */
	bool unfinished; /* unfinished: it says that the next command will see to it */
	unsigned lost;   /* lost: of metadata, which it says too */
	size_t unforgotten;
	char text[1024];
};
static struct report *report; /* shared with the children */

static struct {
	const struct scene *scene;
	const char *phase, *mode;
	unsigned long step, inner, offset, at, then;
	bool full, whole, apart, plain;
	uid_t uid;
} wish = { .uid = (uid_t)-1 };

static struct site site;
static unsigned failures, known;
static unsigned long points;

/* ---- a file system that knows no flags of renameat2 ---- */

int __real_sys_renameat2(int olddir, const char *old, int newdir, const char *new, unsigned flags);
int __wrap_sys_renameat2(int olddir, const char *old, int newdir, const char *new, unsigned flags);
static dev_t plain_dev; /* of it; 0: none */

int __wrap_sys_renameat2(int olddir, const char *old, int newdir, const char *new, unsigned flags)
{
	struct stat a, b;

	/* From one to another it is EXDEV. */
	if (flags && plain_dev && fstat(olddir, &a) == 0 && fstat(newdir, &b) == 0 && a.st_dev == plain_dev &&
	    b.st_dev == plain_dev)
		return -EINVAL;
	return __real_sys_renameat2(olddir, old, newdir, new, flags);
}

/* ---- actions, done in a child ---- */

static void arm(const struct mode *m, uint64_t n)
{
	struct stat st;

	if (wish.plain && stat(site.base, &st) == 0)
		plain_dev = st.st_dev;
	if (m)
		sys_fault(m->mode, n, m->code);
	else
		sys_fault(SYS_FAULT_COUNT, 0, 0);
}

static void disarm(void)
{
	report->calls = sys_fault_count();
	sys_fault(SYS_FAULT_OFF, 0, 0);
}

static int do_commit(struct world *x, const struct mode *m, uint64_t n)
{
	struct err err = { 0 };
	int r;

	if (!stage_open(x))
		return -ENOENT;
	if (wish.whole)
		arm(m, n);
	r = commit_plan_new(x->ov, &x->plan, &err);
	if (r == 0) {
		commit_choose(x->plan, (struct vpath){ "/" });
		commit_settle(x->plan);
		if (!wish.whole)
			arm(m, n);
		r = commit_apply(x->plan, NULL, NULL, &x->result, &err);
	}
	disarm();
	report->r = r;
	report->unfinished = x->result.unfinished;
	report->unforgotten = x->result.unforgotten;
	report->done = r == 0 && x->result.done == x->plan->count;
	for (size_t i = 0; r == 0 && i < x->plan->count; i++) {
		const struct commit_item *it = &x->plan->items[i];

		report->lost |= it->lost;
		if (it->outcome != COMMIT_DONE && it->why[0] && !report->text[0])
			snprintf(report->text, sizeof report->text, "%.400s: %.200s", it->change->path, it->why);
	}
	if (r < 0)
		snprintf(report->text, sizeof report->text, "%s", err.msg);
	else if (!report->text[0])
		snprintf(report->text, sizeof report->text, "%s", x->result.trouble);
	stage_close(x);
	return 0;
}

static int do_recover(struct world *x, const struct mode *m, uint64_t n)
{
	struct err err = { 0 };
	int r;

	if (store_open(false, &x->store, &err) < 0)
		return -ENOENT;
	arm(m, n);
	r = commit_recover(x->store, NULL, NULL, &err);
	disarm();
	report->r = r;
	snprintf(report->text, sizeof report->text, "%s", err.msg);
	stage_close(x);
	return 0;
}

static const char *discard_path; /* NULL: the whole box */

/* The verb itself, its words apart. */
static int do_discard(struct world *x, const struct mode *m, uint64_t n)
{
	char *argv[] = { (char *)"-f", (char *)"-b", (char *)"test", (char *)discard_path, NULL };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), err = dup(2);

	(void)x;
	if (!getenv("FAULT_LOUD"))
		dup2(null, 2);
	arm(m, n);
	report->r = verb_discard.run(&verb_discard, discard_path ? 4 : 3, argv);
	disarm();
	dup2(err, 2);
	close(err);
	close(null);
	report->done = report->r == CMD_OK;
	return 0;
}

typedef int (*action)(struct world *x, const struct mode *m, uint64_t n);

/* Runs it in a child. False: there were fewer calls, and nothing went wrong. m NULL: nothing is to. */
static bool run(struct world *x, action act, const struct mode *m, uint64_t n)
{
	int status;
	pid_t pid;

	memset(report, 0, sizeof *report);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int r = act(x, m, n);

		_exit(r < 0 ? 3 : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		fail_msg("fork: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 137 && m && m->dies)
		return true;
	/* The whole box may be gone. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
		return m != NULL;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		printf("  the child ended with status %#x\n", (unsigned)status);
		failures++;
		return true;
	}
	return m && report->calls >= n;
}

/* ---- what must hold ---- */

struct seals {
	char *before, *after;
	uint64_t commit_calls;
};

static void told(void *ctx, const char *text)
{
	char *all = ctx;
	size_t n = strlen(all);

	snprintf(all + n, 1024 - n, "%.300s; ", text);
}

static bool loose; /* what EACCES allows, is allowed */

/* Without modes and times of directories, and without which names are one FIFO or the like. */
static char *loosened(const char *text)
{
	char *all = NULL;
	size_t size;
	FILE *f = open_memstream(&all, &size);

	for (const char *p = text; *p; p = strchrnul(p, '\n'), p += *p == '\n') {
		char line[2 * PATH_MAX];
		size_t n = strcspn(p, "\n");
		char *type, *at;

		snprintf(line, sizeof line, "%.*s", (int)n, p);
		type = strchr(line, ' ');
		at = !type || type[1] == 'f' ? NULL : type[1] == 'd' ? type + 2 : strstr(line, " nlink=");
		if (at)
			*at = '\0';
		fprintf(f, "%s\n", line);
	}
	fclose(f);
	return all;
}

static bool is_sealed(const char *now, const char *seal)
{
	_cleanup_free_ char *a = NULL, *b = NULL;

	if (strcmp(now, seal) == 0)
		return true;
	if (!loose)
		return false;
	a = loosened(now);
	b = loosened(seal);
	return strcmp(a, b) == 0;
}

static bool bad(const char *what, const char *text)
{
	printf("    %s%s%s\n", what, text && *text ? ": " : "", text ? text : "");
	return false;
}

/* The store opens, and what was interrupted is done with. */
static bool check_recovers(struct world *x)
{
	char notes[1024] = "";
	struct err err = { 0 };
	bool ok = true;

	if (store_open(true, &x->store, &err) < 0)
		return bad("the store does not open", err.msg);
	if (commit_recover(x->store, told, notes, &err) < 0)
		ok = bad("recovery", err.msg);
	if (notes[0])
		ok = bad("recovery came upon trouble where nobody else was", notes);
	if (stage_is_open(x))
		ok = bad("history/open is still there", NULL);
	stage_close(x);
	return ok;
}

/* Known: who is not root gives a directory of the layer another mode for the time of a change in it, and leaves it so when he is killed. */
static bool met_known;
static bool has_forced_mode(const struct commit_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct change *ch = plan->items[i].change;

		if (ch->kind == CHANGE_META && S_ISDIR(ch->box.st_mode) && ch->box.st_mode == (ch->host.st_mode | 0700) &&
		    ch->box.st_mode != ch->host.st_mode)
			return true;
	}
	return false;
}

/* Commits what the box has left, all of which must go. */
static bool check_commits_rest(struct world *x, bool *ret_changed)
{
	bool ok = true;
	struct err err = { 0 };

	*ret_changed = false;

	if (!stage_open(x))
		return bad("the box is gone", NULL);
	if (commit_plan_new(x->ov, &x->plan, &err) < 0)
		return bad("plan", err.msg);
	met_known = geteuid() != 0 && has_forced_mode(x->plan);
	known += met_known;
	if (met_known)
		return true;
	commit_choose(x->plan, (struct vpath){ "/" });
	commit_settle(x->plan);
	if (commit_apply(x->plan, NULL, NULL, &x->result, &err) < 0)
		return bad("commit", err.msg);
	*ret_changed = x->result.changed;
	if (x->result.trouble[0])
		ok = bad("a later commit has trouble", x->result.trouble);
	for (size_t i = 0; i < x->plan->count; i++) {
		const struct commit_item *it = &x->plan->items[i];

		if (it->outcome != COMMIT_DONE)
			ok = bad(it->change->path, it->why);
	}
	commit_plan_freep(&x->plan);
	if (commit_plan_new(x->ov, &x->plan, &err) < 0)
		return bad("plan", err.msg);
	for (size_t i = 0; i < x->plan->count; i++)
		ok = bad("left in the box after all was committed", x->plan->items[i].change->path);
	return ok;
}

/* The host is as it was before, or as after it: true. */
static bool check_host(struct world *x, const struct seals *s, bool *ret_after)
{
	char *now = seal_tree(x->w);
	bool before = is_sealed(now, s->before), after = is_sealed(now, s->after);

	if (!before && !after) {
		bad("the host is neither as before nor as after", NULL);
		if (seal_diff(NULL, "", s->before, "", now) < seal_diff(NULL, "", s->after, "", now))
			seal_diff(stdout, "before", s->before, "now", now);
		else
			seal_diff(stdout, "after", s->after, "now", now);
	}
	*ret_after = after;
	free(now);
	return before || after;
}

static bool check_is_after(struct world *x, const struct seals *s)
{
	char *now;
	size_t strays;
	bool ok = true;

	stage_drop_history(x, &strays);
	now = seal_tree(x->w);
	if (strays)
		ok = bad("the history has an entry that is not finished", NULL);
	if (!is_sealed(now, s->after)) {
		ok = bad("the host is not as after the commit", NULL);
		seal_diff(stdout, "after", s->after, "now", now);
	}
	free(now);
	return ok;
}

/* What the action said of itself. */
static bool check_report(const struct report *r, bool after)
{
	if (r->unfinished || r->lost)
		return true;
	if (r->done && !after)
		return bad("it said that all was done, and nothing was", NULL);
	if (!r->done && after)
		return bad("it said that not all was done, and all was", r->text);
	return true;
}

/* After any number of interrupted commits and recoveries. said: NULL when they did not live to say. */
static bool check_commit(struct world *x, const struct seals *s, const struct report *said)
{
	bool ok = check_recovers(x), after = false, changed = false;
	size_t strays;

	/* What was kept is names of files of which the host may keep others. */
	stage_drop_history(x, &strays);
	/* A commit that has lost metadata, and says so, is not quite like the whole one. */
	if (said && said->done && said->lost)
		return ok;
	ok &= check_host(x, s, &after);
	if (said)
		ok &= check_report(said, after);
	/* And that it has told. */
	if (loose && said && said->unforgotten && !said->unfinished)
		return ok;
	ok &= check_commits_rest(x, &changed);
	if (after && changed && !loose && !met_known)
		ok = bad("all was on the host, and a later commit wrote to it", NULL);
	stage_close(x);
	return met_known ? ok : ok & check_is_after(x, s);
}

/* ---- phases ---- */

static bool wanted_mode(const struct mode *m)
{
	return !wish.mode || strcmp(wish.mode, m->name) == 0;
}

static void failed(const char *what, const struct mode *m, unsigned long n, unsigned long k)
{
	failures++;
	printf("FAILED: --scene %s --phase %s%s%s%s%s --mode %s --at %lu", wish.scene->name, what, wish.whole ? " --whole" : "",
	       wish.apart ? " --apart" : "", wish.plain ? " --plain" : "", wish.uid == (uid_t)-1 ? "" : " --run-as UID", m->name,
	       n);
	if (k)
		printf(" --then %lu", k);
	if (discard_path)
		printf(" (discard %s)", discard_path);
	printf("\n    it said: %s\n\n", report->text);
	fflush(stdout);
	if (failures >= 12) {
		printf("too many\n");
		exit(1);
	}
}

/* The host before, and after a commit that nothing disturbs. */
static void take_seals(struct world *x, struct seals *ret)
{
	struct err err = { 0 };
	size_t strays;

	stage_make(x, &site, wish.scene);
	ret->before = seal_tree(x->w);
	run(x, do_commit, NULL, 0);
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

static unsigned long first_point(unsigned long step, unsigned long turn)
{
	return wish.at ? wish.at : 1 + (wish.offset + turn) % step;
}

static void phase_commit(struct world *x, const struct seals *s)
{
	for (size_t k = 0; k < NMODES; k++) {
		const struct mode *m = &modes[k];
		bool hit = wanted_mode(m) && (m->dies || !wish.whole);

		loose = m->code == EACCES;
		for (unsigned long n = first_point(wish.step, k); hit; n += wish.step) {
			stage_make(x, &site, wish.scene);
			hit = run(x, do_commit, m, n);
			points += hit;
			if (hit &&
			    !check_commit(x, s,
			                  m->dies ? NULL
			                          : &(struct report){ report->calls, report->r, report->done, report->unfinished,
			                                              report->lost, report->unforgotten, "" }))
				failed("commit", m, n, 0);
			stage_clear(x, &site);
			hit = hit && !wish.at;
		}
	}
	loose = false;
}

static const struct mode *mode_named(const char *name)
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
	*ret_commit_hit = run(x, do_commit, mode_named("kill"), n);
	/* Where nothing was begun there is nothing to recover. */
	if (*ret_commit_hit && stage_is_open(x))
		hit = run(x, do_recover, m, k);
	points += hit;
	if (hit && !check_commit(x, s, NULL))
		failed("recover", m, n, k);
	stage_clear(x, &site);
	return hit;
}

static void phase_recover(struct world *x, const struct seals *s)
{
	bool commit_hit = true;
	unsigned long turn = 0;

	for (unsigned long n = first_point(wish.step, 0); commit_hit; n += wish.step, turn++) {
		for (size_t i = 0; i < NMODES; i++) {
			const struct mode *m = &modes[i];
			bool hit = wanted_mode(m) && strcmp(m->name, "EACCES") != 0;

			for (unsigned long k = wish.then ? wish.then : 1 + (wish.offset + turn + i) % wish.inner; hit;
			     k += wish.inner)
				hit = recover_point(x, s, m, n, k, &commit_hit) && !wish.then;
		}
		if (wish.at)
			break;
	}
}

/* ---- discard ---- */

/* The box's changes, a line each. */
static char *list_changes(struct world *x)
{
	struct changes c;
	struct err err = { 0 };
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (stage_open(x)) {
		if (changes_collect(x->ov, 0, &c, &err) < 0)
			fail_msg("%s", err.msg);
		for (size_t i = 0; i < c.count; i++)
			fprintf(f, "%c %s%s%s\n", (char)c.list[i].kind, c.list[i].path + strlen(x->w) + 1,
			        c.list[i].from ? " from " : "", c.list[i].from ? c.list[i].from + strlen(x->w) + 1 : "");
		changes_release(&c);
	}
	stage_close(x);
	fclose(f);
	return text;
}

struct discards {
	char *all, *rest;   /* all, rest: of the changes: before, and after the discard */
	struct seals seals; /* seals: the host before, and after a commit of the rest */
};

static bool text_has(const char *text, const char *line, size_t n)
{
	for (const char *p = text; *p; p = strchrnul(p, '\n'), p += *p == '\n')
		if (strncmp(p, line, n) == 0 && p[n] == '\n')
			return true;
	return false;
}

/* True when the change of a line ("R new from old") is one of a path that a discarded one has, or is in what one has brought. */
static bool is_half_discarded(const struct discards *d, const char *line, size_t n)
{
	const char *path = line + 2;
	size_t len = strcspn(path, " \n");

	if ((size_t)(path - line) + len > n)
		return false;
	for (const char *p = d->all; *p; p = strchrnul(p, '\n'), p += *p == '\n') {
		const char *end = p + strcspn(p, "\n"), *from = strstr(p, " from ");
		size_t above = strcspn(p + 2, " \n");

		if (text_has(d->rest, p, (size_t)(end - p)))
			continue;
		if (from && from < end && len > above && strncmp(p + 2, path, above) == 0 && path[above] == '/')
			return true;
		if (*line == 'D')
			continue;
		if (strncmp(p + 2, path, len) == 0 && (p[2 + len] == '\n' || p[2 + len] == ' '))
			return true;
		if (from && from < end && strncmp(from + 6, path, len) == 0 && from[6 + len] == '\n')
			return true;
	}
	return false;
}

/* A discard is no one step: what it has half done may show as another change of the same names, but as no removal that nobody has asked for. */
static bool no_new_changes(const struct discards *d, const char *now)
{
	bool ok = true;

	for (const char *p = now; *p; p = strchrnul(p, '\n'), p += *p == '\n') {
		size_t n = strcspn(p, "\n");

		if (text_has(d->all, p, n) || is_half_discarded(d, p, n))
			continue;
		printf("    new: %.*s\n", (int)n, p);
		ok = false;
	}
	return ok;
}

/* Every line of a is in b. */
static bool is_part(const char *a, const char *b, const char *what)
{
	bool ok = true;

	for (const char *p = a; *p; p = strchrnul(p, '\n'), p += *p == '\n')
		if (!text_has(b, p, strcspn(p, "\n"))) {
			printf("    %s: %.*s\n", what, (int)strcspn(p, "\n"), p);
			ok = false;
		}
	return ok;
}

/* All that was to go, under both names that it had. */
static void discard_again(struct world *x, const struct discards *d)
{
	const char *path = discard_path;
	char name[2 * PATH_MAX];

	run(x, do_discard, NULL, 0);
	for (const char *p = d->all; *p; p = strchrnul(p, '\n'), p += *p == '\n') {
		const char *end = p + strcspn(p, "\n"), *from = strstr(p, " from ");

		if (text_has(d->rest, p, (size_t)(end - p)))
			continue;
		if (!from || from > end)
			from = end;
		snprintf(name, sizeof name, "%s/%.*s", x->w, (int)(from - p - 2), p + 2);
		discard_path = name;
		run(x, do_discard, NULL, 0);
		if (from == end)
			continue;
		snprintf(name, sizeof name, "%s/%.*s", x->w, (int)(end - from - 6), from + 6);
		run(x, do_discard, NULL, 0);
	}
	discard_path = path;
}

/* Some of the discards are done: what was not to go is there, and nothing that there was not. */
static bool check_discard(struct world *x, const struct discards *d)
{
	bool ok = check_recovers(x), changed;
	char *now = list_changes(x), *host = seal_tree(x->w);

	if (strcmp(host, d->seals.before) != 0) {
		ok = bad("the host was written to", NULL);
		seal_diff(stdout, "before", d->seals.before, "now", host);
	}
	free(host);
	ok &= is_part(d->rest, now, "lost");
	ok &= no_new_changes(d, now);
	free(now);
	/* Once more, and the rest can be committed. */
	discard_again(x, d);
	ok &= check_commits_rest(x, &changed);
	stage_close(x);
	/* The time of a directory in the box is that of the interrupted discard. */
	loose = true;
	ok &= met_known || check_is_after(x, &d->seals);
	loose = false;
	return ok;
}

static bool check_discard_box(struct world *x, const struct discards *d)
{
	bool ok = check_recovers(x);
	char *now = list_changes(x), *host = seal_tree(x->w);

	if (strcmp(host, d->seals.before) != 0)
		ok = bad("the host was written to", NULL);
	if (*now && strcmp(now, d->all) != 0)
		ok = is_part(now, d->all, "new") & is_part(d->all, now, "lost");
	free(host);
	free(now);
	return ok;
}

static void take_discards(struct world *x, struct discards *ret)
{
	size_t strays;

	memset(ret, 0, sizeof *ret);
	stage_make(x, &site, wish.scene);
	ret->seals.before = seal_tree(x->w);
	ret->all = list_changes(x);
	run(x, do_discard, NULL, 0);
	if (!report->done)
		fail_msg("scene %s: discard %s does not work", wish.scene->name, discard_path ? discard_path : "");
	ret->rest = list_changes(x);
	if (discard_path)
		run(x, do_commit, NULL, 0);
	if (discard_path && !report->done)
		fail_msg("scene %s: after discard %s it cannot be committed: %s", wish.scene->name, discard_path, report->text);
	stage_drop_history(x, &strays);
	ret->seals.after = seal_tree(x->w);
	stage_clear(x, &site);
}

static void discard_points(struct world *x)
{
	struct discards d;

	take_discards(x, &d);
	for (size_t k = 0; k < NMODES; k++) {
		const struct mode *m = &modes[k];
		bool hit = wanted_mode(m);

		for (unsigned long n = first_point(wish.step, k); hit; n += wish.step) {
			stage_make(x, &site, wish.scene);
			hit = run(x, do_discard, m, n);
			points += hit;
			if (hit && !(discard_path ? check_discard(x, &d) : check_discard_box(x, &d)))
				failed("discard", m, n, 0);
			stage_clear(x, &site);
			hit = hit && !wish.at;
		}
	}
	free(d.all);
	free(d.rest);
	free(d.seals.before);
	free(d.seals.after);
}

static void phase_discard(struct world *x)
{
	char path[2 * PATH_MAX];

	discard_path = NULL;
	discard_points(x);
	for (const char *const *p = wish.scene->discards; p && *p; p++) {
		snprintf(path, sizeof path, "%s/w/%s", site.base, *p);
		discard_path = path;
		discard_points(x);
	}
	discard_path = NULL;
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
	} else {
		take_seals(&x, &seals);
		if (strcmp(phase, "commit") == 0)
			phase_commit(&x, &seals);
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
	{ "run-as", required_argument, NULL, 'u' }, { 0 },
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
	run_phase("discard");
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
