/* undo_split.c - files that had several names before the commit, and whose others are not known: where the entry is on another file system than the
 * host, what comes back of them is a copy, and one file with them no more.
 */
#include "undo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/stat.h"

struct split {
	struct undo *u;
	const struct step **takers; /* takers: steps of the commit by the number that what they took away is kept under */
	const struct step *last;    /* last: of which the place was looked for last, and that: the step of the undo, or NULL */
	const struct step *back;
};

static int fill_takers(struct split *s)
{
	const struct journal *n = &s->u->n;

	s->takers = calloc((size_t)n->kept + 1, sizeof *s->takers);
	if (!s->takers)
		return -ENOMEM;
	for (size_t k = 0; k < n->nsteps; k++)
		if (n->steps[k].old != OLD_NONE && !s->u->skip[k])
			s->takers[n->steps[k].kept] = &n->steps[k];
	return 0;
}

static const char *last_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* The step of the undo that gave what was taken away its name again: its temporary one has not its like. */
static const struct step *find_back(struct split *s, const struct step *taker)
{
	const struct journal *u = &s->u->u;
	const char *temp = last_name(taker->old == OLD_A ? taker->a : taker->b);

	if (taker == s->last)
		return s->back;
	s->last = taker;
	s->back = NULL;
	for (size_t k = 0; k < u->nsteps && !s->back; k++) {
		const struct step *b = &u->steps[k];

		if (b->kind == STEP_RENAME &&
		    (strcmp(last_name(b->a), temp) == 0 || (b->exchange && strcmp(last_name(b->b), temp) == 0)))
			s->back = b;
	}
	return s->back;
}

/* Where the host has a copy of the entry's now. */
static bool find_place(struct split *s, const char *kept, char ret[static PATH_MAX])
{
	const struct journal *u = &s->u->u;
	const char *rest = strchr(kept, '/'), *temp;
	const struct step *taker, *back;
	char path[PATH_MAX];
	unsigned number;

	if (sscanf(kept, "o%u", &number) != 1 || number > s->u->n.kept || !s->takers[number])
		return false;
	taker = s->takers[number];
	back = find_back(s, taker);
	if (!back)
		return false;
	temp = last_name(taker->old == OLD_A ? taker->a : taker->b);
	return path_join(path, sizeof path, strcmp(last_name(back->a), temp) == 0 ? back->b : back->a, rest ? rest + 1 : "") >= 0 &&
	       replay_forward(u, (size_t)(back - u->steps), path, ret) == 0;
}

static void tell(struct split *s, const struct place *copy)
{
	char path[PATH_MAX], text[160];
	struct stat now;
	nlink_t others;

	if (replay_other_name(&s->u->n, &copy->st) || !find_place(s, copy->path, path) || undo_stat(s->u, path, &now) < 0 ||
	    (now.st_mode & S_IFMT) != (copy->st.st_mode & S_IFMT) || now.st_nlink >= copy->st.st_nlink)
		return;
	others = copy->st.st_nlink - now.st_nlink;
	snprintf(text, sizeof text,
	         "it is a copy now, since the history is on another file system: %lu other name%s of the file stay%s as the commit "
	         "left %s",
	         (unsigned long)others, others == 1 ? "" : "s", others == 1 ? "s" : "", others == 1 ? "it" : "them");
	undo_note(s->u, path, text);
}

int undo_tell_split(struct undo *u)
{
	struct split s = { .u = u };
	int r = u->n.copies.count ? fill_takers(&s) : 0;

	for (size_t i = 0; i < u->n.copies.count && r == 0; i++)
		tell(&s, &u->n.copies.list[i]);
	free(s.takers);
	return r;
}
