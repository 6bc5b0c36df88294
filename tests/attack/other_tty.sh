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
own True
child's True
No such file or directory
b'by name by tty'
status 0
screen b''
typed b'typed\n'
E2
same "from a box" "$T/want" "$T/boxed"
check "it is told at the end" grep -q '^cowbox: refused: open /dev/pts/[0-9]* (python3, 3 times): Permission denied' "$T/err"
box discard -f -b other >/dev/null 2>&1
finish
