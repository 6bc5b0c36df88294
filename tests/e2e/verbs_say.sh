#!/bin/bash
# What the verbs say: what conflicts, which box is meant, what became of it, and what is asked on a terminal.
. "$(dirname "$0")/lib.sh"
need python3 python3
. "$E2E/cli.sh"

fresh() {
	cd "$T" && rm -rf w && mkdir w && cd w || exit 1
	printf 'one\ntwo\n' >text
	echo x >other
	mkdir dir && echo in >dir/in
}
# field NAME KEY PATH WANT: of `status --json`, the value of a change
field() {
	is "$1" "$4" "$(python3 -c 'import json, sys
print([str(c[sys.argv[2]]) for c in json.load(open(sys.argv[1])) if c["path"].endswith(sys.argv[3])][0])' "$OUT" "$2" "$3" 2>&1)"
}

# ---- status marks conflicts ----
fresh
cb run -b c -- sh -c 'echo box >>text; echo box >>other; rm -r dir; mkdir new; echo n >new/n'
err "no conflict at the end of the run" '^cowbox: 5 changes in box c \(.*\): see cowbox diff -b c$'
cb status -b c; no_out "no conflict yet" '!'; is "and nothing said" "" "$(cat "$ERR")"
echo host >>text; touch other; echo host >dir/later; echo host >new
cb status -b c; status "status with conflicts" 0
out "a file changed on both sides" "^M! .*/text  \\(conflict: the host's was changed since\\)$"
out "touched only is none" '^M  .*/other$'
out "a removed directory that got something" '^D! .*/dir/  \(conflict: .*dir/later'
out "a directory where the host got a file" '^[AT]! .*/new/  \(conflict: '
out "what is in it waits" '^A! .*/new/n  \((conflict|left): '
err "their number and the way out in one line" '^cowbox: [34] changes conflict .*cowbox commit -b c asks what to do.*cowbox diff -b c PATH.*cowbox discard -b c PATH'
cb status -b c text; err "of those asked for" '^cowbox: 1 change conflicts '
cb status -b c other; is "nothing to say of the others" "" "$(cat "$ERR")"
cb status -b c --json; json "status --json"; field "conflict" conflict /text True; field "verdict" commit /text conflict; field "no conflict" conflict /other False; field "why" why /text "the host's was changed since"
cb status -b c -z; tr '\0' '\n' <"$OUT" >"$T/z"; "$COWBOX_BIN" status -b c 2>"$T/z.err" | sed 's/^\(..\) /\1/; s/  (.*//; s,/$,,' >"$T/text"; same "-z has the mark too" "$T/text" "$T/z"
cb run -b c -- true; err "the line at the end of a run tells their number" '^cowbox: 5 changes in box c \(.*\), [34] conflict with the host: see cowbox status -b c$'
tty 'dis\[x\]card' k -- run -b c -- true; out "so does the summary" '^cowbox: 5 changes in box c, [34] conflict with the host: see cowbox status -b c$'
cb commit -b c -a; status "commit leaves what was marked" 1; err "the way out" '^cowbox: [34] conflicts: on a terminal cowbox commit -b c asks about them; or cowbox commit -b c --on-conflict=merge\|box\|host\|both PATH$'
cb commit -b c dir/nothing; no_err "no conflict, no hint" ' conflicts?: '; cb status -b c; out "still marked" '^M! '; no_out "the other is done" '/other'
cb discard -f -b c

# ---- a directory that the host has no more ----
fresh
cb run -b c -- sh -c 'echo box >dir/in; mkdir dir/sub; echo n >dir/sub/n; mv other elsewhere'
rm -r dir
cb status -b c; out "its directory: the way out" "^A! .*/w/dir/  \\(conflict: the host's was removed since: mkdir it there to commit what is in it\\)$"
out "what is new in it" "^A! .*/dir/sub/  \\(left: the host has no $T/w/dir any more: mkdir it there first\\)$"; out "and below that" "^A! .*/dir/sub/n  \\(left: the host has no $T/w/dir any more"
cb status -b c --json; field "the verdict for programs" commit /dir/sub wait
cb commit -b c -n -a; out "commit -n" '^left +A  .*/dir/sub/: the host has no'; cb diff -b c; out "diff" '^# left: the host has no'
mkdir dir; cb commit -b c -a; status "after that" 1; is "it is committed" n "$(cat dir/sub/n)"; err "but for the file in it that was removed" "^cowbox: left: .*/dir/in: the host's was removed since$"
cb discard -f -b c

# ---- a box that nobody named: which one it is, and when it goes ----
boxes() { "$COWBOX_BIN" list -z | tr '\0' ' '; }
name() { sed -n 's/^cowbox: .* box \([a-z]*-[0-9]*-[0-9-]*[0-9]\) .*/\1/p' "$ERR" | head -1; }
fresh
cb run -- sh -c 'echo a >a; echo b >b'; first=$(name); check "a name" test -n "$first"
cb status; status "status of the only box" 0; is "nothing needs saying" "" "$(cat "$ERR")"
cb run -b another -- sh -c 'echo z >z'; cb status -b "$first"
cb status; status "status of the last of two" 0; err "it is named, with its age and command" "^cowbox: box $first, the one used last \(made [0-9]+ s ago: sh -c .*\)\$"
cb status -b "$first"; is "not when it was given" "" "$(cat "$ERR")"
COWBOX_BOX=$first cb status; is "nor when the environment gave it" "" "$(cat "$ERR")"
cb diff; err "diff names it" "^cowbox: box $first, "; cb discard; err "so does discard" "$first|terminal"; cb commit -n; err "so does commit" "^cowbox: box $first, "
cb discard -f -b another; cb status -b "$first"
cb run -- true; status "a run that changes nothing" 0; second=$(sed -n 's/^cowbox: no changes (box \(true-[0-9-]*\) removed)$/\1/p' "$ERR")
check "it says so, and that its box is gone" test -n "$second"; is "it is" "$first " "$(boxes)"
for v in status diff 'commit -a' 'discard -f'; do cb $v; status "$v after it takes no older box" 3; one_line "$v after it" "the box used last, $second, is gone"; done
check "nothing was committed" test ! -e a
err "list is told where it shows one" 'cowbox list shows them'
cb run --rm -- sh -c 'echo c >c'; cb commit -a; status "nor after --rm" 3; check "nothing was committed" test ! -e a
cb commit -b "$first" a; status "commit of a part" 0; is "the box stays" "$first " "$(boxes)"
cb commit -a; status "commit of the rest" 0; err "the box goes" "^cowbox: box $first has no changes left: removed"; is "it is gone" "" "$(boxes)"
is "and all was committed" "a b" "$(cat a b | tr '\n' ' ' | sed 's/ $//')"
cb run -- sh -c 'echo d >d; echo e >e'; third=$(name)
cb discard -b "$third" -f d; is "a part is discarded" "$third " "$(boxes)"; cb discard -f e; err "the rest: the box goes" "removed$"; is "it is gone" "" "$(boxes)"
cb run -b mine -- sh -c 'echo f >f'; cb commit -a; is "a box with a name stays" "mine " "$(boxes)"; no_err "a box with a name" 'removed'; cb run -b mine -- true; is "also when nothing changed" "mine " "$(boxes)"
cb run -- sh -c 'echo g >g'; cb commit -a; is "an unnamed one goes, and its history stays" 1 "$(boxes | wc -w)"; is "in the store" 1 "$(ls -d "$COWBOX_HOME"/history/*/summary | tail -n 1 | wc -l)"
for b in $(boxes); do cb discard -f -b "$b"; done

# ---- a command that does not start leaves no box, and the one used last is what it was ----
fresh
cb run -b used -- sh -c 'echo u >u'; cb run -b older -- sh -c 'echo o >o'; cb status -b used
cb run -b typo -- mistypd; status "a new box for what is not there" 127; one_line "a new box for what is not there" 'mistypd: command not found'; is "goes again" "older used " "$(boxes)"
cb run -- mistypd; status "without a name" 127; cb run --rm -b typo -- ./text; status "with --rm" 126; cb run -b typo --allow-socket /nowhere -- true; status "a socket that is not there" 125
is "all go again" "older used " "$(boxes)"; cb status; status "the box used last" 0; out "is what it was" '/u$'
cb run -b older -- mistypd; is "a box that was there stays" "older used " "$(boxes)"
cb discard -f -b used; cb run -b gone -- true; cb discard -f -b gone; cb run -b typo -- mistypd
cb status; status "also when that one is gone" 3; one_line "also when that one is gone" 'the box used last, gone, is gone'
cb discard -f -b older
for v in status diff 'commit -a' 'discard -f'; do
	cb $v; status "$v: no box at all" 3; is "$v: list is not sent to" "cowbox: ${v%% *}: the box used last, gone, is gone, and there is no other: cowbox run makes one" "$(cat "$ERR")"
	cb $v -b x; status "$v: no such box" 3; is "$v: nor of a named one" "cowbox: ${v%% *}: there is no box x, nor any other (cowbox run -b x makes it)" "$(cat "$ERR")"
done
rm "$COWBOX_HOME/last"; cb run -b typo -- mistypd; check "also when there was none" test ! -e "$COWBOX_HOME/last" -a -z "$(boxes)"

# ---- a box with nothing in it ----
cb run -b bare -- true; cb list; out "list" '^bare\* .* 0 B +\(no changes\) true$'
cb status; status "status" 0; empty_out "status"; is "status" "cowbox: box bare has no changes" "$(cat "$ERR")"
for v in 'status -z' 'status --json'; do cb $v; is "$v says nothing more" "" "$(cat "$ERR")"; done
tty --cols=30 -- list; out "list on a narrow terminal" '^  [0-9]+ s, no changes$'; cb discard -f -b bare

# ---- list on a terminal ----
long="echo $(printf 'long-%.0s' $(seq 60)) wide 日本語日本語日本語日本語日本語日本語"
cb run -b long -- sh -c "$long; echo x >x"; cb run -b w -- sh -c "echo 日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語; echo x >x"
cb list; out "no cut into a file" '日本語; echo x >x$'; out "no cut into a file" '(long-){60}'
tty --cols=72 -- list; status "list on a terminal" 0; out "the command is cut" '\.\.\.$'; no_out "and only there" 'x >x$'
is "no line is longer than the terminal" 0 "$(python3 -c 'import sys, unicodedata
print(sum(sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in l.rstrip("\n")) > 72 for l in open(sys.argv[1], encoding="utf-8")))' "$OUT")"
tty --cols=20 -- list; status "list on a narrow one" 0
cb discard -f -b long; cb discard -f -b w

# ---- a pager that cannot be run ----
fresh
cb run -b p -- sh -c 'echo added >>text; seq 30000 >many'
for pager in /nonexistent 'no-such-pager -x' false 'exit 3'; do
	PAGER=$pager tty -- diff -b p; status "PAGER=$pager" 0; out "PAGER=$pager: plain output" '^\+added$'; out "all of it" '^\+30000$'
	is "PAGER=$pager: one line of warning" 1 "$(grep -c '^cowbox: warning: the pager .*this is without it' "$OUT")"; no_out "and none of others" '(not found|No such file)'
done
PAGER='cat | sed s/^/paged:/' tty -- diff -b p text; status "a pager" 0; out "is used" '^paged:\+added$'; no_out "and nothing shown twice" '^\+added'
PAGER='head -n 1' tty -- diff -b p; status "one that stops reading" 0; no_out "is no failure" 'warning'
cb discard -f -b p

# ---- PATHs without changes ----
fresh
cb run -b q -- sh -c 'echo added >>text; mkdir sub; echo s >sub/s; mv other elsewhere'
for v in status diff 'diff --stat'; do
	cb $v -b q dir text other; status "$v PATHs" 0; out "$v: what has changes is shown" 'text'; out "$v: by its old name too" 'elsewhere'
	is "$v: what has none is named" "cowbox: $T/w/dir: no changes in box q" "$(cat "$ERR")"
	cb $v -b q dir; status "$v of no change" 0; empty_out "$v of no change"; is "$v of no change" 1 "$(wc -l <"$ERR")"
done
cb status -b q dir --json; json "status --json of no change"; err "it is named" 'dir: no changes'
cb discard -b q -f dir; status "discard of no change" 1; one_line "discard of no change" 'w/dir: no changes in box q'
cb commit -b q -n dir; status "commit -n of no change" 1; one_line "commit -n of no change" 'w/dir: no changes in box q'
cb commit -b q dir; status "commit of no change" 1; one_line "commit of no change" 'w/dir: no changes in box q'
cb commit -b q dir sub; status "commit of one with and one without" 1; is "what has changes is committed" s "$(cat sub/s)"
cb discard -f -b q

# ---- commands from a pipe ----
fresh
for sh in /bin/bash /bin/sh; do
	printf 'echo "flags=$-"; echo piped >piped\nexit 4\n' | SHELL=$sh PS1='$ ' "$COWBOX_BIN" run -b pipe >"$T/pipe.out" 2>"$T/pipe.err"
	is "$sh reading a pipe: its status" 4 $?
	OUT=$T/pipe.out ERR=$T/pipe.err LAST="$sh | cowbox run"
	out "it is not interactive" '^flags=[^i]*$'; is "one line from us, no prompt" 1 "$(wc -l <"$ERR")"; err "one line from us" '^cowbox: 1 change in box pipe '
	cb discard -f -b pipe
done
SHELL=/bin/bash tty 'cowbox pipe\]' 'echo "flags=$-"; exit\n' -- run -b pipe; status "a shell that changed nothing" 0; out "on a terminal it is" '^flags=.*i'
# its history is no change, and is there to be read
echo 'echo from-before' >"$HOME/.bash_history"
SHELL=/bin/bash tty 'cowbox pipe\]' 'history | sed s/^/h:/; echo more >more; exit\n' 'dis\[x\]card' k -- run -b pipe; status "a shell" 0; out "bash has the history" '^h: +1  echo from-before'
cb status -b pipe; no_out "and leaves none in the box" 'bash_history'; out "what it did is there" 'more$'; cb discard -f -b pipe; rm "$HOME/.bash_history"

# ---- one letter for a file that was only touched; diff --stat in columns ----
fresh
cb run -b t -- sh -c 'touch other'; err "a touched file in the summary" '\(1 metadata\)'; cb status -b t; out "and in status" '^m  .*other$'; cb discard -f -b t
seq 100 >many; mkdir moved; echo r >run; echo w >was; echo b >both
cb run -b t -- sh -c 'echo a >>text; seq 50 149 >many; mkdir -p new/deep; echo n >new/deep/n; echo ü >new/ü; rm -r dir; mv moved away; printf "\\0" >bin; : >empty; mv was is; chmod 755 run; chmod 755 both; echo b >>both'
cb diff -b t --stat; status "diff --stat" 0
is "the bars stand in one column" 1 "$(grep -a '|' "$OUT" | python3 -c 'import sys; print(len({l.decode().index("|") for l in sys.stdin.buffer}))')"
out "numbers to the right" '/text +\|  1 \+$'; out "the longest" '/many +\| 98 \+{20}-{20}$'; out "an empty file" '/empty +\|  0$'; out "a binary one" '/bin +\| binary nothing -> 1 B$'
no_out "directories have no lines" '(new|deep|dir)/? +\|'; out "a renamed one is told" '/away/ +\| renamed from .*/moved$'
out "a mode" '/run +\| mode 644 -> 755$'; out "with lines" '/both +\|  1 \+ \(mode 644 -> 755\)$'; out "a renamed file" '/is +\| renamed from /.*/w/was$'
out "they are no files" '^ 10 files changed, 53 lines added, 50 removed; 4 directories$'
cb diff -b t --stat --color text; out "colours" "$(printf '\033\\[32m\\+')"
cb discard -f -b t

# ---- commit -n tells the sum; commit asks for a new directory as a whole ----
fresh
tree='echo a >a; mkdir -p t/sub; echo 1 >t/1; echo 2 >t/sub/2; echo 3 >t/sub/3; mkdir u; echo u >u/u; echo z >z'
cb run -b i -- sh -c "$tree"
cb commit -b i -n -a; status "commit -n" 0; is "the sum" "cowbox: would commit 9 changes of box i" "$(cat "$ERR")"; is "the list" 9 "$(wc -l <"$OUT")"
echo host >a; cb commit -b i -n -a; status "commit -n with a conflict" 1; is "the sum" "cowbox: would commit 8 changes of box i, and leave 1 in it" "$(cat "$ERR")"
cb commit -b i -n z; is "of a part" "cowbox: would commit 1 change of box i" "$(cat "$ERR")"; rm a
tty ' a +\[y/n/d/a/p/v/q/\?\]' n ' t/, a new directory with 4 things in it: all of it\? +\[y/n/e/d/a/v/q/\?\]' w ' e  ask for each' '' 'all of it' y ' u/, a new directory with 1 thing in it' n ' z ' n -- commit -b i
status "a whole directory" 0; is "all of it is there" "1 2 3 " "$(cat t/1 t/sub/2 t/sub/3 | tr '\n' ' ')"; check "the rest not" test ! -e u -a ! -e a -a ! -e z
cb status -b i; out "it is in the box" '/u/u$'; no_out "the directory is not" '/w/t/'; cb discard -f -b i
fresh
cb run -b i -- sh -c "$tree"
tty ' a ' n ' t/, a new' e 'In .*/w/t/\n' '' ' 1 ' n ' sub/, a new directory with 2' e 'In .*/t/sub/\n' '' ' 2 ' y ' 3 ' n 'In .*/w/\n' '' ' u/, a new' a -- commit -b i
status "each thing" 0; check "what was taken" test -e t/sub/2 -a -e u/u -a -e z; check "what was not" test ! -e t/1 -a ! -e t/sub/3 -a ! -e a
cb discard -f -b i; fresh; cb run -b i -- sh -c "$tree"
PAGER=cat tty ' a +\[y' '?' 'v  view the diff' '' ' a +\[y' v '\+a\n' '' ' a +\[y' n ' t/, a new' v '\+1\n' '' ' t/, a new' q -- commit -b i
status "v and ?" 1; out "v shows the change" '^\+\+\+ b/.*/w/a$'; no_out "and no other" '/w/z$'; out "of a new directory what is in it" '^\+\+\+ b/.*/w/t/sub/3$'
out "? tells what q does" '^  q  stop asking, and commit what was answered y \(Ctrl-D too\)$'; out "and Ctrl-C" '^  \^C commit nothing$'
tty ' a ' y ' t/, a new' '\x03' -- commit -b i; status "^C" 1; out "it says so" '^cowbox: nothing was committed$'; check "nothing is committed" test ! -e a
tty ' a ' n ' t/, a new' q -- commit -b i; status "q after n" 1; out "q after n" '^cowbox: nothing was committed$'
tty ' a ' n ' t/, a new' n ' u/, a new' n ' z ' n -- commit -b i; status "n alone" 1; out "n alone" '^cowbox: nothing was committed$'
tty ' a ' y ' t/, a new' q -- commit -b i; status "q" 1; check "what was answered y is committed" test -e a -a ! -e t; out "and told" '^cowbox: committed 1 change of box i \(cowbox undo takes it back\)$'
tty ' t/, a new' y ' u/, a new' '\x04' -- commit -b i; status "^D" 1; check "^D commits it too" test -e t/1 -a ! -e u; cb status -b i; is "the rest is in the box" 3 "$(wc -l <"$OUT")"; cb discard -f -b i

# ---- v of a directory's own change shows that alone; of a conflict it is asked what to do ----
fresh; mkdir dd; echo 1 >c
cb run -b i -- sh -c 'chmod 700 dd; echo f >dd/f; echo box >c'
echo host >c
PAGER=cat tty ' dd/ +\[y' v 'mode of directory' '' ' dd/ +\[y' y ' f ' y 'Conflict 1 of 1: .*/w/c' '' '\[s\]kip' s -- commit -b i
status "a conflict is left" 1; out "and told" 'left: .*/c: the host'; no_out "not asked as others" ' c: .*\[y'; no_out "the mode alone was shown" '^\+f$'
is "the host's is as it was" host "$(cat c)"; check "the rest is there" test -e dd/f; cb discard -f -b i

# ---- commit PATH names what goes along, and what it needs and was not asked for ----
fresh
cb run -b i -- sh -c 'mkdir -p p/q; echo x >p/q/x; echo y >p/q/y; ln p/q/x twin; mv other elsewhere; mv text dir/text; echo z >z'
cb commit -b i z; status "nothing goes along" 0; is "nothing goes along" "cowbox: committed 1 change of box i" "$(cat "$ERR")"
cb status -b i; out "names of one file are told" "^A  $T/w/twin \\(one file with $T/w/p/q/x\\)\$"
cb commit -b i -n twin; status "one of two names" 1; out "is left in -n" "^left     A  $T/w/twin .*: it is one file with $T/w/p/q/x, which was not chosen\$"
cb commit -b i twin; status "and in truth" 1; err "with a reason" "^cowbox: left: $T/w/twin: it is one file with $T/w/p/q/x, which was not chosen\$"; check "nothing was made" test ! -e twin -a ! -e p
cb commit -b i p/q/x twin; status "its directories" 0
is "are named" "p (it is needed for what is in it);p/q (it is needed for what is in it);" "$(sed -n "s,^cowbox: goes along: $T/w/,,p" "$ERR" | tr '\n' ';')"; err "and counted" '^cowbox: committed 4 changes of box i$'
cb commit -b i elsewhere; status "one half of a rename" 1; err "the other is named" "^cowbox: left: $T/w/elsewhere: its old name $T/w/other was not chosen\$"; check "and not taken away" test -e other
cb commit -b i text; status "by its old name too" 1; err "the new one is named" "^cowbox: left: $T/w/dir/text: its new name $T/w/dir/text was not chosen\$"; cb commit -b i other elsewhere; status "both" 0; no_err "when both were asked for" 'left:'
cb commit -b i -a; no_err "nor with -a" 'goes along'; cb discard -f -b i
cb run -b i -- sh -c 'd=.; for i in $(seq 30); do d=$d/d; done; mkdir -p $d; echo f >$d/f'; cb commit -b i "$T/w/$(printf 'd/%.0s' $(seq 30))f"
is "a long list is cut" 20 "$(grep -c '^cowbox: goes along: /' "$ERR")"; err "with the rest counted" '^cowbox: goes along: and 10 more$'; cb discard -f -b i
fresh; cb run -b i -- sh -c 'mkdir n; echo a >n/a; ln n/a twin; echo b >n/b'
tty ' n/, a new' e ' a \(one file with .*/w/twin\) ' y ' b ' y ' twin \(one file with .*/w/n/a\) ' n -- commit -b i
status "no for one name" 1; out "when asked too" '^cowbox: goes along: .*/w/n \('; out "it is left" 'left: .*/w/n/a: it is one file with .*/w/twin, which was not chosen'; check "neither is made" test ! -e n/a -a ! -e twin -a -e n/b; cb discard -f -b i
# ---- what a new directory takes from elsewhere is asked for by itself ----
fresh; cb run -b i -- sh -c 'mkdir n; echo a >n/a; mv other n/other; ln text n/text'
tty ' n/, a new' y '/other -> .*/n/other ' n '/n/text \(one file with .*/w/text\) ' n -- commit -b i; check "and left when not wanted" test -e n/a -a -e other -a ! -e n/other -a ! -e n/text; cb discard -f -b i

# ---- what lends rights is marked, and asked for by itself ----
fresh; cb run -b i -- sh -c 'mkdir n; echo x >n/x; cp n/x n/s; chmod 4755 n/s'
cb status -b i; out "set-uid is marked" "^A  $T/w/n/s \\[set-uid: runs as user $(id -u)\\]\$"
cb diff -b i n/s; out "in the diff too" "^# set-uid: b$T/w/n/s runs as user $(id -u)\$"
tty ' n/, a new' y '/n/s \[set-uid: runs as user' n -- commit -b i; check "it is left when not wanted" test -e n/x -a ! -e n/s; cb discard -f -b i

# ---- on a terminal nothing conceals what follows; a patch is exact ----
fresh; cb run -b i -- sh -c 'printf "a\033[8mhidden\n" >new; ln -s "x
+evil" l'
PAGER=cat tty -- diff -b i; out "control characters are shown" '\+a\^\[\[8mhidden'; no_out "and not acted on" "$(printf 'a\033')"
cb diff -b i; out "but not in a patch" "^\\+a$(printf '\033')\\[8mhidden\$"; no_out "a target is no line of a file" '^\+\+evil'; out "it is told" "^# target of symlink b$T/w/l: none -> \"x\\\\n\\+evil\"\$"; cb discard -f -b i

# ---- doctor ----
cb doctor; status "doctor" 0; is "the verdict is the last line" 1 "$(tail -n 1 "$OUT" | grep -c '^cowbox can run here: ')"
is "the details stand in one column" 1 "$(python3 -c 'import re, sys
rows = [m for m in (re.match(r"(ok|weaker|missing) +(.*?)  +\S", l) for l in open(sys.argv[1])) if m]
print(len(rows) > 10 and len({m.end() for m in rows}))' "$OUT")"

# ---- narrow terminals; no boxes; a store that is nearly full ----
# wide N: how many lines of $OUT are longer; that with the store's path, one long word, may be
wide() { grep -avF "$COWBOX_HOME" "$OUT" | awk -v n="$1" 'length($0) > n' | wc -l; }
for v in list doctor; do tty --cols=60 -- $v; status "no box: $v" 0; done
check "there are none" test -z "$(boxes)"
cb list; status "list of no boxes" 0; is "says nothing to a program" "" "$(cat "$OUT" "$ERR")"; tty -- list; out "but to people" '^cowbox: there are no boxes: cowbox run makes one$'
for h in "$T/none" "$T/empty"; do
	[ "$h" = "$T/none" ] || { COWBOX_HOME=$h cb run -b x -- true; COWBOX_HOME=$h cb discard -f -b x; rm "$h/last"; }
	for v in status diff 'commit -a' 'discard -f'; do COWBOX_HOME=$h cb $v; status "$v without boxes" 3; is "$v without boxes" "cowbox: ${v%% *}: there are no boxes: cowbox run makes one" "$(cat "$ERR")"; done
done
cb run -b narrow -- sh -c 'echo something long enough to be cut; echo x >x'; cb run -b damaged -- true; echo '{}' >"$COWBOX_HOME/boxes/damaged/box.json"
for n in 30 50 78; do for v in list doctor; do tty --cols=$n -- $v; status "$v in $n columns" 0; is "$v in $n columns: no longer line" 0 "$(wide $n)" || describe; done; done
tty --cols=30 -- list; out "narrow: the name" '^narrow'; out "what there is to say" '^  [0-9]+ s, [0-9]+ objects?, '; out "the command" '^  sh -c echo .*\.\.\.$'
cb doctor; out "doctor tells of the room" '^ok +room for boxes +.* free of '
rm -r "$COWBOX_HOME/boxes/damaged"; cb discard -f -b narrow
private="unshare -m"
[ "$(id -u)" = 0 ] || private="unshare -Urm"
if $private true 2>"$T/unshare.err"; then
	mkdir "$T/small"
	$private bash -c 'mount -t tmpfs -o size=8m none "$1/small" && COWBOX_HOME=$1/small/s "$2" run -b x -- true && COWBOX_HOME=$1/small/s "$2" doctor' x "$T" "$COWBOX_BIN" >"$OUT" 2>"$ERR"
	STATUS=$?
	status "doctor with little room" 0; out "it says so" '^weaker +room for boxes'
else
	skip_part "a store with little room: no mount namespace here ($(head -1 "$T/unshare.err"))"
fi

# ---- names with blanks, renames, long lists ----
fresh; mkdir many
echo x >"with blank"; for i in $(seq 30); do echo "$i" >many/$i; done
cb run -b m -- sh -c 'true'
tty 'dis\[x\]card' k -- run -b m -- sh -c 'mv text renamed; mv other dir/moved; rm "with blank"; echo n >"new one"; echo n >new-two; mkdir "a dir"; echo "back\\slash" >"back\\slash"'
out "names are told apart" '^  deleted +.*/w/  with blank$'; out "several" '^  added +.*/w/  a dir/, back\\\\slash, new one, new-two$'
out "renamed in a directory" '^  renamed +.*/w/  text -> renamed$'; out "renamed from another" '^  renamed +.*/w/dir/  .*/w/other -> moved$'
cb status -b m; out "a backslash is doubled" '/back\\\\slash$'
tty 'Deleted in .*/w/\n' '' 'D  with blank +\[y' n 'In .*/w/\n' '' 'A  a dir/ +\[y' n 'A  back\\\\slash +\[y' n 'A  new one' n 'A  new-two' n 'R  text -> renamed +\[y' y 'In .*/w/dir/\n' '' 'R  /.*/w/other -> moved +\[y' y -- commit -b m
status "commit asks with both names" 0; check "and does it" test -e dir/moved -a -e renamed -a ! -e text
cb discard -f -b m
cb run -b m -- sh -c 'rm many/*; echo n >n'; cb discard -b m -f many n; status "a long list" 0
is "is cut after 20 lines" 21 "$(grep -c '^  ' "$ERR")"; err "with the rest counted" '^  and 11 more$'; err "and all go" '^cowbox: discarded 31 changes'
cb run -b "m" -- sh -c "printf 'a\\\\b\n'"; cb discard -f -b m; cb run -b m -- printf 'a\b\n\n'; cb list; out "a command line is escaped once" 'printf a\\\\b\\\\n\\\\n$'; cb discard -f -b m
# (a socket that nobody listens at any more will do: it is refused before anybody is asked)
python3 -c 'import socket
for i in range(14): socket.socket(socket.AF_UNIX).bind("s%d" % i)'
cb run -b m -- python3 -c 'import socket
for i in range(14):
    try: socket.socket(socket.AF_UNIX).connect("s%d" % i)
    except OSError: pass'
is "ten refusals are told" 10 "$(grep -c '^cowbox: refused: connect to ' "$ERR")"; err "and how many more" '^cowbox: refused: and 4 more$'
cb discard -f -b m

# ---- what was committed, what was the same already ----
fresh
cb run -b s -- sh -c 'echo new >new; echo more >>text; rm other'; echo new >new
cb commit -b s -a; status "commit" 0; err "what was the same is told apart" '^cowbox: committed 2 changes of box s \(1 was the same already\)$'
cb discard -f -b s

# ---- a box in use by a commit ----
# who PID: what is said of the process, where /proc/locks tells of it
who() { grep -q " $1 " /proc/locks && echo " (pid $1)"; }
fresh
cb run -b u -- sh -c 'echo n >n'
flock "$COWBOX_HOME/boxes/u/running" sleep 3 &
holder=$!
sleep 0.5
for v in 'commit -a' 'discard -f' "discard -f n"; do cb $v -b u; status "$v of a box in use" 3; is "$v of a box in use" "cowbox: ${v%% *}: box u is in use by another cowbox$(who $holder): wait until that has ended" "$(cat "$ERR")"; done
wait $holder; cb discard -f -b u

# ---- a working directory that is gone ----
fresh; mkdir here gone
(FAILURES=0; cd here && cb run -b g -- rmdir ../here; cb run -b g -- true; status "deleted in the box" 0; err "is told" "^cowbox: warning: the working directory $T/w/here is gone in box g"; exit $FAILURES) || FAILURES=$((FAILURES + 1))
(FAILURES=0; cd gone && rmdir ../gone; cb run -b g -- true; status "deleted on the host" 0; err "is told" '^cowbox: warning: the working directory is gone'
	cb status -b g x; status "a relative path" 3; is "a relative path" "cowbox: status: x: the working directory is gone: give an absolute path" "$(cat "$ERR")"
	cb status -b g "$T/w/here"; status "an absolute one" 0; exit $FAILURES) || FAILURES=$((FAILURES + 1))
cb discard -f -b g

# ---- inside a box, whatever the environment says ----
cb run -b in -- true
for v in list status 'diff' 'commit -a' 'discard -f'; do cb run -b in -- env -u COWBOX -u COWBOX_BOX "$COWBOX_BIN" $v; status "$v without the marks" 3; err "$v without the marks" "^cowbox: ${v%% *}: this is the inside of a box, where boxes cannot be seen"; done
cb run -b in -- env -u COWBOX -u COWBOX_BOX "$COWBOX_BIN" run -- true; status "run without the marks" 125; err "run without the marks" '^cowbox: run: this is the inside of a box already'
COWBOX=1 COWBOX_BOX=in cb list; status "and the marks alone are not believed" 0
cb run -b in --allow-socket rel -- true; status "a relative socket" 2; one_line "a relative socket" 'it must be an absolute path'
cb run -b in --inherit-fd x -- true; status "no number" 2; one_line "no number" 'it must be the number of a descriptor'
cb discard -f -b in

# ---- the end of one of several runs in a box ----
fresh
"$COWBOX_BIN" run -b both -- sh -c 'until [ -e stop ]; do sleep 0.1; done' >/dev/null 2>&1 </dev/null &
other=$!
for i in $(seq 50); do "$COWBOX_BIN" list | grep -q '^both.*(running)' && break; sleep 0.1; done
tty -- run -b both -- sh -c 'echo mine >mine'; status "one of two runs ends" 0
out "it says that the other goes on" "^cowbox: box both is in use by another cowbox$(who $other | sed 's/[()]/\\&/g'), and kept"; no_out "and asks nothing" 'dis\[x\]card'; out "what changed is shown" 'added .*mine'
cb run -b both -- touch stop; wait $other
tty 'dis\[x\]card' x 'discard all changes of box both' 'y\n' -- run -b both -- true; out "the last one is asked" '^cowbox: discarded box both'

# ---- discard PATH tells all that goes ----
# dropped NAME WANT: the lines of the list, with our directory left out
dropped() { is "$1" "$2" "$(sed -n 's/^  \([A-Za-z]\)  /\1 /p' "$ERR" | sed "s,$T/w/,,g" | tr '\n' ';')"; }
rename='echo box >>dir/in; rm dir/gone; mv dir moved; echo new >moved/new; mkdir dir; echo other >dir/other; echo x >>text'
fresh; echo gone >dir/gone; echo keep >dir/keep
cb run -b r -- sh -c "$rename"
cb status -b r; "$COWBOX_BIN" status -b r >"$T/all" 2>&1
cb discard -b r -f moved; status "discard of a renamed directory" 0
dropped "all that goes is listed" "R dir -> moved/;D moved/gone;M moved/in;A moved/new;" || show "$T/all"
err "and counted" '^cowbox: discarded 4 changes of box r$'
cb status -b r; is "the rest is as it was" "A  $T/w/dir/other M  $T/w/text " "$(tr '\n' ' ' <"$OUT")"
cb run -b r -- sh -c 'cat dir/in dir/gone dir/keep dir/other; ls'; is "the host's is back in the view, beside what the box made there" "in gone keep other dir other text " "$(tr '\n' ' ' <"$OUT")"
cb discard -f -b r
# by its old name, and asked
cb run -b r -- sh -c "$rename"
tty 'discard 6 changes\? \[y/N\]' 'n\n' -- discard -b r dir; status "the answer no" 1; out "the list comes before the question" '^  R  .*/dir -> .*/moved/$'; cb status -b r; is "nothing went" 7 "$(wc -l <"$OUT")"
cb discard -b r -f moved/in moved; err "each is counted once" '^cowbox: discarded 4 changes'; cb discard -f -b r
# a file moved into a new directory goes back; one change below a renamed directory goes alone
cb run -b r -- sh -c 'mkdir n; mv text n/text; echo n >n/n; mv dir moved; echo a >>moved/in; echo b >>moved/keep'
cb discard -b r -f n; status "discard of a new directory" 0; dropped "what was moved into it is listed" "A n/ (with 1 inside);R text -> n/text;"
cb run -b r -- cat text; is "and comes back" "one two " "$(tr '\n' ' ' <"$OUT")"
cb discard -b r -f moved/in; dropped "one change alone" "M moved/in;"; cb status -b r; is "the others stay" 2 "$(wc -l <"$OUT")"
cb discard -f -b r
# an exchange
mkdir dir2; echo in2 >dir2/in2
cb run -b r -- sh -c 'mv dir t; mv dir2 dir; mv t dir2; echo x >>dir2/in'; cb discard -b r -f dir; dropped "an exchange goes whole" "R dir2 -> dir/;R dir -> dir2/;M dir2/in;"
cb status -b r; empty_out "an exchange goes whole"; cb run -b r -- cat dir/in dir2/in2; is "both are back" "in in2 " "$(tr '\n' ' ' <"$OUT")"
cb discard -f -b r

finish
