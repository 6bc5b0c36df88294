/* supervisor.h - the threads that answer the guests' trapped calls.
 *
 *     supervisor_new -> supervisor_start (threads) -> supervisor_tick from the main thread's loop -> supervisor_stop -> supervisor_free
 *
 * Pool: few threads wait in NOTIF_RECV at a time, since each request wakes every waiter. One guest thread at work is served best by one,
 * on its own CPU; the tick lets more in while several are at work. A thread that is going to wait for long (steering, FIFOs) says so by
 * supervisor_block_begin(), which sees to it that another one receives. What blocks without saying so is noticed by the tick. BUSY_MAX
 * threads may be busy, BLOCKED_MAX more may have said that they wait.
 */
#ifndef COWBOX_TRACE_SUPERVISOR_H
#define COWBOX_TRACE_SUPERVISOR_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include "handler.h"
#include "inflight.h"
#include "trace/run.h"

#define SUPERVISOR_BUSY_MAX 64
#define SUPERVISOR_BLOCKED_MAX 448
#define SUPERVISOR_REFUSALS_MAX 1000

_Static_assert(INFLIGHT_MAX == SUPERVISOR_BUSY_MAX + SUPERVISOR_BLOCKED_MAX, "every worker has a slot");

struct guest;
struct guest_table;
struct steer_table;

struct supervisor {
	int listener;                 /* listener: the seccomp notification fd */
	bool unbroken;                /* unbroken: only death ends a guest's wait for its answer (WAIT_KILLABLE_RECV) */
	int wake_fd;                  /* wake_fd: eventfd that ends the main thread's sleep */
	struct overlay *ov;
	const struct run_options *opt;
	pid_t reaper;                 /* reaper: the process that every guest descends from */
	struct guest_table *guests;
	struct steer_table *steered;
	struct ipc_table *ipc;
	cpu_set_t cpus;               /* cpus: what we may run on */
	size_t notif_size, resp_size; /* sizes that this kernel uses for the two structs */

	pthread_mutex_t lock;         /* lock: guards the fields down to `parked` */
	pthread_cond_t unpark;
	unsigned threads;             /* threads: alive */
	unsigned parked;              /* parked: asleep in unpark */
	unsigned wanted;              /* wanted: parked ones that were called */
	unsigned crowd;               /* crowd: receivers while several guest threads are at work */

	_Atomic unsigned idle_max;    /* idle_max: more receivers than this park themselves */
	_Atomic pid_t last_tid;       /* last_tid: who called last */
	_Atomic unsigned ticks;       /* ticks: of the main thread, until now */
	_Atomic unsigned turns;       /* turns: calls that came from another thread than the one before */
	_Atomic unsigned idle;        /* idle: threads in NOTIF_RECV */
	_Atomic unsigned blocked;     /* blocked: threads that said they wait */
	_Atomic uint64_t calls;       /* calls: answered */
	_Atomic bool stop;
	_Atomic bool asleep;          /* asleep: the main thread does not tick now */
	_Atomic bool mirrors_lent;    /* mirrors_lent: a guest may have the mirror of a host directory as working directory or descriptor */
	_Atomic unsigned ids_gen;     /* ids_gen: 0 until a guest changes its ids; then counts the changes */
	_Atomic unsigned complaints;  /* complaints: failures of ours that were logged */
	struct inflight inflight;

	pthread_mutex_t refused_lock;
	struct run_refusal *refused;
	size_t nrefused;

	uint64_t last_calls;          /* last_calls, last_turns: what the last tick saw */
	unsigned last_turns;
	unsigned alone;               /* alone: ticks in a row in which one guest thread had it to itself */
	unsigned still;               /* still: ticks in a row without a call */
};

/* What a worker carries through one call; handlers see the first member. */
struct work {
	struct call call;
	struct guest *guest;
	void *notif, *resp;           /* buffers of the kernel's sizes, the worker's */
	struct inflight_slot *slot;
	bool looks;                   /* looks: the call changes nothing */
	unsigned seen;                /* seen: how many calls had been received when the guest was last known to wait (inflight.c) */
};
static inline struct work *work_of(const struct call *c) { return (struct work *)(uintptr_t)c; }

int supervisor_new(struct overlay *ov, const struct run_options *opt, int listener, bool unbroken, pid_t reaper,
		   struct supervisor **ret, struct err *err);
int supervisor_start(struct supervisor *sup, struct err *err);
/* Starts another thread when all are busy and nothing moves. Returns the milliseconds until it wants to be called again, -1: until
 * wake_fd becomes readable. */
int supervisor_tick(struct supervisor *sup);
/* True when the last thread that is under the filter has gone. */
bool supervisor_deserted(const struct supervisor *sup);
/* Ends the threads. Call it when no guest is left, or to fail closed. */
void supervisor_stop(struct supervisor *sup);
void supervisor_free(struct supervisor *sup);

void supervisor_block_begin(struct supervisor *sup);
void supervisor_block_end(struct supervisor *sup);

/* True while that call waits for its answer: its guest lives. */
bool supervisor_waits(const struct supervisor *sup, uint64_t id);
/* Answers to the kernel. What was to be done for the call is done. 0; -ENOENT: the notification is gone. */
int supervisor_send(const struct call *c, int64_t value, int code, bool go_on);
/* Puts fd into the guest. Returns its number there, or -errno (-ENOENT: gone). */
int supervisor_addfd(const struct call *c, int fd, bool cloexec);

#endif
