/* journal.c - writing and reading journals. What the steps mean is in replay.c and finish.c. */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/array.h"
#include "base/copy.h"
#include "base/stat.h"
#include "base/sys.h"
#include "base/tree.h"
#include "overlay/changes.h"

#define MAGIC "cbxjrnl1"
#define TEMP_PREFIX ".cowbox-"
#define HELD_MAX (64u << 10)

void journal_init(struct journal *j)
{
	*j = (struct journal){ .history_fd = -1, .lock_fd = -1, .dir_fd = -1, .fd = -1, .back = SIZE_MAX };
}

static void places_release(struct places *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->list[i].path);
	free(p->list);
}

void journal_release(struct journal *j)
{
	for (size_t i = 0; i < j->nitems; i++) {
		free(j->items[i].path);
		free(j->items[i].from);
	}
	for (size_t i = 0; i < j->nsteps; i++) {
		free(j->steps[i].a);
		free(j->steps[i].b);
	}
	free(j->items);
	free(j->steps);
	free(j->moves);
	inode_set_release(&j->olds);
	inode_set_release(&j->filled);
	places_release(&j->dirs);
	places_release(&j->times);
	places_release(&j->after);
	places_release(&j->names);
	places_release(&j->copies);
	free(j->head.box);
	free(j->head.command);
	pack_release(&j->pack);
	reclog_held_release(&j->held);
	fd_closep(&j->fd);
	fd_closep(&j->dir_fd);
	fd_closep(&j->history_fd);
	fd_closep(&j->lock_fd);
	journal_init(j);
}

/* ---- in memory ---- */

/* Takes path. */
static int places_take(struct places *p, char *path, const struct stat *st)
{
	int r = path ? array_room(&p->list, p->count, &p->room, sizeof *p->list) : -ENOMEM;

	if (r < 0)
		free(path);
	else
		p->list[p->count++] = (struct place){ .path = path, .st = *st };
	return r;
}

/* Takes the texts. */
static int items_take(struct journal *j, const struct journal_item *it)
{
	int r = it->path ? array_room(&j->items, j->nitems, &j->items_room, sizeof *j->items) : -ENOMEM;

	if (r < 0) {
		free(it->path);
		free(it->from);
		return r;
	}
	j->items[j->nitems++] = *it;
	return 0;
}

bool step_moves_directory(const struct step *s)
{
	return s->kind == STEP_RENAME && (S_ISDIR(s->at_a.st_mode) || S_ISDIR(s->at_b.st_mode));
}

int journal_index_moves(struct journal *j)
{
	int r = 0;

	j->nmoves = 0;
	for (size_t k = 0; k < j->nsteps && r == 0; k++) {
		if (!step_moves_directory(&j->steps[k]))
			continue;
		r = array_room(&j->moves, j->nmoves, &j->moves_room, sizeof *j->moves);
		if (r == 0)
			j->moves[j->nmoves++] = k;
	}
	return r;
}

static int steps_take(struct journal *j, const struct step *s)
{
	const struct stat *old = s->old == OLD_A ? &s->at_b : &s->at_a;
	int r = s->a && (s->b || s->kind != STEP_RENAME) ? array_room(&j->steps, j->nsteps, &j->steps_room, sizeof *j->steps)
	                                                 : -ENOMEM;

	if (r == 0 && s->old != OLD_NONE)
		r = inode_set_add(&j->olds, old->st_dev, old->st_ino);
	if (r == 0 && s->kind == STEP_COPY)
		r = inode_set_add(&j->filled, s->at_a.st_dev, s->at_a.st_ino);
	if (r == 0 && step_moves_directory(s))
		r = array_room(&j->moves, j->nmoves, &j->moves_room, sizeof *j->moves);
	if (r < 0) {
		free(s->a);
		free(s->b);
		return r;
	}
	if (step_moves_directory(s))
		j->moves[j->nmoves++] = j->nsteps;
	j->steps[j->nsteps++] = *s;
	return 0;
}

/* ---- records ---- */

static void pack_stat(struct pack *p, const struct stat *st)
{
	const uint64_t v[] = {
		st->st_dev,           st->st_ino,  st->st_mode,           st->st_nlink,          st->st_uid,
		st->st_gid,           st->st_rdev, (uint64_t)st->st_size, time_ns(&st->st_atim), time_ns(&st->st_mtim),
		time_ns(&st->st_ctim)
	};

	for (size_t i = 0; i < sizeof v / sizeof v[0]; i++)
		pack_u64(p, v[i]);
}

static struct timespec unpack_time(struct unpack *u)
{
	return time_of_ns(unpack_u64(u));
}

static void unpack_stat(struct unpack *u, struct stat *st)
{
	memset(st, 0, sizeof *st);
	st->st_dev = unpack_u64(u);
	st->st_ino = unpack_u64(u);
	st->st_mode = (mode_t)unpack_u64(u);
	st->st_nlink = unpack_u64(u);
	st->st_uid = (uid_t)unpack_u64(u);
	st->st_gid = (gid_t)unpack_u64(u);
	st->st_rdev = unpack_u64(u);
	st->st_size = (off_t)unpack_u64(u);
	st->st_atim = unpack_time(u);
	st->st_mtim = unpack_time(u);
	st->st_ctim = unpack_time(u);
}

static void pack_begin(struct journal *j, enum record type)
{
	pack_reset(&j->pack);
	pack_u64(&j->pack, type);
}

/* With others, when there are many or they have to be there. */
static int pack_write(struct journal *j)
{
	int r = reclog_hold(&j->held, &j->pack);

	return r == 0 && j->held.size >= HELD_MAX ? reclog_write_held(j->fd, &j->held) : r;
}

static int pack_write_now(struct journal *j)
{
	int r = pack_write(j);

	return r < 0 ? r : reclog_write_held(j->fd, &j->held);
}

void journal_pack_head(struct pack *p, const struct journal_head *h)
{
	pack_u64(p, h->kind);
	pack_u64(p, h->when_ns);
	for (size_t i = 0; i < JOURNAL_KINDS; i++)
		pack_u64(p, h->counts[i]);
	pack_u64(p, h->undoes);
	pack_text(p, h->box);
	pack_text(p, h->command);
}

void journal_unpack_head(struct unpack *u, struct journal_head *ret)
{
	ret->kind = (enum journal_kind)unpack_u64(u);
	ret->when_ns = unpack_u64(u);
	for (size_t i = 0; i < JOURNAL_KINDS; i++)
		ret->counts[i] = unpack_u64(u);
	ret->undoes = unpack_u64(u);
	free(ret->box);
	free(ret->command);
	ret->box = unpack_text(u);
	ret->command = unpack_text(u);
}

int journal_add_item(struct journal *j, const struct journal_item *it)
{
	struct journal_item copy = *it;
	int r;

	pack_begin(j, RECORD_ITEM);
	pack_u64(&j->pack, (uint64_t)it->kind);
	pack_u64(&j->pack, it->done | (uint64_t)it->same << 1 | (uint64_t)it->part << 2 | (uint64_t)it->conflict << 3);
	pack_u64(&j->pack, it->mode);
	pack_u64(&j->pack, it->nlink);
	pack_text(&j->pack, it->path);
	pack_text(&j->pack, it->from);
	r = pack_write(j);
	if (r < 0)
		return r;
	copy.path = strdup(it->path);
	copy.from = it->from ? strdup(it->from) : NULL;
	return items_take(j, &copy);
}

static bool is_beside(const struct journal_item *it)
{
	return it->from && it->kind != CHANGE_RENAMED;
}

int journal_item_kind(const struct journal_item *it)
{
	return is_beside(it) ? CHANGE_ADDED : it->kind;
}

const char *journal_item_place(const struct journal_item *it)
{
	return is_beside(it) ? it->from : it->path;
}

static int read_item(struct journal *j, struct unpack *u)
{
	struct journal_item it = { .kind = (int)unpack_u64(u) };
	uint64_t done = unpack_u64(u);

	it.done = done & 1;
	it.same = done & 2;
	it.part = done & 4;
	it.conflict = done & 8;
	it.mode = (uint32_t)unpack_u64(u);
	it.nlink = unpack_u64(u);
	it.path = unpack_text(u);
	it.from = unpack_text(u);
	return items_take(j, &it);
}

static int add_place(struct journal *j, enum record type, struct places *list, const char *path, const struct stat *st)
{
	int r;

	pack_begin(j, type);
	pack_stat(&j->pack, st);
	pack_text(&j->pack, path);
	r = pack_write(j);
	return r < 0 ? r : places_take(list, strdup(path), st);
}

int journal_add_dir(struct journal *j, const char *path, const struct stat *st)
{
	return add_place(j, RECORD_DIR, &j->dirs, path, st);
}

int journal_add_times(struct journal *j, const char *path, const struct stat *st)
{
	return add_place(j, RECORD_TIMES, &j->times, path, st);
}

int journal_add_after(struct journal *j, const char *path, const struct stat *st)
{
	return add_place(j, RECORD_AFTER, &j->after, path, st);
}

int journal_add_name(struct journal *j, const char *path, const struct stat *st)
{
	return add_place(j, RECORD_NAME, &j->names, path, st);
}

int journal_add_copy(struct journal *j, const char *path, const struct stat *st)
{
	return add_place(j, RECORD_COPY, &j->copies, path, st);
}

static int read_place(struct places *list, struct unpack *u)
{
	struct stat st;

	unpack_stat(u, &st);
	return places_take(list, unpack_text(u), &st);
}

static void pack_ident(struct pack *p, const struct ident *id)
{
	pack_u64(p, id->dev);
	pack_u64(p, id->ino);
}

static struct ident unpack_ident(struct unpack *u)
{
	struct ident id = { .dev = unpack_u64(u) };

	id.ino = unpack_u64(u);
	return id;
}

int journal_add_step(struct journal *j, const struct step *s)
{
	struct step copy = *s;
	int r;

	pack_begin(j, RECORD_STEP);
	pack_u64(&j->pack, s->kind);
	pack_u64(&j->pack, s->exchange);
	pack_u64(&j->pack, s->given);
	pack_u64(&j->pack, s->old);
	pack_u64(&j->pack, s->item);
	pack_u64(&j->pack, s->kept);
	pack_stat(&j->pack, &s->at_a);
	pack_stat(&j->pack, &s->at_b);
	pack_ident(&j->pack, &s->dir_a);
	pack_ident(&j->pack, &s->dir_b);
	pack_text(&j->pack, s->a);
	pack_text(&j->pack, s->b);
	r = pack_write(j);
	if (r < 0)
		return r;
	copy.a = strdup(s->a);
	copy.b = s->b ? strdup(s->b) : NULL;
	return steps_take(j, &copy);
}

static int read_step(struct journal *j, struct unpack *u)
{
	struct step s = { .kind = (enum step_kind)unpack_u64(u) };

	s.exchange = unpack_u64(u);
	s.given = unpack_u64(u);
	s.old = (enum step_old)unpack_u64(u);
	s.item = unpack_u64(u);
	s.kept = (unsigned)unpack_u64(u);
	unpack_stat(u, &s.at_a);
	unpack_stat(u, &s.at_b);
	s.dir_a = unpack_ident(u);
	s.dir_b = unpack_ident(u);
	s.a = unpack_text(u);
	s.b = unpack_text(u);
	if (s.kept > j->kept)
		j->kept = s.kept;
	return steps_take(j, &s);
}

static void drop_step(struct journal *j)
{
	if (!j->nsteps)
		return;
	j->nsteps--;
	if (step_moves_directory(&j->steps[j->nsteps]))
		j->nmoves--;
	free(j->steps[j->nsteps].a);
	free(j->steps[j->nsteps].b);
}

int journal_cancel_step(struct journal *j)
{
	int r;

	pack_begin(j, RECORD_CANCEL);
	r = pack_write(j);
	if (r == 0)
		drop_step(j);
	return r;
}

/* The step that has taken it away. */
static size_t find_old(const struct journal *j, const char *path, const struct stat *st)
{
	const char *name = strrchr(path, '/');

	if (!journal_is_temp_path(j, path) || !inode_set_has(&j->olds, st->st_dev, st->st_ino))
		return SIZE_MAX;
	for (size_t k = j->nsteps; k > 0; k--) {
		const struct step *s = &j->steps[k - 1];

		if (s->old != OLD_NONE && strcmp(strrchr(s->old == OLD_A ? s->a : s->b, '/'), name) == 0)
			return k - 1;
	}
	return SIZE_MAX;
}

int journal_take_on(struct journal *j, const char *path, const struct stat *st)
{
	size_t step = find_old(j, path, st);
	int r;

	if (step == SIZE_MAX)
		return 0;
	pack_begin(j, RECORD_TAKEN);
	pack_u64(&j->pack, step);
	r = pack_write(j);
	if (r == 0)
		j->steps[step].old = OLD_NONE;
	return r;
}

static int read_taken(struct journal *j, struct unpack *u)
{
	uint64_t step = unpack_u64(u);

	if (step >= j->nsteps)
		return -EBADMSG;
	j->steps[step].old = OLD_NONE;
	return 0;
}

int journal_sync(struct journal *j)
{
	int r = reclog_write_held(j->fd, &j->held);

	if (r == 0 && j->unsynced)
		r = sys_syncfs(j->dir_fd);
	if (r < 0)
		return r;
	j->unsynced = false;
	return sys_fsync(j->fd);
}

int journal_log(struct journal *j, const struct step *s)
{
	int r = journal_add_step(j, s);

	return r < 0 ? r : journal_sync(j);
}

int journal_set_applied(struct journal *j)
{
	int r = journal_sync(j);
	off_t end = r < 0 ? -1 : lseek(j->fd, 0, SEEK_CUR);

	if (r < 0 || end < 0)
		return r < 0 ? r : -errno;
	pack_begin(j, RECORD_APPLIED);
	r = pack_write_now(j);
	if (r == 0)
		r = journal_sync(j);
	if (r == 0) {
		j->applied = true;
		return 0;
	}
	/* It may be on the disk all the same, and is not to be believed. */
	j->held.size = 0;
	if (sys_ftruncate(j->fd, end) < 0 || lseek(j->fd, end, SEEK_SET) < 0)
		(void)journal_set_back(j, j->nsteps, false);
	(void)sys_fsync(j->fd);
	return r;
}

int journal_set_back(struct journal *j, size_t step, bool troubled)
{
	j->back = step;
	j->troubled = troubled;
	pack_begin(j, RECORD_BACK);
	pack_u64(&j->pack, step);
	pack_u64(&j->pack, troubled);
	return pack_write_now(j);
}

int journal_add_forgotten(struct journal *j)
{
	pack_begin(j, RECORD_FORGOTTEN);
	return pack_write_now(j);
}

static int read_record(void *ctx, struct unpack *u)
{
	struct journal *j = ctx;
	int r = 0;

	switch ((enum record)unpack_u64(u)) {
	case RECORD_HEAD:
		j->tag = unpack_u64(u);
		journal_unpack_head(u, &j->head);
		break;
	case RECORD_ITEM:
		r = read_item(j, u);
		break;
	case RECORD_DIR:
		r = read_place(&j->dirs, u);
		break;
	case RECORD_STEP:
		r = read_step(j, u);
		break;
	case RECORD_CANCEL:
		drop_step(j);
		break;
	case RECORD_TIMES:
		r = read_place(&j->times, u);
		break;
	case RECORD_AFTER:
		r = read_place(&j->after, u);
		break;
	case RECORD_NAME:
		r = read_place(&j->names, u);
		break;
	case RECORD_COPY:
		r = read_place(&j->copies, u);
		break;
	case RECORD_TAKEN:
		r = read_taken(j, u);
		break;
	case RECORD_APPLIED:
		j->applied = true;
		break;
	case RECORD_FORGOTTEN:
		j->forgotten = true;
		break;
	case RECORD_BACK:
		j->back = unpack_u64(u);
		/* What could not be told for sure to be applied was taken back. */
		j->applied = false;
		j->troubled = unpack_u64(u);
		break;
	default:
		return -EBADMSG;
	}
	return r < 0 ? r : u->failed ? -EBADMSG : 0;
}

int journal_load(struct journal *j, int history_fd, int lock_fd, unsigned number)
{
	char name[16];
	int64_t end = 0;
	int r;

	j->lock_fd = lock_fd;
	j->number = number;
	j->history_fd = fcntl(history_fd, F_DUPFD_CLOEXEC, 3);
	if (j->history_fd < 0)
		return -errno;
	snprintf(name, sizeof name, "%u", number);
	r = j->dir_fd = sys_openat(history_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (r >= 0)
		r = j->fd = sys_openat(j->dir_fd, "journal", O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);
	if (r >= 0)
		r = reclog_read(j->fd, MAGIC, read_record, j, &end);
	if (r < 0)
		return r;
	return lseek(j->fd, end, SEEK_SET) < 0 ? -errno : 0;
}

/* ---- the entry ---- */

/* A small file, whole or not at all. */
static int write_file(int dir, const char *name, const void *data, size_t size)
{
	_cleanup_close_ int fd = -1;
	int r;

	(void)sys_unlinkat(dir, "new", 0);
	r = fd = sys_openat(dir, "new", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r >= 0)
		r = sys_write_all(fd, data, size);
	if (r >= 0)
		r = sys_fsync(fd);
	if (r >= 0)
		r = sys_renameat2(dir, "new", dir, name, 0);
	if (r < 0)
		(void)sys_unlinkat(dir, "new", 0);
	return r < 0 ? r : sys_fsync(dir);
}

/* Entries that were never closed, and are not at work: they had not begun when their process ended. */
static void remove_strays(int history_fd, const unsigned *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char name[16], summary[32];
		struct stat st;

		snprintf(name, sizeof name, "%u", all[i]);
		snprintf(summary, sizeof summary, "%u/summary", all[i]);
		if (sys_fstatat(history_fd, summary, &st, AT_SYMLINK_NOFOLLOW) == -ENOENT)
			(void)tree_remove(history_fd, name);
	}
}

static int make_entry(struct journal *j)
{
	_cleanup_free_ unsigned *all = NULL;
	unsigned open_entry = 0;
	size_t n = 0;
	char name[16];
	int r = history_open_entry(j->history_fd, &open_entry);

	/* One that was interrupted comes first. */
	if (r == 0 && open_entry)
		r = -EUCLEAN;
	if (r == 0)
		r = history_numbers(j->history_fd, &all, &n);
	if (r < 0)
		return r;
	remove_strays(j->history_fd, all, n);
	j->number = n ? all[n - 1] + 1 : 1;
	snprintf(name, sizeof name, "%u", j->number);
	r = sys_mkdirat(j->history_fd, name, 0700);
	if (r == 0)
		r = j->dir_fd = sys_openat(j->history_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (r >= 0)
		r = j->fd = sys_openat(j->dir_fd, "journal", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return r < 0 ? r : reclog_begin(j->fd, MAGIC);
}

static int copy_head(struct journal_head *ret, const struct journal_head *head)
{
	*ret = *head;
	ret->box = strdup(head->box ? head->box : "");
	ret->command = strdup(head->command ? head->command : "");
	return ret->box && ret->command ? 0 : -ENOMEM;
}

int journal_begin(struct journal *j, const char *store_path, const struct journal_head *head, uint64_t tag)
{
	char text[16];
	int r = history_dir(store_path, true, &j->history_fd);

	if (r == 0 && j->lock_fd < 0)
		r = history_lock(j->history_fd, true, &j->lock_fd);
	if (r == 0)
		r = copy_head(&j->head, head);
	j->tag = tag;
	if (r == 0 && !tag && getrandom(&j->tag, sizeof j->tag, 0) != sizeof j->tag)
		r = -EIO;
	if (r == 0)
		r = make_entry(j);
	if (r < 0)
		return r;
	pack_begin(j, RECORD_HEAD);
	pack_u64(&j->pack, j->tag);
	journal_pack_head(&j->pack, &j->head);
	r = pack_write_now(j);
	/* Its name is on the disk before it counts. */
	if (r == 0)
		r = sys_fsync(j->dir_fd);
	snprintf(text, sizeof text, "%u\n", j->number);
	return r < 0 ? r : write_file(j->history_fd, "open", text, strlen(text));
}

/* ---- names ---- */

void journal_temp_name(struct journal *j, char ret[static JOURNAL_TEMP_MAX])
{
	snprintf(ret, JOURNAL_TEMP_MAX, TEMP_PREFIX "%016llx-%u.tmp", (unsigned long long)j->tag, ++j->serial);
}

void journal_spare_name(const struct journal *j, char ret[static JOURNAL_TEMP_MAX])
{
	snprintf(ret, JOURNAL_TEMP_MAX, TEMP_PREFIX "%016llx-x.tmp", (unsigned long long)j->tag);
}

bool journal_is_temp(const struct journal *j, const char *name)
{
	char head[JOURNAL_TEMP_MAX];
	int n = snprintf(head, sizeof head, TEMP_PREFIX "%016llx-", (unsigned long long)j->tag);

	return strncmp(name, head, (size_t)n) == 0;
}

bool journal_is_temp_path(const struct journal *j, const char *path)
{
	return journal_is_temp(j, strrchr(path, '/') + 1);
}

bool journal_is_new(const struct journal *j, const struct step *s)
{
	if (inode_set_has(&j->filled, s->at_a.st_dev, s->at_a.st_ino))
		return false;
	for (size_t i = 0; i < j->nmoves && &j->steps[j->moves[i]] < s; i++) {
		const struct step *was = &j->steps[j->moves[i]];

		if (was->at_a.st_ino == s->at_a.st_ino && was->at_a.st_dev == s->at_a.st_dev && strcmp(was->b, s->a) == 0)
			return false;
		if (was->exchange && was->at_b.st_ino == s->at_a.st_ino && was->at_b.st_dev == s->at_a.st_dev &&
		    strcmp(was->a, s->a) == 0)
			return false;
	}
	return true;
}

bool journal_made(const struct journal *j, const struct step *s)
{
	return s->kind == STEP_RENAME && !s->exchange && S_ISDIR(s->at_a.st_mode) && journal_is_temp_path(j, s->a) &&
	       !journal_is_temp_path(j, s->b) && journal_is_new(j, s);
}

unsigned journal_new_kept(struct journal *j)
{
	return ++j->kept;
}

void journal_kept_name(unsigned kept, bool object, char ret[static JOURNAL_KEPT_MAX])
{
	snprintf(ret, JOURNAL_KEPT_MAX, "%c%u", object ? 'o' : 'w', kept);
}

int journal_keep(struct journal *j, int fd, const struct stat *st, bool content, unsigned *ret_kept)
{
	_cleanup_close_ int kept = -1;
	char name[JOURNAL_KEPT_MAX];
	unsigned lost = 0, number;
	int r;

	*ret_kept = 0;
	if (!content && listxattr(FD_PATH(fd), NULL, 0) <= 0)
		return 0;
	number = journal_new_kept(j);
	journal_kept_name(number, false, name);
	r = kept = sys_openat(j->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r >= 0 && content)
		r = copy_data(fd, kept, st->st_size);
	if (r >= 0)
		r = copy_metadata(fd, kept, st, COPY_XATTRS, &lost);
	/* Attributes are so small, and so many files have some, that they wait for the step. */
	if (r >= 0 && content)
		r = sys_fsync(kept);
	j->unsynced |= !content;
	if (r < 0) {
		sys_unlinkat(j->dir_fd, name, 0);
		return r;
	}
	*ret_kept = number;
	return 0;
}
