/* probe.h - what this kernel can do, found by trying. See trace_probe and trace_check in trace/run.h for the whole picture.
 *
 * COWBOX_TEST_WALL_OFF="key,key" in the environment makes the walls with those keys count as missing. It takes nothing away from
 * what guests are put behind; it makes cowbox trap more, or refuse to start.
 */
#ifndef COWBOX_TRACE_PROBE_H
#define COWBOX_TRACE_PROBE_H

#include <stdbool.h>

/* True when the environment names key. */
bool probe_forced_off(const char *key);
/* For filter_options: Landlock keeps signals in the box. */
bool probe_signal_scope(void);
/* True when this process is itself a guest of some cowbox. */
bool probe_nested(void);

/* What a live filter with a listener on a child of ours showed. 0: works; else -errno of what failed. */
struct probe_notify {
	int listener;     /* listener: a filter with NEW_LISTENER */
	int receive;      /* receive: NOTIF_RECV of the child's call */
	int addfd;        /* addfd: ADDFD, then an answer: as supervisor.c does it, so without ADDFD_FLAG_SEND (5.9) */
	int killable;     /* killable: WAIT_KILLABLE_RECV was taken (5.19) */
	int sync_wake_up; /* sync_wake_up: SYNC_WAKE_UP was taken (6.6) */
	int fork;         /* fork: starting the child; when that failed, so did all the others */
};
void probe_notify(struct probe_notify *ret);

/* What could be done to a child of ours. 0, or -errno. */
struct probe_child {
	int seize;        /* seize: PTRACE_SEIZE, INTERRUPT, GETREGS, DETACH */
	int vm_read;      /* vm_read: process_vm_readv of its memory */
	int getfd;        /* getfd: pidfd_getfd */
	int pidfd_thread; /* pidfd_thread: pidfd_open with PIDFD_THREAD (6.9) */
};
void probe_child(struct probe_child *ret);

#endif
