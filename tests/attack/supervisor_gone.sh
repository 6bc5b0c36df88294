#!/bin/bash
# The supervisor stopped, ended or killed from outside while guests work, and the reaper too: nothing comes to the host, the exit status tells, and
# the box can be used afterwards. Told to end, it leaves no guest; those of a supervisor that was killed go on, and every call of theirs fails.
. "$(dirname "$0")/../e2e/lib.sh"
need python3 python3
mkdir -p "$T/w/dir"
cd "$T/w" || exit 1
chmod a+x "$T"
echo original >file
echo other >other
cat >"$T/guest.py" <<'PY'
import os, socket, sys, time
os.chdir(sys.argv[1])
ready, end = False, time.monotonic() + 12
for n in range(3):
    if os.fork() == 0:
        break
held = os.open("file", os.O_RDONLY)
def write(path, flags): os.write(os.open(path, os.O_WRONLY | flags), b"attack")
tries = [
    lambda: os.chmod("file", 0o777), lambda: os.fchmod(held, 0o777), lambda: os.utime("other", (1, 1)), lambda: os.utime(held, (1, 1)),
    lambda: os.setxattr(held, "user.attack", b"x"), lambda: os.chown("file", os.getuid(), os.getgid()), lambda: os.truncate("other", 0),
    lambda: write("file", os.O_TRUNC), lambda: write("new", os.O_CREAT), lambda: os.rename("other", "dir/other"), lambda: os.rename("dir/other", "other"),
    lambda: os.symlink("x", "dir/link"), lambda: os.unlink("dir/link"), lambda: os.mkdir("dir/sub"), lambda: os.rmdir("dir/sub"),
    lambda: os.link("file", "hard"), lambda: os.unlink("hard"), lambda: os.unlink("other"), lambda: os.chdir("."), lambda: os.listdir("/"),
    lambda: socket.socket(socket.AF_UNIX).bind("socket-%d" % os.getpid()),
]
while time.monotonic() < end:
    for t in tries:
        try:
            t()
        except OSError:
            pass
    for fd in range(held + 1, 64):
        try:
            os.close(fd)
        except OSError:
            pass
PY
age .
seal -c . >"$T/before"
# pid's children called cowbox
reaper_of() { local p; for p in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do echo "$p"; done | head -1; }
working() { # waits until the guests have changed the box
	for _ in $(seq 100); do
		[ -n "$(find "$COWBOX_HOME/boxes/gone/layers" -name new 2>/dev/null)" ] && return 0
		sleep 0.05
	done
	return 1
}
# who runs guest.py still, by its path, which is ours alone
guests() { grep -lsa "$T/guest[.]py" /proc/[0-9]*/cmdline | sed 's,/proc/,,; s,/cmdline,,'; }
gone() { for _ in $(seq 60); do [ -z "$(guests)" ] && return 0; sleep 0.05; done; return 1; }

one() { # NAME WHO SIGNAL...: the statuses that are right are in $STATUSES
	local name=$1 who=$2 pid=0 target status
	shift 2
	"$COWBOX_BIN" run -b gone -- python3 "$T/guest.py" "$T/w" >"$T/$name.out" 2>"$T/$name.err" </dev/null &
	pid=$!
	check "$name: guests work" working || show "$T/$name.err"
	target=$pid
	[ "$who" = supervisor ] || target=$(reaper_of "$pid")
	[ -n "$target" ] || { fail "$name: no reaper is found"; target=$pid; }
	for s; do
		kill "-$s" "$target" 2>/dev/null
		sleep 0.2
	done
	if [ -n "${ORPHANS:-}" ]; then
		sleep 0.5   # they go on attacking the host
		for p in $(guests); do kill -KILL "$p" 2>/dev/null; done
	fi
	# not longer than the guests' own time
	for _ in $(seq 200); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
	if kill -0 "$pid" 2>/dev/null; then
		fail "$name: it goes on for more than 10 s"
		kill -KILL "$pid"
	fi
	wait "$pid" 2>>"$T/$name.err"
	status=$?
	CHECKS=$((CHECKS + 1))
	case " $STATUSES " in *" $status "*) ;; *) fail "$name: the status is $status, not one of $STATUSES" ; show "$T/$name.err" ;; esac
	check "$name: no guest is left" gone || for p in $(guests); do kill -KILL "$p"; done
	seal -c . >"$T/after"
	same "$name: the host is untouched" "$T/before" "$T/after"
	box run -b gone -- sh -c 'echo again >again && cat again' >"$T/$name.again" 2>&1 </dev/null
	check "$name: the box can be used" grep -qx again "$T/$name.again" || show "$T/$name.again"
	box status -b gone >"$T/$name.status" 2>&1
	check "$name: it shows what is in it" test $? -le 1 || show "$T/$name.status"
	box discard -f -b gone >"$T/$name.discard" 2>&1
	check "$name: it can be discarded" test $? = 0 || show "$T/$name.discard"
	seal -c . >"$T/after"
	same "$name: the host is untouched at the end" "$T/before" "$T/after"
}
ORPHANS=1 STATUSES=137 one killed supervisor KILL
ORPHANS=1 STATUSES=137 one stopped-killed supervisor STOP KILL
STATUSES="143" one terminated supervisor TERM TERM   # the second is for what the command left running
STATUSES="143" one stopped-terminated supervisor STOP CONT STOP TERM CONT TERM
STATUSES="129" one hung-up supervisor HUP HUP
ORPHANS=1 STATUSES="125 137 143" one reaper-killed reaper KILL
# natively the guest does harm
{ timeout -s KILL 2 python3 "$T/guest.py" "$T/w"; } >/dev/null 2>&1
for p in $(guests); do kill -KILL "$p"; done
seal -c . >"$T/after"
check "natively it does harm" sh -c '! cmp -s "$1" "$2"' sh "$T/before" "$T/after"
finish
