#!/bin/bash
# Other terminals of the same user: what is typed there is not read, and nothing is written to their screens; a box's own terminals are opened by name as ever.
. "$(dirname "$0")/../e2e/lib.sh"
need python3 python3
cat >"$T/outer.py" <<'E2'
# outer.py COMMAND...: a terminal with something typed into it; its name is the command's last argument
import os, pty, select, subprocess, sys
master, slave = pty.openpty()
os.write(master, b"typed\n")
os.read(master, 100)  # the echo
r = subprocess.run(sys.argv[1:] + [os.ttyname(slave)], stdin=subprocess.DEVNULL, close_fds=True)
print("status", r.returncode)
print("screen", os.read(master, 100) if select.select([master], [], [], 0)[0] else b"")
print("typed", os.read(slave, 100) if select.select([slave], [], [], 0)[0] else b"")
E2
cat >"$T/inner.py" <<'E2'
import os, pty, sys
sys.stdout.reconfigure(line_buffering=True)  # nothing is left for a child to print again
name = sys.argv[1]

def attack(name):
    for how in (os.O_RDWR, os.O_RDONLY, os.O_WRONLY):
        try:
            fd = os.open(name, how | os.O_NOCTTY | os.O_NONBLOCK)
            if how == os.O_RDONLY:
                os.read(fd, 100)
            else:
                os.write(fd, b"attack")
            os.close(fd)
        except OSError as e:
            print(e.strerror)

attack(name)
held = os.open(name, os.O_PATH)  # its name alone
attack(name)
attack("/proc/self/fd/%d" % held)
os.close(held)
m, s = pty.openpty()
own = os.ttyname(s)
os.close(s)
s = os.open(own, os.O_RDWR | os.O_NOCTTY)
print("own", os.isatty(s))
if os.fork() == 0:  # in another process that has neither side
    os.closerange(3, 100)
    print("child's", os.isatty(os.open(own, os.O_RDWR | os.O_NOCTTY)), flush=True)
    os._exit(0)
os.wait()
os.close(s)
os.close(m)
try:
    os.open(own, os.O_RDWR | os.O_NOCTTY)
    print("a closed one is open")
except OSError as e:
    print(e.strerror)
pid, fd = pty.fork()
if pid == 0:
    os.write(os.open(os.ttyname(0), os.O_RDWR), b"by name ")
    os.write(os.open("/dev/tty", os.O_RDWR), b"by tty")
    os._exit(0)
text = b""
while b"by tty" not in text:
    text += os.read(fd, 100)
print(text)
E2
python3 "$T/outer.py" python3 "$T/inner.py" >"$T/native"
check "natively it is read or written to" grep -q '^screen .*attack' "$T/native"
python3 "$T/outer.py" "$COWBOX_BIN" run -b other -- python3 "$T/inner.py" >"$T/boxed" 2>"$T/err"
cat >"$T/want" <<'E2'
Permission denied
Permission denied
Permission denied
Permission denied
Permission denied
Permission denied
Permission denied
Permission denied
Permission denied
own True
child's True
No such file or directory
b'by name by tty'
status 0
screen b''
typed b'typed\n'
E2
same "from a box" "$T/want" "$T/boxed"
check "it is told at the end" grep -q '^cowbox: refused: open /dev/pts/[0-9]* (python3, 9 times): Permission denied' "$T/err"

# Each mount of devpts has numbers of its own: one of another mount, of the same number, opens no door.
cat >"$T/instance.py" <<'E2'
import fcntl, os, sys
other, name = sys.argv[1], sys.argv[2]
masters = []
while not os.path.exists("%s/%s" % (other, os.path.basename(name))) and len(masters) < 200:
    m = os.open(other + "/ptmx", os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(m, 0x40045431, bytes(4))  # TIOCSPTLCK
    masters.append(m)
twin = os.open("%s/%s" % (other, os.path.basename(name)), os.O_RDWR | os.O_NOCTTY)
print("twin", os.isatty(twin))
def attack(name):
    try:
        os.write(os.open(name, os.O_RDWR | os.O_NOCTTY), b"attack")
    except OSError as e:
        print(e.strerror)
attack(name)
os.setsid()
fcntl.ioctl(twin, 0x540e, 0)  # TIOCSCTTY
attack(name)
os.close(twin)
for m in masters[:-1]:
    os.close(m)
attack(name)
try:
    os.write(os.open("/dev/tty", os.O_RDWR), b"attack")
except OSError as e:
    print(e.strerror)
E2
mkdir "$T/pts"
if unshare -m mount -t devpts -o newinstance,ptmxmode=0666 devpts "$T/pts" 2>/dev/null; then
	in_instance() { unshare -m sh -c 'mount -t devpts -o newinstance,ptmxmode=0666 devpts "$0" && exec "$@"' "$T/pts" "$@"; }
	in_instance python3 "$T/outer.py" "$COWBOX_BIN" run -b instance -- python3 "$T/instance.py" "$T/pts" >"$T/boxed" 2>"$T/err"
	cat >"$T/want" <<'E2'
twin True
Permission denied
Permission denied
Permission denied
No such device or address
status 0
screen b''
typed b'typed\n'
E2
	same "by a terminal of another mount" "$T/want" "$T/boxed" || show "$T/err"
	box discard -f -b instance >/dev/null 2>&1
else
	skip_part "terminals of another mount: only root can mount devpts"
fi
box discard -f -b other >/dev/null 2>&1
finish
