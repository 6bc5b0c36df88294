/* same_cpu.h - a guest that wakes for a moment in the middle of a call, to take a descriptor, wakes on the CPU of the thread that serves it.
 *
 * SECCOMP_IOCTL_NOTIF_ADDFD wakes the guest, which puts the descriptor into its table, wakes us, and sleeps on until its call is answered.
 * The scheduler sends either of the two to an idle CPU if there is one, to be got out of its sleep: on a virtual machine that costs more than
 * the call. (SYNC_WAKE_UP, which keeps the other wake-ups on one CPU, has no say here.) So both may run on this CPU only: the guest for as
 * long as ADDFD takes, the thread until same_cpu_release, as setting it free and back each time would cost as much again.
 *
 *     (same_cpu_begin -> ADDFD -> same_cpu_end -> the answer) ... same_cpu_release
 *
 * The guest executes nothing of its own in between, provided that no signal can break its wait (WAIT_KILLABLE_RECV): without that, do not use
 * it. What cannot be set, as for a guest of another user, is left alone.
 *
 * A thread that is started by one that is held inherits that: let it call same_cpu_start first.
 */
#ifndef COWBOX_TRACE_SAME_CPU_H
#define COWBOX_TRACE_SAME_CPU_H

#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

struct same_cpu {
	pid_t tid;           /* tid: the guest, 0: nothing to put back */
	cpu_set_t here;
	cpu_set_t theirs;    /* theirs: what it may run on otherwise */
};

void same_cpu_begin(struct same_cpu *s, pid_t tid);
void same_cpu_end(struct same_cpu *s);
/* The calling thread may run on `all` again; start says the same of a new thread. */
void same_cpu_start(const cpu_set_t *all);
bool same_cpu_held(void);
void same_cpu_release(void);

#endif
