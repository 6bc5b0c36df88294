/* check.c - what must hold after something went wrong. */
#include "points.h"

static void told(void *ctx, const char *text)
{
	char *all = ctx;
	size_t n = strlen(all);

	snprintf(all + n, 1024 - n, "%.300s; ", text);
}

bool loose;

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

bool bad(const char *what, const char *text)
{
	printf("    %s%s%s\n", what, text && *text ? ": " : "", text ? text : "");
	return false;
}

bool check_recovers(struct world *x)
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
bool met_known;
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

bool check_commits_rest(struct world *x, bool *ret_changed)
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

bool check_is_after(struct world *x, const struct seals *s)
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

bool check_commit(struct world *x, const struct seals *s, const struct report *said)
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
