/* h_proc.c - /proc and /sys as a guest may see them; see h_proc.h.
 *
 * They are the host's, for reading. What procfs tells of files by their paths (maps, links of descriptors) is told as view paths, since a
 * guest's mappings and descriptors may be a layer's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>
#include "base/path.h"
#include "base/sys.h"
#include "guest.h"
#include "h_proc.h"

#define MQUEUE_MAGIC 0x19800202 /* not in linux/magic.h */
#define DELETED " (deleted)"
#ifndef CONFIGFS_MAGIC
#define CONFIGFS_MAGIC 0x62656570
#endif
#define RESCTRL_MAGIC 0x7655821

bool proc_path_is_kernel(const struct at *at)
{
	const char *start = *at->path == '/' ? at->path : at->dir.s;
	return path_below(start, "/proc", NULL) || path_below(start, "/sys", NULL);
}

bool proc_path_leaves(const struct at *at)
{
	return strstr(at->path, "fd/") || strstr(at->path, "cwd/") || strstr(at->path, "root/");
}

bool proc_path_suspect(const struct at *at)
{
	const char *start = *at->path == '/' ? at->path : at->dir.s;
	return proc_path_is_kernel(at) || path_in_dev(start) || strstr(at->path, "../");
}

static long kernel_magic(int fd, const struct stat *st)
{
	static const unsigned long known[] = { PROC_SUPER_MAGIC, SYSFS_MAGIC,    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
		                               DEBUGFS_MAGIC,    TRACEFS_MAGIC,  SECURITYFS_MAGIC,   SELINUX_MAGIC,
		                               SMACK_MAGIC,      BPF_FS_MAGIC,   CONFIGFS_MAGIC,     PSTOREFS_MAGIC,
		                               EFIVARFS_MAGIC,   BINFMTFS_MAGIC, RESCTRL_MAGIC,      MQUEUE_MAGIC };
	struct statfs sf;
	if (major(st->st_dev) != 0 || fstatfs(fd, &sf) < 0) /* all of them have anonymous devices */
		return 0;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if ((unsigned long)sf.f_type == known[i])
			return sf.f_type;
	return 0;
}

bool proc_is_kernel_file(int fd, const struct stat *st)
{
	return kernel_magic(fd, st) != 0;
}

/* ---- writing ---- */

/* "/proc/PID/NAME" and "/proc/PID/task/TID/NAME": the name (borrowed) and the pid, or NULL. */
static const char *process_file(const char *real, pid_t *ret_pid)
{
	int pid, tid, at = 0;
	if (sscanf(real, "/proc/%d/task/%d/%n", &pid, &tid, &at) != 2 || !at) {
		at = 0;
		if (sscanf(real, "/proc/%d/%n", &pid, &at) != 1 || !at)
			return NULL;
	}
	*ret_pid = pid;
	return strchr(real + at, '/') ? NULL : real + at;
}

bool proc_is_own_fds(const struct call *c, const struct object *o)
{
	pid_t pid;
	const char *name = S_ISDIR(o->st.st_mode) && proc_is_kernel_file(o->fd, &o->st) ? process_file(o->real, &pid) : NULL;
	return name && !strcmp(name, "fd") && pid == c->tgid;
}

int proc_may_write(struct call *c, const char *real)
{
	static const char *const own[] = { "comm",       "oom_score_adj", "oom_adj", "timerslack_ns", "coredump_filter",
		                           "clear_refs", "autogroup" };
	struct stat st;
	pid_t pid;
	const char *name = process_file(real, &pid);
	if (name && guest_is_ours(c->sup, pid)) {
		for (size_t i = 0; i < sizeof own / sizeof *own; i++)
			if (!strcmp(name, own[i]))
				return 0;
		/* What a debugger writes to. As the supervisor may look into every guest, the owner is compared here. */
		if (!strcmp(name, "mem") && sys_fstatat(AT_FDCWD, real, &st, 0) >= 0 &&
		    (cred_is_root() || st.st_uid == cred_fsuid()))
			return 0;
	}
	if (sys_fstatat(AT_FDCWD, real, &st, 0) >= 0 && (st.st_mode & 0222) && (cred_is_root() || st.st_uid == cred_fsuid()))
		supervisor_refused(c, "open", real, EACCES); /* what the host itself would refuse is no news */
	return -EACCES;
}

/* What is told of every process, whoever asks. The rest of /proc/PID tells of its memory, descriptors and places. */
static bool is_public(const char *name)
{
	static const char *const public[] = { "attr",      "cgroup",     "cmdline",    "comm",   "coredump_filter", "cpuset",
		                              "latency",   "limits",     "loginuid",   "mountinfo", "mounts",       "mountstats",
		                              "net",       "oom_adj",    "oom_score",  "oom_score_adj", "sched",    "schedstat",
		                              "sessionid", "stat",       "statm",      "status", "task",            "wchan" };
	size_t len = strcspn(name, "/");
	for (size_t i = 0; i < sizeof public / sizeof *public; i++)
		if (strlen(public[i]) == len && !strncmp(name, public[i], len))
			return true;
	return !len;
}

/* The path below the root of the procfs that the file is on ("/5/maps", or "" for the root itself), NULL when that cannot be told, as below a
 * bind mount of a part of one. The root has inode 1 (PROC_ROOT_INO in the kernel's proc_ns.h). */
static const char *below_proc_root(const char *real, dev_t dev)
{
	char prefix[PATH_MAX];
	struct stat st;
	if (path_below(real, "/proc", &real))
		return real;
	if (strlen(real) >= sizeof prefix)
		return NULL;
	for (size_t n = 1; n <= strlen(real); n++) {
		if (real[n] && real[n] != '/')
			continue;
		memcpy(prefix, real, n);
		prefix[n] = '\0';
		if (sys_fstatat(AT_FDCWD, prefix, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return NULL;
		if (st.st_dev == dev && st.st_ino == 1)
			return real + n;
	}
	return NULL;
}

/* A file or directory of procfs opened for reading. */
static int may_read(struct call *c, const char *real, const struct stat *st)
{
	int pid, tid, at = 0;
	const char *rest = below_proc_root(real, st->st_dev);
	if (!rest)
		return -EACCES;
	if (!strcmp(rest, "/kmsg")) /* what is read there is gone for the host */
		return -EPERM;
	if (sscanf(rest, "/%d/task/%d/%n", &pid, &tid, &at) != 2 && (sscanf(rest, "/%d/%n", &pid, &at) != 1 || !at))
		return 0;
	return !at || is_public(rest + at) ? 0 : guest_may_look_into(c, real);
}

/* ---- maps ---- */

struct text {
	char *s;
	size_t len, room;
};

static int text_grow(struct text *t, size_t more)
{
	if (t->len + more <= t->room)
		return 0;
	size_t room = (t->len + more) * 2;
	char *s = realloc(t->s, room);
	if (!s)
		return -ENOMEM;
	t->s = s;
	t->room = room;
	return 0;
}

static int text_add(struct text *t, const char *s, size_t n)
{
	int r = text_grow(t, n);
	if (r < 0)
		return r;
	memcpy(t->s + t->len, s, n);
	t->len += n;
	return 0;
}

static int text_read(int fd, struct text *ret)
{
	enum { CHUNK = 32768 };
	for (;;) {
		int r = text_grow(ret, CHUNK);
		if (r < 0)
			return r;
		ssize_t n = read(fd, ret->s + ret->len, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		ret->len += (size_t)n;
	}
}

/* The bytes that each file writes as \ooo in a path, and where the path ends. */
struct maps_form {
	const char *name;
	const char *escaped;
	char end; /* end: besides the newline */
};

static const struct maps_form forms[] = {
	{ "maps", "\n", '\n' },
	{ "smaps", "\n", '\n' },
	{ "numa_maps", "\n\t= ", ' ' },
};

static const struct maps_form *maps_form_of(const char *real)
{
	pid_t pid;
	const char *name = process_file(real, &pid);
	for (size_t i = 0; name && i < sizeof forms / sizeof *forms; i++)
		if (!strcmp(name, forms[i].name))
			return &forms[i];
	return NULL;
}

static size_t unescape(const struct maps_form *f, const char *s, size_t n, char *ret, size_t size)
{
	size_t out = 0;
	for (size_t i = 0; i < n && out + 1 < size; i++) {
		unsigned v = 0;
		bool octal = s[i] == '\\' && n - i >= 4;
		for (size_t k = 1; octal && k < 4; k++) {
			octal = s[i + k] >= '0' && s[i + k] <= '7';
			v = v * 8 + (unsigned)(s[i + k] - '0');
		}
		if (octal && v && v < 256 && strchr(f->escaped, (int)v)) {
			ret[out++] = (char)v;
			i += 3;
		} else {
			ret[out++] = s[i];
		}
	}
	ret[out] = 0;
	return out;
}

static int text_add_escaped(struct text *t, const struct maps_form *f, const char *s)
{
	int r = 0;
	for (; r >= 0 && *s; s++) {
		char octal[5];
		if (strchr(f->escaped, *s)) {
			snprintf(octal, sizeof octal, "\\%03o", (unsigned char)*s);
			r = text_add(t, octal, 4);
		} else {
			r = text_add(t, s, 1);
		}
	}
	return r;
}

/* A path as the kernel tells it, " (deleted)" at its end or not, as the view has it. */
static int view_of_kernel_path(struct call *c, const char *path, char *ret, size_t size)
{
	*ret = 0;
	int r = guest_map_path(c->ov, path, ret, size);
	if (r < 0 && r != -ENOENT)
		return r;
	size_t n = strlen(ret), d = strlen(DELETED);
	if (r == 0 || (n > d && !strcmp(ret + n - d, DELETED)))
		return 0;
	int more = snprintf(ret + n, size - n, "%s%s", n ? "" : "/", DELETED);
	return (size_t)more < size - n ? 0 : -ENAMETOOLONG;
}

/* One line that holds a layer path from `at` on. */
static int add_line(struct call *c, struct text *out, const struct maps_form *f, const char *line, const char *at, const char *eol)
{
	char path[PATH_MAX + 16], view[PATH_MAX + 16];
	const char *end = memchr(at, f->end, (size_t)(eol - at));
	if (!end)
		end = eol;
	unescape(f, at, (size_t)(end - at), path, sizeof path);
	int r = text_add(out, line, (size_t)(at - line));
	if (r >= 0)
		r = view_of_kernel_path(c, path, view, sizeof view) < 0 ? text_add_escaped(out, f, "/" DELETED)
		                                                        : text_add_escaped(out, f, view);
	return r < 0 ? r : text_add(out, end, (size_t)(eol - end));
}

static int translate_maps(struct call *c, const struct maps_form *f, const struct text *in, struct text *out)
{
	const char *store = overlay_box(c->ov)->store_path, *end = in->s + in->len;
	for (const char *line = in->s; line < end;) {
		const char *nl = memchr(line, '\n', (size_t)(end - line));
		const char *eol = nl ? nl + 1 : end;
		const char *at = memmem(line, (size_t)(eol - line), store, strlen(store));
		const char *stop = nl ? nl : end;
		int r = at ? add_line(c, out, f, line, at, stop) : text_add(out, line, (size_t)(stop - line));
		if (r >= 0 && nl)
			r = text_add(out, "\n", 1);
		if (r < 0)
			return r;
		line = eol;
	}
	return 0;
}

static int sealed_file(const char *name, const struct text *t)
{
	_cleanup_close_ int mem = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (mem < 0)
		return -errno;
	int r = sys_write_all(mem, t->s, t->len);
	if (r < 0)
		return r;
	if (fcntl(mem, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return -errno;
	return sys_reopen(mem, O_RDONLY | O_CLOEXEC, 0);
}

/* The descriptor stays the kernel's own file when no layer path is in it. */
static int proc_translate(struct call *c, const struct maps_form *f, int *fd)
{
	_cleanup_free_ char *in_s = NULL, *out_s = NULL;
	const char *store = overlay_box(c->ov)->store_path;
	struct text in = { 0 }, out = { 0 };
	int r = text_read(*fd, &in);
	in_s = in.s;
	if (r < 0)
		return r;
	if (!memmem(in.s, in.len, store, strlen(store)))
		return lseek(*fd, 0, SEEK_SET) < 0 ? -errno : 0;
	r = translate_maps(c, f, &in, &out);
	out_s = out.s;
	if (r < 0)
		return r;
	r = sealed_file(f->name, &out);
	if (r < 0)
		return r;
	close(*fd);
	*fd = r;
	return 0;
}

int proc_opened(struct call *c, uint64_t flags, int *fd)
{
	struct stat st;
	char real[PATH_MAX];
	if (sys_fstat(*fd, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return 0;
	long magic = kernel_magic(*fd, &st);
	if (!magic)
		return 0;
	int r = fd_real_path(*fd, real, sizeof real);
	if (r >= 0 && magic == PROC_SUPER_MAGIC)
		r = may_read(c, real, &st);
	if (r < 0 || S_ISDIR(st.st_mode))
		return r < 0 ? r : 0;
	if (magic == MQUEUE_MAGIC) /* who may read one may take its messages */
		return -EACCES;
	if ((flags & O_ACCMODE) != O_RDONLY)
		return proc_may_write(c, real);
	const struct maps_form *f = magic == PROC_SUPER_MAGIC ? maps_form_of(real) : NULL;
	return f ? proc_translate(c, f, fd) : 0;
}

/* ---- links ---- */

int proc_readlink(struct call *c, const struct object *o, char *ret, size_t size, size_t *len)
{
	char text[PATH_MAX + 16];
	if (o->where != OBJECT_HOST || kernel_magic(o->fd, &o->st) != PROC_SUPER_MAGIC)
		return 0;
	if (!strcmp(o->view, "/proc/self") || !strcmp(o->view, "/proc/thread-self")) {
		bool thread = o->view[strlen("/proc/")] == 't';
		*len = (size_t)(thread ? snprintf(ret, size, "%d/task/%d", (int)c->tgid, (int)c->tid)
		                       : snprintf(ret, size, "%d", (int)c->tgid));
		return 1;
	}
	int r = guest_may_look_into(c, o->view);
	if (r >= 0)
		r = sys_readlinkat(o->fd, "", text, sizeof text);
	if (r < 0)
		return r;
	if (*text != '/') {
		*len = strnlen(text, size);
		memcpy(ret, text, *len);
		return 1;
	}
	r = view_of_kernel_path(c, text, ret, size);
	if (r < 0)
		return r;
	*len = strlen(ret);
	return 1;
}
