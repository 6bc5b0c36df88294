/* readdir.c - listing directories of the view.
 *
 * A guest's descriptor of a merged directory is that of the lowest directory. Its own entries come first, by the kernel's own order and
 * positions, less what is whited out; then come the names that only layers above it have, in the order of the hash of the name.
 *
 * (D1) The position is the file offset of the open file description, so duplicates and forks share it, and lseek works on it.
 * (D2) Offsets from READDIR_UPPER on are ours: the low 31 bits are the hash of the last name given. No file system that is known
 *      gives such positions to entries; ext4 gives the very last, all bits set, to the end of a directory, which is our beginning.
 * (D3) A name is given by the lowest directory if that has it, else by us: whatever changes meanwhile, no name comes twice and none that
 *      stays is left out. Names with equal hashes are given together.
 */
#include "overlay/internal.h"

#include <dirent.h>
#include <unistd.h>

#define READDIR_UPPER 0x7fffffff00000000ll
#define READDIR_EOF 0x80000000u
#define READDIR_KERNEL_EOF 0xffffffffu

struct dent {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static size_t dent_size(size_t name_len)
{
	return (offsetof(struct dent, name) + name_len + 1 + 7) & ~(size_t)7;
}

static bool is_store(struct overlay *ov, const struct stat *st, const char *name)
{
	return st->st_ino == ov->hidden_parent_ino && st->st_dev == ov->hidden_parent_dev && !strcmp(name, ov->hidden_name);
}

/* The inode number that stat shows of a layer's non-directory. */
static uint64_t number_of(struct overlay *ov, const struct dnode *n)
{
	struct link_entry e;

	return ov->nlinks && links_get_copy(ov, n->ino, &e) ? e.ino : n->ino;
}

/* Leaves out of buf what the view does not have, and puts types right. d: the names above, NULL for none. */
static ssize_t filter(struct overlay *ov, int fd, const struct stat *st, const struct dnode *d, bool in_layer, char *buf, size_t n)
{
	size_t out = 0;

	for (size_t at = 0; at < n;) {
		struct dent *e = (struct dent *)(buf + at);
		size_t len = e->reclen;
		const struct dnode *up = d ? dnode_find(d, e->name, strlen(e->name)) : NULL;
		struct stat cst;

		at += len;
		if (up && up->kind == DNODE_WHITEOUT)
			continue;
		if (is_store(ov, st, e->name))
			continue;
		if (in_layer && (e->type == DT_CHR || e->type == DT_UNKNOWN) && !up &&
		    sys_fstatat(fd, e->name, &cst, AT_SYMLINK_NOFOLLOW) == 0 && stat_is_whiteout(&cst))
			continue;
		if (up && up->kind == DNODE_OTHER) {
			e->type = up->type;
			if (up->ino)
				e->ino = number_of(ov, up);
		} else if (up) {
			e->type = DT_DIR;
			if (dnode_resolve(ov, (struct dnode *)(uintptr_t)up) == 0 && dnode_pure(up) && up->ino)
				e->ino = up->ino;   /* another directory took the host's place */
		}
		memmove(buf + out, e, len);
		out += len;
	}
	return (ssize_t)out;
}

/* The names of one bucket behind `after`, sorted by hash. Returns the count, or -ENOMEM. */
static ssize_t bucket_sorted(const struct dnode *d, size_t bucket, uint32_t after, const struct dnode ***v, size_t *cap)
{
	size_t n = 0;

	for (const struct dnode *p = d->bucket[bucket]; p; p = p->next) {
		if (p->kind == DNODE_WHITEOUT || p->hash <= after)
			continue;
		if (n == *cap) {
			size_t want = *cap ? *cap * 2 : 16;
			const struct dnode **grown = reallocarray(*v, want, sizeof *grown);
			if (!grown)
				return -ENOMEM;
			*v = grown;
			*cap = want;
		}
		(*v)[n++] = p;
	}
	for (size_t i = 1; i < n; i++) {   /* buckets are short */
		const struct dnode *p = (*v)[i];
		size_t j = i;
		for (; j && (*v)[j - 1]->hash > p->hash; j--)
			(*v)[j] = (*v)[j - 1];
		(*v)[j] = p;
	}
	return (ssize_t)n;
}

struct emit {
	char *buf;
	size_t size, used;
	int64_t pos;       /* pos: of the last name given */
};

/* The number that stat shows: of a renamed directory that is the host's. */
static uint64_t shown_ino(struct overlay *ov, const char *view, const struct dnode *n)
{
	char path[PATH_MAX];
	_cleanup_object_ struct object o;

	object_init(&o);
	if (n->kind == DNODE_DIR && path_join(path, sizeof path, view, n->name) >= 0 && lookup_canonical_locked(ov, path, &o) == 0)
		return o.st.st_ino;
	return n->ino ? number_of(ov, n) : 1;
}

static bool emit_one(struct overlay *ov, const char *view, struct emit *e, const struct dnode *n)
{
	size_t len = strlen(n->name), need = dent_size(len);

	if (e->used + need > e->size)
		return false;
	struct dent *d = (struct dent *)(e->buf + e->used);
	memset(d, 0, need);
	d->ino = shown_ino(ov, view, n);
	d->off = READDIR_UPPER + n->hash;
	d->reclen = (uint16_t)need;
	d->type = n->type;
	memcpy(d->name, n->name, len + 1);
	e->used += need;
	e->pos = d->off;
	return true;
}

/* Fills the buffer with names of the layers. Sets *ret_end when there are no more. */
static int emit_upper(struct overlay *ov, int fd, const char *view, const struct dnode *d, uint32_t after, struct emit *e, bool *ret_end)
{
	_cleanup_free_ const struct dnode **v = NULL;
	size_t cap = 0;
	struct stat st;

	*ret_end = false;
	for (size_t b = d->bucket ? after >> (31 - d->bucket_bits) : 0; d->bucket && b < (size_t)1 << d->bucket_bits; b++) {
		ssize_t n = bucket_sorted(d, b, after, &v, &cap);
		if (n < 0)
			return (int)n;
		for (ssize_t i = 0; i < n;) {
			size_t used = e->used;
			int64_t pos = e->pos;
			ssize_t j = i;
			for (; j < n && v[j]->hash == v[i]->hash; j++) {
				if (sys_fstatat(fd, v[j]->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
					continue;   /* the lowest directory has given it */
				if (!emit_one(ov, view, e, v[j])) {
					e->used = used;   /* equal hashes together, or next time */
					e->pos = pos;
					return used ? 0 : -EINVAL;
				}
			}
			i = j;
		}
	}
	*ret_end = true;
	return 0;
}

static int set_pos(int fd, int64_t pos)
{
	return lseek(fd, (off_t)pos, SEEK_SET) < 0 ? -EIO : 0;
}

static ssize_t list_upper(struct overlay *ov, int fd, const char *view, uint32_t after, void *buf, size_t size)
{
	struct emit e = { .buf = buf, .size = size, .pos = READDIR_UPPER + after };
	_cleanup_cred_ int own = cred_own_begin();   /* what the lowest directory has, whether the caller may look or not */
	bool end = true;
	int r = table_begin(ov, true);

	if (r < 0)
		return r;
	struct dnode *d = table_dir(ov, view);
	if (d)
		r = emit_upper(ov, fd, view, d, after, &e, &end);
	table_end(ov);
	if (r < 0)
		return r;
	r = set_pos(fd, end && !e.used ? READDIR_UPPER + READDIR_EOF : e.pos);
	return r < 0 ? r : (ssize_t)e.used;
}

static ssize_t list_merged(struct overlay *ov, int fd, const struct stat *st, const char *view, bool in_layer, void *buf, size_t size)
{
	off_t pos = lseek(fd, 0, SEEK_CUR);

	while (pos < READDIR_UPPER || (uint32_t)pos == READDIR_KERNEL_EOF) {
		ssize_t n = (uint32_t)pos == READDIR_KERNEL_EOF && pos >= READDIR_UPPER ? 0 : sys_getdents64(fd, buf, size);
		if (n < 0)
			return n;
		if (n == 0) {
			int r = set_pos(fd, READDIR_UPPER);
			if (r < 0)
				return r;
			return list_upper(ov, fd, view, 0, buf, size);
		}
		int r = table_begin(ov, true);
		if (r < 0)
			return r;
		n = filter(ov, fd, st, table_dir(ov, view), in_layer, buf, (size_t)n);
		table_end(ov);
		if (n)
			return n;
		pos = lseek(fd, 0, SEEK_CUR);
	}
	if ((uint32_t)pos >= READDIR_EOF)
		return 0;
	return list_upper(ov, fd, view, (uint32_t)pos & 0x7fffffff, buf, size);
}

/* True when the descriptor is the lowest part of the merged directory at `view`. */
static bool is_lowest(struct overlay *ov, const char *view, const struct stat *st)
{
	_cleanup_object_ struct object o;

	object_init(&o);
	return lookup_again(ov, NULL, view, &o) == 0 && o.where == OBJECT_MERGED && o.st.st_ino == st->st_ino &&
	       o.st.st_dev == st->st_dev;
}

/* 1: the box has a part in it; 0: it has none; or -errno. */
static int is_touched(struct overlay *ov, const struct stat *st)
{
	int r = table_begin(ov, false);

	if (r < 0)
		return r;
	r = inode_set_has(&ov->touched, st->st_dev, st->st_ino);
	table_end(ov);
	return r;
}

bool overlay_getdents_is_host(struct overlay *ov, int fd)
{
	struct stat st;

	if (ov->nlayers > 1 || sys_fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode) || is_touched(ov, &st) != 0)
		return false;
	if (st.st_ino == ov->hidden_parent_ino && st.st_dev == ov->hidden_parent_dev)
		return false;
	return st.st_dev != ov->layers[ov->top].dev || !fd_in_layer(ov, fd);
}

ssize_t overlay_getdents(struct overlay *ov, const struct caller *c, int fd, void *buf, size_t size)
{
	char real[PATH_MAX], view[PATH_MAX];
	struct stat st;
	int r = sys_fstat(fd, &st);

	(void)c;
	if (r < 0)
		return r;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	int touched = is_touched(ov, &st);
	if (touched < 0)
		return touched;
	bool in_layer = st.st_dev == ov->layers[ov->top].dev;
	if (touched || ov->nlayers > 1) {
		r = fd_real_path(fd, real, sizeof real);
		if (r >= 0)
			r = overlay_view_path(ov, real, view, sizeof view);
		if (r == -ENOENT)   /* removed: as the kernel has it */
			return r;
		if (r == 0 && is_lowest(ov, view, &st))
			return list_merged(ov, fd, &st, view, in_layer, buf, size);
	}
	for (;;) {
		ssize_t n = sys_getdents64(fd, buf, size);
		if (n <= 0)
			return n;
		in_layer = in_layer && !touched && fd_in_layer(ov, fd);
		n = filter(ov, fd, &st, NULL, in_layer, buf, (size_t)n);
		if (n)
			return n;
	}
}
