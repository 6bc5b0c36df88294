#!/bin/bash
# Two file systems of the host: rename and link from one to the other say EXDEV in a box too, mv copies then, and a commit has the same result as natively.
. "$(dirname "$0")/lib.sh"
need python3 python3
O=$(mktemp -d /dev/shm/cowbox-e2e.XXXXXX 2>/dev/null) || skip "no directory can be made in /dev/shm"
trap 'rm -rf "$O"; on_exit' EXIT
[ "$(stat -c %d "$O")" != "$(stat -c %d "$T")" ] || skip "/dev/shm is no other file system than $T"

cat >"$T/work.py" <<'E2'
import os, subprocess, sys
a, b = sys.argv[1:]
def attempt(f, x, y):
    try:
        f(x, y)
        print(f.__name__, "ok")
    except OSError as e:
        print(f.__name__, e.strerror)
os.makedirs(a + "/made/deep")
os.makedirs(b + "/made")
for f in os.rename, os.link:
    for x in "dir", "file", "nothing", "made/deep", "link":
        attempt(f, a + "/" + x, b + "/new-" + x.replace("/", "-"))
        attempt(f, a + "/" + x, b + "/made/new")
        attempt(f, a + "/" + x, b + "/there")
attempt(os.rename, a + "/made/deep", a + "/made/deep2")
attempt(os.rename, a + "/moved-first", a + "/moved")
attempt(os.rename, a + "/moved", b + "/moved")
print(subprocess.run(["mv", a + "/dir", a + "/file", b]).returncode)
open(b + "/dir/new", "w").write("new\n")
E2
for d in n b; do
	mkdir -p "$T/$d/dir/sub" "$T/$d/moved-first" "$O/$d"
	echo f >"$T/$d/dir/f"; echo g >"$T/$d/dir/sub/g"; echo file >"$T/$d/file"; echo there >"$O/$d/there"; ln -s file "$T/$d/link"; echo m >"$T/$d/moved-first/m"
done
python3 "$T/work.py" "$T/n" "$O/n" >"$T/native" 2>&1
box run -b across -- python3 "$T/work.py" "$T/b" "$O/b" >"$T/boxed" 2>"$T/boxed.err" </dev/null
check "it was refused natively" grep -q "Invalid cross-device link" "$T/native"
same "what they gave" "$T/native" "$T/boxed"
box commit -a -b across >"$T/commit.out" 2>"$T/commit.err" </dev/null
check "all is committed" test $? = 0
for d in n b; do (cd "$T/$d" && find . -type f -exec cat {} + -printf '%p %m\n' -o -printf '%p %y %l\n' | sort; cd "$O/$d" && find . -type f -exec cat {} + -printf '%p %m\n' -o -printf '%p %y %l\n' | sort) >"$T/tree.$d"; done
same "the trees after the commit" "$T/tree.n" "$T/tree.b"
finish
