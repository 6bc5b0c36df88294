/* links.c - host objects with several names.
 *
 * All names of one host object are one object in the view. When it is copied up under one of its names, the copy gets a second name in
 * links/, made of the host's identity; lookup gives each other name to the copy when it is first met. What stat must show as the number of
 * names is counted from three sides:
 *
 *     names on the host when the box first touched it  -  those that are the copy's now, or removed ("touched")
 *     + names of the copy  -  the one in links/
 *
 * links/MAJOR:MINOR:INO is the copy, links/-MAJOR:MINOR:INO holds the two numbers as text: "NLINK TOUCHED".
 *
 * A copy goes on showing the host's device and inode number, so that programs which compare them before and after (git clone, tar, mv) see one
 * object. links/copies is a log of whose copies the layer's inodes are: records of three little-endian u64: dev, ino, the copy's ino. It only says where to
 * look: the attribute of the file itself decides, since a number may since be another file's.
 */
#include "overlay/internal.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Two indexes of the entries: by the host's identity, and by the copy's inode number. Slots hold the position + 1. */
static size_t *slot_of(const struct link_table *t, int which, uint64_t dev, uint64_t ino)
{
	uint64_t h = (ino ^ (dev << 40) ^ dev) * 0x9e3779b97f4a7c15ull;
	size_t *slot = t->slot[which];

	for (size_t i = (size_t)(h >> 32) & (t->size - 1);; i = (i + 1) & (t->size - 1)) {
		const struct link_entry *e = slot[i] ? &t->v[slot[i] - 1] : NULL;
		if (!e || (which ? e->copy_ino == ino : e->ino == ino && e->dev == dev))
			return &slot[i];
	}
}

/* An inode number that a copy with a name in links/ has cannot be another's: what the log says of it is of before. */
static void index_copy(struct link_table *t, size_t at)
{
	size_t *slot = slot_of(t, 1, 0, t->v[at - 1].copy_ino);

	if (!*slot || t->v[at - 1].copied || !t->v[*slot - 1].copied)
		*slot = at;
}

static int index_build(struct link_table *t, size_t size)
{
	struct link_table n = { .v = t->v, .count = t->count, .size = size };

	for (int w = 0; w < 2; w++) {
		n.slot[w] = calloc(size, sizeof *n.slot[w]);
		if (!n.slot[w]) {
			free(n.slot[0]);
			return -ENOMEM;
		}
	}
	for (size_t i = 0; i < t->count; i++) {
		*slot_of(&n, 0, t->v[i].dev, t->v[i].ino) = i + 1;
		if (t->v[i].copy_ino)
			index_copy(&n, i + 1);
	}
	free(t->slot[0]);
	free(t->slot[1]);
	*t = n;
	return 0;
}

static bool get(struct overlay *ov, int which, uint64_t dev, uint64_t ino, struct link_entry *ret)
{
	bool found = false;

	pthread_mutex_lock(&ov->links_mutex);
	const struct link_table *t = &ov->links;
	size_t at = t->size ? *slot_of(t, which, dev, ino) : 0;
	if (at) {
		*ret = t->v[at - 1];
		found = true;
	}
	pthread_mutex_unlock(&ov->links_mutex);
	return found;
}

bool links_get(struct overlay *ov, uint64_t dev, uint64_t ino, struct link_entry *ret)
{
	*ret = (struct link_entry){ .dev = dev, .ino = ino };
	return get(ov, 0, dev, ino, ret);
}

bool links_get_copy(struct overlay *ov, uint64_t ino, struct link_entry *ret)
{
	return get(ov, 1, 0, ino, ret);
}

static int links_put(struct overlay *ov, const struct link_entry *e)
{
	struct link_table *t = &ov->links;
	int r = 0;

	pthread_mutex_lock(&ov->links_mutex);
	size_t at = t->size ? *slot_of(t, 0, e->dev, e->ino) : 0;
	if (!at) {
		struct link_entry *v = reallocarray(t->v, t->count + 1, sizeof *v);
		if (v) {
			t->v = v;
			v[t->count] = *e;
			at = ++t->count;
			ov->nlinks = t->count;
		}
	}
	bool other = at && t->v[at - 1].copy_ino && t->v[at - 1].copy_ino != e->copy_ino;   /* its old slot would stay for ever */
	if (!at)
		r = -ENOMEM;
	else
		t->v[at - 1] = *e;
	if (r == 0 && (other || t->count * 2 >= t->size))
		r = index_build(t, !t->size ? 64 : t->count * 2 >= t->size ? t->size * 2 : t->size);
	else if (r == 0) {
		*slot_of(t, 0, e->dev, e->ino) = at;
		if (e->copy_ino)
			index_copy(t, at);
	}
	pthread_mutex_unlock(&ov->links_mutex);
	return r;
}

void links_clear(struct overlay *ov)
{
	pthread_mutex_lock(&ov->links_mutex);
	free(ov->links.v);
	free(ov->links.slot[0]);
	free(ov->links.slot[1]);
	memset(&ov->links, 0, sizeof ov->links);
	ov->nlinks = 0;
	pthread_mutex_unlock(&ov->links_mutex);
}

void links_name(char ret[static LINK_NAME_MAX], const struct link_entry *e)
{
	snprintf(ret, LINK_NAME_MAX, "%u:%u:%llu", major(e->dev), minor(e->dev), (unsigned long long)e->ino);
}

int links_set(struct overlay *ov, const struct link_entry *e)
{
	_cleanup_cred_ int own = cred_own_begin();
	_cleanup_close_ int fd = -1;
	char name[LINK_NAME_MAX + 1] = "-", text[32];
	int n, r;

	links_name(name + 1, e);
	n = snprintf(text, sizeof text, "%10u %10u\n", e->nlink, e->touched);
	fd = sys_openat(ov->layers[ov->top].links_fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0)
		return fd;
	r = sys_pwrite_all(fd, text, (size_t)n, 0);
	return r < 0 ? r : links_put(ov, e);
}

static int load_one(struct overlay *ov, int layer, int dirfd, const char *name)
{
	unsigned maj, min;
	unsigned long long ino;
	bool numbers = name[0] == '-';
	char end, text[32] = "";
	struct link_entry e;
	struct stat st;

	if (sscanf(name + numbers, "%u:%u:%llu%c", &maj, &min, &ino, &end) != 3)
		return 0;
	links_get(ov, makedev(maj, min), ino, &e);
	if (numbers) {
		_cleanup_close_ int fd = sys_openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
		if (fd >= 0 && sys_pread_all(fd, text, sizeof text - 1, 0) > 0 && sscanf(text, "%u %u", &e.nlink, &e.touched) != 2)
			e.nlink = e.touched = 0;
	} else if (sys_fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		e.copied = true;
		e.in_top = layer == ov->top;
		e.copy_ino = st.st_ino;
	}
	return links_put(ov, &e);
}

static int load_copies(struct overlay *ov, int dirfd)
{
	_cleanup_close_ int fd = sys_openat(dirfd, "copies", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	uint64_t rec[3 * 512];
	ssize_t n;
	int r = fd < 0 ? fd : 0;

	for (off_t at = 0; r == 0; at += n) {
		n = sys_pread_all(fd, rec, sizeof rec, at);
		if (n < (ssize_t)(3 * sizeof *rec))   /* the end, or a torn record */
			return n < 0 ? (int)n : 0;
		for (size_t i = 0; r == 0 && i + 3 <= (size_t)n / sizeof *rec; i += 3) {
			struct link_entry e;
			links_get(ov, rec[i], rec[i + 1], &e);
			if (!e.copied)
				e.copy_ino = rec[i + 2];
			r = links_put(ov, &e);
		}
	}
	return r;
}

int links_note_copy(struct overlay *ov, uint64_t dev, uint64_t ino, uint64_t copy_ino)
{
	_cleanup_cred_ int own = cred_own_begin();
	_cleanup_close_ int fd = -1;
	uint64_t rec[3] = { dev, ino, copy_ino };
	struct link_entry e;
	struct stat st;
	int r;

	fd = sys_openat(ov->layers[ov->top].links_fd, "copies", O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	r = fd < 0 ? fd : sys_fstat(fd, &st);
	if (r == 0)   /* over a torn record, if there is one */
		r = sys_pwrite_all(fd, rec, sizeof rec, st.st_size - st.st_size % (off_t)sizeof rec);
	if (r < 0)
		return r;
	links_get(ov, dev, ino, &e);
	e.copy_ino = copy_ino;
	return links_put(ov, &e);
}

void links_identity(struct overlay *ov, int fd, struct stat *st)
{
	struct link_entry e;
	struct record rec;

	if (!ov->nlinks || S_ISDIR(st->st_mode) || st->st_dev != ov->layers[ov->top].dev || !links_get_copy(ov, st->st_ino, &e))
		return;
	if (S_ISREG(st->st_mode)) {
		int r = record_read(fd, &rec);
		/* Of a file without the read bit an ordinary user cannot read the attribute: then the log alone decides. */
		if (r == 0 ? rec.dev != e.dev || rec.ino != e.ino : r != -EACCES)
			return;
	} else if (!e.copied) {
		return;
	}
	st->st_dev = e.dev;
	st->st_ino = e.ino;
}

int links_load(struct overlay *ov, int layer)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int r = dir_open(ov->layers[layer].links_fd, &dir);

	if (r < 0)
		return r;
	for (struct dirent *e; (e = dir_next(dir));) {
		if (!strcmp(e->d_name, "owners"))
			ov->fix_owner = true;
		else if (!strcmp(e->d_name, "redirects"))
			ov->has_redirects = true;
		else if (!strcmp(e->d_name, "copies"))
			r = load_copies(ov, dirfd(dir));
		else
			r = load_one(ov, layer, dirfd(dir), e->d_name);
		if (r < 0)
			return r;
	}
	return 0;
}

int links_reset(struct overlay *ov, bool empty)
{
	_cleanup_cred_ int own = cred_own_begin();
	_cleanup_closedir_ DIR *dir = NULL;
	int r = dir_open(ov->layers[ov->top].links_fd, &dir);
	struct stat st;

	for (struct dirent *e; r == 0 && (e = dir_next(dir));)
		if (empty || (e->d_name[0] == '-' && sys_fstatat(dirfd(dir), e->d_name + 1, &st, AT_SYMLINK_NOFOLLOW) == -ENOENT))
			r = sys_unlinkat(dirfd(dir), e->d_name, 0);
	if (r < 0)
		return r;
	ov->fix_owner = ov->has_redirects = false;
	return table_read_marks(ov);
}

void links_recount_begin(struct overlay *ov)
{
	for (size_t i = 0; i < ov->links.count; i++)
		ov->links.v[i].counted = ov->links.v[i].has = 0;
}

void links_recount_name(struct overlay *ov, const struct stat *host)
{
	struct link_entry e;

	if (!links_get(ov, host->st_dev, host->st_ino, &e))
		return;
	e.counted++;
	e.has = (uint32_t)host->st_nlink;
	(void)links_put(ov, &e);   /* it is there */
}

int links_recount_end(struct overlay *ov)
{
	int r = 0;

	for (size_t i = 0; i < ov->links.count && r == 0; i++) {
		struct link_entry e = ov->links.v[i];

		/* One that has never had several names is not counted. */
		if (!e.nlink || (e.touched == e.counted && (!e.has || e.nlink == e.has)))
			continue;
		e.touched = e.counted;
		if (e.has)
			e.nlink = e.has;
		r = links_set(ov, &e);
	}
	return r;
}

int links_gone(struct overlay *ov, const struct object *o)
{
	struct link_entry e;

	if (o->where != OBJECT_HOST || S_ISDIR(o->st.st_mode))
		return 0;
	if (!links_get(ov, o->st.st_dev, o->st.st_ino, &e) || !e.nlink) {
		if (o->st.st_nlink < 2)
			return 0;
		e.nlink = (uint32_t)o->st.st_nlink;
	}
	e.touched++;
	return links_set(ov, &e);
}

void links_count(struct overlay *ov, bool copy, struct stat *st)
{
	struct link_entry e;

	if (copy && st->st_nlink > 0 && links_get_copy(ov, st->st_ino, &e) && e.copied && e.nlink >= e.touched)
		st->st_nlink = e.nlink - e.touched + (st->st_nlink - 1);
	else if (!copy && links_get(ov, st->st_dev, st->st_ino, &e)) {
		/* Names that the host has no more were removed by a commit of ours, and counted as touched before. */
		uint32_t lost = e.nlink > st->st_nlink ? e.nlink - (uint32_t)st->st_nlink : 0, left = e.touched > lost ? e.touched - lost : 0;
		if (left < st->st_nlink)
			st->st_nlink -= left;
	}
}
