/* undos.c - an undo, and the recovery of one that was killed, with something going wrong. */
#include "points.h"

/* The host as a commit leaves it, and as the undo of that does; what the history holds of names counts in both. */
struct undos {
	char *committed, *undone;
};

/* All in the tree is a copy of what it was. */
static void remake(const char *tree)
{
	char command[2 * PATH_MAX];

	snprintf(command, sizeof command,
	         "w='%s'; cp -a \"$w/.\" \"$w.copy\" && chmod -R u+rwx \"$w\" && find \"$w\" -mindepth 1 -delete && cp -a \"$w.copy/.\" \"$w\" && "
	         "chmod -R u+rwx \"$w.copy\" && rm -r \"$w.copy\"",
	         tree);
	if (system(command) != 0)
		fail_msg("%s cannot be copied", tree);
}

static void make(struct world *x)
{
	stage_make(x, &site, wish.scene);
	point_run(x, do_commit, NULL, 0);
	if (!report->done)
		fail_msg("scene %s cannot be committed: %s", wish.scene->name, report->text);
	if (wish.another)
		remake(x->w);
}

static void take_undos(struct world *x, const struct seals *s, struct undos *ret)
{
	_cleanup_free_ char *bare = NULL;
	size_t strays;

	make(x);
	ret->committed = seal_tree(x->w);
	point_run(x, do_undo, NULL, 0);
	if (report->r < 0)
		fail_msg("scene %s cannot be undone: %s", wish.scene->name, report->text);
	ret->undone = seal_tree(x->w);
	/* The history may have a name of what it is not known to have others. */
	stage_drop_history(x, &strays);
	bare = seal_tree(x->w);
	if (seal_diff(stdout, "before", s->before, "undone", bare))
		fail_msg("scene %s: after an undo that nothing disturbs the host is not as before", wish.scene->name);
	stage_clear(x, &site);
}

/* The host is as after the commit, or as before it; an undo brings it to the latter in any case. said_done: the undo lived to say so. */
static bool check_undo(struct world *x, const struct undos *u, bool said_done)
{
	_cleanup_free_ char *now = NULL, *end = NULL;
	bool undone;

	point_run(x, do_recover, NULL, 0);
	if (report->r < 0)
		return bad("the next command does not recover", report->text);
	if (stage_is_open(x))
		return bad("an entry is at work still", "");
	now = seal_tree(x->w);
	undone = seal_diff(NULL, "undone", u->undone, "now", now) == 0;
	if (!undone && seal_diff(NULL, "committed", u->committed, "now", now) != 0) {
		seal_diff(stdout, "committed", u->committed, "now", now);
		return bad("the host is neither as before the undo nor as after", "");
	}
	if (said_done && !undone)
		return bad("it said that it was done, and nothing was", "");
	point_run(x, do_undo, NULL, 0);
	if (undone != (report->r == -ENOENT))
		return bad(undone ? "what was undone can be undone again" : "it cannot be undone any more", report->text);
	end = seal_tree(x->w);
	if (seal_diff(stdout, "undone", u->undone, "at the end", end))
		return bad("the host is not as before the commit at the end", "");
	return true;
}

void phase_undo(struct world *x, const struct seals *s)
{
	struct undos u;

	take_undos(x, s, &u);
	for (size_t k = 0; k < NMODES; k++) {
		const struct mode *m = &modes[k];
		/* What is not ours to do may be left out, and then is not as before: that is told. */
		bool hit = mode_is_wanted(m) && m->code != EACCES;

		for (unsigned long n = point_first(wish.step, k); hit; n += wish.step) {
			make(x);
			hit = point_run(x, do_undo, m, n);
			points += hit;
			if (hit && !check_undo(x, &u, !m->dies && report->r == 0 && !report->unfinished))
				point_failed("undo", m, n, 0);
			stage_clear(x, &site);
			hit = hit && !wish.at;
		}
	}
	free(u.committed);
	free(u.undone);
}

/* The undo is killed at its nth call, and then the recovery goes wrong at its kth. False: it had fewer. */
static bool recover_point(struct world *x, const struct undos *u, const struct mode *m, unsigned long n, unsigned long k, bool *ret_undo_hit)
{
	bool hit = false;

	make(x);
	*ret_undo_hit = point_run(x, do_undo, mode_named("kill"), n);
	if (*ret_undo_hit && stage_is_open(x))
		hit = point_run(x, do_recover, m, k);
	points += hit;
	if (hit && !check_undo(x, u, false))
		point_failed("unrecover", m, n, k);
	stage_clear(x, &site);
	return hit;
}

void phase_unrecover(struct world *x, const struct seals *s)
{
	bool undo_hit = true;
	unsigned long turn = 0;
	struct undos u;

	take_undos(x, s, &u);
	for (unsigned long n = point_first(wish.step, 0); undo_hit; n += wish.step, turn++) {
		for (size_t i = 0; i < NMODES; i++) {
			const struct mode *m = &modes[i];
			bool hit = mode_is_wanted(m) && m->code != EACCES;

			for (unsigned long k = wish.then ? wish.then : 1 + (wish.offset + turn + i) % wish.inner; hit; k += wish.inner)
				hit = recover_point(x, &u, m, n, k, &undo_hit) && !wish.then;
		}
		if (wish.at)
			break;
	}
	free(u.committed);
	free(u.undone);
}
