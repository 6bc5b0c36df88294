#!/bin/bash
# The terminal that a box was started on: nothing is typed into it for the shell outside, it is not taken away, hung up or made unusable.
. "$(dirname "$0")/../e2e/lib.sh"
need python3 python3
[ -x "${ATTACK_BIN:-}/tty_guest" ] || skip "needs the program tty_guest (ATTACK_BIN)"
OUTER=$(dirname "$0")/tty_outer.py
chmod a+x "$T"
cat >"$T/want" <<'W'
status 0
discipline 0
exclusive 0
typed 0
reads b'from the user\n'
W
# natively it does harm
ATTACK_NATIVE=1 python3 "$OUTER" "$ATTACK_BIN/tty_guest" >"$T/native" 2>"$T/native.err"
check "natively it does harm" sh -c '! cmp -s "$1" "$2"' sh "$T/want" "$T/native"
for wall in none landlock-scopes landlock-ioctl pidfd-thread sync; do
	COWBOX_TEST_WALL_OFF=${wall#none} python3 "$OUTER" "$COWBOX_BIN" run -b tty -- "$ATTACK_BIN/tty_guest" >"$T/$wall" 2>"$T/$wall.err"
	same "without $wall: the terminal" "$T/want" "$T/$wall"
done
box discard -f -b tty >/dev/null 2>&1
finish
