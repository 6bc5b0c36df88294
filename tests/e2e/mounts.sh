#!/bin/bash
# Mounts of the host: what is read-only natively is in a box, and what is mounted writable below it can be changed.
. "$(dirname "$0")/lib.sh"
is_equal() { CHECKS=$((CHECKS + 1)); [ "$2" = "$3" ] || fail "$1: '$3', not '$2'"; }
private="unshare -m"
[ "$(id -u)" = 0 ] || private="unshare -Urm"
$private true 2>"$T/unshare.err" || skip "no mount namespace here ($(head -1 "$T/unshare.err"))"
mkdir "$T/m"
cat >"$T/inside.sh" <<'SH'
report() { local name=$1; shift; if "$@" 2>"$T/e"; then echo "$name: done"; else echo "$name: $(sed 's/.*: //' "$T/e" | head -1)"; fi; }
all() {
	cd "$T/m/ro"
	report write sh -c 'echo x >f'
	report chmod chmod 600 f
	report touch touch f
	report chown chown "$(id -u)" f
	report rename mv f f2
	report link ln f l
	report remove rm -f f
	report mkdir mkdir m
	report "chmod of a directory" chmod 700 d
	report "new in it" sh -c 'echo x >d/new'
	report "rename of a directory" mv d d2
	report symlink ln -s a b
	report truncate truncate -s 0 f
	report attribute setfattr -n user.a -v b f
	report "into what is mounted writable" sh -c 'echo x >rw/new'
	report "after that" mkdir m
	report "after that, in a directory" mkdir d/m
	cat rw/new
	ls
	rm -f rw/new
}
mount -t tmpfs none "$T/m" && mkdir "$T/m/ro" && mount -t tmpfs none "$T/m/ro" && mkdir "$T/m/ro/rw" "$T/m/ro/d" && echo 1 >"$T/m/ro/f" || exit 9
mount -t tmpfs none "$T/m/ro/rw" && mount -o remount,bind,ro "$T/m/ro" || exit 9
(all) >"$T/native" 2>&1
export -f report all
"$COWBOX_BIN" run -b mounts -- bash -c all >"$T/boxed" 2>"$T/boxed.err" </dev/null
# procfs at another place, and a part of it: of processes outside the box no more is told than at /proc
mkdir "$T/proc2" "$T/part"
sleep 60 &
pid=$!
if [ "$(id -u -r)" = 0 ] && mount -t proc none "$T/proc2" 2>/dev/null; then :; else mount --rbind /proc "$T/proc2" || exit 9; fi
mount --bind "/proc/$pid" "$T/part" || exit 9
"$COWBOX_BIN" run -b mounts -- bash -c '
	try() { if [ -n "$("$@" 2>/dev/null | head -c 1 | tr "\0" x)" ]; then echo "REACHED: $*"; fi; }
	for d in "$T/proc2/$1" "$T/part"; do
		for f in environ maps auxv smaps; do try cat "$d/$f"; done
		for f in exe cwd root fd/0; do try readlink "$d/$f"; try ls "$d/$f/"; done
		try ls "$d/fd"
	done
	grep -q "^State:" "$T/proc2/$1/status" && grep -q MemTotal "$T/proc2/meminfo" && echo seen
' bash "$pid" >"$T/proc.out" 2>"$T/proc.err" </dev/null
kill "$pid"
SH
need setfattr attr
T=$T COWBOX_BIN=$COWBOX_BIN $private bash "$T/inside.sh" >"$T/log" 2>&1 || fail "the mounts: $(tail -1 "$T/log")"
same "what a read-only mount says" "$T/native" "$T/boxed"
check "it said something" grep -q "^mkdir: Read-only file system" "$T/native"
is_equal "procfs at other places" seen "$(tr '\n' ' ' <"$T/proc.out" | sed 's/ $//')"
box discard -f -b mounts >/dev/null 2>&1
finish
