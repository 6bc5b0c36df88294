/* path.h - the three kinds of path, and text operations on them.
 *
 * A path in the view, a path on the host and a path in a layer name different things by equal text. They are three types so that
 * mixing them does not compile. All three borrow their text. View and host paths are absolute and canonical: they start with
 * "/", hold no ".", "..", "//" and no trailing slash (the root is "/"). A layer path is relative to the layer's tree, without a
 * leading slash (the root is ".").
 */
#ifndef COWBOX_BASE_PATH_H
#define COWBOX_BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>

struct vpath { const char *s; };
struct hpath { const char *s; };
struct lpath { const char *s; };

/* The text of an absolute canonical path as openat() below a root directory fd wants it: "usr/lib", or "." for the root. */
static inline const char *path_relative(const char *abs)
{
	return abs[0] == '/' && abs[1] ? abs + 1 : ".";
}

/* True when path is dir itself or below it; *ret_rest (may be NULL) is what follows ("" or "/x/y"). */
bool path_below(const char *path, const char *dir, const char **ret_rest);
/* Below /dev, where names are devices and links into /proc; but /dev/shm has files like any directory. */
bool path_in_dev(const char *path);
/* Joins dir and name with one slash; -ENAMETOOLONG when it does not fit in size. Returns the length. A slash that either has at the
 * seam is not doubled; an empty name gives dir alone; the layer root "." gives name alone. */
int path_join(char *ret, size_t size, const char *dir, const char *name);
/* The last component (borrowed), and the parent written to ret_dir. "/" has the name "" and the parent "/"; a
 * relative path of one component has the parent ".". ret_dir may be NULL; NULL is returned when it is too small. */
const char *path_split(const char *path, char *ret_dir, size_t size);
/* Removes ".", "//" and trailing slashes; resolves ".." textually. Only for paths a person typed on our command line.
 * Returns the length, -ENOENT for an empty path, -ENAMETOOLONG. */
int path_normalize(const char *path, const char *cwd, char *ret, size_t size);
/* For terminals: control characters, and bytes that are not UTF-8, as octal escapes, and a backslash doubled: no two paths look the same.
 * Returns ret. */
char *path_printable(const char *path, char *ret, size_t size);
/* The same for text that may have been made printable before: its backslashes stay as they are. */
char *text_printable(const char *text, char *ret, size_t size);

#endif
