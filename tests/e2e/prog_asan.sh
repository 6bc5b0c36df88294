#!/bin/bash
# -fsanitize=address: the leak check traces its own process, so it fails where a supervisor traces all the time.
. "$(dirname "$0")/lib.sh"
need gcc gcc

setup_asan() {
	printf '#include <stdlib.h>\n#include <string.h>\nchar *volatile keep;\nint main(int argc, char **argv)\n{\n\tkeep = malloc(100);\n\tkeep = 0;\n\tif (argc > 1) { char *volatile p = malloc(10); p[10] = 1; }\n\treturn 0;\n}\n' >l.c
	printf '#include <stdio.h>\nint main(void) { puts("clean"); return 0; }\n' >c.c
	gcc -g -fsanitize=address -o l l.c
}
# leaks NAME: runs it; its leak check must have found the leak
leaks() {
	"./$1" 2>"$1.err"
	echo "status $?"
	cat "$1.err" >&2
	grep -q 'detected memory leaks' "$1.err" || { echo "the leak check did not run"; exit 1; }
	rm "$1.err"
}
cmd_leak() {
	unset ASAN_OPTIONS
	leaks l
	gcc -g -fsanitize=address -o l2 l.c && leaks l2
	./l2 overflow
	echo "status $?"
	gcc -fsanitize=address,undefined -o c c.c && ./c
}
plain() { grep -o -E 'LeakSanitizer: .*|SUMMARY: .*|heap-buffer-overflow|in main .*' | sed -E 's/ on address.*//; s/0x[0-9a-f]+/0xX/g'; }

FILTER_ERR=plain
both leak setup_asan cmd_leak
finish
