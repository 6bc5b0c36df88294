#!/bin/bash
# Bad input and bad circumstances: one clear line naming the thing, a documented exit status, and nothing is lost.
. "$(dirname "$0")/lib.sh"
need python3 python3
need cc gcc
. "$E2E/cli.sh"
cc -o "$T/bin/deny" "$E2E/deny.c" || { fail "deny.c does not compile"; finish; }
VERBS="status diff commit discard"

# ---- the command line ----
cb; status "no verb" 2; err "no verb" '[Uu]sage|cowbox --help'
cb comit; status "unknown verb" 2; err "unknown verb" 'comit'; err "the nearest is suggested" 'commit'
cb statsu -b x; status "unknown verb" 2; err "the nearest is suggested" 'status'
cb --nonsense; status "unknown option" 2; err "unknown option" 'nonsense'
cb run --nonsense -- true; status "unknown option of run" 2; err "unknown option of run" 'nonsense'
cb run --nam x -- true; status "unknown option of run" 2
for v in $VERBS list doctor; do cb $v --nonsense; status "$v: unknown option" 2; err "$v: unknown option" 'nonsense'; done
cb status --jsom; status "misspelt option" 2; err "the nearest is suggested" '--json'
cb run -b; status "-b without a name" 2; err "-b without a name" '-b'
for v in 'run' status 'diff' 'commit -a' 'discard -f'; do cb $v -b one --box=two; status "$v: two boxes" 2; is "$v: two boxes" "cowbox: ${v%% *}: -b one and -b two: give one box" "$(cat "$ERR")"; done
cb status -b one -b one; status "the same box twice" 3
cb -b q status; status "an option before the command" 2; is "it is put behind" "cowbox: unknown option -b: options come after the command: cowbox status -b q" "$(cat "$ERR")"
cb --json list; is "one without a value" "cowbox: unknown option --json: options come after the command: cowbox list --json" "$(cat "$ERR")"
cb commit --on-conflict=perhaps -a; status "bad value" 2; err "bad value" 'perhaps'
cb run --inherit-fd x -- true; status "bad number" 2
cb run --inherit-fd 99 -- true; status "a descriptor that is not open" 2; err "a descriptor that is not open" '99'
cb commit; status "commit of nothing named, no box" 3; one_line "commit of nothing named, no box" "no boxes"
cb status -b=big; status "-b=NAME" 2; one_line "-b=NAME" '-b big$'
cb run -- 'echo hi > hint-x'; status "a command line as one word" 127; err "sh -c is told" "cowbox run -- sh -c '"; check "the host has nothing of it" test ! -e hint-x
mkdir shut; chmod 000 shut
PATH=$PATH:$PWD/shut cb run -- no-such-command; status "a directory of PATH that may not be searched" 127; err "it is not found" 'no-such-command: command not found'
rmdir shut
cb run -- 'no-such-command'; no_err "not for a plain word" 'sh -c'

# ---- boxes ----
for v in status diff 'commit -a' 'discard -f'; do cb $v -b nowhere; status "$v with no store" 3; one_line "$v with no store" 'nowhere|no boxes'; done
(FAILURES=0; export COWBOX_BOX=nowhere; cb status; status "COWBOX_BOX of no box" 3; one_line "COWBOX_BOX of no box" 'nowhere|no boxes'; exit $FAILURES) || FAILURES=$((FAILURES + 1))
cb status; status "no box at all" 3; err "no box at all" 'box'
for name in a/b .. . .x -x '' "$(printf 'n%.0s' $(seq 65))" 'a b' "$(printf 'a\nb')" 'ä'; do
	cb run -b "$name" -- true; status "box name '$name'" 2; [ "$(wc -l <"$ERR")" = 1 ] || { fail "box name '$name': not one line"; describe; }
done
check "no box was made" test -z "$(ls "$COWBOX_HOME/boxes" 2>/dev/null)"
check "nor anything elsewhere" test -z "$(ls -A "$T/w")"

# busy
cb run -b there -- true
for v in status diff 'commit -a' 'discard -f'; do cb $v -b nowhere; status "$v of no box" 3; one_line "$v of no box" 'nowhere'; done
(FAILURES=0; export COWBOX_BOX=nowhere; cb status; status "COWBOX_BOX of no box" 3; one_line "COWBOX_BOX of no box" 'nowhere'; exit $FAILURES) || FAILURES=$((FAILURES + 1))
cb discard -f -b there
"$COWBOX_BIN" run -b busy -- sh -c 'echo kept >kept; sleep 4' >/dev/null 2>&1 </dev/null &
runner=$!
for i in $(seq 50); do "$COWBOX_BIN" status -b busy 2>/dev/null | grep -q kept && break; sleep 0.1; done
cb discard -f -b busy; status "discard of a busy box" 3; one_line "discard of a busy box" 'busy'
wait $runner; is "the run goes on" 0 $?
cb status -b busy; out "nothing is lost" 'kept'
cb discard -f -b busy; status "discard afterwards" 0

# a commit holds it: a run waits, and says so
cb run -b held -- sh -c 'echo kept >kept'
(flock -x 9; sleep 2) 9>"$COWBOX_HOME/boxes/held/running" &
holder=$!
sleep 0.2
cb run -b held -- cat kept; status "a run while a commit works" 0; out "a run while a commit works" '^kept$'; err "it says that it waits" 'box held is in use by another cowbox.*waiting'
wait $holder; cb discard -f -b held

# ---- damage ----
# damaged NAME: a box with one change
damaged() {
	rm -rf "$T/w/new" && echo host >"$T/w/text"
	cb run -b "$1" -- sh -c 'echo new >new; echo changed >text; mkdir d; echo x >d/x'
	B=$COWBOX_HOME/boxes/$1
}
# all_refuse NAME PATTERN: every verb says one line and loses nothing
all_refuse() {
	local v
	(cd "$B" && find . | sort) >"$T/box-before"
	for v in $VERBS; do
		case $v in
		discard) cb discard -b "$1" -f new ;;
		commit) cb commit -b "$1" -a ;;
		*) cb $v -b "$1" ;;
		esac
		status "$1: $v" 3; one_line "$1: $v" "$2"
	done
	cb run -b "$1" -- true; status "$1: run" 125; one_line "$1: run" "$2"
	cb list; status "$1: list" 0; out "$1: list still names it" "$1"
	(cd "$B" && find . | sort) >"$T/box-after"
	same "$1: the box is as it was" "$T/box-before" "$T/box-after"
	is "$1: the host is as it was" host "$(cat "$T/w/text")"
	rm -rf "$B"
}
damaged version; sed -i 's/"version": *[0-9]*/"version": 99/' "$B/box.json"; grep -q 99 "$B/box.json" || fail "box.json has no version: $(cat "$B/box.json")"; all_refuse version '99'
damaged garbage; head -c 200 /dev/urandom >"$B/box.json"; all_refuse garbage 'box\.json|garbage'
damaged cut; truncate -s 10 "$B/box.json"; all_refuse cut 'box\.json|cut'
damaged empty; : >"$B/box.json"; all_refuse empty 'box\.json|empty'
damaged nojson; rm "$B/box.json"; all_refuse nojson 'nojson'
damaged nolayer; mv "$B/layers" "$B/elsewhere"; all_refuse nolayer 'layer|nolayer'

# torn origins: what is whole counts, the rest is cut off
damaged torn; o=$(ls "$B"/layers/*/origins); size=$(stat -c %s "$o"); truncate -s $((size - 5)) "$o"
cb status -b torn; status "torn origins: status" 0; out "torn origins: status" 'new'
cb run -b torn -- sh -c 'echo more >more; cat new'; status "torn origins: run" 0; out "torn origins: run" '^new$'
cb status -b torn; out "torn origins: still all" 'more'; cb discard -f -b torn; status "torn origins: discard" 0
damaged torn2; o=$(ls "$B"/layers/*/origins); head -c 1000 /dev/urandom >>"$o"
cb status -b torn2; status "garbage after the origins" 0; out "garbage after the origins" 'text'; cb run -b torn2 -- sh -c 'echo more >more'; status "garbage after the origins: run" 0; cb discard -f -b torn2
damaged torn3; o=$(ls "$B"/layers/*/origins); head -c 1000 /dev/urandom >"$o"
for v in status diff 'commit -a'; do cb $v -b torn3; status "origins of garbage: $v" 3; one_line "origins of garbage: $v" 'origins .*tree.*discard -f -b torn3'; done
cb run -b torn3 -- cat new; status "origins of garbage: run" 125; one_line "origins of garbage: run" 'origins'
cb discard -f -b torn3; status "origins of garbage: discard" 0; rm -rf "$T/w"/*
# lost records: what could have changed on the host is not written over, and why is said
damaged noorigins; rm "$B"/layers/*/origins; echo changed meanwhile >"$T/w/text"
cb status -b noorigins; status "no origins" 0; out "no origins: why" '^M! .*/text .*no record of what the host had'
cb run -b noorigins -- cat new; status "no origins: run" 0; out "no origins: run" '^new$'
cb commit -a -b noorigins; status "no origins: commit" 1; err "no origins: commit says why" 'left: .*/text: .*no record of what the host had'
is "no origins: the host's is kept" 'changed meanwhile' "$(cat "$T/w/text")"; is "no origins: what is new is committed" new "$(cat "$T/w/new")"
cb discard -f -b noorigins; rm -rf "$T/w"/*

# stray files
damaged stray; echo x >"$B/stray"; mkdir "$B/layers/77" "$B/layers/x"; echo x >"$B/layers/0x"; echo x >"$COWBOX_HOME/boxes/file"; mkdir "$COWBOX_HOME/boxes/.tmp" "$COWBOX_HOME/boxes/not a box"
cb status -b stray; status "stray files: status" 0; out "stray files: status" 'new'
cb list; status "stray files: list" 0; out "stray files: list" 'stray'
cb run -b stray -- cat new; status "stray files: run" 0
cb discard -b stray -f; status "stray files: discard" 0
rm -rf "$COWBOX_HOME/boxes/file" "$COWBOX_HOME/boxes/.tmp" "$COWBOX_HOME/boxes/not a box"

# things in the layer that no run puts there: links out of it, other types, unreadable directories
damaged hand; tree=$(echo "$B"/layers/*/tree)"$T/w"; ln -s /etc "$tree/outside"; mkfifo "$tree/fifo"; rm "$tree/text"; mkdir "$tree/text"; echo y >"$tree/text/y"; mkdir -m 000 "$tree/shut"
cb status -b hand; status "a layer changed by hand: status" 0; out "a layer changed by hand: status" "^A .*/outside"; out "a layer changed by hand: status" "^T. .*/text"
cb diff -b hand; status "a layer changed by hand: diff" 0; out "a layer changed by hand: diff" "^new file mode 120000"; no_out "the link is not followed" "root:"
cb run -b hand -- sh -c 'ls; cat new; ls outside/ >/dev/null'; status "a layer changed by hand: run" 0
cb discard -f -b hand; status "a layer changed by hand: discard" 0; check "it is gone" test ! -e "$B"
check "nothing outside went with it" test -e /etc/passwd

# ---- the store's place ----
echo x >"$T/file"
(FAILURES=0; COWBOX_HOME=$T/file; cb run -- true; status "the store is a file" 125; one_line "the store is a file" "$T/file"; exit $FAILURES) || FAILURES=$((FAILURES + 1))
(FAILURES=0; COWBOX_HOME=/proc/nowhere; cb run -- true; status "the store cannot be made" 125; one_line "the store cannot be made" '/proc'; exit $FAILURES) || FAILURES=$((FAILURES + 1))
if [ "$(id -u)" != 0 ]; then
	mkdir -m 500 "$T/shut"
	(COWBOX_HOME=$T/shut/store; cb run -- true; status "no right to make the store" 125; one_line "no right to make the store" 'shut'; exit $FAILURES) || FAILURES=$((FAILURES + 1))
fi
# doctor tells the same, with the way out
# no_place NAME DIR PATTERN
no_place() {
	(FAILURES=0; export COWBOX_HOME=$2
	cb doctor; status "doctor: $1" 1; out "doctor: $1" "^missing +store +.*$3"; out "doctor: $1: the way out" 'required: no box can be made: set COWBOX_HOME=/dir'; is "doctor: $1: the verdict" "cowbox cannot run here without store" "$(tail -n 1 "$OUT")"
	cb doctor --json; status "doctor --json: $1" 1; json "doctor --json: $1"; out "doctor --json: $1" '"name":"store","state":"missing","required":true'; exit $FAILURES) || FAILURES=$((FAILURES + 1))
}
no_place "the store is a file" "$T/file" 'file'
no_place "the store is below a file" "$T/file/store" 'file'
no_place "the store cannot be made" /proc/nowhere 'nothing can be made in /proc'
if [ "$(id -u)" != 0 ]; then
	no_place "no right to make the store" "$T/shut/a/b" "nothing can be made in $T/shut: Permission denied"
	no_place "no right to write to the store" "$T/shut" "nothing can be made in $T/shut: Permission denied"
fi
(FAILURES=0; mkdir "$T/open"; COWBOX_HOME=$T/open/a/b; cb doctor; status "doctor: a store to be made" 0; out "doctor: a store to be made" '^ok +store +not there yet'; is "and nothing is left" "" "$(ls -A "$T/open")"; exit $FAILURES) || FAILURES=$((FAILURES + 1))
for v in 'run -- true' status list doctor 'discard -f'; do
	(FAILURES=0; COWBOX_HOME=relative/store; cb $v; status "$v: the store's path is relative" 2; one_line "$v: the store's path is relative" 'COWBOX_HOME=relative/store .*absolute'; exit $FAILURES) || FAILURES=$((FAILURES + 1))
done
check "and nothing is made" test ! -e relative
(FAILURES=0; COWBOX_HOME=relative; cb status --help; status "help is given all the same" 0; exit $FAILURES) || FAILURES=$((FAILURES + 1))
# in a mount namespace: a file system without xattrs, and a full one
private="unshare -m"
[ "$(id -u)" = 0 ] || private="unshare -Urm"
if $private true 2>"$T/unshare.err"; then
	mkdir "$T/m"
	$private bash -c 'mount -t ramfs none "$1/m" && COWBOX_HOME=$1/m/store timeout 30 "$2" run -- true' x "$T" "$COWBOX_BIN" >"$T/log/ram.out" 2>"$T/log/ram.err"
	STATUS=$? OUT=$T/log/ram.out ERR=$T/log/ram.err LAST="a store without xattrs"
	status "a store without xattrs" 125; one_line "a store without xattrs" 'xattr|attribute'
	$private bash -c 'mount -t ramfs none "$1/m" && COWBOX_HOME=$1/m/store timeout 30 "$2" doctor' x "$T" "$COWBOX_BIN" >"$T/log/ram.out" 2>"$T/log/ram.err"
	STATUS=$? OUT=$T/log/ram.out
	status "doctor: a store without xattrs" 1; out "doctor: a store without xattrs" '^missing +store +.*attributes'
	$private bash -c 'mount -t tmpfs none "$1/m" && export COWBOX_HOME=$1/m/store && cd "$1/w" && timeout 30 "$2" run -b x -- touch x && mount -o remount,bind,ro "$1/m" && timeout 30 "$2" doctor' x "$T" "$COWBOX_BIN" >"$T/log/ram.out" 2>"$T/log/ram.err"
	STATUS=$? OUT=$T/log/ram.out ERR=$T/log/ram.err
	status "doctor: a read-only store" 1; out "doctor: a read-only store" '^missing +store +.*Read-only'
	echo host >"$T/w/text"
	$private bash -c 'mount -t tmpfs -o size=256k none "$1/m" && export COWBOX_HOME=$1/m/store && cd "$1/w" &&
		timeout 30 "$2" run -b full -- sh -c "echo small >small; dd if=/dev/zero of=big bs=64k count=20; echo dd=\$?; echo again >again; echo \$?; cat small text"
		echo status=$?; timeout 30 "$2" status -b full; echo status=$?; timeout 30 "$2" discard -f -b full; echo status=$?; timeout 30 "$2" list; echo status=$?' \
		x "$T" "$COWBOX_BIN" >"$T/log/full.out" 2>"$T/log/full.err"
	OUT=$T/log/full.out ERR=$T/log/full.err LAST="a full store"
	err "a full store: the guest gets ENOSPC" 'No space left'; out "a full store: it goes on" '^dd=1$'; out "a full store: it reads" '^small$'; out "a full store: it reads" '^host$'
	is "a full store: every command ends well" 4 "$(grep -c '^status=0' "$OUT")" || describe
	is "a full store: the host is as it was" "text" "$(ls "$T/w" | tr '\n' ' ' | sed 's/ $//')"
	# a full host: commit fails, says so and changes nothing it cannot finish
	$private bash -c 'mount -t tmpfs -o size=512k none "$1/m" && mkdir "$1/m/d" && cd "$1/m/d" && echo old >keep && timeout 30 "$2" run -b fullhost -- sh -c "echo new >keep; head -c 1000000 /dev/zero >large"
		echo status=$?; timeout 30 "$2" commit -b fullhost -a; echo commit=$?; cat keep; echo listing; ls -a; echo end; timeout 30 "$2" status -b fullhost' x "$T" "$COWBOX_BIN" >"$T/log/fullhost.out" 2>"$T/log/fullhost.err"
	OUT=$T/log/fullhost.out ERR=$T/log/fullhost.err LAST="commit to a full host"
	out "commit to a full host: its status" '^commit=[13]$'; err "it says so" 'large.*(No space|space)|(No space|space).*large'; out "it is still in the box" '^A .*large'; no_out "no half file" '^large$'
	is "no temporary stays" "" "$(sed -n '/^listing$/,/^end$/p' "$OUT" | grep -av -e '^listing$' -e '^end$' -e '^keep$' -e '^\.*$' | tr '\n' ' ')"
	rm -rf "$COWBOX_HOME/boxes/fullhost"
else
	skip_part "the file systems without xattrs and full: no mount namespace here ($(head -1 "$T/unshare.err"))"
fi

# ---- the kernel ----
# deny_case NAME ERRNO NUMBERS STATUS PATTERN COMMAND...
deny_case() {
	local name=$1 errno=$2 numbers=$3 want=$4 pattern=$5
	shift 5
	CASE=$((CASE + 1)); OUT=$T/log/$CASE.out; ERR=$T/log/$CASE.err; LAST="deny $numbers: cowbox $*"
	timeout 30 "$T/bin/deny" "$errno" "$numbers" "$COWBOX_BIN" "$@" >"$OUT" 2>"$ERR" </dev/null
	STATUS=$?
	status "$name" "$want" && one_line "$name" "$pattern"
}
deny_case "a kernel without Landlock" 38 444,445,446 125 'Landlock' run -b k -- sh -c 'echo x >kernel'
timeout 30 "$T/bin/deny" 38 444,445,446 "$COWBOX_BIN" doctor >"$OUT" 2>"$ERR"; STATUS=$?; status "doctor without Landlock" 1; is "doctor's verdict" 1 "$(tail -n 1 "$OUT" | grep -c '^cowbox cannot run here without .*Landlock')"; out "doctor names Landlock" 'Landlock'
deny_case "no seccomp" 1 317 125 'seccomp' run -b k -- true
deny_case "no permission to trace" 1 101 125 'trace' run -b k -- sh -c 'mkdir td && cd td && echo x >x'
deny_case "no openat2" 38 437 125 'openat2|kernel' run -b k -- true
deny_case "no process_vm_readv" 1 310 125 'memory|process_vm' run -b k -- cat text
check "nothing reached the host" test ! -e "$T/w/kernel" -a ! -e "$T/w/td"

# ---- cowbox inside cowbox; the supervisor's end; the terminal's end ----
cb run -b outer -- "$COWBOX_BIN" run -b inner -- true; status "cowbox inside cowbox" 125; err "cowbox inside cowbox" '^cowbox: .*(inside|box|nest)'
is "one line and the end of the run" 1 "$(grep -ac 'inside\|nest\|within\|already' "$ERR")"
for v in $VERBS list; do cb run -b outer -- "$COWBOX_BIN" $v; [ "$STATUS" = 0 ] && { fail "cowbox $v inside a box goes through"; describe; }; done
rm -rf "$T/w"/*; echo host >"$T/w/text"
"$COWBOX_BIN" run -b killed -- sh -c 'echo before >before; sleep 1.5; echo after >after; echo changed >text; mkdir d; chmod 700 text; rm text' >"$T/log/k.out" 2>"$T/log/k.err" </dev/null &
runner=$!
seal -c "$T/w" >"$T/before"
for i in $(seq 50); do "$COWBOX_BIN" status -b killed 2>/dev/null | grep -q before && break; sleep 0.1; done
kill -KILL $runner; wait $runner 2>/dev/null
sleep 2.5
seal -c "$T/w" >"$T/after"
same "the supervisor is killed: the host is untouched" "$T/before" "$T/after"
cb status -b killed; status "the box is still good" 0; out "the box is still good" 'before'
cb run -b killed -- cat before; out "and runs" '^before$'
cb discard -f -b killed; status "and goes" 0
check "the terminal goes away" limited python3 "$E2E/pty_session.py" hangup "$T/w" "$COWBOX_BIN" hangup
cb run -b hangup -- cat kept; out "nothing is lost with the terminal" '^kept$'

# ---- commit into a host that has changed shape ----
mkdir -p "$T/w/a/b"; echo x >"$T/w/a/b/x"
cb run -b shape -- sh -c 'echo y >a/b/y; echo changed >a/b/x; mkdir a/c; echo z >a/c/z'
mv "$T/w/a" "$T/w/moved"; ln -s moved "$T/w/a"
cb commit -b shape -a; status "a parent became a link" 1; err "it names the path" 'a/b|/a'; check "no link was followed" test ! -e "$T/w/moved/b/y" -a "$(cat "$T/w/moved/b/x")" = x
rm "$T/w/a"; echo file >"$T/w/a"
cb commit -b shape -a; status "a parent became a file" 1; is "the file stays" file "$(cat "$T/w/a")"
rm "$T/w/a"
cb commit -b shape -a; status "a parent is gone" 1; err "it says so" 'left: .*/a'
cb status -b shape; status "status after that" 0
# ---- a history that somebody has been at: nothing is done until it is seen to ----
mkdir -p "$COWBOX_HOME/history"; echo 77 >"$COWBOX_HOME/history/open"
cb list; status "its entry is gone" 3; one_line "its entry is gone" 'history/77 cannot be read.* rename .*/history to go on'
cb run -- true; status "a run" 125; err "a run" 'history/77 cannot be read'
echo torn >"$COWBOX_HOME/history/open"; cb list; status "it tells nothing" 3; one_line "it tells nothing" 'history/open cannot be read'
mv "$COWBOX_HOME/history" "$T/history"; cb list; status "it is away" 0

finish
