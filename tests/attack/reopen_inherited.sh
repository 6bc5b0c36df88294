#!/bin/bash
# Descriptors that a box is started with: PREY's files, open for reading or with O_PATH, as standard input, output and error, by --inherit-fd, and
# as what an earlier guest left. reopen.c, which gets their numbers, opens them anew for writing and changes what they mean. ATTACK_BIN is the
# directory of the programs.
. "$(dirname "$0")/../e2e/lib.sh"

# start DIR [COWBOX ARG...]: reopen with five descriptors of DIR's files
start() {
	local d=$1
	shift
	(cd "$d" && exec "$@" "$ATTACK_BIN/reopen" --inherited 0 3 4 5 2 0<file 3<private 4<large 5<dir/file 2<noted >"$T/said")
}
fill() {
	mkdir -p "$1/dir"
	for f in file private large dir/file noted; do echo "the host's $f" >"$1/$f"; done
	age "$1"
	seal -c "$1" >"$1.before"
}

fill "$T/native"
start "$T/native"
seal -c "$T/native" >"$T/native.after"
check "natively it does harm" bash -c '! cmp -s "$1" "$2"' bash "$T/native.before" "$T/native.after"

for wall in none landlock-scopes landlock-truncate pidfd-thread killable sync; do
	fill "$T/$wall"
	COWBOX_TEST_WALL_OFF=${wall#none} start "$T/$wall" timeout -k 5 20 "$COWBOX_BIN" run -b attack --inherit-fd=3 --inherit-fd=4 --inherit-fd=5 --
	status=$?
	check "without $wall: it came to its end (status $status)" grep -q '^tried [1-9]' "$T/said"
	seal -c "$T/$wall" >"$T/$wall.after"
	same "without $wall: the host was changed" "$T/$wall.before" "$T/$wall.after"
	box discard -f -b attack >/dev/null 2>&1
done

# without --inherit-fd there is nothing behind the numbers
fill "$T/shut"
(cd "$T/shut" && exec 3<private 4<large && box run -b attack -- bash -c 'ls -l /proc/self/fd; for n in 3 4; do : 2>/dev/null >&$n && echo open; done' >"$T/shut.out" 2>&1 </dev/null)
check "descriptors that are not named are closed" bash -c '! grep -e "private$" -e "large$" -e "^open" "$1"' bash "$T/shut.out"
seal -c "$T/shut" >"$T/shut.after"
same "the host was changed" "$T/shut.before" "$T/shut.after"
box discard -f -b attack >/dev/null 2>&1
finish
