#!/bin/bash
# gdb in a box: of a host's program, and of one just compiled in the box (an exec that must be redirected while gdb traces it).
. "$(dirname "$0")/lib.sh"
need gdb gdb
need gcc gcc

setup_gdb() {
	printf '#include <stdio.h>\n#include <stdlib.h>\nstatic int twice(int x)\n{\n\tint y = x * 2;\n\treturn y;\n}\nint main(void)\n{\n\tFILE *f = fopen("made", "w");\n\tfprintf(f, "%%d\\n", twice(21));\n\tfclose(f);\n\tif (getenv("CRASH"))\n\t\tabort();\n\treturn 3;\n}\n' >p.c
	gcc -g -O0 -o p p.c
}
# gdb -batch on program $1
debug() {
	gdb -nx -q -batch -iex 'set debuginfod enabled off' -ex 'set pagination off' -ex 'break twice' -ex run -ex bt -ex 'print x' -ex next -ex 'print y' \
		-ex 'info proc exe' -ex continue -ex 'print $_exitcode' "$1"
}
cmd_host() { debug ./p; echo "status $?"; cat made; CRASH=1 gdb -nx -q -batch -ex run -ex bt ./p 2>&1 | grep -c 'SIGABRT'; }
cmd_box() { sed -i 's/21/50/' p.c && gcc -g -O0 -o q p.c && debug ./q; echo "status $?"; cat made; }
cmd_attach() {
	printf '#include <unistd.h>\nvolatile int go = 1;\nint main(void)\n{\n\twhile (go) usleep(10000);\n\treturn 6;\n}\n' >l.c && gcc -g -O0 -o l l.c && {
		./l &
		sleep 0.3
		gdb -nx -q -batch -ex 'set var go = 0' -ex detach -p $! >/dev/null 2>&1
		wait $!
		echo "ended with $?"
	}
}
# process numbers, addresses, and what gdb says of threads
plain() { sed -E 's/process [0-9]+/process N/g; s/0x[0-9a-f]+/0xX/g; s/\(process N\)/(process N)/; s/Inferior 1 \(process N\)/Inferior 1/' | grep -v -e '^\[' -e '^warning' -e '^Using host' -e 'Download failed' -e '^$'; }

FILTER=plain
FILTER_ERR=plain
both host setup_gdb cmd_host
both box setup_gdb cmd_box
both attach setup_gdb cmd_attach
finish
