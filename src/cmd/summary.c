/* summary.c - what a run changed, and what is to become of it. */
#include "cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_MAX 6   /* names shown of one group */
#define GROUPS_MAX 24 /* groups shown */

/* Changes of one kind in one directory. */
struct group {
	enum change_kind kind;
	char *dir;
	size_t count, inside;                  /* inside: changes below directories that the box made, told by number only */
	const struct change *named[NAMES_MAX]; /* named: borrowed */
};

struct summary {
	struct group *groups;
	size_t ngroups;
};

/* Removals first: they are what cannot be had back by looking again. */
static int kind_order(enum change_kind k)
{
	static const char order[] = { CHANGE_DELETED, CHANGE_TYPE, CHANGE_MODIFIED, CHANGE_RENAMED, CHANGE_ADDED, CHANGE_META };

	return (int)((const char *)memchr(order, (int)k, sizeof order) - order);
}

static int group_cmp(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->kind != y->kind)
		return kind_order(x->kind) - kind_order(y->kind);
	return strcmp(x->dir, y->dir);
}

static struct group *group_get(struct summary *s, enum change_kind kind, const char *dir)
{
	struct group *all;

	/* From the end: changes come in the order of their paths. */
	for (size_t i = s->ngroups; i > 0; i--)
		if (s->groups[i - 1].kind == kind && strcmp(s->groups[i - 1].dir, dir) == 0)
			return &s->groups[i - 1];
	all = reallocarray(s->groups, s->ngroups + 1, sizeof *all);
	if (!all)
		return NULL;
	s->groups = all;
	all[s->ngroups] = (struct group){ .kind = kind, .dir = strdup(dir) };
	return all[s->ngroups].dir ? &all[s->ngroups++] : NULL;
}

static void summary_add(struct summary *s, const struct change *ch, size_t *last_group)
{
	char dir[PATH_MAX];
	const char *name = path_split(ch->path, dir, sizeof dir);
	struct group *g = name ? group_get(s, ch->kind, dir) : NULL;

	if (!g)
		return;
	if (g->count < NAMES_MAX)
		g->named[g->count] = ch;
	g->count++;
	*last_group = (size_t)(g - s->groups);
}

static void summary_make(struct summary *s, const struct changes *c)
{
	const char *made = NULL;
	size_t group = 0;

	for (size_t i = 0; i < c->count; i++) {
		const struct change *ch = &c->list[i];

		if (made && ch->kind == CHANGE_ADDED && path_below(ch->path, made, NULL) && s->ngroups) {
			s->groups[group].inside++;
			continue;
		}
		summary_add(s, ch, &group);
		if (ch->kind == CHANGE_ADDED && S_ISDIR(ch->box.st_mode))
			made = ch->path;
	}
	if (s->ngroups)
		qsort(s->groups, s->ngroups, sizeof *s->groups, group_cmp);
}

/* In its directory: "name", or "old -> new", where old has its directory when it is another. */
static void print_name(const struct change *ch, const char *dir)
{
	char text[4 * PATH_MAX], old[PATH_MAX];

	if (ch->from) {
		const char *name = path_split(ch->from, old, sizeof old);

		fprintf(stderr, "%s -> ", path_printable(strcmp(old, dir) == 0 ? name : ch->from, text, sizeof text));
	}
	fputs(path_printable(path_split(ch->path, NULL, 0), text, sizeof text), stderr);
	if (S_ISDIR(ch->box.st_mode ? ch->box.st_mode : ch->host.st_mode))
		fputc('/', stderr);
}

static void print_group(const struct group *g, bool colour)
{
	char text[4 * PATH_MAX];

	fprintf(stderr, "  %s%-9s%s %s%s  ", colour ? kind_colour(g->kind) : "", kind_name(g->kind), colour ? "\033[m" : "",
	        path_printable(g->dir, text, sizeof text), g->dir[1] ? "/" : "");
	for (size_t k = 0; k < g->count && k < NAMES_MAX; k++) {
		fputs(k ? ", " : "", stderr);
		print_name(g->named[k], g->dir);
	}
	if (g->count > NAMES_MAX)
		fprintf(stderr, ", and %zu more", g->count - NAMES_MAX);
	if (g->inside)
		fprintf(stderr, " (with %zu inside)", g->inside);
	fputc('\n', stderr);
}

/* How many of them commit would leave since the host changed there too. */
static size_t conflict_count(const struct commit_plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->count; i++)
		n += plan->items[i].verdict == COMMIT_CONFLICT;
	return n;
}

/* ", 2 conflict with the host", or nothing. */
static const char *conflict_text(const struct commit_plan *plan, char ret[static 64])
{
	size_t n = conflict_count(plan);

	ret[0] = '\0';
	if (n)
		snprintf(ret, 64, ", %zu conflict%s with the host", n, n == 1 ? "s" : "");
	return ret;
}

static void print_marked(const struct session *s, const struct commit_plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->count; i++)
		n += plan->items[i].marks != 0;
	if (n)
		log_say("%zu of them %s set-uid, set-gid or with capabilities: see cowbox status -b %s", n, n == 1 ? "is" : "are",
		        s->box->name);
}

static void print_summary(const struct session *s, const struct commit_plan *plan)
{
	const struct changes *c = &plan->changes;
	char conflicts[64];
	struct summary sum = { 0 };
	bool colour = colour_wanted(COLOUR_AUTO, STDERR_FILENO);

	summary_make(&sum, c);
	conflict_text(plan, conflicts);
	fprintf(stderr, "cowbox: %zu change%s in box %s%s", c->count, c->count == 1 ? "" : "s", s->box->name, conflicts);
	if (*conflicts)
		fprintf(stderr, ": see cowbox status -b %s", s->box->name);
	fputc('\n', stderr);
	for (size_t i = 0; i < sum.ngroups && i < GROUPS_MAX; i++)
		print_group(&sum.groups[i], colour);
	if (sum.ngroups > GROUPS_MAX)
		fprintf(stderr, "  and more in %zu other places: cowbox status -b %s\n", sum.ngroups - GROUPS_MAX, s->box->name);
	print_marked(s, plan);
	for (size_t i = 0; i < sum.ngroups; i++)
		free(sum.groups[i].dir);
	free(sum.groups);
}

/* "3 changes (1 deleted, 2 added)" on one line. */
static void say_line(const struct session *s, const struct commit_plan *plan)
{
	const struct changes *c = &plan->changes;
	static const enum change_kind kinds[] = { CHANGE_DELETED, CHANGE_TYPE,  CHANGE_MODIFIED,
		                                  CHANGE_RENAMED, CHANGE_ADDED, CHANGE_META };
	char text[256], conflicts[64];
	size_t at = 0;

	text[0] = '\0';
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		size_t n = 0;

		for (size_t i = 0; i < c->count; i++)
			n += c->list[i].kind == kinds[k];
		if (n && at < sizeof text)
			at += (size_t)snprintf(text + at, sizeof text - at, "%s%zu %s", at ? ", " : "", n, kind_name(kinds[k]));
	}
	conflict_text(plan, conflicts);
	log_say("%zu change%s in box %s (%s)%s: see cowbox %s -b %s", c->count, c->count == 1 ? "" : "s", s->box->name, text,
	        conflicts, *conflicts ? "status" : "diff", s->box->name);
}

static void discard(struct session *s, bool *ret_gone)
{
	struct err err = { 0 };

	if (box_remove(s->store, s->box, &err) < 0) {
		say_box_error("discard", s->box->name, s->box, &err);
		return;
	}
	log_say("discarded box %s", s->box->name);
	*ret_gone = true;
}

/* Keys come from a hand that may be typing its next command already: what cannot be taken back is asked for once more. */
static int sure(const char *what, const struct session *s)
{
	char question[160];

	snprintf(question, sizeof question, "%s box %s? [y/N] ", what, s->box->name);
	return term_ask(question, "yes no");
}

static void say_kept(const struct session *s)
{
	log_say("box %s is kept: cowbox commit -b %s, cowbox discard -b %s", s->box->name, s->box->name, s->box->name);
}

/* One key chooses. Whatever is not understood is explained; the end of input keeps the box. */
static void ask(struct session *s, bool *ret_gone)
{
	struct paths everything = { 0 };
	struct err err = { 0 };

	for (;;) {
		int key, answer = 'n';

		key = term_key("[c]ommit all  [p]ick  [d]iff  [k]eep  dis[x]card ");
		if (key > ' ' && key < 0x7f)
			fputc(key, stderr);
		fputc('\n', stderr);
		switch (key) {
		case 'c':
		case 'C':
			answer = sure("commit all changes of", s);
			if (answer == 'y' && commit_after_run(s, false, ret_gone))
				return;
			break;
		case 'p':
		case 'P':
			if (commit_after_run(s, true, ret_gone))
				return;
			break;
		case 'd':
		case 'D':
			if (diff_show(s, &everything, 0, COLOUR_AUTO, &err) < 0)
				log_say("diff: %s", err.msg);
			break;
		case 'x':
		case 'X':
			answer = sure("discard all changes of", s);
			if (answer == 'y') {
				discard(s, ret_gone);
				return;
			}
			break;
		case 'k':
		case 'K':
		case 'q':
		case 'Q':
		case 4: /* ^D */
		case -1:
			answer = -1;
			break;
		default:
			log_say("c commits all, p picks, d shows them, k keeps the box, x discards it");
		}
		if (answer < 0) {
			say_kept(s);
			return;
		}
	}
}

void summary_after_run(struct session *s, bool *ret_empty, bool *ret_gone)
{
	_cleanup_commit_plan_ struct commit_plan *plan = NULL;
	char users[USERS_MAX];
	struct err err = { 0 };

	*ret_empty = false;
	/* With their content and verdicts, as status does: both must call one thing by one name. */
	if (commit_plan_new(s->ov, &plan, &err) < 0) {
		log_say("run: %s", err.msg);
		return;
	}
	if (plan->count == 0) {
		*ret_empty = true;
	} else if (term_is_interactive()) {
		print_summary(s, plan);
		/* As long as others work in it, it can be neither committed nor discarded. */
		if (box_is_running(s->box) > 0)
			log_say("box %s is in use by another cowbox%s, and kept: commit or discard it when that has ended",
			        s->box->name, session_users(s->box, users));
		else
			ask(s, ret_gone);
	} else {
		say_line(s, plan);
	}
}
