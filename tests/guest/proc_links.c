/* /proc/self and what hangs below it: fd, cwd, exe, root, maps, children; opening anew through it. */
#include "guest.h"
#include <dirent.h>
#include <sys/mman.h>

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

int main(void)
{
	guest_start();
	descriptors();
	self();
	children();
	return 0;
}
