/* forget.c - what a commit has done is taken out of the box.
 *
 * (A3) Nothing is taken out of the box before it is on the host. What lies below a directory that the box made stays in the layer as long as the
 *      layer's directory hides the host's.
 */
#include "apply.h"

#include <errno.h>
#include <string.h>

static bool item_done(const struct commit_item *it)
{
	return it->outcome == COMMIT_DONE && !it->part && !it->stays;
}

static bool renames_done(const struct plan *p, size_t i, void *ctx)
{
	(void)ctx;
	return item_done(&p->p.items[i]);
}

/* The directory of what was forgotten last. */
static void prune(struct apply *a)
{
	if (a->entered[0])
		overlay_prune(a->p->p.ov, (struct vpath){ a->entered });
	a->entered[0] = '\0';
}

/* What is to be tried again ends it. */
static int met(struct apply *a, int r)
{
	if (error_is_hard(r) && !a->stuck)
		a->stuck = r;
	/* As it is not known what the box has there. */
	if (r == -EACCES)
		a->result->unforgotten++;
	return r;
}

static int forget(struct apply *a, const char *path)
{
	char dir[PATH_MAX];
	int r = a->stuck ? a->stuck : met(a, overlay_forget_only(a->p->p.ov, (struct vpath){ path }));

	if (r < 0 && r != -ENOENT && r != -EACCES)
		a->result->unforgotten++;
	/* Neighbours come one after another. */
	if (path_split(path, dir, sizeof dir) && strcmp(dir, a->entered) != 0) {
		prune(a);
		strcpy(a->entered, dir);
	}
	return r;
}

static bool box_has(struct apply *a, const char *view)
{
	int place = met(a, overlay_place(a->p->p.ov, (struct vpath){ view }));

	return place == PLACE_LAYER || place == PLACE_LAYER_DIR;
}

/* What was committed under a name was a copy of the host's file of another name, where the layer still has it though nothing is changed there: as long
 * as it has, the two would not be one file any more, and what the host does to it would not be seen. Before the item is forgotten: it tells. */
static void forget_original(struct apply *a, size_t i)
{
	const struct change *ch = item(a, i)->change;
	char original[PATH_MAX];

	if (S_ISREG(ch->box.st_mode) && ch->box.st_nlink > 1 && met(a, changes_copied_from(a->p->p.ov, ch, original, sizeof original)) == 0 &&
	    strcmp(original, ch->path) != 0 && plan_find(a->p, original) == NO_ITEM)
		forget(a, original);
}

/* All at and below a path, which are these items. */
static void forget_tree(struct apply *a, const char *path, size_t begin, size_t end)
{
	for (size_t i = begin; i < end; i++)
		forget_original(a, i);
	forget(a, path);
}

/* The whiteout at the old place of a rename: gone with it unless something else of the box is there, which from now on stands where the host has
 * nothing, or what else came there. */
static void forget_sources(struct apply *a, size_t begin, size_t end)
{
	for (size_t i = begin; i < end; i++) {
		char from[PATH_MAX];
		size_t there;

		if (item(a, i)->change->kind != CHANGE_RENAMED || met(a, overlay_view_of_name(a->p->p.ov, item(a, i)->change->from, from)) < 0)
			continue;
		there = plan_find(a->p, from);
		/* Something like what the host had there was no change until now. */
		if (there == NO_ITEM && !box_has(a, from))
			forget(a, from);
		else if ((there == NO_ITEM || !item_done(item(a, there))) && met(a, overlay_reorigin(a->p->p.ov, (struct vpath){ from })) < 0)
			a->result->unforgotten++;
	}
}

static bool all_done(struct apply *a, size_t begin, size_t end)
{
	while (begin < end && item_done(item(a, begin)))
		begin++;
	return begin == end;
}

/* A directory that is on the host now while changes below it are left becomes a plain mirror, so that what is done below it can be forgotten. */
static bool settle_directory(struct apply *a, const char *view)
{
	struct vpath path = { view };

	return met(a, overlay_expose(a->p->p.ov, path)) == 0 && met(a, overlay_settle(a->p->p.ov, path)) == 0;
}

/* The host's directory has the metadata of the box's by now, while changes below it are left. */
static void settle_metadata(struct apply *a, const struct commit_item *it)
{
	int place = met(a, overlay_place(a->p->p.ov, (struct vpath){ it->change->path }));

	if (place < 0)
		return;
	if (place == PLACE_MERGED)
		(void)met(a, overlay_settle(a->p->p.ov, (struct vpath){ it->change->path }));
	else
		settle_directory(a, it->change->path);
}

/* The topmost of the directories from view upwards that hide what the host has there; false: none does. */
static bool hiding_directory(struct apply *a, const char *view, char ret[static PATH_MAX])
{
	char dir[PATH_MAX];
	bool found = false;

	strcpy(dir, view);
	while (dir[1]) {
		if (met(a, overlay_place(a->p->p.ov, (struct vpath){ dir })) != PLACE_LAYER_DIR)
			break;
		strcpy(ret, dir);
		found = true;
		path_split(dir, dir, sizeof dir);
	}
	return found;
}

/* Item i is below such a directory, which is no change itself that is done. Returns the item to go on with. */
static size_t forget_hidden(struct apply *a, size_t i, const char *dir)
{
	size_t end = i, own = plan_find(a->p, dir);

	while (end < a->p->p.count && path_below(item(a, end)->change->path, dir, NULL))
		end++;
	/* Its metadata are left, but the host has a directory there, and what is in it can be told apart from what it hides. */
	if (own != NO_ITEM && !item_done(item(a, own)))
		return item(a, own)->change->kind == CHANGE_META && met(a, overlay_expose(a->p->p.ov, (struct vpath){ dir })) == 0 ? i : end;
	if (all_done(a, i, end)) {
		forget_tree(a, dir, i, end);
		forget_sources(a, i, end);
		return end;
	}
	return settle_directory(a, dir) ? i : end;
}

static size_t forget_item(struct apply *a, size_t i)
{
	struct commit_item *it = item(a, i);
	size_t end = plan_end(a->p, i);
	bool all = all_done(a, i, end);
	char host[PATH_MAX];

	/* Below a deleted directory, or one that hides what the host has there, may be things that moved elsewhere, whose layer still finds them here. */
	if (all && (it->change->kind == CHANGE_DELETED || S_ISDIR(it->change->box.st_mode)))
		all = plan_host_path(a->p, it->change->path, host) == 0 && plan_renames_below(a->p, host, renames_done, NULL);
	if (all) {
		forget_tree(a, it->change->path, i, end);
		forget_sources(a, i, end);
		return end;
	}
	if (item_done(it) && it->change->kind == CHANGE_META && S_ISDIR(it->change->box.st_mode))
		settle_metadata(a, it);
	if (!item_makes_dir(it) && !item_is_dir_rename(it))
		return i + 1;
	/* It shows the host's directory by another name, and hides nothing of it. */
	if (!item_done(it) && item_is_dir_rename(it))
		return i + 1;
	if (!item_done(it) || !settle_directory(a, it->change->path))
		return end;
	if (item_is_dir_rename(it))
		forget_sources(a, i, i + 1);
	return i + 1;
}

/* The box and the host still differ, as it was decided, by more than what is left of the box's change: it is a conflict as before. */
bool apply_stays_in_conflict(const struct commit_item *it)
{
	return it->resolved == RESOLVE_HOST || it->resolved == RESOLVE_BOTH || (it->resolved == RESOLVE_TEXT && !it->part);
}

/* What is left in the box is from now on compared with what this commit has made of the host. */
static void reorigin_done(struct apply *a)
{
	if (all_done(a, 0, a->p->p.count))
		return;
	for (size_t i = 0; i < a->p->p.count; i++)
		if (item(a, i)->outcome == COMMIT_DONE && !apply_stays_in_conflict(item(a, i)) && met(a, overlay_reorigin(a->p->p.ov, (struct vpath){ item(a, i)->change->path })) < 0)
			a->result->unforgotten++;
}

/* Other names of what was committed, which the box made its copies of. */
static void forget_idle(struct apply *a)
{
	bool several = false;

	for (size_t i = 0; i < a->p->p.count && !several; i++) {
		const struct change *ch = item(a, i)->change;

		/* What a removed directory had in it, and what recovery removed, nobody knows. */
		several = item_done(item(a, i)) && (ch->kind == CHANGE_DELETED ? S_ISDIR(ch->host.st_mode) || ch->host.st_nlink != 1
		                                                               : !S_ISDIR(ch->box.st_mode) && ch->box.st_nlink > 1);
	}
	if (several && met(a, overlay_forget_idle(a->p->p.ov, NULL)) < 0)
		a->result->unforgotten++;
}

int apply_forget_done(struct apply *a)
{
	char dir[PATH_MAX], hiding[PATH_MAX], plain[PATH_MAX] = "", settled[PATH_MAX] = "";
	size_t i = 0;

	a->entered[0] = '\0';
	while (i < a->p->p.count && !a->stuck) {
		size_t next;

		path_split(item(a, i)->change->path, dir, sizeof dir);
		/* plain: the directory that was found last to hide nothing. */
		if (strcmp(dir, plain) == 0 || !hiding_directory(a, dir, hiding)) {
			strcpy(plain, dir);
			i = forget_item(a, i);
			continue;
		}
		next = forget_hidden(a, i, hiding);
		/* It was made a mirror: look again, but not for ever. */
		if (next == i && strcmp(hiding, settled) == 0)
			next = i + 1;
		strcpy(settled, hiding);
		i = next;
	}
	prune(a);
	if (!a->stuck)
		forget_idle(a);
	if (!a->stuck)
		reorigin_done(a);
	return a->stuck;
}
