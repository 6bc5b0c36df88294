#!/bin/bash
# Pages and names of a file system whose server, a program of the user's outside, never answers: the guest that waits for one waits, as natively. The
# others go on, the run can be ended, and the box can be used afterwards.
. "$(dirname "$0")/attack_lib.sh"
need fusermount3 fuse3
[ -x "$ATTACK_BIN/fuse_server" ] || skip "needs libfuse3 (apt-get install libfuse3-dev) when the tests are built"
mkdir "$T/m" "$T/w"
echo original >"$T/w/file"
cd "$T/w" || exit 1
SERVER=
# What hangs in it goes on with an error when the server is gone; until then the kernel lets nobody end it (request_wait_answer in fs/fuse/dev.c).
unmount() {
	[ -z "$SERVER" ] || kill -KILL "$SERVER" 2>/dev/null
	wait "$SERVER" 2>/dev/null
	fusermount3 -u -z "$T/m" 2>/dev/null
	SERVER=
}
trap 'unmount; on_exit' EXIT
mount_it() {
	"$ATTACK_BIN/fuse_server" "$T/m" 2>"$T/server.err" &
	SERVER=$!
	for _ in $(seq 50); do [ -e "$T/m/quick" ] && return 0; sleep 0.1; done
	unmount
	return 1
}
# await FILE TEXT: 30 seconds at most
await() {
	for _ in $(seq 300); do grep -qx "$2" "$1" && return 0; sleep 0.1; done
	return 1
}
mount_it || skip "no FUSE here: $(head -1 "$T/server.err")"
unmount
seal -c . >"$T/before"

cat >"$T/boxed.sh" <<'SH'
# $1: fuse_guest, $2: the mount, $3: how many calls hang
"$1" "$2" "$PWD/mark" "$3" &
for _ in $(seq 200); do [ -e mark ] && break; sleep 0.1; done
[ -e mark ] || echo "the guest did not begin"
cat "$2/quick"
for i in $(seq 50); do echo "$i" >"new$i" && cat "new$i" >>all && rm "new$i"; done
wc -l <all
ls "$2"
kill -KILL $!
wait
echo done
SH
for n in 10 40; do
	mount_it || fail "it cannot be mounted again"
	limited "$COWBOX_BIN" run -b "hang$n" -- bash "$T/boxed.sh" "$ATTACK_BIN/fuse_guest" "$T/m" $n >"$T/out" 2>"$T/err" </dev/null &
	run=$!
	check "$n calls hang: the guests end" await "$T/out" done
	unmount
	wait $run
	check "$n calls hang: the run ends" [ $? -eq 0 ] || show "$T/err"
	printf '%s\n' quick 50 hang page quick done >"$T/wanted"
	same "$n calls hang: the others go on" "$T/wanted" "$T/out"
	box run -b "hang$n" -- cat all >"$T/out" 2>&1
	check "$n calls hang: the box can be used" [ "$(wc -l <"$T/out")" -ge 50 ]
done
# the user has enough
mount_it || fail "it cannot be mounted again"
"$COWBOX_BIN" run -b ended -- "$ATTACK_BIN/fuse_guest" "$T/m" "$PWD/mark" 20 >"$T/out" 2>"$T/err" </dev/null &
run=$!
for _ in $(seq 100); do [ -n "$(find "$COWBOX_HOME/boxes/ended/layers" -name mark 2>/dev/null)" ] && break; sleep 0.1; done
guest=$(pgrep -x fuse_guest)
kill -TERM $run
for _ in $(seq 150); do [ -z "$guest" ] || [ ! -e "/proc/$guest" ] && break; sleep 0.1; done
check "ended from outside: the guest is gone" [ -n "$guest" -a ! -e "/proc/$guest" ]
unmount
wait $run
check "ended from outside: the run tells" [ $? -ne 0 ]
seal -c . >"$T/after"
same "the host is untouched" "$T/before" "$T/after"
finish
