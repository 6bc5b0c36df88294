/* origins.c - the log of what the host had. The bytes are described in origins.h.
 *
 * (I1) Only whole records count: a reader stops at the first that is not, so a log is always some number of records and then, after a crash,
 *      a torn tail.
 * (I2) Nothing is ever appended behind a torn tail. The file position of a writer's descriptor is the end of the records it has
 *      checked; what other writers added since is checked before the next append, and cut where it is torn.
 * (I3) Writers hold flock(LOCK_EX) on the log while they check, cut and append, so that nobody cuts a record that is being written.
 * (I4) A log whose first 8 bytes are of another format has no records for a reader, and is not touched by a writer.
 */
#include <endian.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>
#include <xxhash.h>
#include "overlay/internal.h"
#include "overlay/store.h"

#define ORIGINS_NAME "origins"
#define ORIGINS_MAGIC "cbxorig1"
#define MAGIC_SIZE 8
#define RECORD_MAX 16384
#define FLAG_BASE 1
#define FLAG_HASH 2
#define FLAG_COMMIT 4
#define FLAG_MOVED 8
#define BUFFER_SIZE 65536

enum record_offsets {
	AT_SIZE = 0, AT_SUM = 4, AT_KIND = 8, AT_FLAGS = 9, AT_PATH_LEN = 10, AT_TARGET_LEN = 12, AT_COMM_LEN = 14,
	AT_DEV = 16, AT_INO = 24, AT_LENGTH = 32, AT_MTIME = 40, AT_CTIME = 48, AT_MODE = 56, AT_UID = 60, AT_GID = 64, AT_NLINK = 68,
	AT_WHEN = 72, AT_PID = 80, AT_HOST_SUM = 84, AT_BASE = 88, RECORD_HEAD = 96,
};

static void put16(uint8_t *p, uint16_t v) { v = htole16(v); memcpy(p, &v, sizeof v); }
static void put32(uint8_t *p, uint32_t v) { v = htole32(v); memcpy(p, &v, sizeof v); }
static void put64(uint8_t *p, uint64_t v) { v = htole64(v); memcpy(p, &v, sizeof v); }
static uint16_t get16(const uint8_t *p) { uint16_t v; memcpy(&v, p, sizeof v); return le16toh(v); }
static uint32_t get32(const uint8_t *p) { uint32_t v; memcpy(&v, p, sizeof v); return le32toh(v); }
static uint64_t get64(const uint8_t *p) { uint64_t v; memcpy(&v, p, sizeof v); return le64toh(v); }

/* ---- one record ---- */

static uint32_t record_sum(const uint8_t *rec, size_t size)
{
	return XXH32(rec + AT_KIND, size - AT_KIND, 0);
}

/* Writes the record into buf (RECORD_MAX bytes); returns its size. */
static int record_encode(const struct origin *o, uint8_t *buf)
{
	const char *target = o->target ? o->target : "", *comm = o->comm ? o->comm : "";
	size_t path_len = strlen(o->path), target_len = strlen(target), comm_len = strlen(comm), size;

	if (o->path[0] != '/' || (int)o->kind < ORIGIN_ABSENT || o->kind > ORIGIN_OTHER)
		return -EINVAL;
	size = (RECORD_HEAD + path_len + target_len + comm_len + 7) & ~(size_t)7;
	if (size > RECORD_MAX)
		return -ENAMETOOLONG;
	memset(buf, 0, size);
	put32(buf + AT_SIZE, (uint32_t)size);
	buf[AT_KIND] = (uint8_t)o->kind;
	buf[AT_FLAGS] = (uint8_t)((o->base_id ? FLAG_BASE : o->hashed ? FLAG_HASH : 0) | (o->by_commit ? FLAG_COMMIT : 0) |
				   (o->moved ? FLAG_MOVED : 0));
	put16(buf + AT_PATH_LEN, (uint16_t)path_len);
	put16(buf + AT_TARGET_LEN, (uint16_t)target_len);
	put16(buf + AT_COMM_LEN, (uint16_t)comm_len);
	put64(buf + AT_DEV, o->dev);
	put64(buf + AT_INO, o->ino);
	put64(buf + AT_LENGTH, o->size);
	put64(buf + AT_MTIME, o->mtime_ns);
	put64(buf + AT_CTIME, o->ctime_ns);
	put32(buf + AT_MODE, o->mode);
	put32(buf + AT_UID, o->uid);
	put32(buf + AT_GID, o->gid);
	put32(buf + AT_NLINK, o->nlink);
	put64(buf + AT_WHEN, o->when_ns);
	put32(buf + AT_PID, o->pid);
	put32(buf + AT_HOST_SUM, o->moved ? o->host_sum : 0);
	put64(buf + AT_BASE, o->base_id ? o->base_id : o->hash);
	memcpy(buf + RECORD_HEAD, o->path, path_len);
	memcpy(buf + RECORD_HEAD + path_len, target, target_len);
	memcpy(buf + RECORD_HEAD + path_len + target_len, comm, comm_len);
	put32(buf + AT_SUM, record_sum(buf, size));
	return (int)size;
}

/* The size that a record's first field tells, 0 when no record has it. */
static size_t record_size(const uint8_t *rec)
{
	uint32_t size = get32(rec + AT_SIZE);

	return size >= RECORD_HEAD && size <= RECORD_MAX && size % 8 == 0 ? size : 0;
}

/* True when all size bytes are a record as we write them. */
static bool record_valid(const uint8_t *rec, size_t size)
{
	size_t path_len = get16(rec + AT_PATH_LEN);
	size_t text = path_len + get16(rec + AT_TARGET_LEN) + get16(rec + AT_COMM_LEN);

	if (get32(rec + AT_SUM) != record_sum(rec, size))
		return false;
	return rec[AT_KIND] <= ORIGIN_OTHER && path_len > 0 && ((RECORD_HEAD + text + 7) & ~(size_t)7) == size &&
	       rec[RECORD_HEAD] == '/' && !memchr(rec + RECORD_HEAD, '\0', text);
}

/* ---- reading a log, record by record ---- */

struct reader {
	int fd;          /* fd: borrowed */
	off_t at;        /* at: offset in the file of the next record */
	size_t pos, have;
	uint8_t *buf;    /* buf: BUFFER_SIZE bytes; [pos, have) is what comes next */
};

static int reader_init(struct reader *r, int fd, off_t at)
{
	*r = (struct reader){ .fd = fd, .at = at };
	r->buf = malloc(BUFFER_SIZE);
	return r->buf ? 0 : -ENOMEM;
}

static void reader_release(struct reader *r)
{
	free(r->buf);
}
#define _cleanup_reader_ _cleanup_(reader_release)

/* Has n bytes ready from pos on. 1, or 0 when the file ends before. */
static int reader_need(struct reader *r, size_t n)
{
	ssize_t got;

	if (r->have - r->pos >= n)
		return 1;
	memmove(r->buf, r->buf + r->pos, r->have - r->pos);
	r->have -= r->pos;
	r->pos = 0;
	got = sys_pread_all(r->fd, r->buf + r->have, BUFFER_SIZE - r->have, r->at + (off_t)r->have);
	if (got < 0)
		return (int)got;
	r->have += (size_t)got;
	return r->have >= n;
}

/* 1: *ret_rec is the next record (borrowed until the next call), and r->at is behind it. 0: no whole record is left. */
static int reader_next(struct reader *r, const uint8_t **ret_rec)
{
	size_t size;
	int ok = reader_need(r, RECORD_HEAD);

	if (ok <= 0)
		return ok;
	size = record_size(r->buf + r->pos);
	if (size == 0)
		return 0;
	ok = reader_need(r, size);
	if (ok <= 0)
		return ok;
	if (!record_valid(r->buf + r->pos, size))
		return 0;
	*ret_rec = r->buf + r->pos;
	r->pos += size;
	r->at += (off_t)size;
	return 1;
}

static int open_log(int layer_fd, uint64_t flags)
{
	int fd = box_open_file(layer_fd, ORIGINS_NAME, flags);

	return fd == -ELOOP || fd == -EISDIR ? -EBADMSG : fd;
}

/* 1 when the log starts as it should, 0 when it is cut short there, -EBADMSG when it is something else. */
static int check_magic(int fd)
{
	char magic[MAGIC_SIZE];
	ssize_t n = sys_pread_all(fd, magic, sizeof magic, 0);

	if (n < 0)
		return (int)n;
	if (n < MAGIC_SIZE)
		return 0;
	return memcmp(magic, ORIGINS_MAGIC, MAGIC_SIZE) == 0 ? 1 : -EBADMSG;
}

/* ---- writing ---- */

struct log_lock {
	int fd;
};

static int log_lock(struct log_lock *l, int fd)
{
	int r = sys_flock(fd, LOCK_EX);

	if (r == 0)
		l->fd = fd;
	return r;
}

static void log_unlock(struct log_lock *l)
{
	if (l->fd >= 0)
		(void)flock(l->fd, LOCK_UN);
}
#define _cleanup_log_lock_ _cleanup_(log_unlock)

/* Gives an empty log, or one cut short in its first bytes, its start. Locked. */
static int log_start(int fd)
{
	int r = check_magic(fd);

	if (r != 0)
		return r < 0 ? r : 0;
	r = sys_ftruncate(fd, 0);
	if (r == 0)
		r = sys_pwrite_all(fd, ORIGINS_MAGIC, MAGIC_SIZE, 0);
	return r;
}

/* Where the whole records from `from` on end. */
static int log_scan(int fd, off_t from, off_t *ret_end)
{
	_cleanup_reader_ struct reader reader = { .fd = -1 };
	const uint8_t *rec;
	int r = reader_init(&reader, fd, from);

	while (r == 0 && (r = reader_next(&reader, &rec)) > 0)
		r = 0;
	if (r == 0)
		*ret_end = reader.at;
	return r;
}

/* Checks what is behind the descriptor's position, cuts a torn tail, and moves the position to the end. Locked. */
static int log_catch_up(int fd, off_t *ret_end)
{
	off_t from = lseek(fd, 0, SEEK_CUR), end;
	struct stat st;
	int r;

	if (from < 0)
		return -errno;
	r = sys_fstat(fd, &st);
	/* New, or cut down by hand meanwhile. */
	if (r == 0 && st.st_size < MAGIC_SIZE)
		r = log_start(fd);
	if (r < 0)
		return r;
	if (from < MAGIC_SIZE || from > st.st_size)
		from = MAGIC_SIZE;
	end = from;
	if (end < st.st_size)
		r = log_scan(fd, from, &end);
	/* Before anything is cut: the position may point into a record, where the log was cut behind our back and has grown again. */
	if (r == 0 && end < st.st_size && from > MAGIC_SIZE)
		r = log_scan(fd, MAGIC_SIZE, &end);
	if (r == 0 && end < st.st_size)
		r = sys_ftruncate(fd, end);
	if (r < 0)
		return r;
	if (lseek(fd, end, SEEK_SET) < 0)
		return -errno;
	*ret_end = end;
	return 0;
}

int origins_open(int layer_fd, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	_cleanup_log_lock_ struct log_lock lock = { .fd = -1 };
	off_t end;
	int r;

	fd = open_log(layer_fd, O_RDWR | O_CREAT);
	if (fd < 0)
		return fd;
	r = log_lock(&lock, fd);
	if (r == 0)
		r = log_start(fd);
	if (r == 0)
		r = log_catch_up(fd, &end);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int origins_append(int fd, const struct origin *o)
{
	_cleanup_log_lock_ struct log_lock lock = { .fd = -1 };
	uint8_t buf[RECORD_MAX];
	off_t end = 0;
	int size, r;

	size = record_encode(o, buf);
	if (size < 0)
		return size;
	r = log_lock(&lock, fd);
	if (r == 0)
		r = log_catch_up(fd, &end);
	if (r < 0)
		return r;
	r = sys_pwrite_all(fd, buf, (size_t)size, end);
	if (r < 0) {
		/* Half of it may be there (a full disk). When this fails too, the next writer cuts it. */
		(void)sys_ftruncate(fd, end);
		return r;
	}
	return lseek(fd, end + size, SEEK_SET) < 0 ? -errno : 0;
}

int origin_open_base(int base_fd, const struct origin *o)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	char name[24];

	if (!o->base_id || base_fd < 0)
		return -ENOENT;
	snprintf(name, sizeof name, "%llu", (unsigned long long)o->base_id);
	fd = sys_openat(base_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd >= 0 && (sys_fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
		return -ENOENT;
	return TAKE_FD(fd);
}

static enum origin_kind kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case 0:
		return ORIGIN_ABSENT;
	case S_IFREG:
		return ORIGIN_REGULAR;
	case S_IFDIR:
		return ORIGIN_DIRECTORY;
	case S_IFLNK:
		return ORIGIN_SYMLINK;
	default:
		return ORIGIN_OTHER;
	}
}

void origin_from_stat(struct origin *o, const struct stat *st)
{
	static const struct stat nothing;

	if (!st)
		st = &nothing;
	o->kind = kind_of(st->st_mode);
	o->dev = st->st_dev;
	o->ino = st->st_ino;
	o->size = (uint64_t)st->st_size;
	o->mtime_ns = time_ns(&st->st_mtim);
	o->ctime_ns = time_ns(&st->st_ctim);
	o->mode = st->st_mode;
	o->uid = st->st_uid;
	o->gid = st->st_gid;
	o->nlink = (uint32_t)st->st_nlink;
}

int origin_same(const struct origin *o, const struct stat *st)
{
	struct origin now = { 0 };

	origin_from_stat(&now, st);
	if (o->kind != now.kind)
		return 0;
	if (o->kind == ORIGIN_ABSENT)
		return 1;
	if (o->dev != now.dev || o->ino != now.ino)
		return 0;
	if (o->kind == ORIGIN_DIRECTORY)
		return 1;
	return (o->mode & S_IFMT) == (now.mode & S_IFMT) && o->size == now.size && o->mtime_ns == now.mtime_ns &&
	       o->ctime_ns == now.ctime_ns;
}

uint32_t origin_path_sum(const char *host)
{
	return XXH32(host, strlen(host), 0);
}

bool origin_was_at(const struct origin *o, const char *host)
{
	return o->moved ? o->host_sum == origin_path_sum(host) : strcmp(o->path, host) == 0;
}

int origin_same_fewer_names(const struct origin *o, const struct stat *st)
{
	struct stat then = *st;

	if (S_ISDIR(st->st_mode) || st->st_nlink >= o->nlink)
		return 0;
	then.st_ctim = time_of_ns(o->ctime_ns);
	return origin_same(o, &then);
}

/* ---- all records in memory ---- */

struct entry {
	struct origin o;
	uint64_t number; /* number: of the record in the log, from 1 */
	uint64_t absent; /* absent: of the last record of this path that says that the host had nothing there, 0 for none */
	uint32_t hash;
	char text[];     /* text: path, target and comm, each with its NUL */
};

struct origins {
	struct entry **slot;   /* slot: open addressing, linear; a power of two, at most 3/4 full */
	size_t size, count;
	uint64_t records;      /* records: read so far */
	uint32_t seed;         /* seed: of the index's hash; guests choose the paths, and must not be able to choose the buckets */
};

static char *take_text(char **text, const uint8_t **from, size_t len)
{
	char *start = *text;

	memcpy(start, *from, len);
	start[len] = '\0';
	*text += len + 1;
	*from += len;
	return start;
}

static struct entry *entry_new(const uint8_t *rec, uint32_t seed)
{
	size_t path_len = get16(rec + AT_PATH_LEN), target_len = get16(rec + AT_TARGET_LEN), comm_len = get16(rec + AT_COMM_LEN);
	struct entry *e = malloc(sizeof *e + path_len + target_len + comm_len + 3);
	const uint8_t *from = rec + RECORD_HEAD;
	char *text;

	if (!e)
		return NULL;
	text = e->text;
	e->hash = XXH32(from, path_len, seed);
	e->o = (struct origin){
		.kind = (enum origin_kind)rec[AT_KIND], .dev = get64(rec + AT_DEV), .ino = get64(rec + AT_INO),
		.size = get64(rec + AT_LENGTH), .mtime_ns = get64(rec + AT_MTIME), .ctime_ns = get64(rec + AT_CTIME),
		.mode = get32(rec + AT_MODE), .uid = get32(rec + AT_UID), .gid = get32(rec + AT_GID), .nlink = get32(rec + AT_NLINK),
		.when_ns = get64(rec + AT_WHEN), .pid = get32(rec + AT_PID),
		.base_id = rec[AT_FLAGS] & FLAG_BASE ? get64(rec + AT_BASE) : 0,
		.hash = rec[AT_FLAGS] & FLAG_HASH ? get64(rec + AT_BASE) : 0,
		.hashed = (rec[AT_FLAGS] & FLAG_HASH) != 0, .by_commit = (rec[AT_FLAGS] & FLAG_COMMIT) != 0,
		.moved = (rec[AT_FLAGS] & FLAG_MOVED) != 0, .host_sum = get32(rec + AT_HOST_SUM),
	};
	e->o.path = take_text(&text, &from, path_len);
	e->o.target = take_text(&text, &from, target_len);
	e->o.comm = take_text(&text, &from, comm_len);
	if (e->o.kind != ORIGIN_SYMLINK)
		e->o.target = NULL;
	return e;
}

/* The slot that has the path, or the empty one where it belongs. */
static struct entry **slot_of(const struct origins *o, const char *path, uint32_t hash)
{
	size_t mask = o->size - 1;

	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		const struct entry *e = o->slot[i];

		if (!e || (e->hash == hash && !strcmp(e->o.path, path)))
			return &o->slot[i];
	}
}

static int origins_grow(struct origins *o)
{
	struct origins bigger = { .size = o->size ? 2 * o->size : 64, .count = o->count, .records = o->records, .seed = o->seed };

	bigger.slot = calloc(bigger.size, sizeof *bigger.slot);
	if (!bigger.slot)
		return -ENOMEM;
	for (size_t i = 0; i < o->size; i++)
		if (o->slot[i])
			*slot_of(&bigger, o->slot[i]->o.path, o->slot[i]->hash) = o->slot[i];
	free(o->slot);
	*o = bigger;
	return 0;
}

/* A later record of a path takes the place of an earlier one. */
static int origins_put(struct origins *o, const uint8_t *rec)
{
	struct entry *e, **slot;

	if (o->count >= o->size / 4 * 3 && origins_grow(o) < 0)
		return -ENOMEM;
	e = entry_new(rec, o->seed);
	if (!e)
		return -ENOMEM;
	slot = slot_of(o, e->o.path, e->hash);
	e->number = ++o->records;
	e->absent = e->o.kind == ORIGIN_ABSENT ? e->number : *slot ? (*slot)->absent : 0;
	if (*slot)
		free(*slot);
	else
		o->count++;
	*slot = e;
	return 0;
}

void origins_free(struct origins *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->size; i++)
		free(o->slot[i]);
	free(o->slot);
	free(o);
}

void origins_freep(struct origins **o)
{
	origins_free(*o);
	*o = NULL;
}

static int load_records(struct origins *o, int fd)
{
	_cleanup_reader_ struct reader reader = { .fd = -1 };
	const uint8_t *rec;
	int r = check_magic(fd);

	if (r <= 0)
		return r == -EBADMSG ? 0 : r;
	r = reader_init(&reader, fd, MAGIC_SIZE);
	while (r == 0 && (r = reader_next(&reader, &rec)) > 0)
		r = origins_put(o, rec);
	return r;
}

int origins_load(int layer_fd, struct origins **ret, struct err *err)
{
	_cleanup_(origins_freep) struct origins *o = calloc(1, sizeof *o);
	_cleanup_close_ int fd = -1;
	int r;

	if (!o)
		return err_sys(err, -ENOMEM, "reading the origins of the box");
	/* Without random numbers yet the index is as good as before. */
	(void)!getrandom(&o->seed, sizeof o->seed, GRND_NONBLOCK);
	fd = open_log(layer_fd, O_RDONLY);
	if (fd == -EBADMSG)
		return err_set(err, fd, "the origins of the box are not a regular file: put that file back, or discard the box");
	r = fd == -ENOENT ? 0 : fd;
	if (fd >= 0)
		r = load_records(o, fd);
	if (r < 0)
		return err_sys(err, r, "cannot read the origins of the box");
	*ret = TAKE_PTR(o);
	return 0;
}

static const struct entry *find_entry(const struct origins *o, const char *path, size_t len)
{
	char text[PATH_MAX];

	if (len >= sizeof text)
		return NULL;
	memcpy(text, path, len);
	text[len] = '\0';
	return *slot_of(o, text, XXH32(text, len, o->seed));
}

const struct origin *origins_find(const struct origins *o, const char *path)
{
	const struct entry *e = o->count ? find_entry(o, path, strlen(path)) : NULL;

	/* (O2) */
	for (const char *end = e ? strrchr(path, '/') : NULL; end && end > path; end = memrchr(path, '/', (size_t)(end - path))) {
		const struct entry *above = find_entry(o, path, (size_t)(end - path));

		if (above && above->absent > e->number)
			return NULL;
	}
	return e ? &e->o : NULL;
}

void origins_renew(struct origins *o, const char *path, const struct stat *st)
{
	struct origin *record = (struct origin *)origins_find(o, path);

	if (record)
		origin_from_stat(record, st);
}

int origins_each(const struct origins *o, int (*fn)(void *ctx, const struct origin *o), void *ctx)
{
	int r = 0;

	for (size_t i = 0; i < o->size && r == 0; i++)
		if (o->slot[i] && origins_find(o, o->slot[i]->o.path))
			r = fn(ctx, &o->slot[i]->o);
	return r;
}

size_t origins_count(const struct origins *o)
{
	return o->count;
}

/* ---- a log in its own order ---- */

int origins_history(int layer_fd, int (*fn)(void *ctx, const struct origin *o), void *ctx)
{
	_cleanup_reader_ struct reader reader = { .fd = -1 };
	_cleanup_close_ int fd = open_log(layer_fd, O_RDONLY);
	const uint8_t *rec;
	int r = fd < 0 ? fd : check_magic(fd);

	if (r <= 0)
		return r == -ENOENT ? 0 : r;
	r = reader_init(&reader, fd, MAGIC_SIZE);
	while (r == 0 && (r = reader_next(&reader, &rec)) > 0) {
		struct entry *e = entry_new(rec, 0);

		r = e ? fn(ctx, &e->o) : -ENOMEM;
		free(e);
	}
	return r;
}


int origins_identities(int layer_fd, off_t *at, int (*fn)(void *ctx, uint64_t dev, uint64_t ino), void *ctx)
{
	_cleanup_reader_ struct reader reader = { .fd = -1 };
	_cleanup_close_ int fd = -1;
	const uint8_t *rec;
	int r;

	fd = open_log(layer_fd, O_RDONLY);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (*at < MAGIC_SIZE) {
		r = check_magic(fd);
		if (r <= 0)
			return r == -EBADMSG ? 0 : r;
	}
	r = reader_init(&reader, fd, *at < MAGIC_SIZE ? MAGIC_SIZE : *at);
	while (r == 0 && (r = reader_next(&reader, &rec)) > 0) {
		r = rec[AT_KIND] == ORIGIN_ABSENT ? 0 : fn(ctx, get64(rec + AT_DEV), get64(rec + AT_INO));
		if (r == 0)
			*at = reader.at;
	}
	return r;
}
