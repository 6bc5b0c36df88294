# lib.sh - what the end-to-end scripts share. Source it first; end the script with `finish`.
#
#   COWBOX_BIN       the program to test (else the cowbox in $PATH)
#   COWBOX_TEST_DIR  where the temporary trees go (else $TMPDIR, else /tmp)
#   SEAL_BIN         the compiled seal.c (else it is compiled here)
#   COWBOX_SKIP_LOG  a file to which a line is added for each thing left out, and why
#   KEEP=1           keep the data of passed tests too
#
# A script has a private directory $T, a private store $COWBOX_HOME in it, and leaves nothing behind when all passed; what failed keeps
# its data and says where. Exit status: 0 passed, 1 failed, 77 skipped (with the reason on stdout).

set -u
umask 022
E2E=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
SCRIPT=$(basename "$0" .sh)
COWBOX_BIN=${COWBOX_BIN:-$(command -v cowbox || true)}
LIMIT=${LIMIT:-240}            # seconds for one command, native or boxed
FAILURES=0
CHECKS=0
FINISHED=
T=

say() { printf '%s\n' "$*"; }

# skip_part REASON: tells of a part that is left out; tests/all.sh collects these in the file $COWBOX_SKIP_LOG
skip_part() {
	say "skip: $SCRIPT: $*"
	[ -z "${COWBOX_SKIP_LOG:-}" ] || echo "$SCRIPT: $*" >>"$COWBOX_SKIP_LOG"
}

# skip REASON: ends the script as skipped
skip() {
	skip_part "$*"
	FINISHED=1
	[ -n "$T" ] && rm -rf "$T"
	exit 77
}

# need PROGRAM PACKAGE: skips when the program is not there
need() {
	command -v "$1" >/dev/null 2>&1 || skip "needs $1 (apt-get install $2)"
}

fail() {
	FAILURES=$((FAILURES + 1))
	say "FAIL: $SCRIPT: $*"
}

# check NAME COMMAND...: the command must succeed
check() {
	local name=$1
	shift
	CHECKS=$((CHECKS + 1))
	if "$@"; then
		say "ok: $name"
	else
		fail "$name"
	fi
}

# Shows the start of a file, indented.
show() {
	[ -s "$1" ] && head -n "${2:-30}" "$1" | sed 's/^/    | /'
	return 0
}

# same NAME FILE-A FILE-B: both must be equal byte for byte; the difference is kept and its start is shown
same() {
	CHECKS=$((CHECKS + 1))
	if cmp -s "$2" "$3"; then
		return 0
	fi
	fail "$1"
	diff -u "$2" "$3" >"$3.diff" 2>&1
	show "$3.diff" 16
	return 1
}

# Processes of ours that still run with our directory in their environment, command line or working directory.
leftovers() {
	local p pid
	for p in /proc/[0-9]*; do
		pid=${p#/proc/}
		[ "$pid" = $$ ] || [ "$pid" = "$BASHPID" ] && continue
		[ -O "$p" ] || continue
		if grep -qsaF "$T/" "$p/environ" "$p/cmdline" || case $(readlink "$p/cwd" 2>/dev/null) in "$T"*) true ;; *) false ;; esac; then
			grep -q '^State:.*Z' "$p/status" 2>/dev/null && continue
			# our own ancestors and this pipeline are no leftovers
			case " $(ancestors) " in *" $pid "*) continue ;; esac
			[ "$(awk '{print $4}' "$p/stat" 2>/dev/null)" = "$BASHPID" ] && continue
			say "$pid $(tr '\0' ' ' <"$p/cmdline" 2>/dev/null)"
		fi
	done
}

ancestors() {
	local p=$$
	while [ "${p:-0}" -gt 1 ]; do
		echo -n "$p "
		p=$(awk '/^PPid:/ { print $2 }' "/proc/$p/status" 2>/dev/null)
	done
}

# Ends what a failed test left running: only processes found by our private directory.
end_leftovers() {
	local line lines
	lines=$(leftovers)
	while read -r line; do
		[ -n "$line" ] && kill -9 "${line%% *}" 2>/dev/null
	done <<<"$lines"
}

finish() {
	local left
	left=$(leftovers)
	if [ -n "$left" ]; then
		sleep 1
		left=$(leftovers)
	fi
	[ -n "$left" ] && fail "processes were left behind: $left"
	if grep -qF " $T" /proc/self/mounts; then
		fail "mounts were left behind in $T"
	fi
	FINISHED=1
	if [ "$FAILURES" -gt 0 ]; then
		say "$SCRIPT: $FAILURES failed of $CHECKS checks; the data is in $T"
		end_leftovers
		exit 1
	fi
	say "$SCRIPT: $CHECKS checks passed"
	[ -n "${KEEP:-}" ] && exit 0
	remove "$T"
	exit 0
}

remove() {
	rm -rf "$1" 2>/dev/null && return 0
	chmod -R u+rwX "$1" 2>/dev/null
	rm -rf "$1"
}

on_exit() {
	[ -n "$FINISHED" ] && return
	say "FAIL: $SCRIPT: ended early; the data is in $T"
	end_leftovers
	exit 1
}

# ---- the commands, natively and in a box ----

BASE_PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin
export PATH=$BASE_PATH

# clean_env DIR COMMAND...: an environment that both runs share; HOME and TMPDIR are inside the directory
clean_env() {
	local d=$1
	shift
	env -i PATH="$BASE_PATH" HOME="$d/home" TMPDIR="$d/tmp" LC_ALL=C.UTF-8 TZ=UTC TERM=dumb SHELL=/bin/bash USER="$(id -un 2>/dev/null || id -u)" \
		COWBOX_HOME="$COWBOX_HOME" E2E="$E2E" SEAL_BIN="$SEAL_BIN" GUEST_BIN="${GUEST_BIN:-}" \
		${ASAN_OPTIONS:+ASAN_OPTIONS="$ASAN_OPTIONS"} "$@"
}

# limited COMMAND...
limited() { timeout -k 10 "$LIMIT" "$@"; }

# box ARG...: cowbox with our store
box() { limited "$COWBOX_BIN" "$@"; }

seal() { "$SEAL_BIN" "$@"; }

now_ns() { date +%s%N; }

# Gives everything below a directory one old time, so that what a command touches shows.
age() { find "$1" -depth -print0 | xargs -0 -r touch -h -d '2021-03-04 05:06:07.123456789 UTC'; }

# piped OUT ERR COMMAND...: stdout and stderr are pipes, no host files that the command could open anew; the status is the command's
piped() {
	local out=$1 err=$2
	shift 2
	(
		set -o pipefail
		{ "$@" 2>&1 >&3 3>&- </dev/null | cat >"$err"; } 3>&1 | cat >"$out"
	)
}

run_native() { # DIR COMMAND OUT
	piped "$3.out.raw" "$3.err.raw" clean_env "$1" timeout -k 10 "$LIMIT" bash -c 'cd "$1" && . "$2" && "$3"' bash "$1" "$FUNCTIONS" "$2"
	echo $? >"$3.status"
	filtered "$3"
}

run_boxed() { # DIR COMMAND OUT BOX
	piped "$3.out.raw" "$3.err.all" clean_env "$1" timeout -k 10 "$LIMIT" "$COWBOX_BIN" run -b "$4" -- \
		bash -c 'cd "$1" && . "$2" && "$3"' bash "$1" "$FUNCTIONS" "$2"
	echo $? >"$3.status"
	grep -av '^cowbox: ' "$3.err.all" >"$3.err.raw"
	grep -a '^cowbox: ' "$3.err.all" >"$3.cowbox"
	filtered "$3"
}

filtered() {
	"${FILTER:-cat}" <"$1.out.raw" >"$1.out"
	"${FILTER_ERR:-cat}" <"$1.err.raw" >"$1.err"
}

# both NAME SETUP COMMAND [CHECK]
#
# SETUP fills the current directory. COMMAND then runs in one copy of it natively and in another in a box, both at the same absolute path,
# one after the other. Output and status must agree; the host's copy must not have been touched by the box; the tree seen in the box and
# the tree after `commit -a` must be the native run's. CHECK, when given, runs natively in both trees at the end; its output must agree.
#
# Variables that change it:
#   SEAL_FLAGS   more flags for the comparison of the trees (-x, -e, -h; -T when times are undefined)
#   DIR_TIMES=1  the times of directories are defined by the command too
#   KEEP_TIMES=1 SETUP has set its own times
#   PREPARE=fn   runs in each copy before the command (what a copy does not keep, or cannot be copied)
#   FILTER, FILTER_ERR   functions through which stdout and stderr go before they are compared
#   WANT=N       the status that both must give (0); any: only compares
both() {
	local name=$1 setup=$2 cmd=$3 after=${4:-}
	local d=$T/$name w=$T/$name/w b=$SCRIPT-$name failures=$FAILURES start
	local -a flags

	# split at spaces, without matching the patterns against the working directory
	read -r -a flags <<<"${SEAL_FLAGS:-}"
	[ -n "${DIR_TIMES:-}" ] || flags+=(-D)
	b=${b//[^A-Za-z0-9._-]/-}
	mkdir -p "$w/home" "$w/tmp"
	FUNCTIONS=$d/functions.sh
	declare -f >"$FUNCTIONS"
	if ! (clean_env "$w" bash -c 'cd "$1" && . "$2" && set -e && "$3"' bash "$w" "$FUNCTIONS" "$setup") >"$d/setup.log" 2>&1; then
		fail "$name: the setup failed"
		show "$d/setup.log"
		return 1
	fi
	[ -n "${KEEP_TIMES:-}" ] || age "$w"
	mv "$w" "$d/master"
	start=$(now_ns)

	cp -a "$d/master" "$w"
	[ -z "${PREPARE:-}" ] || (cd "$w" && "$PREPARE")
	run_native "$w" "$cmd" "$d/A"
	seal "${flags[@]}" -n "$start" "$w" >"$d/A.tree"
	# in the view a merged directory shows one link
	seal "${flags[@]}" -N -n "$start" "$w" >"$d/A.view-tree"
	[ -n "$after" ] && run_native "$w" "$after" "$d/A.check"
	mv "$w" "$d/A.data"

	cp -a "$d/master" "$w"
	[ -z "${PREPARE:-}" ] || (cd "$w" && "$PREPARE")
	seal -c "$w" >"$d/B.before"
	run_boxed "$w" "$cmd" "$d/B" "$b"
	seal -c "$w" >"$d/B.after"
	same "$name: the host was changed by the box" "$d/B.before" "$d/B.after"
	same "$name: stdout differs" "$d/A.out" "$d/B.out"
	same "$name: stderr differs" "$d/A.err" "$d/B.err"
	same "$name: the exit status differs" "$d/A.status" "$d/B.status" || show "$d/B.cowbox"
	if [ "${WANT:-0}" != any ] && [ "$(cat "$d/A.status")" != "${WANT:-0}" ]; then
		fail "$name: natively the status is $(cat "$d/A.status"), not ${WANT:-0}: the test itself is wrong here"
		show "$d/A.err" 10
	fi

	box run -b "$b" -- "$SEAL_BIN" "${flags[@]}" -N -n "$start" "$w" >"$d/B.view-tree" 2>"$d/B.view.err" </dev/null
	same "$name: the view after the run is not the native tree" "$d/A.view-tree" "$d/B.view-tree" || show "$d/B.view.err" 5

	commit_all "$name" "$d" "$b"
	# what undo needs has one more name of a file that keeps others which cowbox does not know
	rm -rf "$COWBOX_HOME/history"
	seal "${flags[@]}" -n "$start" "$w" >"$d/B.tree"
	# new sockets are left out: nobody listens at them any more
	grep -avE '^[^ ]+ s [0-7]{4} ' "$d/A.tree" >"$d/A.want"
	grep -avE '^[^ ]+ s [0-7]{4} ' "$d/B.tree" >"$d/B.got"
	same "$name: the tree after commit is not the native one" "$d/A.want" "$d/B.got"
	if [ -n "$after" ]; then
		run_native "$w" "$after" "$d/B.check"
		same "$name: the check after commit differs (stdout)" "$d/A.check.out" "$d/B.check.out"
		same "$name: the check after commit differs (stderr)" "$d/A.check.err" "$d/B.check.err"
		same "$name: the check after commit differs (status)" "$d/A.check.status" "$d/B.check.status"
	fi
	if [ "$FAILURES" = "$failures" ]; then
		say "ok: $name"
		[ -n "${KEEP:-}" ] || remove "$d"
	fi
}

commit_all() { # NAME DIR BOX
	local status

	box commit -a -b "$3" >"$2/commit.log" 2>&1 </dev/null
	status=$?
	CHECKS=$((CHECKS + 1))
	if [ $status -ne 0 ]; then
		fail "$1: commit -a ended with status $status"
		show "$2/commit.log"
	fi
	box status -b "$3" >"$2/status.log" 2>"$2/status.err" </dev/null
	CHECKS=$((CHECKS + 1))
	if [ -s "$2/status.log" ]; then
		fail "$1: something is left in the box after commit -a"
		show "$2/status.log" 10
	fi
	box discard -f -b "$3" >"$2/discard.log" 2>&1 </dev/null || fail "$1: discard: $(cat "$2/discard.log")"
}

# ---- set-up ----

case $COWBOX_BIN in
/*) ;;
*) COWBOX_BIN=$PWD/$COWBOX_BIN ;;
esac
[ -f "$COWBOX_BIN" ] && [ -x "$COWBOX_BIN" ] || { say "FAIL: no cowbox to test: set COWBOX_BIN"; FINISHED=1; exit 1; }
T=$(mktemp -d "${COWBOX_TEST_DIR:-${TMPDIR:-/tmp}}/cowbox-e2e.XXXXXX") || exit 1
T=$(cd "$T" && pwd -P)
trap on_exit EXIT
trap 'exit 1' INT TERM HUP
unset COWBOX_BOX CDPATH
# what the caller left open would number descriptors differently natively and in a box
for fd in /proc/$$/fd/*; do
	fd=${fd##*/}
	[ "$fd" -lt 3 ] || [ "$fd" = 255 ] || eval "exec $fd>&-"
done
unset fd
export COWBOX_HOME=$T/store LC_ALL=C.UTF-8
mkdir "$T/bin"
if [ -z "${SEAL_BIN:-}" ]; then
	SEAL_BIN=$T/bin/seal
	cc -D_GNU_SOURCE -std=gnu17 -O2 -o "$SEAL_BIN" "$E2E/seal.c" || { say "FAIL: seal.c does not compile"; exit 1; }
fi
export E2E SEAL_BIN COWBOX_BIN T
