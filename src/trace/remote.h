/* remote.h - one guest thread held by ptrace, made to run system calls for us.
 *
 *     remote_seize -> (the notification is answered) -> remote_stop -> remote_call ... -> remote_release
 *
 * (R1) All requests come from the thread that seized; it waits with __WNOTHREAD, so that nobody else's stop is taken.
 * (R2) Every wait ends when the tracee dies: each function then returns -ESRCH, and nothing but remote_release may follow.
 * (R3) While it is held the tracee's signals are blocked; what came nevertheless is delivered by remote_release, with its siginfo.
 * (R4) A system call that the tracee runs for us traps again: it is announced in the steer_table first, by number and arguments, and
 *      the worker that receives it lets it run.
 */
#ifndef COWBOX_TRACE_REMOTE_H
#define COWBOX_TRACE_REMOTE_H

#include <signal.h>
#include <sys/user.h>
#include "supervisor.h"

struct expectation;
int steer_table_new(struct steer_table **ret);
void steer_table_free(struct steer_table *t);
/* True when this call is one that a steered thread was told to make. */
bool steer_table_expects(struct steer_table *t, pid_t tid, long nr, const uint64_t arg[6]);
/* True when tid is being steered now. */
bool steer_table_has(struct steer_table *t, pid_t tid);

struct remote {
	struct supervisor *sup;
	pid_t tid, tgid;
	struct expectation *expected;   /* expected: our entry in the steer_table, owned */
	bool dead, held;
	struct user_regs_struct regs;   /* regs: of the first stop; remote_release puts them back */
	uint64_t sigmask;               /* sigmask: the tracee's own */
	bool masked;
	int signal;                     /* signal: taken off the tracee, to be given back; 0 for none */
	siginfo_t info;
	bool stop_again;                /* stop_again: a SIGSTOP was taken off */
	bool execed;                    /* execed: regs are those of a new image */
};

/* 0; -EPERM: someone else traces it (or we may not); -ESRCH: gone. */
int remote_seize(struct remote *r, struct supervisor *sup, pid_t tid, pid_t tgid);
/* Asks it to stop as soon as it leaves the kernel (before the notification is answered). */
int remote_interrupt(struct remote *r);
/* Waits for that stop and fills regs. */
int remote_stop(struct remote *r);
/* Runs one call at the tracee's own syscall instruction; *ret_value is what it returned. interruptible: the tracee's signal mask holds
 * while the call runs, for calls that may sleep. After a successful exec execed is set and regs are the new image's. */
int remote_call(struct remote *r, long nr, const uint64_t arg[6], bool interruptible, int64_t *ret_value);
int remote_read(struct remote *r, uint64_t addr, void *buf, size_t size);
/* Writes what the tracee itself could write, nothing more. */
int remote_write(struct remote *r, uint64_t addr, const void *buf, size_t size);
/* As remote_write, but also into text. */
int remote_poke(struct remote *r, uint64_t addr, const void *buf, size_t size);
/* Lets it go on with regs as they stand in r->regs. */
void remote_release(struct remote *r);

#endif
