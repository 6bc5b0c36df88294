/* finish.c - a commit that has reached its commit point, or is about to: what it took away goes into the entry. */
#include "host_spot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apply.h"
#include "base/path.h"
#include "base/sys.h"
#include "base/tree.h"
#include "tree_copy.h"

/* ---- directories whose mode keeps their owner out ---- */

int replay_unlock(struct replay *r, const char *path, const struct stat *st)
{
	return geteuid() == 0 || !S_ISDIR(st->st_mode) || (st->st_mode & 0300) == 0300
	               ? 0
	               : replay_give_mode(r, path, st, st->st_mode | 0700);
}

/* All of them, while something in them is still to be taken out; or gives them their mode again. */
static int unlock_done(struct replay *r, bool unlock)
{
	size_t n = geteuid() == 0 ? 0 : r->j->after.count;
	int x = 0;

	for (size_t i = 0; i < n && x == 0; i++) {
		/* From the top down; and back from the bottom up. */
		const struct place *p = &r->j->after.list[unlock ? i : n - 1 - i];

		if (unlock)
			x = replay_unlock(r, p->path, &p->st);
		else if (S_ISDIR(p->st.st_mode) && (p->st.st_mode & 0300) != 0300)
			x = replay_give_mode(r, p->path, &p->st, p->st.st_mode);
	}
	return x;
}

/* ---- what was taken away ---- */

/* Where what was given by step k is now: under a temporary name it does not stay. */
static int replay_given(const struct journal *j, size_t k, char ret[static PATH_MAX])
{
	const struct step *s = &j->steps[k];

	if (journal_is_temp_path(j, s->b))
		for (size_t i = k + 1; i < j->nsteps; i++)
			if (j->steps[i].kind == STEP_RENAME && strcmp(j->steps[i].a, s->b) == 0)
				return replay_forward(j, i, j->steps[i].b, ret);
	return replay_forward(j, k, s->b, ret);
}

struct old {
	struct host_spot at;
	struct ident dir; /* dir: that it is in */
	const struct stat *was;
	char name[JOURNAL_KEPT_MAX];
};

static void old_release(struct old *o)
{
	host_spot_release(&o->at);
}
#define _cleanup_old_ _cleanup_(old_release)

/* What step k took away, where it is now: st_mode 0: it is no longer there. */
static int old_find(struct replay *r, size_t k, struct old *ret)
{
	const struct step *s = &r->j->steps[k];
	char path[PATH_MAX];
	struct stat nothing = { 0 };
	int x = replay_forward(r->j, k, s->old == OLD_A ? s->a : s->b, path);

	ret->was = s->old == OLD_A ? &s->at_b : &s->at_a;
	journal_kept_name(s->kept, true, ret->name);
	ret->dir = s->old == OLD_A ? s->dir_a : s->dir_b;
	if (x == 0)
		x = host_spot_find(r, path, ret->dir, &ret->at);
	/* path is not ours to keep. */
	ret->at.name = strrchr(s->old == OLD_A ? s->a : s->b, '/') + 1;
	if (x == -ENOENT || x == -ENOTDIR || x == -ESTALE) {
		ret->at.st = nothing;
		x = 0;
	}
	return x;
}

static uint64_t mount_of(int fd)
{
	struct statx sx;

	return sys_statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) == 0 && (sx.stx_mask & STATX_MNT_ID) ? sx.stx_mnt_id : 0;
}

static bool in_entrys_mount(struct replay *r, const struct old *o)
{
	struct stat entry;

	if (!r->entry_mount && sys_fstat(r->j->dir_fd, &entry) == 0) {
		r->entry_mount = mount_of(r->j->dir_fd);
		r->entry_dev = entry.st_dev;
	}
	/* Neighbours come one after another. */
	if (!ident_same(&r->mounted, &o->dir)) {
		r->mounted = o->dir;
		r->mount = mount_of(o->at.dir);
	}
	return r->mount && r->mount == r->entry_mount && r->entry_dev == o->was->st_dev;
}

/* A directory's ".." changes with its place, which who may not write into it may not do. */
static bool can_be_moved(struct replay *r, const struct old *o)
{
	/* Parts of one mount can be different file systems still (btrfs). */
	if (!in_entrys_mount(r, o))
		return false;
	return !S_ISDIR(o->was->st_mode) || geteuid() == 0 || o->was->st_uid == geteuid() || (o->was->st_mode & S_IWOTH);
}

/* The host still has it, and shows how many names it has: it is not kept, and an undo makes it one more. */
static bool has_other_name(const struct replay *r, const struct old *o)
{
	return o->at.st.st_nlink > 1 && replay_other_name(r->j, &o->at.st);
}

/* What the host still has may be written to later on, or was already: an undo is to link it, and not to bring the copy back; or to tell that it cannot. */
static int note_copies(struct replay *r, const struct tree_links *links)
{
	int x = 0;

	for (size_t i = 0; i < links->count && x == 0; i++)
		x = journal_add_copy(r->j, links->seen[i].path, &links->seen[i].st);
	return x;
}

/* What was taken away and stands in something that was taken away later is copied by itself. */
static bool is_own_temp(const void *ctx, const char *name)
{
	return journal_is_temp(ctx, name);
}

int replay_prepare(struct replay *r)
{
	struct tree_links links = { 0 };
	bool copied = false;
	int x = 0;

	for (size_t k = 0; k < r->j->nsteps && x == 0; k++) {
		_cleanup_old_ struct old o = { .at = HOST_SPOT_NONE };

		if (r->j->steps[k].old == OLD_NONE)
			continue;
		x = old_find(r, k, &o);
		if (x < 0 || !o.at.st.st_mode || has_other_name(r, &o) || can_be_moved(r, &o))
			continue;
		copied = true;
		x = tree_copy_to(
			o.at.dir, o.at.name,
			&(struct tree_place){
				.dir = r->j->dir_fd, .name = o.name, .root = r->j->dir_fd, .leave_out = is_own_temp, .ctx = r->j },
			&links);
		if (x == -EACCES || x == -EPERM) {
			/* We may remove it, but not read it. */
			(void)tree_remove(r->j->dir_fd, o.name);
			replay_trouble(r, r->j->steps[k].a, "it cannot be read, so undo cannot bring it back");
			r->troubles--;
			x = 0;
		}
	}
	if (x == 0)
		x = note_copies(r, &links);
	tree_links_release(&links);
	return x == 0 && copied ? sys_syncfs(r->j->dir_fd) : x;
}

int replay_copy_into_entry(struct replay *r, const struct host_spot *at, const char *name)
{
	char part[JOURNAL_KEPT_MAX + 8];
	struct stat st;
	int x;

	if (sys_fstatat(r->j->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	snprintf(part, sizeof part, "%s.part", name);
	x = tree_remove(r->j->dir_fd, part);
	if (x == 0)
		x = tree_copy(at->dir, at->name, r->j->dir_fd, part, NULL, NULL);
	if (x == -EACCES || x == -EPERM)
		(void)tree_remove(r->j->dir_fd, part);
	if (x == 0)
		x = sys_renameat2(r->j->dir_fd, part, r->j->dir_fd, name, 0);
	/* What it was copied from is removed next. */
	return x == 0 ? sys_syncfs(r->j->dir_fd) : x;
}

/* Not as it would be kept: what is there of that name may be half of a copy (replay_prepare). */
void replay_saved_name(const struct journal *j, const struct step *s, char ret[static JOURNAL_KEPT_MAX])
{
	snprintf(ret, JOURNAL_KEPT_MAX, "saved%u", (unsigned)(s - j->steps) + 1);
}

int replay_save(struct replay *r, const struct step *s, const struct host_spot *at, char ret_name[static JOURNAL_KEPT_MAX])
{
	int x;

	if (!at->st.st_mode)
		return -ENOENT;
	replay_saved_name(r->j, s, ret_name);
	/* Whoever goes on after us is to know that the entry has something. */
	x = journal_set_back(r->j, r->j->back < r->j->nsteps ? r->j->back : r->j->nsteps, true);
	if (x == 0)
		x = journal_sync(r->j);
	if (x < 0)
		return x;
	x = host_move(at->dir, at->name, r->j->dir_fd, ret_name);
	if (x == 0 || error_is_hard(x))
		return x;
	x = replay_copy_into_entry(r, at, ret_name);
	return x == 0 ? tree_remove(at->dir, at->name) : x;
}

const struct place *replay_next_name(const struct journal *j, const struct stat *st, size_t *i)
{
	for (; !S_ISDIR(st->st_mode) && *i < j->after.count + j->names.count; ++*i) {
		const struct place *p = *i < j->after.count ? &j->after.list[*i] : &j->names.list[*i - j->after.count];

		if (host_spot_is_same(&p->st, st)) {
			++*i;
			return p;
		}
	}
	return NULL;
}

const char *replay_other_name(const struct journal *j, const struct stat *st)
{
	size_t i = 0;
	const struct place *p = replay_next_name(j, st, &i);

	return p ? p->path : NULL;
}

/* One thing that was taken away, into the entry. */
static int finish_old(struct replay *r, size_t k)
{
	_cleanup_old_ struct old o = { .at = HOST_SPOT_NONE };
	int x = old_find(r, k, &o);

	if (x < 0 || !o.at.st.st_mode)
		return x;
	if (!host_spot_is_same(&o.at.st, o.was)) {
		replay_trouble(r, r->j->steps[k].a, "what was there before could not be kept");
		return 0;
	}
	if (has_other_name(r, &o))
		return sys_unlinkat(o.at.dir, o.at.name, 0);
	x = host_move(o.at.dir, o.at.name, r->j->dir_fd, o.name);
	if (x != -EXDEV && x != -EACCES && x != -EPERM && x != -EEXIST)
		return x;
	x = replay_copy_into_entry(r, &o.at, o.name);
	/* What could not be read was told of before the commit point. */
	return x == 0 || x == -EACCES || x == -EPERM ? tree_remove(o.at.dir, o.at.name) : x;
}

int replay_finish(struct replay *r)
{
	int x = unlock_done(r, true);

	for (size_t k = 0; k < r->j->nsteps && x >= 0; k++)
		if (r->j->steps[k].old != OLD_NONE)
			x = finish_old(r, k);
	for (size_t k = 0; k < r->j->nsteps && x >= 0; k++) {
		char path[PATH_MAX];

		if (r->j->steps[k].given && replay_given(r->j, k, path) == 0)
			x = give_strip(r->host, path, r->j->steps[k].at_a.st_mode);
	}
	for (size_t i = 0; i < r->j->times.count && x >= 0; i++)
		x = replay_set_times(r, &r->j->times.list[i], false);
	if (x >= 0)
		x = unlock_done(r, false);
	return x < 0 ? x : replay_sync_steps(r, true);
}
