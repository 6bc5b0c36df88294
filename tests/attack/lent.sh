#!/bin/bash
# The descriptors by which guests are led to where the kernel would not let them walk: who catches one in the moment it is there must not read by it what the
# view does not let them read.
. "$(dirname "$0")/../e2e/lib.sh"
[ "$(id -u)" -eq 0 ] || skip "an ordinary user's guests all have one user's rights"
need setpriv util-linux
chmod 755 "$T"
as_user() { setpriv --reuid=54321 --regid=54321 --clear-groups "$@"; }

# Three kinds: of the host, opened up in the box; of the host, moved out of a shut directory; the box's own
mkdir -p "$T/h/opened/search" "$T/h/shut/moved/search"
for d in opened shut/moved; do
	cp /bin/true "$T/h/$d/search/prog"
	touch "$T/h/$d/search/of-the-host" "$T/h/$d/search/removed"
	chmod 711 "$T/h/$d/search"
done
chmod 700 "$T/h/opened" "$T/h/shut"
cat >"$T/inside" <<'E2'
cd "$1" || exit
chmod 755 opened
mv shut/moved moved
mkdir -p own/search && cp /bin/true own/search/prog && chmod 711 own/search
for d in opened moved own; do touch $d/search/of-the-box; rm -f $d/search/removed; done
for d in opened moved own; do
	setpriv --reuid=54321 --regid=54321 --clear-groups sh -c 'cd "$1/search" && pwd && ./prog && ls . || echo refused' sh "$1/$d"
	setpriv --reuid=54321 --regid=54321 --clear-groups "$2" "$1/$d" "$3"
done
E2
# what is caught natively where it may be read: nothing of a lent kind, but the program itself must work
mkdir "$T/open" && cp -a "$T/h/opened/search" "$T/open/search" && chmod 755 "$T/open" "$T/open/search"
as_user "$ATTACK_BIN/lent_guest" "$T/open" 0.2 >"$T/native"
check "the attacker works" grep -q '^tried' "$T/native"
box run -b lent -- sh "$T/inside" "$T/h" "$ATTACK_BIN/lent_guest" "${RACE_SECONDS:-2}" >"$T/out" 2>"$T/err" </dev/null
check "its status is 0" test $? = 0
check "led to all three" test 3 = "$(grep -c '^refused$' "$T/out")"
check "and tried there" test 3 = "$(grep -c '^tried' "$T/out")"
check "no name was read" sh -c '! grep "^NAME" "$1"' sh "$T/out"
box discard -f -b lent >/dev/null 2>&1
finish
