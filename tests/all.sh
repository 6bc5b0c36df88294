#!/bin/bash
# all.sh - every test, with all the set-up it needs on Debian 12.
#
#   tests/all.sh          started as root: an ordinary user is made for the run and removed at the end. Four passes:
#                           1. as that user, release build        all tests
#                           2. ASan and UBSan build               unit, guest and fuzz tests
#                           3. TSan build                         the supervisor under stress and races
#                           4. as root, release build             all tests; its summary is the last thing printed
#   As an ordinary user: passes 2, 3 and 1, as you; missing packages are installed through sudo, which may ask for your password.
#   What a pass left out, and why, stands before its summary.
#
#   COWBOX_TEST_JOBS=N    tests at once (the number of CPUs)
#   COWBOX_TEST_ARGS=...  more arguments for ctest, as "-R e2e"
#
# Exit status: 0 when every pass passed. The build trees and the data of failed tests are kept, below a directory that is named.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/packages.sh
source_dir=$PWD
jobs=${COWBOX_TEST_JOBS:-$(nproc)}
is_root=$([ "$(id -u)" -eq 0 ] && echo yes || echo no)
test_user=
failed=()

# /var/tmp, since the ordinary user must reach it and a tmpfs is not like a disk.
work=$(mktemp -d /var/tmp/cowbox-tests.XXXXXX) || exit 1
chmod 755 "$work"
echo "build trees: $work (kept when something fails)"

say() { printf '\n== %s\n' "$*"; }

# Ends what the test user still runs: the user was made for this run, so all of it is ours.
end_processes_of() {
	local uid pid
	uid=$(id -u "$1") || return 0
	for pid in /proc/[0-9]*; do
		[ "$(stat -c %u "$pid" 2>/dev/null)" = "$uid" ] && kill -KILL "${pid#/proc/}" 2>/dev/null
	done
	return 0
}

clean_up() {
	local status=$?
	trap - EXIT INT TERM
	if [ -n "$test_user" ]; then
		end_processes_of "$test_user"
		userdel -f "$test_user" >/dev/null 2>&1
	fi
	[ "$status" -eq 0 ] && rm -rf "$work"
	exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

make_user() {
	test_user=cowboxtest$$
	if ! useradd --create-home --home-dir "$work/home" --shell /bin/bash --user-group "$test_user"; then
		test_user=
		return 1
	fi
}

# build DIR SOURCE OPTION...
build() {
	local dir=$1 source=$2
	shift 2
	cmake -S "$source" -B "$dir" -DCOWBOX_WERROR=ON "$@" >"$dir.log" 2>&1 && cmake --build "$dir" -j "$jobs" >>"$dir.log" 2>&1 && return 0
	tail -n 60 "$dir.log"
	return 1
}

# run_tests DIR ARGUMENT...
run_tests() {
	local dir=$1
	shift
	export COWBOX_SKIP_LOG=$dir/skipped
	rm -f "$COWBOX_SKIP_LOG"
	# shellcheck disable=SC2086
	ctest --test-dir "$dir" --output-on-failure --no-tests=error --timeout 900 -j "$jobs" "$@" ${COWBOX_TEST_ARGS:-} |
		awk -v skipped="$COWBOX_SKIP_LOG" '/% tests passed/ { while ((getline line <skipped) > 0) print "left out: " line; print "" } { print; fflush() }'
	return "${PIPESTATUS[0]}"
}

# As the ordinary user: a copy of the sources that is the user's own, and an environment like after a login.
user_pass() {
	local home=$work/home
	mkdir "$home/src" &&
		tar -C "$source_dir" --exclude=./.git --exclude='./build*' -cf - . | tar -C "$home/src" -xf - &&
		chown -R "$test_user:" "$home" || return 1
	runuser -u "$test_user" -- env -i HOME="$home" USER="$test_user" LOGNAME="$test_user" SHELL=/bin/bash TERM="${TERM:-dumb}" \
		LANG="${LANG:-C.UTF-8}" PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games TMPDIR="${TMPDIR:-/tmp}" \
		COWBOX_TEST_ARGS="${COWBOX_TEST_ARGS:-}" \
		bash -c 'cd "$HOME/src" && '"$(declare -f build run_tests)"'
			jobs='"$jobs"'
			build "$HOME/build" "$HOME/src" -DCMAKE_BUILD_TYPE=Release && run_tests "$HOME/build"'
}

own_pass() {
	build "$work/release" "$source_dir" -DCMAKE_BUILD_TYPE=Release && run_tests "$work/release"
}

# Fault injection and guests fork a lot; a leak or an overflow in any of them ends it with a status the test sees.
sanitizer_pass() {
	build "$work/sanitize" "$source_dir" -DCMAKE_BUILD_TYPE=Debug -DCOWBOX_SANITIZE=address,undefined &&
		UBSAN_OPTIONS=print_stacktrace=1 run_tests "$work/sanitize" -L 'unit|guest|fuzz'
}

# A report of a data race goes to a file, whatever becomes of the process that it is about.
thread_pass() {
	build "$work/thread" "$source_dir" -DCMAKE_BUILD_TYPE=Debug -DCOWBOX_SANITIZE=thread &&
		TSAN_OPTIONS="log_path=$work/thread/race" run_tests "$work/thread" -R '^(attack/(hostile|race_exec|race_iovec|race_paths)|e2e/prog_stress)$' || return 1
	! head -n 60 "$work"/thread/race.* 2>/dev/null
}

pass() {
	local name=$1
	shift
	say "$name"
	"$@" || failed+=("$name")
}

if [ "$is_root" = yes ]; then
	# shellcheck disable=SC2086,SC2046
	packages_install $BUILD_PACKAGES $TEST_PACKAGES $(node_packages) || exit 1
	if make_user; then
		pass "tests as the ordinary user $test_user" user_pass
	else
		say "no ordinary user could be made (useradd): that pass counts as failed"
		failed+=("tests as an ordinary user")
	fi
	last="tests as root"
else
	# shellcheck disable=SC2046,SC2086
	packages_install $BUILD_PACKAGES $TEST_PACKAGES $(node_packages) ||
		echo "not all packages could be installed: the tests that need them are left out, and say so"
	echo "started as an ordinary user: the tests as root are not run"
	last="tests as $(id -un)"
fi
pass "tests with ASan and UBSan" sanitizer_pass
pass "stress with ThreadSanitizer" thread_pass
for name in "${failed[@]}"; do
	say "FAILED before: $name"
done
[ "${#failed[@]}" -eq 0 ] && say "all passes before this one passed"
pass "$last" own_pass
[ "${#failed[@]}" -eq 0 ]
