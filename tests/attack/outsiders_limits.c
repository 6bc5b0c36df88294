/* Processes outside: their limits, priorities, scheduling, memory, descriptors, name spaces and files of /proc. */
#include "outsiders.h"

#include <linux/kcmp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>

#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE 62
#endif

struct sched_attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static void limits(pid_t pid)
{
	static const int which[] = { RLIMIT_NOFILE, RLIMIT_CORE, RLIMIT_FSIZE, RLIMIT_AS, RLIMIT_CPU };
	struct rlimit old;

	for (size_t i = 0; i < sizeof which / sizeof which[0]; i++) {
		struct rlimit less = { .rlim_cur = 64, .rlim_max = 0 };

		/* no hard limit is lowered, and no soft one to where the victim could not come to its end */
		if (TRY(syscall(SYS_prlimit64, pid, which[i], NULL, &old)) < 0)
			old.rlim_max = RLIM_INFINITY;
		less.rlim_max = old.rlim_max;
		if (which[i] == RLIMIT_AS || which[i] == RLIMIT_FSIZE)
			less.rlim_cur = 1UL << 34;
		else if (which[i] == RLIMIT_CPU)
			less.rlim_cur = 1000;
		TRY(syscall(SYS_prlimit64, pid, which[i], &less, NULL));
		TRY(syscall(SYS_prlimit64, (long)pid | 0x500000000L, which[i], &less, &old));
	}
}

static void scheduling(pid_t pid)
{
	const struct sched_param none = { .sched_priority = 0 }, some = { .sched_priority = 1 };
	struct sched_attributes attr = { .size = 48, .policy = SCHED_BATCH, .nice = 7 };
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	TRY(setpriority(PRIO_PROCESS, (id_t)pid, 5));
	TRY(syscall(SYS_setpriority, 0x300000000L, (long)pid, 6));
	if (pid == attack_victim) {   /* it is alone in its group */
		TRY(setpriority(PRIO_PGRP, (id_t)pid, 7));
		TRY(syscall(SYS_ioprio_set, 2, pid, 2 << 13 | 7));
	}
	TRY(syscall(SYS_ioprio_set, 1, pid, 3 << 13));
	TRY(sched_setaffinity(pid, sizeof one, &one));
	TRY(sched_setscheduler(pid, SCHED_RR, &some));
	TRY(sched_setparam(pid, &some));
	TRY(sched_setscheduler(pid, SCHED_BATCH, &none));
	TRY(sched_setparam(pid, &none));
	TRY(syscall(SYS_sched_setattr, pid, &attr, 0));
	if (pid == attack_victim) {
		TRY(prctl(PR_SCHED_CORE, 2 /* share to */, pid, 0 /* the thread */, 0));
		TRY(prctl(PR_SCHED_CORE, 1 /* create */, pid, 0, 0));
	}
}

static void memory(pid_t pid)
{
	uint64_t word = 0xbad, at = victim_info("memory");
	void *page = (void *)(uintptr_t)(at & ~4095UL);
	const struct iovec ours = { &word, sizeof word }, theirs = { (void *)(uintptr_t)at, sizeof word };
	unsigned long nodes = 1;
	int node = 0, status = 0;

	if (pid == attack_victim) {
		if (TRY(process_vm_readv(pid, &ours, 1, &theirs, 1, 0)) > 0)
			reached("read the victim's memory");
		word = 0xbad;
		TRY(process_vm_writev(pid, &ours, 1, &theirs, 1, 0));
	}
	if (TRY(syscall(SYS_kcmp, pid, getpid(), KCMP_FILE, 0, 0)) >= 0)
		reached("kcmp");
	if (TRY(syscall(SYS_move_pages, pid, 1UL, &page, &node, &status, 2)) >= 0)
		reached("move_pages");
	if (TRY(syscall(SYS_migrate_pages, pid, 8UL, &nodes, &nodes)) >= 0)
		reached("migrate_pages");
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd >= 0) {
		const struct iovec range = { page, 4096 };

		if (TRY(syscall(SYS_process_madvise, fd, &range, 1UL, MADV_COLD, 0)) >= 0)
			reached("process_madvise");
		if (TRY(syscall(SYS_process_madvise, fd, &range, 1UL, MADV_PAGEOUT, 0)) >= 0)
			reached("process_madvise, out");
		TRY(syscall(SYS_process_mrelease, fd, 0));
		for (int n = 0; n < 64; n++) {
			int got = (int)syscall(SYS_pidfd_getfd, fd, n, 0);

			if (got < 0)
				continue;
			reached("pidfd_getfd");
			if (pid == attack_victim && n > 2) {
				TRY(write(got, "attack", 6));
				TRY(fchmod(got, 0777));
			}
			close(got);
		}
		TRY(setns(fd, CLONE_NEWUTS));
		close(fd);
	}
}

static void trace(void *arg)
{
	pid_t pid = *(pid_t *)arg;
	int status;

	if (TRY(ptrace(PTRACE_SEIZE, pid, 0, 0)) == 0) {
		reached("ptrace, seize");
		if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0 && waitpid(pid, &status, __WALL) == pid)
			TRY(ptrace(PTRACE_POKEDATA, pid, (void *)(uintptr_t)victim_info("memory"), 0xbadL));
		ptrace(PTRACE_DETACH, pid, 0, 0);
	} else if (TRY(ptrace(PTRACE_ATTACH, pid, 0, 0)) == 0) {
		reached("ptrace, attach");
	}
}

static void put(pid_t pid, const char *name, const char *text)
{
	static const char *const forms[] = { "/proc/%d/%s", "/proc/%d/task/%d/%s" };
	char path[128];

	for (int form = 0; form < 2; form++) {
		if (form == 0)
			snprintf(path, sizeof path, forms[0], (int)pid, name);
		else
			snprintf(path, sizeof path, forms[1], (int)pid, (int)pid, name);
		for (int how = 0; how < 2; how++) {
			int fd = open(path, (how ? O_RDWR | O_TRUNC : O_WRONLY) | O_NONBLOCK);

			if (fd < 0)
				continue;
			if (!strcmp(name, "mem"))
				TRY(pwrite(fd, "attack!", 8, (off_t)victim_info("memory")));
			else
				TRY(write(fd, text, strlen(text)));
			close(fd);
		}
	}
}

static void files(pid_t pid)
{
	static const char *const files[][2] = {
		{ "comm", "attacked" }, { "oom_score_adj", "500" }, { "oom_adj", "10" }, { "coredump_filter", "0x7f" }, { "timerslack_ns", "99999" },
		{ "loginuid", "1234" }, { "clear_refs", "4" }, { "autogroup", "5" }, { "uid_map", "0 0 1" }, { "gid_map", "0 0 1" },
		{ "setgroups", "deny" }, { "attr/current", "x" }, { "attr/exec", "x" }, { "timens_offsets", "monotonic 1 0" },
		{ "make-it-fail", "1" }, { "fail-nth", "1" }, { "sched", "0" }, { "latency", "erase" }, { "projid_map", "0 0 1" },
	};
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		put(pid, files[i][0], files[i][1]);
	if (pid == attack_victim)
		put(pid, "mem", "");
}

static void spaces(void *arg)
{
	static const char *const names[] = { "uts", "ipc", "net", "mnt", "pid", "user", "cgroup", "time", "pid_for_children" };
	char path[64];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)*(pid_t *)arg, names[i]);
		int fd = open(path, O_RDONLY);

		if (fd < 0)
			continue;
		TRY(setns(fd, 0));
		close(fd);
	}
}

int main(int argc, char **argv)
{
	pid_t pids[8];

	attack_begin(argc, argv);
	size_t n = outsiders(pids);
	for (size_t i = 0; i < n; i++) {
		limits(pids[i]);
		scheduling(pids[i]);
		memory(pids[i]);
		attack_child(trace, &pids[i], 5);
		files(pids[i]);
		attack_child(spaces, &pids[i], 5);
	}
	return attack_end();
}
