/* act.c - what a commit does to the host: each step is in the journal before it is made. */
#include "apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/sys.h"

/* The path of the name itself. */
static int end_path(const struct host_name *e, char ret[static PATH_MAX])
{
	char dir[PATH_MAX];
	int r = path_split(e->path, dir, sizeof dir) ? path_join(ret, PATH_MAX, dir, e->name) : -ENAMETOOLONG;

	return r < 0 ? r : 0;
}

/* The step is on the disk; in a round of logging that comes for all at once. */
static int log_step(struct apply *a, const struct step *s)
{
	int r;

	if (a->making != MAKING_LOGGED)
		return journal_log(a->j, s);
	r = journal_add_step(a->j, s);
	return r < 0 ? r : -EINPROGRESS;
}

static int names_rename(struct apply *a, const struct host_name *from, const struct host_name *to, unsigned flags)
{
	char spare[JOURNAL_TEMP_MAX];

	if (!(flags & RENAME_EXCHANGE))
		return sys_renameat2(from->dir, from->name, to->dir, to->name, flags);
	journal_spare_name(a->j, spare);
	return host_exchange(from->dir, from->name, to->dir, to->name, spare);
}

static int rename_step(struct apply *a, size_t i, const struct host_name *from, const struct host_name *to, const struct stat *at_from,
                       const struct stat *at_to, unsigned flags, enum step_old old, bool given)
{
	char from_path[PATH_MAX], to_path[PATH_MAX];
	struct step s = { .kind = STEP_RENAME, .a = from_path, .b = to_path, .at_a = *at_from, .old = old, .item = i, .given = given,
		          .exchange = (flags & RENAME_EXCHANGE) != 0 };
	int r = later_make(a);

	/* What is given is the box's. */
	if (a->making == MAKING_DONE) {
		a->acted[i] |= !given;
		return names_rename(a, from, to, flags);
	}
	if (r == 0)
		r = end_path(from, from_path);

	if (at_to)
		s.at_b = *at_to;
	if (r == 0)
		r = end_path(to, to_path);
	if (r == 0)
		r = host_ident(&a->p->host, from->dir, &s.dir_a);
	if (r == 0)
		r = host_ident(&a->p->host, to->dir, &s.dir_b);
	if (r < 0)
		return r;
	if (old != OLD_NONE)
		s.kept = journal_new_kept(a->j);
	r = journal_take_on(a->j, from_path, at_from);
	if (r == 0)
		r = log_step(a, &s);
	if (r < 0)
		return r;
	a->acted[i] |= !given;
	r = names_rename(a, from, to, flags);
	/* It is copied then, and an undo would look for what was never given. */
	if (given && (r == -EXDEV || r == -EACCES || r == -EPERM) && journal_cancel_step(a->j) < 0)
		return -EIO;
	return r;
}

int act_rename(struct apply *a, size_t i, const struct host_name *from, const struct host_name *to, const struct stat *at_from,
               const struct stat *at_to, unsigned flags, enum step_old old)
{
	return rename_step(a, i, from, to, at_from, at_to, flags, old, false);
}

int act_give(struct apply *a, size_t i, const struct host_name *from, const struct host_name *to, const struct stat *st)
{
	return rename_step(a, i, from, to, st, NULL, RENAME_NOREPLACE, OLD_NONE, true);
}

int act_exchange_back(struct apply *a, const struct host_name *from, const struct host_name *to)
{
	int r = names_rename(a, from, to, RENAME_EXCHANGE);

	return r < 0 ? r : journal_cancel_step(a->j);
}

static int act_object(struct apply *a, struct step *s, int fd, bool content)
{
	int r = later_make(a);

	if (a->making != MAKING_LOGGED)
		a->acted[s->item] = true;
	if (a->making == MAKING_DONE)
		return 0;
	if (r == 0)
		r = host_parent_ident(&a->p->host, s->a, &s->dir_a);

	if (r == 0)
		r = journal_keep(a->j, fd, &s->at_a, content, &s->kept);
	return r < 0 ? r : log_step(a, s);
}

int act_meta(struct apply *a, size_t i, const char *path, int fd)
{
	struct step s = { .kind = STEP_META, .a = (char *)path, .item = i };
	int r = sys_fstat(fd, &s.at_a);

	return r < 0 ? r : act_object(a, &s, fd, false);
}

int act_write(struct apply *a, size_t i, const char *path, int fd, const struct stat *st, off_t size)
{
	struct step s = { .kind = STEP_WRITE, .a = (char *)path, .at_a = *st, .at_b = { .st_size = size }, .item = i };

	return act_object(a, &s, fd, true);
}
