#!/usr/bin/python3
"""An interactive shell on a terminal of its own: job control, window size, end of input, status.

    pty_session.py native DIR          bash, to see that this script is right here
    pty_session.py box DIR COWBOX BOX  bash in a box
    pty_session.py hangup DIR COWBOX BOX  the terminal goes away while the box runs
    pty_session.py question DIR COWBOX BOX  ^Z, fg and ^C at the question at the end of a run, and ^C while it waits for what the command left

Prints a line for each step; exits 1 at the first that goes wrong, showing what was on the terminal.
"""
import fcntl, os, pty, re, select, signal, struct, sys, termios, time


class Session:
    def __init__(self, argv, cwd):
        self.seen = ""
        self.log = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.environ.update(PS1="$ ", TERM="dumb", HISTFILE="/dev/null")
            try:
                os.execvp(argv[0], argv)
            finally:
                os._exit(99)
        self.resize(30, 100)

    def resize(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def send(self, text):
        os.write(self.fd, text.encode())

    def read(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        if not data:
            return False
        text = data.decode("utf-8", "replace")
        self.seen += text
        self.log += text
        return True

    def expect(self, pattern, timeout=20):
        end = time.monotonic() + timeout
        while True:
            m = re.search(pattern, self.seen)
            if m:
                self.seen = self.seen[m.end():]
                return m
            left = end - time.monotonic()
            if left <= 0 or not self.read(left):
                self.bad("waited for %r" % pattern)

    def bad(self, why):
        print("FAIL:", why)
        print("the terminal showed:")
        print("".join("    | %s\n" % line for line in self.log[-3000:].splitlines()), end="")
        os.kill(self.pid, signal.SIGHUP)
        os.close(self.fd)
        sys.exit(1)

    def prompt(self, timeout=20):
        self.expect(r"READY> ", timeout)

    def run(self, line, answer=None):
        self.send(line + "\n")
        if answer:
            self.expect(answer)
        self.prompt()

    def wait(self, timeout=20):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            self.read(0.05)
        self.bad("it did not end")


def step(text):
    print("ok:", text)
    sys.stdout.flush()


def until_foreground(s, name):
    """Waits until the terminal's foreground job is a program of that name: a key typed before goes to the shell instead."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            with open("/proc/%d/comm" % os.tcgetpgrp(s.fd)) as f, open("/proc/%d/stat" % os.tcgetpgrp(s.fd)) as g:
                if f.read().strip() == name and g.read().rpartition(")")[2].split()[0] == "S":
                    return
        except (OSError, ValueError):
            pass
        time.sleep(0.02)
    s.bad("%s did not come to the foreground" % name)


def foreground(s):
    s.send("sleep 987\n")
    s.expect(r"sleep 987\r\n")
    until_foreground(s, "sleep")


def session(s, boxed):
    s.send("PS1='REA''DY> '\n")
    s.prompt()
    step("a prompt")
    s.run("stty size", r"30 100\r\n")
    s.run("tty", r"/dev/pts/\d+\r\n")
    s.run("[ -t 0 ] && [ -t 1 ] && echo term''inal; : </dev/tty && echo dev''tty", r"terminal\r\ndevtty\r\n")
    step("the terminal and its size")
    foreground(s)
    s.send("\x03")
    s.prompt()
    s.run("echo st=$?", r"st=130\r\n")
    step("^C ends the job, not the shell")
    foreground(s)
    s.send("\x1a")
    s.expect(r"Stopped")
    s.prompt()
    s.run("jobs", r"\[1\]\+ +Stopped +sleep 987")
    s.run("bg", r"\[1\]\+ sleep 987 &")
    s.run("jobs", r"Running +sleep 987")
    s.send("fg\n")
    s.expect(r"sleep 987\r\n")
    until_foreground(s, "sleep")
    s.send("\x1a")
    s.expect(r"Stopped")
    s.prompt()
    s.send("fg\n")
    s.expect(r"sleep 987\r\n")
    until_foreground(s, "sleep")
    s.send("\x03")
    s.prompt()
    s.run("echo jobs=$(jobs | wc -l)", r"jobs=0\r\n")
    step("^Z, jobs, bg, fg")
    s.run("sleep 0.2 & wait; echo waited", r"\nwaited\r\n")
    s.send("cat | tr a-z A-Z\n")
    s.expect(r"A-Z\r\n")
    until_foreground(s, "cat")
    s.send("typed\n\x04")
    s.expect(r"TYPED\r\n")
    s.prompt()
    step("a pipeline reads the terminal, ^D ends it")
    s.resize(40, 132)
    s.run("stty size", r"40 132\r\n")
    step("the window changes its size")
    s.run("bash --norc -c 'kill -STOP $$; echo resu''med'", r"Stopped")
    s.send("fg\n")
    s.expect(r"resumed\r\n")
    s.prompt()
    s.run("stty -echo; stty echo; echo echo''ing", r"echoing\r\n")
    s.run("echo made >made; cat made; mkdir d; cd d; pwd; cd ..", r"made\r\n.*/d\r\n")
    step("files are made")
    s.send("exit 5\n")
    if boxed:
        s.expect(r"\[c\]ommit all +\[p\]ick +\[d\]iff +\[k\]eep +dis\[x\]card")
        step("the question at the end")
        s.send("k\n")
    status = s.wait()
    if status != 5:
        s.bad("the status is %d, not 5" % status)
    step("the shell's status")


def hangup(s):
    s.send("PS1='REA''DY> '\n")
    s.prompt()
    s.run("echo kept >kept; sleep 986 & echo start''ed", r"started\r\n")
    os.close(s.fd)
    end = time.monotonic() + 15
    while time.monotonic() < end:
        pid, status = os.waitpid(s.pid, os.WNOHANG)
        if pid:
            step("it ends when the terminal goes away")
            return
        time.sleep(0.05)
    print("FAIL: it runs on 15 s after its terminal went away")
    os.kill(s.pid, signal.SIGKILL)
    sys.exit(1)


def question(s, cowbox, box):
    ask = r"\[c\]ommit all +\[p\]ick +\[d\]iff +\[k\]eep +dis\[x\]card "
    change = "%s run -b %s -- sh -c 'echo x >>changed'\n" % (cowbox, box)
    s.send("PS1='REA''DY> '\n")
    s.prompt()
    s.send(change)
    s.expect(ask)
    time.sleep(0.3)
    s.send("\x1a")
    s.expect(r"Stopped")
    s.prompt()
    s.run("stty -a | tr ' ;' '\\n\\n' | grep -cx -e echo -e icanon", r"\n2\r\n")
    step("^Z at the question stops it, and the terminal is the shell's again")
    s.send("fg\n")
    s.expect(ask)
    time.sleep(0.3)
    s.send("x")
    s.expect(r"discard all changes of box")
    step("after fg it is asked again, and one key counts at once")
    s.send("\x1a")
    s.expect(r"Stopped")
    s.prompt()
    s.send("fg\n")
    s.expect(r"discard all changes of box")
    s.send("n\n")
    s.expect(ask)
    step("so with the second question")
    time.sleep(0.3)
    s.send("\x03")
    s.expect(r"cowbox: box %s is kept: cowbox commit -b" % box)
    s.prompt()
    s.run("echo st=$?", r"st=0\r\n")
    step("^C at the question keeps the box, and says so")
    s.send(change)
    s.expect(ask)
    time.sleep(0.3)
    s.send("c")
    s.expect(r"commit all changes of box")
    s.send("\x03")
    s.expect(r"cowbox: box %s is kept: cowbox commit -b" % box)
    s.prompt()
    step("and at the second one")
    s.send(change)
    s.expect(ask)
    time.sleep(0.3)
    s.send("?")
    m = s.expect(r"(cowbox: c [^\r\n]*)\r\n")
    if len(m.group(1)) > 78:
        s.bad("the help is wider than 78 columns")
    s.expect(ask)
    pid = os.tcgetpgrp(s.fd)
    time.sleep(0.3)
    os.kill(pid, signal.SIGTERM)
    s.prompt()
    s.run("stty -a | tr ' ;' '\\n\\n' | grep -cx -e echo -e icanon", r"\n2\r\n")
    step("a signal that ends it leaves the terminal as it was")
    s.send("%s run -b %s -- sh -c 'sleep 985 & sleep 985 & exit 3'\n" % (cowbox, box))
    s.expect(r"cowbox: waiting for 2 processes that the command left running \(Ctrl-C ends them\)")
    time.sleep(1.5)
    s.send("\x03")
    s.expect(r"cowbox: ending the processes")
    if "waiting" in s.seen:
        s.bad("it is said twice")
    s.expect(ask)
    time.sleep(0.3)
    s.send("k")
    s.prompt()
    s.run("echo st=$?", r"st=3\r\n")
    step("what the command left running is told, and ^C ends it")
    s.send("exit\n")
    s.wait()


def main():
    kind, cwd = sys.argv[1:3]
    shell = ["bash", "--norc", "--noprofile", "-i"]
    if kind == "native":
        session(Session(shell, cwd), False)
        return
    cowbox, box = sys.argv[3:5]
    if kind == "question":
        question(Session(shell, cwd), cowbox, box)
        return
    s = Session([cowbox, "run", "-b", box, "--"] + shell, cwd)
    if kind == "hangup":
        hangup(s)
    else:
        session(s, True)


main()
