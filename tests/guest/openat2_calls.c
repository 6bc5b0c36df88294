/* openat2: the RESOLVE flags, in the view. */
#include "guest.h"
#include <linux/openat2.h>

static int at2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = flags, .mode = mode, .resolve = resolve };

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

int main(void)
{
	int dir = open("host", O_RDONLY | O_DIRECTORY), fresh;
	struct { struct open_how how; uint64_t more; } big = { { .flags = O_RDONLY }, 0 };

	guest_start();
	mkdir("fresh", 0755);
	guest_put("fresh/f", "f");
	if (symlink("../host/f1", "fresh/out") || symlink("f", "fresh/in") || symlink("/f", "fresh/abs"))
		perror("symlink");
	fresh = open("fresh", O_RDONLY | O_DIRECTORY);
	SHOW(at2(dir, "f1", O_RDONLY, 0, 0));
	SHOW(at2(dir, "link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
	SHOW(at2(dir, "dirlink/a", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
	SHOW(at2(dir, "dir/a", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
	SHOW(at2(dir, "dir/../f1", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(at2(dir, "../fresh/f", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(at2(dir, "/etc/passwd", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(at2(fresh, "out", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(at2(fresh, "in", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(at2(fresh, "abs", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(at2(fresh, "abs", O_RDONLY, 0, RESOLVE_IN_ROOT));
	SHOW(at2(fresh, "../../f", O_RDONLY, 0, RESOLVE_IN_ROOT));
	SHOW(at2(fresh, "out", O_RDONLY, 0, RESOLVE_IN_ROOT));
	SHOW(at2(AT_FDCWD, "/proc/self/fd/0", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS) >= 0 ? 0 : -1);
	SHOW(at2(AT_FDCWD, "/proc/self/cwd/host/f1", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
	SHOW(at2(AT_FDCWD, "/proc/self/status", O_RDONLY, 0, RESOLVE_NO_XDEV));
	SHOW(at2(dir, "new", O_CREAT | O_WRONLY | O_EXCL, 0640, RESOLVE_BENEATH));
	guest_stat("host/new");
	SHOW(at2(dir, "new2", O_CREAT | O_WRONLY, 010640, 0));
	SHOW(at2(dir, "f1", O_RDONLY, 0640, 0));
	SHOW(at2(dir, "f1", UINT64_C(1) << 40, 0, 0));
	SHOW(at2(dir, "f1", O_RDONLY, 0, 0x8000));
	SHOW(at2(dir, "f1", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT));
	SHOW(at2(dir, "f2", O_RDWR | O_TRUNC, 0, RESOLVE_BENEATH));
	guest_stat("host/f2");
	SHOW(at2(dir, "f1", O_PATH | O_RDWR, 0, 0));
	SHOW(syscall(SYS_openat2, dir, "f1", &big, sizeof(big)));
	big.more = 1;
	SHOW(syscall(SYS_openat2, dir, "f1", &big, sizeof(big)));
	SHOW(syscall(SYS_openat2, dir, "f1", &big, 8));
	SHOW(syscall(SYS_openat2, dir, "f1", (void *)8, sizeof(struct open_how)));
	SHOW(at2(77, "f1", O_RDONLY, 0, 0));
	return 0;
}
