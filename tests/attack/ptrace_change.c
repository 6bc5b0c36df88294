/* A guest as another guest's tracer exchanges calls on their way: number, path pointer or the path itself, at the stops before and after a call
 * (TRACEME, ATTACH, SEIZE, SYSEMU, SET_SYSCALL_INFO), while the supervisor is at work on it, and with calls that a stopped thread is led to make. */
#include "attack.h"

#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#define SYSCALL_STOP (SIGTRAP | 0x80)
#define GET_SYSCALL_INFO 0x420e
#define SET_SYSCALL_INFO 0x4212

/* What a call becomes. A name is put below PREY. */
static const struct change {
	long nr;
	const char *first, *second;
	unsigned long arg1, arg2;
	bool at;
} changes[] = {
	{ SYS_chmod, "program", NULL, 0700, 0, false },
	{ SYS_truncate, "large", NULL, 4096, 0, false },
	{ SYS_open, "private", NULL, O_RDWR | O_TRUNC, 0, false },
	{ SYS_openat, "noted", NULL, O_RDWR | O_TRUNC, 0, true },
	{ SYS_creat, "made", NULL, 0644, 0, false },
	{ SYS_mkdir, "madedir", NULL, 0755, 0, false },
	{ SYS_link, "file", "madehard", 0, 0, false },
	{ SYS_rename, "link", "renamed", 0, 0, false },
	{ SYS_unlink, "hard", NULL, 0, 0, false },
	{ SYS_unlinkat, "dirlink", NULL, 0, 0, true },
	{ SYS_fchmodat, "file", NULL, 0707, 0, true },
	{ SYS_lchown, "file", NULL, 0, 0, false },
	{ SYS_mknod, "madefifo", NULL, S_IFIFO | 0600, 0, false },
};
#define CHANGES (sizeof changes / sizeof changes[0])

/* Tracer and tracee have these at the same addresses. */
static char first[CHANGES][4096], second[CHANGES][4096], own[4096], spare[4096];

static void make_names(void)
{
	for (size_t i = 0; i < CHANGES; i++) {
		snprintf(first[i], sizeof first[i], "%s", prey(changes[i].first));
		snprintf(second[i], sizeof second[i], "%s", changes[i].second ? prey(changes[i].second) : "");
	}
	snprintf(own, sizeof own, "/tmp/attack-ptrace-%d", getpid());
}

static void set_call(struct user_regs_struct *regs, size_t i)
{
	const struct change *c = &changes[i];
	unsigned long a = (unsigned long)first[i], b = c->second ? (unsigned long)second[i] : c->arg1;

	regs->rdi = c->at ? (unsigned long)AT_FDCWD : a;
	regs->rsi = c->at ? a : b;
	regs->rdx = c->at ? b : c->arg2;
	regs->r10 = c->arg2;
}

/* ---- whole calls, at the stop before them ---- */

enum { TRACEME, ATTACH, SEIZE, SYSEMU, SETINFO, AFTER, HOWS };

/* Harmless calls, one for each change, of kinds that the supervisor is asked about and that it is not. */
static void harmless_calls(int rounds)
{
	char text[4096];
	struct stat st;

	for (int i = 0; i < rounds; i++)
		switch (i % 4) {
		case 0: syscall(SYS_getppid); break;
		case 1: syscall(SYS_access, own, F_OK); break;
		case 2: syscall(SYS_getcwd, text, sizeof text); break;
		default: syscall(SYS_stat, own, &st);
		}
}

static bool wanted(long nr)
{
	return nr == SYS_getppid || nr == SYS_access || nr == SYS_getcwd || nr == SYS_stat;
}

struct info {
	uint8_t op;
	uint8_t pad[3];
	uint32_t arch;
	uint64_t ip, sp, nr, args[6], rest[2];
};

static void exchange(pid_t pid, int how, size_t i)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
		return;
	set_call(&regs, i);
	if (how == SETINFO) {
		struct info s = { 0 };

		if (ptrace((enum __ptrace_request)GET_SYSCALL_INFO, pid, (void *)sizeof s, &s) < 0)
			return;
		s.nr = (uint64_t)changes[i].nr;
		s.args[0] = regs.rdi;
		s.args[1] = regs.rsi;
		s.args[2] = regs.rdx;
		s.args[3] = regs.r10;
		if (TRY(ptrace((enum __ptrace_request)SET_SYSCALL_INFO, pid, (void *)88, &s)) == 0)
			return;
	}
	regs.orig_rax = (unsigned long long)changes[i].nr;
	if (how == AFTER || how == SYSEMU) {
		/* back to the instruction, which then makes another call than the one that the kernel knows of */
		regs.rip -= 2;
		regs.rax = regs.orig_rax;
		regs.orig_rax = ~0ULL;
	}
	TRY(ptrace(PTRACE_SETREGS, pid, NULL, &regs));
}

static void whole_calls(void *arg)
{
	const int how = *(const int *)arg;
	int status, pipes[2];
	size_t i = 0;
	bool before = true;

	if (pipe(pipes) < 0)
		return;
	pid_t pid = fork();

	if (pid == 0) {
		char c;

		if (how == TRACEME || how == SYSEMU || how == SETINFO || how == AFTER) {
			ptrace(PTRACE_TRACEME, 0, NULL, NULL);
			raise(SIGSTOP);
		} else {
			close(pipes[1]);
			if (read(pipes[0], &c, 1) < 0)
				_exit(1);
		}
		harmless_calls(CHANGES * 2);
		_exit(0);
	}
	if (how == ATTACH)
		TRY(ptrace(PTRACE_ATTACH, pid, NULL, NULL));
	else if (how == SEIZE)
		TRY(ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
	if (how == SEIZE)
		TRY(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL));
	close(pipes[0]);
	close(pipes[1]);
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return;
	ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	int returns = 0;        /* returns: so many until the call is over that was made of another's return; a skipped call has one of its own */

	for (;;) {
		struct user_regs_struct regs;

		if (ptrace(how == SYSEMU && returns == 0 ? PTRACE_SYSEMU : PTRACE_SYSCALL, pid, NULL, NULL) < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			return;
		if (WSTOPSIG(status) != SYSCALL_STOP)
			continue;
		if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
			return;
		before = (long)regs.rax == -ENOSYS;
		if (returns > 0) {
			returns -= !before;
			continue;
		}
		if (i >= CHANGES) {
			ptrace(PTRACE_CONT, pid, NULL, NULL);
			waitpid(pid, &status, 0);
			return;
		}
		if (!wanted((long)regs.orig_rax) || before != (how != AFTER))
			continue;
		exchange(pid, how, i++);
		returns = how == AFTER ? 1 : how == SYSEMU ? 2 : 0;
	}
}

/* ---- the pointer, or what it points at, of a call that is the right one already ---- */

enum { POINTER, TEXT, POINTER_AFTER, AT_WORK, PATHS_HOWS };

/* On a file of its own, which the box has. */
static void own_calls(char *path)
{
	for (int i = 0; i < 3; i++) {
		int fd = open(path, O_RDWR | O_CREAT, 0644);

		if (fd >= 0)
			close(fd);
		chmod(path, 0604);
		truncate(path, 2);
		unlink(path);
	}
}

static void put_text(pid_t pid, const char *at, const char *text)
{
	for (size_t i = 0; i < strlen(text) + 1; i += sizeof(long)) {
		long word;

		memcpy(&word, text + i, sizeof word);
		ptrace(PTRACE_POKEDATA, pid, at + i, word);
	}
}

static void paths(void *arg)
{
	const int how = *(const int *)arg;
	static char target[4096];
	const int first_arg_is_fd = -100;
	int status;

	snprintf(target, sizeof target, "%s", prey("dir/file"));
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		own_calls(own);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return;
	ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	while (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		struct user_regs_struct regs;

		if (WSTOPSIG(status) != SYSCALL_STOP || ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
			continue;
		const bool before = (long)regs.rax == -ENOSYS;
		unsigned long long *at = (int)regs.rdi == first_arg_is_fd ? &regs.rsi : &regs.rdi;

		if (*at != (unsigned long)own && *at != (unsigned long)target)
			continue;
		if (how == POINTER && before) {
			*at = (unsigned long)target;
			TRY(ptrace(PTRACE_SETREGS, pid, NULL, &regs));
		} else if (how == TEXT && before) {
			put_text(pid, own, target);
		} else if (how == POINTER_AFTER && !before && *at == (unsigned long)own) {
			/* once more, with another path */
			*at = (unsigned long)target;
			regs.rip -= 2;
			regs.rax = regs.orig_rax;
			TRY(ptrace(PTRACE_SETREGS, pid, NULL, &regs));
		} else if (how == AT_WORK && before) {
			/* the tracee waits for the supervisor meanwhile, or is led */
			ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
			for (int n = 0; n < 50; n++) {
				struct user_regs_struct now = regs;

				*(at == &regs.rsi ? &now.rsi : &now.rdi) = (unsigned long)target;
				ptrace(PTRACE_SETREGS, pid, NULL, &now);
				if (waitpid(pid, &status, WNOHANG) == pid)
					break;
				struct iovec from = { target, sizeof target }, to = { own, sizeof own };

				process_vm_writev(pid, &from, 1, &to, 1, 0);
			}
		}
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

/* ---- a guest that the supervisor leads: its directory is the box's own; a tracer attaches in the midst of it ---- */

static void attach_often(pid_t tid)
{
	for (double end = attack_now() + attack_seconds / 4; attack_now() < end;) {
		int status;

		if (ptrace(PTRACE_SEIZE, tid, NULL, PTRACE_O_TRACESYSGOOD) < 0)
			continue;
		for (int n = 0; n < 20; n++) {
			struct user_regs_struct regs;

			ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
			if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
				return;
			if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) == 0 && (long)regs.rax < -511 && (long)regs.rax > -517) {
				/* it is to be restarted: as another call */
				regs.orig_rax = SYS_truncate;
				regs.rdi = (unsigned long)first[1];
				regs.rsi = 1;
				ptrace(PTRACE_SETREGS, tid, NULL, &regs);
			}
			ptrace(PTRACE_SYSCALL, tid, NULL, NULL);
			if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
				return;
			if (WSTOPSIG(status) == SYSCALL_STOP && ptrace(PTRACE_GETREGS, tid, NULL, &regs) == 0 && (long)regs.rax == -ENOSYS && regs.orig_rax != SYS_exit_group) {
				regs.orig_rax = SYS_chmod;
				regs.rdi = (unsigned long)first[0];
				regs.rsi = 0711;
				ptrace(PTRACE_SETREGS, tid, NULL, &regs);
			}
			ptrace(PTRACE_CONT, tid, NULL, NULL);
		}
		ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
		waitpid(tid, &status, __WALL);
		ptrace(PTRACE_DETACH, tid, NULL, NULL);
	}
}

static void led(void *arg)
{
	char dir[4200], fifo[4200];
	int status;
	pid_t pid;

	(void)arg;
	snprintf(dir, sizeof dir, "%s.d", own);
	snprintf(fifo, sizeof fifo, "%s.d/fifo", own);
	mkdir(dir, 0755);
	mkfifo(fifo, 0644);
	pid = fork();
	if (pid == 0) {
		for (;;) {
			int fd;

			chdir(dir);
			fd = open(fifo, O_RDWR | O_NONBLOCK);
			if (fd >= 0)
				close(fd);
			close(open(dir, O_PATH));
			chdir("/");
		}
	}
	attach_often(pid);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	unlink(fifo);
	rmdir(dir);
}

/* ---- another thread of its own: the tracer is led, not the tracee; and /proc/PID/mem in the place of ptrace ---- */

static volatile bool stop;

static void *write_memory(void *arg)
{
	char name[64];
	static char harmless[4096], harmful[4096];
	int fd;

	(void)arg;
	snprintf(name, sizeof name, "/proc/%d/mem", getpid());
	snprintf(harmless, sizeof harmless, "%s", own);
	snprintf(harmful, sizeof harmful, "%s", prey("program"));
	fd = open(name, O_RDWR);
	for (bool turn = false; !stop; turn = !turn)
		if (pwrite(fd, turn ? harmless : harmful, sizeof harmless, (off_t)(uintptr_t)spare) < 0)
			memcpy(spare, turn ? harmless : harmful, sizeof spare);
	close(fd);
	return NULL;
}

static void by_memory(void *arg)
{
	pthread_t t;

	(void)arg;
	memcpy(spare, own, sizeof spare);
	if (pthread_create(&t, NULL, write_memory, NULL) != 0)
		return;
	close(open(own, O_RDWR | O_CREAT, 0644));
	for (double end = attack_now() + attack_seconds / 8; attack_now() < end;) {
		chmod(spare, 0604);
		truncate(spare, 3);
	}
	stop = true;
	pthread_join(t, NULL);
	unlink(own);
}

int main(int argc, char **argv)
{
	attack_begin(argc, argv);
	make_names();
	for (int how = 0; how < HOWS; how++)
		attack_child(whole_calls, &how, 2);
	for (int how = 0; how < PATHS_HOWS; how++)
		attack_child(paths, &how, 2);
	attack_child(led, NULL, 2);
	attack_child(by_memory, NULL, 2);
	unlink(own);
	return attack_end();
}
