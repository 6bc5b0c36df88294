/* old_kernel.c - runs a command that sees an older kernel: its Landlock has a lower ABI, and what came later is not there.
 *
 *     old_kernel ABI[,addfd-send][,killable][,sync][,pidfd-thread] COMMAND ARG...
 *
 * ABI: of Landlock, 0 for none. The words name features that are missing. It is done from outside, by a filter and by ptrace of the command's own
 * threads (not of its children): the program under test has no switch that makes it believe in an older kernel. A rule set is refused when
 * it asks for what that ABI does not know, as that kernel would.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NR_CREATE_RULESET = 444, NR_PIDFD_OPEN = 434 };
enum { WITHOUT_SEND = 1, WITHOUT_KILLABLE = 2, WITHOUT_SYNC = 4, WITHOUT_THREAD = 8 };
enum { ADDFD_SEND = 2 };
#define IOC_SET_FLAGS SECCOMP_IOW(4, uint64_t)

static const struct {
	const char *name;
	unsigned bit;
} features[] = {
	{ "addfd-send", WITHOUT_SEND },
	{ "killable", WITHOUT_KILLABLE },
	{ "sync", WITHOUT_SYNC },
	{ "pidfd-thread", WITHOUT_THREAD },
};

static int abi;
static unsigned without;

static int parse(char *text)
{
	abi = (int)strtol(text, &text, 10);
	for (char *p = strtok(text, ","); p; p = strtok(NULL, ",")) {
		size_t i = 0;

		while (i < sizeof features / sizeof features[0] && strcmp(p, features[i].name))
			i++;
		if (i == sizeof features / sizeof features[0])
			return -1;
		without |= features[i].bit;
	}
	return abi < 0 ? -1 : 0;
}

/* ---- the filter: what can be told from numbers is refused, the rest is shown to the tracer ---- */

static struct sock_filter code[64];
static unsigned short ncode;

static void put(unsigned short op, uint32_t k, uint8_t jt, uint8_t jf)
{
	code[ncode++] = (struct sock_filter){ op, jt, jf, k };
}

/* Call nr whose argument has all of mask's bits set as in value; the accumulator holds the number before and after. */
static void rule(unsigned nr, int arg, uint32_t mask, uint32_t value, uint32_t action)
{
	put(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 5);
	put(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * (unsigned)arg, 0, 0);
	put(BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
	put(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
	put(BPF_RET | BPF_K, action, 0, 0);
	put(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
}

static int filter(void)
{
	uint32_t inval = SECCOMP_RET_ERRNO | EINVAL;

	put(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	for (unsigned nr = NR_CREATE_RULESET; nr < NR_CREATE_RULESET + 3 && !abi; nr++)
		rule(nr, 0, 0, 0, SECCOMP_RET_ERRNO | ENOSYS);
	rule(NR_CREATE_RULESET, 0, 0, 0, SECCOMP_RET_TRACE);
	if (without & WITHOUT_SEND)
		rule(SYS_ioctl, 1, ~0U, SECCOMP_IOCTL_NOTIF_ADDFD, SECCOMP_RET_TRACE);
	if (without & WITHOUT_SYNC)
		rule(SYS_ioctl, 1, ~0U, IOC_SET_FLAGS, inval);
	if (without & WITHOUT_KILLABLE)
		rule(SYS_seccomp, 1, 1U << 5, 1U << 5, inval);
	if (without & WITHOUT_THREAD)
		rule(NR_PIDFD_OPEN, 1, 0200 /* O_EXCL */, 0200, inval);
	put(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);

	struct sock_fprog prog = { .len = ncode, .filter = code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

/* ---- the tracer ---- */

static int peek(pid_t pid, uint64_t addr, void *buf, size_t size)
{
	struct iovec local = { buf, size }, remote = { (void *)(uintptr_t)addr, size };

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)size ? 0 : -1;
}

/* Whether that kernel would take the rule set. */
static int known(pid_t pid, uint64_t addr, uint64_t size)
{
	static const int bits[] = { 0, 13, 14, 15, 15, 16, 16, 16, 16 };
	struct {
		uint64_t fs, net, scoped;
	} attr = { 0 };

	if (peek(pid, addr, &attr, size < sizeof attr ? size : sizeof attr))
		return 0;
	return (abi > 8 || !(attr.fs >> bits[abi])) && (abi >= 4 || !attr.net) && (abi >= 6 || !attr.scoped);
}

/* What the call gives instead of being run: 1 and *ret_value; 0: it is run. */
static int instead(pid_t pid, const struct user_regs_struct *r, int64_t *ret_value)
{
	uint32_t flags;

	*ret_value = -EINVAL;
	if (r->orig_rax == NR_CREATE_RULESET && r->rdx == 1) {
		*ret_value = abi;
		return 1;
	}
	if (r->orig_rax == NR_CREATE_RULESET)
		return !known(pid, r->rdi, r->rsi);
	return peek(pid, r->rdx + 8, &flags, sizeof flags) == 0 && flags & ADDFD_SEND;
}

static void judge(pid_t pid)
{
	struct user_regs_struct r;
	int64_t value;

	if (ptrace(PTRACE_GETREGS, pid, 0, &r) || !instead(pid, &r, &value))
		return;
	r.orig_rax = (uint64_t)-1;
	r.rax = (uint64_t)value;
	ptrace(PTRACE_SETREGS, pid, 0, &r);
}

static int trace(pid_t child)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, __WALL);

		if (pid < 0 && errno != EINTR)
			return 126;
		if (pid < 0)
			continue;
		if (!WIFSTOPPED(status)) {
			if (pid != child)
				continue;
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}

		int event = status >> 16, sig = WSTOPSIG(status);

		if (event == PTRACE_EVENT_SECCOMP)
			judge(pid);
		if (event == PTRACE_EVENT_STOP && sig != SIGTRAP)
			ptrace(PTRACE_LISTEN, pid, 0, 0);
		else
			ptrace(PTRACE_CONT, pid, 0, event ? 0L : (long)sig);
	}
}

int main(int argc, char **argv)
{
	int go[2];
	char c = 0;

	if (argc < 3 || parse(argv[1]) || pipe(go)) {
		fprintf(stderr, "usage: old_kernel ABI[,FEATURE...] COMMAND ARG...\n");
		return 2;
	}

	pid_t child = fork();

	if (child == 0) {
		close(go[1]);
		if (read(go[0], &c, 1) != 1 || filter()) {
			perror("old_kernel");
			_exit(126);
		}
		close(go[0]);
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	close(go[0]);
	if (child < 0 ||
	    ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL) < 0) {
		perror("old_kernel: tracing");
		return 126;
	}
	/* what the terminal sends is the command's */
	for (int sig = 1; sig < 32; sig++)
		if (sig == SIGINT || sig == SIGQUIT || sig == SIGTSTP || sig == SIGTTOU || sig == SIGTTIN || sig == SIGHUP)
			signal(sig, SIG_IGN);
	if (write(go[1], &c, 1) != 1)
		return 126;
	close(go[1]);
	return trace(child);
}
