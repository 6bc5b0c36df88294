/* renew.c - records of what the host had, after steps were taken back: names that came and went have moved the time of change. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "apply.h"
#include "base/fd.h"
#include "base/stat.h"

struct renewal {
	const struct box *box;
	struct origins *const *origins;
	int log[BOX_LAYERS_MAX]; /* log: opened when first needed; -1: not yet */
};

static int open_log(struct renewal *rn, int layer)
{
	_cleanup_close_ int dir = -1;
	char path[32];

	if (rn->log[layer] >= 0)
		return rn->log[layer];
	snprintf(path, sizeof path, "layers/%d", rn->box->layer[layer]);
	dir = box_open_in(rn->box, path, O_RDONLY | O_DIRECTORY);
	if (dir >= 0)
		(void)origins_open(dir, &rn->log[layer]);
	return rn->log[layer];
}

/* The records under this name that were right about the object before are right about it again. */
static void renew_name(struct renewal *rn, const char *name, const struct stat *before, const struct stat *now)
{
	for (int layer = 0; layer < rn->box->nlayers; layer++) {
		const struct origin *o = name && rn->origins[layer] ? origins_find(rn->origins[layer], name) : NULL;
		struct origin renewed;

		if (!o || !origin_same(o, before))
			continue;
		renewed = *o;
		origin_from_stat(&renewed, now);
		if (open_log(rn, layer) >= 0 && origins_append(rn->log[layer], &renewed) == 0)
			origins_renew(rn->origins[layer], name, now);
	}
}

static void renew_object(struct renewal *rn, const struct journal *j, const struct step *s, struct host *h, const char *path,
                         const struct stat *before)
{
	struct stat now;

	/* Of directories the device and the number count. */
	if (!path || !before->st_mode || S_ISDIR(before->st_mode) || host_stat(h, path, &now) < 0 || now.st_ino != before->st_ino ||
	    now.st_dev != before->st_dev || time_same(&now.st_ctim, &before->st_ctim))
		return;
	/* Somebody has written to it since. */
	if (!stat_same_content(&now, before))
		return;
	renew_name(rn, path, before, &now);
	if (s->item < j->nitems) {
		renew_name(rn, j->items[s->item].path, before, &now);
		renew_name(rn, j->items[s->item].from, before, &now);
	}
}

void renew_origins(const struct box *box, struct origins *const origins[], const struct journal *j, struct host *h)
{
	struct renewal rn = { .box = box, .origins = origins };

	for (int i = 0; i < BOX_LAYERS_MAX; i++)
		rn.log[i] = -1;
	for (size_t i = 0; i < j->nsteps; i++) {
		renew_object(&rn, j, &j->steps[i], h, j->steps[i].a, &j->steps[i].at_a);
		renew_object(&rn, j, &j->steps[i], h, j->steps[i].b, &j->steps[i].at_b);
	}
	for (int i = 0; i < BOX_LAYERS_MAX; i++)
		fd_closep(&rn.log[i]);
}
