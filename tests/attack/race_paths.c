/* Paths that another thread exchanges while a call is made with them, now a name in a directory of the box's own, now the same name in PREY: every
 * call that makes, removes, opens or changes something by a path. Who exchanges them is a thread, a process that shares the memory, or one that
 * shares only the page the paths are in. */
#include "race.h"

#include <linux/openat2.h>
#include <sys/xattr.h>

#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#define SYS_removexattrat 466
#endif

static char *file, *large, *noted, *hard, *dir, *sub, *fresh, *other, *linked, *maybe, *maybe_dir, *void_path;
static int mine_file, mine_dir;
static struct open_how *how;
static const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };

static void closed(long fd)
{
	if (fd >= 0 && write((int)fd, "attack", 6) < 0)
		errno = 0;
	if (fd >= 0)
		close((int)fd);
}

static void opens(void)
{
	closed(TRY(open(file, O_WRONLY | O_TRUNC | O_NONBLOCK)));
	closed(TRY(open(file, O_RDWR | O_NONBLOCK)));
	closed(TRY(open(fresh, O_WRONLY | O_CREAT | O_EXCL, 0600)));
	closed(TRY(openat(mine_dir, file, O_WRONLY | O_APPEND | O_NONBLOCK)));
	closed(TRY(openat(mine_dir, large, O_RDONLY | O_TRUNC | O_NONBLOCK)));
	closed(TRY(open(dir, O_TMPFILE | O_WRONLY, 0600)));
	closed(TRY(syscall(SYS_openat2, AT_FDCWD, file, how, sizeof *how)));
	closed(TRY(creat(hard, 0644)));
	closed(TRY(creat(other, 0644)));
	TRY(unlink(fresh));
	TRY(unlink(other));
}

/* The descriptor is O_PATH or read-only, the path by which it was opened may have been PREY's. */
static void by_path_descriptors(void)
{
	char link[64];
	int fd = open(file, O_PATH), ro = open(noted, O_RDONLY | O_NONBLOCK);

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	closed(TRY(open(link, O_WRONLY | O_TRUNC)));
	TRY(chmod(link, 0777));
	TRY(syscall(SYS_fchmodat2, fd, "", 0666, AT_EMPTY_PATH));
	TRY(fchmod(ro, 0600));
	TRY(futimens(ro, times));
	TRY(fsetxattr(ro, "user.attack", "x", 1, 0));
	close(fd);
	close(ro);
}

static void names(void)
{
	TRY(unlink(noted));
	TRY(unlink(maybe));
	TRY(rename(file, fresh));
	TRY(rename(fresh, file));
	TRY(syscall(SYS_renameat2, AT_FDCWD, file, AT_FDCWD, large, 2));
	TRY(syscall(SYS_renameat2, mine_dir, other, AT_FDCWD, fresh, 1));
	TRY(syscall(SYS_renameat2, AT_FDCWD, dir, mine_dir, fresh, 1));
	TRY(rename(fresh, dir));
	TRY(link(file, fresh));
	TRY(linkat(AT_FDCWD, hard, AT_FDCWD, other, AT_SYMLINK_FOLLOW));
	TRY(unlink(fresh));
	TRY(unlinkat(mine_dir, other, 0));
	TRY(symlink("file", fresh));
	TRY(symlinkat(file, AT_FDCWD, other));
	TRY(unlink(fresh));
	TRY(unlink(other));
	TRY(mkdir(fresh, 0700));
	TRY(rmdir(fresh));
	TRY(rmdir(sub));
	TRY(mkdirat(mine_dir, sub, 0755));
	TRY(unlinkat(AT_FDCWD, sub, AT_REMOVEDIR));
	TRY(mknod(fresh, S_IFSOCK | 0600, 0));
	TRY(mknodat(mine_dir, other, S_IFREG | 0600, 0));
	TRY(unlink(fresh));
	TRY(unlink(other));
	TRY(rename(maybe_dir, fresh));
}

static void metadata(void)
{
	static const struct timeval micro[2] = { { .tv_sec = 2 }, { .tv_sec = 2 } };

	TRY(truncate(file, 3));
	TRY(truncate(large, 4096));
	TRY(chmod(file, 0640));
	TRY(chmod(dir, 0700));
	TRY(fchmodat(mine_dir, file, 0604, 0));
	TRY(syscall(SYS_fchmodat2, AT_FDCWD, file, 0644, AT_SYMLINK_NOFOLLOW));
	TRY(chown(file, getuid(), getgid()));
	TRY(lchown(linked, getuid(), getgid()));
	TRY(fchownat(AT_FDCWD, dir, getuid(), getgid(), AT_SYMLINK_NOFOLLOW));
	TRY(utimensat(AT_FDCWD, file, times, 0));
	TRY(utimensat(AT_FDCWD, linked, times, AT_SYMLINK_NOFOLLOW));
	TRY(syscall(SYS_utimes, dir, micro));
	TRY(syscall(SYS_utime, file, NULL));
	TRY(syscall(SYS_futimesat, AT_FDCWD, file, micro));
	TRY(setxattr(file, "user.attack", "x", 1, 0));
	TRY(lsetxattr(dir, "user.attack", "x", 1, 0));
	TRY(removexattr(noted, "user.note"));
	TRY(lremovexattr(file, "user.attack"));
	TRY(syscall(SYS_removexattrat, AT_FDCWD, dir, 0, "user.attack"));
}

/* An empty path, which means the descriptor, exchanged with an absolute path of PREY's. */
static void empty_paths(void)
{
	TRY(syscall(SYS_fchmodat2, mine_file, void_path, 0611, AT_EMPTY_PATH));
	TRY(fchownat(mine_file, void_path, getuid(), getgid(), AT_EMPTY_PATH));
	TRY(utimensat(mine_file, void_path, times, AT_EMPTY_PATH));
	TRY(linkat(mine_file, void_path, AT_FDCWD, fresh, AT_EMPTY_PATH));
	TRY(unlink(fresh));
	closed(TRY(openat(mine_file, void_path, O_WRONLY | O_TRUNC)));
	TRY(unlinkat(mine_dir, void_path, 0));
}

static void fill_mine(void)
{
	static const char *const plain[] = { "file", "large", "noted", "hard" };
	char path[4200];

	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
		race_make(plain[i], "mine");
	snprintf(path, sizeof path, "%s/dir", race_mine);
	mkdir(path, 0755);
	snprintf(path, sizeof path, "%s/dir/sub", race_mine);
	mkdir(path, 0755);
	snprintf(path, sizeof path, "%s/link", race_mine);
	if (symlink("file", path) < 0)
		errno = 0;
	snprintf(path, sizeof path, "%s/hard", race_mine);
	mine_file = open(path, O_RDONLY);
	mine_dir = open(race_mine, O_RDONLY | O_DIRECTORY);
}

int main(int argc, char **argv)
{
	attack_begin(argc, argv);
	race_page();
	race_make_mine();
	fill_mine();
	how = race_room(sizeof *how);
	*how = (struct open_how){ .flags = O_WRONLY };
	race_swap(&how->flags, 8, O_PATH, O_WRONLY | O_TRUNC);
	file = race_path("file");
	large = race_path("large");
	noted = race_path("noted");
	hard = race_path("hard");
	dir = race_path("dir");
	sub = race_path("dir/sub");
	fresh = race_path("fresh");
	other = race_path("other");
	linked = race_path("link");
	maybe = race_path("dir/file");
	maybe_dir = race_path("dir");
	void_path = race_room(4096);
	strcpy(void_path, prey("file"));
	race_swap(void_path, 1, 0, '/');
	for (int who = 0; who < RACE_WHOS; who++) {
		double share = attack_seconds * 0.4 / RACE_WHOS;

		race_start(who, share);
		for (double end = attack_now() + share; attack_now() < end;) {
			/* metadata first, as long as there is something that has it */
			metadata();
			by_path_descriptors();
			empty_paths();
			opens();
			names();
		}
		race_stop();
		fill_mine();
	}
	return attack_end();
}
