/* store.c - the directory that holds all boxes.
 *
 * (I1) Whatever is under boxes/ with a box's name is a whole box: it is made under a temporary name and renamed into place, and renamed
 *      out of place before it is taken apart.
 * (I2) boxes/ belongs to us and nobody else may look into it: a layer may hold set-id files and directories that anybody can write.
 */
#include "overlay/store.h"

#include <ctype.h>
#include <dirent.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>
#include "overlay/internal.h"
#include "base/tree.h"

#define ELSEWHERE "set COWBOX_HOME=/dir to a directory on another file system"
#define TEMP_FILE_AGE 600
#define FRESH_STEM_MAX 32
#define FRESH_TRIES 10000

void store_temp_name(char ret[static STORE_TEMP_MAX], const char *kind)
{
	static atomic_uint_fast64_t serial;
	struct timespec now;

	/* The time keeps a reused pid from meeting what its forebear left. */
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(ret, STORE_TEMP_MAX, ".%s-%d-%llx%09lx-%llu", kind, (int)getpid(), (unsigned long long)now.tv_sec,
		 (unsigned long)now.tv_nsec, (unsigned long long)atomic_fetch_add(&serial, 1));
}

int store_make_private(int fd)
{
	/* Default ACLs would go on to every file made in a layer. */
	(void)sys_removexattr(FD_PATH(fd), "system.posix_acl_default");
	(void)sys_removexattr(FD_PATH(fd), "system.posix_acl_access");
	return sys_chmod_fd(fd, 0700);
}

/* ---- finding and making it ---- */

static int home_of_user(char ret[static PATH_MAX])
{
	const char *home = getenv("HOME");
	struct passwd pw, *found = NULL;
	char buf[4096];

	if (!home || home[0] != '/') {
		if (getpwuid_r(geteuid(), &pw, buf, sizeof buf, &found) != 0 || !found || found->pw_dir[0] != '/')
			return -ENOENT;
		home = found->pw_dir;
	}
	return path_join(ret, PATH_MAX, home, ".local/state/cowbox");
}

int store_locate(char ret[static PATH_MAX], struct err *err)
{
	const char *own = getenv("COWBOX_HOME"), *state = getenv("XDG_STATE_HOME");
	char cwd[PATH_MAX] = "/";
	int r;

	if (own && *own) {
		if (own[0] != '/' && !getcwd(cwd, sizeof cwd))
			return err_sys(err, -errno, "COWBOX_HOME=%s is relative, and the working directory cannot be found", own);
		/* Not normalised: a ".." behind a symlink means what the kernel makes of it. */
		r = own[0] == '/' ? path_join(ret, PATH_MAX, own, "") : path_join(ret, PATH_MAX, cwd, own);
	} else if (state && state[0] == '/') {
		r = path_join(ret, PATH_MAX, state, "cowbox");
	} else {
		r = home_of_user(ret);
		if (r == -ENOENT)
			return err_set(err, r, "no home directory is known for the store: set COWBOX_HOME=/dir");
	}
	if (r < 0)
		return err_sys(err, r, "the path of the store (COWBOX_HOME, XDG_STATE_HOME or HOME) is unusable");
	return 0;
}

/* mkdir -p. What is made is private, as the XDG base directories ask. */
static int make_path(const char *path, struct err *err)
{
	char part[PATH_MAX];
	size_t at = 1;

	while (path[at - 1]) {
		struct stat st;
		int r;

		at += strcspn(path + at, "/");
		memcpy(part, path, at);
		part[at] = '\0';
		r = sys_mkdirat(AT_FDCWD, part, 0700);
		if (r < 0 && r != -EEXIST && sys_fstatat(AT_FDCWD, part, &st, 0) < 0)
			return err_sys(err, r, "cannot make the directory %s for the store (COWBOX_HOME=/dir puts it elsewhere)",
				       part);
		at++;
	}
	return 0;
}

static int check_owner(int fd, const char *path, bool root_too, struct err *err)
{
	struct stat st;
	int r = sys_fstat(fd, &st);

	if (r < 0)
		return err_sys(err, r, "%s", path);
	if (st.st_uid == geteuid() || (root_too && st.st_uid == 0))
		return 0;
	return err_set(err, -EPERM, "the store %s belongs to another user (uid %u): set COWBOX_HOME=/dir to a directory of your own", path,
		       (unsigned)st.st_uid);
}

static int open_store_dir(struct store *s, const char *path, struct err *err)
{
	int r;

	s->fd = sys_openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (s->fd == -ENOENT)
		return err_set(err, -ENOENT, "there are no boxes yet: no store at %s (cowbox run makes it)", path);
	if (s->fd < 0)
		return err_sys(err, s->fd, "cannot open the store %s (COWBOX_HOME=/dir puts it elsewhere)", path);
	r = fd_real_path(s->fd, s->path, sizeof s->path);
	if (r < 0)
		return err_sys(err, r, "cannot find the real path of the store %s", path);
	if (!strcmp(s->path, "/"))
		return err_set(err, -EINVAL, "the store cannot be the root directory: the view hides the store; set COWBOX_HOME=/dir");
	return check_owner(s->fd, s->path, true, err);
}

static int open_boxes_dir(struct store *s, bool create, struct err *err)
{
	struct stat st;
	bool made;
	int r = 0;

	if (create)
		r = sys_mkdirat(s->fd, "boxes", 0700);
	made = create && r == 0;
	if (r < 0 && r != -EEXIST)
		return err_sys(err, r, "cannot make the directory boxes in the store %s (COWBOX_HOME=/dir puts the store elsewhere)",
			       s->path);
	s->boxes_fd = sys_openat2(s->fd, "boxes", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_LAYER);
	if (s->boxes_fd == -ENOENT)
		return err_set(err, -ENOENT, "there are no boxes yet: the store %s is empty (cowbox run makes a box)", s->path);
	if (s->boxes_fd == -ELOOP || s->boxes_fd == -ENOTDIR)
		return err_set(err, -EBADMSG, "%s/boxes is not a directory: move it away, or set COWBOX_HOME=/dir", s->path);
	if (s->boxes_fd < 0)
		return err_sys(err, s->boxes_fd, "cannot open %s/boxes", s->path);
	r = check_owner(s->boxes_fd, s->path, false, err);
	if (r < 0)
		return r;
	r = sys_fstat(s->boxes_fd, &st);
	if (r == 0 && (made || (st.st_mode & 07777) != 0700))
		r = store_make_private(s->boxes_fd);
	return r < 0 ? err_sys(err, r, "cannot make %s/boxes private to you (mode 0700)", s->path) : 0;
}

/* ---- what the file system can do ---- */

static int probe_failed(struct store *s, int code, const char *what, struct err *err)
{
	switch (code) {
	case -ENOSPC:
	case -EDQUOT:
		return err_sys(err, code, "the store %s has no room left: free some, or " ELSEWHERE, s->path);
	case -EROFS:
	case -EACCES:
		return err_sys(err, code, "nothing can be written to the store %s: " ELSEWHERE, s->path);
	case -EOPNOTSUPP:
	case -EPERM:
	case -EINVAL:
	case -ENOTTY:
	case -ENOSYS:
		return err_set(err, -EOPNOTSUPP, "the file system of the store %s %s: " ELSEWHERE " (ext4, xfs and btrfs will do)", s->path, what);
	default:
		return err_sys(err, code, "trying out the file system of the store %s failed", s->path);
	}
}

/* Tries what every layer needs. The attribute is one of the overlay's own, since an overlayfs below us would keep those to itself. */
static int store_probe(struct store *s, struct err *err)
{
	_cleanup_close_ int fd = -1;
	char name[STORE_TEMP_MAX];
	int r;

	store_temp_name(name, "probe");
	fd = sys_openat(s->boxes_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return probe_failed(s, fd, "cannot make a file", err);
	r = sys_fsetxattr(fd, XATTR_OPAQUE, "y", 1, 0);
	(void)sys_unlinkat(s->boxes_fd, name, 0);
	if (r < 0)
		return probe_failed(s, r, "keeps no extended attributes of users", err);
	store_temp_name(name, "probe");
	r = sys_mknodat(s->boxes_fd, name, S_IFCHR, 0);
	if (r < 0)
		return probe_failed(s, r, "refuses whiteouts (character devices 0:0)", err);
	(void)sys_unlinkat(s->boxes_fd, name, 0);
	return 0;
}

/* ---- what crashes left ---- */

static void sweep_one(struct store *s, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (sys_fstatat(s->boxes_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (!S_ISDIR(st.st_mode)) {
		/* In use for microseconds only. */
		if (time(NULL) - st.st_mtime > TEMP_FILE_AGE)
			(void)sys_unlinkat(s->boxes_fd, name, 0);
		return;
	}
	fd = sys_openat2(s->boxes_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_LAYER);
	if (fd >= 0 && sys_flock(fd, LOCK_EX | LOCK_NB) == 0)
		(void)tree_remove(s->boxes_fd, name);
}

static void store_sweep(struct store *s)
{
	static const char *const kinds[] = { ".new-", ".rm-", ".probe-", ".last-" };
	_cleanup_closedir_ DIR *d = NULL;
	const struct dirent *e;

	if (dir_open(s->boxes_fd, &d) < 0)
		return;
	while ((e = dir_next(d)))
		for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
			if (!strncmp(e->d_name, kinds[i], strlen(kinds[i])))
				sweep_one(s, e->d_name);
}

int store_open(bool create, struct store **ret, struct err *err)
{
	_cleanup_store_ struct store *s = NULL;
	char path[PATH_MAX];
	int r;

	s = malloc(sizeof *s);
	if (!s)
		return err_sys(err, -ENOMEM, "opening the store");
	*s = (struct store){ .fd = -1, .boxes_fd = -1 };
	r = store_locate(path, err);
	if (r == 0 && create)
		r = make_path(path, err);
	if (r == 0)
		r = open_store_dir(s, path, err);
	if (r == 0)
		r = open_boxes_dir(s, create, err);
	if (r == 0 && create)
		r = store_probe(s, err);
	if (r < 0)
		return r;
	if (create)
		store_sweep(s);
	*ret = TAKE_PTR(s);
	return 0;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	fd_closep(&s->boxes_fd);
	fd_closep(&s->fd);
	free(s);
}

void store_freep(struct store **s)
{
	store_free(*s);
	*s = NULL;
}

/* ---- names ---- */

static bool name_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

int box_name_check(const char *name, struct err *err)
{
	char shown[256];

	if (!*name)
		return err_set(err, -EINVAL, "the name of a box cannot be empty");
	path_printable(name, shown, sizeof shown);
	if (strchr(name, '/'))
		return err_set(err, -EINVAL, "'%s' cannot name a box: a box is named, not given by its path, so no '/'", shown);
	if (name[0] == '.' || name[0] == '-')
		return err_set(err, -EINVAL, "'%s' cannot name a box: a name does not start with '%c'", shown, name[0]);
	for (const char *p = name; *p; p++)
		if (!name_char(*p))
			return err_set(err, -EINVAL, "'%s' cannot name a box: use only A-Z a-z 0-9 . _ -", shown);
	if (strlen(name) > BOX_NAME_MAX)
		return err_set(err, -EINVAL, "'%s' cannot name a box: longer than %d bytes", shown, BOX_NAME_MAX);
	return 0;
}

static bool box_exists(struct store *s, const char *name)
{
	struct stat st;

	return sys_fstatat(s->boxes_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_box_entry(struct store *s, const struct dirent *e)
{
	struct stat st;

	if (box_name_check(e->d_name, NULL) < 0)
		return false;
	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return sys_fstatat(s->boxes_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

int store_list(struct store *s, char ***ret_names, struct err *err)
{
	_cleanup_strv_ char **v = calloc(1, sizeof *v);
	_cleanup_closedir_ DIR *d = NULL;
	const struct dirent *e;
	size_t n = 0;
	int r = v ? dir_open(s->boxes_fd, &d) : -ENOMEM;

	while (r == 0 && (e = dir_next(d)))
		if (is_box_entry(s, e))
			r = strv_add(&v, &n, e->d_name);
	if (r == 0 && errno)
		r = -errno;
	if (r < 0)
		return err_sys(err, r, "cannot list %s/boxes", s->path);
	strv_sort(v, n);
	*ret_names = TAKE_PTR(v);
	return 0;
}

/* The first word of the command, without its directory, made fit for a name. */
static void fresh_stem(const char *command, char ret[static FRESH_STEM_MAX + 1])
{
	size_t word = strcspn(command, " \t\n"), n = 0;
	const char *p = command;

	for (size_t i = 0; i < word; i++)
		if (command[i] == '/' && i + 1 < word)
			p = command + i + 1;
	for (; p < command + word && n < FRESH_STEM_MAX; p++) {
		char c = name_char(*p) ? *p : '-';

		if (n || (c != '.' && c != '-'))
			ret[n++] = c;
	}
	while (n && ret[n - 1] == '-')
		n--;
	ret[n] = '\0';
	if (!n)
		strcpy(ret, "box");
}

int store_fresh_name(struct store *s, const char *command, char ret_name[static BOX_NAME_MAX + 1], struct err *err)
{
	char stem[FRESH_STEM_MAX + 1], name[BOX_NAME_MAX + 1], when[16] = "0";
	time_t now = time(NULL);
	struct tm tm;

	fresh_stem(command ? command : "", stem);
	if (localtime_r(&now, &tm))
		strftime(when, sizeof when, "%m%d-%H%M", &tm);
	snprintf(name, sizeof name, "%s-%s", stem, when);
	for (int i = 2; box_exists(s, name); i++) {
		if (i > FRESH_TRIES)
			return err_set(err, -EEXIST, "no name is free for a new box: give one with -b NAME");
		snprintf(name, sizeof name, "%s-%s-%d", stem, when, i);
	}
	strcpy(ret_name, name);
	return 0;
}

/* ---- the box used last ---- */

static int no_last(struct err *err)
{
	return err_set(err, -ENOENT, "no box was used last: name one with -b NAME (cowbox list shows them)");
}

int store_last(struct store *s, char ret_name[static BOX_NAME_MAX + 1], struct err *err)
{
	_cleanup_close_ int fd = -1;
	char name[BOX_NAME_MAX + 3];
	struct stat st;
	ssize_t n;

	fd = sys_openat2(s->fd, "last", O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_LAYER);
	if (fd == -ENOENT)
		return no_last(err);
	if (fd < 0)
		return err_sys(err, fd, "cannot read %s/last", s->path);
	if (sys_fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return no_last(err);
	n = sys_read_all(fd, name, sizeof name - 1);
	if (n < 0)
		return err_sys(err, (int)n, "cannot read %s/last", s->path);
	name[n] = '\0';
	name[strcspn(name, "\n")] = '\0';
	if (box_name_check(name, NULL) < 0)
		return no_last(err);
	if (!box_exists(s, name))
		return err_set(err, -ENOENT, "the box used last, %s, is gone: name one with -b NAME (cowbox list shows them)", name);
	strcpy(ret_name, name);
	return 0;
}

int store_set_last(struct store *s, const char *name, struct err *err)
{
	_cleanup_close_ int fd = -1;
	char temp[STORE_TEMP_MAX], line[BOX_NAME_MAX + 2];
	int r = box_name_check(name, err);

	if (r < 0)
		return r;
	store_temp_name(temp, "last");
	snprintf(line, sizeof line, "%s\n", name);
	fd = sys_openat(s->boxes_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, fd, "cannot write %s/last", s->path);
	r = sys_write_all(fd, line, strlen(line));
	if (r == 0)
		r = sys_renameat2(s->boxes_fd, temp, s->fd, "last", 0);
	if (r < 0) {
		(void)sys_unlinkat(s->boxes_fd, temp, 0);
		return err_sys(err, r, "cannot write %s/last", s->path);
	}
	return 0;
}

/* ---- removing a box ---- */

int store_remove_aside(struct store *s, const char *name, int *running_fd, struct err *err)
{
	_cleanup_close_ int fd = -1;
	char temp[STORE_TEMP_MAX];
	int r;

	fd = sys_openat2(s->boxes_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_LAYER);
	/* Keeps the sweep of others off it. What cannot be opened (mode 000 by hand) goes without. */
	if (fd >= 0)
		(void)sys_flock(fd, LOCK_EX | LOCK_NB);
	store_temp_name(temp, "rm");
	r = sys_renameat2(s->boxes_fd, name, s->boxes_fd, temp, 0);
	fd_closep(running_fd);
	if (r == -ENOENT)
		return err_set(err, r, "there is no box %s", name);
	if (r < 0)
		return err_sys(err, r, "cannot remove the box %s", name);
	r = tree_remove(s->boxes_fd, temp);
	if (r < 0)
		return err_sys(err, r, "the box %s is gone, but not all it held could be removed: what is left is in %s/boxes/%s", name,
			       s->path, temp);
	return 0;
}
