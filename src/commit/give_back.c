/* give_back.c - what was given to the host goes back into the box (G1): with it goes what somebody else has put into it meanwhile, which is told. */
#include "host_spot.h"

#include <errno.h>
#include <string.h>

#include "apply.h"
#include "base/descent.h"
#include "base/inode_set.h"
#include "base/path.h"

static void tell(struct replay *r, const char *path)
{
	char text[5 * PATH_MAX], shown[4 * PATH_MAX];

	if (!r->tell)
		return;
	snprintf(text, sizeof text, "%s: somebody else has made it, and it went into box %s with the directory that the commit had brought",
	         path_printable(path, shown, sizeof shown), r->j->head.box);
	r->tell(r->ctx, text);
}

int replay_tell_others(struct replay *r, const struct step *s)
{
	char host[PATH_MAX], view[PATH_MAX];
	_cleanup_descent_ struct descent d = { .path = { host, view } };
	struct inode_set items = { 0 };
	struct stat st;
	int x;

	if (s->item >= r->j->nitems || strlen(s->b) >= sizeof host || strlen(r->j->items[s->item].path) >= sizeof view)
		return 0;
	strcpy(host, s->b);
	strcpy(view, r->j->items[s->item].path);
	/* All that the box has there is in the commit, one item after another. */
	for (size_t i = s->item; i < r->j->nitems && path_below(r->j->items[i].path, view, NULL); i++)
		(void)path_take(&items, r->j->items[i].path);
	x = host_enter(r->host, host, &d);
	while (x >= 0 && d.depth) {
		x = descent_step(&d);
		if (x <= 0)
			continue;
		if (path_take(&items, view)) {
			tell(r, host);
			continue;
		}
		if (host_stat(r->host, host, &st) == 0 && S_ISDIR(st.st_mode))
			x = host_enter(r->host, host, &d);
		/* What cannot be looked into has nobody else been in. */
		x = x == -ENOMEM ? x : 0;
	}
	inode_set_release(&items);
	return x == -ENOMEM ? x : 0;
}
