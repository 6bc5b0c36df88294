/* hunk_edit.c - a hunk as a person edited it, read back into changes.
 *
 * The lines are walked along the old text from where the hunk began. A run of '-' and '+' lines is one change, whatever their order; a ' ' line ends
 * it. What the lines claim of the old text is compared with it, so the result is sound for any bytes. */
#include "hunk.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"

#define SHOWN_MAX 60

struct line {
	char sign;        /* sign: ' ', '-' or '+' */
	const char *text; /* text: without sign and newline; borrowed from what was edited */
	size_t size;
	bool newline;
	size_t number; /* number: from 1, in what was edited */
};

struct reader {
	struct hunks *h;
	size_t i;
	struct range r; /* r: lines of the old text that the hunk showed */
	const char *at, *end;
	size_t number; /* number: of the line that was read last */
	bool begun;    /* begun: there was a line that is part of the hunk */
	size_t pos;    /* pos: the next line of the old text */
	struct edit *e;
	size_t room;
	char *to;          /* to: where the next new line goes, in e->text */
	bool open;         /* open: the last change of e goes on */
	struct line added; /* added: its newest '+' line; of no meaning while it has none */
};

static int misfit(struct err *err, size_t number, const char *text, size_t size, const char *why)
{
	char cut[SHOWN_MAX + 1], shown[4 * SHOWN_MAX + 1];

	size = size < SHOWN_MAX ? size : SHOWN_MAX;
	memcpy(cut, text, size);
	cut[size] = '\0';
	return err_set(err, -EINVAL, "line %zu of the edited hunk (\"%s\") %s", number, text_printable(cut, shown, sizeof shown),
	               why);
}

static int misfit_line(struct err *err, const struct line *l, const char *why)
{
	char cut[SHOWN_MAX];
	size_t n = l->size < SHOWN_MAX - 1 ? l->size : SHOWN_MAX - 1;

	cut[0] = l->sign;
	memcpy(cut + 1, l->text, n);
	return misfit(err, l->number, cut, n + 1, why);
}

/* ---- lines ---- */

static const char *after_line(const char *at, const char *end)
{
	const char *nl = memchr(at, '\n', (size_t)(end - at));

	return nl ? nl + 1 : end;
}

/* Nothing but what ends it. */
static bool empty_line(const char *at, const char *next)
{
	return *at == '\n' || (next - at == 2 && at[0] == '\r' && at[1] == '\n');
}

/* Where the last line ends that is neither empty nor a comment: empty lines at the end are what editors leave there. */
static const char *end_of_hunk(const char *at, const char *end)
{
	const char *last = at;

	while (at < end) {
		const char *next = after_line(at, end);

		if (*at != '#' && !empty_line(at, next))
			last = next;
		at = next;
	}
	return last;
}

/* Takes the "\ No newline ..." that may follow a line. */
static void take_no_newline(struct reader *rd, struct line *l)
{
	if (rd->at == rd->end || *rd->at != '\\')
		return;
	rd->at = after_line(rd->at, rd->end);
	rd->number++;
	l->newline = false;
}

/* The next line that is part of the hunk: 1; 0 at the end. */
static int next_line(struct reader *rd, struct line *ret, struct err *err)
{
	while (rd->at < rd->end) {
		const char *at = rd->at, *next = after_line(at, rd->end);
		size_t size = (size_t)(next - at) - (next[-1] == '\n');

		rd->at = next;
		rd->number++;
		if (*at == '#')
			continue;
		if (!rd->begun && size >= 2 && memcmp(at, "@@", 2) == 0) {
			rd->begun = true;
			continue;
		}
		rd->begun = true;
		*ret = (struct line){ .sign = ' ', .text = at, .size = size, .newline = true, .number = rd->number };
		/* The blank that a line without text begins with is lost in editors that remove blanks at the end of lines. */
		if (!empty_line(at, next)) {
			if (*at != ' ' && *at != '-' && *at != '+')
				return misfit(err, rd->number, at, size, "begins with none of ' ', '-', '+' and '#'");
			ret->sign = *at;
			ret->text++;
			ret->size--;
		}
		take_no_newline(rd, ret);
		return 1;
	}
	return 0;
}

/* ---- changes ---- */

/* The change that the next '-' or '+' line belongs to. */
static struct change *change_open(struct reader *rd)
{
	struct edit *e = rd->e;

	if (rd->open)
		return &e->changes[e->count - 1];
	if (e->count == rd->room) {
		size_t room = rd->room ? 2 * rd->room : 8;
		struct change *more = reallocarray(e->changes, room, sizeof *more);

		if (!more)
			return NULL;
		e->changes = more;
		rd->room = room;
	}
	rd->open = true;
	e->changes[e->count] = (struct change){ .old_at = rd->pos, .text = rd->to };
	return &e->changes[e->count++];
}

static bool old_ends_bare(const struct lines *old)
{
	return old->size && old->data[old->size - 1] != '\n';
}

/* Judges a change of which all lines are known (hunk.h, I2). */
static int change_close(struct reader *rd, struct err *err)
{
	const struct lines *old = &rd->h->old;
	const struct change *c;
	bool last;

	if (!rd->open)
		return 0;
	rd->open = false;
	c = &rd->e->changes[rd->e->count - 1];
	if (!c->size)
		return 0;
	last = c->old_at + c->old_n == old->count && rd->i + 1 == rd->h->count;
	if (!rd->added.newline && !last)
		return misfit_line(err, &rd->added, "has no newline, but there is more behind it");
	if (c->old_at == old->count && old_ends_bare(old))
		return misfit_line(err, &rd->added, "comes behind a line without a newline");
	return 0;
}

/* A line with ' ' or '-' must be the next one of the old text. */
static int match_old(struct reader *rd, const struct line *l, struct err *err)
{
	const struct lines *old = &rd->h->old;
	const char *text;
	size_t size;
	bool newline;

	if (rd->pos >= rd->r.to)
		return misfit_line(err, l, "is beyond the lines that the hunk had");
	text = old->data + old->at[rd->pos];
	size = old->at[rd->pos + 1] - old->at[rd->pos];
	newline = text[size - 1] == '\n';
	size -= newline;
	if (l->size != size || memcmp(l->text, text, size) != 0)
		return misfit_line(err, l, "is not what the file has there");
	if (l->newline != newline)
		return misfit_line(err, l, newline ? "has a newline in the file" : "has no newline in the file");
	return 0;
}

static int take_old(struct reader *rd, const struct line *l, struct err *err)
{
	struct change *c;
	int r = match_old(rd, l, err);

	if (r < 0)
		return r;
	if (l->sign == ' ') {
		rd->pos++;
		return change_close(rd, err);
	}
	c = change_open(rd);
	if (!c)
		return err_sys(err, -ENOMEM, "the edited hunk");
	c->old_n++;
	rd->pos++;
	return 0;
}

static int take_new(struct reader *rd, const struct line *l, struct err *err)
{
	struct change *c = change_open(rd);

	if (!c)
		return err_sys(err, -ENOMEM, "the edited hunk");
	if (c->size && !rd->added.newline)
		return misfit_line(err, &rd->added, "has no newline, but there is more behind it");
	if (!l->newline && !l->size)
		return misfit_line(err, l, "is no line: it has neither text nor a newline");
	if ((size_t)(rd->to - rd->e->text) + l->size + l->newline > MERGE_SIZE_MAX)
		return err_set(err, -EFBIG, "the edited hunk adds more than %zu MiB", MERGE_SIZE_MAX >> 20);
	rd->to = mempcpy(rd->to, l->text, l->size);
	if (l->newline)
		*rd->to++ = '\n';
	c->size += l->size + l->newline;
	c->new_n++;
	rd->added = *l;
	return 0;
}

static int read_all(struct reader *rd, struct err *err)
{
	struct line l;
	int r;

	while ((r = next_line(rd, &l, err)) > 0) {
		r = l.sign == '+' ? take_new(rd, &l, err) : take_old(rd, &l, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : change_close(rd, err);
}

/* ---- the edit ---- */

static void edit_freep(struct edit **e)
{
	if (*e)
		edit_free(*e);
}

/* size: of what was edited. Each new line takes one byte less than its text there, or as many when the last has no newline. */
static struct edit *edit_new(size_t size)
{
	struct edit *e = calloc(1, sizeof *e);

	if (!e)
		return NULL;
	e->text = malloc(size + 1);
	if (!e->text) {
		free(e);
		return NULL;
	}
	return e;
}

/* Changes of the hunk's own edit stay too: another hunk may be a piece of the same. */
static void adopt(struct hunks *h, size_t i, struct edit *e)
{
	e->next = h->edits;
	h->edits = e;
	h->list[i] = (struct hunk){ .changes = e->changes, .count = e->count, .state = HUNK_CHOSEN };
	hunk_renumber(h);
}

int hunks_edit(struct hunks *h, size_t i, const char *text, size_t size, struct err *err)
{
	_cleanup_(edit_freep) struct edit *e = NULL;
	struct reader rd;
	int r;

	assert(i < h->count);
	if (size > HUNKS_EDIT_MAX)
		return err_set(err, -EFBIG, "the edited hunk is larger than %zu MiB", HUNKS_EDIT_MAX >> 20);
	e = edit_new(size);
	if (!e)
		return err_sys(err, -ENOMEM, "the edited hunk");
	rd = (struct reader){ .h = h, .i = i, .r = hunk_shown(h, i), .e = e, .to = e->text };
	rd.pos = rd.r.from;
	rd.at = size ? text : "";
	rd.end = end_of_hunk(rd.at, rd.at + size);
	r = read_all(&rd, err);
	if (r < 0)
		return r;
	if (e->count == 0) {
		h->list[i].state = HUNK_LEFT;
		return 0;
	}
	adopt(h, i, TAKE_PTR(e));
	return 1;
}
