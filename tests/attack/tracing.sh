#!/bin/bash
# Files of tracefs that change the host as they are read or closed: the records of trace_pipe are gone for its other readers, and free_buffer empties the ring buffer.
. "$(dirname "$0")/../e2e/lib.sh"
[ "$(id -u)" = 0 ] || skip "tracefs is root's"
need python3 python3
mkdir "$T/tracing"
mount -t tracefs tracefs "$T/tracing" 2>/dev/null || skip "no tracefs here"
let_go() { [ ! -d "$T/tracing" ] || umount "$T/tracing" 2>/dev/null; }
trap 'let_go; on_exit' EXIT
cd "$T" || exit 1
cat >"$T/attack.py" <<'PY'
import os
os.symlink("tracing", "a-link")
for way in ("tracing", "a-link", os.path.realpath("tracing")):
    for name in ("trace_pipe", "free_buffer", "per_cpu/cpu0/trace_pipe", "per_cpu/cpu0/trace_pipe_raw", "trace_marker", "tracing_on"):
        path = "%s/%s" % (way, name)
        for how in (os.O_RDONLY, os.O_RDWR, os.O_WRONLY, os.O_PATH):
            if name in ("trace_marker", "tracing_on") and how in (os.O_RDONLY, os.O_PATH):
                continue
            try:
                fd = os.open(path, how | os.O_NONBLOCK)
                if how == os.O_PATH:
                    fd = os.open("/proc/self/fd/%d" % fd, os.O_RDONLY | os.O_NONBLOCK)
                print("OPENED", path, how)
            except OSError:
                pass
print(open("tracing/buffer_size_kb").read() > "", open("tracing/tracing_on").read() in ("0\n", "1\n"))
PY
cat "$T/tracing/buffer_size_kb" >"$T/size"
box run -b tracing -- python3 "$T/attack.py" >"$T/out" 2>"$T/err" </dev/null
echo "True True" >"$T/want"
same "what only tells is read, nothing else is opened" "$T/want" "$T/out" || show "$T/err"
cat "$T/tracing/buffer_size_kb" >"$T/size.after"
same "the ring buffer" "$T/size" "$T/size.after"
check "it is told at the end" grep -q '^cowbox: refused: open .*/trace_pipe ' "$T/err" || show "$T/err"
box discard -f -b tracing >/dev/null 2>&1
let_go
finish
