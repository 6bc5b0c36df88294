#!/bin/bash
# An interactive shell on a pseudo-terminal: ^C, ^Z, fg, the window's size, the question at the end.
. "$(dirname "$0")/lib.sh"
need python3 python3

PYTHON=$(command -v /usr/bin/python3 || command -v python3)
mkdir "$T/native" "$T/boxed"
check "natively (the script itself)" limited "$PYTHON" "$E2E/pty_session.py" native "$T/native"
check "native files" test -e "$T/native/made"
check "in a box" limited "$PYTHON" "$E2E/pty_session.py" box "$T/boxed" "$COWBOX_BIN" tty
check "the host has no new file" test ! -e "$T/boxed/made"
box commit -a -b tty >"$T/commit.log" 2>&1
check "after commit it has" test "$(cat "$T/boxed/made" 2>/dev/null)" = made
check "and the directory" test -d "$T/boxed/d"
finish
