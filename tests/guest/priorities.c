/* setpriority, ioprio_set, sched_setparam, sched_setscheduler, sched_setattr and prlimit64: of the caller itself and of its children. */
#include "guest.h"

#include <sched.h>
#include <sys/resource.h>

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static void scheduling(pid_t pid)
{
	struct sched_param zero = { 0 }, one = { .sched_priority = 1 };
	struct attr a = { .size = 48, .policy = SCHED_BATCH, .nice = 9 };

	SHOW(setpriority(PRIO_PROCESS, (id_t)pid, 7));
	SHOW(getpriority(PRIO_PROCESS, (id_t)pid));
	SHOW(setpriority(PRIO_PGRP, 0x7ffffff0, 7));
	SHOW(setpriority(9, 0, 7));
	SHOW(syscall(SYS_sched_setparam, pid, &zero));
	SHOW(syscall(SYS_sched_setparam, pid, &one));
	SHOW(syscall(SYS_sched_setparam, pid, NULL));
	SHOW(syscall(SYS_sched_setscheduler, pid, SCHED_BATCH, &zero));
	SHOW(syscall(SYS_sched_getscheduler, pid));
	SHOW(syscall(SYS_sched_setscheduler, pid, 77, &zero));
	SHOW(syscall(SYS_sched_setattr, pid, &a, 0));
	SHOW(syscall(SYS_sched_setattr, pid, &a, 1));
	SHOW(syscall(SYS_sched_setattr, pid, NULL, 0));
	SHOW(syscall(SYS_ioprio_set, 1, pid, 2 << 13 | 4));
	SHOW(syscall(SYS_ioprio_get, 1, pid));
	SHOW(syscall(SYS_ioprio_set, 1, pid, 5 << 13));
	SHOW(syscall(SYS_ioprio_set, 9, pid, 0));
}

static void limits(pid_t pid)
{
	struct rlimit old, new;

	SHOW(prlimit(pid, RLIMIT_CORE, NULL, &old));
	new = old;
	new.rlim_cur = 0;
	SHOW(syscall(SYS_prlimit64, pid, RLIMIT_CORE, &new, NULL));
	SHOW(syscall(SYS_prlimit64, pid, RLIMIT_CORE, NULL, &new));
	printf("%llu\n", (unsigned long long)new.rlim_cur);
	SHOW(syscall(SYS_prlimit64, pid, RLIMIT_CORE, &old, NULL));
	SHOW(syscall(SYS_prlimit64, pid, 99, NULL, &new));
	SHOW(syscall(SYS_prlimit64, pid, RLIMIT_CORE, (void *)16, NULL));
	new.rlim_cur = 5;
	new.rlim_max = 4;
	SHOW(syscall(SYS_prlimit64, pid, RLIMIT_CORE, &new, NULL));
}

int main(void)
{
	pid_t pid = fork(), gone;

	if (pid == 0)
		for (;;)
			pause();
	printf("-- a child\n");
	scheduling(pid);
	limits(pid);
	printf("-- itself\n");
	limits(0);
	scheduling(0);
	gone = pid;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	printf("-- nobody\n");
	SHOW(setpriority(PRIO_PROCESS, (id_t)gone, 7));
	SHOW(syscall(SYS_sched_setparam, -1, NULL));
	SHOW(syscall(SYS_prlimit64, -1, RLIMIT_CORE, NULL, NULL));
	return 0;
}
