/* stage.c - makes stages, by direct system calls: a run makes thousands. */
#include "stage.h"

#include <ctype.h>
#include <dirent.h>

#include "base/tree.h"

#define HOST_TIME 1400000000
#define BOX_TIME 1500000000
#define NOW_TIME 1600000000 /* what was changed after it has the time at which the stage was made */

const struct scene *scene_find(const char *name)
{
	for (const struct scene *s = scenes; s->name; s++)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

/* ---- where ---- */

static int remove_path(const char *path)
{
	char dir[2 * PATH_MAX];
	const char *name = path_split(path, dir, sizeof dir);
	_cleanup_close_ int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : tree_remove(fd, name);
}

/* A store can be there. */
static bool base_try(const char *dir, uid_t uid, char ret[static PATH_MAX], char *ret_why, size_t size)
{
	char plain[PATH_MAX], home[PATH_MAX + 8];
	struct store *store = NULL;
	struct err err = { 0 };
	bool ok;

	snprintf(plain, sizeof plain, "%s/cowbox-fault.XXXXXX", dir);
	if (!mkdtemp(plain) || !realpath(plain, ret)) {
		snprintf(ret_why, size, "%.200s: %s", dir, strerror(errno));
		return false;
	}
	snprintf(home, sizeof home, "%s/store", ret);
	setenv("COWBOX_HOME", home, 1);
	ok = store_open(true, &store, &err) == 0;
	store_freep(&store);
	remove_path(home);
	if (ok && chown(ret, uid, (gid_t)-1) == 0)
		return true;
	snprintf(ret_why, size, "%s", err.msg);
	rmdir(ret);
	return false;
}

bool site_open(struct site *site, bool apart, uid_t uid, char *ret_why, size_t size)
{
	const char *tmp = getenv("TMPDIR");
	struct stat a, b;

	tmp = tmp && *tmp ? tmp : "/var/tmp";
	*site = (struct site){ .apart = apart };
	if (!base_try("/dev/shm", uid, site->base, ret_why, size) && (apart || !base_try(tmp, uid, site->base, ret_why, size)))
		return false;
	if (!apart) {
		strcpy(site->store_base, site->base);
		return true;
	}
	if (base_try(tmp, uid, site->store_base, ret_why, size) && stat(site->base, &a) == 0 && stat(site->store_base, &b) == 0 &&
	    a.st_dev != b.st_dev)
		return true;
	snprintf(ret_why, size, "/dev/shm and %s are not two file systems", tmp);
	site_close(site);
	return false;
}

void site_close(struct site *site)
{
	if (site->base[0])
		remove_path(site->base);
	if (site->store_base[0])
		remove_path(site->store_base);
}

/* ---- fixed times ---- */

static time_t time_of(const char *path, const struct stat *st, time_t from)
{
	unsigned h = 0;

	/* Files may have several names. */
	for (const char *p = path; S_ISDIR(st->st_mode) && *p; p++)
		h = h * 31 + (unsigned char)*p;
	return from + (time_t)(h % 10000000);
}

/* All that was changed just now, from the bottom up. skip: how much of the path is that of the tree's top. */
static void fix_times(const char *path, size_t skip, time_t from)
{
	char child[PATH_MAX + 512];
	struct dirent *e;
	struct stat st;
	DIR *d = NULL;

	if (lstat(path, &st) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode) && (chmod(path, st.st_mode | 0700) < 0 || !(d = opendir(path))))
		fail_msg("%s: %s", path, strerror(errno));
	while (d && (e = readdir(d))) {
		snprintf(child, sizeof child, "%s/%s", path, e->d_name);
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			fix_times(child, skip, from);
	}
	if (d && (closedir(d) < 0 || chmod(path, st.st_mode) < 0))
		fail_msg("%s: %s", path, strerror(errno));
	/* A whiteout has none. */
	if (st.st_mtim.tv_sec >= NOW_TIME && !(S_ISCHR(st.st_mode) && !st.st_rdev)) {
		const struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT },
			                        { .tv_sec = time_of(path + skip, &st, from), .tv_nsec = 123456789 } };

		if (utimensat(AT_FDCWD, path, ts, AT_SYMLINK_NOFOLLOW) < 0)
			fail_msg("%s: %s", path, strerror(errno));
	}
}

/* ---- stages ---- */

void stage_make(struct world *x, const struct site *site, const struct scene *scene)
{
	char path[2 * PATH_MAX], links[2 * PATH_MAX];
	struct err err = { 0 };

	*x = (struct world){ .caller = { .umask = 022 } };
	umask(022);
	snprintf(path, sizeof path, "%s/store", site->store_base);
	setenv("COWBOX_HOME", path, 1);
	snprintf(x->w, sizeof x->w, "%s/w", site->base);
	if (mkdir(x->w, 0755) < 0 || chdir(x->w) < 0)
		fail_msg("%s: %s", x->w, strerror(errno));
	scene->host();
	fix_times(x->w, strlen(x->w), HOST_TIME);
	if (store_open(true, &x->store, &err) < 0)
		fail_msg("%s", err.msg);
	box_begin(x);
	scene->box(x);
	snprintf(path, sizeof path, "%s/layers/1/tree", x->box->path);
	snprintf(links, sizeof links, "%s/layers/1/links", x->box->path);
	stage_close(x);
	fix_times(path, strlen(path), BOX_TIME);
	/* Where a file that was written to stands when it has no name left. */
	if (access(links, F_OK) == 0)
		fix_times(links, strlen(links), BOX_TIME);
}

bool stage_open(struct world *x)
{
	struct err err = { 0 };
	int r = store_open(true, &x->store, &err);

	if (r == 0)
		r = box_open(x->store, "test", &x->box, &err);
	if (r == 0)
		r = overlay_new(x->box, &x->ov, &err);
	if (r < 0 && r != -ENOENT)
		fail_msg("%s", err.msg);
	return r == 0;
}

void stage_close(struct world *x)
{
	commit_plan_freep(&x->plan);
	overlay_freep(&x->ov);
	box_freep(&x->box);
	store_freep(&x->store);
}

void stage_clear(struct world *x, const struct site *site)
{
	char path[PATH_MAX + 16];

	stage_close(x);
	snprintf(path, sizeof path, "%s/store", site->store_base);
	if (remove_path(x->w) < 0 || remove_path(path) < 0)
		fail_msg("%s cannot be removed", x->w);
}

static void history_path(const struct world *x, const char *name, char ret[static 2 * PATH_MAX])
{
	(void)x;
	snprintf(ret, (size_t)2 * PATH_MAX, "%s/history%s", getenv("COWBOX_HOME"), name);
}

size_t stage_drop_history(struct world *x, size_t *ret_strays)
{
	char path[2 * PATH_MAX], entry[2 * PATH_MAX + 512];
	struct dirent *e;
	size_t n = 0;
	DIR *d;

	*ret_strays = 0;
	history_path(x, "", path);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(entry, sizeof entry, "%s/%s/summary", path, e->d_name);
		n++;
		*ret_strays += access(entry, F_OK) < 0;
		*strrchr(entry, '/') = '\0';
		remove_path(entry);
	}
	if (d)
		closedir(d);
	return n;
}

bool stage_is_open(struct world *x)
{
	char path[2 * PATH_MAX];

	history_path(x, "/open", path);
	return access(path, F_OK) == 0;
}
