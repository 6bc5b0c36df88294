/* hunks.c - taking some of the changes of one file: finding them, showing, splitting, and putting together what was chosen. */
#include "hunk.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "libgit2.h"

#define NO_NEWLINE "\n\\ No newline at end of file\n"
#define HEADER_MAX 128

/* ---- lines ---- */

static size_t lines_in(const char *text, size_t size)
{
	const char *end = text + size;
	size_t n = 0;

	for (const char *at = text; size && at < end; n++) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));

		at = nl ? nl + 1 : end;
	}
	return n;
}

static void index_lines(struct lines *l)
{
	size_t at = 0;

	for (size_t i = 0; i < l->count; i++) {
		const char *nl = memchr(l->data + at, '\n', l->size - at);

		l->at[i] = (uint32_t)at;
		at = nl ? (size_t)(nl - l->data) + 1 : l->size;
	}
	l->at[l->count] = (uint32_t)l->size;
}

static int lines_copy(const struct merge_side *s, struct lines *ret)
{
	_cleanup_free_ char *data = malloc(s->size + 1);
	size_t count = lines_in(s->data, s->size);
	uint32_t *at = malloc((count + 1) * sizeof *at);

	if (!data || !at) {
		free(at);
		return -ENOMEM;
	}
	if (s->size)
		memcpy(data, s->data, s->size);
	*ret = (struct lines){ .data = TAKE_PTR(data), .size = s->size, .at = at, .count = count };
	index_lines(ret);
	return 0;
}

static size_t lines_bytes(const struct lines *l, size_t from, size_t to)
{
	return l->at[to] - l->at[from];
}

/* ---- finding them ---- */

struct finder {
	struct hunks *h;
	size_t room;
};

/* Without lines on a side, git counts the place from the line before it. */
static size_t git_line(int start, int lines)
{
	return (size_t)(lines ? start - 1 : start);
}

static int found(const git_diff_delta *delta, const git_diff_hunk *hunk, void *payload)
{
	struct finder *f = payload;
	struct hunks *h = f->h;

	(void)delta;
	if (h->nchanges == f->room) {
		size_t room = f->room ? 2 * f->room : 64;
		struct change *more = reallocarray(h->changes, room, sizeof *more);

		if (!more)
			return -1;
		h->changes = more;
		f->room = room;
	}
	h->changes[h->nchanges++] = (struct change){
		.old_at = git_line(hunk->old_start, hunk->old_lines),
		.old_n = (size_t)hunk->old_lines,
		.new_at = git_line(hunk->new_start, hunk->new_lines),
		.new_n = (size_t)hunk->new_lines,
	};
	return 0;
}

/* Without context a hunk of git's is one change. */
static int find_changes(struct hunks *h, const struct libgit2 *git)
{
	struct finder f = { .h = h };
	git_diff_options opt;
	int r;

	if (git->diff_options_init(&opt, GIT_DIFF_OPTIONS_VERSION) < 0)
		return -EINVAL;
	opt.flags = GIT_DIFF_FORCE_TEXT;
	opt.context_lines = 0;
	opt.interhunk_lines = 0;
	r = git->diff_buffers(h->old.data, h->old.size, NULL, h->new.data, h->new.size, NULL, &opt, NULL, NULL, found, NULL, &f);
	return r == 0 ? 0 : -ENOMEM;
}

/* The lines of the old text from `from` up to `to` are those of the new text from `at` on. */
static bool gap_equal(const struct hunks *h, size_t from, size_t to, size_t at)
{
	size_t n = to - from, bytes;

	if (to < from || to > h->old.count || at > h->new.count || n > h->new.count - at)
		return false;
	bytes = lines_bytes(&h->old, from, to);
	return bytes == lines_bytes(&h->new, at, at + n) &&
	       memcmp(h->old.data + h->old.at[from], h->new.data + h->new.at[at], bytes) == 0;
}

/* Gives each change its text. What is promised of all hunks together rests on the numbers from outside: they are looked at, not trusted. */
static int take_changes(struct hunks *h)
{
	size_t old = 0, new = 0;

	for (size_t k = 0; k < h->nchanges; k++) {
		struct change *c = &h->changes[k];

		if (!gap_equal(h, old, c->old_at, new) || new + (c->old_at - old) != c->new_at || (k && c->old_at == old) ||
		    c->old_n > h->old.count - c->old_at || c->new_n > h->new.count - c->new_at)
			return -EBADMSG;
		c->text = h->new.data + h->new.at[c->new_at];
		c->size = lines_bytes(&h->new, c->new_at, c->new_at + c->new_n);
		old = c->old_at + c->old_n;
		new = c->new_at + c->new_n;
	}
	return gap_equal(h, old, h->old.count, new) && h->old.count - old == h->new.count - new ? 0 : -EBADMSG;
}

static bool near(const struct hunks *h, size_t k)
{
	return k && h->changes[k].old_at - (h->changes[k - 1].old_at + h->changes[k - 1].old_n) <= 2 * h->context;
}

static int group_changes(struct hunks *h)
{
	size_t n = 0;

	for (size_t k = 0; k < h->nchanges; k++)
		n += !near(h, k);
	h->list = calloc(n + 1, sizeof *h->list);
	if (!h->list)
		return -ENOMEM;
	for (size_t k = 0; k < h->nchanges; k++) {
		if (!near(h, k))
			h->list[h->count++].changes = &h->changes[k];
		h->list[h->count - 1].count++;
	}
	return 0;
}

static int compare(struct hunks *h, const struct merge_side *old, const struct merge_side *new, struct err *err)
{
	const struct libgit2 *git;
	int r = merge_side_check(old, "the old text", err);

	if (r == 0)
		r = merge_side_check(new, "the new text", err);
	if (r == 0)
		r = libgit2_load(&git, err);
	if (r < 0)
		return r;
	r = lines_copy(old, &h->old);
	if (r == 0)
		r = lines_copy(new, &h->new);
	if (r == 0)
		r = find_changes(h, git);
	if (r == 0)
		r = take_changes(h);
	if (r == 0)
		r = group_changes(h);
	return r < 0 ? err_sys(err, r, "the texts cannot be compared") : 0;
}

int hunks_new(const struct merge_side *old, const struct merge_side *new, unsigned context, struct hunks **ret, struct err *err)
{
	_cleanup_hunks_ struct hunks *h = calloc(1, sizeof *h);
	int r;

	if (!h)
		return err_sys(err, -ENOMEM, "the texts cannot be compared");
	h->context = context < MERGE_LINES_MAX ? context : MERGE_LINES_MAX;
	r = compare(h, old, new, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(h);
	return 0;
}

void edit_free(struct edit *e)
{
	free(e->changes);
	free(e->text);
	free(e);
}

void hunks_free(struct hunks *h)
{
	if (!h)
		return;
	for (struct edit *e = h->edits, *next; e; e = next) {
		next = e->next;
		edit_free(e);
	}
	free(h->old.data);
	free(h->old.at);
	free(h->new.data);
	free(h->new.at);
	free(h->changes);
	free(h->list);
	free(h);
}

void hunks_freep(struct hunks **h)
{
	hunks_free(*h);
}

size_t hunks_count(const struct hunks *h)
{
	return h->count;
}

enum hunk_state hunks_state(const struct hunks *h, size_t i)
{
	assert(i < h->count);
	return h->list[i].state;
}

void hunks_decide(struct hunks *h, size_t i, enum hunk_state state)
{
	assert(i < h->count);
	h->list[i].state = state;
}

/* ---- showing ---- */

static size_t hunk_end(const struct hunk *hunk)
{
	const struct change *last = &hunk->changes[hunk->count - 1];

	return last->old_at + last->old_n;
}

struct range hunk_shown(const struct hunks *h, size_t i)
{
	const struct hunk *hunk = &h->list[i];
	size_t first = hunk->changes[0].old_at, end = hunk_end(hunk);
	size_t before = first - (i ? hunk_end(hunk - 1) : 0);
	size_t after = (i + 1 < h->count ? hunk[1].changes[0].old_at : h->old.count) - end;

	return (struct range){ first - (before < h->context ? before : h->context),
		               end + (after < h->context ? after : h->context) };
}

void hunk_renumber(struct hunks *h)
{
	size_t old = 0, new = 0;

	for (size_t i = 0; i < h->count; i++)
		for (size_t k = 0; k < h->list[i].count; k++) {
			struct change *c = &h->list[i].changes[k];

			c->new_at = new + (c->old_at - old);
			old = c->old_at + c->old_n;
			new = c->new_at + c->new_n;
		}
}

/* Room enough for the text of a hunk, its two newlines that may be missing among it. */
static size_t text_room(const struct hunks *h, const struct hunk *hunk, struct range r)
{
	size_t n = HEADER_MAX + 2 * sizeof NO_NEWLINE + lines_bytes(&h->old, r.from, r.to) + (r.to - r.from);

	for (size_t k = 0; k < hunk->count; k++)
		n += hunk->changes[k].size + hunk->changes[k].new_n;
	return n;
}

static char *put_header(char *to, const struct hunk *hunk, struct range r)
{
	const struct change *first = &hunk->changes[0];
	size_t a = r.from, b = r.to - r.from, c = first->new_at - (first->old_at - r.from), d = b;

	for (size_t k = 0; k < hunk->count; k++)
		d = d - hunk->changes[k].old_n + hunk->changes[k].new_n;
	return to + snprintf(to, HEADER_MAX, "@@ -%zu,%zu +%zu,%zu @@\n", b ? a + 1 : a, b, d ? c + 1 : c, d);
}

static char *put_lines(char *to, char sign, const char *text, size_t size)
{
	const char *end = text + size;

	for (const char *at = text; at < end;) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((nl ? nl + 1 : end) - at);

		*to++ = sign;
		to = mempcpy(to, at, n);
		if (!nl)
			to = mempcpy(to, NO_NEWLINE, sizeof NO_NEWLINE - 1);
		at += n;
	}
	return to;
}

static char *put_old(char *to, char sign, const struct lines *l, size_t from, size_t end)
{
	return put_lines(to, sign, l->data + l->at[from], lines_bytes(l, from, end));
}

int hunks_text(const struct hunks *h, size_t i, char **ret, size_t *ret_size)
{
	const struct hunk *hunk = &h->list[i];
	struct range shown;
	size_t room, at;
	char *text, *to;

	assert(i < h->count);
	shown = hunk_shown(h, i);
	room = text_room(h, hunk, shown);
	text = malloc(room);
	if (!text)
		return -ENOMEM;
	to = put_header(text, hunk, shown);
	at = shown.from;
	for (size_t k = 0; k < hunk->count; k++) {
		const struct change *c = &hunk->changes[k];

		to = put_old(to, ' ', &h->old, at, c->old_at);
		at = c->old_at + c->old_n;
		to = put_old(to, '-', &h->old, c->old_at, at);
		to = put_lines(to, '+', c->text, c->size);
	}
	to = put_old(to, ' ', &h->old, at, shown.to);
	assert((size_t)(to - text) < room);
	*to = '\0';
	*ret = text;
	*ret_size = (size_t)(to - text);
	return 0;
}

/* ---- splitting ---- */

bool hunks_can_split(const struct hunks *h, size_t i)
{
	assert(i < h->count);
	return h->list[i].count > 1;
}

int hunks_split(struct hunks *h, size_t i)
{
	struct hunk whole, *more;

	assert(i < h->count);
	whole = h->list[i];
	if (whole.count == 1)
		return 1;
	more = reallocarray(h->list, h->count + whole.count - 1, sizeof *more);
	if (!more)
		return -ENOMEM;
	h->list = more;
	memmove(&more[i + whole.count], &more[i + 1], (h->count - i - 1) * sizeof *more);
	for (size_t k = 0; k < whole.count; k++)
		more[i + k] = (struct hunk){ .changes = &whole.changes[k], .count = 1, .state = whole.state };
	h->count += whole.count - 1;
	return (int)whole.count;
}

/* ---- what was chosen ---- */

static size_t result_size(const struct hunks *h)
{
	size_t n = h->old.size;

	for (size_t i = 0; i < h->count; i++)
		for (size_t k = 0; h->list[i].state == HUNK_CHOSEN && k < h->list[i].count; k++) {
			const struct change *c = &h->list[i].changes[k];

			n = n - lines_bytes(&h->old, c->old_at, c->old_at + c->old_n) + c->size;
		}
	return n;
}

static char *copy_old(char *to, const struct lines *l, size_t from, size_t end)
{
	return mempcpy(to, l->data + l->at[from], lines_bytes(l, from, end));
}

int hunks_result(const struct hunks *h, char **ret, size_t *ret_size)
{
	size_t size = result_size(h), at = 0;
	char *text = malloc(size + 1), *to = text;

	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < h->count; i++)
		for (size_t k = 0; h->list[i].state == HUNK_CHOSEN && k < h->list[i].count; k++) {
			const struct change *c = &h->list[i].changes[k];

			to = copy_old(to, &h->old, at, c->old_at);
			to = mempcpy(to, c->text, c->size);
			at = c->old_at + c->old_n;
		}
	to = copy_old(to, &h->old, at, h->old.count);
	assert((size_t)(to - text) == size);
	*to = '\0';
	*ret = text;
	*ret_size = size;
	return 0;
}
