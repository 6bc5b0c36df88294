/* reclog.c - logs of records. */
#include "base/reclog.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/sys.h"

enum { AT_SIZE = 0, AT_SUM = 4, HEAD = 8, ALIGN = 8, CHUNK = 1 << 16 };

static void put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof v);
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return le32toh(v);
}

/* ---- one record ---- */

static uint8_t *pack_room(struct pack *p, size_t size)
{
	size_t at = p->size ? p->size : HEAD, want = at + size;
	uint8_t *buf;

	if (p->failed)
		return NULL;
	if (size > RECLOG_RECORD_MAX || want > RECLOG_RECORD_MAX - ALIGN) {
		p->failed = -E2BIG;
		return NULL;
	}
	if (want + ALIGN > p->room) {
		size_t room = 2 * (want + ALIGN);

		buf = realloc(p->buf, room);
		if (!buf) {
			p->failed = -ENOMEM;
			return NULL;
		}
		p->buf = buf;
		p->room = room;
	}
	p->size = want;
	return p->buf + at;
}

void pack_u64(struct pack *p, uint64_t v)
{
	uint8_t *at = pack_room(p, sizeof v);

	v = htole64(v);
	if (at)
		memcpy(at, &v, sizeof v);
}

void pack_bytes(struct pack *p, const void *data, size_t size)
{
	uint8_t *at;

	pack_u64(p, size);
	at = pack_room(p, size);
	if (at && size)
		memcpy(at, data, size);
}

void pack_text(struct pack *p, const char *text)
{
	if (text)
		pack_bytes(p, text, strlen(text));
	else
		pack_u64(p, UINT64_MAX);
}

void pack_reset(struct pack *p)
{
	p->size = 0;
	p->failed = 0;
}

void pack_release(struct pack *p)
{
	free(p->buf);
	*p = (struct pack){ 0 };
}

uint64_t unpack_u64(struct unpack *u)
{
	uint64_t v;

	if (u->failed || (size_t)(u->end - u->at) < sizeof v) {
		u->failed = true;
		return 0;
	}
	memcpy(&v, u->at, sizeof v);
	u->at += sizeof v;
	return le64toh(v);
}

static const void *unpack_sized(struct unpack *u, uint64_t size)
{
	const void *at = u->at;

	if (u->failed || size > (size_t)(u->end - u->at)) {
		u->failed = true;
		return NULL;
	}
	u->at += size;
	return at;
}

const void *unpack_bytes(struct unpack *u, size_t *ret_size)
{
	uint64_t size = unpack_u64(u);
	const void *at = unpack_sized(u, size);

	*ret_size = at ? (size_t)size : 0;
	return at;
}

char *unpack_text(struct unpack *u)
{
	uint64_t size = unpack_u64(u);
	const void *at;
	char *text;

	if (u->failed || size == UINT64_MAX)
		return NULL;
	at = unpack_sized(u, size);
	if (!at)
		return NULL;
	text = memchr(at, '\0', size) ? NULL : strndup(at, size);
	u->failed |= !text;
	return text;
}

/* ---- the file ---- */

int reclog_begin(int fd, const char magic[static RECLOG_MAGIC])
{
	return sys_write_all(fd, magic, RECLOG_MAGIC);
}

/* The record is whole, and *ret_size bytes. */
static int seal(struct pack *p, size_t *ret_size)
{
	size_t size;

	if (p->failed)
		return p->failed;
	if (!p->size)
		return -EINVAL;
	size = (p->size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	memset(p->buf + p->size, 0, size - p->size);
	put32(p->buf + AT_SIZE, (uint32_t)size);
	put32(p->buf + AT_SUM, XXH32(p->buf + HEAD, size - HEAD, 0));
	*ret_size = size;
	return 0;
}

int reclog_append(int fd, struct pack *p)
{
	size_t size;
	int r = seal(p, &size);

	return r < 0 ? r : sys_write_all(fd, p->buf, size);
}

int reclog_hold(struct reclog_held *h, struct pack *p)
{
	size_t size;
	int r = seal(p, &size);

	if (r == 0 && h->size + size > h->room) {
		size_t room = 2 * (h->size + size);
		uint8_t *buf = realloc(h->buf, room);

		if (!buf)
			return -ENOMEM;
		h->buf = buf;
		h->room = room;
	}
	if (r < 0)
		return r;
	memcpy(h->buf + h->size, p->buf, size);
	h->size += size;
	return 0;
}

int reclog_write_held(int fd, struct reclog_held *h)
{
	off_t at;
	int r;

	if (!h->size)
		return 0;
	at = lseek(fd, 0, SEEK_CUR);
	r = at < 0 ? -errno : sys_write_all(fd, h->buf, h->size);
	/* Half a record would end the log, and hide those that follow. */
	if (r < 0 && at >= 0 && sys_ftruncate(fd, at) == 0)
		(void)lseek(fd, at, SEEK_SET);
	if (r == 0)
		h->size = 0;
	return r;
}

void reclog_held_release(struct reclog_held *h)
{
	free(h->buf);
	*h = (struct reclog_held){ 0 };
}

struct reader {
	int fd;
	int64_t at;       /* at: where in the file buf begins */
	uint8_t *buf;
	size_t have, pos; /* pos: what is before it was read */
};

/* 1: n bytes are there; 0: the file ends before. */
static int reader_need(struct reader *r, size_t n)
{
	ssize_t got;

	if (r->have - r->pos >= n)
		return 1;
	memmove(r->buf, r->buf + r->pos, r->have - r->pos);
	r->at += (int64_t)r->pos;
	r->have -= r->pos;
	r->pos = 0;
	got = sys_pread_all(r->fd, r->buf + r->have, RECLOG_RECORD_MAX + CHUNK - r->have, r->at + (int64_t)r->have);
	if (got < 0)
		return (int)got;
	r->have += (size_t)got;
	return r->have >= n;
}

/* 1 and the record's payload, 0 when no whole one follows. */
static int reader_next(struct reader *r, struct unpack *ret)
{
	const uint8_t *rec;
	uint32_t size;
	int n = reader_need(r, HEAD);

	if (n != 1)
		return n;
	size = get32(r->buf + r->pos + AT_SIZE);
	if (size <= HEAD || size % ALIGN || size > RECLOG_RECORD_MAX)
		return 0;
	n = reader_need(r, size);
	if (n != 1)
		return n;
	rec = r->buf + r->pos;
	if (get32(rec + AT_SUM) != XXH32(rec + HEAD, size - HEAD, 0))
		return 0;
	r->pos += size;
	*ret = (struct unpack){ .at = rec + HEAD, .end = rec + size };
	return 1;
}

int reclog_read(int fd, const char magic[static RECLOG_MAGIC], int (*fn)(void *ctx, struct unpack *u), void *ctx, int64_t *ret_end)
{
	_cleanup_free_ uint8_t *buf = malloc(RECLOG_RECORD_MAX + CHUNK);
	struct reader r = { .fd = fd, .buf = buf };
	struct unpack u;
	int n;

	if (!buf)
		return -ENOMEM;
	n = reader_need(&r, RECLOG_MAGIC);
	if (n == 1 && memcmp(buf, magic, RECLOG_MAGIC) != 0)
		return -EBADMSG;
	if (n == 1) {
		r.pos = RECLOG_MAGIC;
		while ((n = reader_next(&r, &u)) == 1) {
			int stop = fn(ctx, &u);

			if (stop)
				return stop;
		}
	}
	if (n == 0 && ret_end)
		*ret_end = r.at + (int64_t)r.pos;
	return n;
}
