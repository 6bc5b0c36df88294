/* cred.c - acting with another user's rights, one thread at a time.
 *
 * setfsuid, setfsgid and the bare setgroups system call change the calling thread only; the C library's setgroups would change all
 * threads. When fsuid leaves 0 the kernel takes the file-system capabilities (CAP_DAC_OVERRIDE, CAP_CHOWN, CAP_FOWNER, ...)
 * out of the thread's effective set by itself, and puts them back when it returns to 0; CAP_SETUID and CAP_SETGID stay, so that the
 * way back is always open. With the securebit NO_SETUID_FIXUP it does not, and cred_assume refuses.
 *
 * Each change of credentials also clears the process's dumpable flag and the thread's parent-death signal. Neither hurts here: a
 * process may always use its own /proc/self/fd.
 *
 * Invariant: (I1) a thread whose state says "acting" has the assumed fsuid, fsgid and groups; one whose state does not has the process's.
 */
#include "base/cred.h"

#include <errno.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
	pthread_once_t once;
	uid_t uid, real_uid;
	gid_t gid, real_gid;
	gid_t *groups;
	int ngroups;
	bool fixup; /* fixup: the kernel drops capabilities with fsuid */
} own = { .once = PTHREAD_ONCE_INIT };

static _Thread_local struct {
	const struct cred *as; /* as: whom the thread serves, NULL for nobody else */
	bool acting;           /* acting: its kernel credentials are those of `as` now */
} self;

static void load_own(void)
{
	int n;

	own.uid = geteuid();
	own.gid = getegid();
	own.real_uid = getuid();
	own.real_gid = getgid();
	own.fixup = !(prctl(PR_GET_SECUREBITS) & SECBIT_NO_SETUID_FIXUP);
	n = getgroups(0, NULL);
	if (n <= 0)
		return;
	own.groups = calloc((size_t)n, sizeof *own.groups);
	if (!own.groups)
		abort();
	n = getgroups(n, own.groups);
	own.ngroups = n > 0 ? n : 0;
}

void cred_init(void)
{
	pthread_once(&own.once, load_own);
}

bool cred_process_is_root(void)
{
	cred_init();
	return own.uid == 0;
}

/* setfsuid and setfsgid never say that they failed: they are asked with an impossible id what holds now. */
static int set_fsuid(uid_t uid)
{
	setfsuid(uid);
	return (uid_t)setfsuid((uid_t)-1) == uid ? 0 : -EPERM;
}

static int set_fsgid(gid_t gid)
{
	setfsgid(gid);
	return (gid_t)setfsgid((gid_t)-1) == gid ? 0 : -EPERM;
}

static int set_groups(int n, const gid_t *groups)
{
	return syscall(SYS_setgroups, n, groups) < 0 ? -errno : 0;
}

static bool same_groups(int n, const gid_t *a, int m, const gid_t *b)
{
	return n == m && (n == 0 || memcmp(a, b, (size_t)n * sizeof *a) == 0);
}

static void become_own(void)
{
	/* Root's fsuid first, since that gives the capabilities back. Not to be ourselves again would mean serving one guest with
	 * another's rights. */
	if (set_fsuid(own.uid) < 0 || set_fsgid(own.gid) < 0)
		abort();
	if (self.as && same_groups(own.ngroups, own.groups, self.as->ngroups, self.as->groups))
		return;
	if (set_groups(own.ngroups, own.groups) < 0)
		abort();
}

/* From our own credentials to c's. fsuid last: after it the thread can do less. */
static int become(const struct cred *c)
{
	int r = 0;

	if (!same_groups(own.ngroups, own.groups, c->ngroups, c->groups))
		r = set_groups(c->ngroups, c->groups);
	if (r == 0)
		r = set_fsgid(c->fsgid);
	if (r == 0)
		r = set_fsuid(c->fsuid);
	return r;
}

static bool is_own(const struct cred *c)
{
	return c->fsuid == own.uid && c->fsgid == own.gid && same_groups(c->ngroups, c->groups, own.ngroups, own.groups);
}

int cred_assume(const struct cred *c)
{
	int r;

	cred_init();
	if (c->ngroups < 0 || c->ngroups > CRED_GROUPS_MAX)
		return -EINVAL;
	cred_drop();
	if (own.uid != 0 || is_own(c))
		return 0;
	if (c->fsuid != 0 && !own.fixup)
		return -EPERM;
	self.as = c;
	r = become(c);
	if (r < 0) {
		become_own();
		self.as = NULL;
		return r;
	}
	self.acting = true;
	return 0;
}

void cred_drop(void)
{
	if (self.acting)
		become_own();
	self.acting = false;
	self.as = NULL;
}

uid_t cred_fsuid(void)
{
	cred_init();
	return self.as ? self.as->fsuid : own.uid;
}

gid_t cred_fsgid(void)
{
	cred_init();
	return self.as ? self.as->fsgid : own.gid;
}

bool cred_is_root(void)
{
	return cred_fsuid() == 0;
}

bool cred_in_group(gid_t gid)
{
	const gid_t *groups;
	int n;

	if (gid == cred_fsgid())
		return true;
	groups = self.as ? self.as->groups : own.groups;
	n = self.as ? self.as->ngroups : own.ngroups;
	for (int i = 0; i < n; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

int cred_own_begin(void)
{
	if (!self.acting)
		return 0;
	become_own();
	self.acting = false;
	return 1;
}

void cred_own_endp(int *state)
{
	int saved = errno;

	if (*state == 1 && self.as && !self.acting) {
		/* To go on with root's rights where the guest's were asked for would be worse than to stop. */
		if (become(self.as) < 0)
			abort();
		self.acting = true;
	}
	*state = 0;
	errno = saved;
}

/* By the raw calls, which are for one thread. */
int cred_ids_begin(bool real)
{
	gid_t gid;

	if (!self.acting)
		return 0;
	gid = self.as->fsgid;
	if (syscall(SYS_setresgid, real ? gid : (gid_t)-1, gid, -1) < 0)
		return 0;
	if (syscall(SYS_setresuid, real ? self.as->fsuid : (uid_t)-1, self.as->fsuid, -1) == 0)
		return 1;
	if (syscall(SYS_setresgid, own.real_gid, own.gid, -1) < 0)
		abort();
	return 0;
}

void cred_ids_endp(int *state)
{
	int saved = errno;

	/* Root's uid first: it gives the capabilities back, the rest needs them. */
	if (*state == 1 && (syscall(SYS_setresuid, own.real_uid, own.uid, -1) < 0 || syscall(SYS_setresgid, own.real_gid, own.gid, -1) < 0 ||
			    set_fsgid(self.as->fsgid) < 0 || set_fsuid(self.as->fsuid) < 0))
		abort();
	*state = 0;
	errno = saved;
}
