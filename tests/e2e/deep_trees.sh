#!/bin/bash
# Trees nearly as deep as a path can name (1900 directories): made, moved, shut and removed in a box, they are as natively, and the verbs can tell of them
# and commit them. And names below a file that was removed, as deep. Depth costs no stack, and no descriptors either where each directory is shut.
. "$(dirname "$0")/lib.sh"
need python3 python3
cat >"$T/make.py" <<'PY'
import os, sys
os.chdir(sys.argv[1])
for h in ("host", "host2"):
    os.mkdir(h); os.chdir(h)
    for i in range(1905): os.mkdir("a"); os.chdir("a")
    os.chdir(sys.argv[1])
open("file", "w").close()
PY
cat >"$T/deep.py" <<'PY'
import errno, os, sys
N = 1900
os.chdir(sys.argv[1])
base = os.getcwd()
def t(name, f):
    try:
        f(); r = "ok"
    except OSError as e:
        r = errno.errorcode[e.errno]
    print(name, r, flush=True)
def there_and_back(p):
    os.chdir(p); os.getcwd(); os.listdir("."); os.chdir(base)
def calls(tag, p):
    q = p + "/x"
    for name, f in {
        "stat": lambda: os.stat(q), "open": lambda: os.close(os.open(q, os.O_RDWR | os.O_CREAT)), "mkdir": lambda: os.mkdir(q + "d"),
        "symlink": lambda: os.symlink("x", q + "l"), "link": lambda: os.link(q, q + "h"), "rename": lambda: os.rename(q, q + "r"),
        "unlink": lambda: os.unlink(q + "r"), "chmod": lambda: os.chmod(p, 0o755), "utime": lambda: os.utime(p, (1, 1)), "list": lambda: os.listdir(p),
        "rmdir": lambda: os.rmdir(q + "d"), "chdir": lambda: there_and_back(p), "readlink": lambda: os.readlink(q + "l"),
        "xattr": lambda: os.setxattr(p, "user.a", b"x"), "access": lambda: os.access(q, os.W_OK), "exec": lambda: os.execv(q + "h", ["x"]),
        "up and down": lambda: os.stat(p + "/.." * 20 + "/a" * 20)}.items():
        t(tag + " " + name, f)
def deep(name, n): return "/".join([name] * n)
os.unlink("file")
for n in (1, 20, 200, N): t("below what was removed", lambda: os.stat("file/" + deep("a", n)))
for n in (1, 20, 200, N): t("made below what was removed", lambda: os.mkdir("file/" + deep("a", n)))
os.rename("host", "moved"); calls("moved", "moved/" + deep("a", N))
os.rename("moved/a", "top"); calls("moved again", "top/" + deep("a", N - 1))
os.mkdir("new"); os.chdir("new")
for i in range(N): os.mkdir("b"); os.chdir("b")
os.chdir(base); calls("new", "new/" + deep("b", N))
calls("the host's", "host2/" + deep("a", N))
t("shut", lambda: os.chmod("host2/" + deep("a", 900), 0)); calls("shut", "host2/" + deep("a", N)); t("opened", lambda: os.chmod("host2/" + deep("a", 900), 0o755))
t("moved into", lambda: os.rename("host2", "new/host2")); calls("moved into", "new/host2/" + deep("a", N - 4))
PY
# Both below names of one length, so that the paths are as long.
for side in n b; do mkdir "$T/$side"; python3 "$T/make.py" "$T/$side"; done
(cd / && limited python3 "$T/deep.py" "$T/n") >"$T/native" 2>&1
seal -c "$T/b" >"$T/before"
(cd / && ulimit -s 1024 && box run -b deep -- python3 "$T/deep.py" "$T/b") >"$T/boxed" 2>"$T/err"
check "the run ends well" [ $? -eq 0 ] || show "$T/err"
same "the calls differ" "$T/native" "$T/boxed"
seal -c "$T/b" >"$T/after"
same "the host is untouched" "$T/before" "$T/after"
for verb in status "diff --stat" "commit -n -a" "commit -a"; do
	(ulimit -s 1024; box $verb -b deep) >"$T/out" 2>&1
	check "$verb" [ $? -eq 0 ] || show "$T/out"
done
(cd "$T/n" && find . | sort) >"$T/native.names"
(cd "$T/b" && find . | sort) >"$T/boxed.names"
same "what is committed differs" "$T/native.names" "$T/boxed.names"
remove "$T/n"; remove "$T/b"

# Directories that a user shut, each of them: to look into one opens it for the time, and so do those below it.
cat >"$T/shut.py" <<'PY'
import os, sys
os.chdir(sys.argv[1])
def deep(n): return "/".join(["c"] * n)
for i in range(1, 601): os.mkdir(deep(i))
open(deep(600) + "/x", "w").close()
for i in range(600, 0, -1): os.chmod(deep(i), 0o100)
PY
AS=
[ "$(id -u)" -ne 0 ] || { need setpriv util-linux; AS="setpriv --reuid=54321 --regid=54321 --clear-groups"; }
chmod 755 "$T"
mkdir "$T/shut" "$T/own"
[ -z "$AS" ] || chown 54321:54321 "$T/shut" "$T/own"
as_user() { (cd "$T/shut" && limited $AS env COWBOX_HOME="$T/own" "$COWBOX_BIN" "$@"); }
as_user run -b shut -- python3 "$T/shut.py" "$T/shut" >"$T/out" 2>&1
check "the run that shuts ends well" [ $? -eq 0 ] || show "$T/out"
modes() { find "$T/own" -name c -type d -printf '%m\n' | sort | uniq -c; }
modes >"$T/modes"
for verb in status "diff --stat" "commit -n -a" "discard -f $T/shut"; do
	(ulimit -n 256; as_user $verb -b shut) >"$T/out" 2>&1
	check "$verb of what is shut" [ $? -eq 0 ] || show "$T/out"
	[ "${verb%% *}" = discard ] || { modes >"$T/modes.now"; same "$verb left other modes" "$T/modes" "$T/modes.now"; }
done
finish
