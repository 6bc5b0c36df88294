/* Threads at once on the same names: one copy-up, one winner, no lost or torn state. */
#include "guest.h"
#include <pthread.h>

enum { THREADS = 6 };
static pthread_barrier_t barrier;
static int counts[8];
#define COUNT(i) __atomic_add_fetch(&counts[i], 1, __ATOMIC_RELAXED)

static void *copy_up(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&barrier);
	for (int i = 1; i <= 9; i++) {
		char name[32];
		int fd;

		snprintf(name, sizeof(name), "host/f%d", i);
		fd = open(name, O_WRONLY | O_APPEND);
		if (fd >= 0 && write(fd, "+", 1) == 1)
			COUNT(0);
		close(fd);
	}
	return NULL;
}

static void *exclusive(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 100; i++) {
		char name[32];

		snprintf(name, sizeof(name), "e%d", i);
		int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);

		if (fd >= 0)
			COUNT(1);
		close(fd);
		snprintf(name, sizeof(name), "d%d", i);
		if (mkdir(name, 0700) == 0)
			COUNT(2);
		snprintf(name, sizeof(name), "s%d", i);
		if (symlink("x", name) == 0)
			COUNT(3);
		snprintf(name, sizeof(name), "host/many/n%d", i);
		if (unlink(name) == 0)
			COUNT(4);
	}
	return NULL;
}

/* a name that is replaced all the time is never missing */
static volatile int stop;
static void *replacer(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 300; i++) {
		guest_put("next", "whole content");
		if (rename("next", "host/hard1"))
			COUNT(6);
	}
	stop = 1;
	return NULL;
}

static void *looker(void *arg)
{
	char buf[32];

	(void)arg;
	pthread_barrier_wait(&barrier);
	while (!stop) {
		int fd = open("host/hard1", O_RDONLY);

		if (fd < 0)
			COUNT(5);
		else if (read(fd, buf, sizeof(buf)) != 13 && read(fd, buf, 1) != 0)
			COUNT(5);
		close(fd);
	}
	return NULL;
}

static void *both_ways(void *arg)
{
	long me = (long)arg;

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 100; i++) {
		int r = me % 2 ? rename("host/dir", "host/dirx") : rename("host/dirx", "host/dir");

		if (r == 0 || errno == ENOENT)
			continue;
		COUNT(7);
	}
	return NULL;
}

static void all(void *(*f)(void *), void *(*first)(void *))
{
	pthread_t t[THREADS];

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, i == 0 && first ? first : f, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

int main(void)
{
	all(copy_up, NULL);
	printf("appended %d\n", counts[0]);
	for (int i = 1; i <= 9; i++) {
		char name[32];

		snprintf(name, sizeof(name), "host/f%d", i);
		guest_stat(name);
	}
	all(exclusive, NULL);
	printf("made %d %d %d unlinked %d\n", counts[1], counts[2], counts[3], counts[4]);
	guest_put("host/hard1", "whole content");
	all(looker, replacer);
	printf("missing or torn %d failed %d\n", counts[5], counts[6]);
	all(both_ways, NULL);
	rename("host/dirx", "host/dir");
	printf("renames with another errno %d\n", counts[7]);
	guest_cat("host/dir/a");
	return 0;
}
