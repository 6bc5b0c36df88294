/* probe.c - every wall as one row: how it is tried, whether cowbox can do without it, and what follows then. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <linux/openat2.h>
#include "base/fd.h"
#include "landlock.h"
#include "probe.h"
#include "table.h"
#include "trace/run.h"
#include "unix_diag.h"

/* What was found, once. Results are 0 (or a positive number) and -errno. */
struct found {
	struct probe_notify notify;
	struct probe_child child;
	int landlock; /* landlock: the ABI */
	int openat2;
	int faccessat2;
	int unix_diag;
	int whiteout; /* whiteout: -EAGAIN when there was no place to try */
	int yama;     /* yama: ptrace_scope, or -1 */
};

struct probe_row {
	const char *key; /* key: for COWBOX_TEST_WALL_OFF */
	const char *name;
	bool required;
	int (*result)(const struct found *f);
	const char *stands; /* stands: detail when it stands; NULL: made by detail_of */
	const char *effect; /* effect: what follows when it is missing or weaker */
};

/* clang-format off */
static int r_notify(const struct found *f) { return f->notify.listener < 0 ? f->notify.listener : f->notify.receive; }
static int r_addfd(const struct found *f) { return f->notify.addfd; }
static int r_killable(const struct found *f) { return f->notify.killable; }
static int r_sync(const struct found *f) { return f->notify.sync_wake_up; }
static int r_landlock(const struct found *f) { return f->landlock < 0 ? f->landlock : 0; }
static int at_least(const struct found *f, int abi) { return f->landlock >= abi ? 0 : -EOPNOTSUPP; }
static int r_truncate(const struct found *f) { return at_least(f, 3); }
static int r_ioctl(const struct found *f) { return at_least(f, 5); }
static int r_scopes(const struct found *f) { return landlock_has_scopes(f->landlock) ? 0 : -EOPNOTSUPP; }
static int r_unix(const struct found *f) { return at_least(f, 9); }
static int r_seize(const struct found *f) { return f->child.seize; }
static int r_vm(const struct found *f) { return f->child.vm_read; }
static int r_getfd(const struct found *f) { return f->child.getfd; }
static int r_thread(const struct found *f) { return f->child.pidfd_thread; }
static int r_openat2(const struct found *f) { return f->openat2; }
static int r_faccessat2(const struct found *f) { return f->faccessat2; }
static int r_unix_diag(const struct found *f) { return f->unix_diag; }
static int r_whiteout(const struct found *f) { return f->whiteout; }

#define KEY_SCOPES "landlock-scopes"
static const struct probe_row table[] = {
	{ "seccomp", "seccomp user notification", true, r_notify, "the filter and its listener work",
	  "no system call can be caught: use Linux 5.14 or later, outside containers that forbid it" },
	{ "addfd", "descriptors handed to guests", true, r_addfd, "ADDFD",
	  "no file can be opened for a guest: use Linux 5.14 or later" },
	{ "landlock", "Landlock", true, r_landlock, NULL,
	  "there is no second wall: boot with lsm=...,landlock, or leave the container that hides it" },
	{ "landlock-truncate", "Landlock: truncate", false, r_truncate, "by path and by descriptor",
	  "truncation stands behind the system-call wall only" },
	{ "landlock-ioctl", "Landlock: device ioctls", false, r_ioctl, "on what a guest opens itself",
	  "device ioctls stand behind the system-call wall only" },
	{ KEY_SCOPES, "Landlock: signals and abstract sockets", false, r_scopes, "stay in the box",
	  "signals and connections are judged by the supervisor alone" },
	{ "landlock-unix", "Landlock: pathname sockets", false, r_unix, "the host's are out of reach",
	  "connections to the host's sockets are judged by the supervisor alone" },
	{ "ptrace", "ptrace of guests", true, r_seize, NULL,
	  "guests cannot be steered: lower kernel.yama.ptrace_scope to 1, or allow ptrace in the container" },
	{ "vm", "reading guests' memory", true, r_vm, "process_vm_readv", "paths that guests name cannot be read" },
	{ "pidfd-getfd", "fetching guests' descriptors", true, r_getfd, "pidfd_getfd",
	  "what a guest's descriptor is cannot be told" },
	{ "openat2", "openat2", true, r_openat2, "RESOLVE_BENEATH",
	  "a layer cannot be walked safely: a container's filter may forbid it" },
	{ "faccessat2", "faccessat2", true, r_faccessat2, "works", "rights cannot be judged for a guest's own ids" },
	{ "whiteout", "whiteouts", true, r_whiteout, "0:0 devices can be made",
	  "deletions cannot be recorded: the container forbids device nodes even of the number 0:0" },
	{ "killable", "unbroken waits (WAIT_KILLABLE_RECV)", false, r_killable, "works",
	  "a signal may make a guest's trapped call start again (Linux 5.19 would not)" },
	{ "sync-wake-up", "fast hand-over (SYNC_WAKE_UP)", false, r_sync, "works",
	  "trapped calls take longer than they need (Linux 6.6 has it)" },
	{ "unix-diag", "telling whose an abstract socket is", false, r_unix_diag, "sock_diag",
	  "guests cannot connect to each other's abstract sockets: load the kernel's unix_diag" },
	{ "pidfd-thread", "descriptors of single threads", false, r_thread, "PIDFD_THREAD",
	  "threads that have descriptors of their own are served through their process (Linux 6.9 has it)" },
};
/* clang-format on */

#define NROWS (sizeof(table) / sizeof(table[0]))
_Static_assert(NROWS <= WALLS_MAX, "struct wall array too short");

bool probe_forced_off(const char *key)
{
	const char *list = getenv("COWBOX_TEST_WALL_OFF");
	size_t len = strlen(key);
	while (list && *list) {
		size_t n = strcspn(list, ",");
		if (n == len && memcmp(list, key, n) == 0)
			return true;
		list += n + (list[n] == ',');
	}
	return false;
}

bool probe_signal_scope(void)
{
	return landlock_has_scopes(landlock_abi()) && !probe_forced_off(KEY_SCOPES);
}

bool probe_nested(void)
{
	return prctl(CALL_NESTED, 0, 0, 0, 0) < 0 && errno == ELOOP;
}

static int try_openat2(void)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
		                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = root < 0 ? -1 : (int)syscall(NR_openat2, root, ".", &how, sizeof(how));
	return fd < 0 ? -errno : 0;
}

static int first(const struct unix_diag *s, void *arg)
{
	(void)s;
	(void)arg;
	return 1;
}

static int try_unix_diag(void)
{
	int r = unix_diag_each(first, NULL);
	return r < 0 ? r : 0;
}

static int try_faccessat2(void)
{
	return syscall(NR_faccessat2, AT_FDCWD, "/", F_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* A device 0:0 is what a deletion looks like in a layer; any user may make one since Linux 5.8, but not in every container. */
static int try_whiteout(void)
{
	const char *tmp = getenv("TMPDIR");
	char dir[256];
	if (snprintf(dir, sizeof(dir), "%s/cowbox-probe-XXXXXX", tmp && *tmp ? tmp : "/tmp") >= (int)sizeof(dir) || !mkdtemp(dir))
		return -EAGAIN;
	_cleanup_close_ int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 || mknodat(fd, "w", S_IFCHR | 0600, makedev(0, 0)) < 0 ? -errno : 0;
	if (fd >= 0)
		unlinkat(fd, "w", 0);
	rmdir(dir);
	return r;
}

static int read_yama(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	int scope = -1;
	return f && fscanf(f, "%d", &scope) == 1 ? scope : -1;
}

/* quick: without what writes to a disk. */
static void find(struct found *ret, bool quick)
{
	probe_notify(&ret->notify);
	probe_child(&ret->child);
	ret->landlock = landlock_abi();
	ret->openat2 = try_openat2();
	ret->faccessat2 = try_faccessat2();
	ret->unix_diag = try_unix_diag();
	ret->whiteout = quick ? -EAGAIN : try_whiteout();
	ret->yama = read_yama();
}

static void detail_of(const struct probe_row *row, const struct found *f, char *ret, size_t size)
{
	if (row->result == r_landlock)
		snprintf(ret, size, "ABI %d", f->landlock);
	else if (f->yama < 0)
		snprintf(ret, size, "seize, steer and detach work (no Yama)");
	else
		snprintf(ret, size, "seize, steer and detach work (Yama's ptrace_scope is %d)", f->yama);
}

static void judge(const struct probe_row *row, const struct found *f, struct wall *ret)
{
	bool off = probe_forced_off(row->key);
	int r = off ? -EOPNOTSUPP : row->result(f);
	*ret = (struct wall){ .name = row->name, .required = row->required };
	if (r == -EAGAIN && row->result == r_whiteout) {
		ret->state = WALL_WEAKER;
		snprintf(ret->detail, sizeof(ret->detail), "not tried: the temporary directory is not writable");
		snprintf(ret->effect, sizeof(ret->effect), "it is found out when the first file is deleted");
	} else if (r < 0) {
		ret->state = row->required ? WALL_MISSING : WALL_WEAKER;
		if (off)
			snprintf(ret->detail, sizeof(ret->detail), "switched off by COWBOX_TEST_WALL_OFF");
		else if (r == -EOPNOTSUPP && f->landlock > 0)
			snprintf(ret->detail, sizeof(ret->detail), "not in this kernel's ABI %d", f->landlock);
		else if (row->result == r_seize && f->yama > 0)
			snprintf(ret->detail, sizeof(ret->detail), "%s (Yama's ptrace_scope is %d)", strerror(-r), f->yama);
		else
			snprintf(ret->detail, sizeof(ret->detail), "%s", strerror(-r));
		snprintf(ret->effect, sizeof(ret->effect), "%s", row->effect);
	} else {
		ret->state = WALL_STANDS;
		if (row->stands)
			snprintf(ret->detail, sizeof(ret->detail), "%s", row->stands);
		else
			detail_of(row, f, ret->detail, sizeof(ret->detail));
	}
}

size_t trace_probe(struct wall ret[static WALLS_MAX])
{
	struct found f;
	find(&f, false);
	for (size_t i = 0; i < NROWS; i++)
		judge(&table[i], &f, &ret[i]);
	return NROWS;
}

int trace_check(struct err *err)
{
	struct found f;
	struct wall w;
	if (probe_nested())
		return err_set(err, -ENOSYS, "this is the inside of a box, and a box cannot be run within a box: leave it first");
	find(&f, true);
	if (f.notify.fork < 0)
		return err_sys(err, f.notify.fork, "no process can be started (see ulimit -u, and the container's limit of processes)");
	for (size_t i = 0; i < NROWS; i++) {
		judge(&table[i], &f, &w);
		if (w.required && w.state == WALL_MISSING)
			return err_set(err, -ENOSYS, "this system cannot run a box: %s: %s; %s (see: cowbox doctor)", w.name, w.detail,
			               w.effect);
	}
	return 0;
}
