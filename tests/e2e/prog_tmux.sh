#!/bin/bash
# A box in a tmux window, and tmux in a box (a server, its AF_UNIX socket in the layer, a terminal of its own).
. "$(dirname "$0")/lib.sh"
need tmux tmux

t() { tmux -S "$T/socket" -f /dev/null "$@"; }
# shows TEXT: waits until the window has it at the start of a line
shows() {
	local i
	for i in $(seq 1 150); do
		t capture-pane -p -t w 2>/dev/null | grep -q "^$1" && return 0
		sleep 0.1
	done
	t capture-pane -p -t w | sed 's/^/    | /'
	return 1
}
keys() { t send-keys -t w "$@"; }

mkdir "$T/w"
cd "$T/w" || exit 1
seal -c "$T/w" >"$T/before"
t new-session -d -s w -x 100 -y 30 "$COWBOX_BIN run -b tmux -- bash --norc --noprofile; echo status=\$?; exec sleep 60"
keys 'PS1="rea""dy> "' Enter
check "a prompt" shows 'ready>'
keys 'clear; sleep 985' Enter
sleep 0.6
keys C-z
check "^Z stops" shows '.*Stopped'
keys 'clear; fg' Enter
sleep 0.4
keys C-c
keys 'echo "st""=$?"' Enter
check "^C after fg" shows 'st=130'
keys 'echo x >made; exit 7' Enter
check "the question" shows '.*\[k\]eep'
keys k Enter
check "the status" shows 'status=7'
seal -c "$T/w" >"$T/after"
same "the host is untouched" "$T/before" "$T/after"
check "commit -a" box commit -a -b tmux
check "the host has the file, and nothing else" test "$(ls -A):$(cat made)" = made:x
t kill-server
for i in $(seq 50); do [ -S "$T/socket" ] || break; t ls >/dev/null 2>&1 || break; sleep 0.1; done
rm -f "$T/socket"
cd "$T" || exit 1

setup_none() { :; }
cmd_inside() {
	tmux -S s -f /dev/null new-session -d -s i -x 80 -y 24 'tty | sed s/[0-9]*$/N/ >tty; stty size >size; read -r line; echo "$line" >got; tmux -S s wait-for -S done; read -r line' && sleep 0.5 &&
		tmux -S s send-keys -t i hello Enter && tmux -S s wait-for done && cat tty size got
	local status=$?
	tmux -S s kill-server 2>/dev/null
	sleep 0.3
	rm -f s
	return $status
}
both inside setup_none cmd_inside
finish
