/* host_spot.h - where the names of a journal's steps are by now, for those who take steps back (replay.c) and who finish them (finish.c). */
#ifndef COWBOX_COMMIT_HOST_SPOT_H
#define COWBOX_COMMIT_HOST_SPOT_H

#include "replay.h"

struct host_spot {
	int dir; /* dir: of our own */
	struct ident in; /* in: which it is, now */
	const char *name;
	struct stat st; /* st: what is there; st_mode 0: nothing */
	struct door door; /* door: of dir, open as long as we are here */
};
#define HOST_SPOT_NONE ((struct host_spot){ .dir = -1, .door = DOOR_NONE })
void host_spot_release(struct host_spot *s);
#define _cleanup_host_spot_ _cleanup_(host_spot_release)
/* What is at the path, in the directory that it was in. -ESTALE: that is another by now. */
int host_spot_find(struct replay *r, const char *path, struct ident dir, struct host_spot *ret);
bool host_spot_is_same(const struct stat *now, const struct stat *was);

/* The name by which people know what step s is about: not a temporary one, where there is another. */
const char *replay_shown(const struct journal *j, const struct step *s);
/* Tells what is in a directory that step s has given to the host, and that the box never had: before it goes back. -ENOMEM. */
int replay_tell_others(struct replay *r, const struct step *s);
/* Tells of something that could not be put back, and counts it. */
void replay_trouble(struct replay *r, const char *path, const char *what);
/* What was so then has that mode, where it is ours. */
int replay_give_mode(struct replay *r, const char *path, const struct stat *want, mode_t mode);
int replay_set_times(struct replay *r, const struct place *p, bool atime);
/* Of step s, for what replay_save saves. */
void replay_saved_name(const struct journal *j, const struct step *s, char ret[static JOURNAL_KEPT_MAX]);
/* What has no place on the host any more goes into the entry, under a name that is step s's own (R3). -ENOENT: nothing is there. */
int replay_save(struct replay *r, const struct step *s, const struct host_spot *at, char ret_name[static JOURNAL_KEPT_MAX]);
/* A copy of what is there, under the name in the entry, and on the disk; nothing to do when that is there already. -EACCES, -EPERM: it cannot be read,
 * and nothing is there. */
int replay_copy_into_entry(struct replay *r, const struct host_spot *at, const char *name);
/* What the step has done is on the disk, unless its file systems are among the synced (device, 1) by now. */
int replay_sync_step(struct replay *r, const struct step *s, struct inode_set *synced);
/* All that was done is on the disk. olds: by the steps that took something away. */
int replay_sync_steps(struct replay *r, bool olds);

#endif
