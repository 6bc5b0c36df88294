#!/bin/bash
# A connection that a server of the host accepted has the server's abstract name without having bound it: who gets it as standard input, as from inetd, is not
# the name's owner by whatever it binds, and does not reach the server by it.
. "$(dirname "$0")/../e2e/lib.sh"
need python3 python3
cat >"$T/outer.py" <<'E2'
import os, select, socket, subprocess, sys
kind = getattr(socket, sys.argv[1])
name = "\0cowbox-test-inherited-%d" % os.getpid()
server = socket.socket(socket.AF_UNIX, kind)
server.bind(name)
server.listen(100)
client = socket.socket(socket.AF_UNIX, kind)
client.connect(name)
accepted, _ = server.accept()
p = subprocess.run(sys.argv[2:] + [name[1:], sys.argv[1]], stdin=accepted, close_fds=True)
print("status", p.returncode, "reached" if select.select([server], [], [], 0)[0] else "not reached")
E2
cat >"$T/inner.py" <<'E2'
import os, socket, sys, threading
name, kind = "\0" + sys.argv[1], getattr(socket, sys.argv[2])
inherited = socket.socket(fileno=os.dup(0))

def reach():
    try:
        s = socket.socket(socket.AF_UNIX, kind)
        s.setblocking(False)
        s.connect(name)
        s.send(b"attack")
    except OSError:
        pass

reach()
stop = []
def bind_for_ever():
    while not stop:
        for n in ("", name, "\0another"):
            try:
                inherited.bind(n)
            except OSError:
                pass

bind_for_ever_once = [inherited.bind("")]
reach()
t = threading.Thread(target=bind_for_ever)
t.start()
for _ in range(300):
    reach()
stop.append(1)
t.join()
print("tried")
E2
for kind in SOCK_STREAM SOCK_SEQPACKET; do
	python3 "$T/outer.py" $kind python3 "$T/inner.py" >"$T/native"
	check "$kind: natively it is reached" grep -q ' reached$' "$T/native"
	python3 "$T/outer.py" $kind "$COWBOX_BIN" run -b inherited -- python3 "$T/inner.py" >"$T/boxed" 2>"$T/err"
	printf 'tried\nstatus 0 not reached\n' >"$T/want"
	same "$kind: from a box" "$T/want" "$T/boxed" || show "$T/err"
	box discard -f -b inherited >/dev/null 2>&1
done
finish
