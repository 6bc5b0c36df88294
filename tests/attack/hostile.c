/* Every system call of syscalls.def without regard for sense: random numbers, paths, descriptors, pointers, flags, sizes, ids, by several processes of
 * several threads at once, that fork, execute themselves, change their ids, write in each other's arguments, and are killed in the middle of calls.
 *
 *     hostile PREY VICTIM_PID SECONDS [SEED]       HOSTILE_TRACE=1: writes each call to standard error
 *                                                  HOSTILE_STATS=1: in the end, how often which call worked
 *
 * All is drawn from SEED, which is printed. The first process makes no wild calls itself: it starts the others, each with a seed of its own, and
 * kills and replaces those that end or make no progress.
 *
 * Without HOSTILE_IN_BOX=1 it is tame: only calls by absolute names in PREY, to show natively that these do bite.
 *
 * Even in a box, what would do harm to the machine should a wall not stand is tried in a harmless form: calls that are refused by their number get
 * arguments that no kernel accepts, pids are own ones and the victim's, device numbers are those of null and zero. What is shared with the host on
 * purpose (System V objects, POSIX queues: see syscalls.def) is not made or named, nor is all of the machine made to write back its files.
 */
#include "attack.h"

#include <limits.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

enum class { ALLOWED, REFUSED, TRAPPED };
static const struct call {
	int nr;
	const char *name, *shape;
	enum class class;
} calls[] = {
#define ALLOW(nr, name, shape, truth) { nr, #name, shape, ALLOWED },
#define REFUSE(nr, name, shape, code, truth) { nr, #name, shape, REFUSED },
#define CHECK(nr, name, shape, truth) { nr, #name, shape, TRAPPED },
#define TRAP(nr, name, shape, truth) { nr, #name, shape, TRAPPED },
#define SPLIT(nr, name, shape, truth) { nr, #name, shape, TRAPPED },
#include "../../src/trace/syscalls.def"
};
#define CALLS (sizeof calls / sizeof calls[0])
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define WORKERS 4
#define THREADS 3
#define CALLS_EACH 4000          /* after so many a worker ends, and a fresh one takes its place */
#define STUCK 0.4                /* seconds without a call after which a worker is killed */

/* Shared by all processes, also after exec (a memfd). */
static struct common {
	atomic_ulong calls, refused, worked, starts, killed;
	atomic_ulong progress[WORKERS];
	atomic_int pids[WORKERS];
	atomic_uint worked_each[CALLS], refused_each[CALLS];
} *common;
static int common_fd = -1;

static char *scratch, *scratch_end, *shared;      /* shared: what sibling threads and children scribble in */
#define SCRATCH (256 << 10)
#define SHARED (16 << 10)
static int slot, depth, trace_fd = -1, null_fd = -1;     /* null_fd: opened before the view has lost /dev/null */
static char own_dir[4096], self[4096];
static const char *seconds_text;

/* ---- random numbers ---- */

static _Thread_local uint64_t state;

static uint64_t rnd(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dull;
}
static void seed_with(uint64_t s)
{
	state = (s + 1) * 0x9e3779b97f4a7c15ull | 1;
	for (int i = 0; i < 8; i++)
		rnd();
}
static unsigned below(unsigned n) { return (unsigned)(rnd() >> 33) % n; }
static bool one_in(unsigned n) { return below(n) == 0; }

/* Every other call is made with arguments that make sense each by itself, so that calls work and the view becomes crooked. */
static _Thread_local bool sensible;
static bool odd(unsigned n) { return !sensible && one_in(n); }
#define PICK(...) pick((const long[]){ __VA_ARGS__ }, sizeof((const long[]){ __VA_ARGS__ }) / sizeof(long))
static long pick(const long *v, size_t n) { return v[below((unsigned)n)]; }

static inline long raw(long nr, const long a[6])
{
	register long r10 __asm__("r10") = a[3], r8 __asm__("r8") = a[4], r9 __asm__("r9") = a[5];
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return r;
}

/* ---- what an argument may be ---- */

/* A part of the scratch memory that nobody else writes until 64 others were given; `size` at most 2 KiB. */
static char *room(size_t size)
{
	static atomic_uint next;
	char *p = scratch + (size_t)(atomic_fetch_add(&next, 1) % 64) * 2048;

	return size > 2048 ? scratch + SCRATCH - 65536 : p;
}

static long wild_pointer(void)
{
	switch (below(8)) {
	case 0: return 0;
	case 1: return 16;
	case 2: return -4096 + (long)below(4096);
	case 3: return (long)0xffffffff81000000ul;
	case 4: return (long)(scratch_end - below(64));
	case 5: return (long)(1ul << 47) - (long)below(8192);
	case 6: return (long)rnd();
	default: return (long)(scratch + below(SCRATCH));
	}
}

static long descriptor(void)
{
	long v;

	if (sensible)
		return 3 + (long)below(24);
	switch (below(12)) {
	case 0: v = -1; break;
	case 1: v = AT_FDCWD; break;
	case 2: v = PICK(INT_MAX, INT_MIN, 1000000, 1023, 1024, 65536); break;
	case 3: v = (long)below(200); break;
	default: v = 3 + (long)below(24);
	}
	return one_in(16) ? (long)(((uint64_t)rnd() << 32) | (uint32_t)v) : v;
}

static const char *const names[] = {
	"file", "private", "large", "program", "dir", "dir/file", "dir/sub", "link", "dirlink", "dirlink/file", "hard", "fifo", "noted", "socket",
	"datagrams", "moved", "moved/file", "moved/sub", "fresh1", "fresh2", "fresh2/x", "fresh3", "gone", "dir/fresh", "moved/fresh", "dir/sub/deep",
};
static const char *const own_names[] = {
	"f", "d", "d/f", "to_prey", "to_prey/file", "to_prey/dir/file", "to_file", "loop", "dangling", "fifo", "script", "sock", "node", "up",
	"deep/er/er", "new", "new/x", "to_fd", "to_root",
};

static void name_into(char *to, size_t size)
{
	static char own_base[] = "own";

	switch (below(sensible && one_in(2) ? 9 : 14)) {
	case 0: case 1: case 2: case 3:
		snprintf(to, size, "%s/%s", attack_prey, names[below(COUNT(names))]);
		break;
	case 4: case 5:
		snprintf(to, size, "%s", names[below(COUNT(names))]);
		break;
	case 6: case 7:
		snprintf(to, size, "%s/%s", own_dir, own_names[below(COUNT(own_names))]);
		break;
	case 8:
		snprintf(to, size, "../%s/%s", one_in(2) ? own_base : "prey", one_in(2) ? own_names[below(COUNT(own_names))] : names[below(COUNT(names))]);
		break;
	case 9:
		snprintf(to, size, "/proc/%s/root%s/%s", one_in(2) ? "self" : one_in(2) ? "thread-self" : "1", attack_prey, names[below(COUNT(names))]);
		break;
	case 10:
		snprintf(to, size, "%s/%d/%s", one_in(3) ? "/dev/fd" : one_in(2) ? "/proc/thread-self/fd" : "/proc/self/fd", (int)below(26),
			 one_in(3) ? "" : one_in(2) ? ".." : names[below(COUNT(names))]);
		if (one_in(2))
			to[strlen(to) - 1] = '\0';
		break;
	case 11:
		snprintf(to, size, "/proc/%d/%s", one_in(2) ? (int)attack_victim : (int)getpid(),
			 ((const char *const[]){ "mem", "maps", "exe", "cwd", "cwd/file", "root", "fd/3", "environ", "comm", "oom_score_adj", "fd", "fdinfo/3", "ns/mnt",
						 "task", "map_files", "stat", "status", "attr/current", "syscall", "clear_refs", "timerslack_ns", "mountinfo" })[below(22)]);
		break;
	case 12:
		snprintf(to, size, "%s", ((const char *const[]){ "", ".", "..", "./", "../..", "/dev/null", "/dev/zero", "/dev/full", "/proc/self",
								 "/proc/self/cwd/file",
								 "/proc/self/cwd", "/proc/self/exe", "/proc/thread-self/cwd/../prey/file", "////", "/proc/self/fd",
								 "/proc/self/fd/" })[below(16)]);
		break;
	default:
		snprintf(to, size, "%s/%s/../%s", attack_prey, names[below(COUNT(names))], names[below(COUNT(names))]);
	}
}

/* A path, in one of some ways worse. */
static long path(void)
{
	char *p, name[4200];
	size_t n;

	if (odd(24))
		return wild_pointer();
	if (one_in(12))
		return (long)(shared + 256 * below(SHARED / 256));
	name_into(name, sizeof name);
	n = strlen(name);
	switch (sensible ? 20 : below(20)) {
	case 0: strcat(name, "/"); break;
	case 1: strcat(name, "/."); break;
	case 2: strcat(name, "/.."); break;
	case 3: strcat(name, "/../"); break;
	case 4:
		for (char *s = name; *s && n < 2000; s++)
			if (*s == '/') {
				memmove(s + 1, s, strlen(s) + 1);
				s++;
				n++;
			}
		break;
	case 5:        /* very long */
		p = room(65536);
		n = 4000 + below(120);
		memset(p, '/', n);
		strncpy(p + n, name[0] == '/' ? name + 1 : name, 2048)[2047] = '\0';
		return (long)p;
	case 6: memset(name, 'n', 255 + below(2)); name[255 + below(2)] = '\0'; break;
	case 7:        /* no end before the mapping's */
		n = below((unsigned)(n < 250 ? n : 250) + 1);
		memcpy(scratch_end - n, name, n);
		return (long)(scratch_end - n);
	case 8:
		if (n)
			name[below((unsigned)n)] = (char)(1 + below(255));
		break;
	}
	name[2000] = '\0';
	p = room(2048);
	strcpy(p, name);
	return (long)p;
}

static long flags(const struct call *c)
{
	static const long opens[] = {
		O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_CREAT, O_WRONLY | O_TRUNC, O_RDWR | O_CREAT | O_EXCL, O_PATH, O_PATH | O_NOFOLLOW, O_DIRECTORY,
		O_TMPFILE | O_RDWR,
		O_WRONLY | O_APPEND, O_RDONLY | O_NONBLOCK, O_RDWR | O_NONBLOCK, O_NOFOLLOW, O_RDONLY | O_TRUNC, O_NOATIME, O_DIRECT | O_RDWR, 3, O_PATH | O_CREAT,
		O_CREAT | O_DIRECTORY, O_WRONLY | O_NONBLOCK | O_CLOEXEC,
	};
	static const long ats[] = {
		0, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, AT_SYMLINK_FOLLOW, AT_REMOVEDIR, AT_EACCESS, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, AT_NO_AUTOMOUNT,
		1, 2, 4, 5, 6,
	};

	switch (sensible ? 7 : below(8)) {
	case 0: return (long)(1ul << below(32));
	case 1: return (long)(rnd() & rnd());
	case 2: return PICK(-1, INT_MAX, 0);
	default: return strstr(c->name, "open") ? pick(opens, COUNT(opens)) | (one_in(2) ? O_NONBLOCK : 0) : pick(ats, COUNT(ats));
	}
}

static long number(void)
{
	if (sensible || one_in(3))
		return (long)below(sensible ? 4 : 64);
	return PICK(0, 1, 2, 3, -1, INT_MAX, INT_MIN, LONG_MAX, LONG_MIN, 4096, (long)rnd(), (long)(uint32_t)rnd());
}
static long length(void)
{
	if (sensible)
		return one_in(2) ? (long)below(2048) : PICK(16, 64, 110, 256, 2048);
	return PICK(0, 1, 2, 4, 8, 16, 20, 24, 32, 56, 64, 100, 110, 128, 256, 4096, 8192, 65536, -1, INT_MAX, 1l << 40, LONG_MAX, 1 + (long)below(4096));
}
static long mode(void)
{
	return PICK(0700, 0755, 0644, 0600, 0777, 07777, 0, S_IFREG | 0644, S_IFIFO | 0600, S_IFSOCK | 0600, S_IFCHR | 0600, S_IFDIR | 0700,
		    4, 6, (long)rnd());
}
static long process(void)
{
	long other = atomic_load(&common->pids[below(WORKERS)]);

	return PICK(0, getpid(), gettid(), attack_victim, other ? other : -1, 0x7ffffffe, attack_victim);
}
static long id(void) { return PICK(getuid(), getgid(), 0, -1, 65534, 1000, (long)(uint32_t)rnd()); }

static long address(void)
{
	struct sockaddr_un *u = (struct sockaddr_un *)(one_in(8) ? shared + 256 * below(SHARED / 256) : room(256));
	char name[4200];

	u->sun_family = odd(16) ? (sa_family_t)below(45) : AF_UNIX;
	memset(u->sun_path, 0, sizeof u->sun_path);
	if (one_in(5)) {
		snprintf(u->sun_path + 1, sizeof u->sun_path - 1, one_in(2) ? "attack-victim-%d" : "hostile-%d", attack_victim);
	} else {
		name_into(name, sizeof name);
		memcpy(u->sun_path, name, strnlen(name, sizeof u->sun_path));
	}
	return (long)u;
}

static long memory(void);

static long message(void)
{
	char *p = room(2048);
	struct msghdr *m = (struct msghdr *)p;
	struct iovec *v = (struct iovec *)(p + 256);
	struct cmsghdr *c = (struct cmsghdr *)(p + 512);

	memset(p, 0, 1024);
	*v = (struct iovec){ odd(8) ? (void *)wild_pointer() : p, odd(8) ? (size_t)length() : below(100) };
	c->cmsg_level = odd(8) ? (int)number() : SOL_SOCKET;
	c->cmsg_type = odd(4) ? (int)below(8) : 1;
	c->cmsg_len = odd(8) ? (size_t)length() : CMSG_LEN(4 * below(4));
	for (int i = 0; i < 4; i++)
		((int *)CMSG_DATA(c))[i] = (int)descriptor();
	*m = (struct msghdr){ .msg_name = one_in(4) ? NULL : (void *)address(), .msg_namelen = odd(4) ? (socklen_t)length() : 110,
			      .msg_iov = odd(10) ? (void *)wild_pointer() : v, .msg_iovlen = odd(8) ? (size_t)length() : 1,
			      .msg_control = one_in(2) ? NULL : odd(10) ? (void *)wild_pointer() : c, .msg_controllen = odd(8) ? (size_t)length() : CMSG_SPACE(16) };
	return (long)p;
}

/* Something in memory that a call may read or write: filled with small numbers, pointers, zeros, noise. */
static long memory(void)
{
	char *p;

	if (odd(6))
		return wild_pointer();
	if (odd(6))
		return (long)(shared + 8 * below(SHARED / 8 - 32));
	p = room(2048);
	switch (below(5)) {
	case 0: memset(p, 0, 512); break;
	case 1: memset(p, 0xff, 512); break;
	case 2:
		for (int i = 0; i < 64; i++)
			((uint64_t *)p)[i] = rnd();
		break;
	case 3:
		for (int i = 0; i < 64; i++)
			((long *)p)[i] = (long)below(1000);
		break;
	default:
		for (int i = 0; i < 16; i++)
			((long *)p)[i] = one_in(2) ? (long)room(256) : (long)below(512);
	}
	return odd(8) ? (long)p + (long)below(16) : (long)p;
}

static long text(void)
{
	static const char *const some[] = {
		"user.note", "user.attack", "user.", "user.overlay.opaque", "user.overlay.redirect", "user.overlay.origin", "trusted.overlay.opaque", "trusted.x",
		"security.capability", "security.selinux", "system.posix_acl_access", "system.posix_acl_default", "", "user.cowbox", "user",
	};

	if (odd(12))
		return wild_pointer();
	if (odd(8))
		return path();
	return (long)strcpy(room(256), some[below(COUNT(some))]);
}

static long argument(const struct call *c, char kind)
{
	if (odd(40))
		return one_in(2) ? number() : wild_pointer();
	switch (kind) {
	case 'd': return one_in(2) ? AT_FDCWD : descriptor();
	case 'f': return descriptor();
	case 'p': return path();
	case 'n': return text();
	case 'o': return flags(c);
	case 'm': return mode();
	case 'l': return length();
	case 'P': return process();
	case 'u': return id();
	case 'a': return one_in(10) ? wild_pointer() : address();
	case 'r': case 'w': case 'x': return memory();
	default: return number();
	}
}

/* ---- single calls ---- */

static const long nowhere[6] = { -1, -1, -1, -1, -1, -1 };

static bool is(const struct call *c, const char *name) { return !strcmp(c->name, name); }
static bool among(const struct call *c, const char *list)
{
	size_t n = strlen(c->name);

	for (const char *p = list; (p = strstr(p, c->name)); p += n)
		if ((p == list || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
			return true;
	return false;
}

/* What is not called at all: it would only end the caller, or reaches what is shared with the host on purpose. */
static bool left_out(const struct call *c)
{
	return among(c, "exit exit_group rt_sigreturn sync syncfs shmget shmat shmctl semget semop semctl semtimedop msgget msgsnd msgrcv msgctl "
			"mq_unlink vhangup");
}
/* What is seldom called: it stops the caller, or takes from it what it needs for going on. */
static bool seldom(const struct call *c)
{
	return among(c, "pause rt_sigsuspend rt_sigaction rt_sigprocmask munmap arch_prctl seccomp prctl ptrace close_range set_robust_list vfork fork clone "
			"execve execveat "
			"setuid setreuid setresuid setfsuid capset personality wait4 waitid select pselect6 poll ppoll epoll_wait epoll_pwait epoll_pwait2 futex "
			"futex_wait futex_waitv nanosleep clock_nanosleep rt_sigtimedwait kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal "
			"setrlimit prlimit64 setitimer alarm modify_ldt mlockall mseal brk unshare uprobe uretprobe map_shadow_stack restart_syscall close dup2 dup3");
}

static char *const *arguments(void)
{
	char *p = room(2048), **v = (char **)p;

	snprintf(p + 128, 64, "%d", common_fd);
	snprintf(p + 192, 64, "%llu", (unsigned long long)rnd());
	snprintf(p + 256, 64, "%d", slot);
	snprintf(p + 320, 64, "%d", attack_victim);
	snprintf(p + 384, 64, "%d", depth + 1);
	char *const list[] = { self, (char *)(uintptr_t)attack_prey, p + 320, (char *)(uintptr_t)seconds_text, p + 192, p + 128, p + 256, p + 384, NULL };
	memcpy(v, list, sizeof list);
	return v;
}

/* Whom a descriptor's signals go to: a struct f_owner_ex, or a pid. */
static long owner(bool ex)
{
	int *p = (int *)room(64);

	p[0] = ex ? (int)below(2) : (int)process();
	p[1] = (int)process();
	return (long)p;
}

static void adjust(const struct call *c, long a[6])
{
	if (c->class == REFUSED &&
	    !among(c, "chroot open_tree fanotify_init io_uring_setup landlock_create_ruleset userfaultfd name_to_handle_at file_getattr")) {
		memcpy(a, nowhere, sizeof nowhere);
		if (one_in(2))
			a[0] = (long)(scratch_end - 1);
		return;
	}
	if (among(c, "connect bind") && !odd(5))
		a[2] = PICK(110, 108, 64, 2, 3, 20);
	if (is(c, "sendto") && !odd(5))
		a[5] = 110, a[1] = (long)scratch, a[2] = below(100);
	if (among(c, "socket socketpair") && sensible)
		a[0] = AF_UNIX, a[1] = PICK(SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET) | SOCK_NONBLOCK, a[2] = 0;
	if (is(c, "sendmsg") && !odd(8))
		a[1] = message();
	if (is(c, "sendmmsg") && !odd(8)) {
		struct mmsghdr *m = (struct mmsghdr *)room(2048);

		for (int i = 0; i < 4; i++)
			m[i].msg_hdr = *(struct msghdr *)message();
		a[1] = (long)m;
		a[2] = odd(8) ? length() : 4;
	}
	if (is(c, "openat2") && !odd(8)) {
		struct open_how *how = (struct open_how *)room(256);

		memset(how, 0, 128);
		how->flags = (uint64_t)flags(c);
		how->mode = one_in(2) ? 0 : (uint64_t)mode();
		how->resolve = one_in(2) ? 0 : rnd() & 63;
		a[2] = (long)how;
		a[3] = odd(6) ? length() : (long)sizeof *how;
	}
	if (among(c, "setxattrat getxattrat") && !odd(8)) {
		uint64_t *x = (uint64_t *)room(256);

		x[0] = (uint64_t)memory();
		x[1] = below(5000) | (one_in(4) ? rnd() << 32 : 0);
		a[4] = (long)x;
		a[5] = odd(6) ? length() : 16;
	}
	if (among(c, "setxattr lsetxattr fsetxattr"))
		a[3] = odd(4) ? length() : (long)below(200), a[4] = odd(4) ? flags(c) : (long)below(3);
	if (among(c, "execve execveat")) {
		int at = is(c, "execveat");

		if (!one_in(4))
			a[at] = one_in(3) ? path() : (long)strcpy(room(2048), one_in(2) ? self : "/proc/self/exe");
		if (!odd(5))
			a[at + 1] = (long)arguments();
		if (!one_in(4))
			a[at + 2] = 0;
		if (at && one_in(2))
			a[4] = one_in(2) ? AT_EMPTY_PATH : 0;
	}
	if (is(c, "mknod") || is(c, "mknodat"))
		a[is(c, "mknodat") + 2] = PICK(0, (long)makedev(1, 3), (long)makedev(1, 5), -1);
	if (is(c, "clone")) {
		a[0] = ((long)(rnd() & rnd()) & 0x7fffff00 & ~(CLONE_VM | CLONE_THREAD | CLONE_SIGHAND)) | SIGCHLD;
		if (!one_in(4))
			a[0] &= ~0x7e020000l;
		a[1] = a[4] = 0;
		a[2] = a[3] = (long)room(64);
		if (one_in(8))
			a[0] |= CLONE_VM, a[1] = wild_pointer();
	}
	/* a resource that keeps this program from filling the machine stays bounded */
	if (is(c, "setrlimit"))
		a[0] = PICK(RLIMIT_NOFILE, RLIMIT_STACK, RLIMIT_CORE, -1, 1000);
	if (is(c, "prlimit64"))
		a[1] = PICK(RLIMIT_NOFILE, RLIMIT_CORE, RLIMIT_NICE, -1, 1000);
	if (among(c, "setpriority ioprio_set")) {
		int user = is(c, "setpriority") ? PRIO_USER : 3;

		if ((int)a[0] == user)
			a[1] = 0x7ffffffe;
		else
			a[1] = process();
	}
	if (is(c, "ioctl")) {
		a[1] = one_in(3) ? (long)rnd() : PICK(0x5401, 0x5411, 0x5412, 0x8901, 0x8902, 0x80086601, 0x40086602, 0xc020660b, 0x801c581f, 0x401c5820, 0x40049409,
						      0x4020940d, (long)0xc0189436, 0x5450, 0x5451, 0x5421, 0x5452, 0x541b, 0x1272, 0xb703, 0xb701);
		unsigned low = (unsigned)a[1] & 0xffff;
		if (low == ('X' << 8 | 119) || low == ('X' << 8 | 121))
			a[1] = 0x5411;
		if ((int)a[1] == FIOSETOWN || (int)a[1] == SIOCSPGRP)
			a[2] = owner(false);
	}
	if (is(c, "fcntl")) {
		a[1] = one_in(4) ? number() : PICK(0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 15, 1024, 1026, 1030, 1031, 1033, 1040);
		if ((int)a[1] == F_SETOWN)
			a[2] = process();
		if ((int)a[1] == F_SETOWN_EX)
			a[2] = owner(true);
	}
	if (among(c, "clock_adjtime adjtimex"))
		a[0] = a[1] = 16;
	if (is(c, "syslog"))
		a[0] = PICK(3, 10, -1, 99);
	if (is(c, "sched_setscheduler"))
		a[1] = PICK(0, 3, 5, -1, 99);        /* no real-time program */
	if (is(c, "mq_open"))
		a[1] &= ~(long)O_CREAT;
	if (among(c, "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo")) {
		int where = !strncmp(c->name, "tg", 2) || !strncmp(c->name, "rt_tg", 5) ? 2 : 1;

		a[0] = process();
		if (where == 2)
			a[1] = process();
		a[where] = PICK(0, 10, 12, 17, 18, 19, 23, 28, 64, 65, 9);
		if ((int)a[0] != attack_victim && (int)a[0] != 0x7ffffffe && one_in(2))
			a[where] = 0;
		if ((int)a[0] <= 0)
			a[0] = attack_victim;
	}
	if (among(c, "mprotect munmap mremap madvise mbind pkey_mprotect remap_file_pages mseal mlock mlock2 munlock msync"))
		a[0] = (long)(scratch + 4096 * below(SCRATCH / 4096 - 16)), a[1] &= 0xffff, a[2] &= is(c, "mremap") ? 0xfff : -1;
	if (is(c, "mmap"))
		a[0] = 0, a[1] &= 0xfffff, a[3] = one_in(2) ? PICK(MAP_PRIVATE, MAP_SHARED, MAP_PRIVATE | MAP_ANONYMOUS) : (a[3] & ~(long)MAP_FIXED);
	if (is(c, "fallocate") || is(c, "readahead"))
		a[3] = one_in(4) ? a[3] : (long)below(100000);
	if (is(c, "brk"))
		a[0] = 0;
	if (is(c, "arch_prctl"))
		a[0] = PICK(0x1003, 0x1004, 0x1011, 0x5001, -1);
}

static void after_fork(void);

static void one_call(void)
{
	const struct call *c;
	long a[6], r, nr;

	do
		c = &calls[below(CALLS)];
	while (left_out(c) || (c->class == REFUSED && !one_in(12)) || (c->class == ALLOWED && !one_in(3)) || (seldom(c) && !one_in(24)));
	sensible = one_in(2);
	for (int i = 0; i < 6; i++)
		a[i] = c->shape[0] && (size_t)i < strlen(c->shape) ? argument(c, c->shape[i]) : one_in(4) ? number() : 0;
	adjust(c, a);
	nr = c->nr;
	if (one_in(300) && c->class != REFUSED)
		nr |= PICK(0x40000000, 1l << 32, (long)0xffffffff00000000ul);       /* the upper half does not count; x32 does */
	if (trace_fd >= 0)
		dprintf(trace_fd, "%d: %s(%lx, %lx, %lx, %lx, %lx, %lx)\n", gettid(), c->name, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (c->nr == SYS_vfork) {
		long e[6] = { 0 };

		if ((r = raw(SYS_vfork, e)) == 0) {        /* on the parent's stack: no function is left or entered */
			raw(SYS_chdir, (const long[6]){ (long)own_dir });
			raw(SYS_exit_group, e);
		}
	} else {
		r = raw(nr, a);
		if (r == 0 && (c->nr == SYS_fork || c->nr == SYS_clone))
			after_fork();
	}
	atomic_fetch_add(&common->calls, 1);
	atomic_fetch_add(r < 0 && r > -4096 ? &common->refused : &common->worked, 1);
	atomic_fetch_add(r < 0 && r > -4096 ? &common->refused_each[c - calls] : &common->worked_each[c - calls], 1);
	atomic_fetch_add(&common->progress[slot], 1);
}

/* ---- a worker ---- */

/* What the calls above can name: opened and made again and again, since they take it away. */
static void refresh(void)
{
	static const int how[] = { O_RDONLY | O_NONBLOCK, O_PATH, O_RDWR | O_NONBLOCK, O_PATH | O_NOFOLLOW, O_RDONLY | O_DIRECTORY };
	char p[4200], q[4200];
	int fd, pair[2];

	mkdir(own_dir, 0777);
	snprintf(p, sizeof p, "%s/d", own_dir);
	mkdir(p, 0755);
	snprintf(p, sizeof p, "%s/to_prey", own_dir);
	(void)!symlink(attack_prey, p);
	snprintf(p, sizeof p, "%s/to_file", own_dir);
	(void)!symlink("../prey/file", p);
	snprintf(p, sizeof p, "%s/to_fd", own_dir);
	(void)!symlink("/proc/self/fd", p);
	snprintf(p, sizeof p, "%s/to_root", own_dir);
	(void)!symlink("/proc/self/root", p);
	snprintf(p, sizeof p, "%s/loop", own_dir);
	(void)!symlink("loop", p);
	snprintf(p, sizeof p, "%s/fifo", own_dir);
	mkfifo(p, 0666);
	snprintf(p, sizeof p, "%s/script", own_dir);
	if ((fd = open(p, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0755)) >= 0) {
		(void)!write(fd, "#!/bin/true\n", 12);
		close(fd);
	}
	if (one_in(4))
		umask(one_in(2) ? 0 : 022);
	for (size_t i = 0; i < COUNT(names); i++) {        /* what others have removed comes again */
		snprintf(p, sizeof p, "%s/%s", attack_prey, names[i]);
		if (!one_in(6))
			continue;
		if (!strcmp(names[i], "dir") || strstr(names[i], "sub"))
			mkdir(p, 0755);
		else if ((fd = open(p, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0755)) >= 0)
			close(fd);
		else if (errno == EACCES)
			chmod(p, 0755);
	}
	if (one_in(3)) {
		snprintf(p, sizeof p, "%s/%s", attack_prey, one_in(2) ? "dir" : "moved");
		snprintf(q, sizeof q, "%s/%s", attack_prey, one_in(2) ? "dir" : "moved");
		(void)!rename(p, q);
	}
	for (int i = 0; i < 10; i++) {
		name_into(p, sizeof p);
		fd = open(p, how[below(COUNT(how))] | (one_in(8) ? O_CREAT : 0), 0700);
		if (fd > 26)
			dup2(fd, 3 + (int)below(24)), close(fd);
	}
	if (socketpair(AF_UNIX, (one_in(2) ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0, pair) == 0)
		for (int i = 0; i < 2; i++)
			dup2(pair[i], 3 + (int)below(24)), close(pair[i]);
	fd = socket(AF_UNIX, PICK(SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET) | SOCK_NONBLOCK, 0);
	dup2(fd, 3 + (int)below(24));
	close(fd);
	fd = inotify_init1(IN_NONBLOCK);
	dup2(fd, 3 + (int)below(24));
	close(fd);
	(void)!chdir(one_in(2) ? attack_prey : one_in(2) ? own_dir : prey("dir"));
}

static void *scribble(void *arg)
{
	char name[4200];

	seed_with((uint64_t)(uintptr_t)arg);
	for (;;) {
		char *p = shared + 256 * below(SHARED / 256);

		if (one_in(3)) {
			((volatile uint64_t *)p)[below(32)] = one_in(2) ? rnd() : below(300);
		} else {
			name_into(name, sizeof name);
			memcpy(p, name, strnlen(name, 255) + 1);
		}
		if (one_in(4))
			usleep(below(300));
	}
	return NULL;
}

static void *wild(void *arg)
{
	seed_with((uint64_t)(uintptr_t)arg);
	for (int i = 0; i < (depth ? 100 : CALLS_EACH); i++) {
		if (i % 64 == 0)
			refresh();
		one_call();
	}
	return NULL;
}

static void after_fork(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "hostile-child");
	signal(SIGALRM, SIG_DFL);
	alarm(3);
	if (depth++ >= 2)
		_exit(0);
	wild((void *)(uintptr_t)rnd());
	_exit(0);
}

static void limit(int what, rlim_t n)
{
	setrlimit(what, &(struct rlimit){ n, n });
}

static void on_alarm(int sig) { (void)sig; }

static void map_common(void)
{
	common = mmap(NULL, sizeof *common, PROT_READ | PROT_WRITE, MAP_SHARED, common_fd, 0);
	if (common == MAP_FAILED)
		_exit(0);
	scratch = mmap(NULL, 3 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* with a wide space around both, so that no call writes over their ends into something else */
	shared = scratch == MAP_FAILED ? scratch : mmap(scratch + (2 << 20), SHARED, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (shared == MAP_FAILED || mprotect(scratch += 1 << 20, SCRATCH, PROT_READ | PROT_WRITE))
		_exit(0);
	scratch_end = scratch + SCRATCH;
}

_Noreturn static void worker(uint64_t seed)
{
	pthread_t t;

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getenv("HOSTILE_TRACE"))
		trace_fd = fcntl(2, F_DUPFD, 500);
	for (int i = 0; i < 3 && null_fd >= 0; i++)
		dup2(null_fd, i);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, 8 << 20);
	limit(RLIMIT_AS, 512 << 20);
	limit(RLIMIT_MEMLOCK, 1 << 20);
	signal(SIGXFSZ, SIG_IGN);
	sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_alarm }, NULL);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 20000 }, { 0, 20000 } }, NULL);
	seed_with(seed);
	pthread_create(&t, NULL, scribble, (void *)(uintptr_t)rnd());
	for (int i = 1; i < THREADS; i++)
		pthread_create(&t, NULL, wild, (void *)(uintptr_t)rnd());
	wild((void *)(uintptr_t)rnd());
	_exit(0);
}

/* ---- the first process ---- */

static pid_t start(int s, uint64_t seed)
{
	pid_t pid = fork();

	if (pid == 0) {
		slot = s;
		worker(seed);
	}
	atomic_fetch_add(&common->starts, 1);
	return pid;
}

/* Ends everything that this process has started: its children, until there are none (it is the reaper of what they left). */
static void end_children(void)
{
	char name[64], list[4096];

	for (double end = attack_now() + 5; attack_now() < end; usleep(2000)) {
		int fd, status;
		ssize_t n;

		snprintf(name, sizeof name, "/proc/self/task/%d/children", getpid());
		fd = open(name, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? 0 : read(fd, list, sizeof list - 1);
		if (fd >= 0)
			close(fd);
		list[n > 0 ? n : 0] = '\0';
		for (char *p = list, *e; (status = (int)strtol(p, &e, 10)) > 0; p = e)
			kill(status, SIGKILL);
		while ((status = waitpid(-1, NULL, WNOHANG | __WALL)) > 0)
			;
		if (status < 0 && errno == ECHILD)
			return;
	}
	printf("children are left\n");
}

static void lead(uint64_t seed)
{
	pid_t pids[WORKERS];
	unsigned long seen[WORKERS] = { 0 };
	double since[WORKERS], now, end = attack_now() + attack_seconds;
	uint64_t next = seed * 1000003;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (int i = 0; i < WORKERS; i++) {
		common->pids[i] = pids[i] = start(i, next++);
		since[i] = attack_now();
	}
	for (; (now = attack_now()) < end; usleep(5000)) {
		pid_t pid;
		int status;

		while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
			for (int i = 0; i < WORKERS; i++)
				if (pids[i] == pid && (WIFEXITED(status) || WIFSIGNALED(status)))
					common->pids[i] = pids[i] = 0;
		for (int i = 0; i < WORKERS; i++) {
			unsigned long n = atomic_load(&common->progress[i]);

			if (n != seen[i]) {
				seen[i] = n;
				since[i] = now;
			}
			if (pids[i] > 0 && (now - since[i] > STUCK || one_in(200))) {
				kill(pids[i], SIGKILL);
				atomic_fetch_add(&common->killed, 1);
				since[i] = now;
			}
			if (pids[i] <= 0) {
				common->pids[i] = pids[i] = start(i, next++);
				since[i] = now;
			}
		}
	}
	end_children();
}

/* Natively: only what is in PREY, by its absolute name. */
static void tame(void)
{
	static const char *const some[] = { "file", "private", "large", "program", "noted", "dir/file", "hard", "dir/sub" };

	for (int i = 0; i < 500; i++) {
		const char *p = prey(some[below(COUNT(some))]), *q = prey(some[below(COUNT(some))]);

		switch (below(7)) {
		case 0: TRY(chmod(p, (mode_t)(0600 | below(64)))); break;
		case 1: TRY(truncate(p, below(1000))); break;
		case 2: TRY(rename(p, q)); break;
		case 3: TRY(unlink(p)); break;
		case 4: TRY(close(open(p, O_WRONLY | O_CREAT | O_NONBLOCK, 0644))); break;
		case 5: TRY(mkdir(p, 0755)); break;
		case 6: TRY(utimes(p, NULL)); break;
		}
	}
}

int main(int argc, char **argv)
{
	struct rlimit files;
	uint64_t seed;

	if (argc < 4)
		attack_begin(argc, argv);
	attack_begin(4, argv);
	seconds_text = argv[3];
	seed = argc > 4 ? strtoull(argv[4], NULL, 10) : (uint64_t)time(NULL) ^ (uint64_t)getpid() << 32;
	snprintf(own_dir, sizeof own_dir, "%s", attack_prey);
	if (strrchr(own_dir, '/'))
		strcpy(strrchr(own_dir, '/'), "/own");
	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
		strcpy(self, argv[0]);
	if (argc > 7) {         /* executed by a worker */
		common_fd = atoi(argv[5]);
		slot = atoi(argv[6]);
		depth = atoi(argv[7]);
		if (slot < 0 || slot >= WORKERS)
			_exit(0);
		map_common();
		worker(seed);
	}
	printf("seed %llu\n", (unsigned long long)seed);
	seed_with(seed);
	if (!getenv("HOSTILE_IN_BOX")) {
		tame();
		return attack_end();
	}
	int fd = memfd_create("hostile", MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, sizeof *common) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return 1;
	getrlimit(RLIMIT_NOFILE, &files);
	common_fd = fcntl(fd, F_DUPFD, files.rlim_cur > 300 ? 300 : (int)files.rlim_cur - 1);       /* at a number that the calls seldom name */
	close(fd);
	fd = open("/dev/null", O_RDWR);
	null_fd = fcntl(fd, F_DUPFD_CLOEXEC, common_fd / 2);
	close(fd);
	map_common();
	lead(seed);
	attack_tries = (unsigned)atomic_load(&common->calls);
	printf("calls %lu worked %lu refused %lu; workers started %lu, killed %lu\n", atomic_load(&common->calls), atomic_load(&common->worked),
	       atomic_load(&common->refused), atomic_load(&common->starts), atomic_load(&common->killed));
	for (size_t i = 0; i < CALLS && getenv("HOSTILE_STATS"); i++)
		printf("%s: worked %u refused %u\n", calls[i].name, atomic_load(&common->worked_each[i]), atomic_load(&common->refused_each[i]));
	return attack_end();
}
