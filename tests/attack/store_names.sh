#!/bin/bash
# The store, from inside: every name of its path (store_inside.c), also with each wall away, and through a bind mount where root runs this.
# ATTACK_BIN is the directory of the programs.
. "$(dirname "$0")/../e2e/lib.sh"
MOUNTED=
unmount() { [ -z "$MOUNTED" ] || umount "$MOUNTED"; MOUNTED=; }
trap 'unmount; on_exit' EXIT

# room DIR: DIR/in/store is a store with a box that is not the attacker's; DIR/in/plaie is a directory of the host, and DIR/to-in another way there
room() {
	mkdir -p "$1/in/plaie"
	ln -s in "$1/to-in"
	COWBOX_HOME=$1/in/store box run -b victim -- sh -c 'echo x >"$1/new"' sh "$1" 2>/dev/null
	seal -c "$1/in/store/boxes/victim" >"$1.before"
}
room "$T/native"
mkdir -p "$T/native/in/store/boxes/attack"
echo '{}' >"$T/native/in/store/boxes/attack/box.json"
ATTACK_NATIVE=1 timeout -k 5 30 "$ATTACK_BIN/store_inside" "$T/native" 0 0.3 >"$T/native.out" 2>&1 </dev/null
check "natively the store is got at by name" grep -q '^REACHED: .* /.*native/in/store$' "$T/native.out"
check "natively it is got at by a race" grep -q '^REACHED: .*raced' "$T/native.out"

for wall in none landlock-scopes landlock-unix landlock-truncate landlock-ioctl pidfd-thread killable sync; do
	room "$T/$wall"
	COWBOX_HOME=$T/$wall/in/store COWBOX_TEST_WALL_OFF=${wall#none} box run -b attack -- "$ATTACK_BIN/store_inside" "$T/$wall" 0 0.5 >"$T/$wall.out" 2>&1 </dev/null
	check "without $wall: it came to its end (status $?)" grep -q '^tried [1-9]' "$T/$wall.out"
	grep -m 5 '^REACHED: ' "$T/$wall.out" && fail "without $wall: the store was got at"
	seal -c "$T/$wall/in/store/boxes/victim" >"$T/$wall.after"
	same "without $wall: another box was changed" "$T/$wall.before" "$T/$wall.after"
done

# The directories above the store are none that can be removed or moved, and no commit takes the store with them.
COWBOX_HOME=$T/none/in/store box run -b away -- bash -c 'cd "$1" && rm -rf in; mv in out; echo x >in/store; mkdir -p in/store/boxes/evil; echo x >in/new' bash "$T/none" >"$T/away.out" 2>&1
COWBOX_HOME=$T/none/in/store box commit -a -b away >>"$T/away.out" 2>&1
check "the store is where it was" test -d "$T/none/in/store/boxes/victim/layers/1/tree"
check "nothing was made in it" test ! -e "$T/none/in/store/boxes/evil"

if [ "$(id -u)" -eq 0 ] && mkdir "$T/alias" && mount --bind "$T/none/in" "$T/alias" 2>/dev/null; then
	MOUNTED=$T/alias
	seal -c "$T/none/in/store/boxes/victim" >"$T/none.before"
	COWBOX_HOME=$T/none/in/store box run -b alias -- bash -c 'cd "$1" && rm -rf store/boxes/victim; cat store/last; echo x >store/boxes/victim/box.json; mv store shop' bash "$T/alias" >"$T/alias.out" 2>&1
	unmount
	seal -c "$T/none/in/store/boxes/victim" >"$T/alias.after"
	same "through a bind mount: another box was changed" "$T/none.before" "$T/alias.after"
else
	skip_part "a bind mount of the store: needs root, and leave to mount"
fi
finish
