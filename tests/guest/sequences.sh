#!/bin/bash
# sequences.sh [--seed N] [--seconds N]: random sequences of file calls (oracle_sequence), natively and in a box on equal trees: what the calls gave
# and the trees must agree, and the host must be untouched. Seeds 1 to 6 first, then new ones for --seconds (10); --seed N runs that one alone.
# As root each seed runs also with half of the calls by another user. With new seeds, and another user, any error is taken for any other.
# SEQUENCE_BIN is the program.
SCRIPT_DIR=$(cd "$(dirname "$0")" && pwd -P)
. "$SCRIPT_DIR/../e2e/lib.sh"

OPS=200
SECONDS_MAX=10
ONLY=
ANY_ERROR=
while [ $# -gt 0 ]; do
	case $1 in
	--seed) ONLY=$2 ;;
	--seconds) SECONDS_MAX=$2 ;;
	*) echo "usage: $0 [--seed N] [--seconds N]" >&2; exit 2 ;;
	esac
	shift 2
done
chmod a+x "$T"

without_errors() { sed -E 's/-E[A-Z0-9]+( -[0-9]+)?/-E/g' "$1"; }

# one SEED [UID]
one() {
	local d=$T/$1${2:+-$2} name="seed $1${2:+ with user $2}"
	mkdir -p "$d/n" "$d/b"
	"$SEQUENCE_BIN" build "$d/n" "$1" && "$SEQUENCE_BIN" build "$d/b" "$1" || { fail "$name: no tree"; return; }
	"$SEAL_BIN" -c "$d/b" >"$d/before"
	"$SEQUENCE_BIN" run "$d/n" "$1" $OPS ${2:+"$2"} >"$d/native" 2>"$d/native.err"
	echo "status $?" >>"$d/native"
	box run --rm -- "$SEQUENCE_BIN" run "$d/b" "$1" $OPS ${2:+"$2"} >"$d/boxed" 2>"$d/boxed.err" </dev/null
	echo "status $?" >>"$d/boxed"
	"$SEAL_BIN" -c "$d/b" >"$d/after"
	if [ -n "${2:-}" ] || [ -n "$ANY_ERROR" ]; then
		without_errors "$d/native" >"$d/native.plain"
		without_errors "$d/boxed" >"$d/boxed.plain"
		same "$name: the calls differ" "$d/native.plain" "$d/boxed.plain"
	else
		same "$name: the calls differ" "$d/native" "$d/boxed"
	fi
	same "$name: the host was changed by the box" "$d/before" "$d/after"
	chmod -R u+rwx "$d" 2>/dev/null
	[ "$FAILURES" -gt 0 ] || rm -rf "$d"
}

seed() {
	one "$1"
	[ "$(id -u)" -ne 0 ] || one "$1" 1000
}

if [ -n "$ONLY" ]; then
	seed "$ONLY"
else
	for s in 1 2 3 4 5 6; do seed $s; done
	s=$((0x$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')))
	echo "new seeds from $s on"
	ANY_ERROR=yes
	end=$((SECONDS + SECONDS_MAX))
	while [ $SECONDS -lt $end ] && [ "$FAILURES" -eq 0 ]; do seed $s; s=$((s + 1)); done
fi
finish
