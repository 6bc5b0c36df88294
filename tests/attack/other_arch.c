/* The 32-bit calls, by int 0x80 from a 64-bit program and from a 32-bit one. */
#include "attack.h"

#include <elf.h>
#include <sys/mman.h>

enum { UNLINK = 10, CHMOD = 15, RENAME = 38, TRUNCATE = 92, OPEN = 5, WRITE = 4, MKDIR = 39, CREAT = 8, SYMLINK = 83, FCHMOD = 94, UNLINKAT = 301, OPENAT = 295 };

static long call32(long nr, long a, long b, long c)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
	return (int)r;
}

/* A copy of the string where 32 bits reach it. */
static long low(const char *text)
{
	static char *room;
	static size_t used;

	if (!room) {
		room = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
		if (room == MAP_FAILED)
			exit(1);
	}
	char *p = room + used;

	strcpy(p, text);
	used += strlen(text) + 1;
	return (long)(uintptr_t)p;
}

static void by_int80(void *arg)
{
	(void)arg;
	long fd = TRY(call32(OPEN, low(prey("file")), O_WRONLY | O_TRUNC, 0));

	if (fd >= 0)
		TRY(call32(WRITE, fd, low("attack"), 6));
	TRY(call32(FCHMOD, open(prey("file"), O_RDONLY), 0777, 0));
	TRY(call32(CHMOD, low(prey("private")), 0777, 0));
	TRY(call32(TRUNCATE, low(prey("large")), 1, 0));
	TRY(call32(RENAME, low(prey("noted")), low(prey("renamed")), 0));
	TRY(call32(MKDIR, low(prey("made")), 0777, 0));
	TRY(call32(SYMLINK, low("x"), low(prey("symlink")), 0));
	TRY(call32(CREAT, low(prey("created")), 0666, 0));
	TRY(call32(UNLINK, low(prey("hard")), 0, 0));
	TRY(call32(UNLINKAT, AT_FDCWD, low(prey("link")), 0));
	TRY(call32(OPENAT, AT_FDCWD, low(prey("dir/file")), O_WRONLY | O_TRUNC));
	if (fd >= 0)
		reached("a 32-bit open was taken");
}

/* A static program of 32 bits: unlink(PREY/file), then exit. */
static void by_program(void *arg)
{
	const char *name = arg;
	unsigned char file[4096] = { 0 }, *code = file + 0x200;
	const uint32_t base = 0x08048000;
	Elf32_Ehdr *e = (Elf32_Ehdr *)file;
	Elf32_Phdr *p = (Elf32_Phdr *)(file + sizeof *e);

	memcpy(e->e_ident, ELFMAG "\1\1\1", 7);
	*e = (Elf32_Ehdr){ .e_type = ET_EXEC, .e_machine = EM_386, .e_version = 1, .e_entry = base + 0x200, .e_phoff = sizeof *e, .e_ehsize = sizeof *e,
		           .e_phentsize = sizeof *p, .e_phnum = 1 };
	memcpy(e->e_ident, "\177ELF\1\1\1", 7);
	*p = (Elf32_Phdr){ .p_type = PT_LOAD, .p_vaddr = base, .p_paddr = base, .p_filesz = sizeof file, .p_memsz = sizeof file, .p_flags = PF_R | PF_X, .p_align = 4096 };
	uint32_t path = base + 0x400;
	memcpy(code, "\xb8\x0a\0\0\0\xbb", 6);          /* mov eax, unlink; mov ebx, path */
	memcpy(code + 6, &path, 4);
	memcpy(code + 10, "\xcd\x80\xb8\x01\0\0\0\x31\xdb\xcd\x80", 11);   /* int 0x80; mov eax, exit; xor ebx, ebx; int 0x80 */
	snprintf((char *)file + 0x400, sizeof file - 0x400, "%s", prey("program"));
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);

	if (fd < 0 || write(fd, file, sizeof file) != sizeof file)
		return;
	close(fd);
	execl(name, name, NULL);
}

int main(int argc, char **argv)
{
	char name[] = "/tmp/attack.XXXXXX";

	attack_begin(argc, argv);
	attack_child(by_int80, NULL, 5);
	close(mkstemp(name));
	attack_child(by_program, name, 5);
	unlink(name);
	return attack_end();
}
