/* Calls of another architecture: int 0x80 out of a 64-bit program, in 32-bit code of it, syscall and sysenter there, and a 32-bit program. */
#include "attack.h"

#include <elf.h>
#include <sys/mman.h>

/* i386's numbers */
enum { I_OPEN = 5, I_CREAT = 8, I_LINK = 9, I_UNLINK = 10, I_CHMOD = 15, I_RENAME = 38, I_MKDIR = 39, I_RMDIR = 40, I_SYMLINK = 83, I_TRUNCATE = 92, I_FCHMOD = 94,
       I_TRUNCATE64 = 193, I_OPENAT = 295, I_UNLINKAT = 301, I_FCHMODAT = 306 };

static char *low;       /* low: a page below 4 GiB, for code and strings */
static size_t used;

static uint32_t low_string(const char *s)
{
	size_t at = used;

	used += strlen(s) + 1;
	strcpy(low + at, s);
	return (uint32_t)(uintptr_t)(low + at);
}

/* How the call is made: by int 0x80 in 64-bit code; the others are in 32-bit code. */
enum { INT80, INT80_32, SYSCALL_32, SYSENTER_32, WAYS };

struct call32 {
	int way, nr;
	uint32_t a, b, c;
};

static void make(void *arg)
{
	const struct call32 *c = arg;
	long r;

	if (c->way == INT80) {
		__asm__ volatile("int $0x80" : "=a"(r) : "a"((long)c->nr), "b"((long)c->a), "c"((long)c->b), "d"((long)c->c) : "memory", "r8", "r9", "r10", "r11");
		_exit(r < 0);
	}
	/* 32-bit code: mov eax, nr; mov ebx, a; ...; the call; mov ebx, eax; mov eax, exit; int 0x80. Where that exit is refused it runs into ud2. */
	unsigned char *code = (unsigned char *)low + 0x2000, *p = code;
	const uint32_t values[4] = { (uint32_t)c->nr, c->a, c->b, c->c };
	static const unsigned char movs[4] = { 0xb8, 0xbb, 0xb9, 0xba };

	for (int i = 0; i < 4; i++) {
		*p++ = movs[i];
		memcpy(p, &values[i], 4);
		p += 4;
	}
	if (c->way == INT80_32) {
		memcpy(p, "\xcd\x80", 2);
		p += 2;
	} else if (c->way == SYSCALL_32) {
		memcpy(p, "\x89\xcd\x0f\x05", 4);       /* mov ebp, ecx; syscall */
		p += 4;
	} else {
		memcpy(p, "\x89\xe5\x0f\x34", 4);       /* mov ebp, esp; sysenter */
		p += 4;
	}
	memcpy(p, "\x31\xdb\xb8\x01\x00\x00\x00\xcd\x80\x0f\x0b", 11);
	uint32_t far[2] = { (uint32_t)(uintptr_t)code, 0x23 };

	memcpy(low + 0x3000, far, sizeof far);
	__asm__ volatile("mov %0, %%rsp\n\tljmpl *(%1)" : : "r"(low + 0x4000 - 64), "r"(low + 0x3000) : "memory");
}

static void all_calls(int way)
{
	const struct call32 calls[] = {
		{ way, I_CHMOD, low_string(prey("file")), 0777, 0 },
		{ way, I_TRUNCATE, low_string(prey("large")), 1, 0 },
		{ way, I_TRUNCATE64, low_string(prey("large")), 2, 0 },
		{ way, I_OPEN, low_string(prey("private")), O_RDWR | O_TRUNC, 0 },
		{ way, I_OPENAT, (uint32_t)AT_FDCWD, low_string(prey("noted")), O_RDWR | O_TRUNC },
		{ way, I_CREAT, low_string(prey("new")), 0666, 0 },
		{ way, I_MKDIR, low_string(prey("newdir")), 0777, 0 },
		{ way, I_SYMLINK, low_string("file"), low_string(prey("newlink")), 0 },
		{ way, I_LINK, low_string(prey("file")), low_string(prey("newhard")), 0 },
		{ way, I_FCHMODAT, (uint32_t)AT_FDCWD, low_string(prey("program")), 0700 },
		{ way, I_FCHMOD, (uint32_t)open(prey("dir"), O_RDONLY), 0700, 0 },
		{ way, I_RENAME, low_string(prey("dir/file")), low_string(prey("dir/moved")), 0 },
		{ way, I_RMDIR, low_string(prey("dir/sub")), 0, 0 },
		{ way, I_UNLINK, low_string(prey("hard")), 0, 0 },
		{ way, I_UNLINKAT, (uint32_t)AT_FDCWD, low_string(prey("link")), 0 },
	};

	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		struct call32 c = calls[i];
		int status = attack_child(make, &c, 2);

		if (getenv("ATTACK_VERBOSE"))
			printf("way %d number %d: status %x\n", way, c.nr, status);
	}
	used = 0;
}

/* ---- a 32-bit program ---- */

static bool write_program(const char *path, uint16_t machine, const char *victim)
{
	static const unsigned char code[] = {
		0xb8, 10, 0, 0, 0, 0xbb, 0, 0, 0, 0, 0xcd, 0x80,                /* unlink(victim) */
		0x31, 0xdb, 0xb8, 1, 0, 0, 0, 0xcd, 0x80, 0x0f, 0x0b,           /* exit(0) */
	};
	enum { BASE = 0x08048000 };
	struct {
		Elf32_Ehdr e;
		Elf32_Phdr p;
		unsigned char code[sizeof code];
		char text[4096];
	} f = { .e = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT }, .e_type = ET_EXEC, .e_machine = machine, .e_version = 1,
		       .e_entry = BASE + (uint32_t)((char *)f.code - (char *)&f), .e_phoff = sizeof f.e, .e_ehsize = sizeof f.e, .e_phentsize = sizeof f.p, .e_phnum = 1 },
		.p = { .p_type = PT_LOAD, .p_vaddr = BASE, .p_paddr = BASE, .p_filesz = sizeof f, .p_memsz = sizeof f, .p_flags = PF_R | PF_X, .p_align = 4096 } };
	uint32_t text = BASE + (uint32_t)((char *)f.text - (char *)&f);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);
	bool ok;

	memcpy(f.code, code, sizeof code);
	memcpy(f.code + 6, &text, 4);
	snprintf(f.text, sizeof f.text, "%s", victim);
	ok = fd >= 0 && write(fd, &f, sizeof f) == sizeof f;
	close(fd);
	return ok;
}

struct program {
	const char *path;
	int fd;         /* fd: >= 0: by descriptor */
};

static void exec_it(void *arg)
{
	const struct program *p = arg;
	char *args[] = { (char *)(uintptr_t)"program", NULL };

	if (p->fd >= 0)
		syscall(SYS_execveat, p->fd, "", args, environ, AT_EMPTY_PATH);
	else
		execv(p->path, args);
	_exit(126);
}

static void programs(void)
{
	static const struct { const char *victim; uint16_t machine; bool in_memory; } list[] = {
		{ "noted", EM_386, false }, { "program", EM_386, true }, { "private", 6 /* EM_486 */, false }, { "file", EM_X86_64, false },
	};
	char name[64], fd_path[64];

	for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
		char victim[4096];
		int fd = list[i].in_memory ? memfd_create("program", 0) : -1, status;

		snprintf(victim, sizeof victim, "%s", prey(list[i].victim));
		snprintf(name, sizeof name, "/tmp/attack-arch-%d", getpid());
		snprintf(fd_path, sizeof fd_path, "/proc/self/fd/%d", fd);
		write_program(fd >= 0 ? fd_path : name, list[i].machine, victim);
		struct program p = { name, fd };

		status = attack_child(exec_it, &p, 2);
		if (getenv("ATTACK_VERBOSE"))
			printf("32-bit program %zu: status %x\n", i, status);
		if (fd >= 0)
			close(fd);
		unlink(name);
	}
}

int main(int argc, char **argv)
{
	attack_begin(argc, argv);
	low = mmap(NULL, 0x4000, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (low == MAP_FAILED)
		return 1;
	used = 0;
	for (int way = 0; way < WAYS; way++) {
		/* the strings of a way that worked are those of the next one again */
		all_calls(way);
	}
	programs();
	const struct call32 probe = { INT80, 20 /* getpid */, 0, 0, 0 };

	if (getenv("ATTACK_NATIVE") && attack_child(make, (void *)(uintptr_t)&probe, 2) != 0)
		attack_harmless("this kernel runs no 32-bit calls");
	return attack_end();
}
