/* A guest that traces another, and changes its calls on their way: number, path and flags, when the call begins; from a harmless one to one that goes at the
 * host's files, and back again afterwards. */
#include "attack.h"

#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31
#endif

static char *paths[2];     /* paths: PREY/file and PREY/new, in memory that both have */

static const struct {
	long nr;
	long arg[4];       /* arg: -2 stands for the first path, -3 for the second */
} calls[] = {
	{ SYS_open, { -2, O_WRONLY | O_TRUNC, 0, 0 } }, { SYS_creat, { -2, 0777, 0, 0 } }, { SYS_openat, { AT_FDCWD, -2, O_WRONLY | O_TRUNC, 0 } },
	{ SYS_unlink, { -2, 0, 0, 0 } }, { SYS_unlinkat, { AT_FDCWD, -2, 0, 0 } }, { SYS_chmod, { -2, 0777, 0, 0 } }, { SYS_truncate, { -2, 1, 0, 0 } },
	{ SYS_rename, { -2, -3, 0, 0 } }, { SYS_link, { -2, -3, 0, 0 } }, { SYS_symlink, { -2, -3, 0, 0 } }, { SYS_mkdir, { -3, 0777, 0, 0 } },
	{ SYS_fchmodat, { AT_FDCWD, -2, 0777, 0 } }, { SYS_mknod, { -3, S_IFREG | 0666, 0, 0 } }, { SYS_utimensat, { AT_FDCWD, -2, 0, 0 } },
	{ SYS_setxattr, { -2, -3, -3, 3 } },
};
#define CALLS (sizeof calls / sizeof calls[0])

/* The harmless calls that are changed: one that the kernel answers, one that is a supervisor's, one that goes on natively after that. */
static const long harmless[] = { SYS_getppid, SYS_access, SYS_open, SYS_chdir };

static void prey_loop(long nr)
{
	for (;;)
		syscall(nr, "/", O_PATH, 0, 0);
}

static long value(long v)
{
	return v == -2 ? (long)(uintptr_t)paths[0] : v == -3 ? (long)(uintptr_t)paths[1] : v;
}

static void change(pid_t pid, size_t i)
{
	struct user_regs_struct r;

	if (ptrace(PTRACE_GETREGS, pid, 0, &r) < 0)
		return;
	r.orig_rax = (unsigned long long)calls[i].nr;
	r.rdi = (unsigned long long)value(calls[i].arg[0]);
	r.rsi = (unsigned long long)value(calls[i].arg[1]);
	r.rdx = (unsigned long long)value(calls[i].arg[2]);
	r.r10 = (unsigned long long)value(calls[i].arg[3]);
	TRY(ptrace(PTRACE_SETREGS, pid, 0, &r));
}

/* how: the request by which it goes on to its next call */
static void trace(long nr, enum __ptrace_request how, bool seize)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (!seize) {
			ptrace(PTRACE_TRACEME, 0, 0, 0);
			raise(SIGSTOP);
		}
		prey_loop(nr);
	}
	if (seize) {
		usleep(2000);
		if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0 || ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0)
			goto end;
	}
	if (waitpid(pid, &status, __WALL) < 0 || !WIFSTOPPED(status))
		goto end;
	for (size_t i = 0; i < 4 * CALLS; i++) {
		if (ptrace(how, pid, 0, 0) < 0 || waitpid(pid, &status, __WALL) < 0 || !WIFSTOPPED(status))
			break;
		/* The stop is one of a beginning or of an end; changing both does no harm to the attack. */
		change(pid, i / 2 % CALLS);
	}
end:
	kill(pid, SIGKILL);
	waitpid(pid, &status, __WALL);
}

static void trace_all(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
		trace(harmless[i], PTRACE_SYSCALL, false);
		trace(harmless[i], PTRACE_SYSCALL, true);
		trace(harmless[i], (enum __ptrace_request)PTRACE_SYSEMU, false);
	}
}

int main(int argc, char **argv)
{
	attack_begin(argc, argv);
	paths[0] = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	paths[1] = paths[0] + 8192;
	strcpy(paths[0], prey("file"));
	strcpy(paths[1], prey("new"));
	attack_child(trace_all, NULL, 10);
	return attack_end();
}
