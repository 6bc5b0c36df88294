/* h_process.c - calls that act on processes: identity (noted), and priorities, limits and signals (guests only).
 *
 * Process groups and users may span guests and the host, and the group a command starts in is often cowbox's own. What a guest does to
 * a group is therefore done here, to those of its members that are guests.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "guest.h"
#include "h_util.h"

#ifndef PIDFD_SIGNAL_PROCESS_GROUP
#define PIDFD_SIGNAL_PROCESS_GROUP 4
#endif
enum { IOPRIO_PROCESS = 1, IOPRIO_PGRP = 2, IOPRIO_USER = 3 };

/* ---- identity ---- */

/* Noted before the kernel does it. That is early enough: the ids are read anew at the thread's next call, which is after this one. */
static int ids_change(struct call *c, struct answer *a)
{
	guest_ids_changed(c->sup);
	return answer_continue(a);
}

int h_setuid(struct call *c, struct answer *a)
{
	return ids_change(c, a);
}
int h_setgid(struct call *c, struct answer *a)
{
	return ids_change(c, a);
}
int h_setreuid(struct call *c, struct answer *a)
{
	return ids_change(c, a);
}
int h_setregid(struct call *c, struct answer *a)
{
	return ids_change(c, a);
}
int h_setresuid(struct call *c, struct answer *a)
{
	return ids_change(c, a);
}
int h_setresgid(struct call *c, struct answer *a)
{
	return ids_change(c, a);
}
int h_setfsuid(struct call *c, struct answer *a)
{
	return ids_change(c, a);
}
int h_setfsgid(struct call *c, struct answer *a)
{
	return ids_change(c, a);
}
int h_setgroups(struct call *c, struct answer *a)
{
	return ids_change(c, a);
}
int h_capset(struct call *c, struct answer *a)
{
	return ids_change(c, a);
}

/* A child that shares the working directory and the umask (the latter is asked of the kernel from now on), or the descriptors. */
int h_clone(struct call *c, struct answer *a)
{
	if (c->arg[0] & CLONE_FS)
		guest_fs_shared(c->sup);
	if (c->arg[0] & CLONE_FILES)
		guest_files_shared(c->sup);
	return answer_continue(a);
}

/* Sharing ends, with equal values: what is remembered of either side stays true. */
int h_unshare(struct call *c, struct answer *a)
{
	(void)c;
	return answer_continue(a);
}

/* ---- one process ---- */

static int pid_check(const struct call *c, pid_t pid)
{
	if (pid == 0 || pid == c->tgid || pid == c->tid || guest_is_ours(c->sup, pid))
		return 0;
	return pid > 0 && kill(pid, 0) < 0 && errno == ESRCH ? -ESRCH : -EPERM;
}

static int continue_for_pid(struct call *c, struct answer *a, pid_t pid)
{
	int r = pid_check(c, pid);
	return r < 0 ? answer_errno(a, r) : answer_continue(a);
}

/* A pid below 0 is the kernel's to refuse. */
static int scheduling(struct call *c, struct answer *a)
{
	return arg_int(c, 0) < 0 ? answer_continue(a) : continue_for_pid(c, a, arg_int(c, 0));
}

int h_prlimit64(struct call *c, struct answer *a)
{
	return scheduling(c, a);
}
int h_sched_setparam(struct call *c, struct answer *a)
{
	return scheduling(c, a);
}
int h_sched_setscheduler(struct call *c, struct answer *a)
{
	return scheduling(c, a);
}
int h_sched_setaffinity(struct call *c, struct answer *a)
{
	return scheduling(c, a);
}
int h_sched_setattr(struct call *c, struct answer *a)
{
	return scheduling(c, a);
}

/* ---- many processes ---- */

/* Which guests: of a group (pgid > 0), of a user (by_uid), or all but the caller's process. */
struct crowd {
	pid_t pgid;
	bool by_uid;
	uid_t uid;
};

static bool crowd_has(const struct call *c, const struct crowd *which, pid_t pid)
{
	char name[32];
	struct stat st;
	if (which->pgid)
		return getpgid(pid) == which->pgid;
	if (!which->by_uid)
		return pid != c->tgid;
	snprintf(name, sizeof name, "/proc/%d", (int)pid);
	return stat(name, &st) == 0 && st.st_uid == which->uid;
}

typedef int act_fn(pid_t pid, int arg);

/* Success when it succeeded for any. */
static int crowd_act(const struct call *c, const struct crowd *which, act_fn *act, int arg)
{
	_cleanup_closedir_ DIR *d = opendir("/proc");
	int ret = -ESRCH;
	for (struct dirent *e; d && (e = readdir(d));) {
		pid_t pid = atoi(e->d_name);
		if (pid <= 0 || !crowd_has(c, which, pid) || !guest_is_ours(c->sup, pid))
			continue;
		int r = act(pid, arg) < 0 ? -errno : 0;
		if (ret < 0)
			ret = r;
	}
	return ret;
}

static pid_t group_of(const struct call *c, int pgid)
{
	return pgid ? pgid : getpgid(c->tgid);
}

static int act_priority(pid_t pid, int value)
{
	return setpriority(PRIO_PROCESS, (id_t)pid, value);
}
static int act_ioprio(pid_t pid, int value)
{
	return (int)syscall(__NR_ioprio_set, IOPRIO_PROCESS, pid, value);
}
static int act_signal(pid_t pid, int sig)
{
	return kill(pid, sig);
}

static int set_priority(struct call *c, struct answer *a, const int kinds[3], act_fn *act)
{
	int which = arg_int(c, 0), who = arg_int(c, 1);
	if (which == kinds[0])
		return continue_for_pid(c, a, who);
	if (which != kinds[1] && which != kinds[2])
		return answer_continue(a); /* the kernel refuses it */
	struct crowd crowd = { 0 };
	if (which == kinds[1]) {
		crowd.pgid = group_of(c, who);
	} else {
		crowd.by_uid = true;
		crowd.uid = who ? (uid_t)who : cred_fsuid();
	}
	return answer_done(a, crowd_act(c, &crowd, act, arg_int(c, 2)));
}

int h_setpriority(struct call *c, struct answer *a)
{
	return set_priority(c, a, (const int[]){ PRIO_PROCESS, PRIO_PGRP, PRIO_USER }, act_priority);
}

int h_ioprio_set(struct call *c, struct answer *a)
{
	return set_priority(c, a, (const int[]){ IOPRIO_PROCESS, IOPRIO_PGRP, IOPRIO_USER }, act_ioprio);
}

/* ---- signals, where Landlock does not hold them in ---- */

int h_kill(struct call *c, struct answer *a)
{
	int pid = arg_int(c, 0);
	if (pid > 0)
		return continue_for_pid(c, a, pid);
	if (pid == INT_MIN)
		return answer_errno(a, ESRCH);
	struct crowd crowd = { .pgid = pid == -1 ? 0 : group_of(c, -pid) };
	return answer_done(a, crowd_act(c, &crowd, act_signal, arg_int(c, 1)));
}

/* Ids of 0 and less are the kernel's to refuse here. */
static int signal_thread(struct call *c, struct answer *a, int id)
{
	return id <= 0 ? answer_errno(a, EINVAL) : continue_for_pid(c, a, id);
}

int h_tkill(struct call *c, struct answer *a)
{
	return signal_thread(c, a, arg_int(c, 0));
}
int h_tgkill(struct call *c, struct answer *a)
{
	return signal_thread(c, a, arg_int(c, 0));
}
int h_rt_sigqueueinfo(struct call *c, struct answer *a)
{
	return signal_thread(c, a, arg_int(c, 0));
}
int h_rt_tgsigqueueinfo(struct call *c, struct answer *a)
{
	return signal_thread(c, a, arg_int(c, 0));
}

/* The process that a pidfd means, 0 when it has ended, -EBADF when it is no pidfd. */
static int pid_of_pidfd(int pidfd)
{
	char name[48], line[128];
	int pid;
	snprintf(name, sizeof name, "/proc/self/fdinfo/%d", pidfd);
	_cleanup_fclose_ FILE *f = fopen(name, "re");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "Pid: %d", &pid) == 1)
			return pid < 0 ? 0 : pid;
	return -EBADF;
}

/* Sent from here: the guest's number may mean another pidfd by the time the kernel looks. */
int h_pidfd_send_signal(struct call *c, struct answer *a)
{
	siginfo_t info;
	unsigned flags = arg_uint(c, 3);
	_cleanup_close_ int pidfd = guest_fd(c, arg_int(c, 0));
	if (pidfd < 0)
		return answer_errno(a, pidfd);
	int r = pid_of_pidfd(pidfd);
	if (r == 0)
		r = -ESRCH;
	if (r > 0)
		r = pid_check(c, r);
	if (r >= 0 && flags & PIDFD_SIGNAL_PROCESS_GROUP)
		r = -EPERM;
	if (r >= 0 && c->arg[2])
		r = guest_read(c, c->arg[2], &info, sizeof info);
	if (r >= 0)
		r = syscall(__NR_pidfd_send_signal, pidfd, arg_int(c, 1), c->arg[2] ? &info : NULL, flags) < 0 ? -errno : 0;
	return answer_done(a, r);
}

/* ---- fcntl: who gets SIGIO ---- */

static int owner_check(struct call *c, const struct f_owner_ex *o)
{
	if (o->pid == 0)
		return 0;
	if (o->type == F_OWNER_PGRP)
		return -EPERM; /* whoever joins the group later would be signalled too */
	return pid_check(c, o->pid);
}

int h_fcntl(struct call *c, struct answer *a)
{
	struct f_owner_ex o = { .type = F_OWNER_PID };
	int cmd = arg_int(c, 1), r = 0;
	if (cmd != F_SETOWN && cmd != F_SETOWN_EX)
		return answer_continue(a);
	_cleanup_close_ int fd = guest_fd(c, arg_int(c, 0));
	if (fd < 0)
		return answer_errno(a, fd);
	if (cmd == F_SETOWN_EX) {
		r = guest_read(c, c->arg[2], &o, sizeof o);
	} else {
		int who = arg_int(c, 2);
		if (who == INT_MIN)
			return answer_errno(a, EINVAL);
		o.type = who < 0 ? F_OWNER_PGRP : F_OWNER_PID;
		o.pid = who < 0 ? -who : who;
	}
	if (r >= 0)
		r = owner_check(c, &o);
	if (r >= 0 && fcntl(fd, F_SETOWN_EX, &o) < 0)
		r = -errno;
	return answer_done(a, r);
}
