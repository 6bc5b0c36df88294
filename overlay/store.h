/* store.h - what store.c and box.c share. Private to the overlay.
 *
 * Everything in boxes/ whose name starts with a dot is temporary: ".new-*" boxes being made, ".rm-*" boxes being removed, ".probe-*" and
 * ".last-*" files. Whoever works in such a directory holds flock(LOCK_EX) on it; a free one was left by a crash, and the next store_open
 * with create removes it.
 */
#ifndef COWBOX_OVERLAY_STORE_H
#define COWBOX_OVERLAY_STORE_H

#include "overlay/box.h"

#define STORE_TEMP_MAX 64
/* ".KIND-PID-SERIAL": a name that no other process or thread has now. */
void store_temp_name(char ret[static STORE_TEMP_MAX], const char *kind);
/* Takes off a directory's own descriptor what it inherited (ACLs, set-gid), and makes it 0700. */
int store_make_private(int fd);
/* Renames boxes/NAME aside and removes it. running_fd: holds the running lock, let go of once the box is out of sight; or -1. */
int store_remove_aside(struct store *s, const char *name, int *running_fd, struct err *err);

#endif
