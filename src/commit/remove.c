/* remove.c - taking objects off the host: only what the box knew, and all of a tree or nothing of it. */
#include "apply.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/descent.h"
#include "base/dir.h"
#include "base/fd.h"

struct removal {
	struct apply *a;
	size_t item;
	char host[PATH_MAX], was[PATH_MAX]; /* host, was: where we are; names are appended and cut off again */
};

static int refuse_unknown(struct removal *rm)
{
	char text[COMMIT_WHY_MAX];

	why(item(rm->a, rm->item), COMMIT_CONFLICT, "the host has changed or got %.100s since", path_printable(rm->was, text, sizeof text));
	return -ESTALE;
}

static bool tree_touched(void *ctx, const struct stat *st)
{
	return apply_touched(ctx, st);
}

/* What this commit took away before. */
static bool is_temp(void *ctx, const char *host)
{
	const struct apply *a = ctx;

	return journal_is_temp_path(a->j, host);
}

/* All below the directory is known to the box. was: where the box saw it. */
static int check_tree(struct removal *rm, const char *host, const char *was)
{
	struct tree_check check = { .touched = tree_touched, .leaves = is_temp, .ctx = rm->a };
	int r;

	/* The user has decided that it goes, whatever is in it; it goes into the history. */
	if (item(rm->a, rm->item)->resolved == RESOLVE_BOX)
		return 0;
	r = classify_tree_known(rm->a->p, host, was, &check, rm->was);

	return r < 0 ? r : r == 0 ? refuse_unknown(rm) : 0;
}

/* Files in the tree that the box wrote to by names which are gone, and that keep other names on the host, get that first. */
static int settle_tree(struct removal *rm)
{
	_cleanup_descent_ struct descent d = { .path = { rm->host } };
	struct stat st;
	int r = host_enter(&rm->a->p->host, rm->host, &d);

	while (r >= 0 && d.depth) {
		r = descent_step(&d);
		if (r <= 0)
			continue;
		r = host_stat(&rm->a->p->host, rm->host, &st);
		if (r == 0)
			r = S_ISDIR(st.st_mode) ? host_enter(&rm->a->p->host, rm->host, &d) : twins_settle(rm->a, rm->item, rm->host, &st);
	}
	return r;
}

int remove_check(struct apply *a, size_t i, const char *host, const char *was, const struct stat *seen)
{
	struct removal rm = { .a = a, .item = i };
	struct stat st = *seen;
	int r;

	if (!S_ISDIR(seen->st_mode))
		return twins_settle(a, i, host, &st);
	if (strlen(host) >= sizeof rm.host)
		return -ENAMETOOLONG;
	r = check_tree(&rm, host, was);
	strcpy(rm.host, host);
	return r < 0 || !twins_have_nameless(a->p) ? r : settle_tree(&rm);
}

int remove_object(struct apply *a, size_t i, const char *host, const char *was, const struct stat *seen)
{
	char temp[JOURNAL_TEMP_MAX], moved[PATH_MAX];
	int r = S_ISDIR(seen->st_mode) ? remove_check(a, i, host, was, seen) : 0;

	if (r == 0)
		r = swap_remove(a, i, host, seen, temp);
	if (r < 0 || !S_ISDIR(seen->st_mode))
		return r;
	host_moved(&a->p->host);
	if (!path_split(host, moved, sizeof moved) || path_join(moved, sizeof moved, moved, temp) < 0)
		return -ENAMETOOLONG;
	/* What the host wrote into it while we were at it is not ours to take. */
	struct removal rm = { .a = a, .item = i };

	return check_tree(&rm, moved, was);
}
