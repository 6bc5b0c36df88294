#!/bin/bash
# py_testsuite.sh [MODULE...]: Debian's libpython3.11-testsuite natively and in a box: the same tests pass, or docs/PYTHON-TESTSUITE.md says why not.
. "$(dirname "$0")/lib.sh"
PYTHON=/usr/bin/python3.11
[ -x $PYTHON ] || skip "needs $PYTHON (apt-get install python3.11)"
[ -e /usr/lib/python3.11/test/test_os.py ] || skip "needs Python's own tests (apt-get install libpython3.11-testsuite)"
DOC=$E2E/../../docs/PYTHON-TESTSUITE.md
[ $# -gt 0 ] || set -- test_os test_posix test_shutil test_tempfile test_pathlib test_glob test_zipfile test_tarfile test_subprocess test_mmap test_fcntl test_socket

# suite DIR OUT MATCH... : the command, to be run in a clean environment
suite() {
	local module=$1 out=$2
	shift 2
	SUITE=("$PYTHON" -m test -v --tempdir "$T/w/tmp" --junit-xml "$out" "$@" "$module")
}
only_unix() { [ "$1" = test_socket ] && echo -m '*Unix*' -m '*UNIX*' -m '*unix*' -m '*SCMRights*' -m '*SendRecvFd*' -m '*SocketPair*' -m '*Abstract*'; }
native() { (cd "$T/w" && clean_env "$T/w" PYTHONDONTWRITEBYTECODE=1 timeout -k 10 "$LIMIT" "${SUITE[@]}") >"$1" 2>&1 </dev/null; }
boxed() { (cd "$T/w" && clean_env "$T/w" PYTHONDONTWRITEBYTECODE=1 timeout -k 10 "$LIMIT" "$COWBOX_BIN" run -b py -- "${SUITE[@]}") >"$1" 2>&1 </dev/null; }
# The results are in the box's layer: read them through the box.
fetch() { clean_env "$T/w" "$COWBOX_BIN" run -b py -- cat "$1" >"$2" 2>/dev/null </dev/null; }

LIMIT=400
for module in "$@"; do
	rm -rf "$T/w"
	mkdir -p "$T/w/home" "$T/w/tmp"
	set -f
	match=$(only_unix "$module")
	suite "$module" "$T/w/out.xml" $match
	native "$T/$module.native.log"
	mv "$T/w/out.xml" "$T/$module.native.xml" 2>/dev/null || { fail "$module: no results natively"; show "$T/$module.native.log"; continue; }
	rm -rf "$T/w"
	mkdir -p "$T/w/home" "$T/w/tmp"
	seal -c "$T/w" >"$T/before"
	seal -c -x '*' -e '*__pycache__' /usr/lib/python3.11/test >>"$T/before"
	boxed "$T/$module.box.log"
	seal -c "$T/w" >"$T/after"
	seal -c -x '*' -e '*__pycache__' /usr/lib/python3.11/test >>"$T/after"
	same "$module: the host was changed by the box" "$T/before" "$T/after"
	fetch "$T/w/out.xml" "$T/$module.box.xml"
	if [ ! -s "$T/$module.box.xml" ]; then
		fail "$module: no results from the box"
		tail -n 30 "$T/$module.box.log" | sed 's/^/    | /'
		box discard -f -b py >/dev/null 2>&1
		continue
	fi
	# a test that differs gets a second chance in both: some depend on the moment
	"$PYTHON" "$E2E/py_compare.py" differing "$T/$module.native.xml" "$T/$module.box.xml" >"$T/differing"
	if [ -s "$T/differing" ] && [ "$(wc -l <"$T/differing")" -lt 40 ]; then
		again=
		while read -r test; do again="$again -m $test"; done <"$T/differing"
		suite "$module" "$T/w/again.xml" $again
		native "$T/$module.native-again.log"
		[ -s "$T/w/again.xml" ] && "$PYTHON" "$E2E/py_compare.py" merge "$T/$module.native.xml" "$T/w/again.xml"
		rm -f "$T/w/again.xml"
		boxed "$T/$module.box-again.log"
		fetch "$T/w/again.xml" "$T/again.xml"
		[ -s "$T/again.xml" ] && "$PYTHON" "$E2E/py_compare.py" merge "$T/$module.box.xml" "$T/again.xml"
	fi
	set +f
	check "$module: the same tests pass" "$PYTHON" "$E2E/py_compare.py" compare "$T/$module.native.xml" "$T/$module.box.xml" "$DOC"
	box discard -f -b py >"$T/discard.log" 2>&1 || fail "$module: discard: $(cat "$T/discard.log")"
done
finish
