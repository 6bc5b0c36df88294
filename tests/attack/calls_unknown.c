/* Call numbers that no row of the table has: the gaps, what newer kernels may have, far and negative ones, x32's; and known numbers whose register
 * has a dirty upper half, which the kernel does not look at. */
#include "attack.h"

#include <sys/mman.h>

#define X32 0x40000000u

/* The numbers that the table knows are other attacks' matter. */
static const unsigned short known[] = {
#define ALLOW(nr, ...) nr,
#define REFUSE(nr, ...) nr,
#define TRAP(nr, ...) nr,
#define CHECK(nr, ...) nr,
#define SPLIT(nr, ...) nr,
#include "../../src/trace/syscalls.def"
};

/* How calls take what they work on; prey() is filled in where a path stands. */
enum { PATH, AT_PATH, TWO_PATHS, AT_TWO_PATHS, ON_FD, SHAPES };

static long raw(uint64_t nr, const uint64_t a[6])
{
	register uint64_t r10 __asm__("r10") = a[3];
	register uint64_t r8 __asm__("r8") = a[4];
	register uint64_t r9 __asm__("r9") = a[5];
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return r;
}

static uint64_t ptr(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static void fill(uint64_t a[6], int shape, int fd)
{
	const uint64_t here = (uint64_t)AT_FDCWD;

	memset(a, 0, 6 * sizeof a[0]);
	switch (shape) {
	case PATH:
		a[0] = ptr(prey("file"));
		a[1] = 0777;
		break;
	case AT_PATH:
		a[0] = here;
		a[1] = ptr(prey("private"));
		a[2] = 01002;   /* O_TRUNC | O_RDWR */
		a[3] = 0777;
		break;
	case TWO_PATHS:
		a[0] = ptr(prey("noted"));
		a[1] = ptr(prey("dir/moved"));
		break;
	case AT_TWO_PATHS:
		a[0] = here;
		a[1] = ptr(prey("program"));
		a[2] = here;
		a[3] = ptr(prey("dir/moved2"));
		break;
	default:
		a[0] = (uint64_t)fd;
		a[1] = 0777;
		a[2] = 0777;
	}
}

static bool is_known(uint64_t nr)
{
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (known[i] == nr)
			return true;
	return false;
}

/* ---- one child makes many calls, and says how far it came ---- */

struct list {
	uint64_t nr[2048];
	size_t n, done;
	long ok;
};

static void add(struct list *l, uint64_t nr)
{
	if (l->n < sizeof l->nr / sizeof l->nr[0])
		l->nr[l->n++] = nr;
}

static void calls(void *arg)
{
	struct list *l = arg;
	int fd = open(prey("large"), O_RDONLY);

	while (l->done < l->n) {
		uint64_t nr = l->nr[l->done++];

		for (int shape = 0; shape < SHAPES; shape++) {
			uint64_t a[6];
			long r;

			fill(a, shape, fd);
			r = raw(nr, a);
			if (r >= 0 || r < -4095)
				l->ok++;
			if (getenv("ATTACK_VERBOSE") && r != -ENOSYS)
				printf("%llx shape %d = %ld\n", (unsigned long long)nr, shape, r);
		}
	}
}

static void run(struct list *l)
{
	while (l->done < l->n) {
		size_t before = l->done;

		attack_child(calls, l, 2);
		if (l->done == before)
			break;
	}
	if (getenv("ATTACK_VERBOSE"))
		printf("%zu numbers, %ld calls did not fail\n", l->n, l->ok);
}

/* A call that is led elsewhere while its thread stands still must come to its end, whatever the upper half is. */
static void open_path_only(void *arg)
{
	(void)arg;
	uint64_t a[6] = { ptr(prey("file")), O_PATH };

	chmod(prey("file"), 0640);      /* the box has it now */
	if (raw(0xdeadbeef00000000 | SYS_open, a) < 0 || raw(0xffffffff00000000 | SYS_open, a) < 0)
		_exit(1);
}

int main(int argc, char **argv)
{
	static const unsigned named[] = { SYS_creat, SYS_open, SYS_chmod, SYS_unlink, SYS_truncate, SYS_rename, SYS_link, SYS_symlink, SYS_mkdir, SYS_rmdir, SYS_openat,
					  SYS_fchmodat, SYS_unlinkat, SYS_renameat, SYS_renameat2, SYS_fchmod, SYS_fchmodat2, SYS_utimensat, SYS_mount, SYS_lchown, SYS_setxattr };
	static const uint64_t far[] = { 1000, 1024, 4096, 0x7fff, 0x8000, 0xffff, 0x10000, 0x3ffff, 0x3fffffff, 0x7fffffff, 0x80000000, 0xfffffffe };

	attack_begin(argc, argv);
	struct list *l = mmap(NULL, sizeof *l, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (l == MAP_FAILED)
		return 1;
	if (attack_child(open_path_only, NULL, 2) != 0) {
		fprintf(stderr, "open with O_PATH does not come back\n");
		return 1;
	}
	for (uint64_t nr = 0; nr <= 600; nr++)
		if (!is_known(nr))
			add(l, nr);
	for (size_t i = 0; i < sizeof far / sizeof far[0]; i++)
		add(l, far[i]);
	for (uint64_t nr = 1; nr <= 64; nr++)
		add(l, -nr);
	for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
		add(l, -(uint64_t)named[i]);
		add(l, named[i] | 0x80000000);
		add(l, named[i] | 0x100);
		add(l, named[i] << 16);
	}
	/* those that fall on a known one again, or natively on what is no matter of PREY */
	for (size_t i = 0; i < l->n; i++)
		if (is_known(l->nr[i]))
			l->nr[i] = 600;
	/* x32: the common numbers, and its own from 512 on; execve, execveat, signals and clones left out */
	for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
		if (named[i] != SYS_mount)
			add(l, X32 | named[i]);
	add(l, X32 | 534);
	add(l, X32 | 535);
	add(l, X32 | 546);
	add(l, X32 | 547);
	/* the last ones do the harm */
	for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
		if (named[i] != SYS_mount) {
			add(l, 0xdeadbeef00000000 | named[i]);
			add(l, 0xffffffff00000000 | named[i]);
		}
	run(l);
	return attack_end();
}
