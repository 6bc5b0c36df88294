#!/bin/bash
# Raw devices: a block device by its name in /dev, by another name of the host, by a node that the box makes; memory and ports. What would be
# harmed is a loop device on a file of our own.
. "$(dirname "$0")/../e2e/lib.sh"
[ "$(id -u)" = 0 ] || skip "block devices are root's"
need losetup mount
need python3 python3
LOOP=
# of the whole script: also when it fails
let_go() { [ -z "$LOOP" ] || losetup -d "$LOOP" 2>/dev/null; LOOP=; }
trap 'let_go; on_exit' EXIT
mkdir "$T/w"
cd "$T/w" || exit 1
head -c 1048576 /dev/zero >"$T/disk"
LOOP=$(losetup -f --show "$T/disk" 2>"$T/losetup.err") || { LOOP=; skip "no loop devices here ($(head -1 "$T/losetup.err"))"; }
cat >"$T/attack.py" <<'PY'
import ctypes, fcntl, os, stat, sys
loop, native = sys.argv[1], os.environ.get("ATTACK_NATIVE")
libc = ctypes.CDLL(None, use_errno=True)
tries = 0

def attack(path, what):
    """Every way of opening; what can be opened for writing is written to when it is our own device."""
    global tries
    for how in (os.O_RDWR, os.O_WRONLY, os.O_RDONLY, os.O_RDWR | os.O_SYNC, os.O_RDWR | os.O_EXCL, os.O_RDWR | os.O_DIRECT, os.O_PATH):
        tries += 1
        try:
            fd = os.open(path, how | os.O_NONBLOCK)
        except OSError:
            continue
        if how == os.O_PATH:
            for way in ("/proc/self/fd/%d", "/dev/fd/%d"):
                try:
                    again = os.open(way % fd, os.O_RDWR | os.O_NONBLOCK)
                    print("OPENED by", way, what)
                    os.close(again)
                except OSError:
                    pass
            os.close(fd)
            continue
        print("OPENED", what, how)
        if what == "loop":
            try:
                os.pwrite(fd, b"attack", 4096 if how != os.O_RDWR | os.O_DIRECT else 0)
            except OSError:
                pass
            for number in (0x1277, 0x125f, 0x1261, 0x127f):  # BLKDISCARD, BLKRRPART, BLKFLSBUF, BLKZEROOUT
                try:
                    fcntl.ioctl(fd, number, bytes(16))
                except OSError:
                    pass
        os.close(fd)

attack(loop, "loop")
st = os.stat(loop)
name = os.path.basename(loop)
os.symlink(loop, "a-link")
attack("a-link", "loop")
for path in ("host-node", "/proc/self/cwd/host-node"):
    attack(path, "loop")
# nodes made here
for where in (".", "/dev/shm", "/tmp"):
    node = "%s/attack-node-%d" % (where, os.getpid())
    tries += 1
    try:
        os.mknod(node, stat.S_IFBLK | 0o666, st.st_rdev)
    except OSError:
        continue
    try:
        attack(node, "loop")
        os.chmod(node, 0o777)
        os.rename(node, node + "2")
        node += "2"
        attack(node, "loop")
        os.link(node, node + "3")
        attack(node + "3", "loop")
        os.unlink(node + "3")
    except OSError:
        pass
    os.unlink(node)
for path in ("host-node",):
    for change in (lambda: os.chmod(path, 0o777), lambda: os.rename(path, "moved"), lambda: os.link("moved", path)):
        try:
            change()
        except OSError:
            pass
    for p in (path, "moved"):
        if os.path.lexists(p):
            attack(p, "loop")
if not native:
    # opened only; nothing is ever written to these
    for major, minor, kind, what in ((1, 1, stat.S_IFCHR, "mem"), (1, 2, stat.S_IFCHR, "kmem"), (1, 4, stat.S_IFCHR, "port"), (1, 11, stat.S_IFCHR, "kmsg"),
                                     (5, 1, stat.S_IFCHR, "console"), (4, 0, stat.S_IFCHR, "tty0"), (4, 1, stat.S_IFCHR, "tty1"), (10, 237, stat.S_IFCHR, "loop-control"),
                                     (10, 229, stat.S_IFCHR, "fuse"), (10, 200, stat.S_IFCHR, "tun"), (10, 232, stat.S_IFCHR, "kvm"), (10, 223, stat.S_IFCHR, "uinput"),
                                     (10, 203, stat.S_IFCHR, "cuse"), (10, 236, stat.S_IFCHR, "mapper"), (10, 234, stat.S_IFCHR, "btrfs-control"),
                                     (8, 0, stat.S_IFBLK, "sda"), (254, 0, stat.S_IFBLK, "vda"), (259, 0, stat.S_IFBLK, "nvme"), (7, 255, stat.S_IFBLK, "loop255")):
        node = "attack-" + what
        for path in ("/dev/" + what, node):
            tries += 1
            if path == node:
                try:
                    os.mknod(node, kind | 0o666, os.makedev(major, minor))
                except OSError:
                    continue
            for how in (os.O_RDWR, os.O_WRONLY, os.O_RDONLY):
                try:
                    os.close(os.open(path, how | os.O_NONBLOCK | os.O_NOCTTY))
                    print("OPENED", path, how)
                except OSError:
                    pass
    # a device of the supervisor's list, but of another kind
    for n in (3, 5, 8):
        try:
            os.mknod("attack-block-%d" % n, stat.S_IFBLK | 0o666, os.makedev(1, n))
            os.close(os.open("attack-block-%d" % n, os.O_RDWR | os.O_NONBLOCK))
            print("OPENED block", n)
        except OSError:
            pass
print("tried", tries)
PY
node_numbers=$(stat -c '%t %T' "$LOOP")
# shellcheck disable=SC2086
node() { mknod -m 666 host-node b $(for n in $node_numbers; do echo $((16#$n)); done) && chown 1000:1000 host-node; }
node
cp "$T/disk" "$T/disk.before"
ATTACK_NATIVE=1 timeout 20 python3 "$T/attack.py" "$LOOP" >"$T/native.out" 2>"$T/native.err" || fail "natively: $(tail -1 "$T/native.err")"
sync -f "$T/disk"
blockdev --flushbufs "$LOOP"
check "natively it does harm" sh -c '! cmp -s "$1" "$2"' sh "$T/disk.before" "$T/disk"
rm -rf "$T/w"/*
node
head -c 1048576 /dev/zero | dd of="$LOOP" bs=64k conv=fsync 2>/dev/null
blockdev --flushbufs "$LOOP"
for wall in none landlock-ioctl landlock-truncate landlock-scopes pidfd-thread sync; do
	seal -c "$T/w" >"$T/before"
	COWBOX_TEST_WALL_OFF=${wall#none} box run -b raw -- python3 "$T/attack.py" "$LOOP" >"$T/out" 2>"$T/err" </dev/null
	check "without $wall: it came to its end" grep -q '^tried [1-9]' "$T/out" || show "$T/err"
	grep '^OPENED' "$T/out" >"$T/opened"
	check "without $wall: no device was opened" test ! -s "$T/opened" || show "$T/opened"
	blockdev --flushbufs "$LOOP"
	seal -c "$T/w" >"$T/after"
	same "without $wall: the host is untouched" "$T/before" "$T/after"
	same "without $wall: the disk" "$T/disk.before" "$T/disk"
	box discard -f -b raw >/dev/null 2>&1
done
let_go
finish
