/* commit_props.c - what commit and discard promise when nobody touches the host.
 *
 *     1  commit -a applies everything: the host is then what the view was.
 *     2  a commit of some paths leaves the view as it is; two of them and commit -a: as 1.
 *     3  a discard of some paths changes nothing elsewhere in the view; the rest discarded by path, the view is the host, which nobody touched.
 *     4  a commit of some, more operations, a discard of some, commit -a: the host is then what the view was.
 * In all of them: the view opened anew is that in memory, and no name is there that its directory does not list.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../object_line.h"
#include "base/fd.h"
#include "cmd.h"
#include "commit_lines.h"
#include "commit_random.h"
#include "snapshot.h"

#define SHOWN (SNAPSHOT_NLINK | SNAPSHOT_TIMES)
#define PICKS_MOST 12

void cr_log(struct cr *c, const char *fmt, ...)
{
	size_t n = strlen(c->rep->log);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->rep->log + n, sizeof(c->rep->log) - n, fmt, ap);
	va_end(ap);
}

static int fail(struct cr *c, const char *what, const char *text)
{
	for (int i = 0; i < c->o->nignored; i++)
		if (strstr(what, c->o->ignored[i]) || strstr(text, c->o->ignored[i]))
			return 0;
	snprintf(c->rep->what, sizeof(c->rep->what), "P%d: %s", c->property, what);
	snprintf(c->rep->text, sizeof(c->rep->text), "%s", text);
	return 1;
}

/* ---- names ---- */

static void note_below(struct cr *c, struct side *s, const char *dir, int depth)
{
	_cleanup_free_ struct side_dirent *list = NULL;
	size_t count = 0;

	if (side_list(s, dir, &list, &count) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		char path[PATH_MAX];
		int n = snprintf(path, sizeof path, "%s%s%s", dir, dir[0] ? "/" : "", list[i].name);

		if (n >= 1000)
			continue;
		if (!c->names || !memmem(c->names, c->names_size, path, (size_t)n + 1)) {
			c->names = realloc(c->names, c->names_size + (size_t)n + 1);
			if (!c->names)
				abort();
			memcpy(c->names + c->names_size, path, (size_t)n + 1);
			c->names_size += (size_t)n + 1;
		}
		if (list[i].type == DT_DIR && depth < 12)
			note_below(c, s, path, depth + 1);
	}
}

void cr_note_names(struct cr *c, struct side *s)
{
	note_below(c, s, "", 0);
}

/* No name may be there that its directory does not list. */
static int check_ghosts(struct cr *c, const char *snapshot, const char *when)
{
	for (const char *p = c->names; p && p < c->names + c->names_size; p += strlen(p) + 1) {
		struct where at = { .base = "", .path = p };
		_cleanup_free_ char *shown = line_path(p);
		char *up = strdup(shown), text[3 * PATH_MAX];
		const char *dir;
		struct stat st;

		if (c->w.view.ops->stat(&c->w.view, &at, LOOKUP_NOFOLLOW, &st) < 0 || line_find(snapshot, shown)) {
			free(up);
			continue;
		}
		*strrchr(up, '/') = '\0';
		dir = line_find(snapshot, up);
		/* What cannot be listed lists nothing; through a symlink on the way it is another name. */
		bool listed = dir && strstr(dir, " d ") == dir + strlen(up) && !line_has(dir, " open!");
		free(up);
		if (!listed)
			continue;
		snprintf(text, sizeof text, "%s: %s can be opened, but is not listed", when, shown);
		return fail(c, "a name is there that its directory does not list", text);
	}
	return 0;
}

/* ---- comparing ---- */

static int compare_without(struct cr *c, const char *what, const char *more, const char *a_label, const char *a, const char *b_label,
			   const char *b, unsigned without)
{
	_cleanup_free_ char *x = line_without(a, b, without), *y = line_without(b, a, without), *diff = snapshot_diff(a_label, x, b_label, y, 12);
	char text[160];

	snprintf(text, sizeof text, "%s%s", what, more);
	return diff ? fail(c, text, diff) : 0;
}

/* In steps, so that what matters less does not hide what matters more. That a directory was changed "now" and is not any more, or the other way
 * round, is no promise broken: the commit keeps the times of directories in which no name came or went. */
static int compare(struct cr *c, const char *what, const char *a_label, const char *a, const char *b_label, const char *b)
{
	return compare_without(c, what, "", a_label, a, b_label, b, LINE_NO_GROUPS | LINE_NO_NLINK | LINE_NO_SAME_AS | LINE_NO_DIR_NOW) ||
	       compare_without(c, what, " (which names are one file)", a_label, a, b_label, b,
			       LINE_NO_NLINK | LINE_NO_SAME_AS | LINE_NO_DIR_NOW) ||
	       compare_without(c, what, " (only numbers of links)", a_label, a, b_label, b, LINE_NO_SAME_AS | LINE_NO_DIR_NOW) ||
	       (c->o->dir_times && compare_without(c, what, " (only times of directories)", a_label, a, b_label, b, 0));
}

/* Which names are one file, whatever the number of links says: "=./b same file as ./a". */
static void put_groups(struct cr *c, struct side *s, FILE *f)
{
	struct line_groups groups = { 0 };

	for (const char *p = c->names; p && p < c->names + c->names_size; p += strlen(p) + 1) {
		struct where at = { .base = "", .path = p };
		_cleanup_free_ char *shown = line_path(p);
		const char *first;
		struct stat st;

		if (s->ops->stat(s, &at, LOOKUP_NOFOLLOW, &st) < 0 || S_ISDIR(st.st_mode))
			continue;
		first = line_group(&groups, &st, shown);
		if (first)
			fprintf(f, "=%s same file as %s\n", shown, first);
	}
	line_groups_release(&groups);
}

/* The snapshot, and after it the groups. */
static char *take(struct cr *c, struct side *s)
{
	_cleanup_free_ char *lines = NULL;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f || snapshot_take(s, SHOWN, &lines) < 0)
		abort();
	fputs(lines, f);
	cr_note_names(c, s);
	put_groups(c, s, f);
	fclose(f);
	return text;
}

/* Opens the box anew; the view must be the one that was in memory. */
static int reopen(struct cr *c)
{
	_cleanup_free_ char *before = take(c, &c->w.view), *after = NULL;

	world_reopen(&c->w);
	after = take(c, &c->w.view);
	return compare(c, "the box opened anew shows another view", "memory", before, "  disk", after);
}

static int check_view(struct cr *c, const char *what, const char *before, const char *when)
{
	_cleanup_free_ char *after = take(c, &c->w.view);

	return compare(c, what, "before", before, " after", after) || check_ghosts(c, after, when);
}

/* ---- choosing ---- */

static const char *relative(const struct cr *c, const char *path)
{
	const char *rest;

	return path_below(path, c->w.host.root, &rest) ? rest : path;
}

static uint64_t choice(const struct cr *c, int phase, const char *path)
{
	const char *rel = relative(c, path);
	struct rng r = { line_hash(LINE_HASH_START ^ (c->o->seed * 131 + (uint64_t)phase), rel, strlen(rel)) };

	return rng_next(&r);
}

static bool skipped(const struct cr *c, uint64_t h)
{
	for (int i = 0; i < c->rep->nskips; i++)
		if (c->rep->skips[i] == h)
			return true;
	return false;
}

struct picked {
	char *path[PICKS_MOST];
	int count;
};

static void picked_release(struct picked *p)
{
	for (int i = 0; i < p->count; i++)
		free(p->path[i]);
	p->count = 0;
}

/* Some of the changes' paths: of renamed objects the old one, at times. */
static void pick_some(struct cr *c, int phase, const struct changes *all, struct picked *ret)
{
	unsigned percent = 5 + (unsigned)(choice(c, phase, "percent") % 40);
	const struct change *least = NULL;
	uint64_t least_h = 0;

	ret->count = 0;
	for (size_t i = 0; i < all->count; i++) {
		const struct change *ch = &all->list[i];
		uint64_t h = choice(c, phase, ch->path);
		const char *path = ch->from && (h >> 40) % 5 == 0 ? ch->from : ch->path;

		if (skipped(c, h))
			continue;
		if (!least || h < least_h)
			least = ch, least_h = h;
		if (h % 100 >= percent || ret->count == PICKS_MOST)
			continue;
		ret->path[ret->count++] = strdup(path);
		if (c->rep->npicks < CR_PICKS)
			c->rep->picks[c->rep->npicks++] = h;
	}
	if (ret->count || !least || c->rep->nskips)
		return;
	ret->path[ret->count++] = strdup(least->path);
	if (c->rep->npicks < CR_PICKS)
		c->rep->picks[c->rep->npicks++] = least_h;
}

static void collect(struct cr *c, struct changes *ret)
{
	struct err err = { .msg = "" };

	if (changes_collect(c->w.ov, 0, ret, &err) < 0) {
		fprintf(stderr, "oracle: changes: %s\n", err.msg);
		exit(1);
	}
}

static void log_paths(struct cr *c, const char *what, const struct picked *paths)
{
	char text[4 * PATH_MAX];

	cr_log(c, "%s", what);
	for (int i = 0; paths && i < paths->count; i++)
		cr_log(c, " .%s", path_printable(relative(c, paths->path[i]), text, sizeof text));
	cr_log(c, "%s\n", paths ? "" : " -a");
}

/* ---- commit ---- */

static const char *item_text(struct cr *c, const struct commit_item *it, char *ret, size_t size)
{
	static const char *const outcomes[] = { "", ", done", ", left", ", FAILED" };
	char path[4 * PATH_MAX], from[4 * PATH_MAX] = "";
	const struct change *ch = it->change;

	if (ch->from)
		path_printable(relative(c, ch->from), from, sizeof from);
	snprintf(ret, size, "%c%c %s%s%s.%s%s %s%s%s%s", it->chosen ? '*' : ' ', (char)ch->kind, ch->from ? "." : "", from,
		 ch->from ? " -> " : "", path_printable(relative(c, ch->path), path, sizeof path), S_ISDIR(ch->box.st_mode) ? "/" : "",
		 verdict_name(it->verdict), outcomes[it->outcome], it->why[0] ? ": " : "", it->why);
	return ret;
}

static int check_plan(struct cr *c, const struct commit_plan *plan, bool all)
{
	char text[10 * PATH_MAX];

	for (size_t i = 0; i < plan->count; i++) {
		const struct commit_item *it = &plan->items[i];

		item_text(c, it, text, sizeof text);
		if (it->verdict == COMMIT_CONFLICT)
			return fail(c, "a conflict is told, but nobody touched the host", text);
		if (it->verdict == COMMIT_REFUSE)
			return fail(c, "a change is refused", text);
		if (it->verdict == COMMIT_WAIT && all)
			return fail(c, "a change waits for others, but all are chosen", text);
	}
	return 0;
}

static int check_outcome(struct cr *c, const struct commit_plan *plan, const struct commit_result *res)
{
	char text[10 * PATH_MAX];

	for (size_t i = 0; i < plan->count; i++) {
		const struct commit_item *it = &plan->items[i];

		if (!it->chosen || it->verdict == COMMIT_WAIT || (it->outcome == COMMIT_DONE && !it->lost))
			continue;
		return fail(c, it->lost ? "metadata was lost" : "a change could not be applied", item_text(c, it, text, sizeof text));
	}
	if (res->trouble[0])
		return fail(c, "the commit stopped", res->trouble);
	return res->unforgotten ? fail(c, "a committed change could not be taken out of the box", "") : 0;
}

static int apply(struct cr *c, const struct picked *paths)
{
	_cleanup_commit_plan_ struct commit_plan *plan = NULL;
	struct commit_result res;
	struct err err = { .msg = "" };
	char text[10 * PATH_MAX];
	int r;

	if (commit_plan_new(c->w.ov, &plan, &err) < 0)
		return fail(c, "no plan can be made", err.msg);
	for (int i = 0; paths && i < paths->count; i++)
		commit_choose(plan, (struct vpath){ paths->path[i] });
	if (!paths)
		commit_choose(plan, (struct vpath){ "/" });
	commit_settle(plan);
	r = check_plan(c, plan, !paths);
	if (!r && commit_apply(plan, NULL, NULL, &res, &err) < 0)
		r = fail(c, "the commit could not begin", err.msg);
	else if (!r)
		r = check_outcome(c, plan, &res);
	for (size_t i = 0; i < plan->count; i++)
		cr_log(c, "    %s\n", item_text(c, &plan->items[i], text, sizeof text));
	return r;
}

/* cowbox commit PATH... */
static int commit_some(struct cr *c, int phase)
{
	_cleanup_free_ char *before = take(c, &c->w.view);
	struct changes all;
	struct picked paths;
	int r = reopen(c);

	if (r)
		return r;
	collect(c, &all);
	pick_some(c, phase, &all, &paths);
	changes_release(&all);
	if (paths.count) {
		log_paths(c, "cowbox commit", &paths);
		r = apply(c, &paths);
		world_reopen(&c->w);
		if (!r)
			r = check_view(c, "a commit of some paths changed the view", before, "after the commit");
	}
	picked_release(&paths);
	return r;
}

static int check_none_left(struct cr *c, const char *what)
{
	struct changes all;
	int r = 0;

	collect(c, &all);
	if (all.count) {
		char text[4 * PATH_MAX], line[5 * PATH_MAX];

		snprintf(line, sizeof line, "%zu, the first: %c .%s", all.count, (char)all.list[0].kind,
			 path_printable(relative(c, all.list[0].path), text, sizeof text));
		r = fail(c, what, line);
	}
	changes_release(&all);
	return r;
}

/* cowbox commit -a; wanted: what the host has to be then. */
static int commit_all(struct cr *c, const char *wanted)
{
	_cleanup_free_ char *host = NULL;
	int r = choice(c, 9, "reopen") % 2 ? reopen(c) : 0;

	if (r)
		return r;
	log_paths(c, "cowbox commit", NULL);
	r = apply(c, NULL);
	world_reopen(&c->w);
	if (r)
		return r;
	host = take(c, &c->w.host);
	r = compare(c, "after commit -a the host is not what the view was", "view", wanted, "host", host);
	if (!r)
		r = check_view(c, "after commit -a the view is not the host", host, "after commit -a");
	return r ? r : check_none_left(c, "changes are left after commit -a");
}

/* ---- discard ---- */

static int run_discard(struct cr *c, const struct picked *paths, struct changes *all)
{
	size_t count = paths ? (size_t)paths->count : all->count;
	const char **argv = calloc(count + 5, sizeof(*argv));
	char out[PATH_MAX + 32], line[1024];
	int n = 0, status;

	if (!argv)
		abort();
	argv[n++] = "-f";
	argv[n++] = "-b";
	argv[n++] = "oracle";
	for (size_t i = 0; i < count; i++)
		argv[n++] = paths ? paths->path[i] : all->list[i].path;
	snprintf(out, sizeof out, "%s/discard.out", c->w.dir);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		dup2(fd, STDERR_FILENO);
		int r = verb_discard.run(&verb_discard, n, (char **)argv);
		fflush(NULL);
		_exit(r);
	}
	free(argv);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	FILE *f = fopen(out, "re");
	while (f && fgets(line, sizeof line, f)) {
		char *at = strstr(line, c->w.host.root);
		cr_log(c, "    %.*s%s%s", at ? (int)(at - line) : 200, line, at ? "." : "", at ? at + strlen(c->w.host.root) : "");
	}
	if (f)
		fclose(f);
	world_reopen(&c->w);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	snprintf(line, sizeof line, "%s %d", WIFSIGNALED(status) ? "signal" : "exit status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return fail(c, paths ? "a discard of some paths failed" : "the discard of all paths failed", line);
}

/* What may change in the view: at and below the changes that go, and where they were. What stays in the box stays in the view there too. */
static void find_region(struct cr *c, const struct changes *all, const struct picked *paths, struct line_region *ret)
{
	bool *goes = calloc(all->count + 1, sizeof(*goes));

	if (!goes)
		abort();
	for (size_t i = 0; i < all->count; i++) {
		const struct change *ch = &all->list[i];

		for (int k = 0; k < paths->count; k++)
			goes[i] = goes[i] || path_below(ch->path, paths->path[k], NULL) || (ch->from && path_below(ch->from, paths->path[k], NULL));
		for (size_t k = 0; k < all->count; k++)
			goes[i] = goes[i] || (k < i && goes[k] && path_below(ch->path, all->list[k].path, NULL));
	}
	for (size_t i = 0; i < all->count; i++) {
		const struct change *ch = &all->list[i];

		if (goes[i]) {
			line_region_add(ret, relative(c, ch->path), true);
			if (ch->from)
				line_region_add(ret, relative(c, ch->from), true);
		} else if (ch->kind != CHANGE_DELETED) {
			line_region_add(ret, relative(c, ch->path), false);
		}
	}
	free(goes);
}

/* cowbox discard -f PATH... */
static int discard_some(struct cr *c, int phase)
{
	_cleanup_free_ char *before = NULL, *after = NULL, *diff = NULL;
	struct line_region region = { 0 };
	struct changes all;
	struct picked paths;
	int r = reopen(c);

	if (r)
		return r;
	before = take(c, &c->w.view);
	collect(c, &all);
	pick_some(c, phase, &all, &paths);
	if (paths.count) {
		find_region(c, &all, &paths, &region);
		log_paths(c, "cowbox discard -f", &paths);
		r = run_discard(c, &paths, NULL);
		after = take(c, &c->w.view);
		diff = r ? NULL : line_region_diff(&region, before, after);
		if (diff)
			r = fail(c, "a discard of some paths changed what it was not to", diff);
		if (!r)
			r = check_ghosts(c, after, "after the discard");
	}
	line_region_release(&region);
	picked_release(&paths);
	changes_release(&all);
	return r;
}

static int check_host(struct cr *c)
{
	char *diff = world_broken(&c->w);
	int r = diff ? fail(c, "THE HOST CHANGED by a discard", diff) : 0;

	free(diff);
	return r;
}

/* cowbox discard -f of every path that status lists. */
static int discard_all(struct cr *c)
{
	_cleanup_free_ char *host = NULL;
	struct changes all;
	int r = 0;

	collect(c, &all);
	cr_log(c, "cowbox discard -f: all paths of status\n");
	if (all.count)
		r = run_discard(c, NULL, &all);
	changes_release(&all);
	if (r)
		return r;
	host = take(c, &c->w.host);
	r = check_view(c, "all is discarded, but the view is not the host", host, "after the discard of all");
	return r ? r : check_none_left(c, "changes are left when all are discarded");
}

/* ---- the properties ---- */

static int operations(struct cr *c, int batch, int (*run_batch)(struct cr *c, int batch))
{
	_cleanup_free_ char *plain = NULL, *view = NULL;

	if (run_batch(c, batch))
		return 1;
	plain = take(c, &c->w.plain);
	view = take(c, &c->w.view);
	return compare(c, "the view is not what the operations make", "plain", plain, " view", view) ||
	       check_ghosts(c, view, "after the operations");
}

int cr_property(struct cr *c, int (*run_batch)(struct cr *c, int batch))
{
	_cleanup_free_ char *wanted = NULL;

	cr_note_names(c, &c->w.host);
	if (operations(c, 0, run_batch))
		return 1;
	wanted = take(c, &c->w.view);
	switch (c->property) {
	case 1:
		return commit_all(c, wanted);
	case 2:
		return commit_some(c, 1) || commit_some(c, 2) || commit_all(c, wanted);
	case 3:
		return discard_some(c, 1) || check_host(c) || discard_some(c, 2) || discard_all(c) || check_host(c);
	default:
		if (commit_some(c, 1) || operations(c, 1, run_batch) || discard_some(c, 2))
			return 1;
		free(wanted);
		wanted = take(c, &c->w.view);
		return commit_all(c, wanted);
	}
}
