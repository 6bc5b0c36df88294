#!/bin/bash
# A commit that is killed while it writes into a file of several names: the next command, whichever it is, puts back what the file had.
. "$(dirname "$0")/lib.sh"
mkdir "$T/w"
cd "$T/w" || exit 1
dd if=/dev/zero bs=1M count=150 2>/dev/null | tr '\0' o >f
ln f g
echo old >other
sum=$(sha256sum <f)
before=$(stat -c '%a %u %g %Y %h' f g other)
box run -b killed -- sh -c 'echo new >other; dd if=/dev/zero bs=1M count=150 2>/dev/null | tr "\0" n >g' </dev/null >"$T/run" 2>&1
# as soon as the first byte is another
"$COWBOX_BIN" commit -a -b killed >"$T/killed" 2>&1 </dev/null &
commit=$!
for _ in $(seq 4000); do
	[ "$(head -c 1 f)" = o ] || break
	kill -0 $commit 2>/dev/null || break
	sleep 0.005
done
kill -9 $commit 2>/dev/null
wait $commit 2>/dev/null
if ! [ -e "$COWBOX_HOME/history/open" ]; then
	check "all of it was committed" test "$(sha256sum <f)" = "$(dd if=/dev/zero bs=1M count=150 2>/dev/null | tr '\0' n | sha256sum)" -a "$(cat other)" = new
	skip "the commit was too quick to be killed while it wrote"
fi
box list >"$T/list" 2>&1 </dev/null
check "the next command says what it has seen to" grep -qF "commit 1 was interrupted: it was taken back, the host is as it was before" "$T/list"
check "both files are as they were" test "$(sha256sum <g)" = "$sum" -a "$(cat other)" = old -a "$(stat -c '%a %u %g %Y %h' f g other)" = "$before"
check "nothing is left of it" test -z "$(ls -A "$COWBOX_HOME/history" | grep -vx lock)$(ls -A | grep '^\.cowbox')"
check "the box has all of it still" box commit -a -b killed
check "and commits it" test "$(cat other)$(head -c 3 f)" = newnnn
finish
