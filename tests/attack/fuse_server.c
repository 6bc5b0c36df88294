/* fuse_server.c - fuse_server DIRECTORY: a file system whose server answers what it likes. In the foreground, until it is unmounted.
 *
 *   page    two pages of a file, the first with the path "DIRECTORY/quick" in it; nobody gets the second
 *   quick   an ordinary file
 *   hang/   to look for any name in it takes for ever
 */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fuse.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 4096 };

static const char *mountpoint;

static void never(void)
{
	for (;;)
		pause();
}

static int get_attributes(const char *path, struct stat *st, struct fuse_file_info *info)
{
	(void)info;
	memset(st, 0, sizeof *st);
	st->st_nlink = 1;
	st->st_uid = getuid();
	st->st_gid = getgid();
	if (!strncmp(path, "/hang/", 6))
		never();
	if (!strcmp(path, "/") || !strcmp(path, "/hang")) {
		st->st_mode = S_IFDIR | 0755;
		return 0;
	}
	if (strcmp(path, "/page") && strcmp(path, "/quick"))
		return -ENOENT;
	st->st_mode = S_IFREG | 0755;
	st->st_size = strcmp(path, "/page") ? 6 : 2 * PAGE;
	return 0;
}

static int list(const char *path, void *buf, fuse_fill_dir_t fill, off_t at, struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
	(void)at;
	(void)info;
	(void)flags;
	if (strcmp(path, "/"))
		return -ENOENT;
	fill(buf, "page", NULL, 0, 0);
	fill(buf, "quick", NULL, 0, 0);
	fill(buf, "hang", NULL, 0, 0);
	return 0;
}

static int read_bytes(const char *path, char *buf, size_t size, off_t at, struct fuse_file_info *info)
{
	(void)info;
	if (strcmp(path, "/page")) {
		if (at >= 6)
			return 0;
		memcpy(buf, &"quick\n"[at], 6 - (size_t)at);
		return 6 - (int)at;
	}
	if (at >= PAGE || size > PAGE)
		never();
	memset(buf, 0, size);
	snprintf(buf, size, "%s/quick", mountpoint);
	return (int)size;
}

/* No more than a page in one request: else the kernel would read ahead from the first into the second. The option says so too (mount(2) is given it). */
static void *begin(struct fuse_conn_info *conn, struct fuse_config *config)
{
	(void)config;
	conn->max_read = PAGE;
	conn->max_readahead = 0;
	return NULL;
}

static const struct fuse_operations operations = { .init = begin, .getattr = get_attributes, .readdir = list, .read = read_bytes };

int main(int argc, char **argv)
{
	char *options[] = { argv[0], "-f", "-o", "max_read=4096", argv[1], NULL };

	if (argc != 2)
		return 2;
	mountpoint = argv[1];
	return fuse_main(5, options, &operations, NULL);
}
