/* h_bound.c - the AF_UNIX names that guests bound; see h_bound.h. A hash by the kernel's name, of fixed size: a guest must keep as many sockets open as
 * it wants to make the chains long. */
#include "h_bound.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/inode_set.h"
#include "base/sys.h"
#include "unix_diag.h"

enum { BUCKETS = 4096, SWEEP_AT = 4096, ENTRIES_MAX = 1 << 20 };

struct bound {
	struct bound *next;   /* next: in the bucket; the newest is the first */
	struct bound_socket socket;
	struct unix_name kernel, guest;
	char view[];
};

static struct {
	pthread_mutex_t lock;
	struct bound *bucket[BUCKETS];
	size_t count, sweep_at; /* sweep_at: the count at which to look for sockets that are gone */
} table = { .lock = PTHREAD_MUTEX_INITIALIZER, .sweep_at = SWEEP_AT };

int bound_socket_of(int sock, struct bound_socket *ret)
{
	struct stat st;
	socklen_t n = sizeof ret->cookie, m = sizeof ret->type;
	int r = sys_fstat(sock, &st);
	if (r < 0)
		return r;
	ret->ino = (uint32_t)st.st_ino;
	if (getsockopt(sock, SOL_SOCKET, SO_COOKIE, &ret->cookie, &n) < 0 || getsockopt(sock, SOL_SOCKET, SO_TYPE, &ret->type, &m) < 0)
		return -errno;
	return 0;
}

/* FNV-1a */
static struct bound **bucket_of(const struct unix_name *kernel)
{
	uint32_t h = 2166136261u;
	for (socklen_t i = 0; i < kernel->len; i++)
		h = (h ^ (unsigned char)kernel->bytes[i]) * 16777619u;
	return &table.bucket[h % BUCKETS];
}

static bool same_name(const struct unix_name *a, const struct unix_name *b)
{
	return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

static void unlink_entry(struct bound **at)
{
	struct bound *b = *at;
	*at = b->next;
	free(b);
	table.count--;
}

static int note_cookie(const struct unix_diag *s, void *arg)
{
	return inode_set_add(arg, 0, s->cookie);
}

/* The list of all is not of one moment, so that it may lack one that lives: such are asked for. */
static bool is_gone(const struct inode_set *live, const struct bound *b)
{
	struct unix_diag s;
	return !inode_set_has(live, 0, b->socket.cookie) && unix_diag_find(b->socket.ino, b->socket.cookie, &s) < 0;
}

/* Every time the table has doubled, so that an entry costs a fixed number of looks. */
static void sweep(void)
{
	struct inode_set live = { 0 };
	if (unix_diag_each(note_cookie, &live) == 0)
		for (size_t i = 0; i < BUCKETS; i++)
			for (struct bound **at = &table.bucket[i]; *at;) {
				if (is_gone(&live, *at))
					unlink_entry(at);
				else
					at = &(*at)->next;
			}
	inode_set_release(&live);
	table.sweep_at = table.count * 2 > SWEEP_AT ? table.count * 2 : SWEEP_AT;
}

void bound_add(const struct bound_socket *s, const struct unix_name *kernel, const struct unix_name *guest, const char *view)
{
	size_t n = strlen(view) + 1;
	struct bound *b = malloc(sizeof *b + n);
	if (!b)
		return;
	*b = (struct bound){ .socket = *s, .kernel = *kernel, .guest = *guest };
	memcpy(b->view, view, n);
	pthread_mutex_lock(&table.lock);
	if (table.count >= table.sweep_at)
		sweep();
	if (table.count < ENTRIES_MAX) {
		struct bound **at = bucket_of(kernel);
		b->next = *at;
		*at = b;
		table.count++;
		b = NULL;
	}
	pthread_mutex_unlock(&table.lock);
	free(b);
}

void bound_drop(const struct bound_socket *s, const struct unix_name *kernel)
{
	pthread_mutex_lock(&table.lock);
	for (struct bound **at = bucket_of(kernel); *at; at = &(*at)->next)
		if ((*at)->socket.cookie == s->cookie && same_name(&(*at)->kernel, kernel)) {
			unlink_entry(at);
			break;
		}
	pthread_mutex_unlock(&table.lock);
}

void bound_settle(const struct bound_socket *s, const struct unix_name *kernel)
{
	bool newest = true;
	pthread_mutex_lock(&table.lock);
	for (struct bound **at = bucket_of(kernel); *at;) {
		const struct bound *b = *at;
		bool same = b->socket.type == s->type && same_name(&b->kernel, kernel);
		bool own = same && b->socket.cookie == s->cookie;
		if (same && !newest) {
			unlink_entry(at);
			continue;
		}
		newest = newest && !own;
		at = &(*at)->next;
	}
	pthread_mutex_unlock(&table.lock);
}

/* Newest first; the lock is held. s NULL: any socket. */
static const struct bound *bound_find(const struct bound_socket *s, const struct unix_name *kernel)
{
	for (const struct bound *b = *bucket_of(kernel); b; b = b->next)
		if ((!s || b->socket.cookie == s->cookie) && same_name(&b->kernel, kernel))
			return b;
	return NULL;
}

bool bound_translate(const struct bound_socket *s, struct unix_name *name)
{
	pthread_mutex_lock(&table.lock);
	const struct bound *b = s ? bound_find(s, name) : NULL;
	if (!b)
		b = bound_find(NULL, name);
	if (b)
		*name = b->guest;
	pthread_mutex_unlock(&table.lock);
	return b;
}

bool bound_view_path(const struct unix_name *kernel, char *ret, size_t size)
{
	pthread_mutex_lock(&table.lock);
	const struct bound *b = bound_find(NULL, kernel);
	bool fits = b && *b->view && (size_t)snprintf(ret, size, "%s", b->view) < size;
	pthread_mutex_unlock(&table.lock);
	return fits;
}

size_t bound_sockets(const struct unix_name *kernel, int type, struct bound_socket *ret, size_t max)
{
	size_t n = 0;
	pthread_mutex_lock(&table.lock);
	for (const struct bound *b = *bucket_of(kernel); b && n < max; b = b->next)
		if (b->socket.type == type && same_name(&b->kernel, kernel))
			ret[n++] = b->socket;
	pthread_mutex_unlock(&table.lock);
	return n;
}
