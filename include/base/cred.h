/* cred.h - acting with another user's rights, one thread at a time.
 *
 * A supervisor that runs as root serves guests that may have dropped to another user. The thread that serves such a call takes
 * on the guest's file-system uid, gid and groups (setfsuid(2), and the raw setgroups system call, which is per thread) for what touches
 * the host, and goes back to its own for what touches the store. For an ordinary user's supervisor all of it is a no-op: there the kernel
 * gives every guest the same rights as the supervisor.
 */
#ifndef COWBOX_BASE_CRED_H
#define COWBOX_BASE_CRED_H

#include <stdbool.h>
#include <sys/types.h>
#include "base/fd.h"

#define CRED_GROUPS_MAX 256
struct cred {
	uid_t fsuid;
	gid_t fsgid;
	uid_t uid;      /* uid, gid: the real ones, by which access(2) goes; they are not assumed */
	gid_t gid;
	int ngroups;
	gid_t groups[CRED_GROUPS_MAX];
};

/* Remembers the process's own credentials; call once, before threads start. */
void cred_init(void);
bool cred_process_is_root(void);
/* This thread acts as *c from now on (borrowed: c must live until cred_drop). c equal to our own: nothing happens. */
int cred_assume(const struct cred *c);
void cred_drop(void);
/* The uid and gid that new files get for this thread: the assumed ones, or the process's own. */
uid_t cred_fsuid(void);
gid_t cred_fsgid(void);
/* True when the thread acts with all of root's rights (fsuid 0). */
bool cred_is_root(void);
/* True when gid is the fsgid or among the groups of the one this thread acts for. */
bool cred_in_group(gid_t gid);

/* The four above speak of the one this thread acts for, inside a cred_own_begin() scope also. */

/* Back to our own rights until the end of the scope: `_cleanup_cred_ int own = cred_own_begin();`. Scopes nest. */
int cred_own_begin(void);
void cred_own_endp(int *state);
#define _cleanup_cred_ __attribute__((unused)) _cleanup_(cred_own_endp)

/* Until the end of the scope the thread has the assumed uid and gid also as its effective ids, which are what SO_PEERCRED tells of who connects, and,
 * where real is true, as its real ones, which SCM_CREDENTIALS tells of who sends: `_cleanup_cred_ids_ int ids = cred_ids_begin(false);`. Its saved
 * ids stay ours. As kill(2) goes by the real ids, the guest's user can end the thread while it has them: for calls that wait for nobody alone. */
int cred_ids_begin(bool real);
void cred_ids_endp(int *state);
#define _cleanup_cred_ids_ __attribute__((unused)) _cleanup_(cred_ids_endp)

#endif
