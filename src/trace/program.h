/* program.h - what the first bytes of a program say about how it would be run. */
#ifndef COWBOX_TRACE_PROGRAM_H
#define COWBOX_TRACE_PROGRAM_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define SCRIPT_LINE_MAX 256       /* the kernel looks at so many bytes of a file */

enum program_kind {
	PROGRAM_UNKNOWN,          /* the kernel says ENOEXEC, unless binfmt_misc knows better */
	PROGRAM_STATIC,           /* ELF for this machine without an interpreter */
	PROGRAM_DYNAMIC,          /* ELF for this machine; interp is its loader */
	PROGRAM_SCRIPT,           /* #!; interp ("" too) and arg as the line has them */
	PROGRAM_FOREIGN32,        /* ELF for 32-bit x86 or x32 */
	PROGRAM_FOREIGN,          /* ELF for another machine */
};
struct program {
	enum program_kind kind;
	char interp[PATH_MAX];
	char arg[SCRIPT_LINE_MAX];  /* arg: of a script */
	bool has_arg;               /* has_arg: it has one, and be it "" */
	uint64_t interp_phdr;       /* interp_phdr: where in the file PT_INTERP's program header stands */
};

/* fd: readable. 0, or -errno of reading. What is malformed is PROGRAM_UNKNOWN, or -ENOEXEC where it is surely refused. */
int program_read(int fd, struct program *ret);
/* Makes the ELF file fd (readable and writable, size bytes long) name another loader: the path is appended. p_vaddr stays, since the
 * loader reads its own name from there. */
int program_set_interp(int fd, const struct program *p, int64_t size, const char *interp);

#endif
