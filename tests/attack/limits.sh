#!/bin/bash
# Limits reached in a box: no room below the store, no descriptors, many guests, many links, a large directory (ATTACK_ENTRIES). Commands fail as
# they would natively; the host stays as it is, and the box can be used afterwards.
. "$(dirname "$0")/../e2e/lib.sh"
need python3 python3
ENTRIES=${ATTACK_ENTRIES:-20000}
GUESTS=${ATTACK_GUESTS:-1000}
mkdir -p "$T/w/many" "$T/m"
cd "$T/w" || exit 1
head -c 3000000 /dev/urandom >large
echo original >file
for i in $(seq 0 45); do ln -s "link$((i + 1))" "link$i"; done
ln -s loop-b loop-a
ln -s loop-a loop-b
python3 -c 'import sys
for i in range(int(sys.argv[1])): open("many/%d" % i, "w").close()' "$ENTRIES"
seal -c . >"$T/before"
untouched() { seal -c . >"$T/after"; same "$1: the host is untouched" "$T/before" "$T/after"; }

# ---- the store's file system is full: in a mount name space of its own, which takes the mount away with it ----
private="unshare -m"
[ "$(id -u)" = 0 ] || private="unshare -Urm"
if $private true 2>"$T/unshare.err"; then
	cat >"$T/full.sh" <<'SH'
mount -t tmpfs -o size=2m none "$T/m" || exit 9
export COWBOX_HOME=$T/m/store
"$COWBOX_BIN" run -b full -- sh -c 'echo first >first && cat first'
"$COWBOX_BIN" run -b full -- sh -c 'cp large a; echo "cp $?"; echo x >>large; echo "append $?"; chmod 600 large; echo "chmod $?"; cmp large "$0" && echo same' "$T/large.copy"

"$COWBOX_BIN" run -b full -- sh -c 'rm -f a; echo second >second && cat first second'
"$COWBOX_BIN" discard -f -b full
echo "discard $?"
SH
	cp large "$T/large.copy"
	T=$T COWBOX_BIN=$COWBOX_BIN limited $private bash "$T/full.sh" >"$T/full.out" 2>&1
	grep -v '^cowbox: [0-9]' "$T/full.out" >"$T/full.said"
	check "full: copying fails" grep -q '^cp [1-9]' "$T/full.out" || show "$T/full.out"
	check "full: what cannot be copied up cannot be changed" grep -q '^append [1-9]' "$T/full.out" || show "$T/full.out"
	check "full: and is what it was" grep -qx same "$T/full.out" || show "$T/full.out"
	check "full: afterwards there is room" grep -qx second "$T/full.out" || show "$T/full.out"
	check "full: it is discarded" grep -qx 'discard 0' "$T/full.out" || show "$T/full.out"
	untouched full
else
	skip_part "a full store: no mount name space here ($(head -1 "$T/unshare.err"))"
fi

# ---- descriptors, guests, links ----
box run -b limits -- python3 - "$GUESTS" >"$T/limits.out" 2>"$T/limits.err" <<'PY'
import errno, os, resource, sys, time
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
def code(f):
    try:
        f()
        return "done"
    except OSError as e:
        return errno.errorcode[e.errno]
r, w = os.pipe()
pids = []
for n in range(int(sys.argv[1])):
    pid = os.fork()
    if pid == 0:
        os.close(w)
        os.read(r, 1)
        open("guest-%d" % n, "w").write("x")
        os.stat("guest-%d" % n)
        os.unlink("guest-%d" % n)
        os._exit(0)
    pids.append(pid)
os.close(w)
print("guests", sum(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]) for p in pids))
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
held = []
try:
    while True:
        held.append(os.open("file", os.O_RDONLY))
except OSError as e:
    print("descriptors", errno.errorcode[e.errno])
print("make", code(lambda: os.open("unmade", os.O_CREAT | os.O_WRONLY)), "mkdir", code(lambda: os.mkdir("made")), "chmod", code(lambda: os.chmod("file", 0o600)))
for fd in held: os.close(fd)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = []
try:
    while len(held) < 20000:
        held.append(os.open("file", os.O_RDONLY))
except OSError as e:
    pass
print("many", len(held) >= min(20000, hard - 10), code(lambda: os.mkdir("made2")))
for fd in held: os.close(fd)
print("loop", code(lambda: os.open("loop-a", os.O_RDONLY)), code(lambda: os.chmod("loop-a", 0o777)), "links", code(lambda: os.open("link0", os.O_RDONLY)),
      code(lambda: os.open("link0", os.O_RDWR | os.O_CREAT)), "fewer", code(lambda: os.close(os.open("link10", os.O_RDWR | os.O_CREAT))))
names = os.listdir("many")
print("entries", len(names), len(set(names)))
os.rename("many", "moved")
print("moved", len(os.listdir("moved")), os.path.exists("many"))
for name in os.listdir("moved"): os.unlink("moved/" + name)
os.rmdir("moved")
print("removed", os.path.exists("moved"))
PY
check "limits: the status" test $? = 0 || show "$T/limits.err"
cat >"$T/want" <<W
guests 0
descriptors EMFILE
make EMFILE mkdir done chmod done
many True done
loop ELOOP ELOOP links ELOOP ELOOP fewer done
entries $ENTRIES $ENTRIES
moved $ENTRIES False
removed False
W
same "limits: what the guest saw" "$T/want" "$T/limits.out"
untouched limits
box run -b limits -- true >/dev/null 2>"$T/again"
check "limits: the box can be used" test $? = 0 || show "$T/again"
box discard -f -b limits >/dev/null 2>&1
finish
