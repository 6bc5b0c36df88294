/* /proc/self and what hangs below it: fd, cwd, exe, root, maps, children; opening anew through it. */
#include "guest.h"
#include <dirent.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

static void show_link(const char *path)
{
	char buf[4096] = "";
	ssize_t n = readlink(path, buf, sizeof(buf) - 1);

	if (n < 0)
		printf("%s: %s\n", path, strerrorname_np(errno));
	else
		printf("%s -> %s\n", path, guest_relative(buf));
}

static void show_fd(int fd)
{
	char path[64], shown[64], buf[4096] = "";
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(shown, sizeof(shown), "fd");
	n = readlink(path, buf, sizeof(buf) - 1);
	printf("%s -> %s\n", shown, n < 0 ? strerrorname_np(errno) : guest_relative(buf));
}

static void reopen(int fd, int flags)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags);
	if (again < 0)
		printf("reopen: %s\n", strerrorname_np(errno));
	else
		printf("reopen: write %zd\n", write(again, "anew", 4));
	close(again);
}

static void descriptors(void)
{
	struct stat a, b;
	int fd = open("host/f1", O_RDONLY), p[2];

	show_fd(fd);
	reopen(fd, O_RDWR);
	guest_cat("host/f1");
	show_fd(fd);
	close(fd);
	guest_put("new", "new file");
	fd = open("new", O_RDONLY);
	show_fd(fd);
	reopen(fd, O_WRONLY | O_TRUNC);
	guest_cat("new");
	if (rename("new", "newer") < 0)
		perror("rename");
	show_fd(fd);
	if (unlink("newer") < 0)
		perror("unlink");
	show_fd(fd);
	reopen(fd, O_WRONLY);
	close(fd);
	fd = open("host/dir", O_RDONLY);
	show_fd(fd);
	char path[80];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/a", fd);
	SHOW(access(path, R_OK));
	snprintf(path, sizeof(path), "/dev/fd/%d/a", fd);
	SHOW(access(path, R_OK));
	snprintf(path, sizeof(path), "/proc/self/fd/%d/made", fd);
	guest_put(path + 0, "");
	guest_stat("host/dir/made");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	stat(path, &a);
	fstat(fd, &b);
	printf("stat %d\n", guest_same(&a, &b));
	lstat(path, &a);
	printf("lstat %o\n", a.st_mode & S_IFMT);
	close(fd);
	fd = open("host/f2", O_PATH);
	show_fd(fd);
	reopen(fd, O_RDWR);
	guest_cat("host/f2");
	close(fd);
	if (pipe(p) < 0)
		perror("pipe");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p[1]);
	SHOW_OK(open(path, O_WRONLY));
	SHOW_OK(open("/dev/null", O_RDWR));
	SHOW_OK(open("/dev/stdout", O_WRONLY));
	SHOW(open("/proc/self/fd/77", O_RDONLY));
	SHOW(open("/dev/fd/77", O_RDONLY));
	/* an unlinked host file, opened again */
	fd = open("host/f3", O_RDONLY);
	unlink("host/f3");
	show_fd(fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	SHOW_OK(open(path, O_RDONLY));
}

static void self(void)
{
	char text[65536] = "", path[64];
	int fd;

	show_link("/proc/self/cwd");
	show_link("/proc/self/root");
	show_link("/proc/thread-self/cwd");
	snprintf(path, sizeof(path), "%d", getpid());
	ssize_t n = readlink("/proc/self", text, sizeof(text) - 1);

	printf("self is us %d\n", n > 0 && (text[n] = 0, strcmp(text, path) == 0));
	mkdir("fresh", 0755);
	if (chdir("fresh") < 0)
		perror("chdir");
	show_link("/proc/self/cwd");
	SHOW(access("/proc/self/cwd/../host/f1", F_OK));
	guest_put("/proc/self/cwd/by-proc", "x");
	guest_stat("by-proc");
	if (chdir("..") < 0)
		perror("chdir");
	fd = open("mapped", O_RDWR | O_CREAT, 0600);
	if (ftruncate(fd, 4096) < 0 || mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
		perror("map");
	close(fd);
	fd = open("/proc/self/maps", O_RDONLY);
	size_t have = 0;

	while ((n = read(fd, text + have, sizeof(text) - 1 - have)) > 0)
		have += (size_t)n;
	text[have] = 0;
	char *at = strstr(text, "/mapped"), *start = at;

	while (start && start > text && start[-1] != ' ')
		start--;
	if (at)
		at[7] = 0;
	printf("maps: %s\n", at ? guest_relative(start) : "none");
	SHOW_OK(open("/proc/self/status", O_RDONLY));
	SHOW_OK(open("/proc/self/mem", O_RDWR));
	SHOW(open("/proc/self/nonsense", O_RDONLY));
	SHOW(open("/proc/0/status", O_RDONLY));
	fd = open("/proc/self/comm", O_WRONLY);
	SHOW(write(fd, "renamed", 7));
	guest_cat("/proc/self/comm");
	fd = open("/proc/self/oom_score_adj", O_RDONLY);
	SHOW_OK(fd);
}

static void children(void)
{
	char path[64];
	int hold[2];

	if (pipe(hold) < 0)
		perror("pipe");
	fflush(stdout);
	pid_t pid = fork();

	if (pid == 0) {
		char c;

		close(hold[1]);
		if (chdir("host/dir") < 0 || read(hold[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	usleep(100000);
	snprintf(path, sizeof(path), "/proc/%d/cwd", pid);
	char buf[4096] = "";

	if (readlink(path, buf, sizeof(buf) - 1) < 0)
		perror("child's cwd");
	printf("child's cwd %s\n", guest_relative(buf));
	snprintf(path, sizeof(path), "/proc/%d/cwd/a", pid);
	SHOW(access(path, F_OK));
	close(hold[0]);
	close(hold[1]);
	guest_wait(pid);
	SHOW(access(path, F_OK));
	SHOW_OK(access("/proc/1/stat", F_OK));
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d && readdir(d))
		n++;
	printf("fds listed %d\n", n > 4);
	d = opendir("/proc/self/task");
	for (n = 0; d && readdir(d);)
		n++;
	printf("tasks %d\n", n - 2);
}

static void list(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	if (!d)
		printf("list: %s\n", strerrorname_np(errno));
	else
		while (readdir(d))
			n++;
	printf("list: %d\n", n);
	if (d)
		closedir(d);
}

static void try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_NONBLOCK, 0600);

	printf("open %o: %s\n", flags, fd < 0 ? strerrorname_np(errno) : "opened");
	if (fd >= 0)
		close(fd);
}

static void see_behind_door(const char *path)
{
	static const int flags[] = { O_RDONLY, O_PATH, O_PATH | O_DIRECTORY, O_RDONLY | O_DIRECTORY, O_RDONLY | O_NOFOLLOW, O_WRONLY, O_RDWR,
		O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_EXCL };
	char slash[100];
	struct stat st;
	struct statfs fs;
	int fd;

	snprintf(slash, sizeof(slash), "%s/", path);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		try_open(path, flags[i]);
	try_open(slash, O_RDONLY);
	try_open(slash, O_PATH);
	SHOW(access(path, R_OK));
	SHOW(access(path, W_OK));
	SHOW(access(path, X_OK));
	SHOW(stat(path, &st));
	printf("%o %d\n", st.st_mode, S_ISDIR(st.st_mode) ? 0 : (int)st.st_size);
	SHOW(statfs(path, &fs));
	fd = open(path, O_RDONLY | O_NONBLOCK);
	if (fd >= 0 && S_ISREG(st.st_mode)) {
		char text[64] = "";

		SHOW(read(fd, text, sizeof(text) - 1));
		text[strcspn(text, "\n")] = 0;
		printf("%s\n", text);
	}
	close(fd);
	if (S_ISDIR(st.st_mode))
		list(path);
	if (!S_ISFIFO(st.st_mode)) {
		SHOW(setxattr(path, "user.seen", "1", 1, 0));
		SHOW(getxattr(path, "user.seen", slash, sizeof(slash)));
	}
	SHOW(truncate(path, 3));
	if (st.st_mode & 0444)   /* else see docs/DIFFERENCES.md */
		SHOW(chmod(path, st.st_mode & 07777));
	SHOW(stat(path, &st));
	printf("%o %d\n", st.st_mode, S_ISDIR(st.st_mode) ? 0 : (int)st.st_size);
}

static void run_behind_door(const char *path)
{
	fflush(stdout);
	pid_t pid = fork();

	if (pid == 0) {
		execl(path, "argv0", "argument", (char *)0);
		printf("exec: %s\n", strerrorname_np(errno));
		fflush(stdout);
		_exit(126);
	}
	guest_wait(pid);
}

/* What is open is reached by its descriptor also when it is below a directory that may not be searched; its own mode still counts. */
static void behind_doors(void)
{
	static const char *const names[] = { "shut/own", "shut/others", "shut/nobodys", "shut/script", "shut/sub", "host/f4", "host/f5", "host/f6", "host/f7",
		"host/dir/b", "host/dir", "host/empty", "host/readonly", "host/unreadable", "host/script", "host/fifo", "shut/fifo" };
	enum { COUNT = sizeof(names) / sizeof(names[0]) };
	int fd[COUNT];

	mkdir("shut", 0755);
	guest_put("shut/own", "may be read");
	guest_put("shut/others", "may be written");
	guest_put("shut/nobodys", "may not be read");
	guest_put("shut/script", "#!/bin/sh\necho hi\n");
	mkdir("shut/sub", 0755);
	mkfifo("shut/fifo", 0666);
	chmod("shut/others", 0666);
	chmod("shut/nobodys", 0600);
	chmod("shut/script", 0755);
	chmod("host/f5", 0666);
	chmod("host/f6", 0600);
	if (getuid() == 0 && (chown("host/f7", 12345, 12345) < 0 || chown("shut/own", 12345, 12345) < 0))
		perror("chown");
	for (int i = 0; i < COUNT; i++) {
		int at = 100 + i, flags = strcmp(names[i], "host/unreadable") ? O_RDONLY | O_NONBLOCK : O_PATH;

		fd[i] = open(names[i], flags);
		if (fd[i] < 0 || dup2(fd[i], at) < 0)
			perror(names[i]);
		close(fd[i]);
		fd[i] = at;
	}
	chmod("shut", 0);
	chmod("host/dir", 0);
	if (getuid() == 0) {   /* the tree is below a directory of root's alone */
		chmod("host/dir", 0711);
		SHOW(setgroups(0, NULL));
		SHOW(setgid(12345));
		SHOW(setuid(12345));
	}
	for (int i = 0; i < COUNT; i++) {
		char path[80];

		printf("-- %s\n", names[i]);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd[i]);
		see_behind_door(path);
		run_behind_door(path);
		snprintf(path, sizeof(path), "/dev/fd/%d", fd[i]);
		try_open(path, O_RDONLY);
	}
	list("/proc/self/cwd");
	SHOW_OK(open("/proc/self/exe", O_RDONLY));
	SHOW_OK(open("/proc/self/root", O_RDONLY));
	fflush(stdout);
}

static void become(uid_t uid, gid_t gid)
{
	if (getuid() == 0 && (setgroups(0, NULL) < 0 || setgid(gid) < 0 || setuid(uid) < 0))
		perror("become");
}

/* Another process's descriptor leads there for its own kind alone: of the same user and group, and dumpable. */
static void anothers_door(uid_t uid, gid_t gid, bool dumpable)
{
	int ready[2];
	char path[64], c;
	pid_t pid, other;

	printf("-- another's %d %d %d\n", (int)uid, (int)gid, dumpable);
	if (pipe(ready) < 0)
		perror("pipe");
	fflush(stdout);
	other = fork();
	if (other == 0) {
		int fd = open("shut/others", O_RDONLY);

		if (fd < 0 || dup2(fd, 100) < 0 || dup2(ready[1], 101) < 0)
			perror("shut/others");
		become(12345, 12345);
		if (!dumpable)   /* or exec makes it so again */
			prctl(PR_SET_DUMPABLE, 0);
		if (dumpable)
			execl("/proc/self/exe", "proc_links", "wait", (char *)0);
		if (write(101, "r", 1) == 1)
			pause();
		_exit(1);
	}
	if (read(ready[0], &c, 1) != 1)
		perror("other");
	pid = fork();
	if (pid == 0) {
		if (getuid() != 0)
			chmod("shut", 0);
		become(uid, gid);
		snprintf(path, sizeof(path), "/proc/%d/fd/100", other);
		try_open(path, O_RDONLY);
		try_open(path, O_RDWR);
		fflush(stdout);
		_exit(0);
	}
	guest_wait(pid);
	kill(other, SIGKILL);
	guest_wait(other);
	chmod("shut", 0700);
	close(ready[0]);
	close(ready[1]);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "wait") == 0)
		return write(101, "r", 1) == 1 ? pause() : 1;
	guest_start();
	descriptors();
	self();
	children();
	fflush(stdout);
	pid_t pid = fork();

	if (pid == 0) {
		behind_doors();
		_exit(0);
	}
	guest_wait(pid);
	chmod("shut", 0700);
	anothers_door(12345, 12345, true);
	anothers_door(12345, 12346, true);
	anothers_door(12346, 12345, true);
	if (getuid() == 0)   /* others stay dumpable in a box */
		anothers_door(12345, 12345, false);
	chmod("shut", 0755);
	chmod("host/dir", 0755);
	return 0;
}
