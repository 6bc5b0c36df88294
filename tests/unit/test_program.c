/* What program.c reads out of the first bytes of a file. */
#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../src/trace/program.h"
#include "../skip.h"

static int file_with(const void *data, size_t size)
{
	int fd = memfd_create("program", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), (ssize_t)size);
	return fd;
}

static int read_text(const char *text, struct program *p)
{
	int fd = file_with(text, strlen(text)), r = program_read(fd, p);

	close(fd);
	return r;
}

static void test_scripts(void **state)
{
	struct program p;

	(void)state;
	assert_int_equal(read_text("#!/bin/sh\nexit\n", &p), 0);
	assert_int_equal(p.kind, PROGRAM_SCRIPT);
	assert_string_equal(p.interp, "/bin/sh");
	assert_string_equal(p.arg, "");
	assert_int_equal(read_text("#! \t/usr/bin/env  -S python3 -u \t\n", &p), 0);
	assert_string_equal(p.interp, "/usr/bin/env");
	assert_string_equal(p.arg, "-S python3 -u");
	assert_int_equal(read_text("#!sh", &p), 0);
	assert_string_equal(p.interp, "sh");
	assert_int_equal(read_text("#!\n", &p), -ENOEXEC);
	assert_int_equal(read_text("#!", &p), 0);
	assert_int_equal(p.kind, PROGRAM_SCRIPT);
	assert_string_equal(p.interp, "");
	assert_false(p.has_arg);
	assert_int_equal(read_text("#! \t", &p), 0);
	assert_string_equal(p.interp, "");
	assert_int_equal(read_text("#!/bin/sh\t\n", &p), 0);
	assert_string_equal(p.interp, "/bin/sh");
	assert_false(p.has_arg);
	/* Without a newline blanks count. */
	assert_int_equal(read_text("#!/bin/sh ", &p), 0);
	assert_string_equal(p.interp, "/bin/sh");
	assert_true(p.has_arg);
	assert_string_equal(p.arg, "");
	assert_int_equal(read_text("#!/bin/sh -e ", &p), 0);
	assert_string_equal(p.arg, "-e ");
	assert_int_equal(read_text("#!  \t \n/bin/sh", &p), -ENOEXEC);
	assert_int_equal(read_text("echo\n", &p), 0);
	assert_int_equal(p.kind, PROGRAM_UNKNOWN);
	assert_int_equal(read_text("", &p), 0);
	assert_int_equal(p.kind, PROGRAM_UNKNOWN);
}

static void test_long_script_lines(void **state)
{
	char line[400];
	struct program p;

	(void)state;
	memset(line, 'x', sizeof line);
	memcpy(line, "#!/", 3);
	line[sizeof line - 1] = '\0';
	/* The interpreter's name is cut. */
	assert_int_equal(read_text(line, &p), -ENOEXEC);
	/* Only its argument is. */
	line[20] = ' ';
	assert_int_equal(read_text(line, &p), 0);
	assert_int_equal(strlen(p.interp), 18);
	assert_int_equal(strlen(p.arg), SCRIPT_LINE_MAX - 22);
}

static void test_elf(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), copy;
	static char image[64 * 1024];
	struct program p, q;
	struct stat st;
	ssize_t n;

	(void)state;
	assert_int_equal(program_read(fd, &p), 0);
	assert_int_equal(fstat(fd, &st), 0);
	if (p.kind == PROGRAM_STATIC)
		SKIP("/bin/sh is static here: no loader to read");
	assert_int_equal(p.kind, PROGRAM_DYNAMIC);
	assert_non_null(strstr(p.interp, "ld"));
	n = read(fd, image, sizeof image);
	copy = file_with(image, (size_t)n);
	assert_int_equal(program_set_interp(copy, &p, n, "/some/other/loader"), 0);
	assert_int_equal(program_read(copy, &q), 0);
	assert_string_equal(q.interp, "/some/other/loader");
	assert_int_equal(q.interp_phdr, p.interp_phdr);
	close(copy);
	close(fd);
}

static void test_broken_elf(void **state)
{
	Elf64_Ehdr eh = { .e_ident = ELFMAG, .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1,
			  .e_phoff = sizeof eh };
	struct {
		Elf64_Ehdr eh;
		Elf64_Phdr ph;
	} file;
	struct program p;
	int fd;

	(void)state;
	eh.e_ident[EI_CLASS] = ELFCLASS64;
	file.eh = eh;
	file.ph = (Elf64_Phdr){ .p_type = PT_INTERP, .p_offset = 1, .p_filesz = PATH_MAX + 1 };
	fd = file_with(&file, sizeof file);
	assert_int_equal(program_read(fd, &p), -ENOEXEC);
	file.ph = (Elf64_Phdr){ .p_type = PT_INTERP, .p_offset = 1, .p_filesz = 3 };   /* "ELF": no NUL at its end */
	assert_int_equal(pwrite(fd, &file, sizeof file, 0), (ssize_t)sizeof file);
	assert_int_equal(program_read(fd, &p), -ENOEXEC);
	file.ph = (Elf64_Phdr){ .p_type = PT_INTERP, .p_offset = 1ULL << 40, .p_filesz = 3 };
	assert_int_equal(pwrite(fd, &file, sizeof file, 0), (ssize_t)sizeof file);
	assert_int_equal(program_read(fd, &p), -ENOEXEC);
	file.eh.e_phoff = 1ULL << 50;
	assert_int_equal(pwrite(fd, &file, sizeof file, 0), (ssize_t)sizeof file);
	assert_int_equal(program_read(fd, &p), -ENOEXEC);
	file.eh = eh;
	file.eh.e_machine = EM_AARCH64;
	assert_int_equal(pwrite(fd, &file, sizeof file, 0), (ssize_t)sizeof file);
	assert_int_equal(program_read(fd, &p), 0);
	assert_int_equal(p.kind, PROGRAM_FOREIGN);
	file.eh.e_ident[EI_CLASS] = ELFCLASS32;
	file.eh.e_machine = EM_386;
	assert_int_equal(pwrite(fd, &file, sizeof file, 0), (ssize_t)sizeof file);
	assert_int_equal(program_read(fd, &p), 0);
	assert_int_equal(p.kind, PROGRAM_FOREIGN32);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts), cmocka_unit_test(test_long_script_lines), cmocka_unit_test(test_elf),
		cmocka_unit_test(test_broken_elf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
