/* The CPUs that a program may run on: what it set holds, and opening files takes none away, not for a moment that its children would see. */
#include "guest.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

static cpu_set_t all;

static void compare(const char *when)
{
	cpu_set_t now;

	if (sched_getaffinity(0, sizeof(now), &now) < 0)
		perror("sched_getaffinity");
	else if (!CPU_EQUAL(&now, &all))
		printf("%s: %d of %d CPUs\n", when, CPU_COUNT(&now), CPU_COUNT(&all));
}

static void opens(const char *who, int times)
{
	char name[64];

	for (int i = 0; i < times; i++) {
		int fd = open("host/f1", O_RDONLY);

		compare(who);
		close(fd);
		snprintf(name, sizeof(name), "%s%d", who, i);
		fd = open(name, O_CREAT | O_WRONLY, 0644);
		compare(who);
		close(fd);
	}
}

static void on_alarm(int sig)
{
	(void)sig;
	compare("handler");
}

static void *other_thread(void *arg)
{
	opens(arg, 200);
	return NULL;
}

int main(void)
{
	pthread_t id;
	cpu_set_t one;

	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		return 1;
	printf("%d CPUs after the loader's opens\n", CPU_COUNT(&all));
	opens("alone", 300);
	signal(SIGALRM, on_alarm);
	ualarm(700, 700);
	opens("disturbed", 300);
	ualarm(0, 0);
	for (int i = 0; i < 20; i++) {
		pid_t pid;

		opens("parent", 2);
		pid = fork();
		if (pid == 0) {
			compare("child at its start");
			opens("child", 5);
			fflush(stdout);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	pthread_create(&id, NULL, other_thread, "thread");
	opens("main", 200);
	pthread_join(id, NULL);
	/* the first CPU only, and the way back */
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &all)) {
			CPU_ZERO(&one);
			CPU_SET(cpu, &one);
			break;
		}
	cpu_set_t before = all;
	SHOW(sched_setaffinity(0, sizeof(one), &one));
	all = one;
	opens("on-one", 50);
	all = before;
	SHOW(sched_setaffinity(0, sizeof(all), &all));
	opens("again", 50);
	puts("done");
	return 0;
}
