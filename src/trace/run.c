/* run.c - trace_run: from the options to the command's status.
 *
 *     supervisor (this process) --fork--> reaper --fork--> the command, first of the guests
 *
 * All signals are blocked while it runs and come through a signalfd: ^C and ^Z reach the command by themselves, being of the same process
 * group; what somebody sends to us is passed on.
 */
#include "trace/run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "child.h"
#include "filter.h"
#include "landlock.h"
#include "reaper.h"
#include "base/cred.h"
#include "probe.h"
#include "process_stat.h"
#include "supervisor.h"

#define TELL_AFTER_MS 1000
#define STOPPED_LOOK_MS 100
#define STOPPED_GRACE_MS 1000

struct run {
	struct overlay *ov;
	const struct run_options *opt;
	struct child child;
	struct sock_fprog filter;
	struct supervisor *sup;
	int abi;                  /* abi: Landlock's, asked once */
	pid_t reaper;
	int reports;              /* reports: of the reaper */
	enum run_why why;
	int command;              /* command: pidfd of the command */
	int listener;
	int signals;              /* signals: signalfd */
	int tty;                  /* tty: the terminal when we began in its foreground, else -1 */
	bool hung_up;             /* hung_up: the terminal went away, or somebody said so */
	bool ended;               /* ended: the command has; status is its */
	int stopped_by;           /* stopped_by: the signal that stopped the command while other guests run, 0: none */
	int64_t stopped_at;       /* stopped_at: when that was, as now_ms() */
	bool deserted;            /* deserted: no guest is left */
	bool orphaned;            /* orphaned: the reaper was killed; we do its work as far as we can */
	mode_t umask;             /* umask: ours; the guests have it, while the views' operations work with 0 */
	unsigned ending;          /* ending: how often we were asked to end the guests that are left */
	int64_t tell_at;          /* tell_at: when to say what is waited for, by now_ms(); 0: not, or said already */
	int status;
};

/* ---- walls ---- */

static int open_tree(struct box *box)
{
	char name[40];

	snprintf(name, sizeof name, "layers/%d/tree", box->layer[box->nlayers - 1]);
	return box_open_in(box, name, O_PATH | O_DIRECTORY);
}

static int allow_sockets(const struct run_options *opt, int abi, int ruleset, struct err *err)
{
	for (char *const *p = opt->allow_socket; p && *p; p++) {
		_cleanup_close_ int fd = open(*p, O_PATH | O_CLOEXEC);
		struct stat st;
		int e = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;

		if (e < 0)
			return err_sys(err, e, "--allow-socket=%s", *p);
		if (!S_ISSOCK(st.st_mode))
			return err_set(err, -ENOTSOCK, "--allow-socket=%s: that is no socket", *p);
		e = landlock_allow_socket(abi, ruleset, fd, err);
		if (e < 0)
			return e;
	}
	return 0;
}

static int build_walls(struct run *r, struct err *err)
{
	struct filter_options fo = { .has_signal_scope = landlock_has_scopes(r->abi) };
	_cleanup_close_ int tree = open_tree(overlay_box(r->ov));
	int e;

	if (tree < 0)
		return err_sys(err, tree, "the layer of box %s", overlay_box(r->ov)->name);
	r->child.ruleset = landlock_build(r->abi, &tree, 1, err);
	if (r->child.ruleset < 0)
		return r->child.ruleset;
	e = allow_sockets(r->opt, r->abi, r->child.ruleset, err);
	return e < 0 ? e : filter_build(&fo, &r->filter, err);
}

/* ---- start ---- */

static int open_foreground_tty(void)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (fd >= 0 && tcgetpgrp(fd) != getpgrp()) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Our descriptors serve all guests, so we take as many as we may. The guests keep their own limit: they were forked before. */
static void raise_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
}

static int start_failed(const struct child_shared *s, const struct run_options *opt, enum run_why *ret_why, struct err *err)
{
	const char *name = opt->argv[0];

	if (s->step != CHILD_EXEC)
		return err_sys(err, s->code, "%s", child_step_text(s->step));
	*ret_why = s->code == -ENOENT && !s->no_interpreter ? RUN_NOT_FOUND : RUN_NOT_EXECUTABLE;
	if (s->code == -ENOENT && s->interpreter[0])
		return err_set(err, s->code, "%s: cannot be run: its interpreter %s is not there", name, s->interpreter);
	if (s->code == -ENOENT && s->no_interpreter)
		return err_set(err, s->code, "%s: cannot be run: the loader that it names is not there", name);
	if (s->code == -ENOENT)
		return err_set(err, s->code, "%s: command not found", name);
	if (s->code == -ENOEXEC)
		return err_set(err, s->code, "%s: cannot be run: no program for x86-64 (32-bit programs do not run in a box)", name);
	return err_sys(err, s->code, "%s: cannot be run", name);
}

/* The child's listener, as a descriptor of ours. It cannot send it: sendmsg is trapped already. */
static int fetch_listener(struct run *r, struct err *err)
{
	struct child_shared *s = r->child.shared;

	while (child_wait_state(s, CHILD_START, 100) == -ETIMEDOUT)
		if (waitpid(r->reaper, NULL, WNOHANG) != 0) {
			r->reaper = 0;
			return err_set(err, -EIO, "the command's process was killed before it began");
		}
	if (atomic_load(&s->state) == CHILD_FAILED)
		return start_failed(s, r->opt, &r->why, err);
	r->command = (int)syscall(SYS_pidfd_open, s->pid, 0);
	if (r->command < 0)
		return err_sys(err, -errno, "the command's process");
	r->listener = (int)syscall(SYS_pidfd_getfd, r->command, s->listener, 0);
	if (r->listener < 0)
		return err_sys(err, -errno, "no permission to trace (is kernel.yama.ptrace_scope 2 or 3?)");
	return 0;
}

static int start(struct run *r, struct err *err)
{
	int e;

	r->reaper = reaper_start(&r->child, &r->reports);
	if (r->reaper < 0)
		return err_sys(err, r->reaper, "fork");
	umask(0);
	raise_limit();
	fd_keep_proc();
	e = fetch_listener(r, err);
	if (e < 0)
		return e;
	e = supervisor_new(r->ov, r->opt, r->listener, r->child.shared->unbroken, r->reaper, &r->sup, err);
	if (e == 0)
		e = supervisor_start(r->sup, err);
	if (e == 0)
		child_set_state(r->child.shared, CHILD_GO);
	return e;
}

/* ---- job control ---- */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static pid_t command_pgrp(const struct run *r)
{
	return getpgid(r->child.shared->pid);
}

static void signal_command(const struct run *r, int sig)
{
	syscall(SYS_pidfd_send_signal, r->command, sig, NULL, 0);
}

/* The command stopped; so do we, for whoever watches us. We come back when we are continued. */
static void stop_with_it(struct run *r, int sig)
{
	struct sigaction act = { .sa_handler = SIG_DFL }, old;
	bool had_tty = r->tty >= 0 && tcgetpgrp(r->tty) == command_pgrp(r) && command_pgrp(r) != getpgrp();
	struct pollfd p = { .fd = r->reports, .events = POLLIN };
	sigset_t set;

	/* More news: it may run again already. */
	if (poll(&p, 1, 0) > 0)
		return;
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigaction(sig, &act, &old);
	kill(getpid(), sig);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigaction(sig, &old, NULL);
	if (had_tty && tcgetpgrp(r->tty) == getpgrp())
		tcsetpgrp(r->tty, command_pgrp(r));
	signal_command(r, SIGCONT);
}

/* Whether a guest runs that is not stopped: then the command waits for it, perhaps. */
static bool others_run(const struct run *r)
{
	_cleanup_closedir_ DIR *d = opendir("/proc");

	for (struct dirent *e; d && (e = readdir(d)); ) {
		pid_t pid = atoi(e->d_name);
		struct process_stat st;

		if (pid > 1 && guest_is_ours(r->sup, pid) && process_stat_read(pid, &st) == 0 && !strchr("TtZX", st.state))
			return true;
	}
	return false;
}

/* A stop from the keyboard is for all of the box. Any other may be for a sibling to end, which can do so only while we serve it; but where the command
 * has the terminal, and nobody has woken it for a while, a shell waits to have that back ("suspend"). */
static void command_stopped(struct run *r, int sig)
{
	bool waits = r->tty >= 0 && (sig != SIGSTOP || (tcgetpgrp(r->tty) == command_pgrp(r) && r->stopped_by && now_ms() >= r->stopped_at + STOPPED_GRACE_MS));

	if (!r->stopped_by)
		r->stopped_at = now_ms();
	r->stopped_by = !waits && others_run(r) ? sig : 0;
	if (!r->stopped_by)
		stop_with_it(r, sig);
}

/* ---- what remains after the command ---- */

/* Tells how many they are. Signal 0 only counts. */
static size_t kill_guests(struct run *r, int sig)
{
	_cleanup_closedir_ DIR *d = opendir("/proc");
	size_t n = 0;

	for (struct dirent *e; d && (e = readdir(d)); ) {
		pid_t pid = atoi(e->d_name);

		if (pid > 1 && guest_is_ours(r->sup, pid) && kill(pid, sig) == 0)
			n++;
	}
	return n;
}

/* A prompt that does not come back needs a reason. What ends by itself within that time needs none. */
static void tell_waiting(struct run *r)
{
	size_t n;

	if (!r->tell_at || now_ms() < r->tell_at)
		return;
	r->tell_at = 0;
	n = r->ending || r->deserted ? 0 : kill_guests(r, 0);
	if (n)
		log_say("waiting for %zu process%s that the command left running (Ctrl-C ends %s)", n, n == 1 ? "" : "es",
		        n == 1 ? "it" : "them");
}

/* A shell that was killed leaves the terminal in the hands of a group that is no more: ^C would reach nobody. */
static void give_tty_back(const struct run *r)
{
	pid_t group = r->tty < 0 ? -1 : tcgetpgrp(r->tty);

	if (group > 0 && group != getpgrp() && kill(-group, 0) < 0 && errno == ESRCH)
		tcsetpgrp(r->tty, getpgrp());
}

static void command_ended(struct run *r, int status)
{
	r->ended = true;
	r->status = status;
	r->tell_at = now_ms() + TELL_AFTER_MS;
	give_tty_back(r);
}

/* The command has ended, what it left in the background has not, and somebody wants us to end. */
static void end_guests(struct run *r)
{
	if (r->ending++ == 0)
		log_say("ending the processes that the command left running (again: kill them)");
	kill_guests(r, r->ending > 1 ? SIGKILL : SIGTERM);
}

/* The kernel tells the terminal's session leader, which is us, and its foreground group. A shell in the box would pass it on to its jobs, but it
 * may as well have ended at the first read that failed: so all that it left are told. Who ignores it (nohup) lives on, as it would natively. */
static void pass_hangup(struct run *r)
{
	if (!r->hung_up)
		return;
	kill_guests(r, SIGHUP);
	kill_guests(r, SIGCONT);
}

/* ---- events ---- */

static void on_signal(struct run *r)
{
	struct signalfd_siginfo si;
	bool from_process;

	if (read(r->signals, &si, sizeof si) != sizeof si)
		return;
	/* What the terminal sends goes to the whole foreground group, the command with it. */
	from_process = si.ssi_code <= 0;
	r->hung_up |= si.ssi_signo == SIGHUP;
	switch (si.ssi_signo) {
	case SIGINT: case SIGQUIT: case SIGTERM: case SIGHUP:
		if (r->ended && si.ssi_signo == SIGHUP)
			pass_hangup(r);
		else if (r->ended)
			end_guests(r);
		else if (from_process || (si.ssi_signo == SIGHUP && command_pgrp(r) != getpgrp()))
			signal_command(r, (int)si.ssi_signo);
		break;
	case SIGTSTP:
		if (from_process && !r->ended)
			signal_command(r, SIGTSTP);
		break;
	case SIGUSR1: case SIGUSR2: case SIGALRM:
		if (!r->ended)
			signal_command(r, (int)si.ssi_signo);
		break;
	default:
		break;
	}
}

static void on_report(struct run *r)
{
	struct reaper_report rep;
	ssize_t n = read(r->reports, &rep, sizeof rep);

	if (n < 0 && errno == EINTR)
		return;
	if (n != sizeof rep) {
		/* Killed: its children are ours now, since we are a subreaper too. */
		r->orphaned = true;
		return;
	}
	switch (rep.kind) {
	case REAPER_STOPPED:
		command_stopped(r, WSTOPSIG(rep.status));
		break;
	case REAPER_CONTINUED:
		r->stopped_by = 0;
		break;
	case REAPER_ENDED:
		r->stopped_by = 0;
		command_ended(r, rep.status);
		pass_hangup(r);
		break;
	case REAPER_DESERTED:
		r->deserted = true;
		break;
	}
}

/* Without a reaper: takes what is dead and nothing else, since our workers wait for ptrace stops of the same children. */
static void reap_ourselves(struct run *r)
{
	for (;;) {
		siginfo_t si = { 0 };
		int status;

		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT | __WALL | __WNOTHREAD) < 0 || !si.si_pid)
			break;
		if (si.si_code != CLD_EXITED && si.si_code != CLD_KILLED && si.si_code != CLD_DUMPED)
			break;
		if (waitpid(si.si_pid, &status, __WALL | WNOHANG) == si.si_pid && si.si_pid == r->child.shared->pid)
			command_ended(r, status);
	}
	r->deserted = supervisor_deserted(r->sup);
}

static void drain_wake(struct run *r)
{
	uint64_t n;

	if (read(r->sup->wake_fd, &n, sizeof n) < 0)
		return;
}

/* Serves until no guest is left. */
static void loop(struct run *r)
{
	r->status = SIGKILL;
	while (!r->deserted) {
		struct pollfd p[] = {
			{ .fd = r->orphaned ? -1 : r->reports, .events = POLLIN },
			{ .fd = r->signals, .events = POLLIN },
			{ .fd = r->sup->wake_fd, .events = POLLIN },
		};
		int wait = supervisor_tick(r->sup);

		if (r->orphaned && (wait < 0 || wait > 20))
			wait = 20;
		if (r->stopped_by && (wait < 0 || wait > STOPPED_LOOK_MS))
			wait = STOPPED_LOOK_MS;
		if (r->tell_at && (wait < 0 || wait > TELL_AFTER_MS / 10))
			wait = TELL_AFTER_MS / 10;
		if (poll(p, 3, wait) < 0 && errno != EINTR)
			break;
		if (p[1].revents)
			on_signal(r);
		if (p[2].revents)
			drain_wake(r);
		if (p[0].revents)
			on_report(r);
		if (r->orphaned)
			reap_ourselves(r);
		else if (r->stopped_by)
			command_stopped(r, r->stopped_by);
		tell_waiting(r);
	}
}

/* ---- the whole ---- */

static void run_end(struct run *r)
{
	if (r->sup) {
		supervisor_stop(r->sup);
		supervisor_free(r->sup);
	}
	/* A child that never got its go would sleep for ever. */
	if (r->reaper > 0 && !r->deserted && r->child.shared->pid > 0)
		kill(r->child.shared->pid, SIGKILL);
	fd_closep(&r->listener);
	if (r->reaper > 0)
		waitpid(r->reaper, NULL, 0);
	give_tty_back(r);
	filter_release(&r->filter);
	fd_closep(&r->child.ruleset);
	fd_closep(&r->reports);
	fd_closep(&r->command);
	fd_closep(&r->signals);
	fd_closep(&r->tty);
	if (r->child.shared != MAP_FAILED)
		munmap(r->child.shared, sizeof *r->child.shared);
}

static int run_begin(struct run *r, struct err *err)
{
	void *shared = mmap(NULL, sizeof *r->child.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sigset_t all;
	int e;

	if (shared == MAP_FAILED)
		return err_sys(err, -errno, "starting the command");
	r->child.shared = shared;
	r->child.opt = r->opt;
	r->child.filter = &r->filter;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	r->tty = open_foreground_tty();
	e = build_walls(r, err);
	if (e < 0)
		return e;
	r->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->signals < 0 ? err_sys(err, -errno, "signalfd") : start(r, err);
}

static void take_result(struct run *r, struct run_result *ret)
{
	ret->status = r->status;
	ret->calls = atomic_load(&r->sup->calls);
	ret->refused = TAKE_PTR(r->sup->refused);
	ret->nrefused = r->sup->nrefused;
	r->sup->nrefused = 0;
}

int trace_run(struct overlay *ov, const struct run_options *opt, struct run_result *ret, struct err *err)
{
	struct run r = { .ov = ov, .opt = opt, .reports = -1, .command = -1, .listener = -1, .signals = -1, .tty = -1,
			 .child.ruleset = -1, .child.shared = MAP_FAILED };
	int e;

	memset(ret, 0, sizeof *ret);
	cred_init();
	r.abi = landlock_abi();
	umask(r.umask = umask(077));
	sigaction(SIGCHLD, NULL, &r.child.chld);
	pthread_sigmask(SIG_SETMASK, NULL, &r.child.mask);
	e = run_begin(&r, err);
	if (e == 0) {
		loop(&r);
		if (atomic_load(&r.child.shared->state) == CHILD_FAILED)
			e = start_failed(r.child.shared, opt, &r.why, err);
		supervisor_stop(r.sup);
		take_result(&r, ret);
	}
	ret->why = r.why;
	run_end(&r);
	umask(r.umask);
	pthread_sigmask(SIG_SETMASK, &r.child.mask, NULL);
	return e;
}

bool trace_nested(void)
{
	return probe_nested();
}

void run_result_release(struct run_result *r)
{
	for (size_t i = 0; i < r->nrefused; i++)
		free(r->refused[i].path);
	free(r->refused);
	memset(r, 0, sizeof *r);
}
