# cli.sh - helpers of the scripts that look at the command line itself; sourced after lib.sh.

mkdir -p "$T/w" "$T/home" "$T/tmp" "$T/log"
export HOME=$T/home TMPDIR=$T/tmp
cd "$T/w" || exit 1
CASE=0

# cb ARG...: runs cowbox; leaves $STATUS and the files $OUT and $ERR
cb() {
	CASE=$((CASE + 1))
	OUT=$T/log/$CASE.out
	ERR=$T/log/$CASE.err
	LAST="cowbox $*"
	timeout -k 5 60 "$COWBOX_BIN" "$@" >"$OUT" 2>"$ERR" </dev/null
	STATUS=$?
}

# tty [--cols=N] [EXPECT SEND]... -- ARG...: cowbox on a terminal of its own (pty_talk.py); $OUT is what the terminal showed
tty() {
	local -a talk=()
	CASE=$((CASE + 1))
	OUT=$T/log/$CASE.out
	ERR=$T/log/$CASE.err
	while [ "$1" != -- ]; do talk+=("$1"); shift; done
	shift
	LAST="cowbox $* (on a terminal)"
	TERM=dumb timeout -k 5 60 python3 "$E2E/pty_talk.py" "${talk[@]}" -- "$COWBOX_BIN" "$@" >"$OUT" 2>"$ERR"
	STATUS=$?
}

describe() {
	say "    $LAST: status $STATUS"
	[ -s "$OUT" ] && head -n 8 "$OUT" | cat -v | sed 's/^/    out| /'
	[ -s "$ERR" ] && head -n 8 "$ERR" | cat -v | sed 's/^/    err| /'
}

# status NAME N...: one of these
status() {
	local name=$1 n
	shift
	CHECKS=$((CHECKS + 1))
	for n in "$@"; do [ "$STATUS" = "$n" ] && return 0; done
	fail "$name: status $STATUS, not $*"
	describe
	return 1
}

# out NAME PATTERN / err NAME PATTERN: a line of the output must match; no_out, no_err: none may
out() { has "$1" "$OUT" "$2"; }
err() { has "$1" "$ERR" "$2"; }
has() {
	CHECKS=$((CHECKS + 1))
	grep -aqE -e "$3" "$2" && return 0
	fail "$1: no line with /$3/"
	describe
	return 1
}
no_out() { has_not "$1" "$OUT" "$2"; }
no_err() { has_not "$1" "$ERR" "$2"; }
has_not() {
	CHECKS=$((CHECKS + 1))
	grep -aqE -e "$3" "$2" || return 0
	fail "$1: a line with /$3/"
	describe
	return 1
}
empty_out() {
	CHECKS=$((CHECKS + 1))
	[ ! -s "$OUT" ] && return 0
	fail "$1: stdout is not empty"
	describe
}

# one_line NAME PATTERN: exactly one line on stderr, beginning with "cowbox: ", that matches; nothing on stdout
one_line() {
	CHECKS=$((CHECKS + 1))
	if [ "$(wc -l <"$ERR")" = 1 ] && grep -aq '^cowbox: ' "$ERR" && grep -aqiE -e "$2" "$ERR" && [ ! -s "$OUT" ]; then
		return 0
	fi
	fail "$1: not one clear line with /$2/"
	describe
	return 1
}

# is NAME WANT GOT
is() {
	CHECKS=$((CHECKS + 1))
	[ "$2" = "$3" ] && return 0
	fail "$1: '$3', not '$2'"
	return 1
}

json() {
	CHECKS=$((CHECKS + 1))
	python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$OUT" 2>"$T/json.err" && return 0
	fail "$1: not JSON: $(tail -1 "$T/json.err")"
	describe
}
