/* same_cpu.c - see same_cpu.h. */
#include "same_cpu.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* Of the calling thread. held: the CPU it is held on, or -1. */
static _Thread_local int held = -1;
static _Thread_local cpu_set_t ours;

static int cpus_online(void)
{
	static _Atomic int known;   /* sysconf reads files */
	int n = atomic_load_explicit(&known, memory_order_relaxed);

	if (n == 0) {
		n = (int)sysconf(_SC_NPROCESSORS_ONLN);
		atomic_store_explicit(&known, n, memory_order_relaxed);
	}
	return n;
}

/* A mask of all CPUs there are is given back as all CPUs that could be, as it was: one may be plugged in. */
static void put_back(pid_t tid, const cpu_set_t *set)
{
	cpu_set_t all;

	if (CPU_COUNT(set) < cpus_online()) {
		sched_setaffinity(tid, sizeof *set, set);
		return;
	}
	memset(&all, 0xff, sizeof all);
	sched_setaffinity(tid, sizeof all, &all);
}

static bool hold(int cpu, const cpu_set_t *here)
{
	if (held == cpu)
		return true;
	if (sched_setaffinity(0, sizeof *here, here) < 0)
		return false;
	held = cpu;
	return true;
}

void same_cpu_begin(struct same_cpu *s, pid_t tid)
{
	int cpu = sched_getcpu();

	s->tid = 0;
	if (cpu < 0 || cpu >= CPU_SETSIZE || CPU_COUNT(&ours) < 2 || !CPU_ISSET(cpu, &ours))
		return;
	if (sched_getaffinity(tid, sizeof s->theirs, &s->theirs) < 0 || CPU_COUNT(&s->theirs) < 2 || !CPU_ISSET(cpu, &s->theirs))
		return;
	CPU_ZERO(&s->here);
	CPU_SET(cpu, &s->here);
	if (hold(cpu, &s->here) && sched_setaffinity(tid, sizeof s->here, &s->here) == 0)
		s->tid = tid;
}

void same_cpu_end(struct same_cpu *s)
{
	cpu_set_t now;

	/* Somebody may have set another mask meanwhile, which then holds. */
	if (s->tid && sched_getaffinity(s->tid, sizeof now, &now) == 0 && CPU_EQUAL(&now, &s->here))
		put_back(s->tid, &s->theirs);
}

void same_cpu_start(const cpu_set_t *all)
{
	ours = *all;
	held = 0;
	same_cpu_release();
}

bool same_cpu_held(void)
{
	return held >= 0;
}

void same_cpu_release(void)
{
	if (held >= 0)
		put_back(0, &ours);
	held = -1;
}
