/* What store_names.sh runs, natively with a copy of a store and in a box with the store that the box itself is in: every way to the store's path. It
 * must not be there: nothing of it can be read, nothing in it be changed.
 *
 *     store_inside DIR 0 SECONDS       the store is DIR/in/store
 */
#include "race.h"

#include <dirent.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

static char store[4000], decoy[4000];

static void told(const char *what, const char *path)
{
	char line[8400];

	snprintf(line, sizeof line, "%s %s", what, path);
	reached(line);
}

/* A directory that has the store's own directory `boxes`, however one came to it. */
static void look_from(int dirfd, const char *how)
{
	static const char *const names[] = { "boxes", "./boxes/../boxes", "last", "../store/boxes", "boxes/victim/box.json", "boxes/attack/box.json" };
	char path[128];
	int fd;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct stat st;

		fd = (int)TRY(openat(dirfd, names[i], O_RDONLY | O_NONBLOCK));
		if (fd >= 0) {
			told("opened by", how);
			close(fd);
		}
		if (TRY(fstatat(dirfd, names[i], &st, AT_SYMLINK_NOFOLLOW)) == 0)
			told("seen by", how);
		fd = (int)TRY(openat(dirfd, names[i], O_PATH));
		if (fd >= 0) {
			snprintf(path, sizeof path, "/proc/self/fd/%d/boxes", fd);
			told("a descriptor by", how);
			close(fd);
		}
	}
	TRY(openat(dirfd, "planted", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	TRY(mkdirat(dirfd, "boxes/planted", 0755));
	TRY(unlinkat(dirfd, "last", 0));
	TRY(unlinkat(dirfd, "boxes/victim/box.json", 0));
	TRY(openat(dirfd, "boxes/victim/box.json", O_WRONLY | O_TRUNC));
	TRY(fchmodat(dirfd, "boxes", 0755, 0));
	TRY(renameat(dirfd, "boxes/victim", dirfd, "boxes/moved"));
	TRY(linkat(dirfd, "last", AT_FDCWD, decoy, 0));
	unlink(decoy);
}

static void look(const char *path)
{
	char sub[4200];
	int fd = (int)TRY(open(path, O_PATH));

	snprintf(sub, sizeof sub, "%s/last", path);
	if (TRY(access(sub, F_OK)) == 0)
		told("access by", path);
	snprintf(sub, sizeof sub, "%s/boxes/victim/box.json", path);
	if (TRY(truncate(sub, 0)) == 0)
		told("truncated by", path);
	TRY(setxattr(sub, "user.attack", "x", 1, 0));
	TRY(inotify_add_watch(inotify_init1(IN_CLOEXEC), sub, IN_ACCESS));
	if (fd >= 0) {
		look_from(fd, path);
		close(fd);
	}
	if (chdir(path) == 0)
		look_from(AT_FDCWD, path);
	if (chdir("/") < 0)
		exit(2);
}

static void bind_there(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (chdir(store) == 0 || chdir(attack_prey) == 0)
		snprintf(a.sun_path, sizeof a.sun_path, "in/store/boxes/socket");
	TRY(bind(fd, (struct sockaddr *)&a, sizeof a));
	close(fd);
}

/* The name in listings, and what a descriptor of the box's own says of where it lies. */
static void tell_tales(void)
{
	char path[4200], text[8400];
	int fd;
	DIR *d;
	FILE *f;

	snprintf(path, sizeof path, "%s/in", attack_prey);
	d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));)
		if (!strcmp(e->d_name, "store"))
			told("listed in", path);
	if (d)
		closedir(d);
	fd = open(decoy, O_RDWR | O_CREAT, 0644);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	memset(text, 0, sizeof text);
	TRY(readlink(path, text, sizeof text - 1));
	if (strstr(text, "/store/"))
		told("a link tells", text);
	TRY(ftruncate(fd, 4096));
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	f = fopen("/proc/self/maps", "r");
	while (f && fgets(text, sizeof text, f))
		if (strstr(text, "/store/"))
			told("maps tell", text);
	if (f)
		fclose(f);
	if (p != MAP_FAILED)
		munmap(p, 4096);
	close(fd);
	unlink(decoy);
}

/* Descriptors of the processes above this one, which have the store open. Only in a box: outside they are anybody's. */
static void by_others(void)
{
	char path[128];
	pid_t up = getppid();

	for (int pid = up; pid > 0 && pid >= up - 3; pid--) {
		for (int fd = 3; fd < 32; fd++) {
			snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
			int got = (int)TRY(open(path, O_RDONLY | O_DIRECTORY));
			if (got < 0)
				continue;
			look_from(got, path);
			close(got);
		}
		snprintf(path, sizeof path, "/proc/%d/cwd", pid);
		int got = (int)TRY(open(path, O_PATH));
		if (got >= 0) {
			struct stat st;
			if (fstatat(got, "boxes", &st, 0) == 0)
				told("seen by", path);
			close(got);
		}
	}
}

/* The kernel itself walks where a path is the host's own: chdir and O_PATH. So the path is exchanged after it was judged. */
static void by_races(void)
{
	char *path;

	race_page();
	snprintf(race_mine, sizeof race_mine, "%s/in/plain", attack_prey);
	mkdir(race_mine, 0755);
	path = race_room(sizeof store);
	strcpy(path, race_mine);
	uint32_t plain, other;
	memcpy(&plain, "plai", 4);
	memcpy(&other, "stor", 4);
	size_t at = strlen(path) - 5;
	race_swap(path + at, 4, plain, other);
	path[at + 4] = 'e';
	/* so it is `plaie` and `store` */
	snprintf(race_mine + at, sizeof race_mine - at, "plaie");
	mkdir(race_mine, 0755);
	for (int who = 0; who < RACE_WHOS; who++) {
		double share = attack_seconds / 2 / RACE_WHOS;
		unsigned times = 0;

		race_start(who, share);
		for (double end = attack_now() + share; attack_now() < end; times++) {
			struct stat st;
			int fd = open(path, O_PATH | O_DIRECTORY);

			if (fd >= 0 && fstatat(fd, "boxes", &st, 0) == 0) {
				look_from(fd, "a descriptor, raced");
				end = 0;
			}
			if (fd >= 0) {
				int again = openat(fd, ".", O_RDONLY | O_DIRECTORY);
				if (again >= 0 && fstatat(again, "boxes", &st, 0) == 0)
					reached("a descriptor opened anew, raced");
				close(again);
				close(fd);
			}
			if (chdir(path) == 0 && (stat("boxes", &st) == 0 || stat("../store/boxes", &st) == 0)) {
				look_from(AT_FDCWD, "a working directory, raced");
				end = 0;
			}
		}
		race_stop();
		attack_tries += times;
		if (chdir("/") < 0)
			exit(2);
	}
	rmdir(race_mine);
	snprintf(race_mine + at, sizeof race_mine - at, "plain");
	rmdir(race_mine);
}

/* Last, since it moves the directories themselves. */
static void by_renames(void)
{
	char in[4200], out[4200], moved[4300];
	struct stat st;

	snprintf(in, sizeof in, "%s/in", attack_prey);
	snprintf(out, sizeof out, "%s/out", attack_prey);
	TRY(rename(store, out));
	look(out);
	TRY(rename(out, store));
	TRY(rename(in, out));
	snprintf(moved, sizeof moved, "%s/store", out);
	look(moved);
	if (TRY(stat(moved, &st)) == 0 && getenv("ATTACK_NATIVE"))
		told("moved with its parent to", moved);
	TRY(rename(out, in));
	TRY(rmdir(store));
	TRY(unlink(store));
}

int main(int argc, char **argv)
{
	char path[8200];

	attack_begin(argc, argv);
	snprintf(store, sizeof store, "%.3900s/in/store", attack_prey);
	snprintf(decoy, sizeof decoy, "%.3900s/decoy", attack_prey);
	tell_tales();
	by_races();
	look(store);
	snprintf(path, sizeof path, "/proc/self/root%s", store);
	look(path);
	snprintf(path, sizeof path, "%s/in/../in/./store//", attack_prey);
	look(path);
	snprintf(path, sizeof path, "%s/to-store", attack_prey);
	TRY(symlink(store, path));
	look(path);
	snprintf(path, sizeof path, "%s/to-in/store", attack_prey);
	look(path);
	if (chdir(attack_prey) == 0)
		look("in/store");
	if (chdir(attack_prey) == 0)
		look("/proc/self/cwd/in/store");
	snprintf(path, sizeof path, "/proc/%d/root%s", getpid(), store);
	look(path);
	snprintf(path, sizeof path, "%s/in", attack_prey);
	int fd = open(path, O_PATH | O_DIRECTORY);
	snprintf(path, sizeof path, "/proc/self/fd/%d/store", fd);
	look(path);
	bind_there();
	if (!getenv("ATTACK_NATIVE"))
		by_others();
	by_renames();
	return attack_end();
}
