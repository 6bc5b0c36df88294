/* execve and execveat: host programs, copies, scripts, interpreters made here, errnos, argv[0] and /proc/self/exe; programs without a path. */
#include "guest.h"

#include <stdbool.h>
#include <sys/mman.h>

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif

static void run(const char *path, char *const argv[])
{
	char *envp[] = { "PATH=/usr/bin:/bin", "X=1", NULL };
	pid_t pid;

	printf("-- %s\n", path);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execve(path, argv, envp);
		printf("execve: %s\n", strerrorname_np(errno));
		fflush(stdout);
		_exit(126);
	}
	guest_wait(pid);
}
#define RUN(path, ...) run(path, (char *[]){ __VA_ARGS__, NULL })

static void copy(const char *from, const char *to, mode_t mode)
{
	char buf[65536];
	ssize_t n;
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0700);

	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			perror(to);
	close(in);
	close(out);
	chmod(to, mode);
}

static void script(const char *path, const char *text, mode_t mode)
{
	guest_put(path, text);
	chmod(path, mode);
}

/* What the first line of a script may be. "-" stands for an interpreter: the host's, and one made here. */
static void lines(void)
{
	static const char *const line[] = { "", " ", "\t \t", " \n", "\n-", "-", "- ", "-\t", "- \n", "- a", "- a ", "- a \n", "-\ta  b\t\n", "--",
					    "- \r\n", "-\r\n" };
	char text[600], name[64];

	copy("/bin/echo", "myecho", 0755);
	for (int i = 0; i < (int)(sizeof(line) / sizeof(line[0])); i++)
		for (int box = 0; box < 2; box++) {
			char *end = stpcpy(text, "#!");

			for (const char *p = line[i]; *p; p++)
				end = *p == '-' ? stpcpy(end, box ? "myecho" : "/bin/echo") : end + sprintf(end, "%c", *p);
			snprintf(name, sizeof(name), "line%d%s", i, box ? "-box" : "");
			script(name, text, 0755);
			RUN(name, name, "x");
		}
	/* NULs, and lines that are cut */
	for (int i = 0; i < 24; i++) {
		size_t n = 230 + (size_t)i % 12 * 3, at;
		int fd;

		memset(text, 'y', sizeof(text));
		at = (size_t)sprintf(text, i < 12 ? "#!myecho" : "#!./myecho ");
		text[at] = i % 3 ? ' ' : 'z';
		if (i % 4 == 0)
			text[100 + i] = '\0';
		if (i % 4 == 1)
			text[100 + i] = ' ';
		memset(text + n - i % 5, i % 2 ? ' ' : '\t', 5);
		text[n + 5] = i % 4 == 2 ? '\n' : 'w';
		snprintf(name, sizeof(name), "cut%d", i);
		fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);
		if (write(fd, text, i % 6 == 5 ? n : sizeof(text)) < 0)
			perror(name);
		close(fd);
		RUN(name, name, "x");
	}
}

/* What a program sees of itself. */
static int child(char **argv)
{
	char exe[4096] = "", comm[32] = "";
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	int fd = open("/proc/self/comm", O_RDONLY);

	if (n < 0 || read(fd, comm, sizeof(comm) - 1) < 0)
		perror("self");
	comm[strcspn(comm, "\n")] = 0;
	printf("argv0 %s exe %s comm %s", guest_relative(argv[0]), guest_relative(exe), comm);
	for (int i = 2; argv[i]; i++)
		printf(" [%s]", guest_relative(argv[i]));
	printf(" fd3 %d\n", fcntl(3, F_GETFD));
	return 6;
}

static void scripts(void)
{
	char text[5000], interp[4200];

	RUN("host/script", "host/script", "one", "two");
	script("s1", "#!/bin/sh\necho \"$0\" \"$@\"\nexit 4\n", 0755);
	RUN("./s1", "other-name", "a b");
	RUN("s1", "s1");
	script("s2", "#! /bin/sh -e\nfalse\necho not reached\n", 0755);
	RUN("s2", "s2");
	script("s3", "#!./s1 with arg\n", 0755);
	RUN("s3", "s3", "x");
	script("s4", "#!/none/at/all\n", 0755);
	RUN("s4", "s4");
	script("s5", "#!\n", 0755);
	RUN("s5", "s5");
	script("s6", "no magic\n", 0755);
	RUN("s6", "s6");
	script("s7", "#!/bin/sh\necho hi\n", 0644);
	RUN("s7", "s7");
	script("s8", "", 0755);
	RUN("s8", "s8");
	/* the interpreter is a copy made here, by an absolute path */
	copy("/bin/sh", "mysh", 0755);
	snprintf(text, sizeof(text), "#!%s/mysh -e\necho \"${0##*/}\" $1; readlink /proc/$$/exe | sed 's,.*/,,'\n", guest_top);
	script("s9", text, 0755);
	RUN("s9", "s9", "arg");
	/* and a script as interpreter, five deep and more */
	for (int i = 0; i < 8; i++) {
		char name[16];

		snprintf(name, sizeof(name), "deep%d", i);
		snprintf(interp, sizeof(interp), i ? "#!%s/deep%d\n" : "#!/bin/echo\n", guest_top, i - 1);
		script(name, interp, 0755);
	}
	for (int i = 2; i < 8; i++) {
		char name[16];

		snprintf(name, sizeof(name), "deep%d", i);
		printf("-- %s\n", name);
		fflush(stdout);
		pid_t pid = fork();

		if (pid == 0) {
			if (!freopen("/dev/null", "w", stdout))
				_exit(1);
			execl(name, name, (char *)0);
			_exit(errno);
		}
		guest_wait(pid);
	}
}

static void programs(void)
{
	char self[4096] = "", path[4200];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		perror("self");
	RUN(self, "self", "child");
	copy(self, "program", 0755);
	RUN("program", "program", "child", "relative");
	RUN("./program", "renamed-argv0", "child");
	snprintf(path, sizeof(path), "%s/program", guest_top);
	RUN(path, path, "child", "absolute");
	if (symlink("program", "alias") < 0)
		perror("alias");
	RUN("alias", "alias", "child", "by link");
	if (mkdir("bin", 0755) < 0 || rename("program", "bin/moved") < 0)
		perror("bin");
	RUN("bin/moved", "moved", "child");
	RUN("alias", "alias", "child");
	if (chmod("bin/moved", 0644) < 0)
		perror("chmod");
	RUN("bin/moved", "moved", "child");
	if (chmod("bin/moved", 0711) < 0)
		perror("chmod");
	RUN("bin/moved", "moved", "child");
	RUN("host/dir", "x");
	RUN("host/none", "x");
	RUN("host/f1/x", "x");
	RUN("host/loop1", "x");
	RUN("host/fifo", "x");
	RUN("", "x");
	RUN("host/f1", "x");
	/* a host program replaced here */
	copy(self, "host/script", 0755);
	RUN("host/script", "script", "child", "replaced");
	/* cut short */
	if (truncate("bin/moved", 100) < 0)
		perror("truncate");
	RUN("bin/moved", "moved", "child");
}

static void descriptors(void)
{
	char *argv[] = { "by-fd", "child", NULL }, *envp[] = { NULL };
	char self[4096] = "";
	int fd;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		perror("self");
	copy(self, "program2", 0755);
	printf("-- fexecve\n");
	fflush(stdout);
	pid_t pid = fork();

	if (pid == 0) {
		fd = open("program2", O_RDONLY | O_CLOEXEC);
		fexecve(fd, argv, envp);
		_exit(errno);
	}
	guest_wait(pid);
	pid = fork();
	if (pid == 0) {
		fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		syscall(SYS_execveat, fd, "program2", argv, envp, 0);
		_exit(errno);
	}
	guest_wait(pid);
	pid = fork();
	if (pid == 0) {
		syscall(SYS_execveat, AT_FDCWD, "alias", argv, envp, AT_SYMLINK_NOFOLLOW);
		_exit(errno);
	}
	guest_wait(pid);
	/* what is open stays open over an exec, unless close-on-exec */
	pid = fork();
	if (pid == 0) {
		fd = open("host/f1", O_RDONLY);
		dup2(fd, 3);
		execl("program2", "program2", "child", (char *)0);
		_exit(errno);
	}
	guest_wait(pid);
	/* text file busy */
	fd = open("program2", O_WRONLY);
	RUN("program2", "program2", "child");
	close(fd);
}

/* Runs what dirfd and path name in a child. */
static void run_at(const char *what, int dirfd, const char *path, int flags)
{
	char *argv[] = { "argv0", "child", "of", (char *)what, NULL }, *envp[] = { "PATH=/usr/bin:/bin", NULL };
	pid_t pid;

	printf("-- %s\n", what);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		syscall(SYS_execveat, dirfd, path, argv, envp, flags);
		printf("execveat: %s\n", strerrorname_np(errno));
		fflush(stdout);
		_exit(126);
	}
	guest_wait(pid);
}

/* In all the ways that lead to a descriptor. */
static void run_fd(const char *what, int fd)
{
	char path[64], link[64], name[128];

	snprintf(name, sizeof(name), "%s, empty path", what);
	run_at(name, fd, "", AT_EMPTY_PATH);
	snprintf(name, sizeof(name), "%s, /proc/self/fd", what);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	run_at(name, AT_FDCWD, path, 0);
	snprintf(name, sizeof(name), "%s, link", what);
	snprintf(link, sizeof(link), "link%d", fd);
	unlink(link);
	if (symlink(path, link) < 0)
		perror(link);
	run_at(name, AT_FDCWD, link, 0);
	snprintf(name, sizeof(name), "%s, /dev/fd", what);
	snprintf(path, sizeof(path), "/dev/fd/%d", fd);
	run_at(name, AT_FDCWD, path, 0);
}

/* A memfd with the file's content, or the text's, at a number that the runs agree on. */
static int memfd(int number, const char *from, const char *text, bool cloexec)
{
	char path[64];
	int fd = memfd_create("memory", 0);

	if (fd < 0 || dup3(fd, number, cloexec ? O_CLOEXEC : 0) < 0)
		perror("memfd");
	if (fd != number)
		close(fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", number);
	if (from)
		copy(from, path, 0755);
	else if (write(number, text, strlen(text)) < 0)
		perror("memfd");
	return number;
}

/* In a child: programs that unlinked themselves, or were replaced. */
static int updater(const char *how)
{
	if (unlink("updater") < 0)
		perror("unlink");
	if (strcmp(how, "replace") == 0)
		guest_put("updater", "another");
	execl("/proc/self/exe", "updated", "child", how, (char *)0);
	printf("exec of what is gone: %s\n", strerrorname_np(errno));
	return 1;
}

static void without_path(void)
{
	char self[4096] = "", text[4200];
	int fd;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		perror("self");
	run_fd("memfd", memfd(100, self, NULL, true));
	run_fd("script", memfd(101, NULL, "#!/bin/sh\necho \"$0\" \"$@\"\n", false));
	run_fd("script, close-on-exec", memfd(102, NULL, "#!/bin/sh\necho \"$0\" \"$@\"\n", true));
	snprintf(text, sizeof(text), "#!%s/mysh -e\nread comm </proc/$$/comm\necho \"$0\" $comm \"$@\"\n", guest_top);
	run_fd("script for a copy", memfd(103, NULL, text, false));
	run_fd("script for a copy, close-on-exec", memfd(104, NULL, text, true));
	run_fd("script for a memfd", memfd(105, NULL, "#!/proc/self/fd/100 child\n", false));
	run_fd("script without interpreter", memfd(106, NULL, "#!/none/at/all\n", true));
	run_fd("neither", memfd(107, NULL, "no magic\n", false));
	script("s10", "#!/proc/self/fd/100 child\n", 0755);
	RUN("s10", "s10", "x");
	script("s11", "#!link100 child\n", 0755);
	RUN("s11", "s11", "x");
	fchmod(100, 0644);
	run_fd("memfd that may not be run", 100);

	copy(self, "program3", 0755);
	fd = open("program3", O_RDONLY | O_CLOEXEC);
	dup3(fd, 110, O_CLOEXEC);
	close(fd);
	run_fd("program", 110);
	unlink("program3");
	run_fd("removed program", 110);
	script("s12", text, 0755);
	fd = open("s12", O_RDONLY);
	dup2(fd, 111);
	close(fd);
	run_fd("script of a file", 111);
	unlink("s12");
	run_fd("removed script", 111);
	fcntl(111, F_SETFD, FD_CLOEXEC);
	run_fd("removed script, close-on-exec", 111);
	script("s13", text, 0755);
	fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	dup3(fd, 112, O_CLOEXEC);
	close(fd);
	run_at("script, directory close-on-exec", 112, "s13", 0);
	dup2(112, 113);
	run_at("script, directory", 113, "s13", 0);
	fd = open("host/script", O_RDONLY);
	dup2(fd, 114);
	close(fd);
	unlink("host/script");
	run_fd("removed script of the host", 114);

	copy(self, "updater", 0755);
	RUN("./updater", "updater", "update", "remove");
	copy(self, "updater", 0755);
	RUN("./updater", "updater", "update", "replace");
}

/* What the kernel says of a file that it is not to run. EINVAL before Linux 6.14. */
static void check(int dirfd, const char *path, int flags)
{
	char *argv[] = { "argv0", NULL }, *bad[] = { "argv0", (char *)8, NULL };
	char **args[] = { argv, NULL, bad, (char **)8 };

	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++) {
		printf("check %s [%zu]: ", path, i);
		SHOW(syscall(SYS_execveat, dirfd, path, args[i], NULL, AT_EXECVE_CHECK | flags));
	}
	printf("check %s [envp]: ", path);
	SHOW(syscall(SYS_execveat, dirfd, path, argv, bad, AT_EXECVE_CHECK | flags));
}

static void checks(void)
{
	static const char *const names[] = { "s1", "s4", "s5", "s6", "s7", "s8", "bin/moved", "alias", "program2", "./program2", "mysh", "bin", "none",
		"host/script", "host/f1", "host/dir", "host/dirlink", "host/fifo", "host/none", "/bin/sh", "/bin", "/proc/self/exe", "/proc/self/fd/100",
		"/dev/fd/100", "link100", "/dev/fd/101", "" };
	int fd;

	fchmod(100, 0755);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		check(AT_FDCWD, names[i], 0);
	check(AT_FDCWD, "alias", AT_SYMLINK_NOFOLLOW);
	check(100, "", AT_EMPTY_PATH);
	check(102, "", AT_EMPTY_PATH);
	check(110, "", AT_EMPTY_PATH);
	check(112, "s13", 0);
	check(112, "", AT_EMPTY_PATH);
	check(99, "", AT_EMPTY_PATH);
	check(AT_FDCWD, "s1", 1);
	fd = open("program2", O_WRONLY);
	check(AT_FDCWD, "program2", 0);
	close(fd);
}

int main(int argc, char **argv)
{
	guest_start();
	if (argc > 1 && strcmp(argv[1], "child") == 0)
		return child(argv);
	if (argc > 2 && strcmp(argv[1], "update") == 0)
		return updater(argv[2]);
	scripts();
	lines();
	programs();
	descriptors();
	without_path();
	checks();
	return 0;
}
