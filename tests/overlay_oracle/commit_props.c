/* commit_props.c - what commit and discard promise when nobody touches the host.
 *
 *     1  commit -a applies everything: the host is then what the view was.
 *     2  a commit of some paths leaves the view as it is; two of them and commit -a: as 1.
 *     3  a discard of some paths changes nothing elsewhere in the view; the rest discarded by path, the view is the host, which nobody touched.
 *     4  a commit of some, more operations, a discard of some, commit -a: the host is then what the view was.
 * In all of them: the view opened anew is that in memory, and no name is there that its directory does not list.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../object_line.h"
#include "base/fd.h"
#include "base/tree.h"
#include "cmd.h"
#include "commit_lines.h"
#include "commit_random.h"

static int collect(struct cr *c, struct changes *ret)
{
	struct err err = { .msg = "" };

	*ret = (struct changes){ 0 };
	return changes_collect(c->w.ov, 0, ret, &err) < 0 ? cr_fail(c, "the changes cannot be listed", err.msg) : 0;
}

static void log_paths(struct cr *c, const char *what, const struct cr_picked *paths)
{
	char text[4 * PATH_MAX];

	cr_log(c, "%s", what);
	for (int i = 0; paths && i < paths->count; i++)
		cr_log(c, " .%s", path_printable(cr_relative(c, paths->path[i]), text, sizeof text));
	cr_log(c, "%s\n", paths ? "" : " -a");
}

/* ---- commit ---- */

static const char *item_text(struct cr *c, const struct commit_item *it, char *ret, size_t size)
{
	static const char *const outcomes[] = { "", ", done", ", left", ", FAILED" };
	char path[4 * PATH_MAX], from[4 * PATH_MAX] = "";
	const struct change *ch = it->change;

	if (ch->from)
		path_printable(cr_relative(c, ch->from), from, sizeof from);
	snprintf(ret, size, "%c%c %s%s%s.%s%s %s%s%s%s%s", it->chosen ? '*' : ' ', (char)ch->kind, ch->from ? "." : "", from,
		 ch->from ? " -> " : "", path_printable(cr_relative(c, ch->path), path, sizeof path), S_ISDIR(ch->box.st_mode) ? "/" : "",
		 verdict_name(it->verdict), outcomes[it->outcome], it->lost ? ", metadata lost" : "", it->why[0] ? ": " : "", it->why);
	return ret;
}

/* Such a conflict is told of the item. */
static bool in_the_way_of_back(struct cr *c, const struct commit_item *it)
{
	const char *path = cr_relative(c, it->change->path);

	for (size_t i = 0; it->verdict == COMMIT_CONFLICT && i < c->back.count; i++) {
		_cleanup_free_ char *own = line_path(path);

		if (path_below(own, c->back.path[i], NULL) || path_below(c->back.path[i], own, NULL))
			return true;
	}
	return false;
}

static int check_plan(struct cr *c, const struct commit_plan *plan, bool all)
{
	char text[10 * PATH_MAX];

	for (size_t i = 0; i < plan->count && !c->over; i++)
		c->over = in_the_way_of_back(c, &plan->items[i]);
	if (c->over)
		return 0;

	for (size_t i = 0; i < plan->count; i++) {
		const struct commit_item *it = &plan->items[i];

		item_text(c, it, text, sizeof text);
		if ((it->verdict == COMMIT_CONFLICT && cr_fail(c, "a conflict is told, but nobody touched the host", text)) ||
		    (it->verdict == COMMIT_REFUSE && cr_fail(c, "a change is refused", text)) ||
		    (it->verdict == COMMIT_WAIT && all && cr_fail(c, "a change waits for others, but all are chosen", text)))
			return 1;
	}
	return 0;
}

static int check_outcome(struct cr *c, const struct commit_plan *plan, const struct commit_result *res)
{
	char text[10 * PATH_MAX];

	for (size_t i = 0; i < plan->count; i++) {
		const struct commit_item *it = &plan->items[i];

		if (it->chosen && it->lost)
			c->lost = true;
		if (!it->chosen || it->verdict == COMMIT_WAIT || it->outcome == COMMIT_DONE)
			continue;
		if (cr_fail(c, "a change could not be applied", item_text(c, it, text, sizeof text)))
			return 1;
	}
	if (res->trouble[0])
		return cr_fail(c, "the commit stopped", res->trouble);
	return res->unforgotten ? cr_fail(c, "a committed change could not be taken out of the box", "") : 0;
}

static int apply(struct cr *c, const struct cr_picked *paths)
{
	_cleanup_commit_plan_ struct commit_plan *plan = NULL;
	struct commit_result res;
	struct err err = { .msg = "" };
	char text[10 * PATH_MAX];
	int r;

	if (commit_plan_new(c->w.ov, &plan, &err) < 0)
		return cr_fail(c, "no plan can be made", err.msg);
	for (int i = 0; paths && i < paths->count; i++)
		commit_choose(plan, (struct vpath){ paths->path[i] });
	if (!paths)
		commit_choose(plan, (struct vpath){ "/" });
	commit_settle(plan);
	r = check_plan(c, plan, !paths);
	if (!r && !c->over && commit_apply(plan, NULL, NULL, &res, &err) < 0)
		r = cr_fail(c, "the commit could not begin", err.msg);
	else if (!r && !c->over)
		r = check_outcome(c, plan, &res);
	for (size_t i = 0; i < plan->count; i++)
		cr_log(c, "    %s\n", item_text(c, &plan->items[i], text, sizeof text));
	return r;
}

/* What undo needs has one more name of a file that keeps others, which the box does not know. */
static void prune(struct cr *c)
{
	(void)tree_remove(c->w.store->fd, "history");
}

/* cowbox commit PATH... */
static int commit_some(struct cr *c, int phase)
{
	_cleanup_free_ char *before = cr_take(c, &c->w.view);
	struct changes all;
	struct cr_picked paths;
	int r = cr_reopen(c) || collect(c, &all);

	if (r)
		return r;
	cr_pick_some(c, phase, &all, &paths);
	changes_release(&all);
	if (paths.count) {
		log_paths(c, "cowbox commit", &paths);
		r = apply(c, &paths);
		world_reopen(&c->w);
		prune(c);
		/* What was written in the moment that it is noted proves nothing (since_is_proof). */
		if (c->property == 4)
			usleep(60000);
		if (!r)
			r = cr_check_view(c, "a commit of some paths changed the view", before, "after the commit");
	}
	cr_picked_release(&paths);
	return r;
}

static int check_none_left(struct cr *c, const char *what)
{
	struct changes all;
	int r = collect(c, &all);

	if (!r && all.count) {
		char text[4 * PATH_MAX], line[5 * PATH_MAX];

		snprintf(line, sizeof line, "%zu, the first: %c .%s", all.count, (char)all.list[0].kind,
			 path_printable(cr_relative(c, all.list[0].path), text, sizeof text));
		r = cr_fail(c, what, line);
	}
	changes_release(&all);
	return r;
}

/* cowbox commit -a; wanted: what the host has to be then. */
static int commit_all(struct cr *c, const char *wanted)
{
	_cleanup_free_ char *host = NULL;
	int r = cr_choice(c, 9, "reopen") % 2 ? cr_reopen(c) : 0;

	if (r)
		return r;
	log_paths(c, "cowbox commit", NULL);
	r = apply(c, NULL);
	world_reopen(&c->w);
	if (r || c->over)
		return r;
	prune(c);
	host = cr_take(c, &c->w.host);
	r = cr_compare(c, "after commit -a the host is not what the view was", "view", wanted, "host", host);
	if (!r)
		r = cr_check_view(c, "after commit -a the view is not the host", host, "after commit -a");
	if (!r)
		r = check_none_left(c, "changes are left after commit -a");
	return !r && c->lost ? cr_fail(c, "metadata is told to be lost, but the host has it all", "") : r;
}

/* ---- discard ---- */

static int run_discard(struct cr *c, const struct cr_picked *paths, struct changes *all)
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
	return cr_fail(c, paths ? "a discard of some paths failed" : "the discard of all paths failed", line);
}

/* The change stands in the way of a renamed directory that goes back to its old place. */
static bool in_the_way(const struct changes *all, const bool *goes, const struct change *ch)
{
	if (ch->kind != CHANGE_RENAMED && S_ISDIR(ch->box.st_mode))
		return false;
	for (size_t i = 0; i < all->count; i++)
		if (goes[i] && all->list[i].from && S_ISDIR(all->list[i].box.st_mode) && strcmp(all->list[i].from, ch->path) == 0)
			return true;
	return false;
}

/* What may change in the view: at and below the changes that go, and where they were. What stays in the box stays in the view there too. */
static void find_region(struct cr *c, const struct changes *all, const struct cr_picked *paths, struct line_region *ret)
{
	bool *goes = calloc(all->count + 1, sizeof(*goes)), more = true;
	char old[PATH_MAX];

	if (!goes)
		abort();
	for (size_t i = 0; i < all->count; i++) {
		const struct change *ch = &all->list[i];

		for (int k = 0; k < paths->count; k++)
			goes[i] = goes[i] || path_below(ch->path, paths->path[k], NULL) || (ch->from && path_below(ch->from, paths->path[k], NULL));
		for (size_t k = 0; k < all->count; k++)
			goes[i] = goes[i] || (k < i && goes[k] && path_below(ch->path, all->list[k].path, NULL));
	}
	while (more) {
		more = false;
		for (size_t i = 0; i < all->count; i++) {
			if (goes[i] || !in_the_way(all, goes, &all->list[i]))
				continue;
			for (size_t k = i; k < all->count && path_below(all->list[k].path, all->list[i].path, NULL); k++)
				goes[k] = true;
			more = true;
		}
	}
	for (size_t i = 0; i < all->count; i++) {
		const struct change *ch = &all->list[i];

		if (goes[i]) {
			line_region_add(ret, cr_relative(c, ch->path), true);
			if (ch->from)
				line_region_add(ret, cr_relative(c, ch->from), true);
			/* The directory that it was in may be renamed, and stay so. */
			if (ch->from && overlay_view_of_name(c->w.ov, ch->from, old) == 0) {
				line_region_add(ret, cr_relative(c, old), true);
				if (S_ISDIR(ch->box.st_mode))
					line_region_add(&c->back, cr_relative(c, old), true);
			}
		} else if (ch->kind != CHANGE_DELETED) {
			line_region_add(ret, cr_relative(c, ch->path), false);
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
	struct cr_picked paths;
	int r = cr_reopen(c) || collect(c, &all);

	if (r)
		return r;
	before = cr_take(c, &c->w.view);
	cr_pick_some(c, phase, &all, &paths);
	if (paths.count) {
		find_region(c, &all, &paths, &region);
		log_paths(c, "cowbox discard -f", &paths);
		r = run_discard(c, &paths, NULL);
		after = cr_take(c, &c->w.view);
		diff = r ? NULL : line_region_diff(&region, before, after);
		if (diff)
			r = cr_fail(c, "a discard of some paths changed what it was not to", diff);
		if (!r)
			r = cr_check_ghosts(c, after, "after the discard");
	}
	line_region_release(&region);
	cr_picked_release(&paths);
	changes_release(&all);
	return r;
}

static int check_host(struct cr *c)
{
	char *diff = world_broken(&c->w);
	int r = diff ? cr_fail(c, "THE HOST CHANGED by a discard", diff) : 0;

	free(diff);
	return r;
}

/* cowbox discard -f of every path that status lists. */
static int discard_all(struct cr *c)
{
	_cleanup_free_ char *host = NULL;
	struct changes all;
	int r = collect(c, &all);

	cr_log(c, "cowbox discard -f: all paths of status\n");
	if (!r && all.count)
		r = run_discard(c, NULL, &all);
	changes_release(&all);
	if (r)
		return r;
	host = cr_take(c, &c->w.host);
	r = cr_check_view(c, "all is discarded, but the view is not the host", host, "after the discard of all");
	return r ? r : check_none_left(c, "changes are left when all are discarded");
}

/* ---- the properties ---- */

static int operations(struct cr *c, int batch, int (*run_batch)(struct cr *c, int batch))
{
	_cleanup_free_ char *plain = NULL, *view = NULL;

	if (run_batch(c, batch))
		return 1;
	plain = cr_take(c, &c->w.plain);
	view = cr_take(c, &c->w.view);
	return cr_compare(c, "the view is not what the operations make", "plain", plain, " view", view) ||
	       cr_check_ghosts(c, view, "after the operations");
}

int cr_property(struct cr *c, int (*run_batch)(struct cr *c, int batch))
{
	_cleanup_free_ char *wanted = NULL;

	cr_note_names(c, &c->w.host);
	if (operations(c, 0, run_batch))
		return 1;
	wanted = cr_take(c, &c->w.view);
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
		wanted = cr_take(c, &c->w.view);
		return commit_all(c, wanted);
	}
}
