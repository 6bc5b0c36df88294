/* h_device.c - opening devices for a guest, where its domain would not hold an open of its own (see (I1) in h_open.c).
 *
 * What a device is does not depend on who opens it, but for two things that terminals have:
 * (D1) /dev/tty is the terminal that controls the opener. A guest of our own session has the same as we; of another's we know the number,
 *      and a pseudo terminal can be found by it.
 * (D2) A session leader without a terminal gets the first that it opens for reading without O_NOCTTY. We open with O_NOCTTY always, and
 *      then the guest itself asks for the terminal (TIOCSCTTY), on the descriptor, which nobody can exchange for another file's.
 * (D3) A pseudo terminal is the box's when it controls the guest's session and ours, or a guest has it open, or its other side. Whoever opens another, one of the same
 *      user's, would take what is typed there, and write to its screen.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>
#include <linux/magic.h>
#include "base/cred.h"
#include "base/dir.h"
#include "base/sys.h"
#include "h_device.h"
#include "process_stat.h"
#include "supervisor.h"

enum { MAJOR_MEMORY = 1, MAJOR_TTY = 5, MAJOR_PTS_FIRST = 136, MAJOR_PTS_LAST = 143 };

enum device_kind device_kind(const struct stat *st)
{
	unsigned maj = major(st->st_rdev), min = minor(st->st_rdev);
	if (!S_ISCHR(st->st_mode))
		return DEVICE_OTHER;
	if (maj == MAJOR_MEMORY && (min == 3 || min == 5 || min == 7 || min == 8 || min == 9))
		return DEVICE_MEMORY;
	if (maj == MAJOR_TTY && (min == 0 || min == 2))
		return min == 0 ? DEVICE_TTY : DEVICE_PTMX;
	return maj >= MAJOR_PTS_FIRST && maj <= MAJOR_PTS_LAST ? DEVICE_TERMINAL : DEVICE_OTHER;
}

static int our_flags(uint64_t flags)
{
	return (int)(flags & ~(uint64_t)(O_CREAT | O_EXCL | O_NOFOLLOW | O_TRUNC)) | O_CLOEXEC | O_NOCTTY;
}

int device_reopen(uint64_t flags, const struct object *o)
{
	return sys_reopen(o->fd, our_flags(flags), 0);
}

/* (D2) Takes fd. */
static int answer_with_terminal(struct answer *a, int fd, bool cloexec)
{
	struct steer s = { .nr = __NR_ioctl, .arg = { 0, TIOCSCTTY, 0 }, .is_fd = 1, .fd = { fd, -1 }, .fd_field = -1 };
	s.keep = true;
	s.keep_cloexec = cloexec;
	a->kind = ANSWER_STEER;
	a->steer = s;
	return 0;
}

/* Whether a process's descriptor is the pseudo terminal, opened for more than its name, or its other side. Each mount of devpts numbers its own, so that
 * the device number alone does not tell. Of the other side TIOCGPTPEER tells (ioctl_tty(2)), and opens nothing with O_PATH. */
static bool descriptor_is(int pidfd, int number, const struct stat *pts)
{
	struct stat st;
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	if (fd < 0 || (fcntl(fd, F_GETFL) & O_PATH) || sys_fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode))
		return false;
	_cleanup_close_ int slave = device_kind(&st) == DEVICE_PTMX ? ioctl(fd, TIOCGPTPEER, O_PATH | O_NOCTTY | O_CLOEXEC) : -1;
	if (slave >= 0 && sys_fstat(slave, &st) < 0)
		return false;
	return st.st_rdev == pts->st_rdev && st.st_dev == pts->st_dev && st.st_ino == pts->st_ino;
}

/* By its name alone, wherever devpts is mounted: "N" or "ptmx". */
static bool may_be_terminal(char *link, size_t n)
{
	link[n] = 0;
	const char *last = strrchr(link, '/');
	return last && last[1] && (!strcmp(last, "/ptmx") || !last[1 + strspn(last + 1, "0123456789")]);
}

/* budget: of descriptors to look at, for all processes together. pidfd: of the process. */
static bool process_holds(pid_t pid, int pidfd, const struct stat *pts, unsigned *budget)
{
	char name[40], link[PATH_MAX];
	snprintf(name, sizeof name, "/proc/%d/fd", (int)pid);
	int fd = sys_openat(AT_FDCWD, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	_cleanup_closedir_ DIR *d = fd < 0 ? NULL : dir_take(fd);
	for (struct dirent *e; d && *budget > 0 && (e = dir_next(d)); (*budget)--) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof link - 1);
		if (n > 0 && may_be_terminal(link, (size_t)n) && descriptor_is(pidfd, atoi(e->d_name), pts))
			return true;
	}
	return false;
}

/* (D3) */
static bool is_guests(const struct call *c, const struct stat *pts)
{
	unsigned budget = 200000;
	bool found = false;
	_cleanup_cred_ int own = cred_own_begin();
	supervisor_block_begin(c->sup); /* a guest may have many */
	_cleanup_closedir_ DIR *d = opendir("/proc");
	for (pid_t pid = c->tgid; pid > 0 && budget > 0 && !found;) {
		/* The process that has the number now is held first, and then asked whose it is. */
		_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		found = pidfd >= 0 && guest_is_ours(c->sup, pid) && process_holds(pid, pidfd, pts, &budget);
		struct dirent *e = NULL;
		for (pid = 0; d && pid <= 0 && (e = readdir(d));)
			pid = atoi(e->d_name);
	}
	supervisor_block_end(c->sup);
	return found;
}

/* Looked at before, since an open already does something, and after: while it is open the number is not given to another. */
static int open_guests(const struct call *c, uint64_t flags, int pts, const struct stat *st)
{
	if (!is_guests(c, st))
		return -EACCES;
	_cleanup_close_ int fd = sys_reopen(pts, our_flags(flags), 0);
	if (fd < 0 || is_guests(c, st))
		return TAKE_FD(fd);
	return -EACCES;
}

/* The terminal that controls our session, too. */
static int open_terminal(const struct call *c, uint64_t flags, const struct object *o, pid_t session, dev_t tty)
{
	if (tty == o->st.st_rdev && session == getsid(0)) {
		_cleanup_close_ int fd = device_reopen(flags, o);
		if (fd < 0 || tcgetsid(fd) == session)
			return TAKE_FD(fd);
	}
	return open_guests(c, flags, o->fd, &o->st);
}

/* (D1) */
static int open_controlling(const struct call *c, uint64_t flags, const struct object *o, pid_t session, dev_t tty)
{
	char name[40];
	struct stat st;
	struct statfs fs;
	if (!tty)
		return -ENXIO;
	if (session == getsid(0))
		return device_reopen(flags, o);
	if (major(tty) < MAJOR_PTS_FIRST || major(tty) > MAJOR_PTS_LAST)
		return -ENXIO;
	snprintf(name, sizeof name, "/dev/pts/%u", ((major(tty) - MAJOR_PTS_FIRST) << 8) + minor(tty));
	_cleanup_close_ int fd = sys_openat(AT_FDCWD, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0 || sys_fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return -ENXIO;
	if (!S_ISCHR(st.st_mode) || st.st_rdev != tty || fs.f_type != DEVPTS_SUPER_MAGIC)
		return -ENXIO;
	int r = open_guests(c, flags, fd, &st);
	return r == -EACCES ? -ENXIO : r;
}

int device_open(struct call *c, struct answer *a, enum device_kind kind, uint64_t flags, const struct object *o)
{
	struct process_stat st = { 0 };
	bool asks = kind == DEVICE_TTY || kind == DEVICE_TERMINAL;
	int r = asks ? process_stat_read(c->tgid, &st) : 0;
	if (asks && !guest_valid(c))
		r = -ESRCH;
	if (r >= 0)
		r = kind == DEVICE_TTY        ? open_controlling(c, flags, o, st.session, st.tty)
		    : kind == DEVICE_TERMINAL ? open_terminal(c, flags, o, st.session, st.tty)
		                              : device_reopen(flags, o);
	if (r == -EACCES && kind == DEVICE_TERMINAL)
		supervisor_refused(c, "open", o->view, EACCES);
	if (r < 0)
		return answer_errno(a, r);
	bool leads = kind == DEVICE_TERMINAL && st.session == c->tgid && !st.tty;
	if (leads && !(flags & O_NOCTTY) && (flags & O_ACCMODE) != O_WRONLY)
		return answer_with_terminal(a, r, flags & O_CLOEXEC);
	return answer_fd(a, r, flags & O_CLOEXEC);
}
