/* Other names for files of the host: hard links out of PREY and within it, files without a name (O_TMPFILE) in PREY, links made from descriptors;
 * then everything that can be done to the file by each name, the names renamed over one another, and shared mappings of such files.
 */
#include "attack.h"

#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/xattr.h>

static char mine[4000];

static const char *own(const char *name)
{
	static unsigned turn;
	static char paths[8][4096];
	char *p = paths[turn++ % 8];

	snprintf(p, sizeof paths[0], "%s/%s", mine, name);
	return p;
}

/* One that was made before the link, or is of another name, must not write either. */
static void by_fd(int fd)
{
	char *p;

	if (fd < 0)
		return;
	TRY(write(fd, "attack", 6));
	TRY(ftruncate(fd, 4));
	TRY(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 4));
	TRY(fchmod(fd, 0666));
	TRY(fsetxattr(fd, "user.attack", "x", 1, 0));
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED) {
		struct stat st;

		if (fstat(fd, &st) == 0 && st.st_size > 0)
			memcpy(p, "MAP", 3);
		TRY(msync(p, 4096, MS_SYNC));
		munmap(p, 4096);
	}
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED) {
		if (TRY(mprotect(p, 4096, PROT_READ | PROT_WRITE)) == 0)
			memcpy(p, "map", 1);
		TRY(madvise(p, 4096, MADV_REMOVE));
		TRY(syscall(SYS_remap_file_pages, p, 4096, 0, 0, 0));
		munmap(p, 4096);
	}
	close(fd);
}

static void strike(const char *path)
{
	static const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };

	by_fd(open(path, O_RDONLY | O_NONBLOCK));
	by_fd(open(path, O_RDWR | O_NONBLOCK));
	by_fd(open(path, O_WRONLY | O_APPEND | O_NONBLOCK));
	TRY(truncate(path, 2));
	TRY(chmod(path, 0640));
	TRY(chown(path, getuid(), getgid()));
	TRY(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW));
	TRY(setxattr(path, "user.attack", "y", 1, 0));
}

/* The descriptor is old, the name is the box's. */
static void links_from(const char *name)
{
	char link_path[64], second[128], third[128];
	int ro = open(prey(name), O_RDONLY | O_NONBLOCK), path = open(prey(name), O_PATH);
	char *shared = ro < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ, MAP_SHARED, ro, 0);

	snprintf(second, sizeof second, "second-%s", name);
	snprintf(third, sizeof third, "third-%s", name);
	TRY(link(prey(name), own(second)));
	TRY(link(own(second), own(third)));
	TRY(link(own(third), prey("linked-in")));
	strike(own(second));
	strike(own(third));
	strike(prey("linked-in"));
	strike(prey(name));
	TRY(rename(own(second), own(third)));   /* two names of one file: nothing happens */
	TRY(rename(own(third), prey("linked-in")));
	TRY(unlink(own(second)));
	TRY(linkat(path, "", AT_FDCWD, own("by-empty"), AT_EMPTY_PATH));
	TRY(linkat(ro, "", AT_FDCWD, own("by-empty"), AT_EMPTY_PATH));
	strike(own("by-empty"));
	snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", ro);
	TRY(linkat(AT_FDCWD, link_path, AT_FDCWD, own("by-proc"), AT_SYMLINK_FOLLOW));
	strike(own("by-proc"));
	snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", path);
	TRY(linkat(AT_FDCWD, link_path, AT_FDCWD, prey("by-proc"), AT_SYMLINK_FOLLOW));
	strike(prey("by-proc"));
	TRY(rename(own("by-proc"), prey(name)));
	TRY(unlink(own("by-empty")));
	TRY(unlink(prey("by-proc")));
	TRY(unlink(prey("linked-in")));
	TRY(unlink(own(third)));
	if (ro >= 0 && shared != MAP_FAILED) {
		if (TRY(mprotect(shared, 4096, PROT_READ | PROT_WRITE)) == 0)
			*(volatile char *)shared = 'M';
		munmap(shared, 4096);
	}
	by_fd(ro);
	close(path);
}

/* The file has no name, but it would be in PREY's directory, whose times and blocks are the host's. */
static void nameless(void)
{
	static const int hows[] = { O_WRONLY, O_RDWR, O_RDWR | O_EXCL };
	char path[64];

	for (size_t i = 0; i < sizeof hows / sizeof hows[0]; i++) {
		int fd = open(prey("dir"), O_TMPFILE | hows[i], 0600);

		if (fd < 0)
			continue;
		TRY(write(fd, "attack", 6));
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		TRY(linkat(AT_FDCWD, path, AT_FDCWD, prey("nameless"), AT_SYMLINK_FOLLOW));
		TRY(linkat(fd, "", AT_FDCWD, prey("dir/nameless"), AT_EMPTY_PATH));
		TRY(linkat(AT_FDCWD, path, AT_FDCWD, own("nameless"), AT_SYMLINK_FOLLOW));
		TRY(rename(own("nameless"), prey("file")));
		TRY(rename(prey("dir/nameless"), prey("hard")));
		TRY(write(fd, "attack", 6));
		close(fd);
	}
}

/* `file` and `hard` are one file: a name of it taken away, put back from the other, linked to what replaced it. */
static void host_links(void)
{
	strike(prey("hard"));
	TRY(unlink(prey("file")));
	strike(prey("hard"));
	TRY(link(prey("hard"), prey("file")));
	strike(prey("file"));
	TRY(rename(prey("hard"), prey("dir/hard")));
	strike(prey("dir/hard"));
	TRY(rename(prey("dir"), own("dir")));
	strike(own("dir/hard"));
	strike(own("dir/file"));
	TRY(rename(own("dir"), prey("dir")));
	TRY(linkat(AT_FDCWD, prey("link"), AT_FDCWD, own("to-link"), 0));
	strike(own("to-link"));
	TRY(syscall(SYS_renameat2, AT_FDCWD, own("to-link"), AT_FDCWD, prey("link"), 2));
	strike(prey("link"));
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "file", "private", "large", "noted", "program", "dir/file", "link" };

	attack_begin(argc, argv);
	snprintf(mine, sizeof mine, "%.3900s/../mine", attack_prey);
	mkdir(mine, 0755);
	mkdir(own("second-dir"), 0755);
	mkdir(own("third-dir"), 0755);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
			links_from(names[i]);
		nameless();
		host_links();
	}
	return attack_end();
}
