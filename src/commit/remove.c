/* remove.c - taking objects off the host: only what the box knew, and all of a tree or nothing of it. */
#include "apply.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/sys.h"

static int remove_name(struct apply *a, const char *path, const struct stat *st)
{
	const char *name;
	int dir, r;

	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1) {
		r = apply_touch(a, st); /* its other names' change time moves */
		if (r < 0)
			return r;
	}
	r = host_parent(&a->p->host, path, &dir, &name);
	return r < 0 ? r : sys_unlinkat(dir, name, S_ISDIR(st->st_mode) ? AT_REMOVEDIR : 0);
}

/* Everything below the directory, then itself. No descriptor is held on the way down, so depth costs none. */
static int remove_tree(struct apply *a, char path[static PATH_MAX])
{
	_cleanup_strv_ char **names = NULL;
	size_t len = strlen(path);
	struct stat st;
	int r = host_list(&a->p->host, path, &names);

	if (r < 0)
		return r;
	for (char **n = names; *n; n++) {
		if (path_join(path, PATH_MAX, path, *n) < 0)
			return -ENAMETOOLONG;
		r = host_stat(&a->p->host, path, &st);
		if (r == 0 && S_ISDIR(st.st_mode))
			r = remove_tree(a, path);
		else if (r == 0 && st.st_mode)
			r = remove_name(a, path, &st);
		if (r < 0)
			return r;
		path[len] = '\0';
	}
	r = host_stat(&a->p->host, path, &st);
	return r < 0 ? r : remove_name(a, path, &st);
}

static bool tree_touched(void *ctx, const struct stat *st)
{
	return apply_touched(ctx, st);
}

int remove_object(struct apply *a, size_t i, const char *host, const char *was)
{
	struct commit_item *it = &a->p->p.items[i];
	struct tree_check check = { .touched = tree_touched, .ctx = a };
	char path[PATH_MAX], text[COMMIT_WHY_MAX];
	struct stat st;
	int r;

	r = host_stat(&a->p->host, host, &st);
	if (r < 0 || !st.st_mode)
		return r;
	if (!S_ISDIR(st.st_mode))
		return remove_name(a, host, &st);
	r = classify_tree_known(a->p, host, was, &check, path);
	if (r < 0)
		return r;
	if (r == 0) {
		why(it, COMMIT_CONFLICT, "the host has changed or got %.100s since", path_printable(path, text, sizeof text));
		return -ESTALE;
	}
	strcpy(path, host);
	r = remove_tree(a, path);
	host_moved(&a->p->host);
	return r;
}
