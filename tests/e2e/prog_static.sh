#!/bin/bash
# Statically linked programs, with glibc and with musl: no loader, no preloading, direct calls.
. "$(dirname "$0")/lib.sh"
need gcc gcc

setup_static() {
	cat >s.c <<'END'
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	char buf[64] = "", exe[4096];
	struct stat st;
	if (argc > 1) {
		printf("child of %s: %s\n", argv[0], argv[1]);
		return 7;
	}
	int fd = open("made", O_RDWR | O_CREAT | O_EXCL, 0640);
	printf("open %d\n", fd >= 0);
	if (write(fd, "static\n", 7) != 7)
		return 1;
	close(fd);
	/* without libc's help */
	printf("rename %ld\n", syscall(SYS_rename, "made", "renamed"));
	printf("unlink %ld %d\n", syscall(SYS_unlink, "made"), errno);
	fd = open("given", O_RDWR | O_APPEND);
	printf("write %zd\n", write(fd, "more\n", 5));
	printf("pread %zd %s", pread(fd, buf, 60, 0), buf);
	int r = stat("given", &st);
	printf("stat %d %ld\n", r, (long)st.st_size);
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = 0;
	printf("exe %s\n", strrchr(exe, '/') ? strrchr(exe, '/') : exe);
	fflush(stdout);
	pid_t p = vfork();
	if (p == 0) {
		execl(exe, "again", "arg", (char *)0);
		_exit(9);
	}
	int status;
	waitpid(p, &status, 0);
	printf("child %d\n", WEXITSTATUS(status));
	return 5;
}
END
	gcc -static -O1 -o s-glibc s.c
	command -v musl-gcc >/dev/null && musl-gcc -static -O1 -o s-musl s.c && musl-gcc -O1 -o d-musl s.c
	echo given >given
}
cmd_host_binary() { ./s-glibc; echo "status $?"; cat given renamed; }
cmd_box_binary() { gcc -static -O1 -o fresh s.c && ./fresh; echo "status $?"; }
cmd_musl() { ./s-musl; echo "status $?"; rm renamed; musl-gcc -static -O1 -o fresh s.c && ./fresh; echo "status $?"; cat given; }
cmd_musl_dynamic() { ./d-musl; echo "status $?"; rm renamed; musl-gcc -O1 -o fresh s.c && ./fresh; echo "status $?"; cat given; }

both host setup_static cmd_host_binary
both made-in-box setup_static cmd_box_binary
if command -v musl-gcc >/dev/null; then
	both musl setup_static cmd_musl
	both musl-dynamic setup_static cmd_musl_dynamic
else
	skip_part "the musl part needs musl-gcc (apt-get install musl-tools)"
fi
finish
