/* history_held.c - which of the objects in an entry is what. */
#include "commit/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/sys.h"
#include "host_spot.h"
#include "journal.h"

struct held {
	const struct journal *j;
	struct history_held *list;
	size_t count, room;
};

void history_held_free(struct history_held *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i].path);
	free(list);
}

static int add(struct held *h, const struct step *s, const char *name)
{
	struct stat st;

	/* What the host had under another name, too, is not kept. */
	if (sys_fstatat(h->j->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (array_room(&h->list, h->count, &h->room, sizeof *h->list) < 0)
		return -ENOMEM;
	h->list[h->count] = (struct history_held){ .directory = S_ISDIR(st.st_mode), .path = strdup(replay_shown(h->j, s)) };
	snprintf(h->list[h->count].name, sizeof h->list->name, "%s", name);
	return h->list[h->count++].path ? 0 : -ENOMEM;
}

static int add_step(struct held *h, const struct step *s)
{
	char name[JOURNAL_KEPT_MAX];
	int r = 0;

	/* Of other metadata the journal tells all that is not extended attributes. */
	if (s->kept && (s->old != OLD_NONE || s->kind == STEP_WRITE)) {
		journal_kept_name(s->kept, s->old != OLD_NONE, name);
		r = add(h, s, name);
	}
	/* Of what was taken back. */
	if (r == 0 && h->j->back != SIZE_MAX) {
		replay_saved_name(h->j, s, name);
		r = add(h, s, name);
	}
	return r;
}

int history_held(struct store *store, unsigned number, struct history_held **ret, size_t *ret_count, struct err *err)
{
	_cleanup_close_ int history = -1;
	_cleanup_journal_ struct journal j;
	struct held h = { .j = &j };
	int r = history_dir(store->path, false, &history);

	journal_init(&j);
	if (r == 0)
		r = journal_load(&j, history, -1, number);
	for (size_t k = 0; k < j.nsteps && r == 0; k++)
		r = add_step(&h, &j.steps[k]);
	if (r < 0) {
		history_held_free(h.list, h.count);
		return err_sys(err, r, "%s/history/%u cannot be read", store->path, number);
	}
	*ret = h.list;
	*ret_count = h.count;
	return 0;
}
