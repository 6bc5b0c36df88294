#!/bin/bash
# What cowbox commit does about conflicts: asked on a terminal, with an editor and a merge tool; and as --on-conflict says.
. "$(dirname "$0")/lib.sh"
need python3 python3
. "$E2E/cli.sh"
export NO_COLOR=1 PAGER=cat

# The box changes the top of clean and the middle of hard; the host the end of clean and the middle of hard; both have bin; gone is removed by the box and
# changed by the host, lost the other way round.
fresh() {
	cd "$T" && rm -rf w && mkdir w && cd w || exit 1
	seq 9 >clean; seq 9 >hard; printf 'a\0b' >bin; echo gone >gone; echo lost >lost; echo z >z
	cb run -b i -- sh -c "seq 9 | sed s/1/box/ >clean; seq 9 | sed s/5/box/ >hard; printf 'a\\0box' >bin; rm gone; echo box >>lost; echo box >z; echo new >new"
	seq 9 | sed s/9/host/ >clean; seq 9 | sed s/5/host/ >hard; printf 'a\0host' >bin; echo host >>gone; rm lost
}
again() { cb discard -f -b i; fresh; }
left() { local OUT ERR LAST; cb status -b i; is "$1" "$2" "$(sed 's/^\(.\)[ !]/\1/; s/  (.*//' "$OUT" | sed "s,$T/w/,,g" | tr '\n' ';')"; }
content() { is "$1: $2" "$3" "$(tr '\n' ' ' <"$2" | tr -d '\0' | sed 's/ $//')"; }
merged='box 2 3 4 5 6 7 8 host'
marked='1 2 3 4 <<<<<<< box i box ======= host >>>>>>> host 6 7 8 9'
program() { printf '#!/bin/sh\n%s\n' "$2" >"$T/bin/$1"; chmod +x "$T/bin/$1"; }
# conflicts KEYS...: commit -a with the keys for bin, clean, gone, hard and lost
conflicts() {
	local -a talk=()
	local n=0
	for k; do n=$((n + 1)); talk+=("Conflict $n of 5: .*\\n" "" '\[s\]kip \[q\]uit \[\?\] $' "$k"); done
	tty --cols=80 "${talk[@]}" -- commit -a -b i
}

# ---- what is offered, what is told ----
fresh; conflicts s s s s s
status "all skipped" 1; left "are left" "M bin;M clean;D gone;M hard;A lost;"; check "the rest is committed" test -e new
for line in 'Conflict 1 of 5: .*/w/bin$' '  box:  changed \(5 B, [0-9]+ s old\)$' '  host: changed since \(6 B, [0-9]+ s old\)$' '  no merge: the box.s is binary$' '\[b\]ox \[h\]ost \[2\] both \[v\]iew \[s\]kip \[q\]uit \[\?\] s$' \
	'  the two merge cleanly$' '\[m\]erge \[b\]ox \[h\]ost \[e\]dit \[2\] both \[v\]iew' '  box:  deleted$' '\[b\]ox \[h\]ost \[v\]iew \[s\]kip' '  both changed the same lines in 1 place$' '\[b\]ox \[h\]ost \[e\]dit \[2\] both' '  host: removed since$' \
	'cowbox: left: .*/w/hard: the host.s was changed since$' "^cowbox: 5 conflicts: on a terminal cowbox commit -b i asks about them; or cowbox commit -b i --on-conflict="; do out "line" "$line"; done
no_out "no tool without one" 'ool\]'; is "lines fit" 0 "$(grep -v '^cowbox: ' "$OUT" | grep -v Conflict | awk 'length($0) > 80' | wc -l)"
again; tty 'Conflict 1' '?' '2  keep both' '' '\^C commit nothing' '' '\[s\]kip' m 'q  skip this' '' '\[s\]kip' q -- commit -a -b i; status "q" 1; left "leaves all others" "M bin;M clean;D gone;M hard;A lost;"; check "and commits the rest" test -e new
again; tty 'Conflict 1' b 'Conflict 2' '\x03' -- commit -a -b i; status "^C" 1; out "says so" '^cowbox: nothing was committed$'; check "commits nothing" test ! -e new; content "^C" bin ahost
tty 'Conflict 1' '\x04' -- commit -b i bin; status "^D, with nothing decided" 1; out "says so" '^cowbox: nothing was committed$'
# after the other questions
again
tty 'A  new' n 'M  z' n 'Conflict 1 of 5' s 'Conflict 2' m 'Conflict 3' s 'Conflict 4' s 'Conflict 5' s -- commit -b i; status "after the questions" 1; content "merged" clean "$merged"; check "what was answered n is left" test ! -e new

# ---- each way ----
again; conflicts b b b b b; status "the box's" 0; left "the box's" ""; content "the box's" bin abox; content "the box's" hard '1 2 3 4 box 6 7 8 9'; content "the box's" lost 'lost box'; check "gone" test ! -e gone
again; conflicts h h h h h; status "the host's" 0; left "the host's" ""; content "the host's" bin ahost; content "the host's" hard '1 2 3 4 host 6 7 8 9'; content "the host's" gone 'gone host'; check "lost" test ! -e lost; out "it is counted" '^cowbox: committed 2 changes of box i \(5 stay as the host has them; cowbox undo takes it back\)$'
again; conflicts 2 2 h 2 b; status "both" 0; left "both" ""; content "the host's" bin ahost; content "the box's" bin.i abox; content "the box's" hard.i '1 2 3 4 box 6 7 8 9'; out "it is told" '^cowbox: both: .*/w/bin: the box.s is .*/w/bin\.i$'
again; conflicts s m s s s; status "merged" 1; content "merged" clean "$merged"; out "it is counted" '^cowbox: committed 3 changes \(1 merged; cowbox undo takes it back\), 4 left'
again; tty 'Conflict 1' s 'Conflict 2' v 'What the host changed:' '' '\+host' '' 'What the box changed:' '' '-1\n\+box' '' '\[s\]kip' q -- commit -a -b i; status "v" 1

# ---- an editor ----
program editor 'tr "\n" " " <"$1" >"$T/saw"; case $1 in */hard) ;; *) exit 9 ;; esac; seq 9 | sed s/5/edited/ >"$1"; stat -c %a "$(dirname "$(dirname "$1")")" >"$T/mode"'
again; EDITOR=$T/bin/editor conflicts s s s e s; status "edited" 1; content "edited" hard '1 2 3 4 edited 6 7 8 9'; is "it had markers that name both" "$marked" "$(sed 's/ $//' "$T/saw")"; is "in a private place" 700 "$(cat "$T/mode")"
program editor 'n=$(cat "$0.n" 2>/dev/null || echo 0); echo $((n + 1)) >"$0.n"; case $n in 0) ;; 1) sed -i s/box/BOX/ "$1" ;; 2) exit 3 ;; *) grep -q BOX "$1" && echo done >"$1" ;; esac'
again; VISUAL="$T/bin/editor" EDITOR=false tty 'Conflict 1' s 'Conflict 2' s 'Conflict 3' s 'Conflict 4' e 'left as it was' '' '\[s\]kip' e 'lines with markers' '' '\[s\]kip' e 'exit status 3' '' '\[s\]kip' e 'Conflict 5' s -- commit -a -b i
status "edited in vain, and again" 1; content "what was begun is kept" hard "done"; is "nothing is left behind" "" "$(ls "$TMPDIR")"
program editor 'trap "exit 7" INT; [ "$(stty -a <&0 | tr " ;" "\n\n" | grep -cx -e icanon -e echo)" = 2 ] && kill -INT $$; exit 8'
again; EDITOR=$T/bin/editor tty 'Conflict 1' s 'Conflict 2' e 'exit status 7' '' '\[s\]kip' q -- commit -a -b i; status "an editor has its signals, and the terminal as it should be" 1
program editor 'sleep 20'
again; EDITOR=$T/bin/editor tty 'Conflict 1' s 'Conflict 2' e '' '\x03' 'exit status 130' '' '\[s\]kip' '\x03' -- commit -a -b i; status "^C in an editor is for the editor" 1; out "then for us" '^cowbox: nothing was committed$'; is "nothing is left behind" "" "$(ls "$TMPDIR")"
EDITOR=no-such-editor tty 'Conflict 1' s 'Conflict 2' e 'no-such-editor cannot be run' '' '\[s\]kip' q -- commit -a -b i

# ---- a merge tool ----
if command -v git >/dev/null; then
	program mytool '[ -f "$1" ] && [ -f "$2" ] && [ -f "$3" ] && sed -n 5p "$1" "$2" "$3" | tr "\n" " " >"$T/saw"; cat "$2" "$3" | sort -u >"$4"'
	git config --global merge.tool my; git config --global mergetool.my.cmd 'mytool "$BASE" "$LOCAL" "$REMOTE" "$MERGED"'
	again; PATH=$T/bin:$PATH tty 'Conflict 1' s 'Conflict 2 .*\n' '' '\[t\]ool' s 'Conflict 3' s 'Conflict 4' t 'Conflict 5' s -- commit -a -b i; status "a tool" 1; content "made" hard '1 2 3 4 6 7 8 9 box host'; is "it had all three" "5 " "$(cat "$T/saw")"; no_out "not for what is binary" '^\[b\]ox \[h\]ost.*ool.*\[\?\] s$' || :
	git config --global mergetool.my.cmd 'exit 4'; again; tty 'Conflict 1' s 'Conflict 2' t 'merge tool my failed .exit status 4.' '' '\[s\]kip' q -- commit -a -b i; status "one that fails" 1
	git config --global mergetool.my.cmd true; again; tty 'Conflict 1' s 'Conflict 2' t 'left as it was' '' '\[s\]kip' q -- commit -a -b i; status "one that does nothing" 1
	program meld 'case $1 in --output=*) cat "$2" >"${1#*=}" ;; esac'
	git config --global merge.tool meld; again; PATH=$T/bin:$PATH tty 'Conflict 1' s 'Conflict 2' t 'Conflict 3' q -- commit -a -b i; content "one that git knows" clean 'box 2 3 4 5 6 7 8 9'
	git config --global merge.tool unheard-of; again; tty 'Conflict 1' s 'Conflict 2' q -- commit -a -b i; no_out "one that nobody knows" 'ool\]'
	rm -f "$HOME/.gitconfig"
else
	skip_part "merge tools: there is no git"
fi

# ---- not of the content alone ----
again; cb discard -f -b i; seq 9 >mode; cb run -b i -- sh -c 'sed -i s/1/box/ mode; chmod 600 mode'; sed -i s/9/host/ mode; chmod 755 mode
tty 'Conflict 1' s -- commit -a -b i; no_out "no merge that would settle a mode" '\[m\]'; cb discard -f -b i; chmod 644 mode; seq 9 >mode
cb run -b i -- sed -i s/1/box/ mode; sed -i s/9/host/ mode; chmod 755 mode; cb commit -a -b i --on-conflict=merge; status "a mode that the host alone changed" 0; is "stays" 755 "$(stat -c %a mode)"; content "and the rest merges" mode "$merged"

# ---- without asking ----
again; cb commit -a -b i --on-conflict=skip; status "skip" 1; left "skip" "M bin;M clean;D gone;M hard;A lost;"
again; cb commit -a -b i; status "skip is what happens without a terminal" 1; left "skip" "M bin;M clean;D gone;M hard;A lost;"
again; cb commit -a -b i --on-conflict=box; status "box" 0; content "box" hard '1 2 3 4 box 6 7 8 9'; check "box" test ! -e gone -a -e lost
again; cb commit -a -b i --on-conflict=host; status "host" 0; content "host" hard '1 2 3 4 host 6 7 8 9'; left "host" ""
again; cb commit -a -b i --on-conflict=both; status "both" 1; content "both" hard.i '1 2 3 4 box 6 7 8 9'; left "both" "D gone;A lost;"; err "what cannot be" 'left: .*/w/gone: both can be kept of a file that has changed on both sides only'
again; cb commit -a -b i -n --on-conflict=merge; status "-n" 1; out "-n tells" 'apply +M  .*/clean: the merged text'; out "and why not" 'conflict M  .*/hard: both changed the same lines in 1 place'; content "and does nothing" clean '1 2 3 4 5 6 7 8 host'
cb commit -a -b i --on-conflict=merge; status "merge" 1; content "merge" clean "$merged"; left "what does not merge" "M bin;D gone;M hard;A lost;"; err "has a reason" "left: .*/w/bin: no merge: the box's is binary"
cb commit -b i --on-conflict=host hard; status "one PATH" 0; left "one PATH" "M bin;D gone;A lost;"
cb commit -a -b i --on-conflict=ask; status "ask without a terminal" 2; one_line "ask without a terminal" 'no terminal'
cb commit -a -b i --on-conflict=perhaps; status "another word" 2; one_line "another word" 'ask, skip, box, host, merge or both'
tty -- commit -a -b i --on-conflict=skip; status "skip on a terminal asks nothing" 1; no_out "nothing" 'kip\]'
again; cb commit -a -b i --on-conflict=merge --keep; cb run -b i -- cat clean; is "--keep of what was merged: the box's is as it was" "box 2 3 4 5 6 7 8 9 " "$(tr '\n' ' ' <"$OUT")"
cb commit -a -b i --on-conflict=box --json; is "--json tells how" "box merged" "$(python3 -c 'import json, sys; print(" ".join(sorted({c["how"] for c in json.load(open(sys.argv[1]))["committed"] if c["how"] in ("box", "merged")} | {"merged"})))' "$OUT")"

# ---- without an original ----
cb discard -f -b i; seq 9 >kept; cb run --keep-originals=4 -b i -- sed -i s/1/box/ kept; sed -i s/9/host/ kept
cb commit -a -b i --on-conflict=merge; status "what was larger than --keep-originals" 1; left "is not merged" "M kept;"; cb discard -f -b i; seq 9 >kept
cb run --keep-originals=1k -b i -- sed -i s/1/box/ kept; sed -i s/9/host/ kept; cb commit -a -b i --on-conflict=merge; status "what is not" 0; content "is" kept "$merged"
cb run --keep-originals=much -- true; status "no size" 2; one_line "no size" 'it is a size'; rm kept; cb discard -f -b i

# ---- after a run ----
again; cb discard -f -b i bin clean gone lost z new
tty 'ommit all  \[p\]ick' c 'commit all changes of box i' 'y\n' 'Conflict 1 of 1' h -- run -b i -- true; status "c asks about conflicts" 0; left "and does it" ""
again; tty '\[p\]ick' p 'A  new' n 'M  z' '\x03' 'nothing was committed' '' '\[p\]ick' p 'A  new' n 'M  z' y 'Conflict 1' q -- run -b i -- true; status "p picks" 0; content "p picks" z box; left "and leaves the rest" "M bin;M clean;D gone;M hard;A lost;A new;"

finish
