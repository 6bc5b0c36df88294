#include "inflight.h"

#include <time.h>

#include "base/log.h"
#include "guest.h"

#define WAIT_S 5 /* for the calls of dead guests: a file system that hangs may hold one up for ever */

void inflight_init(struct inflight *f)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->ended, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&f->lock, NULL);
}

void inflight_release(struct inflight *f)
{
	pthread_cond_destroy(&f->ended);
	pthread_mutex_destroy(&f->lock);
}

struct inflight_slot *inflight_slot_new(struct inflight *f)
{
	unsigned i = atomic_load(&f->slots);

	while (i < INFLIGHT_MAX && !atomic_compare_exchange_weak(&f->slots, &i, i + 1))
		;
	return i < INFLIGHT_MAX ? &f->slot[i] : NULL;
}

static void wait_for_end(struct supervisor *sup, struct inflight_slot *s, uint64_t id, struct timespec *until)
{
	struct inflight *f = &sup->inflight;
	bool given_up;
	int e = 0;

	if (!until->tv_sec) {
		clock_gettime(CLOCK_MONOTONIC, until);
		until->tv_sec += WAIT_S;
	}
	pthread_mutex_lock(&f->lock);
	atomic_fetch_add(&f->waiting, 1);
	while (atomic_load(&s->id) == id && atomic_load(&s->given_up) != id && e == 0)
		e = pthread_cond_timedwait(&f->ended, &f->lock, until);
	atomic_fetch_sub(&f->waiting, 1);
	given_up = e && atomic_load(&s->id) == id && atomic_exchange(&s->given_up, id) != id;
	pthread_mutex_unlock(&f->lock);
	/* Whoever reads it may be slow. */
	if (given_up)
		log_warn("a call of a process that was killed has gone on for %d s: the others do not wait for it any more", WAIT_S);
}

void inflight_mark(struct inflight *f, struct work *w)
{
	w->seen = atomic_load(&f->received);
}

bool inflight_begin(struct work *w, bool looks)
{
	struct supervisor *sup = w->call.sup;
	struct inflight *f = &sup->inflight;
	unsigned n = atomic_load(&f->slots);
	struct timespec until = { 0 };   /* for all of them together */

	/* Before it looks for others, so that whom it does not see will look at the number. Not in flight meanwhile: two that wait do not wait for
	 * each other. */
	atomic_fetch_add(&f->received, 1);
	for (unsigned i = 0; i < n; i++) {
		struct inflight_slot *s = &f->slot[i];
		uint64_t id = atomic_load(&s->id);

		if (id && atomic_load_explicit(&s->given_up, memory_order_relaxed) != id && !supervisor_waits(sup, id))
			wait_for_end(sup, s, id, &until);
	}
	w->seen++;   /* this call itself */
	w->looks = looks;
	return inflight_enter(&w->call);
}

void inflight_leave(const struct call *c)
{
	struct inflight *f = &c->sup->inflight;

	if (!atomic_exchange(&work_of(c)->slot->id, 0) || !atomic_load(&f->waiting))
		return;
	pthread_mutex_lock(&f->lock);
	pthread_cond_broadcast(&f->ended);
	pthread_mutex_unlock(&f->lock);
}

bool inflight_acts(const struct call *c)
{
	work_of(c)->looks = false;
	return inflight_enter(c);
}

bool inflight_enter(const struct call *c)
{
	struct work *w = work_of(c);
	unsigned now;

	if (w->looks)
		return true;
	atomic_store(&w->slot->id, c->id);
	now = atomic_load(&c->sup->inflight.received);
	if (now == w->seen)
		return true;
	if (!guest_valid(c)) {
		inflight_leave(c);
		return false;
	}
	w->seen = now;
	return true;
}
