#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "filter.h"
#include "landlock.h"

const char *child_step_text(enum child_step step)
{
	static const char *const text[] = {
		[CHILD_FORK] = "starting a process",
		[CHILD_DESCRIPTORS] = "closing descriptors",
		[CHILD_CAPABILITIES] = "dropping capabilities",
		[CHILD_LANDLOCK] = "entering the Landlock domain",
		[CHILD_SECCOMP] = "installing the seccomp filter",
		[CHILD_EXEC] = "running the command",
	};

	return text[step];
}

void child_set_state(struct child_shared *s, enum child_state state)
{
	atomic_store(&s->state, state);
	syscall(SYS_futex, &s->state, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

int child_wait_state(struct child_shared *s, enum child_state from, int timeout_ms)
{
	struct timespec t = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };

	while (atomic_load(&s->state) == from)
		if (syscall(SYS_futex, &s->state, FUTEX_WAIT, from, timeout_ms < 0 ? NULL : &t, NULL, 0) < 0 && errno == ETIMEDOUT)
			return -ETIMEDOUT;
	return 0;
}

static _Noreturn void fail(const struct child *ch, enum child_step step, int code)
{
	ch->shared->step = step;
	ch->shared->code = code;
	child_set_state(ch->shared, CHILD_FAILED);
	_exit(127);
}

/* All but the standard three and those asked for vanish with the exec. */
static int close_descriptors(const struct run_options *opt)
{
	if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	for (size_t i = 0; i < opt->ninherit; i++)
		if (opt->inherit[i] >= 3 && fcntl(opt->inherit[i], F_SETFD, 0) < 0)
			return -errno;
	return 0;
}

/* What root may keep: rights over files and processes, which the other walls confine to the box. All else acts on the machine. */
static const unsigned char kept_caps[] = {
	CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP,
	CAP_NET_BIND_SERVICE, CAP_NET_RAW, CAP_SETFCAP, CAP_MKNOD, CAP_SYS_PTRACE, CAP_IPC_LOCK,
};

uint64_t child_capabilities(void)
{
	uint64_t kept = 0;

	for (size_t i = 0; i < sizeof kept_caps; i++)
		kept |= 1ULL << kept_caps[i];
	return kept;
}

void child_capabilities_serve(void)
{
	static const unsigned char more[] = { CAP_SYS_ADMIN /* trusted.* attributes */, CAP_SYS_RESOURCE, CAP_SYS_NICE };
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint64_t kept = child_capabilities();

	for (size_t i = 0; i < sizeof more; i++)
		kept |= 1ULL << more[i];
	if (syscall(SYS_capget, &head, data) < 0)
		return;
	for (int i = 0; i < 2; i++) {
		data[i].effective &= (uint32_t)(kept >> (32 * i));
		data[i].permitted &= (uint32_t)(kept >> (32 * i));
		data[i].inheritable = 0;
	}
	syscall(SYS_capset, &head, data);
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint64_t kept = child_capabilities();

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	if (!(data[0].permitted | data[1].permitted))
		return 0;
	if (data[0].effective & 1U << CAP_SETPCAP)
		for (int cap = 0; cap < 64; cap++)
			if (!(kept & 1ULL << cap) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
				if (errno == EINVAL)
					break;       /* past the last that this kernel has */
				return -errno;
			}
	for (int cap = 0; cap < 64; cap++)
		if (!(kept & 1ULL << cap))
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, cap, 0, 0);
	for (int i = 0; i < 2; i++) {
		uint32_t keep = (uint32_t)(kept >> (32 * i));

		data[i].effective &= keep;
		data[i].permitted &= keep;
		data[i].inheritable &= keep;
	}
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

static void restore_signals(const struct child *ch)
{
	sigaction(SIGCHLD, &ch->chld, NULL);
	sigprocmask(SIG_SETMASK, &ch->mask, NULL);
}

/* ---- becoming the command; every exec below is served by the parent, in the view ---- */

static size_t count(char *const *v)
{
	size_t n = 0;

	while (v[n])
		n++;
	return n;
}

/* A file without a format is a shell script, as execvp and every shell have it. */
static int run_as_script(const char *path, const struct run_options *opt)
{
	size_t n = count(opt->argv);
	char **argv = __builtin_alloca((n + 2) * sizeof *argv);

	argv[0] = (char *)(uintptr_t)"sh";
	argv[1] = (char *)(uintptr_t)path;
	memcpy(argv + 2, opt->argv + 1, n * sizeof *argv);
	execve("/bin/sh", argv, opt->envp);
	return -errno;
}

/* The start of the file; 0 when it cannot be read. */
static size_t read_head(const char *path, char *head, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, head, size);

	if (fd >= 0)
		close(fd);
	return n < 0 ? 0 : (size_t)n;
}

/* Where the command itself is there, ENOENT means what runs it. */
static void note_interpreter(struct child_shared *s, const char *path)
{
	char head[sizeof s->interpreter + 32];
	size_t n, at, len;

	if (access(path, F_OK) < 0)
		return;
	s->no_interpreter = true;
	n = read_head(path, head, sizeof head - 1);
	head[n] = '\0';
	if (strncmp(head, "#!", 2) != 0)
		return;
	at = 2 + strspn(head + 2, " \t");
	len = strcspn(head + at, " \t\n");
	if (len >= sizeof s->interpreter)
		len = sizeof s->interpreter - 1;
	memcpy(s->interpreter, head + at, len);
}

static int try_exec(const char *path, const struct child *ch)
{
	char head[4];
	int e;

	execve(path, ch->opt->argv, ch->opt->envp);
	e = errno;
	/* A program of another machine is no script. */
	if (e != ENOEXEC || (read_head(path, head, sizeof head) == sizeof head && memcmp(head, "\177ELF", sizeof head) == 0))
		return -e;
	return run_as_script(path, ch->opt);
}

static const char *find_path(char *const *envp)
{
	for (; *envp; envp++)
		if (strncmp(*envp, "PATH=", 5) == 0)
			return *envp + 5;
	return "/usr/local/bin:/usr/bin:/bin";
}

/* Each place in $PATH: tries it; or, when none was found, looks for one that lacks what runs it. */
static int search_path(const struct child *ch, const char *name, bool explain)
{
	const char *p = find_path(ch->opt->envp), *end;
	char file[PATH_MAX];
	int e, worst = -ENOENT;

	for (;; p = end + 1) {
		end = strchrnul(p, ':');
		if (snprintf(file, sizeof file, "%.*s%s%s", (int)(end - p), p, end > p ? "/" : "", name) < (int)sizeof file) {
			if (explain)
				note_interpreter(ch->shared, file);
			e = explain ? -ENOENT : try_exec(file, ch);
			/* Not here; but a file that may not be run is worth telling when no other is found. In a directory that may not be
			 * searched there is none. */
			if (e == -EACCES)
				worst = access(file, F_OK) == 0 ? e : worst;
			else if (e != -ENOENT && e != -ENOTDIR && e != -ESTALE && e != -ENODEV && e != -ETIMEDOUT && e != -ENAMETOOLONG)
				return e;
		}
		if (!*end || ch->shared->no_interpreter)
			return worst;
	}
}

static int search_exec(const struct child *ch)
{
	const char *name = ch->opt->argv[0];
	int e;

	if (!*name)
		return -ENOENT;
	if (strchr(name, '/')) {
		e = try_exec(name, ch);
		if (e == -ENOENT)
			note_interpreter(ch->shared, name);
		return e;
	}
	e = search_path(ch, name, false);
	return e == -ENOENT ? search_path(ch, name, true) : e;
}

_Noreturn void child_main(const struct child *ch)
{
	int e;

	ch->shared->pid = getpid();
	e = close_descriptors(ch->opt);
	if (e < 0)
		fail(ch, CHILD_DESCRIPTORS, e);
	e = drop_capabilities();
	if (e < 0)
		fail(ch, CHILD_CAPABILITIES, e);
	/* The parent reads our memory and fetches descriptors from us. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	e = landlock_enforce(ch->ruleset);
	if (e < 0)
		fail(ch, CHILD_LANDLOCK, e);
	restore_signals(ch);
	e = filter_install(ch->filter, &ch->shared->unbroken);
	if (e < 0)
		fail(ch, CHILD_SECCOMP, e);
	ch->shared->listener = e;
	child_set_state(ch->shared, CHILD_READY);
	child_wait_state(ch->shared, CHILD_READY, -1);
	close(e);
	fail(ch, CHILD_EXEC, search_exec(ch));
}
