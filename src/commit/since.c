/* since.c - what the host and the box did with an object since the box first changed it, part by part.
 *
 * Contents are read only where the host's object is not the recorded one any more, and then each pair once at most: what the list of changes
 * already found out is not read again, but where the answer would let a change go as "already there".
 */
#include "since.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/fd.h"
#include "base/stat.h"
#include "base/sys.h"

/* ---- the host's object and the record ---- */

/* Written to by the host in the very moment that it was copied: the kernel sets the time before the data arrive, and its clock is coarse, so that a
 * later write may have left the same stamps. Then the content decides, if it was kept. */
static bool stamps_may_lie(const struct origin *o)
{
	enum { MOMENT_NS = 50000000 };

	return o->kind == ORIGIN_REGULAR && o->when_ns < o->mtime_ns + MOMENT_NS;
}

bool since_is_proof(const struct origin *o)
{
	return o->base_id || !stamps_may_lie(o);
}

/* Too large to be kept: its attributes are not known, but its content is. */
static int hashed_content(struct plan *p, const struct origin *o, const char *path, const struct stat *now, struct since *s)
{
	_cleanup_close_ int fd = -1;
	uint64_t hash = 0;
	int r;

	s->content = SINCE_CHANGED;
	if ((uint64_t)now->st_size != o->size)
		return 0;
	r = host_open(&p->host, path, O_RDONLY, &fd);
	if (r == 0)
		r = copy_content_hash(fd, &hash);
	if (r == 0 && hash == o->hash)
		s->content = SINCE_SAME;
	return r;
}

static int regular_content(struct plan *p, const struct origin *o, const char *path, const struct stat *now, struct since *s)
{
	bool unwritten = same_inode(o, now) && (uint64_t)now->st_size == o->size && time_ns(&now->st_mtim) == o->mtime_ns;
	_cleanup_close_ int base = -1, fd = -1;
	int r;

	base = origin_open_base(p->base_fd, o);
	/* A name was added or removed elsewhere, by another part of this commit perhaps: that moves the change time alone. */
	if (unwritten && now->st_nlink != o->nlink && base < 0) {
		s->attributes = SINCE_SAME;
		return 0;
	}
	if (base < 0 && o->hashed && !unwritten)
		return hashed_content(p, o, path, now, s);
	if (base < 0) {
		s->content = unwritten ? SINCE_SAME : SINCE_UNKNOWN;
		return 0;
	}
	s->content = SINCE_CHANGED;
	/* A writer can put the time back. */
	r = host_open(&p->host, path, (uint64_t)now->st_size == o->size ? O_RDONLY : O_PATH, &fd);
	if (r < 0)
		return r;
	s->attributes = copy_xattrs_equal(base, fd) == 1 ? SINCE_SAME : SINCE_CHANGED;
	r = (uint64_t)now->st_size == o->size ? copy_content_equal(base, fd) : 0;
	if (r == 1)
		s->content = SINCE_SAME;
	return r < 0 ? r : 0;
}

static int symlink_is(struct plan *p, const char *path, const char *target)
{
	char text[PATH_MAX];
	const char *name;
	int dir, r;

	r = host_parent(&p->host, path, &dir, &name);
	if (r == 0)
		r = sys_readlinkat(dir, name, text, sizeof text);
	if (r < 0)
		return r;
	return target && strcmp(text, target) == 0;
}

static int content_since(struct plan *p, const struct origin *o, const char *path, const struct stat *now, struct since *s)
{
	int r;

	if (o->kind == ORIGIN_REGULAR)
		return regular_content(p, o, path, now, s);
	if (o->kind == ORIGIN_SYMLINK) {
		r = symlink_is(p, path, o->target);
		s->content = r == 1 ? SINCE_SAME : SINCE_CHANGED;
		return r < 0 ? r : 0;
	}
	/* Which device it was is not on record, but an inode is one device for ever. */
	if ((S_ISCHR(now->st_mode) || S_ISBLK(now->st_mode)) && !same_inode(o, now))
		s->content = SINCE_UNKNOWN;
	return 0;
}

int since_record(struct plan *p, const struct origin *o, const char *path, const struct stat *now, struct since *ret)
{
	struct since s = { .origin = o, .attributes = SINCE_UNKNOWN };
	int r;

	if (!now->st_mode || o->kind == ORIGIN_ABSENT) {
		s.same = !now->st_mode && o->kind == ORIGIN_ABSENT;
		s.removed = !now->st_mode && !s.same;
		s.appeared = now->st_mode != 0;
		*ret = s;
		return 0;
	}
	s.type = (o->mode & S_IFMT) != (now->st_mode & S_IFMT);
	s.mode = !s.type && !S_ISLNK(now->st_mode) && ((o->mode ^ now->st_mode) & 07777);
	s.owner = !s.type && (o->uid != now->st_uid || o->gid != now->st_gid);
	s.times = !s.type && o->mtime_ns != time_ns(&now->st_mtim);
	if (s.type || o->kind == ORIGIN_DIRECTORY) {
		s.same = !s.type && origin_same(o, now) && !s.mode && !s.owner;
		*ret = s;
		return 0;
	}
	bool same = origin_same(o, now);

	/* The clock of the stamps is coarse. */
	same = same && !s.mode && !s.owner;
	r = !same || (o->base_id && stamps_may_lie(o)) ? content_since(p, o, path, now, &s) : 0;
	if (r < 0)
		return r;
	s.same = same && s.content == SINCE_SAME && s.attributes != SINCE_CHANGED;
	*ret = s;
	return 0;
}

bool since_unchanged(const struct since *s)
{
	return s->same || (!s->removed && !s->appeared && !s->type && s->content == SINCE_SAME && s->attributes != SINCE_CHANGED &&
	                   !s->mode && !s->owner);
}

/* ---- the box's object and the host's ---- */

int since_content_equal(struct plan *p, int box, const struct stat *box_st, const char *path, const struct stat *now)
{
	_cleanup_close_ int fd = -1;
	char text[PATH_MAX];
	int r;

	if (S_ISLNK(now->st_mode)) {
		r = sys_readlinkat(box, "", text, sizeof text);
		return r < 0 ? r : symlink_is(p, path, text);
	}
	if (S_ISCHR(now->st_mode) || S_ISBLK(now->st_mode))
		return now->st_rdev == box_st->st_rdev;
	if (!S_ISREG(now->st_mode))
		return 1;
	if (now->st_size != box_st->st_size)
		return 0;
	r = host_open(&p->host, path, O_RDONLY, &fd);
	return r < 0 ? r : copy_content_equal(box, fd);
}

struct attributes {
	bool differ; /* differ: any */
	bool hosts;  /* hosts: one that the host has; what cannot be read counts as one */
	bool lends;  /* lends: the one that gives a program capabilities */
};

static void note_attribute(void *ctx, const char *name, const void *box, ssize_t nbox, const void *host, ssize_t nhost)
{
	struct attributes *a = ctx;

	(void)box;
	(void)nbox;
	(void)host;
	a->differ = true;
	a->lends |= strcmp(name, "security.capability") == 0;
	a->hosts |= nhost >= 0;
}

static struct attributes attributes_of(struct plan *p, int box, const char *path)
{
	struct attributes a = { 0 };
	_cleanup_close_ int fd = -1;

	if (host_open(&p->host, path, O_PATH, &fd) < 0 || copy_xattrs_compare(box, fd, note_attribute, &a) < 0)
		a.differ = a.hosts = true;
	return a;
}

static bool same_mode(const struct stat *a, const struct stat *b)
{
	return S_ISLNK(a->st_mode) || ((a->st_mode ^ b->st_mode) & 07777) == 0;
}

static bool same_owner(const struct stat *a, const struct stat *b)
{
	return a->st_uid == b->st_uid && a->st_gid == b->st_gid;
}

/* ---- both against the record ---- */

struct parts {
	struct plan *p;
	const struct change *ch;
	const struct since *s;
	const char *path;
	const struct stat *now;
	int box;
	bool content, mode, owner, times, attributes; /* content, mode, owner, times, attributes: what the box changed */
	bool equal;                                   /* equal: the contents of the box's and the host's */
	struct attributes against;                    /* against: how the attributes of the two differ */
};

/* Both are of one type. known: what the list of changes found is believed, also when it says "equal". */
static int parts_equal(struct plan *p, const struct change *ch, int box, const char *path, const struct stat *now, bool known)
{
	bool differ = ch->kind == CHANGE_MODIFIED || (ch->kind == CHANGE_RENAMED && ch->content);
	bool equal = ch->kind == CHANGE_META || (ch->kind == CHANGE_RENAMED && !ch->content);

	/* The list took what it could not read for equal, by its time. */
	if (stat_same(&ch->host, now) && (differ || (equal && known)))
		return equal;
	return since_content_equal(p, box, &ch->box, path, now);
}

/* 1 when the box has another content than the record. The host has too, and it was kept. */
static int box_wrote(const struct parts *x)
{
	const struct origin *o = x->s->origin;
	_cleanup_close_ int base = -1;
	char text[PATH_MAX];
	int r;

	if (S_ISLNK(x->now->st_mode)) {
		r = sys_readlinkat(x->box, "", text, sizeof text);
		return r < 0 ? r : !o->target || strcmp(text, o->target) != 0;
	}
	if (!S_ISREG(x->now->st_mode) || (uint64_t)x->ch->box.st_size != o->size)
		return 1;
	base = origin_open_base(x->p->base_fd, o);
	r = base < 0 ? 0 : copy_content_equal(base, x->box);
	return r < 0 ? r : !r;
}

/* Where the host changed attributes, the two may differ by that alone. */
static bool box_set_attributes(const struct parts *x)
{
	_cleanup_close_ int base = origin_open_base(x->p->base_fd, x->s->origin);

	return base < 0 || copy_xattrs_equal(base, x->box) != 1;
}

static int parts_read(struct parts *x)
{
	const struct origin *o = x->s->origin;
	const struct stat *b = &x->ch->box;
	int r = parts_equal(x->p, x->ch, x->box, x->path, x->now, x->s->content == SINCE_SAME);

	if (r < 0)
		return r;
	x->equal = r;
	x->against = attributes_of(x->p, x->box, x->path);
	x->attributes = x->s->attributes == SINCE_CHANGED ? !x->against.differ || box_set_attributes(x) : x->against.differ;
	x->mode = !S_ISLNK(b->st_mode) && ((o->mode ^ b->st_mode) & 07777);
	x->owner = o->uid != b->st_uid || o->gid != b->st_gid;
	x->times = o->mtime_ns != time_ns(&b->st_mtim);
	if (x->equal)
		x->content = x->s->content == SINCE_CHANGED;
	else if (x->s->content == SINCE_CHANGED)
		x->content = (r = box_wrote(x)) != 0;
	else
		x->content = true;
	return r < 0 ? r : 0;
}

static unsigned box_bit(const struct parts *x)
{
	bool meta = x->mode || x->owner || x->attributes;

	if (x->ch->kind == CHANGE_RENAMED)
		return x->content ? BOX_REWRITTEN : BOX_MOVED;
	if (x->content)
		return meta ? BOX_BOTH : BOX_CONTENT;
	return meta ? BOX_META : x->times ? BOX_TIMES : BOX_NOTHING;
}

/* A program that lends its owner's rights is not put together from two halves. */
static bool lends_rights(const struct parts *x)
{
	if (!S_ISREG(x->now->st_mode))
		return false;
	return ((x->ch->box.st_mode | x->now->st_mode) & (S_ISUID | S_ISGID)) || x->against.lends ||
	       sys_fgetxattr(x->box, "security.capability", NULL, 0) >= 0;
}

/* Both changed it, and not alike. */
static bool clashes(const struct parts *x)
{
	const struct since *s = x->s;

	return (s->mode && x->mode && !same_mode(&x->ch->box, x->now)) ||
	       (s->owner && x->owner && !same_owner(&x->ch->box, x->now)) ||
	       (s->attributes == SINCE_CHANGED && x->attributes && x->against.differ) ||
	       (s->attributes == SINCE_UNKNOWN && x->against.hosts) || (!since_unchanged(s) && lends_rights(x));
}

static unsigned keep_of(const struct parts *x)
{
	const struct since *s = x->s;
	bool written = x->content && !x->equal, rewritten = s->content == SINCE_CHANGED;

	return (rewritten && !x->content ? COMMIT_KEEP_CONTENT : 0) | (s->mode && !x->mode ? COMMIT_KEEP_MODE : 0) |
	       (s->owner && !x->owner ? COMMIT_KEEP_OWNER : 0) |
	       (s->attributes == SINCE_CHANGED && !x->attributes ? COMMIT_KEEP_XATTRS : 0) |
	       (!written && (rewritten || (s->times && !x->times)) ? COMMIT_KEEP_TIMES : 0);
}

/* All that the box did is on the host, whatever else is. */
static bool is_there(const struct parts *x)
{
	return (x->content || x->mode || x->owner || x->attributes) && (!x->content || x->equal) &&
	       (!x->mode || same_mode(&x->ch->box, x->now)) && (!x->owner || same_owner(&x->ch->box, x->now)) &&
	       !(x->attributes && x->against.differ);
}

static bool is_alike(const struct parts *x)
{
	return x->equal && same_mode(&x->ch->box, x->now) && same_owner(&x->ch->box, x->now) && !x->against.differ;
}

static bool is_big(const struct parts *x)
{
	return S_ISREG(x->now->st_mode) && (x->ch->box.st_size > SINCE_MERGED_MAX || x->now->st_size > SINCE_MERGED_MAX);
}

static bool has_names(const struct parts *x)
{
	return x->s->origin->nlink > 1 || x->ch->box.st_nlink > 1 || x->now->st_nlink > 1;
}

static unsigned changed_bit(const struct parts *x)
{
	bool clash = clashes(x);

	if (is_there(x))
		return HOST_THERE;
	if (x->s->content == SINCE_SAME)
		return clash ? HOST_CLASH : HOST_META;
	if (!x->content)
		return clash ? HOST_BOTH : HOST_CONTENT;
	if (x->equal)
		return clash ? HOST_CLASH : HOST_EQUAL;
	return clash ? HOST_BOTH : is_big(x) ? HOST_BIG : HOST_CONTENT;
}

static unsigned host_bit(const struct parts *x)
{
	if (since_unchanged(x->s))
		return x->s->attributes == SINCE_UNKNOWN && x->against.hosts ? HOST_CLASH : HOST_TOUCHED;
	if (is_alike(x))
		return HOST_THERE;
	if (x->s->content == SINCE_UNKNOWN)
		return HOST_UNKNOWN;
	return has_names(x) ? HOST_NAMES : changed_bit(x);
}

int since_parts(struct plan *p, const struct change *ch, const struct since *s, const char *path, const struct stat *now,
                struct judgement *j)
{
	_cleanup_close_ int box = -1;
	struct parts x = { .p = p, .ch = ch, .s = s, .path = path, .now = now };
	int r = changes_open(p->p.ov, ch, &box);

	x.box = box;
	if (r == 0)
		r = parts_read(&x);
	if (r < 0)
		return r;
	j->box = box_bit(&x);
	j->host = host_bit(&x);
	j->keep = has_names(&x) ? 0 : keep_of(&x);
	/* Of a name that another file has got since, only a merge may say that it is about the same. */
	if (j->box == BOX_MOVED && j->host == HOST_CONTENT && !same_inode(s->origin, now))
		j->host = HOST_OTHER;
	return 0;
}

int since_directory(struct plan *p, const struct change *ch, const struct since *s, const char *path, const struct stat *now,
                    struct judgement *j)
{
	_cleanup_close_ int box = -1;
	struct parts x = { .p = p, .ch = ch, .s = s, .path = path, .now = now, .equal = true };

	x.mode = (s->origin->mode ^ ch->box.st_mode) & 07777;
	x.owner = s->origin->uid != ch->box.st_uid || s->origin->gid != ch->box.st_gid;
	x.against.differ = x.against.hosts = changes_open(p->p.ov, ch, &box) < 0;
	if (box >= 0)
		x.against = attributes_of(p, box, path);
	j->box = ch->kind == CHANGE_RENAMED ? BOX_MOVED : BOX_META;
	if (since_unchanged(s))
		j->host = x.against.hosts ? HOST_CLASH : HOST_TOUCHED;
	else if (ch->kind != CHANGE_RENAMED && is_alike(&x))
		j->host = HOST_THERE;
	else
		j->host = clashes(&x) ? HOST_CLASH : HOST_META;
	j->keep = keep_of(&x) & (COMMIT_KEEP_MODE | COMMIT_KEEP_OWNER);
	return 0;
}

int since_taken(struct plan *p, const struct since *s, const char *path, const struct stat *now, unsigned *ret_host)
{
	if (s->same)
		*ret_host = HOST_SAME;
	else if (s->content != SINCE_SAME)
		*ret_host = s->content == SINCE_UNKNOWN ? HOST_UNKNOWN : HOST_CONTENT;
	else if (!since_unchanged(s) ||
	         (s->attributes == SINCE_UNKNOWN && !S_ISDIR(now->st_mode) && attributes_of(p, -1, path).hosts))
		*ret_host = HOST_META;
	else
		*ret_host = HOST_TOUCHED;
	return 0;
}

int since_both_made(struct plan *p, const struct change *ch, const char *path, const struct stat *now, unsigned *ret_host)
{
	_cleanup_close_ int box = -1;
	struct parts x = { .p = p, .ch = ch, .path = path, .now = now };
	int r;

	*ret_host = ch->box.st_mode ? HOST_TYPE : HOST_TAKEN;
	if ((now->st_mode & S_IFMT) != (ch->box.st_mode & S_IFMT))
		return 0;
	r = changes_open(p->p.ov, ch, &box);
	if (r == 0 && !S_ISDIR(now->st_mode))
		r = parts_equal(p, ch, box, path, now, false);
	if (r < 0)
		return r;
	x.equal = S_ISDIR(now->st_mode) || r;
	if (x.equal) {
		x.against = attributes_of(p, box, path);
		*ret_host = is_alike(&x) ? HOST_THERE : S_ISDIR(now->st_mode) ? HOST_META : HOST_EQUAL;
	} else if (S_ISREG(now->st_mode)) {
		*ret_host = now->st_nlink > 1 || ch->box.st_nlink > 1 ? HOST_NAMES : is_big(&x) ? HOST_BIG : HOST_CONTENT;
	} else {
		*ret_host = HOST_TAKEN;
	}
	return 0;
}
