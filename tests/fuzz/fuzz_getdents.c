/* fuzz_getdents.c - a directory that host and box fill, listed into buffers of any size, with seeks: no buffer is overrun, every name of the view
 * comes once, and a position leads to what came after it.
 *
 * The input: how many names the host has; then what the box does, two bytes each, up to a zero; then the sizes of the buffers and, where one has its top bit
 * set, a seek to a position that was given. */
#include "fuzz.h"

#include "base/cred.h"
#include "base/path.h"
#include "overlay/box.h"
#include "overlay/overlay.h"
#include "h_util.h"

#define NAMES 128   /* NAMES: there can be */
#define CALLS_MAX 4096

struct dent {   /* struct linux_dirent64 */
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

struct input {
	const uint8_t *at, *end;
};

static unsigned next(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static struct store *store;
static char dir[PATH_MAX + 16];   /* dir: the directory that is listed */
static const struct caller caller = { .umask = 022 };

/* Of any length that a name can have; the number makes it the only one. */
static const char *name_of(unsigned i, char ret[static NAME_MAX + 1])
{
	static const unsigned lengths[] = { 1, 2, 3, 7, 8, 9, 60, NAME_MAX };
	unsigned len = lengths[i % 8];
	int n = snprintf(ret, NAME_MAX + 1, "%u", i);

	for (; (unsigned)n < len; n++)
		ret[n] = n % 3 ? 'n' : '\n';
	ret[n] = 0;
	return ret;
}

static int index_of(const char *name)
{
	char want[NAME_MAX + 1];
	unsigned long i = strtoul(name, NULL, 10);

	return i < NAMES && strcmp(name_of((unsigned)i, want), name) == 0 ? (int)i : -1;
}

static struct at path_of(unsigned i, char ret[static PATH_MAX])
{
	char name[NAME_MAX + 1];

	MUST(path_join(ret, PATH_MAX, dir, name_of(i, name)) > 0);
	return AT_VIEW(ret);
}

/* Makes the host's directory with its first n names; every fifth is a directory, every seventh a link. */
static void make_host(unsigned n)
{
	char path[PATH_MAX];

	MUST(mkdir(dir, 0755) == 0);
	for (unsigned i = 0; i < n; i++) {
		(void)path_of(i, path);
		if (i % 5 == 0)
			MUST(mkdir(path, 0755) == 0);
		else if (i % 7 == 0)
			MUST(symlink("0", path) == 0);
		else
			MUST(mknod(path, S_IFREG | 0644, 0) == 0);
	}
}

static bool is_there(struct overlay *ov, unsigned i, mode_t *ret_mode)
{
	_cleanup_object_ struct object o;
	char path[PATH_MAX];
	int r;

	object_init(&o);
	r = overlay_lookup(ov, &caller, path_of(i, path), LOOKUP_NOFOLLOW, &o);
	MUST(r == 0 || r == -ENOENT);
	*ret_mode = o.st.st_mode;
	return r == 0;
}

static void box_acts(struct overlay *ov, unsigned what, unsigned a, unsigned b)
{
	char path[PATH_MAX], other[PATH_MAX];
	_cleanup_opened_ struct opened o;

	opened_init(&o);
	switch (what % 7) {
	case 0:
		(void)overlay_unlink(ov, &caller, path_of(a, path), 0);
		break;
	case 1:
		(void)overlay_unlink(ov, &caller, path_of(a, path), AT_REMOVEDIR);
		break;
	case 2:
		(void)overlay_open(ov, &caller, path_of(a, path), O_WRONLY | O_CREAT, 0644, 0, &o);
		break;
	case 3:
		(void)overlay_mkdir(ov, &caller, path_of(a, path), 0755);
		break;
	case 4:
		(void)overlay_symlink(ov, &caller, "0", path_of(a, path));
		break;
	case 5:
		(void)overlay_mknod(ov, &caller, path_of(a, path), S_IFIFO | 0644, 0);
		break;
	case 6:
		(void)overlay_rename(ov, &caller, path_of(a, path), path_of(b, other), 0);
		break;
	}
}

struct seen {
	int64_t off;   /* off: the position behind it */
	int name;      /* name: its index; -1 "." or ".." */
};

struct listing {
	struct seen seen[4 * NAMES];   /* seen: since the beginning, or since a seek that went back to there */
	size_t n, again;               /* again: seen is known up to n, and this is how much of it came a second time */
};

/* getdents has the same names and types, its type at the end of the record. */
static void check_old(const char *buf, size_t n)
{
	char *old = malloc(n);

	MUST(old);
	memcpy(old, buf, n);
	dents_make_old(old, n);
	for (size_t at = 0; at < n;) {
		const struct dent *d = (const struct dent *)(const void *)(buf + at);

		MUST(memcmp(old + at, buf + at, offsetof(struct dent, type)) == 0);
		MUST(strcmp(old + at + offsetof(struct dent, type), d->name) == 0);
		MUST((uint8_t)old[at + d->reclen - 1] == d->type);
		at += d->reclen;
	}
	free(old);
}

static void check_dents(struct listing *l, const char *buf, size_t n)
{
	for (size_t at = 0; at < n;) {
		const struct dent *d = (const struct dent *)(const void *)(buf + at);
		struct seen s = { .name = -1 };

		MUST(n - at >= offsetof(struct dent, name) + 2 && d->reclen % 8 == 0 && d->reclen <= n - at);
		MUST(memchr(d->name, '\0', d->reclen - offsetof(struct dent, name)) && d->ino);
		if (strcmp(d->name, ".") && strcmp(d->name, ".."))
			MUST((s.name = index_of(d->name)) >= 0);
		s.off = d->off;
		if (l->again < l->n) {
			MUST(l->seen[l->again].name == s.name && l->seen[l->again].off == s.off);
			l->again++;
		} else {
			MUST(l->n < sizeof l->seen / sizeof *l->seen);
			l->seen[l->n++] = s;
			l->again = l->n;
		}
		at += d->reclen;
	}
}

static void check_whole(struct overlay *ov, const struct listing *l)
{
	unsigned came[NAMES] = { 0 };
	mode_t mode;

	for (size_t i = 0; i < l->n; i++)
		if (l->seen[i].name >= 0)
			came[l->seen[i].name]++;
	for (unsigned i = 0; i < NAMES; i++)
		MUST(came[i] == is_there(ov, i, &mode));
}

static void list(struct overlay *ov, struct input *in)
{
	static struct listing l;
	_cleanup_opened_ struct opened o;
	ssize_t n = 1;

	opened_init(&o);
	MUST(overlay_open(ov, &caller, AT_VIEW(dir), O_RDONLY | O_DIRECTORY, 0, 0, &o) == 0 && o.how == OPENED_FD);
	l.n = l.again = 0;
	for (int calls = 0; n != 0 && calls < CALLS_MAX; calls++) {
		unsigned b = next(in);
		size_t size = in->at < in->end ? (b & 0x7f) * 5 : 1024;
		char *buf = malloc(size);   /* to the byte, so that writes beyond it are seen */

		MUST(buf || !size);
		if ((b & 0x80) && l.n) {
			size_t to = next(in) % l.n;
			MUST(lseek(o.fd, l.seen[to].off, SEEK_SET) == l.seen[to].off);
			l.again = to + 1;
		}
		n = overlay_getdents(ov, &caller, o.fd, buf, size);
		MUST(n <= (ssize_t)size && (n >= 0 || (n == -EINVAL && size < 280)));
		if (n > 0)
			check_old(buf, (size_t)n);
		if (n > 0)
			check_dents(&l, buf, (size_t)n);
		free(buf);
	}
	MUST(n == 0);
	check_whole(ov, &l);
}

static void begin(void)
{
	struct err err = { 0 };
	char home[PATH_MAX + 16];

	cred_init();
	unsetenv("XDG_STATE_HOME");
	snprintf(home, sizeof home, "%s/home", fuzz_dir_get());
	setenv("COWBOX_HOME", home, 1);
	snprintf(dir, sizeof dir, "%s/dir", fuzz_dir);
	if (store_open(true, &store, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		exit(77);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct box *box = NULL;
	struct overlay *ov = NULL;
	struct err err = { 0 };
	char cmd[PATH_MAX + 32];
	unsigned what;

	if (!store)
		begin();
	umask(022);
	make_host(next(&in) % NAMES);
	MUST(box_create(store, "fuzz", "fuzz", &box, &err) == 0 && overlay_new(box, &ov, &err) == 0);
	while ((what = next(&in))) {
		unsigned a = next(&in);

		box_acts(ov, what, a % NAMES, (a + what) % NAMES);
	}
	list(ov, &in);
	overlay_freep(&ov);
	MUST(box_remove(store, box, &err) == 0);
	box_free(box);
	snprintf(cmd, sizeof cmd, "rm -r '%s'", dir);
	MUST(system(cmd) == 0);
	return 0;
}
