/* every_call.c - every trapped call that takes paths or descriptors, in ordinary and odd forms, made from the rows and shapes of syscalls.def.
 *
 *     every_call setup       makes one tree a row (on the host, before the run)
 *     every_call             all rows, or those named; prints each call with its result, and what is left of the row's tree
 *     every_call lint DIR    fails when a row is neither tried here nor named in another program of DIR, where `elsewhere` says it is
 *
 * Of a call one argument is varied at a time, and then path and flags, path and descriptor, and both paths together. A call that made or removed
 * something is followed by its undoing: so the first of them meets what the host has, the later ones what only the layer has.
 */
#include "guest.h"

#include <dirent.h>
#include <stdbool.h>
#include <linux/openat2.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

struct row {
	int nr;
	const char *name;
};

#define ALLOW(nr, name, shape, truth)
#define REFUSE(nr, name, shape, code, truth)
#define CHECK(nr, name, shape, truth)
#define TRAP(nr, name, shape, truth) { nr, #name },
#define SPLIT(nr, name, shape, truth) { nr, #name },
static const struct row rows[] = {
#include "../../src/trace/syscalls.def"
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* ---- what an argument may be ---- */

enum domain {
	END, DIRFD, DIRFD2, OBJ, NEW, FD, OFLAGS, ATFLAGS, MODE, NODE, AMODE, RFLAGS, SIZE, ID, DEV, TARGET, HOW, HOW_SIZE, MASK, STAT, STATX, STATFS,
	BUF, LEN, XNAME, XVALUE, XLEN, XFLAGS, XARGS, XARGS_SIZE, UTIME, TIMEVALS, TIMESPECS, WATCH,
	DOMAINS
};

#define ARGS 6
struct form {
	const char *name;
	enum domain arg[ARGS];
};

static const struct form forms[] = {
	{ "open", { OBJ, OFLAGS, MODE } }, { "creat", { OBJ, MODE } }, { "openat", { DIRFD, OBJ, OFLAGS, MODE } },
	{ "openat2", { DIRFD, OBJ, HOW, HOW_SIZE } },
	{ "stat", { OBJ, STAT } }, { "lstat", { OBJ, STAT } }, { "fstat", { FD, STAT } }, { "newfstatat", { DIRFD, OBJ, STAT, ATFLAGS } },
	{ "statx", { DIRFD, OBJ, ATFLAGS, MASK, STATX } }, { "statfs", { OBJ, STATFS } },
	{ "access", { OBJ, AMODE } }, { "faccessat", { DIRFD, OBJ, AMODE } }, { "faccessat2", { DIRFD, OBJ, AMODE, ATFLAGS } },
	{ "truncate", { OBJ, SIZE } },
	{ "rename", { OBJ, NEW } }, { "renameat", { DIRFD, OBJ, DIRFD2, NEW } }, { "renameat2", { DIRFD, OBJ, DIRFD2, NEW, RFLAGS } },
	{ "link", { OBJ, NEW } }, { "linkat", { DIRFD, OBJ, DIRFD2, NEW, ATFLAGS } },
	{ "mkdir", { NEW, MODE } }, { "mkdirat", { DIRFD, NEW, MODE } },
	{ "mknod", { NEW, NODE, DEV } }, { "mknodat", { DIRFD, NEW, NODE, DEV } },
	{ "symlink", { TARGET, NEW } }, { "symlinkat", { TARGET, DIRFD, NEW } },
	{ "unlink", { OBJ } }, { "rmdir", { OBJ } }, { "unlinkat", { DIRFD, OBJ, ATFLAGS } },
	{ "readlink", { OBJ, BUF, LEN } }, { "readlinkat", { DIRFD, OBJ, BUF, LEN } },
	{ "chmod", { OBJ, MODE } }, { "fchmod", { FD, MODE } }, { "fchmodat", { DIRFD, OBJ, MODE } }, { "fchmodat2", { DIRFD, OBJ, MODE, ATFLAGS } },
	{ "chown", { OBJ, ID, ID } }, { "lchown", { OBJ, ID, ID } }, { "fchown", { FD, ID, ID } }, { "fchownat", { DIRFD, OBJ, ID, ID, ATFLAGS } },
	{ "utime", { OBJ, UTIME } }, { "utimes", { OBJ, TIMEVALS } }, { "futimesat", { DIRFD, OBJ, TIMEVALS } },
	{ "utimensat", { DIRFD, OBJ, TIMESPECS, ATFLAGS } },
	{ "setxattr", { OBJ, XNAME, XVALUE, XLEN, XFLAGS } }, { "lsetxattr", { OBJ, XNAME, XVALUE, XLEN, XFLAGS } },
	{ "fsetxattr", { FD, XNAME, XVALUE, XLEN, XFLAGS } },
	{ "getxattr", { OBJ, XNAME, BUF, LEN } }, { "lgetxattr", { OBJ, XNAME, BUF, LEN } }, { "fgetxattr", { FD, XNAME, BUF, LEN } },
	{ "listxattr", { OBJ, BUF, LEN } }, { "llistxattr", { OBJ, BUF, LEN } }, { "flistxattr", { FD, BUF, LEN } },
	{ "removexattr", { OBJ, XNAME } }, { "lremovexattr", { OBJ, XNAME } }, { "fremovexattr", { FD, XNAME } },
	{ "setxattrat", { DIRFD, OBJ, ATFLAGS, XNAME, XARGS, XARGS_SIZE } }, { "getxattrat", { DIRFD, OBJ, ATFLAGS, XNAME, XARGS, XARGS_SIZE } },
	{ "listxattrat", { DIRFD, OBJ, ATFLAGS, BUF, LEN } }, { "removexattrat", { DIRFD, OBJ, ATFLAGS, XNAME } },
	{ "chdir", { OBJ } }, { "fchdir", { FD } }, { "getcwd", { BUF, LEN } }, { "umask", { MODE } },
	{ "getdents", { FD, BUF, LEN } }, { "getdents64", { FD, BUF, LEN } }, { "inotify_add_watch", { FD, OBJ, WATCH } },
};
#define FORMS (sizeof(forms) / sizeof(forms[0]))

/* Rows whose arguments are no paths, or that need more than one call around them. */
static const struct {
	const char *name, *program;
} elsewhere[] = {
	{ "connect", "unix_sockets.c" }, { "sendmsg", "unix_sockets.c" }, { "bind", "unix_sockets.c" }, { "getsockname", "unix_sockets.c" },
	{ "getpeername", "unix_sockets.c" }, { "sendto", "unix_sockets.c" }, { "sendmmsg", "unix_sockets.c" },
	{ "execve", "execs.c" }, { "execveat", "execs.c" },
	{ "setuid", "identities.c" }, { "setgid", "identities.c" }, { "setreuid", "identities.c" }, { "setregid", "identities.c" },
	{ "setgroups", "identities.c" }, { "setresuid", "identities.c" }, { "setresgid", "identities.c" }, { "setfsuid", "identities.c" },
	{ "setfsgid", "identities.c" }, { "capset", "identities.c" },
	{ "clone", "shared_fs.c" }, { "unshare", "shared_fs.c" },
	{ "kill", "signals.c" }, { "rt_sigqueueinfo", "signals.c" }, { "tkill", "signals.c" }, { "tgkill", "signals.c" },
	{ "rt_tgsigqueueinfo", "signals.c" }, { "pidfd_send_signal", "signals.c" },
	{ "fcntl", "locks.c" },
	{ "setpriority", "priorities.c" }, { "sched_setparam", "priorities.c" }, { "sched_setscheduler", "priorities.c" },
	{ "sched_setaffinity", "affinity.c" }, { "ioprio_set", "priorities.c" }, { "prlimit64", "priorities.c" }, { "sched_setattr", "priorities.c" },
	{ "shmget", "ipc.c" }, { "shmat", "ipc.c" }, { "shmctl", "ipc.c" }, { "semget", "ipc.c" }, { "semop", "ipc.c" }, { "semtimedop", "ipc.c" },
	{ "semctl", "ipc.c" }, { "msgget", "ipc.c" }, { "msgsnd", "ipc.c" }, { "msgrcv", "ipc.c" }, { "msgctl", "ipc.c" },
	{ "mq_open", "ipc.c" }, { "mq_unlink", "ipc.c" },
};
#define ELSEWHERE (sizeof(elsewhere) / sizeof(elsewhere[0]))

/* ---- the tree of a row ---- */

enum kind { NONE, FILE_, DIR_, LINK_, FIFO_ };

/* Names that calls make or remove, with what undoes that. Order: directories before what is in them. */
static const struct {
	const char *path;
	enum kind kind;
	const char *text;     /* text: content, or where a link leads */
} objects[] = {
	{ "host", DIR_, 0 }, { "host/f1", FILE_, "one" }, { "host/f2", FILE_, "two" }, { "host/dir", DIR_, 0 }, { "host/dir/a", FILE_, "in it" },
	{ "host/dir/sub", DIR_, 0 }, { "host/empty", DIR_, 0 }, { "host/link", LINK_, "f1" }, { "host/dirlink", LINK_, "dir" },
	{ "host/slashlink", LINK_, "dir/" }, { "host/newlink", LINK_, "dir/unmade/" },
	{ "host/dangling", LINK_, "nothing" }, { "host/loop", LINK_, "loop" }, { "host/fifo", FIFO_, 0 }, { "host/copied", FILE_, "first" },
	{ "host/hard1", FILE_, "two names" }, { "host/shut", DIR_, 0 }, { "host/shut/in", FILE_, "behind" }, { "host/mute", FILE_, "no rights" },
	{ "host/moved", DIR_, 0 }, { "host/moved/a", FILE_, "went along" }, { "made", DIR_, 0 }, { "made/f", FILE_, "new" }, { "made/d", DIR_, 0 },
	{ "made/link", LINK_, "../host/f1" }, { "made/up", LINK_, "../host" },
	{ "host/nothing", NONE, 0 }, { "host/missing", NONE, 0 }, { "host/gone", NONE, 0 }, { "fresh", NONE, 0 }, { "host/fresh", NONE, 0 },
	{ "host/dir/fresh", NONE, 0 }, { "made/fresh", NONE, 0 }, { "host/dir/unmade", NONE, 0 }, { "host/moved/fresh", NONE, 0 },
};
#define OBJECTS (sizeof(objects) / sizeof(objects[0]))

static void make(size_t i)
{
	switch (objects[i].kind) {
	case FILE_: guest_put(objects[i].path, objects[i].text); break;
	case DIR_: mkdir(objects[i].path, 0755); break;
	case LINK_: (void)!symlink(objects[i].text, objects[i].path); break;
	case FIFO_: mkfifo(objects[i].path, 0644); break;
	case NONE: break;
	}
}

/* Before the run: what the box finds on the host. */
static void setup_row(void)
{
	for (size_t i = 0; i < OBJECTS; i++)
		if (strncmp(objects[i].path, "made", 4) && strncmp(objects[i].path, "host/moved", 10))
			make(i);
	mkdir("host/before", 0755);
	guest_put("host/before/a", "went along");
	guest_put("host/gone", "will be removed");
	setxattr("host/f1", "user.note", "remember", 8, 0);
	(void)!link("host/hard1", "host/hard2");
}

/* In the run: what only a layer has, or both. */
static void prepare_row(void)
{
	(void)!rename("host/before", "host/moved");
	unlink("host/gone");
	for (size_t i = 0; i < OBJECTS; i++)
		if (!strncmp(objects[i].path, "made", 4))
			make(i);
	guest_put("host/dir/new", "beside the host's");
	guest_put("host/copied", "second");
	(void)!truncate("host/hard2", 4);
}

static enum kind kind_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return NONE;
	return S_ISREG(st.st_mode) ? FILE_ : S_ISDIR(st.st_mode) ? DIR_ : S_ISLNK(st.st_mode) ? LINK_ : FIFO_;
}

static void remove_tree(const char *path)
{
	DIR *d = rmdir(path) < 0 && unlink(path) < 0 ? opendir(path) : NULL;
	char name[4200];

	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));) {
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			remove_tree(name);
	}
	closedir(d);
	rmdir(path);
}

static void heal(void)
{
	if (kind_of("host") == DIR_)
		chmod("host", 0755);
	for (size_t i = 0; i < OBJECTS; i++) {
		enum kind now = kind_of(objects[i].path);

		if (now == objects[i].kind)
			continue;
		if (now != NONE)
			remove_tree(objects[i].path);
		if (now != NONE && kind_of(objects[i].path) != NONE)
			printf("    cannot undo %s\n", objects[i].path);
		make(i);
	}
}

static void show_tree(const char *path, int depth)
{
	DIR *d = opendir(path);
	struct dirent **list;
	int n;

	if (!d)
		return;
	closedir(d);
	n = scandir(path, &list, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		char name[4200], target[300] = "", note[64] = "";
		struct stat st;

		if (!strcmp(list[i]->d_name, ".") || !strcmp(list[i]->d_name, ".."))
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, list[i]->d_name);
		if (lstat(name, &st) < 0) {
			printf("  %s: %s\n", name, strerrorname_np(errno));
			continue;
		}
		if (S_ISLNK(st.st_mode) && readlink(name, target, sizeof(target) - 1) < 0)
			strcpy(target, "?");
		if (lgetxattr(name, "user.note", note, sizeof(note) - 1) < 0)
			note[0] = '\0';
		printf("  %s %o %d:%d n=%d s=%ld %s %s\n", name, st.st_mode, (int)st.st_uid, (int)st.st_gid, S_ISDIR(st.st_mode) ? 0 : (int)st.st_nlink,
		       S_ISREG(st.st_mode) ? (long)st.st_size : 0L, target, note);
		/* what the host does not let an ordinary user list stays so: docs/DIFFERENCES.md */
		if (S_ISDIR(st.st_mode) && depth < 6 && (getuid() == 0 || strcmp(name, "./host/shut")))
			show_tree(name, depth + 1);
	}
}

/* ---- values ---- */

#define BUF_SIZE 4096
#define VALUES_MAX 80
static struct value {
	long v;
	char label[64];
} values[DOMAINS][VALUES_MAX];
static int nvalues[DOMAINS];

static char out[BUF_SIZE], long_name[300], long_path[8200], full_path[4097];
static char *page_end, *raw_end;     /* behind these nothing is mapped; a path ends at the first, nothing at the second */
static char *read_only;
static int start_fd, up_fd;

static void add(enum domain d, long v, const char *label)
{
	values[d][nvalues[d]].v = v;
	snprintf(values[d][nvalues[d]++].label, sizeof(values[d][0].label), "%s", label);
}

static void add_text(enum domain d, const char *text)
{
	char label[60];

	snprintf(label, sizeof(label), "\"%.40s%s\"", text, strlen(text) > 40 ? "..." : "");
	add(d, (long)text, label);
}

static void add_numbers(enum domain d, const long *v, int n)
{
	char label[32];

	for (int i = 0; i < n; i++) {
		snprintf(label, sizeof(label), "%#lx", v[i]);
		add(d, v[i], label);
	}
}
#define NUMBERS(d, ...) do { const long n_[] = { __VA_ARGS__ }; add_numbers(d, n_, (int)(sizeof(n_) / sizeof(n_[0]))); } while (0)

static void add_pointers(enum domain d)
{
	add(d, 0, "NULL");
	add(d, 16, "unmapped");
	add(d, (long)(raw_end - 3), "end of mapping");
}

static void path_values(void)
{
	static const char *const obj[] = {
		"host/f1", "host/dir", "host/empty", "host/link", "host/dirlink", "host/slashlink", "host/newlink", "host/dirlink/a", "host/dangling",
		"host/loop", "host/loop/x",
		"host/fifo", "host/copied", "host/hard1", "host/hard2", "host/shut", "host/shut/in", "host/mute", "host/moved", "host/moved/a",
		"host/gone", "host/gone/x", "host/missing", "host/missing/x", "host/f1/x", "host/f1/", "host/f1/.", "host/dir/", "host/dir/.", "host/dir/..",
		"host/dir/../f1", "host/link/", "host/dirlink/", "host/dirlink/.", "host/dirlink/../f1", "host/dangling/", "host/gone/", "host/missing/..",
		"host//dir///a", "made", "made/f", "made/d", "made/link", "made/up/dir/a", "made/../host/f1", "host/dir/new", "a", "", ".", "..", "./", "made/f/",
	}, *const new[] = {
		"fresh", "host/fresh", "host/dir/fresh", "made/fresh", "host/moved/fresh", "fresh/", "host/dirlink/fresh", "host/f2", "host/empty", "host/dir",
		"host/dir/sub", "host/gone", "host/gone/", "host/dangling", "host/newlink", "host/link", "host/missing/x", "host/f1/x", "host/shut/x", "host/loop/x",
		"host/f1", "made/f", "made/d", "", ".", "..", "host/dir/..", "host/dir/.", "host/moved",
	};

	memset(long_name, 'n', 256);
	memset(long_path, 'p', 5000);
	for (int i = 0; i < 4095 - 8; i += 2)
		memcpy(full_path + i, "./", 2);
	strcpy(full_path + 4088, "host/f1");
	for (size_t i = 0; i < sizeof(obj) / sizeof(obj[0]); i++)
		add_text(OBJ, obj[i]);
	for (size_t i = 0; i < sizeof(new) / sizeof(new[0]); i++)
		add_text(NEW, new[i]);
	add(OBJ, (long)full_path, "4095 bytes to host/f1");
	for (int d = OBJ; d <= NEW; d++) {
		add(d, (long)long_name, "a name of 256");
		add(d, (long)long_path, "5000 bytes");
		add(d, (long)strcpy(page_end - 8, "host/f1"), "\"host/f1\" at the end of a mapping");
		add(d, 0, "NULL");
		add(d, 16, "unmapped");
		add(d, -4096, "not ours");
		add(d, (long)(raw_end - 3), "no end before the mapping's");
	}
	static const char *const target[] = { "fresh target", "", "/" };
	for (size_t i = 0; i < 3; i++)
		add_text(TARGET, target[i]);
	add(TARGET, (long)long_path, "5000 bytes");
	add_pointers(TARGET);
	static const char *const names[] = { "user.note", "user.none", "user.", "note", "", "trusted.note", "security.note", "system.posix_acl_access" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		add_text(XNAME, names[i]);
	add(XNAME, (long)long_name, "a name of 256");
	add(XNAME, 0, "NULL");
	add(XNAME, 16, "unmapped");
}

static void number_values(void)
{
	static struct open_how how[] = {
		{ .flags = O_RDONLY }, { .flags = O_RDONLY, .resolve = RESOLVE_NO_SYMLINKS }, { .flags = O_RDONLY, .resolve = RESOLVE_BENEATH },
		{ .flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT }, { .flags = O_RDONLY, .resolve = RESOLVE_NO_XDEV },
		{ .flags = O_RDONLY, .resolve = RESOLVE_NO_MAGICLINKS }, { .flags = O_PATH | O_NOFOLLOW }, { .flags = O_RDONLY, .mode = 0644 },
		{ .flags = O_WRONLY | O_CREAT, .mode = 0640 }, { .flags = O_WRONLY | O_CREAT, .mode = 0777777 }, { .flags = 1ull << 40 },
		{ .flags = O_RDONLY, .resolve = 1ull << 40 }, { .flags = O_WRONLY | O_CREAT | O_EXCL, .mode = 0600, .resolve = RESOLVE_BENEATH },
		{ .flags = O_RDWR | O_TRUNC }, { .flags = O_PATH | O_CREAT }, { .flags = O_RDONLY | O_DIRECTORY },
		{ .flags = O_RDONLY, .resolve = RESOLVE_BENEATH | RESOLVE_IN_ROOT }, { .flags = O_TMPFILE | O_RDWR, .mode = 0600 },
	};
	static struct utimbuf ut = { 1000, 2000 };
	static struct timeval tv[3][2] = { { { 1000, 0 }, { 2000, 0 } }, { { 1000, 1000000 }, { 1, 0 } }, { { 1, -1 }, { 1, 0 } } };
	static struct timespec ts[5][2] = { { { 1000, 0 }, { 2000, 5 } }, { { 0, UTIME_NOW }, { 0, UTIME_OMIT } }, { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } },
		{ { 1, 1000000000 }, { 1, 0 } }, { { 0, UTIME_OMIT }, { 77, 0 } } };
	static struct { uint64_t value; uint32_t size, flags; } xargs[3];
	char label[32];

	for (size_t i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		how[i].flags |= how[i].flags & O_PATH ? 0 : O_NONBLOCK;
		snprintf(label, sizeof(label), "{%#llo %#llo %#llx}", (unsigned long long)how[i].flags, (unsigned long long)how[i].mode,
			 (unsigned long long)how[i].resolve);
		add(HOW, (long)&how[i], label);
	}
	add_pointers(HOW);
	NUMBERS(HOW_SIZE, sizeof(struct open_how), 0, 16, 23, 32, 5000);
	NUMBERS(OFLAGS, O_RDONLY | O_NONBLOCK, O_WRONLY | O_NONBLOCK, O_RDWR | O_NONBLOCK, O_ACCMODE | O_NONBLOCK, O_RDONLY | O_DIRECTORY,
		O_PATH, O_PATH | O_NOFOLLOW, O_PATH | O_DIRECTORY, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, O_WRONLY | O_CREAT | O_NONBLOCK,
		O_RDONLY | O_CREAT | O_NONBLOCK, O_WRONLY | O_CREAT | O_EXCL, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, O_WRONLY | O_TRUNC | O_NONBLOCK,
		O_RDONLY | O_TRUNC | O_NONBLOCK, O_WRONLY | O_APPEND | O_NONBLOCK, O_RDONLY | O_NOATIME | O_NONBLOCK, O_WRONLY | O_CREAT | O_DIRECTORY,
		O_TMPFILE | O_RDWR, O_TMPFILE | O_RDONLY, O_TMPFILE | O_WRONLY | O_EXCL, O_RDONLY | O_NONBLOCK | 0x40000000);
	NUMBERS(ATFLAGS, 0, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_SYMLINK_FOLLOW, AT_REMOVEDIR, AT_NO_AUTOMOUNT, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW,
		AT_STATX_FORCE_SYNC, AT_STATX_SYNC_TYPE, 1, 0x100000);
	NUMBERS(MODE, 0644, 0, 0755, 07777, 0177777, 0200000 | 0600);
	NUMBERS(NODE, S_IFREG | 0644, 0644, S_IFIFO | 0600, S_IFSOCK | 0600, S_IFDIR | 0755, S_IFLNK | 0777, 0170000, S_IFREG | 07777);
	NUMBERS(AMODE, F_OK, R_OK, W_OK, X_OK, R_OK | W_OK, 8, -1);
	NUMBERS(RFLAGS, 0, 1, 2, 3, 8);
	NUMBERS(SIZE, 2, 0, 100, -1);
	NUMBERS(ID, -1, (long)getuid(), 12345);
	NUMBERS(DEV, 0);
	NUMBERS(MASK, 0x7ff, 0, 0xfff, 0x80000000, 0x17ff);
	NUMBERS(LEN, BUF_SIZE, 0, 1, 3, -1);
	NUMBERS(XLEN, 4, 0, 60000, 70000, -1);
	NUMBERS(XFLAGS, 0, XATTR_CREATE, XATTR_REPLACE, 3, 8);
	NUMBERS(WATCH, IN_ALL_EVENTS, 0, IN_ONLYDIR | IN_MODIFY, IN_DONT_FOLLOW | IN_MODIFY, IN_MODIFY | IN_MASK_ADD | IN_MASK_CREATE);
	NUMBERS(XARGS_SIZE, 16, 0, 15, 17, 24);
	for (int d = STAT; d <= BUF; d++) {
		add(d, (long)out, "buffer");
		add_pointers(d);
		add(d, (long)read_only, "read-only");
	}
	add(XVALUE, (long)long_path, "value");
	add_pointers(XVALUE);
	for (int i = 0; i < 3; i++) {
		xargs[i].value = (uint64_t)(i == 1 ? 16 : (long)out);
		xargs[i].size = 8;
		xargs[i].flags = i == 2 ? 9 : 0;
		add(XARGS, (long)&xargs[i], i == 0 ? "{buffer 8 0}" : i == 1 ? "{unmapped 8 0}" : "{buffer 8 9}");
	}
	add_pointers(XARGS);
	add(UTIME, (long)&ut, "{1000 2000}");
	add_pointers(UTIME);
	for (int i = 0; i < 3; i++)
		add(TIMEVALS, (long)tv[i], i == 0 ? "{1000 2000}" : i == 1 ? "{too large}" : "{negative}");
	add_pointers(TIMEVALS);
	for (int i = 0; i < 5; i++) {
		snprintf(label, sizeof(label), "times %d", i);
		add(TIMESPECS, (long)ts[i], label);
	}
	add_pointers(TIMESPECS);
}

/* Descriptors belong to the row: they are opened in its directory. */
static void open_descriptors(bool watch, bool attributes)
{
	int p[2], fd;

	nvalues[FD] = nvalues[DIRFD] = nvalues[DIRFD2] = 0;
	if (watch)
		add(FD, inotify_init1(IN_NONBLOCK), "inotify");
	add(FD, open("host/f2", O_RDONLY), "host/f2");
	add(FD, open("host/dir", O_RDONLY | O_DIRECTORY), "host/dir");
	add(FD, open("made/f", O_RDWR), "made/f");
	add(FD, open("made", O_RDONLY | O_DIRECTORY), "made");
	add(FD, open("host/copied", O_RDONLY), "host/copied");
	add(FD, open("host/moved", O_RDONLY | O_DIRECTORY), "host/moved");
	add(FD, open("host/f2", O_PATH), "O_PATH host/f2");
	add(FD, open("host/dir", O_PATH), "O_PATH host/dir");
	add(FD, open("host/link", O_PATH | O_NOFOLLOW), "O_PATH host/link");
	add(FD, (pipe(p), p[0]), "pipe");
	guest_put("fresh", "to be removed");
	add(FD, open("fresh", O_RDWR), "removed file");
	unlink("fresh");
	add(FD, 999, "closed");
	add(FD, -1, "-1");
	if (!attributes)     /* of which newer kernels take it for the working directory */
		add(FD, AT_FDCWD, "AT_FDCWD");
	for (int d = DIRFD; d <= DIRFD2; d++) {
		add(d, AT_FDCWD, "AT_FDCWD");
		add(d, open(".", O_RDONLY | O_DIRECTORY), ".");
		add(d, open("host/dir", O_RDONLY | O_DIRECTORY), "host/dir");
		add(d, open("made", O_PATH | O_DIRECTORY), "O_PATH made");
		add(d, open("host/f1", O_RDONLY), "host/f1");
		add(d, 999, "closed");
		add(d, -1, "-1");
		mkdir("fresh", 0755);
		fd = open("fresh", O_RDONLY | O_DIRECTORY);
		rmdir("fresh");
		add(d, fd, "removed directory");
	}
}

/* ---- one call ---- */

static void show_result(const struct form *f, const int *at, long r)
{
	const struct stat *st = (const void *)out;
	const struct statx *sx = (const void *)out;

	for (int i = 0; i < ARGS && f->arg[i]; i++) {
		if (values[f->arg[i]][at[i]].v != (long)out)
			continue;
		if (f->arg[i] == STAT)
			printf(" mode %o %d:%d n=%d s=%ld", st->st_mode, (int)st->st_uid, (int)st->st_gid, S_ISDIR(st->st_mode) ? 0 : (int)st->st_nlink,
			       S_ISREG(st->st_mode) ? (long)st->st_size : 0L);
		else if (f->arg[i] == STATX)
			printf(" mode %o %d:%d s=%ld mask %x", sx->stx_mode, (int)sx->stx_uid, (int)sx->stx_gid,
			       S_ISREG(sx->stx_mode) ? (long)sx->stx_size : 0L, sx->stx_mask & STATX_BASIC_STATS);
		else if (f->arg[i] == BUF && strncmp(f->name, "getdents", 8) && strcmp(f->name, "getcwd"))
			printf(" \"%.*s\"", (int)(r < 60 ? r : 60), out);
	}
}

static int has(const struct form *f, enum domain a)
{
	for (int i = 0; i < ARGS && f->arg[i]; i++)
		if (f->arg[i] == a)
			return i;
	return -1;
}

/* Without search permission on its own working directory a program of an ordinary user differs (docs/DIFFERENCES.md). */
static void heal_modes(void)
{
	static const char *const dirs[] = { "host", "host/dir", "host/empty", "host/moved", "made", "made/d" };

	(void)!fchmod(start_fd, 0755);
	fchmod(up_fd, 0755);
	for (int i = 0; i < nvalues[DIRFD]; i++)
		if (!strcmp(values[DIRFD][i].label, "removed directory"))
			fchmod((int)values[DIRFD][i].v, 0755);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		chmod(dirs[i], 0755);
}

/* What would have to be read to be copied up, by a user who may not: docs/DIFFERENCES.md. */
static bool is_known(const struct form *f, const char *label)
{
	bool copies = has(f, NEW) >= 0 || strstr(f->name, "chmod") || strstr(f->name, "chown") || strstr(f->name, "utime");

	if (getuid() == 0)
		return false;
	return (!strcmp(label, "\"host/mute\"") && copies) ||
	       (!strcmp(label, "\"host/shut\"") && (strstr("rmdir unlinkat", f->name) || strstr(f->name, "chmod") || has(f, NEW) >= 0));
}

/* What is returned and differs from run to run. */
static long plain_result(const struct form *f, long r)
{
	bool number = !strncmp(f->name, "getdents", 8) || !strcmp(f->name, "getcwd") || !strcmp(f->name, "inotify_add_watch");

	return number && r > 0 ? 1 : r;
}

static void call(const struct row *row, const struct form *f, const int *at)
{
	bool opens = !strncmp(f->name, "open", 4) || !strcmp(f->name, "creat");
	long v[ARGS] = { 0 }, r;

	for (int i = 0; i < ARGS && f->arg[i]; i++) {
		v[i] = values[f->arg[i]][at[i]].v;
		if (f->arg[i] == OBJ && is_known(f, values[OBJ][at[i]].label))
			return;
		/* ".." of what is gone: docs/DIFFERENCES.md */
		if ((f->arg[i] == OBJ || f->arg[i] == NEW) && !strcmp(values[f->arg[i]][at[i]].label, "\"..\"") && i > 0 &&
		    !strcmp(values[f->arg[i - 1]][at[i - 1]].label, "removed directory"))
			return;
		if (opens && f->arg[i] == OBJ && !strcmp(f->name, "creat") && !strcmp(values[OBJ][at[i]].label, "\"host/fifo\""))
			return;     /* it would wait for a reader */
	}
	printf("%s(", f->name);
	for (int i = 0; i < ARGS && f->arg[i]; i++)
		printf("%s%s", i ? ", " : "", values[f->arg[i]][at[i]].label);
	memset(out, 0, sizeof(out));
	memset(raw_end - 3, 'e', 3);
	errno = 0;
	r = syscall(row->nr, v[0], v[1], v[2], v[3], v[4], v[5]);
	if (r < 0) {
		printf(") = %s\n", strerrorname_np(errno));
	} else if (opens) {
		struct stat st;
		printf(") = a descriptor, %s %o\n", fcntl((int)r, F_GETFD) & FD_CLOEXEC ? "close on exec," : "", fstat((int)r, &st) < 0 ? 0 : st.st_mode);
		close((int)r);
	} else {
		printf(") = %ld", plain_result(f, r));
		show_result(f, at, r);
		printf("\n");
	}
	if (!strcmp(f->name, "chdir") || !strcmp(f->name, "fchdir"))
		(void)!fchdir(start_fd);
	if (!strcmp(f->name, "umask"))
		umask(022);
	if (strstr(f->name, "chmod"))
		heal_modes();
	if (r >= 0 && (opens || has(f, NEW) >= 0 || !strcmp(f->name, "rmdir") || !strncmp(f->name, "unlink", 6)))
		heal();
}

static void vary_two(const struct row *row, const struct form *f, int a, int b)
{
	int at[ARGS] = { 0 };

	if (a < 0 || b < 0)
		return;
	for (at[a] = 1; at[a] < nvalues[f->arg[a]]; at[a]++)
		for (at[b] = 1; at[b] < nvalues[f->arg[b]]; at[b]++)
			call(row, f, at);
}

/* What names the descriptor itself, with each of the flags. */
static void vary_empty(const struct row *row, const struct form *f, int dir, int path, int flags)
{
	int at[ARGS] = { 0 };

	if (dir < 0 || path < 0 || flags < 0)
		return;
	for (at[path] = 0; at[path] < nvalues[f->arg[path]]; at[path]++) {
		const char *label = values[f->arg[path]][at[path]].label;

		if (strcmp(label, "\"\"") && strcmp(label, "NULL") && strcmp(label, "\".\"") && strcmp(label, "\"..\""))
			continue;
		for (at[dir] = 0; at[dir] < nvalues[f->arg[dir]]; at[dir]++)
			for (at[flags] = 0; at[flags] < nvalues[f->arg[flags]]; at[flags]++)
				call(row, f, at);
	}
}

static void run_row(const struct row *row, const struct form *f)
{
	static const enum domain with[] = { OFLAGS, ATFLAGS, HOW, DIRFD, RFLAGS, AMODE, SIZE, TIMESPECS, XNAME };
	int at[ARGS] = { 0 };

	for (int i = 0; i < ARGS && f->arg[i]; i++) {
		for (at[i] = i > 0; at[i] < nvalues[f->arg[i]]; at[i]++)
			call(row, f, at);
		at[i] = 0;
	}
	for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++) {
		vary_two(row, f, has(f, OBJ), has(f, with[i]));
		vary_two(row, f, has(f, NEW), has(f, with[i]));
	}
	vary_two(row, f, has(f, OBJ), has(f, NEW));
	vary_two(row, f, has(f, NEW), has(f, DIRFD2));
	vary_two(row, f, has(f, FD), has(f, XNAME));
	vary_two(row, f, has(f, DIRFD), has(f, ATFLAGS));
	vary_empty(row, f, has(f, DIRFD), has(f, OBJ), has(f, ATFLAGS));
	vary_empty(row, f, has(f, DIRFD), has(f, OBJ), has(f, HOW));
	vary_empty(row, f, has(f, DIRFD), has(f, OBJ), has(f, OFLAGS));
	vary_empty(row, f, has(f, DIRFD2), has(f, NEW), has(f, ATFLAGS));
	vary_empty(row, f, has(f, DIRFD2), has(f, NEW), has(f, RFLAGS));
}

/* ---- rows ---- */

static const struct form *form_of(const char *name)
{
	for (size_t i = 0; i < FORMS; i++)
		if (!strcmp(forms[i].name, name))
			return &forms[i];
	return NULL;
}

static int in_row(const struct row *row, const struct form *f, bool setup)
{
	char dir[64];
	pid_t pid;
	int status;

	snprintf(dir, sizeof(dir), "rows/%s", row->name);
	/* What this kernel does not have is left out, and told. */
	if (setup && syscall(row->nr, -1, -1, -1, -1, -1, -1) < 0 && errno == ENOSYS)
		return 0;
	umask(022);
	if (!setup && access(dir, F_OK) < 0) {
		printf("%s: not of this kernel\n", row->name);
		return 0;
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (setup)
			mkdir(dir, 0755);
		if (chdir(dir) < 0)
			_exit(3);
		if (setup) {
			setup_row();
			_exit(0);
		}
		start_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		up_fd = open("..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		prepare_row();
		open_descriptors(!strcmp(row->name, "inotify_add_watch"), strstr(row->name, "xattr") != NULL);
		run_row(row, f);
		printf("%s leaves\n", row->name);
		show_tree(".", 0);
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (status)
		printf("%s: status %#x\n", row->name, status);
	return status != 0;
}

static int lint(const char *dir)
{
	int bad = 0;

	for (size_t i = 0; i < ROWS; i++) {
		const char *program = NULL;
		char path[4200], text[1 << 17];
		ssize_t n;
		int fd;

		if (form_of(rows[i].name))
			continue;
		for (size_t j = 0; j < ELSEWHERE; j++)
			if (!strcmp(elsewhere[j].name, rows[i].name))
				program = elsewhere[j].program;
		snprintf(path, sizeof(path), "%s/%s", dir, program ? program : "");
		fd = program ? open(path, O_RDONLY) : -1;
		n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = '\0';
		if (!program || !strstr(text, rows[i].name)) {
			printf("%s is tried by no program%s%s\n", rows[i].name, program ? ", also not by " : "", program ? program : "");
			bad = 1;
		}
		if (fd >= 0)
			close(fd);
	}
	return bad;
}

int main(int argc, char **argv)
{
	bool setup = argc > 1 && !strcmp(argv[1], "setup");
	int bad = 0;

	if (argc == 3 && !strcmp(argv[1], "lint"))
		return lint(argv[2]);
	umask(022);
	if (setup && mkdir("rows", 0755) < 0)
		return 1;
	char *map = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	read_only = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED || read_only == MAP_FAILED || munmap(map + 4096, 4096) < 0 || munmap(map + 3 * 4096, 4096) < 0)
		return 1;
	page_end = map + 4096;
	raw_end = map + 3 * 4096;
	path_values();
	number_values();
	for (size_t i = 0; i < ROWS; i++) {
		const struct form *f = form_of(rows[i].name);
		bool named = argc == 1 || setup;

		for (int j = 1; j < argc; j++)
			named |= !strcmp(argv[j], rows[i].name);
		if (f && named)
			bad |= in_row(&rows[i], f, setup);
	}
	return bad;
}
