/* commit_check.c - the random test of commit and discard: comparing trees, names that are there but not listed, choosing. */
#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "../object_line.h"
#include "base/fd.h"
#include "commit_lines.h"
#include "commit_random.h"
#include "overlay/changes.h"
#include "snapshot.h"

#define SHOWN (SNAPSHOT_NLINK | SNAPSHOT_TIMES)

void cr_log(struct cr *c, const char *fmt, ...)
{
	size_t n = strlen(c->rep->log);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->rep->log + n, sizeof(c->rep->log) - n, fmt, ap);
	va_end(ap);
}

int cr_fail(struct cr *c, const char *what, const char *text)
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
int cr_check_ghosts(struct cr *c, const char *snapshot, const char *when)
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
		return cr_fail(c, "a name is there that its directory does not list", text);
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
	return diff ? cr_fail(c, text, diff) : 0;
}

/* In steps, so that what matters less does not hide what matters more. That a directory was changed "now" and is not any more, or the other way
 * round, is no promise broken: the commit keeps the times of directories in which no name came or went. */
int cr_compare(struct cr *c, const char *what, const char *a_label, const char *a, const char *b_label, const char *b)
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
char *cr_take(struct cr *c, struct side *s)
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
int cr_reopen(struct cr *c)
{
	_cleanup_free_ char *before = cr_take(c, &c->w.view), *after = NULL;

	world_reopen(&c->w);
	after = cr_take(c, &c->w.view);
	return cr_compare(c, "the box opened anew shows another view", "memory", before, "  disk", after);
}

int cr_check_view(struct cr *c, const char *what, const char *before, const char *when)
{
	_cleanup_free_ char *after = cr_take(c, &c->w.view);

	return cr_compare(c, what, "before", before, " after", after) || cr_check_ghosts(c, after, when);
}

/* ---- choosing ---- */

const char *cr_relative(const struct cr *c, const char *path)
{
	const char *rest;

	return path_below(path, c->w.host.root, &rest) ? rest : path;
}

uint64_t cr_choice(const struct cr *c, int phase, const char *path)
{
	const char *rel = cr_relative(c, path);
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

void cr_picked_release(struct cr_picked *p)
{
	for (int i = 0; i < p->count; i++)
		free(p->path[i]);
	p->count = 0;
}

/* Some of the changes' paths: of renamed objects the old one, at times. */
void cr_pick_some(struct cr *c, int phase, const struct changes *all, struct cr_picked *ret)
{
	unsigned percent = 5 + (unsigned)(cr_choice(c, phase, "percent") % 40);
	const struct change *least = NULL;
	uint64_t least_h = 0;

	ret->count = 0;
	for (size_t i = 0; i < all->count; i++) {
		const struct change *ch = &all->list[i];
		uint64_t h = cr_choice(c, phase, ch->path);
		const char *path = ch->from && (h >> 40) % 5 == 0 ? ch->from : ch->path;

		if (skipped(c, h))
			continue;
		if (!least || h < least_h)
			least = ch, least_h = h;
		if (h % 100 >= percent || ret->count == CR_PICKS_MOST)
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
