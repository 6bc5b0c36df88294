/* commit_gen.c - operations that are hard for a layer: trees made anew, moved away, moved into each other. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "commit_random.h"
#include "sample.h"

#define RENAME_EXCHANGE_FLAG 2
#define POOL_MAX 300
#define PATH_MOST 300

struct pool {
	char path[POOL_MAX][PATH_MOST];
	unsigned char type[POOL_MAX];
	bool on_host[POOL_MAX];
	int count;
};

static void pool_fill(struct pool *p, struct world *w, const char *dir, int depth)
{
	_cleanup_free_ struct side_dirent *list = NULL;
	size_t count = 0;

	if (side_list(&w->plain, dir, &list, &count) < 0)
		return;
	for (size_t i = 0; i < count && p->count < POOL_MAX; i++) {
		struct where at = { .base = "", .path = p->path[p->count] };
		struct stat st;
		int k = p->count;

		if (snprintf(p->path[k], PATH_MOST, "%s%s%s", dir, dir[0] ? "/" : "", list[i].name) >= PATH_MOST)
			continue;
		p->type[k] = list[i].type;
		p->on_host[k] = w->host.ops->stat(&w->host, &at, LOOKUP_NOFOLLOW, &st) == 0;
		p->count++;
		if (list[i].type == DT_DIR && depth < 6)
			pool_fill(p, w, p->path[k], depth + 1);
	}
}

/* type: 0 for any. What the host has too is preferred. "" when there is none. */
static const char *pick(const struct pool *p, struct rng *r, int type)
{
	const char *last = "";

	for (int tries = 0; tries < 40 && p->count; tries++) {
		int i = (int)rng_below(r, (unsigned)p->count);

		if (type && p->type[i] != type)
			continue;
		last = p->path[i];
		if (p->on_host[i] || rng_chance(r, 40))
			break;
	}
	return last;
}

static void join(char *ret, const char *dir, const char *name)
{
	snprintf(ret, OP_PATH, "%s%s%s", dir, dir[0] ? "/" : "", name);
}

static void fresh(char *ret, const struct pool *p, struct rng *r)
{
	char name[300];

	join(ret, rng_chance(r, 35) ? "" : pick(p, r, DT_DIR), sample_name(r, name));
}

static struct op *add(struct cr_gen *g, enum op_kind kind, const char *a, const char *b)
{
	struct op *op = &g->queue[g->n];

	memset(op, 0, sizeof(*op));
	op->kind = kind;
	snprintf(op->a.path, OP_PATH, "%s", a);
	snprintf(op->b.path, OP_PATH, "%s", b);
	op->umask = 022;
	op->mode = kind == OP_MKDIR ? 0755 : 0644;
	op->number = 1;
	op->seed = rng_next(&g->r);
	if (g->n < (int)(sizeof(g->queue) / sizeof(g->queue[0])) - 1)
		g->n++;
	return op;
}

static void add_file(struct cr_gen *g, const char *path)
{
	add(g, OP_OPEN, path, "")->flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (rng_chance(&g->r, 50) ? O_TRUNC : 0);
}

static void add_symlink(struct cr_gen *g, const char *path)
{
	snprintf(add(g, OP_SYMLINK, path, "")->text, OP_PATH, "%s", rng_chance(&g->r, 50) ? "nowhere" : "a");
}

static void add_something(struct cr_gen *g, const char *path)
{
	unsigned dice = rng_below(&g->r, 10);
	char below[OP_PATH];

	if (dice < 6) {
		add_file(g, path);
	} else if (dice < 9) {
		add(g, OP_MKDIR, path, "");
		join(below, path, "a");
		if (rng_chance(&g->r, 50))
			add_file(g, below);
	} else {
		add_symlink(g, path);
	}
}

/* The directory is made again, with some of the names it has now. */
static void remake(struct cr_gen *g, struct world *w, const char *dir)
{
	_cleanup_free_ struct side_dirent *list = NULL;
	char path[OP_PATH];
	size_t count = 0;

	add(g, OP_MKDIR, dir, "");
	if (side_list(&w->plain, dir, &list, &count) < 0)
		return;
	for (size_t i = 0, made = 0; i < count && made < 4; i++) {
		join(path, dir, list[i].name);
		if (!rng_chance(&g->r, 50))
			continue;
		add_something(g, path);
		made++;
	}
	if (rng_chance(&g->r, 30)) {
		join(path, dir, "new");
		add_something(g, path);
	}
}

static const char *child_of(struct cr_gen *g, struct world *w, const char *dir, char *ret)
{
	_cleanup_free_ struct side_dirent *list = NULL;
	size_t count = 0;

	ret[0] = '\0';
	if (side_list(&w->plain, dir, &list, &count) >= 0 && count)
		snprintf(ret, 256, "%s", list[rng_below(&g->r, (unsigned)count)].name);
	return ret;
}

/* A host directory goes into one that is new, or made anew. */
static void move_into(struct cr_gen *g, struct world *w, const struct pool *p, const char *dir)
{
	char into[OP_PATH], to[OP_PATH], name[300];

	if (rng_chance(&g->r, 60)) {
		snprintf(into, sizeof into, "%s", pick(p, &g->r, DT_DIR));
		child_of(g, w, into, name);
		add(g, OP_REMOVE_TREE, into, "");
	} else {
		fresh(into, p, &g->r);
		name[0] = '\0';
	}
	add(g, OP_MKDIR, into, "");
	join(to, into, name[0] && rng_chance(&g->r, 60) ? name : rng_chance(&g->r, 50) && strrchr(dir, '/') ? strrchr(dir, '/') + 1 : "a");
	add(g, OP_RENAME, dir, to);
	if (rng_chance(&g->r, 40))
		add(g, OP_MKDIR, dir, "");
}

static void nested(struct cr_gen *g, struct world *w, const struct pool *p, const char *dir)
{
	char from[OP_PATH], to[OP_PATH], moved[OP_PATH], name[300], room[300];
	const char *other;

	child_of(g, w, dir, name);
	other = sample_name(&g->r, room);
	join(from, dir, name[0] ? name : "a");
	join(to, dir, other);
	if (rng_chance(&g->r, 70))
		add(g, OP_RENAME, from, to);
	fresh(moved, p, &g->r);
	add(g, OP_RENAME, dir, moved);
	join(from, moved, rng_chance(&g->r, 50) ? other : name[0] ? name : "b");
	fresh(to, p, &g->r);
	if (rng_chance(&g->r, 70))
		add(g, OP_RENAME, from, to);
	if (rng_chance(&g->r, 30))
		remake(g, w, dir);
}

static void links(struct cr_gen *g, const struct pool *p)
{
	const char *file = pick(p, &g->r, DT_REG);
	char to[OP_PATH], again[OP_PATH];

	fresh(to, p, &g->r);
	fresh(again, p, &g->r);
	add(g, OP_LINK, file, to);
	if (rng_chance(&g->r, 50))
		add_file(g, rng_chance(&g->r, 50) ? to : file);
	if (rng_chance(&g->r, 40))
		add(g, OP_RENAME, rng_chance(&g->r, 50) ? to : file, again);
	if (rng_chance(&g->r, 30))
		add(g, OP_UNLINK, file, "");
}

static void swap(struct cr_gen *g, const struct pool *p, int type)
{
	const char *a = pick(p, &g->r, type), *b = pick(p, &g->r, type);

	if (rng_chance(&g->r, 40)) {
		add(g, OP_RENAME, a, b)->flags = RENAME_EXCHANGE_FLAG;
		return;
	}
	add(g, OP_RENAME, a, "swap");
	add(g, OP_RENAME, b, a);
	add(g, OP_RENAME, "swap", b);
}

static void metadata(struct cr_gen *g, const struct pool *p, const struct op_options *options)
{
	static const mode_t modes[] = { 0755, 0700, 0644, 0600, 0777, 02775, 0555 };
	const char *path = pick(p, &g->r, rng_chance(&g->r, 50) ? DT_DIR : 0);
	struct op *op;

	switch (rng_below(&g->r, 4)) {
	case 0: op = add(g, OP_UTIMENS, path, ""); break;
	case 1:
		op = add(g, OP_SETXATTR, path, "");
		snprintf(op->text, OP_PATH, "user.a");
		op->number = (long)rng_below(&g->r, 40);
		break;
	case 2:
		op = add(g, OP_CHOWN, path, "");
		op->uid = options->root ? 1000 * rng_below(&g->r, 2) : (uid_t)-1;
		op->gid = (gid_t)-1;
		break;
	default: add(g, OP_CHMOD, path, "")->mode = RNG_PICK(&g->r, modes);
	}
}

static void type_change(struct cr_gen *g, const struct pool *p)
{
	const char *path = pick(p, &g->r, rng_chance(&g->r, 50) ? DT_DIR : 0);
	char below[OP_PATH];

	add(g, OP_REMOVE_TREE, path, "");
	add(g, OP_UNLINK, path, "");
	join(below, path, "a");
	switch (rng_below(&g->r, 3)) {
	case 0: add_file(g, path); break;
	case 1: add_symlink(g, path); break;
	default:
		add(g, OP_MKDIR, path, "");
		add_file(g, below);
	}
}

/* To where the host has something that the tree has no more: back to its old place, or to that of another. */
static void move_back(struct cr_gen *g, struct world *w, const struct pool *p)
{
	_cleanup_free_ struct pool *host = calloc(1, sizeof(*host));
	struct world turned = { .plain = w->host, .host = w->plain };
	int tries = 0, i = 0;

	if (!host)
		abort();
	pool_fill(host, &turned, "", 0);
	while (host->count && tries++ < 60) {
		i = (int)rng_below(&g->r, (unsigned)host->count);
		if (!host->on_host[i])
			break;
	}
	add(g, OP_RENAME, pick(p, &g->r, host->count ? host->type[i] : 0), host->count ? host->path[i] : "a");
}

static void simple(struct cr_gen *g, const struct pool *p)
{
	const char *path = pick(p, &g->r, 0);
	char to[OP_PATH];

	fresh(to, p, &g->r);
	switch (rng_below(&g->r, 8)) {
	case 0: case 1: add_something(g, to); break;
	case 2: add_file(g, pick(p, &g->r, DT_REG)); break;
	case 3: add(g, OP_RENAME, pick(p, &g->r, DT_REG), to); break;
	case 4: add(g, OP_RENAME, path, to); break;
	case 5: add(g, OP_UNLINK, path, ""); break;
	case 6: add(g, OP_REMOVE_TREE, pick(p, &g->r, DT_DIR), ""); break;
	default:
		add_file(g, to);
		add(g, OP_RENAME, to, pick(p, &g->r, DT_REG));
	}
}

/* One of op_make's that changes something. */
static void anything(struct cr_gen *g, struct world *w, const struct op_options *options)
{
	struct op op;

	for (;;) {
		op_make(&op, &g->r, &w->plain, options);
		if (op.kind < OP_HOLD && op.kind != OP_STAT && op.kind != OP_LIST_CHANGING &&
		    !(op.kind >= OP_GETXATTR && op.kind <= OP_LIST))
			break;
	}
	g->queue[g->n++] = op;
}

void cr_gen_next(struct cr_gen *g, struct op *ret, struct world *w, const struct op_options *options)
{
	while (g->at == g->n) {
		_cleanup_free_ struct pool *p = calloc(1, sizeof(*p));
		const char *dir;
		char to[OP_PATH];

		if (!p)
			abort();
		pool_fill(p, w, "", 0);
		g->at = g->n = 0;
		dir = pick(p, &g->r, DT_DIR);
		fresh(to, p, &g->r);
		switch (rng_below(&g->r, 18)) {
		case 0: case 1:
			add(g, OP_REMOVE_TREE, dir, "");
			remake(g, w, dir);
			break;
		case 2: case 3:
			add(g, OP_RENAME, dir, to);
			remake(g, w, dir);
			break;
		case 4: case 5: move_into(g, w, p, dir); break;
		case 6: nested(g, w, p, dir); break;
		case 7: links(g, p); break;
		case 8: swap(g, p, rng_chance(&g->r, 60) ? DT_DIR : 0); break;
		case 9: metadata(g, p, options); break;
		case 10: type_change(g, p); break;
		case 11: move_back(g, w, p); break;
		case 12: case 13: case 14: simple(g, p); break;
		default: anything(g, w, options);
		}
	}
	*ret = g->queue[g->at++];
}
