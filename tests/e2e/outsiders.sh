#!/bin/bash
# Processes outside the box, seen from inside: what everybody may see of them is seen; their descriptors, memory and places are not reached.
. "$(dirname "$0")/lib.sh"
need python3 python3
need ps procps

mkdir "$T/w"
cd "$T/w" || exit 1
# a process with a pipe, a file in memory, and a file of the host that is open for writing
cat >"$T/victim.py" <<'PY'
import os, select, sys
r, w = os.pipe()
m = os.memfd_create("outside")
os.write(m, b"original")
os.fchmod(m, 0o600)
f = os.open("victim-file", os.O_RDWR | os.O_CREAT, 0o600)
os.write(f, b"original")
with open("ready.new", "w") as out:
    print(os.getpid(), w, m, f, file=out)
os.rename("ready.new", "ready")
sys.stdin.readline()
print("pipe", "written to" if select.select([r], [], [], 0)[0] else "empty")
print("memory", os.pread(m, 100, 0).decode(), oct(os.fstat(m).st_mode & 0o777))
print("file", os.pread(f, 100, 0).decode(), oct(os.fstat(f).st_mode & 0o777))
PY
mkfifo "$T/end"
python3 "$T/victim.py" <"$T/end" >"$T/victim.out" 2>&1 &
exec 7>"$T/end"
for i in $(seq 100); do [ -e ready ] && break; sleep 0.1; done
read -r pid pipe memory file <ready
seal -c . >"$T/before"
box run -b out -- bash -c '
	pid=$1 parent=$PPID
	supervisor=$(awk "/^PPid:/ { print \$2 }" /proc/$parent/status)
	try() { local name=$1; shift; if ( "$@" ) 2>/dev/null; then echo "REACHED: $name"; fi; }
	for n in $2 $3 $4; do
		try "write $n" eval "echo x >/proc/$pid/fd/$n"
		try "read and write $n" eval "echo x 1<>/proc/$pid/task/$pid/fd/$n"
		try "chmod $n" chmod 777 /proc/$pid/fd/$n
		try "truncate $n" truncate -s 0 /proc/$pid/fd/$n
		try "touch $n" touch /proc/$pid/fd/$n
		try "readlink $n" readlink /proc/$pid/fd/$n
	done
	for p in $pid $parent $supervisor; do
		try "list fd of $p" ls /proc/$p/fd
		for f in environ maps mem auxv io; do try "$f of $p" head -c 1 /proc/$p/$f; done
		for l in exe cwd root fd/0; do try "$l of $p" readlink /proc/$p/$l; try "in $l of $p" ls /proc/$p/$l/; done
		[ -n "$(cat /proc/$p/comm)" ] && grep -q "^State:" /proc/$p/status && [ -n "$(tr "\0" " " </proc/$p/cmdline)" ] || echo "NOT SEEN: $p"
	done
	for n in $(seq 0 40); do
		try "the supervisor, $n" eval "echo x 1<>/proc/$supervisor/fd/$n"
		try "chmod in the supervisor, $n" chmod 0 /proc/$supervisor/fd/$n
		try "the reaper, $n" eval "echo x 1<>/proc/$parent/fd/$n"
	done
	ps -p $pid -o pid= >/dev/null || echo "NOT SEEN by ps: $pid"
	# its own kind is reached as ever
	sleep 30 & other=$!
	[ -n "$(readlink /proc/$other/exe)" ] && ls /proc/$other/fd >/dev/null && head -c 1 /proc/$other/environ | wc -c
	kill $other
	echo end
' bash "$pid" "$pipe" "$memory" "$file" >"$T/out" 2>"$T/err" </dev/null
is_equal() { CHECKS=$((CHECKS + 1)); [ "$2" = "$3" ] || { fail "$1: '$3', not '$2'"; show "$T/out"; show "$T/err" 10; }; }
is_equal "what the guest saw" "1 end" "$(tr '\n' ' ' <"$T/out" | sed 's/ $//')"
seal -c . >"$T/after"
same "the host is untouched" "$T/before" "$T/after"
echo >&7
exec 7>&-
wait
is_equal "the process outside" "pipe empty memory original 0o600 file original 0o600" "$(tr '\n' ' ' <"$T/victim.out" | sed 's/ $//')"
box discard -f -b out >/dev/null 2>&1
# ---- an abstract name that a guest had once, and a process outside has now ----
cat >"$T/server.py" <<'PY'
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX)
while True:
    try:
        s.bind("\0" + sys.argv[1])
        break
    except OSError:
        time.sleep(0.05)
s.listen()
s.settimeout(4)
open("served", "w").close()
try:
    print("served:", s.accept()[0].recv(100))
except TimeoutError:
    print("nobody came")
PY
cat >"$T/client.py" <<'PY'
import os, socket, sys, time
name = "\0" + sys.argv[1]
s = socket.socket(socket.AF_UNIX)
s.bind(name)
s.listen()
c = socket.socket(socket.AF_UNIX)
c.connect(name)
print("its own: connected", flush=True)
s.close(); c.close()
open("closed", "w").close()
while not os.path.exists("served"):
    time.sleep(0.05)
c = socket.socket(socket.AF_UNIX)
try:
    c.connect(name)
    c.send(b"hello")
    print("the other's: connected")
except OSError as e:
    print("the other's:", e.strerror)
PY
name=cowbox-test-$$
box run -b abstract -- python3 "$T/client.py" "$name" >"$T/client.out" 2>"$T/client.err" </dev/null &
client=$!
for i in $(seq 200); do box run -b abstract -- test -e closed 2>/dev/null && break; sleep 0.05; done
python3 "$T/server.py" "$name" >"$T/server.out" 2>&1 &
server=$!
wait $client
is_equal "an abstract name" "its own: connected the other's: Permission denied" "$(tr '\n' ' ' <"$T/client.out" | sed 's/ $//')"
wait $server
is_equal "the process outside" "nobody came" "$(cat "$T/server.out")"
box discard -f -b abstract >/dev/null 2>&1

if [ "$(id -u)" = 0 ]; then
	# whom a peer sees
	cat >"$T/peer.py" <<'PY'
import os, socket, struct
s = socket.socket(socket.AF_UNIX)
s.bind("peer"); os.chmod("peer", 0o777); s.listen()
g = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
g.bind("gram"); os.chmod("gram", 0o777)
g.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
if os.fork() == 0:
    os.setgroups([]); os.setgid(1001); os.setuid(1002)
    c = socket.socket(socket.AF_UNIX); c.connect("peer")
    d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); d.sendto(b"x", "gram")
    os._exit(0)
c, _ = s.accept()
print(struct.unpack("3i", c.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1:])
print(struct.unpack("3i", g.recvmsg(10, 100)[1][0][2])[1:])
PY
	mkdir "$T/p"; chmod 755 "$T" "$T/p"; cd "$T/p" || exit 1
	box run --rm -- python3 "$T/peer.py" >"$T/peer.out" 2>"$T/peer.err" </dev/null
	is_equal "whom a peer sees" "(1002, 1001) (1002, 1001)" "$(tr '\n' ' ' <"$T/peer.out" | sed 's/ $//')"
	# what root's guests may not take away from the host, and what one user's guest may not see of another's
	box run --rm -- sh -c 'head -c 1 /proc/kmsg' >"$T/kmsg" 2>/dev/null </dev/null
	is_equal "the kernel's log" "" "$(cat "$T/kmsg")"
	box run --rm -- sh -c 'head -c 1 /proc/kcore; head -c 1 /dev/mem' >"$T/kcore" 2>/dev/null </dev/null
	is_equal "the kernel's memory" "" "$(cat "$T/kcore")"
	box run --rm -- sh -c 'readlink /proc/$$/exe >/dev/null && setpriv --reuid 65534 --clear-groups sh -c "readlink /proc/$$/exe; readlink /proc/self/exe"' >"$T/uids" 2>/dev/null </dev/null
	is_equal "another user's process" 1 "$(wc -l <"$T/uids")"
fi
finish
