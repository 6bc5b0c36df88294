#!/bin/bash
# Without a wall that cowbox needs, run refuses to start: it says which wall, the command never runs, and nothing is left behind. doctor says so too.
. "$(dirname "$0")/../e2e/lib.sh"
cd "$T" || exit 1
WALLS="seccomp addfd landlock ptrace vm pidfd-getfd openat2 faccessat2 whiteout"
required=$(box doctor --json | grep -c '"required":true')
check "the walls named here are all that are required, and the store" test "$required" = $(($(wc -w <<<"$WALLS") + 1))
for wall in $WALLS; do
	COWBOX_TEST_WALL_OFF=$wall box run -b walls -- touch ran >"$T/out" 2>"$T/err" </dev/null
	status=$?
	check "without $wall: status 125" test "$status" = 125
	check "without $wall: one line says so" test "$(grep -c '^cowbox: ' "$T/err")" -ge 1 || show "$T/err"
	COWBOX_TEST_WALL_OFF=$wall box doctor >"$T/out" 2>&1
	status=$?
	check "without $wall: doctor fails" test "$status" = 1
	check "without $wall: doctor names it" grep -q '^missing ' "$T/out" || show "$T/out"
done
box list >"$T/out" 2>/dev/null
check "no box was left" test ! -s "$T/out" || show "$T/out"
check "the command never ran" test ! -e "$T/ran"
box run -b walls -- touch ran >/dev/null 2>&1 </dev/null
check "with all of them it runs" test $? = 0
finish
