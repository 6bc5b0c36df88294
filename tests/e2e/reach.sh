#!/bin/bash
# Directories that the box opened up, or moved out of one that is shut: another user than root, and its owner, walk, work and start programs there as
# they would natively, although the host's own directories are still shut to them.
. "$(dirname "$0")/lib.sh"
need python3 python3
chmod 755 "$T"
AS=env
[ "$(id -u)" -ne 0 ] || { need setpriv util-linux; AS="setpriv --reuid=54321 --regid=54321 --clear-groups"; }

prepare() {
	mkdir -p "$1/moved/shut/d/sub" "$1/opened/sub" "$1/opened/unreadable" "$1/empty"
	echo hi >"$1/moved/shut/d/f"
	cp /bin/true "$1/moved/shut/d/prog"
	printf '#!/bin/sh\necho "script $0 $1"\n' >"$1/moved/shut/d/script"
	chmod 755 "$1/moved/shut/d/script"
	ln -s f "$1/moved/shut/d/link"
	cp -a "$1/moved/shut/d/." "$1/opened"
	echo z >"$1/opened/unreadable/z"
	chmod 311 "$1/opened/unreadable"
	chmod 700 "$1/moved/shut" "$1/opened"
	chmod 400 "$1/empty"
}

# walk DIR: what somebody sees in it
cat >"$T/walk" <<'E2'
d=$1
cd "$d" && ls && pwd && cat f
cd sub && pwd && ls -a && cd .. && pwd
./prog; echo "prog $?"
"$d/prog"; echo "prog $?"
./script one
"$d/script" two
readlink link; stat -c '%A %s %n' . f sub link
[ ! -d unreadable ] || { cd unreadable && pwd && cat z; ls >/dev/null 2>&1 || echo "ls refused"; "$d/prog"; cd "$d"; }
touch here 2>/dev/null || echo "touch refused"
/usr/bin/python3 - "$d" <<'E3'
import os, sys
d = sys.argv[1]
os.chdir(d)
for name in (".", d, "sub", "f", "link", "prog"):
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW)
    a, b = os.fstat(fd), os.lstat(name)
    print(name[-4:], (a.st_ino, a.st_dev, a.st_mode, a.st_uid) == (b.st_ino, b.st_dev, b.st_mode, b.st_uid), os.readlink("/proc/self/fd/%d" % fd)[-6:])
top = os.open(d, os.O_PATH)
print(os.stat("f", dir_fd=top).st_size, os.open("f", 0, dir_fd=top) > 0, sorted(os.listdir(d)))
sub = os.open("sub", os.O_PATH, dir_fd=top)
os.fchdir(sub)
print(os.getcwd()[-5:], os.listdir("."), len(os.listdir("..")))
os.execv("../prog", ["prog"])
E3
echo "python $?"
E2
cat >"$T/work" <<'E2'
cd "$1" || exit
mv moved/shut/d moved/d
[ "$(id -u)" != 0 ] || chmod 755 opened
chmod 755 empty
$2 sh "$3" "$1/moved/d"
[ "$(id -u)" != 0 ] || $2 sh "$3" "$1/opened"
$2 sh -c 'cd empty && pwd && ls -a'
exec 9<empty
$2 sh -c 'cd /proc/self/fd/9/ && ls'
E2

prepare "$T/n"
prepare "$T/b"
seal -c "$T/b" >"$T/before"
bash "$T/work" "$T/n" "$AS" "$T/walk" >"$T/native" 2>"$T/native.err"
echo "status $?" >>"$T/native"
box run --rm -- bash "$T/work" "$T/b" "$AS" "$T/walk" >"$T/boxed" 2>"$T/boxed.err" </dev/null
echo "status $?" >>"$T/boxed"
seal -c "$T/b" >"$T/after"
sed -i "s#$T/[nb]#TOP#g" "$T/native" "$T/boxed" "$T/native.err" "$T/boxed.err"
check "there is something to compare" grep -q '^script TOP/moved/d/script two$' "$T/native"
same "what they saw" "$T/native" "$T/boxed"
same "what they were told" "$T/native.err" "$T/boxed.err"
same "the host" "$T/before" "$T/after"
finish
