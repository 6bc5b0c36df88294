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
mkdir "$T/question"
check "^Z, fg and ^C at the question" limited "$PYTHON" "$E2E/pty_session.py" question "$T/question" "$COWBOX_BIN" question
check "nothing of it is on the host" test ! -e "$T/question/changed"
# not on a terminal too: a line that says what is waited for, and only when that takes long
box run -b waits -- sh -c 'sleep 2 & exit 4' >"$T/waits" 2>&1 </dev/null
check "the command's status" test $? = 4
check "what is waited for is told" grep -qx 'cowbox: waiting for 1 process that the command left running (Ctrl-C ends it)' "$T/waits" || show "$T/waits"
box run -b waits -- sh -c 'sleep 0.3 & exit 4' >"$T/waits" 2>&1 </dev/null
check "not what ends by itself" test ! -s "$T/waits" || show "$T/waits"
# who stops itself for a sibling to wake it: the sibling is served meanwhile
box run -b stops -- sh -c '(sleep 0.3; /bin/ls / >/dev/null; kill -CONT $$) & kill -STOP $$; echo resumed; wait' >"$T/stops" 2>&1 </dev/null &
pid=$!
for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
kill -KILL "$pid" 2>/dev/null && kill -CONT "$pid"
wait "$pid" 2>/dev/null
check "a command that stops itself is woken by its sibling" grep -qx resumed "$T/stops" || show "$T/stops"
finish
