#!/usr/bin/python3
"""A terminal whose session leader is this program's child; on it runs a command, and afterwards it is looked at what was done to the terminal.

    tty_outer.py COMMAND ARG...
"""
import array, fcntl, os, pty, select, struct, sys, termios, time

master, slave = pty.openpty()
pid = os.fork()
if pid == 0:
    os.close(master)
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    child = os.fork()
    if child == 0:
        for n in range(3):
            os.dup2(slave, n)
        os.execvp(sys.argv[1], sys.argv[1:])
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
shown = b""
end = time.monotonic() + 20
status = None
while time.monotonic() < end and status is None:
    if select.select([master], [], [], 0.05)[0]:
        try:
            shown += os.read(master, 65536)
        except OSError:
            time.sleep(0.05)
    done, code = os.waitpid(pid, os.WNOHANG)
    if done:
        status = os.waitstatus_to_exitcode(code)
if status is None:
    os.kill(pid, 9)
    os.waitpid(pid, 0)
sys.stderr.buffer.write(shown)
print("status", status)
number = array.array("i", [-1])
fcntl.ioctl(slave, termios.TIOCGETD, number)
print("discipline", number[0])
fcntl.ioctl(slave, 0x80045440, number)  # TIOCGEXCL
print("exclusive", number[0])
fcntl.ioctl(slave, termios.FIONREAD, number)
print("typed", number[0])
try:
    os.write(master, b"from the user\n")
    ready = select.select([slave], [], [], 1)[0]
    print("reads", os.read(slave, 100) if ready else None)
except OSError as e:
    print("reads", e.strerror)
