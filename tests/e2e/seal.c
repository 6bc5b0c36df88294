/* seal.c - one line for every object of a tree, sorted, so that two states of it can be compared byte for byte.
 *
 *     seal [options] DIR
 *
 *     -c       also device, inode number and change time: nothing at all may have touched the tree
 *     -e GLOB  leave out the objects (and what is below them) whose path matches
 *     -x GLOB  leave out size and content of the regular files whose path matches
 *     -h       also where the holes of regular files are
 *     -n NS    print a modification time of NS (ns since the epoch) or later as "now"
 *     -D       no modification times of directories
 *     -T       no modification times at all
 *     -N       no link counts of directories
 *     -L       no link counts and no hard-link groups
 *     -O       no owners
 *
 * A line: the path, what object_line.h writes, then target|hash and xattrs. Hard links show as "=FIRST", FIRST being the first path
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
#include <sys/xattr.h>
#include <unistd.h>
#include "../object_line.h"

#define GLOBS_MAX 32

static struct {
	bool identity, holes, no_dir_times, no_times, no_dir_links, no_links, no_owners;
	struct timespec newer;
	bool has_newer;
	const char *leave_out[GLOBS_MAX], *no_content[GLOBS_MAX];
	size_t nleave_out, nno_content;
} opt;

static struct line_groups groups;
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

static void print_content(int dirfd, const char *name)
{
	static char buf[1 << 18];
	uint64_t h = LINE_HASH_START;
	ssize_t n;
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		printf(" open:%s", strerrorname_np(errno));
		return;
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		h = line_hash(h, buf, (size_t)n);
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
	qsort(names, count, sizeof(*names), line_by_name);
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

static void print_object(int dirfd, const char *name, const char *path, const struct stat *st)
{
	bool dir = S_ISDIR(st->st_mode), content = S_ISREG(st->st_mode) && !matches(opt.no_content, opt.nno_content, path);
	unsigned fields = (opt.identity ? LINE_IDENTITY : 0) | (content ? LINE_SIZE : 0);

	if (!opt.no_owners)
		fields |= LINE_OWNER;
	if (!opt.no_links && !(opt.no_dir_links && dir))
		fields |= LINE_NLINK;
	if (!opt.no_times && !(opt.no_dir_times && dir))
		fields |= LINE_TIME;
	line_text(stdout, path, strlen(path));
	putchar(' ');
	line_stat(stdout, st, fields, opt.has_newer ? &opt.newer : NULL);
	if (!opt.no_links && !dir && st->st_nlink > 1) {
		const char *first = line_group(&groups, st, path);

		printf(" =");
		line_text(stdout, first ? first : path, strlen(first ? first : path));
	}
	if (S_ISLNK(st->st_mode)) {
		char target[PATH_MAX];
		ssize_t n = readlinkat(dirfd, name, target, sizeof(target));

		printf(" ->");
		line_text(stdout, target, n < 0 ? 0 : (size_t)n);
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
		qsort(names, count, sizeof(*names), line_by_name);
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
		line_text(stdout, path, strlen(path));
		printf(" stat:%s\n", strerrorname_np(errno));
		failed = true;
		return;
	}
	print_object(dirfd, name, path, &st);
	if (!S_ISDIR(st.st_mode))
		return;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		line_text(stdout, path, strlen(path));
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

static void set_newer(int64_t ns)
{
	opt.newer = (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	opt.has_newer = true;
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
		case 'n': set_newer(strtoll(optarg, NULL, 10)); break;
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
