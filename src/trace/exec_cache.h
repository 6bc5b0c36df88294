/* exec_cache.h - copies of programs whose ELF interpreter the box has changed.
 *
 * The kernel finds the loader that PT_INTERP names on the host. Where the view has another one there, what is run is a copy of the
 * program that names the real path of the view's loader:
 *
 *     boxes/NAME/execs/KEY/PROGRAM        KEY: hash of the identities of program and loader, and of the program's view path
 *                                         xattr user.cowbox.view: the view path of the program that it stands for
 *
 * They may be thrown away at any time when nobody runs.
 */
#ifndef COWBOX_TRACE_EXEC_CACHE_H
#define COWBOX_TRACE_EXEC_CACHE_H

#include "overlay/overlay.h"
#include "program.h"

/* The host path of a copy of o (a dynamic program, fd readable) with the loader at real_interp (interp: the object). */
int exec_cache_get(struct overlay *ov, const struct object *o, int fd, const struct program *p, const struct object *interp,
		   char *ret, size_t size);
/* The view path for the host path of such a copy; -ENXIO when it is none. */
int exec_cache_view(struct overlay *ov, const char *real, char *ret, size_t size);

#endif
