/* h_device.c - opening devices for a guest, where its domain would not hold an open of its own (see (I1) in h_open.c).
 *
 * What a device is does not depend on who opens it, but for two things that terminals have:
 * (D1) /dev/tty is the terminal that controls the opener. A guest of our own session has the same as we; of another's we know the number,
 *      and a pseudo terminal can be found by it.
 * (D2) A session leader without a terminal gets the first that it opens for reading without O_NOCTTY. We open with O_NOCTTY always, and
 *      then the guest itself asks for the terminal (TIOCSCTTY), on the descriptor, which nobody can exchange for another file's.
 * (D3) A pseudo terminal is the box's when it controls the guest, or a guest has it open, or its other side. Whoever opens another, one of the same
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

/* The session of the guest's process, and the terminal that controls it (0: none). */
static int terminal_of(const struct call *c, pid_t *ret_session, dev_t *ret_tty)
{
	char name[40], text[1024];
	int session, tty;
	snprintf(name, sizeof name, "/proc/%d/stat", (int)c->tgid);
	_cleanup_close_ int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0 || !guest_valid(c))
		return -ESRCH;
	text[n] = 0;
	/* a name may hold brackets and spaces; nothing behind it does */
	const char *p = strrchr(text, ')');
	if (!p || sscanf(p + 1, " %*c %*d %*d %d %d", &session, &tty) != 2)
		return -EIO;
	/* the kernel's new_encode_dev() */
	unsigned u = (unsigned)tty;
	*ret_session = session;
	*ret_tty = makedev((u >> 8) & 0xfff, (u & 0xff) | ((u >> 12) & 0xfff00));
	return 0;
}

/* N of /dev/pts/N */
static unsigned pts_index(dev_t dev)
{
	return ((major(dev) - MAJOR_PTS_FIRST) << 8) + minor(dev);
}

static int open_pts(dev_t dev, uint64_t flags)
{
	char name[40];
	struct stat st;
	struct statfs fs;
	if (major(dev) < MAJOR_PTS_FIRST || major(dev) > MAJOR_PTS_LAST)
		return -ENXIO;
	snprintf(name, sizeof name, "/dev/pts/%u", pts_index(dev));
	_cleanup_close_ int fd = sys_openat(AT_FDCWD, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0 || sys_fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return -ENXIO;
	if (!S_ISCHR(st.st_mode) || st.st_rdev != dev || fs.f_type != DEVPTS_SUPER_MAGIC)
		return -ENXIO;
	return sys_reopen(fd, our_flags(flags), 0);
}

/* (D1) */
static int open_controlling(uint64_t flags, const struct object *o, pid_t session, dev_t tty)
{
	if (!tty)
		return -ENXIO;
	return session == getsid(0) ? device_reopen(flags, o) : open_pts(tty, flags);
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

/* The number of the pseudo terminal whose other side the descriptor is, as proc(5) tells ("tty-index"), or -1. */
static long index_of_other_side(int proc_fd, const char *number)
{
	char name[300], line[256];
	long index = -1;
	snprintf(name, sizeof name, "fdinfo/%s", number);
	int fd = sys_openat(proc_fd, name, O_RDONLY | O_CLOEXEC, 0);
	_cleanup_fclose_ FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f && fd >= 0)
		close(fd);
	while (f && fgets(line, sizeof line, f) && sscanf(line, "tty-index: %ld", &index) != 1)
		;
	return index;
}

/* budget: of descriptors to look at, for all processes together. */
static bool process_holds(pid_t pid, unsigned index, unsigned *budget)
{
	char name[40], link[64], want[40];
	snprintf(name, sizeof name, "/proc/%d", (int)pid);
	snprintf(want, sizeof want, "/dev/pts/%u", index);
	_cleanup_close_ int proc = sys_openat(AT_FDCWD, name, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	int fd = proc < 0 ? -1 : sys_openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	_cleanup_closedir_ DIR *d = fd < 0 ? NULL : dir_take(fd);
	for (struct dirent *e; d && *budget > 0 && (e = dir_next(d)); (*budget)--) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof link - 1);
		if (n <= 0)
			continue;
		link[n] = 0;
		const char *last = strrchr(link, '/');
		if (!strcmp(link, want) || (last && !strcmp(last, "/ptmx") && index_of_other_side(proc, e->d_name) == (long)index))
			return true;
	}
	return false;
}

/* (D3) */
static bool is_guests(const struct call *c, unsigned index)
{
	unsigned budget = 200000;
	_cleanup_cred_ int own = cred_own_begin();
	if (process_holds(c->tgid, index, &budget))
		return true;
	_cleanup_closedir_ DIR *d = opendir("/proc");
	for (struct dirent *e; d && budget > 0 && (e = readdir(d));) {
		pid_t pid = atoi(e->d_name);
		if (pid > 0 && guest_is_ours(c->sup, pid) && process_holds(pid, index, &budget))
			return true;
	}
	return false;
}

/* Looked at before, since an open already does something, and after: while it is open the number is not given to another. */
static int open_terminal(const struct call *c, uint64_t flags, const struct object *o, dev_t controls)
{
	unsigned index = pts_index(o->st.st_rdev);
	if (controls == o->st.st_rdev)
		return device_reopen(flags, o);
	if (!is_guests(c, index))
		return -EACCES;
	_cleanup_close_ int fd = device_reopen(flags, o);
	if (fd < 0 || is_guests(c, index))
		return TAKE_FD(fd);
	return -EACCES;
}

int device_open(struct call *c, struct answer *a, enum device_kind kind, uint64_t flags, const struct object *o)
{
	pid_t session = 0;
	dev_t tty = 0;
	int r = kind == DEVICE_TTY || kind == DEVICE_TERMINAL ? terminal_of(c, &session, &tty) : 0;
	if (r >= 0)
		r = kind == DEVICE_TTY        ? open_controlling(flags, o, session, tty)
		    : kind == DEVICE_TERMINAL ? open_terminal(c, flags, o, tty)
		                              : device_reopen(flags, o);
	if (r == -EACCES && kind == DEVICE_TERMINAL)
		supervisor_refused(c, "open", o->view, EACCES);
	if (r < 0)
		return answer_errno(a, r);
	bool leads = kind == DEVICE_TERMINAL && session == c->tgid && !tty;
	if (leads && !(flags & O_NOCTTY) && (flags & O_ACCMODE) != O_WRONLY)
		return answer_with_terminal(a, r, flags & O_CLOEXEC);
	return answer_fd(a, r, flags & O_CLOEXEC);
}
