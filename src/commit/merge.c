/* merge.c - the content of one file, from two sides that both changed it: libgit2's merge of lines, and its markers made unmistakable.
 *
 * (I1) Every line of a result is a line of a side or a marker. It follows from how lines are merged: only the last line of a side can lack its
 *      newline, and nothing but a marker, before which it gets one, can come behind it.
 * (I2) No line of a side looks like a marker of the chosen size. So the markers in the result are ours, and can be counted.
 */
#include "commit/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "libgit2.h"

#define MARKER_MIN 7u
#define LABEL_MAX 256
/* Sizes that are looked at for a marker. Lines that look like markers of each of them would be 33 million bytes, more than three sides can have: one
 * is always free. */
#define MARKER_SIZES 8192u
_Static_assert((size_t)MARKER_SIZES *MARKER_SIZES / 2 > 3 * MERGE_SIZE_MAX + 64, "a marker size may not be found");

/* ---- markers ---- */

static const char *line_end(const char *at, const char *end)
{
	const char *nl = memchr(at, '\n', (size_t)(end - at));

	return nl ? nl + 1 : end;
}

/* The size of the marker that the line from at to end looks like; 0: like none. */
static size_t marker_like(const char *at, const char *end)
{
	const char *s = at;

	if (at == end || !strchr("<|=>", *at) || !*at)
		return 0;
	while (s < end && *s == *at)
		s++;
	return s == end || *s == ' ' || *s == '\n' || *s == '\r' ? (size_t)(s - at) : 0;
}

/* How many lines look like a marker of this size; first: of those that begin with it, or of all when it is 0. */
static size_t count_markers(const char *buf, size_t size, size_t marker_size, char first)
{
	const char *end = buf + size;
	size_t n = 0;

	for (const char *at = buf, *next; size && at < end; at = next) {
		next = line_end(at, end);
		n += marker_like(at, next) == marker_size && (!first || *at == first);
	}
	return n;
}

bool merge_has_markers(const char *buf, size_t size, unsigned marker_size)
{
	return marker_size > 0 && count_markers(buf, size, marker_size, 0) > 0;
}

static void mark_sizes(const struct merge_side *s, bool used[static MARKER_SIZES])
{
	const char *end = s->data + s->size;

	for (const char *at = s->data, *next; s->size && at < end; at = next) {
		size_t n;

		next = line_end(at, end);
		n = marker_like(at, next);
		if (n < MARKER_SIZES)
			used[n] = true;
	}
}

/* (I2) */
static unsigned choose_marker_size(const struct merge_side *base, const struct merge_side *box, const struct merge_side *host)
{
	bool used[MARKER_SIZES] = { false };
	unsigned n = MARKER_MIN;

	mark_sizes(base, used);
	mark_sizes(box, used);
	mark_sizes(host, used);
	while (n < MARKER_SIZES - 1 && used[n])
		n++;
	return n;
}

/* ---- the merge ---- */

static bool sides_equal(const struct merge_side *a, const struct merge_side *b)
{
	return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

/* The side that is the result when only one of the two changed anything, or both changed the same; NULL: there is something to merge. */
static const struct merge_side *only_change(const struct merge_side *base, const struct merge_side *box,
                                            const struct merge_side *host)
{
	if (sides_equal(box, host) || (base && sides_equal(base, host)))
		return box;
	return base && sides_equal(base, box) ? host : NULL;
}

static int keep(const char *data, size_t size, struct merged *ret)
{
	ret->data = malloc(size + 1);
	if (!ret->data)
		return -ENOMEM;
	if (size)
		memcpy(ret->data, data, size);
	ret->data[size] = '\0';
	ret->size = size;
	return 0;
}

static git_merge_file_input input(const struct merge_side *s)
{
	return (git_merge_file_input){ .version = GIT_MERGE_FILE_INPUT_VERSION, .ptr = s->size ? s->data : "", .size = s->size };
}

static int merge_lines(const struct libgit2 *git, const git_merge_file_options *opt, const struct merge_side *base,
                       const struct merge_side *box, const struct merge_side *host, struct merged *ret)
{
	git_merge_file_input in[3] = { input(base), input(box), input(host) };
	git_merge_file_result out = { 0 };
	int r;

	if (git->merge_file(&out, &in[0], &in[1], &in[2], opt) < 0)
		return -ENOMEM;
	r = keep(out.ptr, out.len, ret);
	if (r == 0 && !out.automergeable) {
		ret->conflicts = count_markers(ret->data, ret->size, ret->marker_size, '<');
		/* Never may an unsettled conflict pass for a clean result. */
		if (ret->conflicts == 0)
			r = -EBADMSG;
	}
	git->merge_file_result_free(&out);
	return r;
}

/* Takes what the three have in common as merge_text does it, with both labels printable. */
static int merge_differing(const struct merge_side *base, const struct merge_side *box, const struct merge_side *host,
                           const char *box_label, const char *host_label, unsigned flags, struct merged *ret, struct err *err)
{
	git_merge_file_options opt = { .version = GIT_MERGE_FILE_OPTIONS_VERSION, .ancestor_label = "original" };
	char ours[LABEL_MAX], theirs[LABEL_MAX];
	const struct libgit2 *git;
	int r = libgit2_load(&git, err);

	if (r < 0)
		return r;
	opt.our_label = text_printable(box_label, ours, sizeof ours);
	opt.their_label = text_printable(host_label, theirs, sizeof theirs);
	opt.flags = flags & MERGE_ORIGINAL ? GIT_MERGE_FILE_STYLE_DIFF3 : GIT_MERGE_FILE_STYLE_MERGE;
	opt.marker_size = (unsigned short)ret->marker_size;
	r = merge_lines(git, &opt, base, box, host, ret);
	return r < 0 ? err_sys(err, r, "the lines cannot be merged") : 0;
}

static int check_sides(const struct merge_side *base, const struct merge_side *box, const struct merge_side *host, struct err *err)
{
	int r = merge_side_check(box, "the box's file", err);

	if (r == 0)
		r = merge_side_check(host, "the host's file", err);
	return r < 0 || !base ? r : merge_side_check(base, "the original", err);
}

int merge_text(const struct merge_side *base, const struct merge_side *box, const struct merge_side *host, const char *box_label,
               const char *host_label, unsigned flags, struct merged *ret, struct err *err)
{
	static const struct merge_side empty;
	_cleanup_merged_ struct merged m = { 0 };
	const struct merge_side *only;
	int r = check_sides(base, box, host, err);

	if (r < 0)
		return r;
	m.marker_size = choose_marker_size(base ? base : &empty, box, host);
	only = only_change(base, box, host);
	if (only) {
		r = keep(only->data, only->size, &m);
		r = r < 0 ? err_sys(err, r, "merge") : 0;
	} else {
		r = merge_differing(base ? base : &empty, box, host, box_label, host_label, flags, &m, err);
	}
	if (r < 0)
		return r;
	*ret = (struct merged){ TAKE_PTR(m.data), m.size, m.conflicts, m.marker_size };
	return m.conflicts == 0;
}

void merged_release(struct merged *m)
{
	free(m->data);
	*m = (struct merged){ 0 };
}
