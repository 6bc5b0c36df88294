/* execve and execveat: host programs, copies, scripts, interpreters made here, errnos, argv[0] and /proc/self/exe. */
#include "guest.h"

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

int main(int argc, char **argv)
{
	guest_start();
	if (argc > 1 && strcmp(argv[1], "child") == 0)
		return child(argv);
	scripts();
	programs();
	descriptors();
	return 0;
}
