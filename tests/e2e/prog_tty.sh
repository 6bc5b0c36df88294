#!/bin/bash
# An interactive shell on a pseudo-terminal: ^C, ^Z, fg, the window's size, the question at the end.
. "$(dirname "$0")/lib.sh"
need python3 python3

PYTHON=$(command -v /usr/bin/python3 || command -v python3)
mkdir "$T/native" "$T/boxed"
check "natively (the script itself)" limited "$PYTHON" "$E2E/pty_session.py" native "$T/native"
check "native files" test -e "$T/native/made"
seal -c "$T/boxed" >"$T/before"
check "in a box" limited "$PYTHON" "$E2E/pty_session.py" box "$T/boxed" "$COWBOX_BIN" tty
seal -c "$T/boxed" >"$T/after"
same "the host is untouched" "$T/before" "$T/after"
box commit -a -b tty >"$T/commit.log" 2>&1
check "after commit it has" test "$(cat "$T/boxed/made" 2>/dev/null)" = made
check "and the directory" test -d "$T/boxed/d"
# the native session and the committed one left the same (by names, modes and content: they ran at different times)
seal -T "$T/native" >"$T/native.tree"
seal -T "$T/boxed" >"$T/boxed.tree"
same "the tree after commit is the native one" "$T/native.tree" "$T/boxed.tree"
finish
