/* clone and unshare with CLONE_FS and CLONE_FILES: processes that share a working directory, a umask, or descriptors. */
#include "guest.h"

#include <sched.h>
#include <sys/mman.h>

static char stack[64 * 1024] __attribute__((aligned(16)));

static int moves(void *arg)
{
	(void)arg;
	SHOW(chdir("host/dir"));
	SHOW(umask(077));
	return 0;
}

static int unshares(void *arg)
{
	(void)arg;
	SHOW(unshare(CLONE_FS));
	SHOW(chdir("sub"));
	SHOW(umask(0));
	guest_put("made-apart", "apart");
	return 0;
}

static int closes(void *arg)
{
	int fd = *(int *)arg;

	SHOW(fd > 2);
	close(fd);
	/* the lowest number is free again, for both */
	SHOW(open("/dev/null", O_RDONLY) == fd);
	return 0;
}

static void run(int (*fn)(void *), void *arg, int flags)
{
	fflush(stdout);   /* before: what is buffered would be the child's to print too */
	pid_t pid = clone(fn, stack + sizeof(stack), flags | SIGCHLD, arg);

	if (pid < 0)
		perror("clone");
	else
		guest_wait(pid);
}

static void where(void)
{
	char *cwd = getcwd(NULL, 0);
	mode_t mask = umask(0);

	umask(mask);
	printf("in %s with %03o\n", cwd ? strrchr(cwd, '/') : "nowhere", mask);
	fflush(stdout);
	free(cwd);
}

int main(void)
{
	struct stat st;
	int fd;

	where();
	run(moves, NULL, 0);
	where();
	run(moves, NULL, CLONE_FS);
	where();
	guest_put("made-together", "together");
	if (stat("made-together", &st) == 0)
		printf("made-together %o\n", st.st_mode);
	run(unshares, NULL, CLONE_FS);
	where();
	if (stat("sub/made-apart", &st) == 0)
		printf("made-apart %o\n", st.st_mode);
	fd = open("a", O_RDONLY);
	run(closes, &fd, CLONE_FILES);
	SHOW(fstat(fd, &st) == 0 && S_ISCHR(st.st_mode));
	SHOW(unshare(CLONE_FILES));
	SHOW(unshare(0));
	SHOW(unshare(CLONE_THREAD));
	return 0;
}
