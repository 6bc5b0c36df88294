/* same_cpu.h - a guest that wakes for a moment in the middle of a call, to take a descriptor, wakes on the CPU of the thread that serves it.
 *
 * SECCOMP_IOCTL_NOTIF_ADDFD wakes the guest, which puts the descriptor into its table, wakes us, and sleeps on until its call is answered.
 * The scheduler sends either of the two to an idle CPU if there is one, to be got out of its sleep: on a virtual machine that costs more than
 * the call. (SYNC_WAKE_UP, which keeps the other wake-ups on one CPU, has no say here.) So both may run on this CPU only, for as long.
 *
 *     same_cpu_begin -> ADDFD -> same_cpu_end -> the answer
 *
 * The guest executes nothing of its own in between, provided that no signal can break its wait (WAIT_KILLABLE_RECV): without that, do not use
 * it. What cannot be set, as for a guest of another user, is left alone.
 */
#ifndef COWBOX_TRACE_SAME_CPU_H
#define COWBOX_TRACE_SAME_CPU_H

#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

struct same_cpu {
	pid_t tid;                 /* tid: the guest, 0: nothing to put back */
	cpu_set_t here;
	cpu_set_t theirs, ours;    /* theirs, ours: what each may run on otherwise */
};

void same_cpu_begin(struct same_cpu *s, pid_t tid);
void same_cpu_end(struct same_cpu *s);

#endif
