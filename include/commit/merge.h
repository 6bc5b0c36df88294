/* merge.h - the content of one file, from two sides that both changed it.
 *
 * Calling sequence:
 *     merge_side_read(fd, &side)         for each side
 *     merge_text(&base, &box, &host, "box NAME", "host", 0, &merged, err)
 *         1: merged is what both sides want
 *         0: merged has markers; let a person edit it, then ask merge_has_markers(), with merged.marker_size
 *     merged_release(&merged), merge_side_release(&side)
 *
 * Nothing here looks at names, the plan or the host.
 *
 * Lines are compared byte for byte, with what ends them: "a\r\n" and "a\n" are two lines. Where the two sides agree the result has exactly their
 * bytes. In a conflict it has the box's lines, then the host's:
 *
 *     <<<<<<< box NAME
 *     what the box has
 *     ||||||| original              (with MERGE_ORIGINAL)
 *     what both began with          (with MERGE_ORIGINAL)
 *     =======
 *     what the host has
 *     >>>>>>> host
 *
 * A last line without a newline gets one there, since a marker follows. Markers end as the lines around them do: with "\r\n" where those do.
 * The markers are seven characters long unless a side has a line that could be taken for one of that length: then so much longer that no line
 * of any side can. So a line of the result is a marker if, and only if, it is one by merge_has_markers.
 */
#ifndef COWBOX_COMMIT_MERGE_H
#define COWBOX_COMMIT_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

/* What a side may have: more is no text that a person would merge, and libgit2 takes some 70 bytes of memory for each line of it. */
#define MERGE_SIZE_MAX ((size_t)8 << 20)
#define MERGE_LINES_MAX ((size_t)2 << 20)

struct merge_side {
	char *data; /* data: may be NULL when size is 0 */
	size_t size;
};

/* Reads from where fd is to its end, whatever its size is said to be or becomes. -EFBIG beyond MERGE_SIZE_MAX; fd's position is then anywhere.
 * A file that is being written gives what each read found: who cares compares its times before and after. */
int merge_side_read(int fd, struct merge_side *ret);
void merge_side_release(struct merge_side *s);
#define _cleanup_merge_side_ __attribute__((cleanup(merge_side_release)))
/* 0: it can be merged line by line. -EFBIG: it is beyond a limit above; -EMEDIUMTYPE: it is binary, as git judges (a NUL byte among the first
 * 8000). what: whose it is, for the message: "the box's file". */
int merge_side_check(const struct merge_side *s, const char *what, struct err *err);

enum merge_flags { MERGE_ORIGINAL = 1 /* MERGE_ORIGINAL: conflicts show the original too (git's diff3 style) */ };

struct merged {
	char *data; /* data: owned; never NULL */
	size_t size;
	size_t conflicts;     /* conflicts: the regions between markers */
	unsigned marker_size; /* marker_size: the length of the markers, also when there are none */
};

/* base: what both sides began with, or NULL: both made the file, which counts as an empty base: what they have in common stays, the rest is in
 * conflict, and an empty side gives way to the other. box_label, host_label: what stands behind the markers; made printable, and cut at 255
 * bytes. Returns 1 when the result is clean, 0 when it has conflicts; -EFBIG or -EMEDIUMTYPE as merge_side_check for any of the sides, -ENOMEM,
 * -ENOSYS without libgit2. */
int merge_text(const struct merge_side *base, const struct merge_side *box, const struct merge_side *host, const char *box_label,
               const char *host_label, unsigned flags, struct merged *ret, struct err *err);
void merged_release(struct merged *m);
#define _cleanup_merged_ __attribute__((cleanup(merged_release)))

/* True when a line looks like a marker of this size: exactly so many of one of "<|=>" at its start, and then a blank or its end. */
bool merge_has_markers(const char *buf, size_t size, unsigned marker_size);

#endif
