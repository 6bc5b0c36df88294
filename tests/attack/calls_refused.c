/* In a box, every call that the table refuses; everywhere, x32's names of those that it serves: each aimed at the host's files. */
#include "attack.h"

struct row {
	const char *name;
	enum { SERVED, REFUSED } is;
};

#define ALLOW(nr, name, shape, truth) [nr] = { #name, SERVED },
#define CHECK(nr, name, shape, truth) [nr] = { #name, SERVED },
#define TRAP(nr, name, shape, truth) [nr] = { #name, SERVED },
#define SPLIT(nr, name, shape, truth) [nr] = { #name, SERVED },
#define REFUSE(nr, name, shape, code, truth) [nr] = { #name, REFUSED },
static const struct row rows[] = {
#include "../../src/trace/syscalls.def"
};
#define ROWS (long)(sizeof rows / sizeof rows[0])

#define X32 0x40000000L

static long number;

static void call(void *arg)
{
	const char *path = prey("file"), *to = prey("new");
	(void)arg;
	long r[] = {
		syscall(number, path, to, 0777, 0777, 0777, 0),
		syscall(number, AT_FDCWD, path, 0777, AT_FDCWD, to, 0),
		syscall(number, path, O_WRONLY | O_TRUNC, 0777, 0, 0, 0),
		syscall(number, AT_FDCWD, path, O_WRONLY | O_TRUNC, 0777, 0, 0),
		syscall(number, open(path, O_RDONLY), 0777, 0, 0, 0, 0),
	};

	for (size_t i = 0; i < sizeof r / sizeof r[0]; i++)
		if (r[i] >= 0 && number & X32)
			reached("a call of x32's was taken");
}

int main(int argc, char **argv)
{
	static const char *const x32[] = { "open", "unlink", "chmod", "chown", "rename", "truncate", "mkdir", "openat", "unlinkat", "fchmodat", "link", "symlink" };

	attack_begin(argc, argv);
	/* Natively what is refused in a box would turn the machine upside down. */
	for (number = 0; number < ROWS && !getenv("ATTACK_NATIVE"); number++)
		if (rows[number].name && rows[number].is == REFUSED)
			attack_child(call, NULL, 1);
	for (size_t i = 0; i < sizeof x32 / sizeof x32[0]; i++)
		for (long n = 0; n < ROWS; n++)
			if (rows[n].name && !strcmp(rows[n].name, x32[i])) {
				number = n | X32;
				attack_child(call, NULL, 1);
			}
	for (number = X32 + 512; number < X32 + 550; number++) /* those that x32 has for itself */
		attack_child(call, NULL, 1);
	if (getenv("ATTACK_NATIVE"))
		attack_harmless("the calls that are refused would do their harm to the whole machine, and this kernel does not know x32's");
	return attack_end();
}
