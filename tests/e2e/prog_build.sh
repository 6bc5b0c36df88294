#!/bin/bash
# gcc and make -j2 of a C project of 150 files; a second, partial build over what the host has built.
. "$(dirname "$0")/lib.sh"
need gcc gcc
need make make

setup_project() { bash "$E2E/gen_project.sh" project 150; }
setup_built() {
	bash "$E2E/gen_project.sh" project 30
	make -s -j2 -C project
}
cmd_make() { make -j2 -C project && project/build/program && make -s -C project install DESTDIR="$PWD/inst" && inst/bin/program; }
cmd_rebuild() {
	sleep 0.02
	sed -i 's/131/137/; s/seed;/seed + 1;/' project/lib/mod7.c
	touch project/include/mod9.h
	make -C project && project/build/program && make -q -C project && echo up to date && touch project/Makefile &&
		make -s -C project clean && ls project
}
cmd_compile_pipe() {
	printf '#include <stdio.h>\nint main(void) { puts("hi"); return 3; }\n' | gcc -x c -o hi - && ./hi
	echo "status $?"
	gcc -c /nonexistent.c
	echo "status $?"
	gcc -E -dM - </dev/null | grep -c __
	gcc -shared -fPIC -o libs.so project/lib/mod1.c -Iproject/include && gcc -o uses project/lib/mod2.c -x c - -Iproject/include -L. -ls -Wl,-rpath,"$PWD" <<'END'
#include <stdio.h>
#include "mod1.h"
int main(void) { printf("%d\n", mod1_run(5) != 0); return 0; }
END
	./uses
}

FILTER=sort
FILTER_ERR=sort
both make setup_project cmd_make
both rebuild setup_built cmd_rebuild
both pieces setup_built cmd_compile_pipe
finish
