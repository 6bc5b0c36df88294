/* chdir, fchdir, getcwd: host directories, fresh ones, renamed and removed ones; relative paths from there. */
#include "guest.h"

static void where(void)
{
	char buf[4096];

	if (!getcwd(buf, sizeof(buf)))
		printf("cwd: %s\n", strerrorname_np(errno));
	else
		printf("cwd: %s\n", guest_relative(buf));
}

static void up(void)
{
	if (chdir(guest_top) < 0)
		perror("chdir");
}

int main(void)
{
	char buf[8];
	int fd;

	guest_start();
	SHOW(chdir("host/dir"));
	where();
	guest_cat("a");
	guest_cat("../f1");
	guest_put("fresh", "made here");
	guest_cat("fresh");
	SHOW(chdir(".."));
	where();
	SHOW(chdir("dirlink"));
	where();
	SHOW(chdir("sub/../.."));
	where();
	up();
	SHOW(mkdir("fresh", 0755));
	SHOW(chdir("fresh"));
	where();
	SHOW(mkdir("below", 0755));
	SHOW(chdir("below"));
	where();
	guest_put("f", "deep");
	SHOW(chdir("../../host"));
	where();
	guest_cat("../fresh/below/f");
	up();
	fd = open("fresh/below", O_RDONLY);
	SHOW(fchdir(fd));
	where();
	guest_cat("f");
	close(fd);
	up();
	fd = open("host/dir", O_PATH);
	SHOW(fchdir(fd));
	where();
	close(fd);
	fd = open("a", O_RDONLY);
	SHOW(fchdir(fd));
	SHOW(fchdir(77));
	up();
	SHOW(chdir("host/f1"));
	SHOW(chdir("host/none"));
	SHOW(chdir("host/loop1"));
	SHOW(chdir("host/locked"));
	SHOW(chdir(""));
	SHOW(chdir((char *)8));
	/* the directory moves while we are in it */
	SHOW(chdir("fresh/below"));
	SHOW(rename("../../fresh", "../../moved"));
	where();
	guest_cat("f");
	guest_put("after", "after the move");
	up();
	guest_cat("moved/below/after");
	SHOW(chdir("host/dir"));
	SHOW(rename("../dir", "../dir2"));
	where();
	guest_cat("a");
	guest_put("after", "after the move");
	up();
	guest_cat("host/dir2/after");
	/* and goes away */
	SHOW(mkdir("gone", 0755));
	SHOW(chdir("gone"));
	SHOW(rmdir("../gone"));
	where();
	SHOW(open("x", O_CREAT | O_WRONLY, 0600));
	/* "." and "..": gone_cwd.c */
	up();
	SHOW(chdir("host/empty"));
	SHOW(rmdir("../empty"));
	where();
	SHOW(mkdir("x", 0755));
	up();
	SHOW(syscall(SYS_getcwd, buf, 1));
	SHOW(syscall(SYS_getcwd, (void *)8, 4096));
	SHOW(syscall(SYS_getcwd, NULL, 0));
	/* a child starts where we are */
	SHOW(mkdir("again", 0755));
	SHOW(chdir("again"));
	fflush(stdout);
	pid_t pid = fork();

	if (pid == 0) {
		where();
		fflush(stdout);
		execl("/bin/sh", "sh", "-c", "basename \"$(/bin/pwd -P)\"; echo x >y; ls", NULL);
		_exit(1);
	}
	guest_wait(pid);
	guest_cat("y");
	return 0;
}
