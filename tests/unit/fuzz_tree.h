/* fuzz_tree.h - a small tree of a few names, random operations on it, natively or in a box, and what it looks like then. */
#ifndef COWBOX_TESTS_UNIT_FUZZ_TREE_H
#define COWBOX_TESTS_UNIT_FUZZ_TREE_H

#include "commit_world.h"

#include <dirent.h>

/* ---- one operation ---- */

static uint64_t state_of_random;

static unsigned any(unsigned n)
{
	state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state_of_random >> 33) % n;
}

static void any_path(char ret[16])
{
	unsigned depth = 1 + any(3);

	*ret = '\0';
	for (unsigned i = 0; i < depth; i++) {
		char part[3] = { i ? '/' : "abc"[any(3)], i ? "defLS"[any(5)] : '\0' };

		strcat(ret, part);
	}
}

enum op { MOVE, EXCHANGE, REMOVE, MKDIR, RMDIR, LINK, SYMLINK, APPEND, REWRITE, CHMOD, OPS };
static const char *const op_name[] = { "mv", "xch", "rm", "mkdir", "rmdir", "ln", "symlink", "append", "rewrite", "chmod" };
/* Moves and exchanges are what makes it hard. */
static const enum op often[] = {
	MOVE, MOVE, MOVE, EXCHANGE, EXCHANGE, REMOVE, MKDIR, RMDIR, LINK, SYMLINK, APPEND, REWRITE, CHMOD
};

static int write_to(int fd, const char *text)
{
	int r = fd < 0 ? -errno : write(fd, text, strlen(text)) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return r;
}

static int plainly(enum op op, const char *p, const char *q)
{
	int r = 0;

	switch (op) {
	case MOVE:
	case EXCHANGE:
		r = renameat2(AT_FDCWD, p, AT_FDCWD, q, op == EXCHANGE ? RENAME_EXCHANGE : 0);
		break;
	case REMOVE:
		r = unlink(p);
		break;
	case MKDIR:
		r = mkdir(p, 0755);
		break;
	case RMDIR:
		r = rmdir(p);
		break;
	case LINK:
		r = link(p, q);
		break;
	case SYMLINK:
		r = symlink("e", p);
		break;
	case CHMOD:
		r = chmod(p, 0700);
		break;
	case APPEND:
		return write_to(open(p, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644), "x");
	case REWRITE:
		return write_to(open(p, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644), q);
	case OPS:
		break;
	}
	return r < 0 ? -errno : 0;
}

static int boxed_write(struct world *x, struct at p, int flags, const char *text)
{
	_cleanup_opened_ struct opened o;
	int r;

	opened_init(&o);
	r = overlay_open(x->ov, &x->caller, p, (uint64_t)(O_WRONLY | O_CREAT | O_NOFOLLOW | flags), 0644, 0, &o);
	return r < 0 ? r : write(o.fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int boxed(struct world *x, enum op op, const char *pt, const char *qt)
{
	struct at p = view(x, pt), q = view(x, qt);
	_cleanup_object_ struct object o;
	int r;

	object_init(&o);
	switch (op) {
	case MOVE:
	case EXCHANGE:
		return overlay_rename(x->ov, &x->caller, p, q, op == EXCHANGE ? RENAME_EXCHANGE : 0);
	case REMOVE:
		return overlay_unlink(x->ov, &x->caller, p, 0);
	case MKDIR:
		return overlay_mkdir(x->ov, &x->caller, p, 0755);
	case RMDIR:
		return overlay_unlink(x->ov, &x->caller, p, AT_REMOVEDIR);
	case LINK:
		return overlay_link(x->ov, &x->caller, p, q, 0);
	case SYMLINK:
		return overlay_symlink(x->ov, &x->caller, "e", p);
	case APPEND:
		return boxed_write(x, p, O_APPEND, "x");
	case REWRITE:
		return boxed_write(x, p, O_TRUNC, qt);
	case CHMOD:
		r = overlay_lookup(x->ov, &x->caller, p, 0, &o);
		return r < 0 ? r : object_chmod(x->ov, &x->caller, &o, 0700);
	case OPS:
		break;
	}
	return 0;
}

struct operation {
	enum op op;
	char p[16], q[16];
};

static struct operation any_operation(void)
{
	struct operation o = { .op = often[any(sizeof often / sizeof often[0])] };

	any_path(o.p);
	any_path(o.q);
	return o;
}

static void seed_random(unsigned long seed)
{
	state_of_random = seed * 2654435761u + 12345;
	any(2);
}

/* ---- the tree ---- */

static void make_tree(void)
{
	for (const char *a = "abc"; *a; a++) {
		char p[8] = { *a }, q[8];

		mkdir(p, 0755);
		for (const char *b = "de"; *b; b++) {
			snprintf(p, sizeof p, "%c/%c", *a, *b);
			mkdir(p, 0755);
			for (const char *c = "fL"; *c; c++) {
				snprintf(p, sizeof p, "%c/%c/%c", *a, *b, *c);
				host_write(p, p);
			}
		}
		snprintf(p, sizeof p, "%c/f", *a);
		host_write(p, p);
		snprintf(q, sizeof q, "%c/L", *a);
		assert_int_equal(link(p, q), 0);
		snprintf(p, sizeof p, "%c/S", *a);
		assert_int_equal(symlink("d", p), 0);
	}
}

/* One line an object: type, mode, names, the first of its names, content. */
static char text[1 << 16];
static size_t used;
static struct {
	ino_t ino;
	char name[24];
} seen[256];
static size_t nseen;

static int describe(const char *path)
{
	struct stat st = host_stat_of(path);
	char link_text[64] = "";
	size_t k;

	for (k = 0; k < nseen && seen[k].ino != st.st_ino; k++)
		;
	if (k == nseen) {
		assert_true(nseen < 256);
		seen[nseen].ino = st.st_ino;
		snprintf(seen[nseen++].name, sizeof seen[0].name, "%.23s", path);
	}
	if (S_ISLNK(st.st_mode) && readlink(path, link_text, sizeof link_text - 1) < 0)
		strcpy(link_text, "?");
	used += (size_t)snprintf(text + used, sizeof text - used, "%-10s %6o %u %s %s\n", path, st.st_mode,
	                         S_ISDIR(st.st_mode) ? 0 : (unsigned)st.st_nlink, seen[k].name,
	                         S_ISREG(st.st_mode) ? host_read(path) : link_text);
	assert_true(used < sizeof text);
	return 0;
}

static void describe_below(const char *dir)
{
	static const char names[] = "SLabcdefghijklmnopqrstuvwxyz";
	char path[64];
	size_t found = 0, known = 0;
	DIR *d = opendir(*dir ? dir : ".");
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)))
		found += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	for (const char *n = names; *n; n++) {
		snprintf(path, sizeof path, "%s%s%c", dir, *dir ? "/" : "", *n);
		if (host_stat_of(path).st_mode) {
			known++;
			describe(path);
			if (S_ISDIR(host_stat_of(path).st_mode))
				describe_below(path);
		}
	}
	if (known != found)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s: other names\n", dir);
}

static char *describe_all(const char *dir)
{
	used = nseen = 0;
	text[0] = '\0';
	assert_int_equal(chdir(dir), 0);
	describe_below("");
	return strdup(text);
}

/* ---- the test ---- */

static unsigned long first_seed = 1, seeds = 150;
static bool tell;

/* FIRST-SEED COUNT [FIRST [SECOND]] */
static void fuzz_arguments(int argc, char **argv, unsigned *first, unsigned *second)
{
	if (argc > 2) {
		first_seed = strtoul(argv[1], NULL, 10);
		seeds = strtoul(argv[2], NULL, 10);
	}
	if (argc > 3)
		*first = (unsigned)strtoul(argv[3], NULL, 10);
	if (argc > 4)
		*second = (unsigned)strtoul(argv[4], NULL, 10);
	tell = getenv("COWBOX_FUZZ_TELL") != NULL;
}

#endif
