/* plan.c - the changes of a box as a plan: order, choice, and what the choice means. */
#include "plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"

int path_cmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	/* The end of a path comes before a slash, a slash before all that a name can hold. */
	int x = *a == '/' ? 1 : *a ? 1 + (unsigned char)*a : 0;
	int y = *b == '/' ? 1 : *b ? 1 + (unsigned char)*b : 0;

	return x - y;
}

int why(struct commit_item *it, enum commit_verdict verdict, const char *fmt, ...)
{
	va_list ap;

	it->verdict = verdict;
	va_start(ap, fmt);
	vsnprintf(it->why, sizeof it->why, fmt, ap);
	va_end(ap);
	return 0;
}

static int item_cmp(const void *a, const void *b)
{
	return path_cmp(((const struct commit_item *)a)->change->path, ((const struct commit_item *)b)->change->path);
}

size_t plan_find(const struct plan *p, const char *path)
{
	size_t lo = 0, hi = p->p.count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = path_cmp(path, p->p.items[mid].change->path);

		if (c == 0)
			return mid;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NO_ITEM;
}

size_t plan_above(const struct plan *p, const char *path)
{
	size_t lo = 0, hi = p->p.count, i;

	/* What is above the path is the last item before it, or above that. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (path_cmp(p->p.items[mid].change->path, path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	i = lo ? lo - 1 : NO_ITEM;
	while (i != NO_ITEM && !path_below(path, p->p.items[i].change->path, NULL))
		i = p->above[i];
	return i;
}

/* In the order of the items. */
static int index_above(struct plan *p)
{
	p->above = calloc(p->p.count + 1, sizeof *p->above);
	if (!p->above)
		return -ENOMEM;
	for (size_t i = 0; i < p->p.count; i++) {
		size_t k = i ? i - 1 : NO_ITEM;

		while (k != NO_ITEM && !path_below(p->p.items[i].change->path, p->p.items[k].change->path, NULL))
			k = p->above[k];
		p->above[i] = k;
	}
	return 0;
}

size_t plan_end(const struct plan *p, size_t i)
{
	const char *dir = p->p.items[i].change->path;
	size_t end = i + 1;

	while (end < p->p.count && path_below(p->p.items[end].change->path, dir, NULL))
		end++;
	return end;
}

static const char *rename_from(const struct plan *p, size_t k)
{
	return p->p.items[p->renames[k]].change->from;
}

/* The first rename whose old place is not before path. */
static size_t rename_lower_bound(const struct plan *p, const char *path)
{
	size_t lo = 0, hi = p->nrenames;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (path_cmp(rename_from(p, mid), path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

size_t plan_rename_from(const struct plan *p, const char *from)
{
	size_t k = rename_lower_bound(p, from);

	return k < p->nrenames && strcmp(rename_from(p, k), from) == 0 ? p->renames[k] : NO_ITEM;
}

static int inode_cmp(const struct stat *a, const struct stat *b)
{
	if (a->st_ino != b->st_ino)
		return a->st_ino < b->st_ino ? -1 : 1;
	return a->st_dev < b->st_dev ? -1 : a->st_dev > b->st_dev;
}

static int taken_cmp(const void *a, const void *b, void *ctx)
{
	const struct plan *p = ctx;

	return inode_cmp(&p->now[*(const size_t *)a], &p->now[*(const size_t *)b]);
}

void plan_renames_of(const struct plan *p, const struct stat *st, bool (*fn)(const struct plan *p, size_t i, void *ctx), void *ctx)
{
	size_t lo = 0, hi = p->nrenames;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (inode_cmp(&p->now[p->taken[mid]], st) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (size_t k = lo; k < p->nrenames && inode_cmp(&p->now[p->taken[k]], st) == 0; k++)
		if (!fn(p, p->taken[k], ctx))
			return;
}

size_t plan_carrier(const struct plan *p, const char *path, const char *view)
{
	char up[PATH_MAX];
	size_t i;

	if (!p->nrenames || strlen(path) >= sizeof up)
		return NO_ITEM;
	strcpy(up, path);
	while (up[1]) {
		path_split(up, up, sizeof up);
		i = plan_rename_from(p, up);
		if (i != NO_ITEM)
			return i == plan_renamed_above(p, view) ? NO_ITEM : i;
	}
	return NO_ITEM;
}

bool plan_renames_below(const struct plan *p, const char *dir, bool (*fn)(const struct plan *p, size_t i, void *ctx), void *ctx)
{
	for (size_t k = rename_lower_bound(p, dir); k < p->nrenames && path_below(rename_from(p, k), dir, NULL); k++)
		if (!fn(p, p->renames[k], ctx))
			return false;
	return true;
}

bool item_is_dir_rename(const struct commit_item *it)
{
	return it->change->kind == CHANGE_RENAMED && S_ISDIR(it->change->box.st_mode);
}

bool item_makes_dir(const struct commit_item *it)
{
	return S_ISDIR(it->change->box.st_mode) && (it->change->kind == CHANGE_ADDED || it->change->kind == CHANGE_TYPE);
}

bool item_planned(const struct commit_item *it)
{
	return it->chosen && (it->verdict == COMMIT_APPLY || it->verdict == COMMIT_SAME);
}

size_t plan_renamed_above(const struct plan *p, const char *path)
{
	size_t i = plan_above(p, path);

	while (i != NO_ITEM && !item_is_dir_rename(&p->p.items[i]))
		i = p->above[i];
	return i;
}

int plan_host_path(const struct plan *p, const char *view, char ret[static PATH_MAX])
{
	size_t i = plan_renamed_above(p, view);
	const char *rest = "", *from = i == NO_ITEM ? view : p->p.items[i].change->from;
	int r;

	if (i != NO_ITEM)
		path_below(view, p->p.items[i].change->path, &rest);
	r = path_join(ret, PATH_MAX, from, rest);
	return r < 0 ? r : 0;
}

const struct origin *plan_origin(const struct plan *p, const char *path)
{
	for (int i = 0; i < BOX_LAYERS_MAX; i++) {
		const struct origin *o = p->p.changes.origins[i] ? origins_find(p->p.changes.origins[i], path) : NULL;

		if (o)
			return o;
	}
	return NULL;
}

static struct known *known_of(struct plan *p)
{
	const struct box *box = overlay_box(p->p.ov);

	for (int i = 0; !p->known_loaded && i < box->nlayers; i++) {
		_cleanup_close_ int fd = -1;
		char name[32];

		snprintf(name, sizeof name, "layers/%d", box->layer[i]);
		fd = box_open_in(box, name, O_RDONLY | O_DIRECTORY);
		/* What cannot be read is not known: a conflict too many. */
		if (fd >= 0)
			(void)known_load(&p->known, fd);
	}
	p->known_loaded = true;
	return &p->known;
}

bool plan_knows_inode(struct plan *p, const struct stat *st)
{
	return known_has(known_of(p), st);
}

const struct origin *plan_seen_at(struct plan *p, const struct stat *st, const char *host)
{
	return known_find(known_of(p), st, host);
}

static int from_cmp(const void *a, const void *b, void *ctx)
{
	const struct plan *p = ctx;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	int c = path_cmp(p->p.items[x].change->from, p->p.items[y].change->from);

	return c ? c : x < y ? -1 : x > y;
}

static int index_renames(struct plan *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->p.count; i++)
		n += p->p.items[i].change->kind == CHANGE_RENAMED;
	p->renames = calloc(n + 1, sizeof *p->renames);
	p->taken = calloc(n + 1, sizeof *p->taken);
	if (!p->renames || !p->taken)
		return -ENOMEM;
	for (size_t i = 0; i < p->p.count; i++)
		if (p->p.items[i].change->kind == CHANGE_RENAMED)
			p->renames[p->nrenames++] = i;
	qsort_r(p->renames, n, sizeof *p->renames, from_cmp, p);
	return 0;
}

/* A disk that does not give one path is a matter of that path, unless it did before. */
static int judge_one(struct plan *p, size_t i)
{
	bool was_planned = item_planned(&p->p.items[i]);
	int r = classify_item(p, i);

	return error_is_hard(r) && (was_planned || r != -EIO) ? r : 0;
}

/* What is missing on the host may not have been removed there: once more, now that it is known what all others are about. */
static int judge_missing(struct plan *p)
{
	int r = 0;

	for (size_t i = 0; i < p->p.count && r == 0; i++) {
		r = inode_set_add(&p->judged, p->now[i].st_dev, p->now[i].st_ino);
		if (r == 0)
			r = inode_set_add(&p->judged, p->in_way[i].st_dev, p->in_way[i].st_ino);
	}
	p->judged_all = true;
	for (size_t i = 0; i < p->p.count && r == 0; i++)
		if (p->p.items[i].verdict == COMMIT_CONFLICT && !p->now[i].st_mode && p->p.items[i].change->kind != CHANGE_RENAMED)
			r = judge_one(p, i);
	return r;
}

static bool has_twins(const struct commit_item *it)
{
	return it->change->box.st_mode && !S_ISDIR(it->change->box.st_mode) && it->change->box.st_nlink > 1;
}

static int by_inode(const void *a, const void *b)
{
	const struct stat *x = &(*(struct commit_item *const *)a)->change->box,
			  *y = &(*(struct commit_item *const *)b)->change->box;

	return inode_cmp(x, y);
}

/* The items that are about files of several names, those about one file together. NULL: no memory. */
static struct commit_item **twins_list(struct commit_plan *plan, size_t *ret_count)
{
	struct commit_item **v = calloc(plan->count + 1, sizeof *v);
	size_t n = 0;

	for (size_t i = 0; v && i < plan->count; i++)
		if (has_twins(&plan->items[i]))
			v[n++] = &plan->items[i];
	if (n > 1)
		qsort(v, n, sizeof *v, by_inode);
	*ret_count = n;
	return v;
}

/* What is said of a name that no other change is about: the host's file that it is one more name of. */
static int find_original(struct plan *p, struct commit_item *it)
{
	const struct stat *box = &it->change->box, *now = &p->now[it - p->p.items];
	char from[PATH_MAX];
	struct stat st;

	if (it->change->kind == CHANGE_RENAMED || (box->st_ino == now->st_ino && box->st_dev == now->st_dev) ||
	    changes_copied_from(p->p.ov, it->change, from, sizeof from) < 0 || host_stat(&p->host, from, &st) < 0 ||
	    st.st_ino != box->st_ino || st.st_dev != box->st_dev)
		return 0;
	it->one_with = strdup(from);
	p->ends[it - p->p.items] |= END_LINK;
	return it->one_with ? 0 : -ENOMEM;
}

/* Fills one_with of all. */
static int find_twins(struct plan *p)
{
	size_t n = 0;
	_cleanup_free_ struct commit_item **v = twins_list(&p->p, &n);
	int r = v ? 0 : -ENOMEM;

	for (size_t i = 0, end; i < n && r == 0; i = end) {
		for (end = i + 1; end < n && by_inode(&v[i], &v[end]) == 0; end++)
			;
		if (end == i + 1 && S_ISREG(v[i]->change->box.st_mode))
			r = find_original(p, v[i]);
		for (size_t k = i; end > i + 1 && k < end && r == 0; k++) {
			v[k]->one_with = strdup(v[k + 1 < end ? k + 1 : i]->change->path);
			r = v[k]->one_with ? 0 : -ENOMEM;
		}
	}
	return r;
}

static unsigned marks_of(const struct change *ch)
{
	if (!S_ISREG(ch->box.st_mode))
		return 0;
	return (ch->box.st_mode & S_ISUID ? COMMIT_SETUID : 0) | (ch->box.st_mode & S_ISGID ? COMMIT_SETGID : 0) |
	       (ch->capabilities ? COMMIT_CAPABILITIES : 0);
}

static int judge_all(struct plan *p)
{
	int r = 0;

	for (size_t i = 0; i < p->p.count && r == 0; i++) {
		p->p.items[i].why[0] = '\0';
		r = judge_one(p, i);
	}
	return r < 0 ? r : judge_missing(p);
}

int plan_judge_again(struct plan *p)
{
	_cleanup_free_ struct ident *was = calloc(p->p.count + 1, sizeof *was);
	_cleanup_free_ struct stat *now = calloc(p->p.count + 1, sizeof *now);
	int r;

	if (!was || !now)
		return -ENOMEM;
	memcpy(was, p->dirs, p->p.count * sizeof *was);
	memcpy(now, p->now, p->p.count * sizeof *now);

	inode_set_release(&p->judged);
	p->judged_all = false;
	host_moved(&p->host);
	for (size_t i = 0; i < p->p.count; i++) {
		p->p.items[i].outcome = COMMIT_UNTRIED;
		p->p.items[i].code = 0;
		p->p.items[i].lost = 0;
	}
	r = judge_all(p);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->p.count; i++)
		resolve_again(p, i, &now[i]);
	/* Who owns a directory above it has put another in its place: nobody chose that one. */
	for (size_t i = 0; i < p->p.count; i++)
		if (item_planned(&p->p.items[i]) && !ident_same(&was[i], &p->dirs[i]))
			why(&p->p.items[i], COMMIT_CONFLICT, "its directory is another on the host now");
	qsort_r(p->taken, p->nrenames, sizeof *p->taken, taken_cmp, p);
	commit_settle(&p->p);
	return 0;
}

/* The items, in their order, of the plan's changes. */
static int list_items(struct plan *p)
{
	int r;

	p->p.count = p->p.changes.count;
	p->p.items = calloc(p->p.count + 1, sizeof *p->p.items);
	p->now = calloc(p->p.count + 1, sizeof *p->now);
	p->in_way = calloc(p->p.count + 1, sizeof *p->in_way);
	p->ends = calloc(p->p.count + 1, sizeof *p->ends);
	p->dirs = calloc(p->p.count + 1, sizeof *p->dirs);
	if (!p->p.items || !p->now || !p->in_way || !p->ends || !p->dirs)
		return -ENOMEM;
	for (size_t i = 0; i < p->p.count; i++) {
		p->p.items[i].change = &p->p.changes.list[i];
	}
	qsort(p->p.items, p->p.count, sizeof *p->p.items, item_cmp);
	r = index_above(p);
	return r < 0 ? r : index_renames(p);
}

static int build(struct plan *p, struct err *err)
{
	int r = list_items(p);

	if (r < 0)
		return err_sys(err, r, "commit");
	r = judge_all(p);
	for (size_t i = 0; i < p->p.count; i++)
		p->p.items[i].marks = marks_of(p->p.items[i].change);
	if (r == 0)
		r = find_twins(p);
	if (r < 0)
		return err_sys(err, r, "commit");
	memcpy(p->taken, p->renames, p->nrenames * sizeof *p->taken);
	qsort_r(p->taken, p->nrenames, sizeof *p->taken, taken_cmp, p);
	return 0;
}

int commit_plan_new(struct overlay *ov, struct commit_plan **ret, struct err *err)
{
	struct plan *p = calloc(1, sizeof *p);
	int r;

	if (!p)
		return err_sys(err, -ENOMEM, "commit");
	p->p.ov = ov;
	host_blank(&p->host, -1);
	p->base_fd = box_open_in(overlay_box(ov), "base", O_RDONLY | O_DIRECTORY);
	r = host_init(&p->host);
	if (r < 0)
		err_sys(err, r, "cannot open /");
	if (r == 0)
		r = changes_collect(ov, 0, &p->p.changes, err);
	if (r == 0)
		r = build(p, err);
	if (r < 0) {
		commit_plan_free(&p->p);
		return r;
	}
	*ret = &p->p;
	return 0;
}

int plan_from_changes(struct overlay *ov, struct changes *changes, struct plan **ret)
{
	struct plan *p = calloc(1, sizeof *p);
	int r;

	if (!p)
		return -ENOMEM;
	p->p.ov = ov;
	p->base_fd = -1;
	p->p.changes = *changes;
	*changes = (struct changes){ 0 };
	r = host_init(&p->host);
	if (r == 0)
		r = list_items(p);
	if (r < 0) {
		commit_plan_free(&p->p);
		return r;
	}
	*ret = p;
	return 0;
}

void commit_plan_free(struct commit_plan *plan)
{
	struct plan *p = plan_of(plan);

	if (!p)
		return;
	changes_release(&p->p.changes);
	host_release(&p->host);
	fd_closep(&p->base_fd);
	for (size_t i = 0; p->p.items && i < p->p.count; i++) {
		free(p->p.items[i].one_with);
		free(p->p.items[i].beside);
		free(p->p.items[i].text);
	}
	free(p->p.items);
	strv_free(p->p.notes);
	free(p->now);
	free(p->in_way);
	free(p->ends);
	free(p->dirs);
	free(p->above);
	free(p->renames);
	free(p->taken);
	known_release(&p->known);
	inode_set_release(&p->judged);
	free(p);
}

void commit_plan_freep(struct commit_plan **p)
{
	commit_plan_free(*p);
	*p = NULL;
}

/* Which names of the item are of those asked for. */
static unsigned ends_of(const struct plan *p, const struct commit_item *it, commit_below below, void *ctx)
{
	unsigned ends = below(ctx, it->change->path) ? END_VIEW : 0;
	char host[PATH_MAX];

	if (it->change->from && below(ctx, it->change->from))
		ends |= END_OLD;
	if (p->nrenames && plan_renamed_above(p, it->change->path) != NO_ITEM && plan_host_path(p, it->change->path, host) == 0 &&
	    below(ctx, host))
		ends |= END_HOST;
	if (it->one_with && below(ctx, it->one_with))
		ends |= END_ONE;
	return ends;
}

size_t commit_choose_where(struct commit_plan *plan, commit_below below, void *ctx)
{
	struct plan *p = plan_of(plan);
	size_t n = 0;

	for (size_t i = 0; i < plan->count; i++) {
		unsigned ends = ends_of(p, &plan->items[i], below, ctx);

		p->ends[i] |= ends;
		plan->items[i].chosen |= (ends & (END_VIEW | END_OLD)) != 0;
		n += ends != 0;
	}
	return n;
}

static bool below_one(void *ctx, const char *path)
{
	return path_below(path, ctx, NULL);
}

size_t commit_choose(struct commit_plan *plan, struct vpath path)
{
	plan_of(plan)->all |= strcmp(path.s, "/") == 0;
	return commit_choose_where(plan, below_one, (void *)path.s);
}

/* ---- commit_settle ---- */

/* k: the directory above that it needs, and that does not come. The one is named that is the reason for all below. */
static void why_no_directory(struct plan *p, struct commit_item *it, size_t k)
{
	char text[COMMIT_WHY_MAX], host[PATH_MAX];
	struct stat now;

	while (p->p.items[k].verdict == COMMIT_WAIT && p->above[k] != NO_ITEM && item_makes_dir(&p->p.items[p->above[k]]) &&
	       !item_planned(&p->p.items[p->above[k]]))
		k = p->above[k];
	/* A path that does not fit is left out: half of one would name another directory. */
	path_printable(item_is_dir_rename(&p->p.items[k]) ? p->p.items[k].change->from : p->p.items[k].change->path, text, sizeof text);
	if (strlen(text) > 100)
		text[0] = '\0';
	if (p->p.items[k].verdict == COMMIT_CONFLICT && plan_host_path(p, p->p.items[k].change->path, host) == 0 &&
	    host_stat(&p->host, host, &now) == 0 && !now.st_mode)
		why(it, COMMIT_WAIT, "the host has no %s any more: mkdir it there first", *text ? text : "such directory");
	else
		why(it, COMMIT_WAIT, "its directory is left%s%s", *text ? ": " : "", text);
}

#define UNCHOSEN_MAX 90

/* fmt: with one %.90s, for a path. */
static void why_unchosen(struct commit_item *it, const char *fmt, const char *path) __attribute__((format(printf, 2, 0)));
static void why_unchosen(struct commit_item *it, const char *fmt, const char *path)
{
	char text[COMMIT_WHY_MAX];

	it->verdict = COMMIT_WAIT;
	/* As above: half of one would name another. */
	path_printable(path, text, sizeof text);
	snprintf(it->why, sizeof it->why, fmt, strlen(text) > UNCHOSEN_MAX ? "(too long a path)" : text);
}

/* Directories that the box made come along with what is in them. */
static void settle_parents(struct plan *p, struct commit_item *it, bool *changed)
{
	for (size_t k = p->above[it - p->p.items]; k != NO_ITEM; k = p->above[k]) {
		struct commit_item *up = &p->p.items[k];

		/* It keeps its old name, which the host has no more. */
		if (item_is_dir_rename(up) && !item_planned(up) && !p->now[k].st_mode) {
			why_no_directory(p, it, k);
			*changed = true;
			return;
		}
		if (!item_makes_dir(up))
			continue;
		/* What it would take the place of is not given up for that. */
		if (!up->chosen && p->now[k].st_mode && !S_ISDIR(p->now[k].st_mode)) {
			why_unchosen(it, "its directory %.90s takes the place of something, and was not chosen", up->change->path);
			*changed = true;
			return;
		}
		if (!up->chosen)
			*changed = up->chosen = true;
		if (!item_planned(up) && !S_ISDIR(p->now[k].st_mode)) {
			why_no_directory(p, it, k);
			*changed = true;
			return;
		}
	}
}

static bool rename_is_planned(const struct plan *p, size_t i, void *ctx)
{
	(void)ctx;
	return item_planned(&p->p.items[i]);
}

/* A renamed directory can only go when nothing in it stays behind: the layer finds the rest of it by its old name. */
static void settle_dir_rename(struct plan *p, size_t i, bool *changed)
{
	struct commit_item *it = &p->p.items[i];
	bool whole = plan_renames_below(p, it->change->from, rename_is_planned, NULL);

	for (size_t k = i + 1, end = plan_end(p, i); whole && k < end; k++)
		whole = item_planned(&p->p.items[k]);
	if (whole)
		return;
	why(it, COMMIT_WAIT, "changes in it are left, so it keeps its old name");
	*changed = true;
}

static bool find_unplanned(const struct plan *p, size_t i, void *ctx)
{
	*(size_t *)ctx = i;
	return item_planned(&p->p.items[i]);
}

static void why_moves(struct commit_item *it, const struct commit_item *other)
{
	char text[COMMIT_WHY_MAX];

	path_printable(other->change->path, text, sizeof text);
	/* What was chosen and is left has a reason of its own. */
	why(it, COMMIT_WAIT, "what the host has there moves to %.100s, %s", text,
	    other->chosen ? "which is left" : "so commit that too");
}

/* What comes into the place of something that moves elsewhere, or removes it, must not come before that has moved. */
static void settle_place(struct plan *p, size_t i, bool *changed)
{
	struct commit_item *it = &p->p.items[i];
	char path[PATH_MAX];
	size_t carrier, in_way = NO_ITEM;
	bool all;

	if (it->change->kind == CHANGE_META || plan_host_path(p, it->change->path, path) < 0)
		return;
	if (it->change->kind == CHANGE_RENAMED && strcmp(it->change->from, path) == 0)
		return;
	if (S_ISDIR(it->change->box.st_mode) && S_ISDIR(p->now[i].st_mode) && it->change->kind != CHANGE_RENAMED) {
		in_way = plan_rename_from(p, path);
		all = in_way == NO_ITEM || item_planned(&p->p.items[in_way]);
	} else {
		all = plan_renames_below(p, path, find_unplanned, &in_way);
	}
	carrier = plan_carrier(p, path, it->change->path);
	if (all && (carrier == NO_ITEM || item_planned(&p->p.items[carrier])))
		return;
	why_moves(it, &p->p.items[all ? carrier : in_way]);
	*changed = true;
}

/* Of a rename that was chosen by paths, both names: it takes the one away, and makes the other. */
static bool both_chosen(const struct plan *p, size_t i)
{
	unsigned ends = p->ends[i] & (END_VIEW | END_OLD);

	return p->p.items[i].chosen && (p->p.items[i].change->kind != CHANGE_RENAMED || !ends || ends == (END_VIEW | END_OLD));
}

/* What was chosen by one of its names is not applied to another: the box's program has tied them, and the user may know of one only. */
static void settle_names(struct plan *p, size_t i)
{
	struct commit_item *it = &p->p.items[i];
	size_t k = plan_renamed_above(p, it->change->path);
	char host[PATH_MAX];

	if (!both_chosen(p, i))
		why_unchosen(it, p->ends[i] & END_OLD ? "its new name %.90s was not chosen" : "its old name %.90s was not chosen",
		             p->ends[i] & END_OLD ? it->change->path : it->change->from);
	else if (k != NO_ITEM && !both_chosen(p, k) && !(p->ends[i] & END_HOST) && plan_host_path(p, it->change->path, host) == 0)
		why_unchosen(it, "on the host it is %.90s, which was not chosen", host);
	else if ((p->ends[i] & END_LINK) && (p->ends[i] & END_VIEW) && !(p->ends[i] & END_ONE))
		why_unchosen(it, "it is one more name of %.90s, which was not chosen", it->one_with);
	else if ((p->ends[i] & END_LINK) && (k = plan_carrier(p, it->one_with, it->change->path)) != NO_ITEM && !both_chosen(p, k))
		why_unchosen(it, "it is one more name of %.90s, whose directory keeps its old name", it->one_with);
}

/* A name goes, and others of the same file would get what the box wrote by names that are gone: nobody chose those. */
static void settle_hidden(struct plan *p, size_t i)
{
	struct commit_item *it = &p->p.items[i];
	const struct stat *taken = it->change->kind == CHANGE_RENAMED ? &p->in_way[i] : &p->now[i];
	char host[PATH_MAX];

	if (!taken->st_mode || (taken->st_ino == it->change->box.st_ino && taken->st_dev == it->change->box.st_dev) ||
	    plan_host_path(p, it->change->path, host) < 0 || (S_ISDIR(taken->st_mode) && S_ISDIR(it->change->box.st_mode)))
		return;
	if (S_ISDIR(taken->st_mode) ? classify_tree_hidden(p, host, it->change->path) : twins_hidden(p, host, taken))
		why(it, COMMIT_WAIT, "other names of that file on the host would be written: only -a does that");
}

/* The names of one file are committed together or not at all: else the host would get two files, and what the box shows would no longer be one. */
static void settle_twins(struct plan *p)
{
	size_t n = 0;
	_cleanup_free_ struct commit_item **v = twins_list(&p->p, &n);

	for (size_t i = 0, end; i < n; i = end) {
		const struct commit_item *other = NULL;

		for (end = i; end < n && by_inode(&v[i], &v[end]) == 0; end++)
			if (!item_planned(v[end]))
				other = v[end];
		for (size_t k = i; other && k < end; k++)
			if (item_planned(v[k]))
				why_unchosen(v[k],
				             other->chosen ? "it is one file with %.90s, which is left"
				                           : "it is one file with %.90s, which was not chosen",
				             other->change->path);
	}
}

static void settle_choice(struct plan *p)
{
	for (size_t i = 0; i < p->p.count; i++) {
		if (item_planned(&p->p.items[i]))
			settle_names(p, i);
		if (!p->all && item_planned(&p->p.items[i]))
			settle_hidden(p, i);
	}
	settle_twins(p);
}

void commit_settle(struct commit_plan *plan)
{
	struct plan *p = plan_of(plan);
	bool changed = true;

	settle_choice(p);

	/* Every round that changes something takes an item out of the plan or adds one: it ends. */
	while (changed) {
		changed = false;
		for (size_t i = 0; i < plan->count; i++) {
			struct commit_item *it = &plan->items[i];

			if (item_planned(it))
				settle_parents(p, it, &changed);
			if (item_planned(it))
				settle_place(p, i, &changed);
			if (item_planned(it) && item_is_dir_rename(it))
				settle_dir_rename(p, i, &changed);
		}
	}
}
