/* inflight.h - the calls that workers carry out, so that nobody overtakes the dead.
 *
 * In the kernel a process that is killed in the middle of a call ends when the call has ended. Here it ends at once, while the worker goes on: whoever
 * learned of the end (by wait, at a pipe) and then looked, would find done later what the dead one had asked for before. So:
 *
 * (F1) A worker that receives a call first waits for those in flight whose guest is gone.
 * (F2) A worker that begins, or goes on after a pause, makes sure that its own guest is still there when others have received since it last
 *      knew: they may have looked for it when it could not be seen.
 *
 * By (F2) a worker may pause: what it does then (read the guest's memory, look up a path, copy a file) has no effect that others could see, may take for
 * ever, and nobody waits for it. Many that wait for the other end of a FIFO or a socket pause too, though each still holds its own end for a moment.
 */
#ifndef COWBOX_TRACE_INFLIGHT_H
#define COWBOX_TRACE_INFLIGHT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <pthread.h>
#include <stdint.h>

struct call;
struct supervisor;
struct work;

#define INFLIGHT_MAX 512      /* workers */

struct inflight_slot {
	alignas(64) _Atomic uint64_t id; /* id: of the notification that its worker carries out, 0: none */
	_Atomic uint64_t given_up; /* given_up: the one that took so long that nobody waits for it any more */
};

struct inflight {
	struct inflight_slot slot[INFLIGHT_MAX];
	_Atomic unsigned slots;       /* slots: given to workers */
	_Atomic unsigned received;    /* received: calls, in all; it may wrap */
	_Atomic unsigned waiting;     /* waiting: workers asleep in `ended` */
	pthread_mutex_t lock;
	pthread_cond_t ended;
};

void inflight_init(struct inflight *f);
void inflight_release(struct inflight *f);
/* A slot for a worker, which is its own until the process ends; NULL: there are no more. */
struct inflight_slot *inflight_slot_new(struct inflight *f);

/* Before NOTIF_RECV: whoever calls after this has lived until now. */
void inflight_mark(struct inflight *f, struct work *w);
/* A call was received: (F1), then (F2). looks: it changes nothing, so nobody has to wait for it. False: its guest is gone, and nothing may be done
 * for it. */
bool inflight_begin(struct work *w, bool looks);
/* The worker does nothing from here on that others could see: it pauses, or is about to answer. */
void inflight_leave(const struct call *c);
/* The call that only seemed to look does more. False as inflight_enter. */
bool inflight_acts(const struct call *c);
/* It goes on. False: the guest is gone, and nothing more may be done for it. */
bool inflight_enter(const struct call *c);

#endif
