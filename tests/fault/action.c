/* action.c - what is done at a point, in a child of its own, with something going wrong. */
#include "points.h"

#include <sys/wait.h>

#include "cmd.h"
#include "commit/history.h"

struct report *report;

/* ---- a file system that knows no flags of renameat2 ---- */

int __real_sys_renameat2(int olddir, const char *old, int newdir, const char *new, unsigned flags);
int __wrap_sys_renameat2(int olddir, const char *old, int newdir, const char *new, unsigned flags);
static dev_t plain_dev; /* of it; 0: none */

/* Or one that lets nothing out of the store, as the project quotas of XFS may do (xfs(5), EXDEV). */
static bool is_in_store(int dir)
{
	char path[PATH_MAX], store[PATH_MAX + 8];
	ssize_t n = readlink(FD_PATH(dir), path, sizeof path - 1);

	path[n > 0 ? n : 0] = '\0';
	snprintf(store, sizeof store, "%s/store", site.store_base);
	return path_below(path, store, NULL);
}

int __wrap_sys_renameat2(int olddir, const char *old, int newdir, const char *new, unsigned flags)
{
	struct stat a, b;

	if (wish.quota && is_in_store(olddir) != is_in_store(newdir))
		return -EXDEV;
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

int do_commit(struct world *x, const struct mode *m, uint64_t n)
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

int do_recover(struct world *x, const struct mode *m, uint64_t n)
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

int do_undo(struct world *x, const struct mode *m, uint64_t n)
{
	const struct undo_wish w = { 0 };
	struct undo_result result;
	struct err err = { 0 };

	if (store_open(false, &x->store, &err) < 0)
		return -ENOENT;
	arm(m, n);
	report->r = history_undo(x->store, &w, &result, &err);
	disarm();
	report->unfinished = result.unfinished;
	snprintf(report->text, sizeof report->text, "%s", err.msg);
	free(result.commit.box);
	free(result.commit.command);
	stage_close(x);
	return 0;
}

const char *discard_path;

/* The verb itself, its words apart. */
int do_discard(struct world *x, const struct mode *m, uint64_t n)
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

bool point_run(struct world *x, action act, const struct mode *m, uint64_t n)
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
