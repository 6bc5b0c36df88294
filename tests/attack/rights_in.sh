#!/bin/bash
# Descriptors that a program outside hands to a guest by SCM_RIGHTS, over a socket that the box was started with: those of files for reading, of names
# (O_PATH) and of directories give no way to change the host. One for writing is what the program outside wanted to give away, and works.
. "$(dirname "$0")/../e2e/lib.sh"
need python3 python3
cat >"$T/outer.py" <<'E2'
# outer.py DIR COMMAND...: COMMAND with a socket as its standard input, through which it gets descriptors
import array, os, socket, subprocess, sys
top = sys.argv[1]
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
p = subprocess.Popen(sys.argv[2:], stdin=theirs, close_fds=True)
theirs.close()
for name, how in (("file", os.O_RDONLY), ("file", os.O_PATH), ("private", os.O_RDONLY), ("dir", os.O_RDONLY), ("dir", os.O_PATH), (".", os.O_RDONLY), (".", os.O_PATH),
                  ("link", os.O_PATH | os.O_NOFOLLOW), ("fifo", os.O_PATH), ("given", os.O_RDWR)):
    fd = os.open(os.path.join(top, name), how)
    ours.sendmsg([name.encode().ljust(8)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    os.close(fd)
ours.shutdown(socket.SHUT_WR)
print("status", p.wait())
E2
cat >"$T/inner.py" <<'E2'
import array, ctypes, fcntl, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
s = socket.socket(fileno=0)
tries = 0

def attempt(f, *args, **more):
    global tries
    tries += 1
    try:
        r = f(*args, **more)
        if isinstance(r, int) and r > 2 and f is os.open:
            try:
                os.write(r, b"attack")
            except OSError:
                pass
            os.close(r)
    except OSError:
        pass

def attack(fd, own):
    attempt(os.fchmod, fd, 0o700)
    attempt(os.fchown, fd, os.getuid(), os.getgid())
    attempt(os.utime, fd, (1, 1))
    attempt(os.ftruncate, fd, 1)
    attempt(os.posix_fallocate, fd, 0, 100000)
    attempt(os.setxattr, fd, "user.attack", b"x")
    attempt(os.write, fd, b"attack")
    attempt(fcntl.ioctl, fd, 0x40086602, b"\x40\0\0\0\0\0\0\0")  # FS_IOC_SETFLAGS
    attempt(fcntl.fcntl, fd, fcntl.F_SETFL, os.O_APPEND)
    for way in ("/proc/self/fd/%d", "/proc/thread-self/fd/%d", "/dev/fd/%d", "/proc/%d/fd/%%d" % os.getpid()):
        path = way % fd
        for how in (os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_RDWR | os.O_APPEND):
            attempt(os.open, path, how | os.O_NONBLOCK)
        attempt(os.chmod, path, 0o700)
        attempt(os.truncate, path, 1)
        attempt(os.utime, path, (1, 1))
        attempt(os.setxattr, path, "user.attack", b"x")
        attempt(os.link, path, own + "/linked", follow_symlinks=True)
        attempt(os.open, own + "/linked", os.O_RDWR)
        attempt(os.unlink, own + "/linked")
    # by the empty path: chmod, chown, link, times
    for call in (lambda: libc.syscall(452, fd, b"", 0o700, 0x1000), lambda: libc.fchownat(fd, b"", os.getuid(), os.getgid(), 0x1000),
                 lambda: libc.linkat(fd, b"", -100, (own + "/linked").encode(), 0x1000), lambda: libc.utimensat(fd, b"", None, 0x1000)):
        attempt(call)
    attempt(os.open, own + "/linked", os.O_RDWR)
    for name in ("file", "new", "sub/new", "../file"):
        for how in (os.O_RDWR, os.O_RDWR | os.O_CREAT, os.O_RDWR | os.O_TRUNC):
            attempt(os.open, name, how, 0o600, dir_fd=fd)
        attempt(os.chmod, name, 0o700, dir_fd=fd)
        attempt(os.utime, name, (1, 1), dir_fd=fd)
        attempt(os.mkdir, name + "-dir", dir_fd=fd)
        attempt(os.symlink, "x", name + "-link", dir_fd=fd)
        attempt(os.mkfifo, name + "-fifo", dir_fd=fd)
        attempt(os.rename, name, name + "2", src_dir_fd=fd, dst_dir_fd=fd)
        attempt(os.unlink, name, dir_fd=fd)
    attempt(os.open, ".", os.O_RDWR | 0o20200000, 0o600, dir_fd=fd)  # O_TMPFILE
    attempt(os.fchdir, fd)
    attempt(os.open, "made-here", os.O_RDWR | os.O_CREAT)
    attempt(os.unlink, "file")
    os.chdir(own)

own = sys.argv[1]
while True:
    data, control, _, _ = s.recvmsg(8, socket.CMSG_SPACE(64))
    if not data:
        break
    for level, kind, body in control:
        fds = array.array("i")
        fds.frombytes(body)
        for fd in fds:
            if data.strip() == b"given":
                print("given", os.write(fd, b"by a guest"))
            else:
                attack(fd, own)
print("tried", tries)
E2
make_prey() {
	mkdir -p "$1/dir/sub" "$T/own" && echo file >"$1/file" && echo secret >"$1/private" && echo in >"$1/dir/file" && ln -s file "$1/link" && mkfifo "$1/fifo" && : >"$1/given"
}
make_prey "$T/native"
seal -c "$T/native" >"$T/before"
timeout 60 python3 "$T/outer.py" "$T/native" python3 "$T/inner.py" "$T/own" >"$T/native.out" 2>"$T/native.err"
seal -c "$T/native" >"$T/after"
check "natively it does harm" sh -c '! cmp -s "$1" "$2"' sh "$T/before" "$T/after"
for wall in none landlock-scopes landlock-truncate landlock-ioctl pidfd-thread sync; do
	rm -rf "$T/prey" "$T/own"
	make_prey "$T/prey"
	seal -c "$T/prey" | grep -v '^given ' >"$T/before"
	COWBOX_TEST_WALL_OFF=${wall#none} timeout 60 python3 "$T/outer.py" "$T/prey" "$COWBOX_BIN" run -b rights -- python3 "$T/inner.py" "$T/own" >"$T/out" 2>"$T/err"
	seal -c "$T/prey" | grep -v '^given ' >"$T/after"
	same "without $wall: the host is untouched" "$T/before" "$T/after"
	check "without $wall: it came to its end" grep -q '^tried [1-9]' "$T/out" || show "$T/err"
	check "without $wall: what was given for writing is written to" grep -q '^by a guest$' <(cat "$T/prey/given"; echo)
	box discard -f -b rights >/dev/null 2>&1
done
finish
