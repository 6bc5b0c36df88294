#!/bin/bash
# A commit that is killed while it writes into a file of several names: what the file had is kept, and named until somebody has looked.
. "$(dirname "$0")/lib.sh"
mkdir "$T/w"
cd "$T/w" || exit 1
dd if=/dev/zero bs=1M count=150 2>/dev/null | tr '\0' o >f
ln f g
sum=$(sha256sum <f)
box run -b killed -- sh -c 'dd if=/dev/zero bs=1M count=150 2>/dev/null | tr "\0" n >g' </dev/null >"$T/run" 2>&1
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
kept=$(ls -A "$COWBOX_HOME/boxes/killed/history/" | grep '\.kept$')
if [ -z "$kept" ]; then
	[ "$(sha256sum <f)" = "$(dd if=/dev/zero bs=1M count=150 2>/dev/null | tr '\0' n | sha256sum)" ] || [ "$(sha256sum <f)" = "$sum" ] ||
		fail "the file is neither old nor new, and nothing is kept"
	skip "the commit was too quick to be killed while it wrote"
fi
kept=$COWBOX_HOME/boxes/killed/history/$kept
check "what it had is kept whole" test "$(sha256sum <"$kept")" = "$sum"
box commit -a -b killed >"$T/again" 2>&1 </dev/null
check "the next commit names the file and what it had" grep -qF "warning: a commit did not finish writing $T/w/g; what that had before is $kept" "$T/again"
box discard -f -b killed >"$T/discard" 2>&1 </dev/null
CHECKS=$((CHECKS + 1))
[ -e "$kept" ] || fail "discard took it along"
cat "$kept" >f
rm "$kept" "${kept%.kept}.path"
check "then discard is done" box discard -f -b killed
check "the file is as it was, under both names" test "$(sha256sum <g)" = "$sum"
finish
