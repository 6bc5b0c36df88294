/* store.h - what store.c and the files of a box (box.c, box_make.c, box_json.c, origins.c) share. Private to the overlay.
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

#define BOX_DIR_FLAGS (O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define BOX_COMMAND_MAX 4096

/* ---- box.c ---- */
struct box *box_alloc(void);
/* Fills in the name and the paths; -ENAMETOOLONG. */
int box_set_paths(struct box *b, struct store *s, const char *name);
/* Opens a regular file of the box (-EBADMSG: it is something else), or of one of its layers, beneath it and through no link. */
int box_open_file(int dirfd, const char *name, uint64_t flags);
/* Opens the lock file, making it when it is missing, and maps the counter in it. */
int box_open_lock(struct box *b);
/* Every reason for which a box cannot be opened is told with the way out. Returns -EBADMSG. */
int box_damaged(struct err *err, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* ---- box_json.c ---- */
int box_write_json(const struct box *b, int dirfd);
/* Reads and checks created, command, profile and layers. */
int box_read_json(struct box *b, struct err *err);

#endif
