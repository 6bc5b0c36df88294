/* fork, vfork, clone, posix_spawn, setsid, process groups, threads that exec, signals between guests. */
#include "guest.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>

extern char **environ;

static void *exec_in_thread(void *arg)
{
	(void)arg;
	execl("/bin/sh", "sh", "-c", "echo from a thread; exit 8", (char *)0);
	_exit(99);
}

static int in_clone(void *arg)
{
	guest_put(arg, "by clone");
	_exit(5);
}

int main(void)
{
	char *echo[] = { "echo", "spawned", NULL }, *none[] = { "none", NULL }, *sh[] = { "sh", "-c", "echo to-file; pwd | sed 's,.*/,,'", NULL };
	static char stack[65536];
	posix_spawn_file_actions_t fa;
	pid_t pid;

	fflush(stdout);
	pid = vfork();
	if (pid == 0) {
		execl("/bin/echo", "echo", "after vfork", (char *)0);
		_exit(1);
	}
	guest_wait(pid);
	pid = vfork();
	if (pid == 0) {
		execl("host/none", "none", (char *)0);
		_exit(errno == ENOENT ? 44 : 45);
	}
	guest_wait(pid);
	pid = vfork();
	if (pid == 0) {
		execl("host/script", "script", "by vfork", (char *)0);
		_exit(1);
	}
	guest_wait(pid);
	int r = posix_spawnp(&pid, "echo", NULL, NULL, echo, environ);

	guest_wait(pid);
	printf("posix_spawnp %d\n", r);
	SHOW(posix_spawn(&pid, "host/none", NULL, NULL, none, environ));
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 1, "host/f1", O_WRONLY | O_APPEND, 0);
	posix_spawn_file_actions_addchdir_np(&fa, "host/dir");
	r = posix_spawn(&pid, "/bin/sh", &fa, NULL, sh, environ);
	guest_wait(pid);
	printf("posix_spawn %d\n", r);
	guest_stat("host/f1");
	pid = clone(in_clone, stack + sizeof(stack), CLONE_VM | SIGCHLD, "cloned");
	guest_wait(pid);
	guest_cat("cloned");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		pthread_t t;

		pthread_create(&t, NULL, exec_in_thread, NULL);
		pause();
	}
	guest_wait(pid);
	pid = fork();
	if (pid == 0) {
		SHOW_OK(setsid());
		SHOW(getsid(0) == getpid());
		SHOW_OK(setpgid(0, 0));
		fflush(stdout);
		raise(SIGTERM);
	}
	guest_wait(pid);
	pid = fork();
	if (pid == 0)
		pause();
	SHOW(kill(pid, 0));
	SHOW(kill(pid, SIGKILL));
	guest_wait(pid);
	SHOW(kill(pid, 0));
	/* a grandchild that outlives its parent still works */
	int p[2];
	char c = 0;

	if (pipe(p) < 0)
		return 1;
	pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			usleep(200000);
			guest_put("orphan", "made by an orphan");
			if (write(p[1], "x", 1) != 1)
				_exit(1);
			_exit(0);
		}
		_exit(0);
	}
	guest_wait(pid);
	SHOW(read(p[0], &c, 1));
	guest_cat("orphan");
	SHOW(system("exit 3") >> 8);
	FILE *f = popen("cat host/f2 | tr a-z A-Z", "r");
	char line[64] = "";

	if (f && fgets(line, sizeof(line), f))
		printf("popen: %s", line);
	SHOW(pclose(f));
	SHOW(unshare(CLONE_FILES));
	return 0;
}
