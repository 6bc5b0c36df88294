#!/bin/bash
# Processes of the host that are cowbox's own children, since the shell that started them became cowbox by exec: no guest looks into them, changes them or
# ends them, and neither does cowbox as it ends its guests.
. "$(dirname "$0")/../e2e/lib.sh"
need python3 python3
cat >"$T/victim.py" <<'E2'
import ctypes, os, resource, signal, sys, time
secret = ctypes.create_string_buffer(b"untouched")
with open(sys.argv[1] + ".new", "w") as f:
    f.write("%d %d" % (os.getpid(), ctypes.addressof(secret)))
os.rename(sys.argv[1] + ".new", sys.argv[1])
end = time.time() + 20
while time.time() < end and not os.path.exists(sys.argv[1] + ".end"):
    time.sleep(0.05)
with open(sys.argv[1] + ".said", "w") as f:
    print(secret.value.decode(), resource.getrlimit(resource.RLIMIT_CORE)[0] == 17, os.getpriority(os.PRIO_PROCESS, 0), file=f)
E2
cat >"$T/attack.py" <<'E2'
import os, resource, signal, sys, time
for _ in range(100):
    if os.path.exists(sys.argv[1]):
        break
    time.sleep(0.05)
pid, address = map(int, open(sys.argv[1]).read().split())

def attempt(what, f):
    try:
        f()
        print("REACHED", what)
    except OSError:
        pass

def poke():
    with open("/proc/%d/mem" % pid, "r+b", buffering=0) as f:
        f.seek(address)
        f.write(b"attacked!")

attempt("memory", poke)
attempt("environ", lambda: open("/proc/%d/environ" % pid).read())
attempt("cwd", lambda: os.readlink("/proc/%d/cwd" % pid))
attempt("fd", lambda: os.listdir("/proc/%d/fd" % pid))
attempt("comm", lambda: open("/proc/%d/comm" % pid, "w").write("attacked"))
attempt("oom", lambda: open("/proc/%d/oom_score_adj" % pid, "w").write("900"))
attempt("limits", lambda: resource.prlimit(pid, resource.RLIMIT_CORE, (17, 17)))
attempt("priority", lambda: os.setpriority(os.PRIO_PROCESS, pid, 7))
attempt("signal", lambda: os.kill(pid, signal.SIGWINCH))
print("tried")
E2
native() { python3 "$T/attack.py" "$1"; }
boxed() { exec "$COWBOX_BIN" run -b children -- python3 "$T/attack.py" "$1"; }
# try NAME FUNCTION: the victim is a child of the shell, the attack what the shell becomes
try() {
	rm -f "$T/$1.v"*
	( python3 "$T/victim.py" "$T/$1.v" >/dev/null 2>&1 & "$2" "$T/$1.v" ) >"$T/$1.out" 2>"$T/$1.err" </dev/null
	touch "$T/$1.v.end"
	for _ in $(seq 100); do [ -s "$T/$1.v.said" ] && break; sleep 0.05; done
	check "$1: it came to its end" grep -q '^tried' "$T/$1.out" || show "$T/$1.err"
}
try native native
check "natively it does harm" grep -q '^attacked! True 7' "$T/native.v.said" || show "$T/native.v.said"
for wall in none landlock-scopes pidfd-thread; do
	COWBOX_TEST_WALL_OFF=${wall#none}
	export COWBOX_TEST_WALL_OFF
	try boxed boxed
	check "without $wall: nothing is got at" sh -c '! grep ^REACHED "$1"' sh "$T/boxed.out" || show "$T/boxed.out"
	check "without $wall: the victim is as it was" grep -qx 'untouched False 0' "$T/boxed.v.said" || show "$T/boxed.v.said"
done
unset COWBOX_TEST_WALL_OFF
# What the command left running is ended, twice asked; the host's child is not.
( sleep 50 & echo $! >"$T/sleeper"; exec "$COWBOX_BIN" run -b children -- sh -c 'sleep 51 & exit 3' ) >/dev/null 2>"$T/err" </dev/null &
pid=$!
sleep 1.5
kill -TERM "$pid"
sleep 0.3
kill -TERM "$pid" 2>/dev/null
wait "$pid"
status=$?
check "the command's status" test "$status" = 3
check "the host's child lives" kill -0 "$(cat "$T/sleeper")"
check "it is not counted" grep -q 'waiting for 1 process' "$T/err" || show "$T/err"
kill "$(cat "$T/sleeper")" 2>/dev/null
box discard -f -b children >/dev/null 2>&1
finish
