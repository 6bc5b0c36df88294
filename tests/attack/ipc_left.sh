#!/bin/bash
# What guests make of System V memory, semaphores and queues and leave is gone from the host when the run ends, whoever made it. ATTACK_BIN/ipc_guest makes it.
. "$(dirname "$0")/../e2e/lib.sh"
need ipcrm util-linux
need setpriv util-linux
[ -r /proc/sysvipc/shm ] || skip "no /proc/sysvipc here"
mkdir -p "$T/w"
cd "$T/w" || exit 1
chmod a+x "$T"

# left FILE: of the "kind id" lines there, those of objects that the host has
left() {
	local kind id
	sort -u "$1" | while read -r kind id; do
		awk -v id="$id" -v kind="$kind" '$2 == id { print kind, id }' "/proc/sysvipc/$kind"
	done
}
take_away() {
	local kind id
	left "$1" | while read -r kind id; do
		case $kind in shm) ipcrm -m "$id" ;; sem) ipcrm -s "$id" ;; msg) ipcrm -q "$id" ;; esac
	done
}
# made FILE: 15 objects, and each found again by its key
made() { [ "$(sort -u "$1" | wc -l) $(wc -l <"$1")" = "15 30" ]; }

# ---- natively all of it is left, or else this would prove nothing ----
"$ATTACK_BIN/ipc_guest" 1000 >"$T/native" 2>"$T/native.err"
check "natively: 15 objects, each found again" made "$T/native"
check "natively: they stay" [ "$(left "$T/native" | wc -l)" = 15 ]
take_away "$T/native"

# ---- in a box ----
# leaves NAME UID [COMMAND...]: COMMAND is what runs cowbox
leaves() {
	local name=$1 uid=$2
	shift 2
	limited "$@" "$COWBOX_BIN" run -b left -- "$ATTACK_BIN/ipc_guest" "$uid" >"$T/out" 2>"$T/err" || { fail "$name: status $?"; show "$T/err"; }
	check "$name: 15 objects, each found again" made "$T/out"
	left "$T/out" >"$T/left"
	check "$name: nothing stays on the host" [ ! -s "$T/left" ]
	show "$T/err"
	show "$T/left"
	take_away "$T/out"
}
leaves "as it is" "$(id -u)"
if [ "$(id -u)" = 0 ]; then
	leaves "another user" 1000
	leaves "another user, and cowbox is not to administer" 1000 setpriv --bounding-set -sys_admin --inh-caps -sys_admin
else
	skip_part "other users: not root"
fi
finish
