#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <linux/audit.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cred.h"
#include "base/log.h"
#include "child.h"
#include "guest.h"
#include "remote.h"
#include "h_ipc.h"
#include "inflight.h"
#include "same_cpu.h"
#include "steer.h"
#include "table.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

#define STOP_SIGNAL (SIGRTMAX - 1)
#define WORKER_STACK (1024 * 1024) /* trees as deep as paths take 160 KB of it, 384 KB in a build with sanitizers and no optimisation */
#define COMPLAINTS_MAX 20
#define TICK_MS 2
#define TICKS_STILL_MAX 50
#define TICKS_ALONE_MAX 50

/* ---- answers ---- */

bool supervisor_waits(const struct supervisor *sup, uint64_t id)
{
	int r;

	do
		r = ioctl(sup->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id);
	while (r < 0 && errno == EINTR);
	return r == 0;
}

static int send_response(const struct call *c, struct seccomp_notif_resp *resp)
{
	inflight_leave(c);
	resp->id = c->id;
	while (ioctl(c->sup->listener, SECCOMP_IOCTL_NOTIF_SEND, resp) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int supervisor_send(const struct call *c, int64_t value, int code, bool go_on)
{
	struct seccomp_notif_resp *resp = work_of(c)->resp;

	memset(resp, 0, c->sup->resp_size);
	resp->val = code ? 0 : value;
	resp->error = -code;
	resp->flags = go_on ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
	return send_response(c, resp);
}

int supervisor_addfd(const struct call *c, int fd, bool cloexec)
{
	struct seccomp_notif_addfd add = {
		.id = c->id, .srcfd = (uint32_t)fd,
		.newfd_flags = cloexec ? O_CLOEXEC : 0,
	};
	struct same_cpu same = { .tid = 0 };
	int r;

	/* While several are at work no CPU is idle, and there is nothing to save. */
	if (c->sup->unbroken && atomic_load_explicit(&c->sup->idle_max, memory_order_relaxed) == 1)
		same_cpu_begin(&same, c->tid);
	do
		r = ioctl(c->sup->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	while (r < 0 && errno == EINTR);
	r = r < 0 ? -errno : r;
	same_cpu_end(&same);
	return r;
}

static void complain(const struct call *c, int code)
{
	unsigned n = atomic_fetch_add(&c->sup->complaints, 1);

	if (n < COMPLAINTS_MAX)
		log_warn("%s of process %d was not served: %s (it got EIO)", c->row ? c->row->name : "a call", c->tgid,
			 strerror(code < 0 ? -code : code));
	else if (n == COMPLAINTS_MAX)
		log_warn("more calls were not served; they are not reported");
}

static void give(struct call *c, struct answer *a)
{
	int r;

	switch (a->kind) {
	case ANSWER_VALUE:
		supervisor_send(c, a->value, 0, false);
		return;
	case ANSWER_ERRNO:
		supervisor_send(c, 0, (int)a->value, false);
		return;
	case ANSWER_CONTINUE:
		supervisor_send(c, 0, 0, true);
		return;
	case ANSWER_FD:
		r = supervisor_addfd(c, a->fd, a->cloexec);
		/* Ours is closed before the guest goes on, not after (so no ADDFD_FLAG_SEND): while it is open the guest's own close
		 * would not be the last, its flock would hold, and what it wrote could not be executed (ETXTBSY). */
		fd_closep(&a->fd);
		if (r >= 0) {
			supervisor_send(c, r, 0, false);
			return;
		}
		break;
	case ANSWER_STEER:
		r = steer_run(c, &a->steer);
		break;
	default:
		r = -EIO;
	}
	/* Its own table may be full; ENOENT and EINPROGRESS: it is gone, or has been answered. */
	if (r < 0 && r != -ENOENT && r != -EINPROGRESS)
		supervisor_send(c, 0, -r, false);
}

static void answer_release(struct answer *a)
{
	fd_closep(&a->fd);
	steer_release(&a->steer);
}

/* ---- one call ---- */

static int call_handle(struct call *c, struct guest *g, struct answer *a)
{
	bool assume = cred_process_is_root() && atomic_load(&c->sup->ids_gen) > 0;
	int r;

	if (!c->row || !c->row->handler)
		return answer_errno(a, ENOSYS);
	if (assume) {
		r = guest_cred(c->sup, g, &c->cred);
		if (r == 0)
			r = cred_assume(&c->cred);
		if (r < 0)
			return r;
	}
	r = c->row->handler(c, a);
	if (assume)
		cred_drop();
	return r;
}

/* For --debug: the call, its first path as it is in the guest's memory by now, and the answer. */
static void tell(const struct call *c, const struct answer *a)
{
	const char *shape = c->row ? c->row->shape : "", *at = strchr(shape, 'p');
	char raw[PATH_MAX] = "", path[PATH_MAX], result[32];

	if (at && guest_read_string(c, c->arg[at - shape], raw, sizeof raw) < 0)
		raw[0] = '\0';
	if (a->kind == ANSWER_VALUE)
		snprintf(result, sizeof result, "%lld", (long long)a->value);
	else if (a->kind == ANSWER_ERRNO)
		snprintf(result, sizeof result, "%s", strerrorname_np((int)a->value));
	else
		snprintf(result, sizeof result, "%s",
			 a->kind == ANSWER_FD ? "a descriptor" : a->kind == ANSWER_CONTINUE ? "goes on natively" : "is steered");
	log_debug("%d %s%s%s: %s", c->tid, c->row ? c->row->name : "?", *raw ? " " : "", path_printable(raw, path, sizeof path), result);
}

/* Calls that change nothing, by their number and the flags that a register holds. */
static bool only_looks(const struct call *c)
{
	switch (c->nr) {
	case SYS_stat: case SYS_lstat: case SYS_fstat: case SYS_newfstatat: case SYS_statx: case SYS_statfs:
	case SYS_access: case SYS_faccessat: case SYS_faccessat2: case SYS_readlink: case SYS_readlinkat:
	case SYS_getcwd: case SYS_chdir: case SYS_fchdir:
	case SYS_getxattr: case SYS_lgetxattr: case SYS_fgetxattr: case SYS_listxattr: case SYS_llistxattr: case SYS_flistxattr:
	case SYS_execve: case SYS_execveat:   /* the guest itself does it */
		return true;
	case SYS_open:
		return !(c->arg[1] & (O_ACCMODE | O_CREAT | O_TRUNC));
	case SYS_openat:
		return !(c->arg[2] & (O_ACCMODE | O_CREAT | O_TRUNC));
	default:
		return false;
	}
}

static void serve(struct supervisor *sup, struct work *w)
{
	const struct seccomp_notif *n = w->notif;
	struct call *c = &w->call;
	struct answer a = { .kind = ANSWER_ERRNO, .value = ENOSYS, .fd = -1 };
	bool fresh;
	int r;

	c->sup = sup;
	c->ov = sup->ov;
	c->id = n->id;
	c->tid = (pid_t)n->pid;
	c->nr = n->data.nr;
	memcpy(c->arg, n->data.args, sizeof c->arg);
	a.steer.fd[0] = a.steer.fd[1] = a.steer.fd_field = -1;
	if (steer_table_expects(sup->steered, c->tid, c->nr, c->arg)) {
		supervisor_send(c, 0, 0, true);
		return;
	}
	if (!inflight_begin(w, only_looks(c)))
		return;
	c->row = n->data.arch == AUDIT_ARCH_X86_64 ? syscall_lookup(c->nr) : NULL;
	w->guest = guest_get_fresh(sup, c->tid, &fresh);
	/* While a new entry was made its number may have changed hands; an older one that lives is the caller. Who is gone needs no
	 * answer; else we could not look at it. */
	if (!w->guest || (fresh && !guest_valid(c))) {
		c->tgid = c->tid;
		if (guest_valid(c))
			complain(c, EMFILE);
		supervisor_send(c, 0, EIO, false);
		guest_put(sup, w->guest);
		return;
	}
	c->tgid = guest_tgid(w->guest);
	r = call_handle(c, w->guest, &a);
	if (r < 0) {
		if (guest_valid(c))
			complain(c, r);
		answer_errno(&a, EIO);
	}
	if (log_level >= LOG_DEBUG)
		tell(c, &a);
	give(c, &a);
	inflight_leave(c);
	answer_release(&a);
	guest_put(sup, w->guest);
	w->guest = NULL;
	atomic_fetch_add_explicit(&sup->calls, 1, memory_order_relaxed);
	if (atomic_load_explicit(&sup->last_tid, memory_order_relaxed) != c->tid) {
		atomic_store_explicit(&sup->last_tid, c->tid, memory_order_relaxed);
		atomic_fetch_add_explicit(&sup->turns, 1, memory_order_relaxed);
	}
}

/* ---- the pool ---- */

bool supervisor_deserted(const struct supervisor *sup)
{
	struct pollfd p = { .fd = sup->listener, .events = 0 };

	return poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR | POLLNVAL);
}

static void wake_main(struct supervisor *sup)
{
	uint64_t one = 1;

	if (atomic_exchange(&sup->asleep, false) && write(sup->wake_fd, &one, sizeof one) < 0)
		return;
}

/* Held on one CPU, a thread does not follow a guest that has moved to another: not for longer than a tick, and not among several guests. */
static void let_move(const struct supervisor *sup, unsigned *seen)
{
	unsigned now = atomic_load_explicit(&sup->ticks, memory_order_relaxed);

	if (same_cpu_held() && (*seen != now || atomic_load_explicit(&sup->idle_max, memory_order_relaxed) > 1))
		same_cpu_release();
	*seen = now;
}

/* True: received. False: this thread is to end. */
static bool receive(struct supervisor *sup, struct work *w)
{
	for (;;) {
		int r, e;

		memset(w->notif, 0, sup->notif_size);
		inflight_mark(&sup->inflight, w);
		atomic_fetch_add(&sup->idle, 1);
		r = atomic_load(&sup->stop) ? -1 : ioctl(sup->listener, SECCOMP_IOCTL_NOTIF_RECV, w->notif);
		e = errno;
		/* From here until the next receive this thread serves; when it is the last one, the tick watches over it. */
		if (atomic_fetch_sub(&sup->idle, 1) == 1 && atomic_load(&sup->asleep))
			wake_main(sup);
		if (atomic_load(&sup->stop))
			return false;
		if (r == 0)
			return true;
		/* ENOENT: that guest was killed; or, since Linux 6.11, there is none any more. */
		if (e != EINTR && e != ENOENT)
			return false;
		if (e == ENOENT && supervisor_deserted(sup))
			return false;
	}
}

/* Too many in NOTIF_RECV: sleep until called. False: end. */
static bool park(struct supervisor *sup)
{
	if (atomic_load(&sup->idle) < atomic_load_explicit(&sup->idle_max, memory_order_relaxed))
		return !atomic_load(&sup->stop);
	pthread_mutex_lock(&sup->lock);
	sup->parked++;
	while (!atomic_load(&sup->stop) && sup->wanted == 0)
		pthread_cond_wait(&sup->unpark, &sup->lock);
	sup->parked--;
	if (sup->wanted > 0)
		sup->wanted--;
	pthread_mutex_unlock(&sup->lock);
	return !atomic_load(&sup->stop);
}

static void *worker_main(void *arg)
{
	struct supervisor *sup = arg;
	/* A umask of its own, which the overlay sets to the guest's before it makes anything: without that two guests' masks would mix. */
	struct work *w = unshare(CLONE_FS) < 0 ? NULL : calloc(1, sizeof *w);
	unsigned tick = 0;

	same_cpu_start(&sup->cpus);
	child_capabilities_serve();
	if (w) {
		w->notif = calloc(1, sup->notif_size);
		w->resp = calloc(1, sup->resp_size);
		w->slot = inflight_slot_new(&sup->inflight);
		while (w->notif && w->resp && w->slot && park(sup) && receive(sup, w)) {
			serve(sup, w);
			let_move(sup, &tick);
		}
		free(w->notif);
		free(w->resp);
		free(w);
	}
	wake_main(sup);
	/* The last touch: with no thread left the supervisor may be freed. */
	pthread_mutex_lock(&sup->lock);
	sup->threads--;
	pthread_mutex_unlock(&sup->lock);
	return NULL;
}

/* The lock is held. */
static int spawn(struct supervisor *sup)
{
	pthread_attr_t attr;
	pthread_t id;
	int e;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, WORKER_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sup->threads++;
	e = pthread_create(&id, &attr, worker_main, sup);
	if (e)
		sup->threads--;
	pthread_attr_destroy(&attr);
	return -e;
}

/* Another receiver, from those parked or new. */
static void reinforce(struct supervisor *sup)
{
	unsigned blocked = atomic_load(&sup->blocked);

	if (blocked > SUPERVISOR_BLOCKED_MAX)
		blocked = SUPERVISOR_BLOCKED_MAX;
	pthread_mutex_lock(&sup->lock);
	if (sup->parked > sup->wanted) {
		sup->wanted++;
		pthread_cond_signal(&sup->unpark);
	} else if (sup->threads - sup->parked < SUPERVISOR_BUSY_MAX + blocked) {
		spawn(sup);
	}
	pthread_mutex_unlock(&sup->lock);
}

void supervisor_block_begin(struct supervisor *sup)
{
	atomic_fetch_add(&sup->blocked, 1);
	if (atomic_load(&sup->idle) == 0)
		reinforce(sup);
}

void supervisor_block_end(struct supervisor *sup)
{
	atomic_fetch_sub(&sup->blocked, 1);
}

/* For one guest thread at work: a single receiver, woken on the guest's CPU, as they take turns. For several: as many receivers as can run
 * beside them, woken where they slept, since on the guest's CPU they would queue behind one another while others idle. Waking on the same CPU is
 * of Linux 6.6; elsewhere only the number changes. */
static void set_crowded(struct supervisor *sup, bool crowded)
{
	atomic_store(&sup->idle_max, crowded ? sup->crowd : 1);
	(void)!ioctl(sup->listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, crowded ? 0 : SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	if (crowded)
		reinforce(sup);
}

/* Looks how often the caller changed since the last tick. A shell and the programs it starts take turns too, but seldom. */
static void tune(struct supervisor *sup, uint64_t calls)
{
	unsigned turns = atomic_load_explicit(&sup->turns, memory_order_relaxed);
	bool crowded = (turns - sup->last_turns) * 8ull > calls;

	sup->last_turns = turns;
	sup->alone = crowded ? 0 : sup->alone + 1;
	if (crowded != (atomic_load(&sup->idle_max) > 1) && (crowded ? sup->crowd > 1 : sup->alone > TICKS_ALONE_MAX))
		set_crowded(sup, crowded);
}

int supervisor_tick(struct supervisor *sup)
{
	uint64_t calls = atomic_load(&sup->calls);
	bool moved = calls != sup->last_calls;

	if (atomic_load(&sup->stop))
		return -1;
	atomic_fetch_add(&sup->ticks, 1);
	if (moved)
		tune(sup, calls - sup->last_calls);
	sup->last_calls = calls;
	if (atomic_load(&sup->idle) == 0) {
		/* All are busy, for at least a tick when nothing moved. */
		if (!moved)
			reinforce(sup);
		sup->still = 0;
		return TICK_MS;
	}
	sup->still = moved ? 0 : sup->still + 1;
	if (sup->still < TICKS_STILL_MAX)
		return TICK_MS;
	atomic_store(&sup->asleep, true);
	/* One may have become busy before it could see that we sleep. */
	if (atomic_load(&sup->idle) == 0 && atomic_exchange(&sup->asleep, false))
		return TICK_MS;
	return -1;
}

/* ---- refusals ---- */

static void refusal_add(struct supervisor *sup, const char *comm, const char *what, const char *path, int code)
{
	struct run_refusal *grown, *r;

	for (size_t i = 0; i < sup->nrefused; i++) {
		r = &sup->refused[i];
		if (r->code == code && strcmp(r->what, what) == 0 && strcmp(r->comm, comm) == 0 &&
		    (path ? r->path && strcmp(r->path, path) == 0 : !r->path)) {
			r->times++;
			return;
		}
	}
	if (sup->nrefused >= SUPERVISOR_REFUSALS_MAX)
		return;
	grown = realloc(sup->refused, (sup->nrefused + 1) * sizeof *grown);
	if (!grown)
		return;
	sup->refused = grown;
	r = &grown[sup->nrefused++];
	memset(r, 0, sizeof *r);
	strncpy(r->what, what, sizeof r->what - 1);
	strncpy(r->comm, comm, sizeof r->comm - 1);
	r->path = path ? strdup(path) : NULL;
	r->code = code;
	r->times = 1;
}

void supervisor_refused(const struct call *c, const char *what, const char *path, int code)
{
	struct caller who;

	guest_caller(c, false, &who);
	if (path && !*path)
		path = NULL;
	pthread_mutex_lock(&c->sup->refused_lock);
	refusal_add(c->sup, who.comm ? who.comm : "", what, path, code < 0 ? -code : code);
	pthread_mutex_unlock(&c->sup->refused_lock);
}

const struct run_options *supervisor_options(const struct call *c)
{
	return c->sup->opt;
}

/* ---- life ---- */

static void interrupted(int sig)
{
	(void)sig;
}

static int notif_sizes(struct supervisor *sup)
{
	struct seccomp_notif_sizes sizes;

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
		return -errno;
	sup->notif_size = sizes.seccomp_notif > sizeof(struct seccomp_notif) ? sizes.seccomp_notif : sizeof(struct seccomp_notif);
	sup->resp_size = sizes.seccomp_notif_resp > sizeof(struct seccomp_notif_resp) ? sizes.seccomp_notif_resp
											: sizeof(struct seccomp_notif_resp);
	return 0;
}

int supervisor_new(struct overlay *ov, const struct run_options *opt, int listener, bool unbroken, pid_t reaper,
		   struct supervisor **ret, struct err *err)
{
	struct supervisor *sup = calloc(1, sizeof *sup);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int e;

	if (!sup)
		return err_sys(err, -ENOMEM, "starting the supervisor");
	sup->listener = listener;
	sup->unbroken = unbroken;
	sup->ov = ov;
	sup->opt = opt;
	sup->reaper = reaper;
	sup->crowd = cpus < 2 ? 1 : cpus > 4 ? 4 : 2;
	pthread_mutex_init(&sup->lock, NULL);
	pthread_cond_init(&sup->unpark, NULL);
	pthread_mutex_init(&sup->refused_lock, NULL);
	inflight_init(&sup->inflight);
	sup->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (sched_getaffinity(0, sizeof sup->cpus, &sup->cpus) < 0)
		CPU_ZERO(&sup->cpus);
	e = sup->wake_fd < 0 ? -errno : notif_sizes(sup);
	if (e == 0)
		e = guest_table_new(&sup->guests);
	if (e == 0)
		e = steer_table_new(&sup->steered);
	sup->ipc = e == 0 ? ipc_table_new() : NULL;
	if (e == 0 && !sup->ipc)
		e = -ENOMEM;
	if (e < 0) {
		supervisor_free(sup);
		return err_sys(err, e, "starting the supervisor");
	}
	set_crowded(sup, false);
	*ret = sup;
	return 0;
}

int supervisor_start(struct supervisor *sup, struct err *err)
{
	struct sigaction act = { .sa_handler = interrupted };
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = sup->opt->workers ? sup->opt->workers : cpus < 2 ? 2 : (unsigned)cpus;
	sigset_t set;
	int e = 0;

	if (n > SUPERVISOR_BUSY_MAX)
		n = SUPERVISOR_BUSY_MAX;
	/* No SA_RESTART: it ends NOTIF_RECV. The caller has blocked all other signals, and threads inherit that. */
	sigaction(STOP_SIGNAL, &act, NULL);
	sigemptyset(&set);
	sigaddset(&set, STOP_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	pthread_mutex_lock(&sup->lock);
	for (unsigned i = 0; i < n && e == 0; i++)
		e = spawn(sup);
	if (sup->threads > 0)
		e = 0;
	pthread_mutex_unlock(&sup->lock);
	return e < 0 ? err_sys(err, e, "starting the supervisor's threads") : 0;
}

/* Interrupts every thread of ours but the caller; they are detached, so by way of /proc. */
static void interrupt_all(void)
{
	_cleanup_closedir_ DIR *d = opendir("/proc/self/task");
	pid_t self = (pid_t)syscall(SYS_gettid), us = getpid();

	for (struct dirent *e; d && (e = readdir(d)); )
		if (atoi(e->d_name) > 0 && atoi(e->d_name) != self)
			syscall(SYS_tgkill, us, atoi(e->d_name), STOP_SIGNAL);
}

void supervisor_stop(struct supervisor *sup)
{
	unsigned left;

	atomic_store(&sup->stop, true);
	/* Again and again: the signal is lost on a thread that is just about to enter the kernel. */
	for (int tries = 0; tries < 5000; tries++) {
		pthread_mutex_lock(&sup->lock);
		pthread_cond_broadcast(&sup->unpark);
		left = sup->threads;
		pthread_mutex_unlock(&sup->lock);
		if (left == 0)
			return;
		interrupt_all();
		usleep(tries < 20 ? 100 : 1000);
	}
}

void supervisor_free(struct supervisor *sup)
{
	/* A thread that could not be stopped may still look at it. */
	if (!sup || sup->threads > 0)
		return;
	guest_table_free(sup->guests);
	steer_table_free(sup->steered);
	ipc_table_free(sup->ipc);
	for (size_t i = 0; i < sup->nrefused; i++)
		free(sup->refused[i].path);
	free(sup->refused);
	fd_closep(&sup->wake_fd);
	pthread_cond_destroy(&sup->unpark);
	pthread_mutex_destroy(&sup->lock);
	pthread_mutex_destroy(&sup->refused_lock);
	inflight_release(&sup->inflight);
	free(sup);
}
