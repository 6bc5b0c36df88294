#!/bin/bash
# attack.sh NAME [SECONDS]: one attack (NAME.c, see attack.h), natively and in boxes: as it is, and with each wall that cowbox can do without taken
# away (COWBOX_TEST_WALL_OFF). Natively it must do harm. In a box PREY must stay as it was, to the change time, and the victim too.
# ATTACK_BIN is the directory of the programs, PREY is described in attack_lib.sh.
. "$(dirname "$0")/attack_lib.sh"
NAME=${1:?NAME}
RACE_SECONDS=${2:-${RACE_SECONDS:-2}}
WALLS="none landlock-scopes landlock-unix landlock-truncate landlock-ioctl pidfd-thread killable sync"
[ "$NAME" != outsiders_sockets ] || WALLS="$WALLS unix-diag"

# ---- a victim that nobody attacks ----
quiet_victim "$T/quiet"

# ---- natively ----
make_prey "$T/native"
start_victim "$T/native"
seal -c "$T/native/prey" >"$T/native.before"
ATTACK_NATIVE=1 timeout -k 5 "$LIMIT" "$ATTACK_BIN/$NAME" "$T/native/prey" "$VICTIM" "$RACE_SECONDS" >"$T/native.out" 2>"$T/native.err" </dev/null
NATIVE_STATUS=$?
seal -c "$T/native/prey" >"$T/native.after"
stop_victim "$T/native"
grep -q '^tried [1-9]' "$T/native.out" || { fail "$NAME does not come to its end natively (status $NATIVE_STATUS)"; show "$T/native.out"; show "$T/native.err"; finish; }
if grep -q '^harmless natively: ' "$T/native.out"; then
	skip_part "$NAME: $(sed -n 's/^harmless natively: //p' "$T/native.out" | tr '\n' ' ')"
elif cmp -s "$T/native.before" "$T/native.after" && cmp -s "$T/quiet/victim.out" "$T/native/victim.out" && ! grep -q '^REACHED: ' "$T/native.out"; then
	fail "$NAME does no harm natively, so it proves nothing"
	show "$T/native.out"
	show "$T/native.err"
fi

# ---- in a box ----
for wall in $WALLS; do
	d=$T/$wall
	prepare "$d"
	if boxed "$d" attack "$wall" "$ATTACK_BIN/$NAME" "$d/prey" "$VICTIM" "$RACE_SECONDS"; then
		[ "$status" -eq 0 ] || { fail "$NAME, without $wall: status $status"; show "$d/out"; show "$d/err"; }
		grep -q '^tried [1-9]' "$d/out" || { fail "$NAME, without $wall: it did not come to its end"; show "$d/out"; show "$d/err"; }
		CHECKS=$((CHECKS + 1))
		! grep '^REACHED: ' "$d/out" || fail "$NAME, without $wall: got at something"
	fi
	unharmed "$d" "$NAME, without $wall"
	box discard -f -b attack >/dev/null 2>&1
	[ "$FAILURES" -eq 0 ] || break
done
finish
