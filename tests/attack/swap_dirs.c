/* Directories that are exchanged while paths are walked through them: a directory and a link to PREY by RENAME_EXCHANGE, a link flipped to PREY and
 * back alone and at the end of a long chain, a directory moved into PREY and out with somebody's working directory, or a descriptor, in it and `..`
 * behind it. What is opened, made, changed and removed by such paths must never land in PREY.
 */
#include "attack.h"

#include <linux/openat2.h>
#include <pthread.h>
#include <sys/xattr.h>

#define CHAIN 38

static char mine[4000];
static volatile int stop;
static double ends;
static int deep_fd, real_fd;

/* "MINE/name", in one of eight buffers that take turns. */
static const char *own(const char *name)
{
	static _Thread_local unsigned turn;
	static _Thread_local char paths[8][4096];
	char *p = paths[turn++ % 8];

	snprintf(p, sizeof paths[0], "%s/%s", mine, name);
	return p;
}

static void put(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK, 0644);

	if (fd >= 0)
		close(fd);
}

/* Replaces MINE/name, a link, by one to `to`. */
static void turn_link(const char *name, const char *to)
{
	if (symlink(to, own("new")) == 0)
		rename(own("new"), own(name));
}

static void *exchange(void *unused)
{
	(void)unused;
	while (!stop && attack_now() < ends)
		syscall(SYS_renameat2, AT_FDCWD, own("real"), AT_FDCWD, own("linked"), 2);
	return NULL;
}

static void *flip(void *unused)
{
	(void)unused;
	while (!stop && attack_now() < ends) {
		turn_link("flip", attack_prey);
		turn_link("flip", own("harmless"));
	}
	return NULL;
}

/* A directory of the box's goes into PREY/dir, where `..` is PREY's, and back; the mirror of PREY in the layer must take it all. */
static void *move(void *unused)
{
	(void)unused;
	while (!stop && attack_now() < ends) {
		rename(own("harmless/deep"), prey("dir/deep"));
		rename(prey("dir/deep"), own("harmless/deep"));
		rename(prey("dir/sub"), own("harmless/sub"));
		rename(own("harmless/sub"), prey("dir/sub"));
	}
	return NULL;
}

static void closed(long fd)
{
	if (fd >= 0 && write((int)fd, "attack", 6) < 0)
		errno = 0;
	if (fd >= 0)
		close((int)fd);
}

/* Everything that may be done to DIR/name and DIR/made. */
static void strike(int dirfd, const char *dir)
{
	static const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	struct open_how how = { .flags = O_WRONLY | O_TRUNC | O_NONBLOCK, .resolve = RESOLVE_NO_MAGICLINKS };
	char name[4200], made[4200];

	snprintf(name, sizeof name, "%s/file", dir);
	snprintf(made, sizeof made, "%s/made", dir);
	closed(TRY(openat(dirfd, name, O_WRONLY | O_TRUNC | O_NONBLOCK)));
	closed(TRY(openat(dirfd, made, O_WRONLY | O_CREAT | O_NONBLOCK, 0600)));
	closed(TRY(syscall(SYS_openat2, dirfd, name, &how, sizeof how)));
	TRY(fchmodat(dirfd, name, 0666, 0));
	TRY(fchownat(dirfd, name, getuid(), getgid(), 0));
	TRY(utimensat(dirfd, name, times, 0));
	if (dirfd == AT_FDCWD) {
		TRY(truncate(name, 1));
		TRY(setxattr(name, "user.attack", "x", 1, 0));
	}
	TRY(fchmodat(dirfd, dir, 0711, 0));
	TRY(unlinkat(dirfd, made, 0));
	TRY(mkdirat(dirfd, made, 0755));
	TRY(unlinkat(dirfd, made, AT_REMOVEDIR));
	TRY(mknodat(dirfd, made, S_IFIFO | 0600, 0));
	TRY(unlinkat(dirfd, made, 0));
	TRY(symlinkat("x", dirfd, made));
	TRY(renameat(dirfd, made, dirfd, name));
	TRY(linkat(dirfd, name, dirfd, made, 0));
	TRY(unlinkat(dirfd, name, 0));
	TRY(unlinkat(dirfd, made, 0));
}

static void make_all(void)
{
	char at[32], to[32];

	mkdir(mine, 0755);
	mkdir(own("real"), 0755);
	mkdir(own("harmless"), 0755);
	mkdir(own("harmless/deep"), 0755);
	mkdir(own("harmless/deep/er"), 0755);
	put(own("real/file"));
	put(own("harmless/file"));
	if (symlink(attack_prey, own("linked")) < 0 || symlink("harmless", own("flip")) < 0 || symlink("flip", own("chain0")) < 0)
		errno = 0;
	for (int i = 1; i < CHAIN; i++) {
		snprintf(at, sizeof at, "chain%d", i);
		snprintf(to, sizeof to, "chain%d", i - 1);
		if (symlink(to, own(at)) < 0)
			break;
	}
	deep_fd = open(own("harmless/deep/er"), O_RDONLY | O_DIRECTORY);
	real_fd = open(own("real"), O_PATH | O_DIRECTORY);
}

/* In each round the directories are walked from above, from descriptors and from a working directory that is moved meanwhile. */
static void round_of_all(void)
{
	char name[64];
	int fd;

	strike(AT_FDCWD, own("real"));
	strike(AT_FDCWD, own("linked"));
	strike(AT_FDCWD, own("flip"));
	snprintf(name, sizeof name, "chain%d", CHAIN - 1);
	strike(AT_FDCWD, own(name));
	strike(AT_FDCWD, own("flip/dir/.."));
	strike(AT_FDCWD, own("linked/dirlink/.."));
	strike(deep_fd, "../../..");
	strike(deep_fd, "../..");
	strike(real_fd, ".");
	fd = open(own("linked"), O_PATH | O_DIRECTORY);
	if (fd >= 0) {
		strike(fd, ".");
		close(fd);
	}
	if (fchdir(deep_fd) == 0) {
		strike(AT_FDCWD, "../../..");
		strike(AT_FDCWD, "../../../dir");
	}
	if (chdir(own("flip")) == 0)
		strike(AT_FDCWD, ".");
	if (chdir(own("linked")) == 0)
		strike(AT_FDCWD, "../prey");
	/* what was removed, so that there is something to be hit next time */
	put(own("harmless/file"));
	put(own("real/file"));
}

int main(int argc, char **argv)
{
	static void *(*const who[])(void *) = { exchange, flip, move };
	pthread_t t[3];

	attack_begin(argc, argv);
	snprintf(mine, sizeof mine, "%.3900s/../mine", attack_prey);
	make_all();
	ends = attack_now() + attack_seconds / 2;
	for (size_t i = 0; i < 3; i++)
		if (pthread_create(&t[i], NULL, who[i], NULL) != 0)
			return 2;
	while (attack_now() < ends)
		round_of_all();
	stop = 1;
	for (size_t i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	return attack_end();
}
