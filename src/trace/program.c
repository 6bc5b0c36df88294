#include "program.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/sys.h"

static int read_interp(int fd, const Elf64_Phdr *ph, struct program *ret)
{
	ssize_t n;

	/* The kernel's own conditions. */
	if (ph->p_filesz < 2 || ph->p_filesz > PATH_MAX)
		return -ENOEXEC;
	n = sys_pread_all(fd, ret->interp, ph->p_filesz, (off_t)ph->p_offset);
	if (n < 0)
		return (int)n;
	if ((size_t)n != ph->p_filesz || ret->interp[n - 1] != '\0')
		return -ENOEXEC;
	return 0;
}

static int read_elf(int fd, const Elf64_Ehdr *eh, struct program *ret)
{
	Elf64_Phdr ph[64];
	ssize_t n;

	if (eh->e_ident[EI_CLASS] == ELFCLASS32) {
		ret->kind = eh->e_machine == EM_386 || eh->e_machine == EM_X86_64 ? PROGRAM_FOREIGN32 : PROGRAM_FOREIGN;
		return 0;
	}
	if (eh->e_machine != EM_X86_64) {
		ret->kind = PROGRAM_FOREIGN;
		return 0;
	}
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
		return -ENOEXEC;
	if (eh->e_phentsize != sizeof ph[0] || eh->e_phnum < 1 || eh->e_phnum > 65536 / sizeof ph[0])
		return -ENOEXEC;
	ret->kind = PROGRAM_STATIC;
	for (unsigned done = 0; done < eh->e_phnum; done += 64) {
		unsigned count = eh->e_phnum - done < 64 ? eh->e_phnum - done : 64;

		n = sys_pread_all(fd, ph, count * sizeof ph[0], (off_t)(eh->e_phoff + done * sizeof ph[0]));
		if (n < 0)
			return (int)n;
		if ((size_t)n != count * sizeof ph[0])
			return -ENOEXEC;
		for (unsigned i = 0; i < count; i++)
			if (ph[i].p_type == PT_INTERP) {
				ret->kind = PROGRAM_DYNAMIC;
				ret->interp_phdr = eh->e_phoff + (done + i) * sizeof ph[0];
				return read_interp(fd, &ph[i], ret);
			}
	}
	return 0;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The first byte from p up to and with last that is no blank; NULL when there is none. */
static char *skip_blanks(char *p, const char *last)
{
	while (p <= last && blank(*p))
		p++;
	return p <= last ? p : NULL;
}

/* The first blank or NUL from p up to and with last; NULL when there is none. */
static char *find_end(char *p, const char *last)
{
	while (p <= last && *p && !blank(*p))
		p++;
	return p <= last ? p : NULL;
}

/* "#!", blanks, the interpreter, and all that follows as one argument. As the kernel's load_script() does it, which takes a line without a newline at
 * its end for one that was cut: that may be the argument alone, and blanks behind it stay. An empty name is one too, when a NUL ends it.
 * buf: SCRIPT_LINE_MAX bytes, with zeroes behind the file's end. */
static int read_script(char *buf, struct program *ret)
{
	char *last = buf + SCRIPT_LINE_MAX - 1, *end = buf, *name, *sep, *arg;

	while (end < last && *end && *end != '\n')
		end++;
	if (*end != '\n') {
		name = skip_blanks(buf + 2, last);
		if (!name || !find_end(name, last))
			return -ENOEXEC;
		end = last;
	}
	while (blank(end[-1]))
		end--;
	name = skip_blanks(buf + 2, end);
	if (!name || name == end)
		return -ENOEXEC;
	sep = find_end(name, end);
	arg = sep && *sep ? skip_blanks(sep, end) : NULL;
	*end = '\0';
	ret->has_arg = arg;
	strcpy(ret->arg, arg ? arg : "");
	if (arg)
		*sep = '\0';
	strcpy(ret->interp, name);
	ret->kind = PROGRAM_SCRIPT;
	return 0;
}

int program_read(int fd, struct program *ret)
{
	union {
		char text[SCRIPT_LINE_MAX];
		Elf64_Ehdr eh;
	} head = { 0 };
	ssize_t n = sys_pread_all(fd, head.text, sizeof head.text, 0);

	ret->kind = PROGRAM_UNKNOWN;
	ret->interp[0] = ret->arg[0] = '\0';
	ret->has_arg = false;
	if (n < 0)
		return (int)n;
	if (n >= 2 && memcmp(head.text, "#!", 2) == 0)
		return read_script(head.text, ret);
	if (n >= (ssize_t)sizeof(Elf32_Ehdr) && memcmp(head.text, ELFMAG, SELFMAG) == 0)
		return read_elf(fd, &head.eh, ret);
	return 0;
}

int program_set_interp(int fd, const struct program *p, int64_t size, const char *interp)
{
	size_t len = strlen(interp) + 1;
	Elf64_Phdr ph;
	ssize_t n;
	int e;

	if (p->kind != PROGRAM_DYNAMIC || len > PATH_MAX)
		return -EINVAL;
	n = sys_pread_all(fd, &ph, sizeof ph, (off_t)p->interp_phdr);
	if (n < 0)
		return (int)n;
	if (n != sizeof ph || ph.p_type != PT_INTERP)
		return -ENOEXEC;
	ph.p_offset = (uint64_t)size;
	ph.p_filesz = len;
	e = sys_pwrite_all(fd, interp, len, (off_t)size);
	return e < 0 ? e : sys_pwrite_all(fd, &ph, sizeof ph, (off_t)p->interp_phdr);
}
