# attack_lib.sh - what the scripts that run attacks share: PREY and the victim. Source it first, as tests/e2e/lib.sh, which it sources.
# ATTACK_BIN is the directory of the programs.
#
# PREY: file (0644), private (0600), large (1 MiB), program (0755), dir/file, dir/sub/, link -> file, dirlink -> dir, hard (a second name of file),
#       fifo, noted (an xattr), and what the victim makes there: socket, datagrams,
#       run/dbus/system_bus_socket, run/systemd/private, run/docker.sock.
LIMIT=${LIMIT:-60}
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"
# LeakSanitizer does not work in a traced program
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
VICTIM=

make_prey() {
	mkdir -p "$1/prey/dir/sub"
	(
		cd "$1/prey" || exit 1
		echo "the host's file" >file
		echo "the host's secret" >private
		chmod 600 private
		head -c 1048576 /dev/zero >large
		cp /bin/true program
		echo "in a directory" >dir/file
		ln -s file link
		ln -s dir dirlink
		ln file hard
		mkfifo fifo
		echo "noted" >noted
		python3 -c 'import os; os.setxattr("noted", "user.note", b"original")'
	)
}

# start_victim DIR: VICTIM is its pid
start_victim() {
	mkfifo "$1/end"
	"$ATTACK_BIN/victim" "$1/prey" <"$1/end" >"$1/victim.out" 2>&1 &
	VICTIM=$!
	exec 8>"$1/end"
	for _ in $(seq 100); do [ -e "$1/victim.info" ] && return 0; sleep 0.05; done
	fail "the victim does not start: $(cat "$1/victim.out")"
	finish
}
# stop_victim DIR: what it says of itself is in DIR/victim.out
stop_victim() {
	exec 8>&-
	kill -CONT "$VICTIM" 2>/dev/null
	wait "$VICTIM"
	echo "status $?" >>"$1/victim.out"
	rm -f "$1/end" "$1/prey/socket" "$1/prey/datagrams"
	rm -rf "$1/prey/run"
	VICTIM=
}
trap '[ -z "$VICTIM" ] || kill -KILL "$VICTIM"; on_exit' EXIT

# the victim that nobody attacks: DIR/victim.out is what it says then
quiet_victim() {
	make_prey "$1"
	start_victim "$1"
	stop_victim "$1"
}

# boxed DIR BOX WALL COMMAND...: the command in a box without that wall, what it says and the seal afterwards go to DIR; $status is the run's.
# True when it ran, false when cowbox refused to start without the wall, which it must say.
boxed() {
	local d=$1 name=$2 wall=$3
	shift 3
	COWBOX_TEST_WALL_OFF=${wall#none} box run -b "$name" -- "$@" >"$d/out" 2>"$d/err" </dev/null
	status=$?
	seal -c "$d/prey" >"$d/after"
	stop_victim "$d"
	[ "$status" -eq 125 ] && [ "$wall" != none ] || return 0
	check "$wall: refused to start, and says so" grep -q '^cowbox: ' "$d/err"
	return 1
}
# prepare DIR: PREY, its seal, and a victim
prepare() {
	make_prey "$1"
	start_victim "$1"
	seal -c "$1/prey" >"$1/before"
}
# unharmed DIR WHAT: nothing outside was changed
unharmed() {
	same "$2: the host was changed" "$1/before" "$1/after"
	same "$2: the victim was got at" "$T/quiet/victim.out" "$1/victim.out"
}

chmod a+x "$T"
need python3 python3
