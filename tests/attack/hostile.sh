#!/bin/bash
# hostile.sh [--seed N] [--seconds N] [--keep-going]: hostile.c in a box, batch by batch, each in a box of its own: first with fixed seeds, then with
# new ones for so many seconds (10), every other one with a wall taken away; with --seed only that one, for so many seconds. After each batch PREY
# and the victim must be as they were, the supervisor must have come to its end in time and without a report of a sanitizer, and `status`, `diff`,
# `commit -n`, another run and `discard -f` must work on what the batch left. ATTACK_BIN is the directory of the programs, PREY is described in attack_lib.sh.
LIMIT=${LIMIT:-60}
. "$(dirname "$0")/attack_lib.sh"
SEED=
SECONDS_EACH=${SECONDS_EACH:-2}
SECONDS_NEW=10
KEEP_GOING=
while [ $# -gt 0 ]; do
	case $1 in
	--seed) SEED=$2 && shift 2 ;;
	--seconds) SECONDS_NEW=$2 && shift 2 ;;
	--keep-going) KEEP_GOING=1 && shift ;;
	*) say "usage: hostile.sh [--seed N] [--seconds N] [--keep-going]"; FINISHED=1; rm -rf "$T"; exit 2 ;;
	esac
done
WALLS=(none landlock-scopes none landlock-unix none landlock-truncate none landlock-ioctl none pidfd-thread none killable none sync)

# works BATCH VERB ARG...: that verb on the batch's box ends as it should
works() {
	local batch=$1 verb=$2 status
	shift 2
	box "$verb" "$@" -b hostile >"$T/$batch/$verb.out" 2>"$T/$batch/$verb.err" </dev/null
	status=$?
	CHECKS=$((CHECKS + 1))
	if [ "$status" -gt 1 ] || { [ "$status" -eq 1 ] && [ "$verb" != diff ] && [ "$verb" != commit ]; }; then
		fail "$batch: cowbox $verb ends with status $status"
		show "$T/$batch/$verb.err"
	fi
	sane "$batch: $verb" "$T/$batch/$verb.err"
}

# sane NAME FILE: no sanitizer has reported
sane() {
	CHECKS=$((CHECKS + 1))
	! grep -aqE 'Sanitizer|runtime error:|assert' "$2" || { fail "$1: a report"; show "$2" 60; }
}

# batch NAME SEED SECONDS WALL
batch() {
	local d=$T/$1 status failures=$FAILURES
	prepare "$d"
	if HOSTILE_IN_BOX=1 boxed "$d" hostile "$4" "$ATTACK_BIN/hostile" "$d/prey" "$VICTIM" "$3" "$2"; then
		CHECKS=$((CHECKS + 1))
		[ "$status" -eq 0 ] && grep -q '^tried [1-9]' "$d/out" || { fail "seed $2, without $4: status $status"; show "$d/out"; show "$d/err"; }
	fi
	sane "seed $2, without $4" "$d/err"
	unharmed "$d" "seed $2, without $4"
	CHECKS=$((CHECKS + 1))
	[ "$status" -eq 125 ] || grep -q '^calls [1-9]' "$d/out" || { fail "seed $2, without $4: its output is not its own"; show "$d/out"; }
	works "$1" status
	works "$1" diff
	works "$1" commit -a -n
	# the view can be walked, whatever is in it; nothing may start there any more when it has shut its own root
	box run -b hostile -- find "$d" -ls >"$d/find.out" 2>"$d/find.err" </dev/null
	status=$?
	CHECKS=$((CHECKS + 1))
	[ "$status" -lt 2 ] || [ "$status" -eq 126 ] || [ "$status" -eq 127 ] || { fail "seed $2, without $4: find in the view ends with status $status"; show "$d/find.err"; }
	sane "seed $2: find" "$d/find.err"
	works "$1" discard -f
	CHECKS=$((CHECKS + 1))
	[ ! -e "$d/own" ] || fail "seed $2, without $4: $d/own is on the host"
	say "seed $2, without $4: $(sed -n '/^calls/p' "$d/out")"
	if [ "$FAILURES" -gt "$failures" ]; then
		cp -a "$T/store" "$d/" 2>/dev/null
		[ -n "$KEEP_GOING" ] || finish
		box discard -f -b hostile >/dev/null 2>&1
	else
		[ -n "${KEEP:-}" ] || remove "$d"
	fi
}

quiet_victim "$T/quiet"

# ---- natively, tame ----
make_prey "$T/native"
start_victim "$T/native"
seal -c "$T/native/prey" >"$T/native.before"
timeout -k 5 "$LIMIT" "$ATTACK_BIN/hostile" "$T/native/prey" "$VICTIM" 1 1 >"$T/native.out" 2>&1 </dev/null
seal -c "$T/native/prey" >"$T/native.after"
stop_victim "$T/native"
check "natively it does harm" eval '! cmp -s "$T/native.before" "$T/native.after"'

# ---- in a box ----
if [ -n "$SEED" ]; then
	batch one "$SEED" "$SECONDS_NEW" "${WALL:-none}"
	finish
fi
for seed in 1 2 3; do batch "fixed$seed" "$seed" "$SECONDS_EACH" none; done
n=0
START=$(date +%s)
while [ $(($(date +%s) - START)) -lt "$SECONDS_NEW" ]; do
	batch "new$n" "$((RANDOM << 30 | RANDOM << 15 | RANDOM))" "$SECONDS_EACH" "${WALLS[n % ${#WALLS[@]}]}"
	n=$((n + 1))
done
finish
