#!/bin/bash
# strace in a box: of a host's program, and of one just compiled in the box.
. "$(dirname "$0")/lib.sh"
need strace strace
need gcc gcc

setup_strace() {
	printf '#include <fcntl.h>\n#include <stdio.h>\n#include <unistd.h>\n#include <sys/stat.h>\nint main(void)\n{\n\tint fd = open("made", O_CREAT | O_WRONLY, 0644);\n\tif (write(fd, "hello\\n", 6) != 6) return 1;\n\tmkdir("d", 0755);\n\trename("d", "e");\n\tunlink("missing");\n\treturn access("e", R_OK) || access("nothing", R_OK) != -1;\n}\n' >p.c
	gcc -O0 -o p p.c
}
TRACE=open,openat,mkdir,rename,unlink,chdir,access,write,exit_group
traced() { strace -f -qq -e trace="$TRACE" -e signal=none -o log "$@"; echo "status $?"; sed -E 's/^[0-9]+ +//' log | grep -v -e '/lib/' -e ld.so; }
cmd_host() { TRACE=open,openat,mkdir,rename,unlink,chdir,access,write,exit_group; traced ./p; }
cmd_box() { TRACE=open,openat,mkdir,rename,unlink,chdir,access,write,exit_group; sed -i 's/hello/HELLO/' p.c && gcc -O0 -o q p.c && traced ./q; }
cmd_script() { TRACE=mkdir,rmdir,chdir; printf '#!/bin/sh\nmkdir k && mkdir k/l && rmdir k/l\n' >s && chmod +x s && traced ./s && strace -c -o counts -f sh -c 'ls / >/dev/null; ls >/dev/null'; echo "status $?"; grep -c execve counts; }
# what a traced program has in memory stays as it is, whatever is done on its behalf
setup_memory() {
	cat >m.c <<'END'
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
static char name[] = "e", next[] = "data after the name", script[] = "./made", after[] = "data after the script";
int main(void)
{
	struct { char p[4], q[40]; } s = { "e", "data on the stack" };
	char *v[] = { script, 0 }, *e[] = { 0 };
	mkdir("e", 0755);
	/* Into a directory of the box a debugged thread cannot go by so short a name (docs/DIFFERENCES.md); its memory must stay whole. */
	if ((chdir(s.p) == 0 && chdir("..")) || (chdir(name) == 0 && chdir("..")))
		perror("chdir");
	printf("%s|%s|%s|%s\n", s.p, s.q, name, next);
	fflush(stdout);
	if (fork() == 0) {
		execve(script, v, e);
		_exit(9);
	}
	wait(0);
	printf("%s|%s\n", script, after);
	return 0;
}
END
	gcc -o m m.c
}
cmd_memory() {
	printf '#!/bin/sh\necho "ran"\n' >made
	chmod +x made
	./m && strace -f -o /dev/null ./m && { ! command -v gdb >/dev/null || gdb -nx -q -batch -ex run ./m 2>/dev/null | grep '|'; }
}

SEAL_FLAGS="-x log -x counts"
both host setup_strace cmd_host
both box setup_strace cmd_box
both memory setup_memory cmd_memory
both script setup_strace cmd_script
finish
