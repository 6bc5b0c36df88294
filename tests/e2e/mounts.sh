#!/bin/bash
# Mounts of the host: what is read-only natively is in a box, and what is mounted writable below it can be changed.
. "$(dirname "$0")/lib.sh"
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
SH
need setfattr attr
T=$T COWBOX_BIN=$COWBOX_BIN $private bash "$T/inside.sh" >"$T/log" 2>&1 || fail "the mounts: $(tail -1 "$T/log")"
same "what a read-only mount says" "$T/native" "$T/boxed"
check "it said something" grep -q "^mkdir: Read-only file system" "$T/native"
box discard -f -b mounts >/dev/null 2>&1
finish
