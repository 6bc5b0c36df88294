/* seal.c - one line for every object of a tree, sorted, so that two states of it can be compared byte for byte.
 *
 *     seal [options] DIR
 *
 *     -c       also the inode number and the change time: nothing at all may have touched the tree
 *     -e GLOB  leave out the objects (and what is below them) whose path matches
 *     -x GLOB  leave out size and content of the regular files whose path matches
 *     -h       also where the holes of regular files are
 *     -n NS    print a modification time of NS (ns since the epoch) or later as "new"
 *     -D       no modification times of directories
 *     -T       no modification times at all
 *     -N       no link counts of directories
 *     -L       no link counts and no hard-link groups
 *     -O       no owners
 *
 * A line: path type mode uid:gid size mtime nlink rdev target|hash xattrs. Hard links show as "=FIRST", FIRST being the first path
 * of the tree with that inode. Bytes outside the printable ones, spaces and backslashes are written in octal.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define GLOBS_MAX 32

static struct {
	bool identity, holes, no_dir_times, no_times, no_dir_links, no_links, no_owners;
	int64_t newer;
	const char *leave_out[GLOBS_MAX], *no_content[GLOBS_MAX];
	size_t nleave_out, nno_content;
} opt = { .newer = INT64_MAX };

/* One remembered inode with several names. */
struct group {
	dev_t dev;
	ino_t ino;
	char *first;
};
static struct group *groups;
static size_t ngroups, groups_size;
static bool failed;

static void die(const char *what)
{
	fprintf(stderr, "seal: %s: %s\n", what, strerror(errno));
	exit(3);
}

static void *grow(void *p, size_t size)
{
	p = realloc(p, size);
	if (!p)
		die("memory");
	return p;
}

static bool matches(const char *const globs[], size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (fnmatch(globs[i], path, 0) == 0)
			return true;
	return false;
}

static void print_escaped(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c <= ' ' || c >= 127 || c == '\\')
			printf("\\%03o", c);
		else
			putchar(c);
	}
}

static uint64_t fnv(uint64_t h, const void *data, size_t n)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

#define FNV_START UINT64_C(0xcbf29ce484222325)

static void print_content(int dirfd, const char *name)
{
	static char buf[1 << 18];
	uint64_t h = FNV_START;
	ssize_t n;
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		printf(" open:%s", strerrorname_np(errno));
		return;
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		h = fnv(h, buf, (size_t)n);
	if (n < 0)
		printf(" read:%s", strerrorname_np(errno));
	else
		printf(" #%016" PRIx64, h);
	if (opt.holes) {
		off_t end = 0;

		for (;;) {
			off_t data = lseek(fd, end, SEEK_DATA);

			if (data < 0)
				break;
			end = lseek(fd, data, SEEK_HOLE);
			printf("[%jd-%jd]", (intmax_t)data, (intmax_t)end);
		}
	}
	close(fd);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_xattrs(int dirfd, const char *name)
{
	static char list[65536], value[65536];
	char proc[64 + PATH_MAX], *names[512];
	size_t count = 0;
	ssize_t n;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d/%s", dirfd, name);
	n = llistxattr(proc, list, sizeof(list));
	for (char *p = list; n > 0 && p < list + n && count < 512; p += strlen(p) + 1)
		names[count++] = p;
	qsort(names, count, sizeof(*names), by_name);
	for (size_t i = 0; i < count; i++) {
		ssize_t size = lgetxattr(proc, names[i], value, sizeof(value));

		printf(" %s=", names[i]);
		if (size < 0)
			printf("%s", strerrorname_np(errno));
		else
			for (ssize_t k = 0; k < size; k++)
				printf("%02x", (unsigned char)value[k]);
	}
	if (n < 0 && errno != ENOTSUP)
		printf(" xattrs:%s", strerrorname_np(errno));
}

/* The first path with that inode; remembers this one as the first when there is none. */
static const char *group_first(const struct stat *st, const char *path)
{
	for (size_t i = 0; i < ngroups; i++)
		if (groups[i].dev == st->st_dev && groups[i].ino == st->st_ino)
			return groups[i].first;
	if (ngroups == groups_size)
		groups = grow(groups, (groups_size = groups_size * 2 + 64) * sizeof(*groups));
	groups[ngroups].dev = st->st_dev;
	groups[ngroups].ino = st->st_ino;
	groups[ngroups].first = strdup(path);
	return groups[ngroups++].first;
}

static void print_time(const struct stat *st)
{
	int64_t ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;

	if (opt.no_times || (S_ISDIR(st->st_mode) && opt.no_dir_times))
		printf(" -");
	else if (ns >= opt.newer)
		printf(" new");
	else
		printf(" %" PRId64, ns);
	if (opt.identity)
		printf(" i%ju c%jd.%09ld", (uintmax_t)st->st_ino, (intmax_t)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

static char type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return 'f';
	case S_IFDIR: return 'd';
	case S_IFLNK: return 'l';
	case S_IFIFO: return 'p';
	case S_IFSOCK: return 's';
	case S_IFCHR: return 'c';
	case S_IFBLK: return 'b';
	default: return '?';
	}
}

static void print_object(int dirfd, const char *name, const char *path, const struct stat *st)
{
	bool content = S_ISREG(st->st_mode) && !matches(opt.no_content, opt.nno_content, path);

	print_escaped(path, strlen(path));
	printf(" %c %04o", type_of(st->st_mode), (unsigned)(st->st_mode & 07777));
	if (!opt.no_owners)
		printf(" %u:%u", st->st_uid, st->st_gid);
	if (content)
		printf(" %jd", (intmax_t)st->st_size);
	print_time(st);
	if (!opt.no_links && !(opt.no_dir_links && S_ISDIR(st->st_mode)))
		printf(" n%ju", (uintmax_t)st->st_nlink);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		printf(" %u:%u", major(st->st_rdev), minor(st->st_rdev));
	if (!opt.no_links && !S_ISDIR(st->st_mode) && st->st_nlink > 1) {
		const char *first = group_first(st, path);

		printf(" =");
		print_escaped(first, strlen(first));
	}
	if (S_ISLNK(st->st_mode)) {
		char target[PATH_MAX];
		ssize_t n = readlinkat(dirfd, name, target, sizeof(target));

		printf(" ->");
		print_escaped(target, n < 0 ? 0 : (size_t)n);
	}
	if (content)
		print_content(dirfd, name);
	print_xattrs(dirfd, name);
	putchar('\n');
}

static char **read_names(int fd, size_t *ret_count)
{
	size_t count = 0, size = 0;
	char **names = NULL;
	struct dirent *de;
	DIR *dir = fdopendir(fd);

	if (!dir)
		die("fdopendir");
	while (errno = 0, (de = readdir(dir))) {
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		if (count == size)
			names = grow(names, (size = size * 2 + 64) * sizeof(*names));
		names[count] = strdup(de->d_name);
		if (!names[count++])
			die("memory");
	}
	if (errno)
		die("readdir");
	closedir(dir);
	if (count > 0)
		qsort(names, count, sizeof(*names), by_name);
	*ret_count = count;
	return names;
}

static void walk(int dirfd, const char *name, const char *path)
{
	struct stat st;
	size_t count;
	char **names;
	int fd;

	if (matches(opt.leave_out, opt.nleave_out, path))
		return;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		print_escaped(path, strlen(path));
		printf(" stat:%s\n", strerrorname_np(errno));
		failed = true;
		return;
	}
	print_object(dirfd, name, path, &st);
	if (!S_ISDIR(st.st_mode))
		return;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		print_escaped(path, strlen(path));
		printf(" opendir:%s\n", strerrorname_np(errno));
		return;
	}
	names = read_names(dup(fd), &count);
	for (size_t i = 0; i < count; i++) {
		char *below = NULL;

		if (asprintf(&below, "%s%s%s", strcmp(path, ".") == 0 ? "" : path, strcmp(path, ".") == 0 ? "" : "/",
			     names[i]) < 0)
			die("memory");
		walk(fd, names[i], below);
		free(below);
		free(names[i]);
	}
	free(names);
	close(fd);
}

static void add_glob(const char *globs[], size_t *n, const char *glob)
{
	if (*n == GLOBS_MAX) {
		fprintf(stderr, "seal: too many patterns\n");
		exit(2);
	}
	globs[(*n)++] = glob;
}

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "ce:x:hn:DTNLO")) != -1) {
		switch (c) {
		case 'c': opt.identity = true; break;
		case 'e': add_glob(opt.leave_out, &opt.nleave_out, optarg); break;
		case 'x': add_glob(opt.no_content, &opt.nno_content, optarg); break;
		case 'h': opt.holes = true; break;
		case 'n': opt.newer = strtoll(optarg, NULL, 10); break;
		case 'D': opt.no_dir_times = true; break;
		case 'T': opt.no_times = true; break;
		case 'N': opt.no_dir_links = true; break;
		case 'L': opt.no_links = true; break;
		case 'O': opt.no_owners = true; break;
		default: return 2;
		}
	}
	if (argc - optind != 1) {
		fprintf(stderr, "usage: seal [-cDhLNOT] [-n NS] [-e GLOB] [-x GLOB] DIR\n");
		return 2;
	}
	int fd = open(argv[optind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		die(argv[optind]);
	walk(fd, ".", ".");
	return failed || fflush(stdout) ? 1 : 0;
}
