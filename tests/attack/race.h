/* race.h - somebody who exchanges words of memory while another makes calls with it.
 *
 * What is exchanged is a word of four bytes or of eight, so that a reader finds one value or the other and never half of each. All of it lies in
 * one page that is shared with children (race_page), so that the one who does it can be a thread, a process that shares all the memory, or one
 * that has only this page.
 */
#ifndef RACE_H
#define RACE_H

#include "attack.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define RACE_MAX 64
#define RACE_ROOM (1 << 16)
#define RACE_STACK (1 << 16)

enum race_who { RACE_THREAD, RACE_SHARES_MEMORY, RACE_SHARES_PAGE, RACE_WHOS };

struct race_word {
	void *at;
	uint64_t a, b;
	size_t size;
};

struct race {
	volatile int stop;
	double end;
	size_t n, used;
	struct race_word word[RACE_MAX];
	char room[RACE_ROOM];
};

static struct race *race;
static char *race_stack;
static pthread_t race_thread;
static pid_t race_pid;

static inline void race_page(void)
{
	race = mmap(NULL, sizeof *race, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	race_stack = mmap(NULL, RACE_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (race == MAP_FAILED || race_stack == MAP_FAILED)
		exit(2);
}

static inline void *race_room(size_t size)
{
	void *p = race->room + race->used;

	race->used += (size + 63) & ~(size_t)63;
	if (race->used > sizeof race->room)
		exit(2);
	return p;
}

static inline void race_swap(void *at, size_t size, uint64_t a, uint64_t b)
{
	if (race->n == RACE_MAX)
		exit(2);
	race->word[race->n++] = (struct race_word){ .at = at, .a = a, .b = b, .size = size };
}

static inline void race_set(const struct race_word *w, uint64_t value)
{
	if (w->size == 8)
		*(volatile uint64_t *)w->at = value;
	else if (w->size == 4)
		*(volatile uint32_t *)w->at = (uint32_t)value;
	else
		*(volatile uint8_t *)w->at = (uint8_t)value;
}

/* Calls nothing that needs a thread's own data: it may run on a bare stack. */
static int race_run(void *unused)
{
	(void)unused;
	for (unsigned turn = 0; !race->stop; turn++) {
		for (size_t i = 0; i < race->n; i++)
			race_set(&race->word[i], turn & (1U << (i % 2)) ? race->word[i].a : race->word[i].b);
		for (unsigned wait = turn % 61 * 16; wait; wait--)
			__builtin_ia32_pause();
		if (turn % 1024 == 0 && attack_now() > race->end)
			break;
	}
	return 0;
}

static inline void *race_run_thread(void *p)
{
	race_run(p);
	return NULL;
}

static inline int race_run_process(void *p)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return race_run(p);
}

static inline void race_start(enum race_who who, double seconds)
{
	race->stop = 0;
	race->end = attack_now() + seconds + 5;
	race_pid = 0;
	if (who == RACE_THREAD) {
		if (pthread_create(&race_thread, NULL, race_run_thread, NULL) != 0)
			exit(2);
	} else if (who == RACE_SHARES_MEMORY) {
		race_pid = clone(race_run_process, race_stack + RACE_STACK, CLONE_VM | SIGCHLD, NULL);
	} else {
		race_pid = fork();
		if (race_pid == 0)
			_exit(race_run_process(NULL));
	}
	if (race_pid < 0)
		exit(2);
}

static inline void race_stop(void)
{
	race->stop = 1;
	if (race_pid)
		waitpid(race_pid, NULL, 0);
	else
		pthread_join(race_thread, NULL);
}

/* A directory beside PREY whose path is as long, all but four letters the same; and a file of each name there. */
static char race_mine[4096];

static inline void race_make(const char *name, const char *text)
{
	char path[4200];
	int fd;

	snprintf(path, sizeof path, "%s/%s", race_mine, name);
	fd = open(path, O_WRONLY | O_CREAT, 0644);
	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		perror(path);
	if (fd >= 0)
		close(fd);
}

static inline void race_make_mine(void)
{
	snprintf(race_mine, sizeof race_mine, "%s", attack_prey);
	memcpy(race_mine + strlen(race_mine) - 4, "mine", 4);
	if (mkdir(race_mine, 0755) < 0 && errno != EEXIST) {
		perror(race_mine);
		exit(2);
	}
}

/* "PREY/name", exchanged with "MINE/name" all the time. */
static inline char *race_path(const char *name)
{
	size_t at = strlen(attack_prey) - 4;
	uint32_t a, b;
	char *p = race_room(at + strlen(name) + 6);

	sprintf(p, "%s/%s", race_mine, name);
	memcpy(&a, race_mine + at, 4);
	memcpy(&b, attack_prey + at, 4);
	race_swap(p + at, 4, a, b);
	return p;
}

#endif
