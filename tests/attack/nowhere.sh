#!/bin/bash
# Files of the host that are gone, but still open in a guest, and are called as the kernel calls memory without a file ("/memfd:name"): no way leads to them.
. "$(dirname "$0")/../e2e/lib.sh"
[ "$(id -u)" = 0 ] || skip "the file must be in the root directory"
need python3 python3
FILE="/memfd:cowbox-test-$$"
trap 'rm -f "$FILE"; on_exit' EXIT
cat >"$T/outer.py" <<'E2'
# outer.py FILE COMMAND...: a file of the host that is deleted when the guest has opened it
import os, subprocess, sys
name = sys.argv[1]
fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
os.fchmod(fd, 0o666)
os.write(fd, b"original")
p = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=True)
p.stdout.readline()
os.unlink(name)
sys.stdout.buffer.write(p.communicate(b"deleted\n")[0])
st = os.fstat(fd)
print(p.returncode, os.pread(fd, 100, 0), oct(st.st_mode), st.st_mtime == 1)
E2
cat >"$T/inner.py" <<'E2'
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
print("ready", flush=True)
sys.stdin.readline()
if len(sys.argv) > 2:
    os.setuid(int(sys.argv[2]))

def attempt(what, f):
    try:
        f()
        print("DONE", what)
    except OSError:
        pass

for way in ("/proc/self/fd/%d", "/dev/fd/%d"):
    path = way % fd
    attempt("write", lambda: os.write(os.open(path, os.O_RDWR), b"attacked"))
    attempt("truncate", lambda: os.truncate(path, 1))
    attempt("chmod", lambda: os.chmod(path, 0o600))
    attempt("utime", lambda: os.utime(path, (1, 1)))
attempt("fchmod", lambda: os.fchmod(fd, 0o600))
attempt("utime by fd", lambda: os.utime(fd, (1, 1)))
own = os.memfd_create("own")
# after it gave up root, /proc/self/fd is root's
os.write(own if len(sys.argv) > 2 else os.open("/proc/self/fd/%d" % own, os.O_RDWR), b"own")
os.fchmod(own, 0o600)
print("own", os.pread(own, 10, 0))
E2
python3 "$T/outer.py" "$FILE" python3 "$T/inner.py" "$FILE" >"$T/native"
check "natively it is written to" grep -q '^DONE write' "$T/native"
cat >"$T/want" <<'E2'
own b'own'
0 b'original' 0o100666 False
E2
for uid in "" 12345; do
	# shellcheck disable=SC2086
	python3 "$T/outer.py" "$FILE" "$COWBOX_BIN" run -b nowhere -- python3 "$T/inner.py" "$FILE" $uid >"$T/boxed" 2>"$T/err"
	same "in a box${uid:+, as uid $uid}" "$T/want" "$T/boxed" || show "$T/err"
	box discard -f -b nowhere >/dev/null 2>&1
done
finish
