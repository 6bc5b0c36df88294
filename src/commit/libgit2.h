/* libgit2.h - libgit2, loaded when it is first needed.
 *
 * Only diffs and merges need it, and it brings some fifteen libraries along: linking it would double the time that every `cowbox run` takes to
 * start. */
#ifndef COWBOX_COMMIT_LIBGIT2_H
#define COWBOX_COMMIT_LIBGIT2_H

#include <git2.h>
#include "base/err.h"

struct libgit2 {
	__typeof__(git_libgit2_init) *init;
	__typeof__(git_libgit2_shutdown) *shutdown;
	__typeof__(git_diff_options_init) *diff_options_init;
	__typeof__(git_diff_buffers) *diff_buffers;
	__typeof__(git_merge_file) *merge_file;
	__typeof__(git_merge_file_result_free) *merge_file_result_free;
};

/* Loads it, and sets it up, once for the process. *ret is static. -ENOSYS and a line in err when it is not installed. */
int libgit2_load(const struct libgit2 **ret, struct err *err);

#endif
