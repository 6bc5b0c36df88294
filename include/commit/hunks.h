/* hunks.h - taking some of the changes of one file, hunk by hunk, as `git add -p` does. No terminal is asked: a caller shows hunks_text, and tells
 * what was answered.
 *
 * Calling sequence:
 *     hunks_new(&old, &new, 3, &h, err)      old: what the host has; new: what the box has
 *     for each i below hunks_count(h):       which grows when a hunk is split
 *         hunks_text(h, i, ...)              shown to a person, who says one of
 *             hunks_decide(h, i, HUNK_CHOSEN or HUNK_LEFT)
 *             hunks_split(h, i)              i is then the first piece, i + 1 the next
 *             hunks_edit(h, i, text, ...)    with what the editor gave back
 *     hunks_result(h, ...)                   the old text with what was chosen
 *     hunks_free(h)
 *
 * A hunk is a run of changes, with lines of the old text around and between them; each change takes some lines of the old text away and puts
 * others there. The changes of all hunks are in order and never overlap, edited or not: any set of hunks can be chosen. All together give the new
 * text byte for byte, none the old one.
 *
 * i is always below hunks_count(h). Nothing is undone when a function fails: the hunks are then as they were.
 */
#ifndef COWBOX_COMMIT_HUNKS_H
#define COWBOX_COMMIT_HUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "commit/merge.h"

/* What an editor may give back for one hunk; the largest hunk there is stays below it. */
#define HUNKS_EDIT_MAX (3 * MERGE_SIZE_MAX)

struct hunks;
enum hunk_state { HUNK_UNDECIDED, HUNK_CHOSEN, HUNK_LEFT };

/* Compares the two, of which it keeps copies. context: how many unchanged lines are shown around changes; what is nearer together than
 * twice as many lines is one hunk. Texts that are equal have no hunks. -EFBIG or -EMEDIUMTYPE as merge_side_check, -ENOMEM, -ENOSYS without libgit2. */
int hunks_new(const struct merge_side *old, const struct merge_side *new, unsigned context, struct hunks **ret, struct err *err);
void hunks_free(struct hunks *h);
void hunks_freep(struct hunks **h);
#define _cleanup_hunks_ __attribute__((cleanup(hunks_freep)))

size_t hunks_count(const struct hunks *h);
enum hunk_state hunks_state(const struct hunks *h, size_t i);
void hunks_decide(struct hunks *h, size_t i, enum hunk_state state);

/* The hunk as unified diff: "@@ -a,b +c,d @@", then lines with ' ', '-' or '+' before them, and "\ No newline at end of file" behind one that has none.
 * c counts as if all hunks before were chosen. *ret is for free(3), and has a NUL byte behind its size. -ENOMEM. */
int hunks_text(const struct hunks *h, size_t i, char **ret, size_t *ret_size);

/* True when unchanged lines lie between changes of the hunk. */
bool hunks_can_split(const struct hunks *h, size_t i);
/* Makes a hunk of each change of hunk i, in the state that it had. The hunks behind move up. Returns the number of pieces, 1 when it cannot be split;
 * -ENOMEM. Takes time in proportion to all hunks. */
int hunks_split(struct hunks *h, size_t i);

/* Puts in place of hunk i what a person made of its text, and chooses it (1). Lines that begin with '#' are no part of it, nor is one that begins
 * with "@@" before all others; an empty line is an unchanged one that lost its blank, or at the end nothing. The lines with ' ' and '-' must be those
 * of the old text from where the hunk began, in order, and may end before the hunk did. Else -EINVAL, and err names the first line that does
 * not fit. So too for a line without a newline before others. Where nothing is changed any more the hunk stays what it was, and is left (0).
 * -EFBIG when text is larger than HUNKS_EDIT_MAX or adds more than MERGE_SIZE_MAX; -ENOMEM. Takes time in proportion to all changes. */
int hunks_edit(struct hunks *h, size_t i, const char *text, size_t size, struct err *err);

/* The old text with exactly the chosen hunks. *ret is for free(3), and has a NUL byte behind its size. -ENOMEM. */
int hunks_result(const struct hunks *h, char **ret, size_t *ret_size);

#endif
