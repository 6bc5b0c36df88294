#!/usr/bin/python3
"""Runs a command on a terminal of its own and talks to it.

    pty_talk.py [--cols=N] [EXPECT SEND]... -- COMMAND ARG...

Waits for each regular expression EXPECT in what the terminal shows, then types SEND (\\n and \\xNN are escapes; "" types nothing). At the end
all that the terminal showed goes to stdout, without carriage returns. Exits with the command's status, or 99 when something awaited did not come.
"""
import fcntl, os, pty, re, select, signal, struct, sys, termios, time

LIMIT = 30


def main():
    at = sys.argv.index("--")
    talk, command = sys.argv[1:at], sys.argv[at + 1:]
    cols = 200
    if talk and talk[0].startswith("--cols="):
        cols = int(talk.pop(0)[7:])
    pid, master = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, cols, 0, 0))
        try:
            os.execvp(command[0], command)
        finally:
            os._exit(98)
    log = seen = ""
    end = time.monotonic() + LIMIT
    status = None
    while True:
        m = re.search(talk[0], seen) if talk else None
        if m:
            seen = seen[m.end():]
            time.sleep(0.2)  # what is typed before a question stands is thrown away
            os.write(master, talk[1].encode().decode("unicode_escape").encode("latin-1"))
            talk = talk[2:]
            continue
        ready = select.select([master], [], [], 0.05)[0]
        data = b""
        if ready:
            try:
                data = os.read(master, 65536)
            except OSError:
                pass
            if not data and status is None:
                _, status = os.waitpid(pid, 0)
        if data:
            text = data.decode("utf-8", "replace").replace("\r", "")
            log += text
            seen += text
            continue
        if status is not None:
            break
        done, code = os.waitpid(pid, os.WNOHANG)
        if done:
            status = code
        if time.monotonic() > end:
            os.kill(pid, signal.SIGHUP)
            break
    sys.stdout.write(log)
    if talk or status is None:
        print("\npty_talk: waited in vain" + (" for %r" % talk[0] if talk else " for the end"))
        sys.exit(99)
    code = os.waitstatus_to_exitcode(status)
    sys.exit(code if code >= 0 else 128 - code)


main()
