#!/bin/bash
# The history: undo takes commits back whole, or refuses where the host has changed since; log tells of them; old ones are given up.
. "$(dirname "$0")/lib.sh"
need python3 python3
. "$E2E/cli.sh"
unset COWBOX_HISTORY_AGE COWBOX_HISTORY_SIZE

# xattr FILE NAME [VALUE]: sets it, or takes it away
xattr() { python3 -c 'import os, sys
f, n, *v = sys.argv[1:]
os.setxattr(f, n, v[0].encode()) if v else os.removexattr(f, n)' "$@"; }
export -f xattr

# A tree with some of everything, of one old time; $OTHER is outside it.
make_tree() {
	mkdir -p dir/sub full/a/b full/c ren/in turns-file locked to-lock still empty
	seq 100 >text; cp text dir/text; echo gone >gone; echo m >meta; echo t >times; echo x >turns-dir; echo in >turns-file/in
	for f in full/1 full/a/2 full/a/b/3 full/c/4 ren/5 ren/in/6 locked/7 to-lock/7 still/7; do echo "$f" >$f; done
	ln full/a/2 full/c/2; ln -s ../1 full/c/link; chmod 500 locked still full/c
	echo one >one; ln one two; ln one dir/three
	echo known >known; ln known "$OTHER"
	ln -s text link; ln -s nowhere broken
	truncate -s 3M sparse; echo start | dd of=sparse conv=notrunc status=none; echo far | dd of=sparse bs=1M seek=2 conv=notrunc status=none
	echo a >attr; xattr attr user.first 1; xattr attr user.second 2; xattr dir user.dir d
	chmod 640 text; chmod 751 dir; chmod 600 attr
	mkfifo fifo
	age .
}
change='
echo new >new; mkdir -p made/deep/er; echo n >made/deep/er/n; ln -s er made/deep/l; ln made/deep/er/n made/twin; mkfifo made/fifo
echo more >>text; echo whole >dir/text; rm gone; chmod -R u+w full locked; rm -r full; mv ren renamed; echo more >>renamed/in/6; echo n >renamed/new
chmod 755 meta; chmod 700 dir; touch -d 2001-02-03 times; touch -d 2002-03-04 dir/sub
rm turns-dir; mkdir turns-dir; echo i >turns-dir/i; rm -r turns-file; echo f >turns-file
echo changed >>two; ln one four; rm dir/three; echo changed >>known
ln -sf other link; rm broken; mkdir broken
echo middle | dd of=sparse bs=1M seek=1 conv=notrunc status=none; truncate -s 2500000 sparse
xattr attr user.first changed; xattr attr user.second; xattr attr user.third 3; xattr dir user.dir; xattr times user.new n
chmod 700 locked; echo n >locked/8; echo n >to-lock/8; rm to-lock/7; chmod 500 to-lock; chmod 700 still; rm still/7; echo n >still/8; chmod 500 still; rm fifo; rmdir empty'

# An empty working directory, and an empty history.
fresh() {
	cd "$T" && remove w && remove "$COWBOX_HOME/history" && rm -f w.other && mkdir w && cd w || exit 1
	OTHER=$T/w.other
}
sealed() { seal -h . >"$T/$1"; }
in_box() { local b=$1; shift; cb run -b "$b" -- bash -c "$*"; }
# taken_back NAME [OPTION...]: undo, and the tree is that of $T/before
taken_back() {
	local name=$1
	shift
	cb undo "$@"; status "$name: undo" 0
	sealed after; same "$name: the tree is as it was" "$T/before" "$T/after"
	no_temporaries "$name"
}
no_temporaries() { is "$1: no temporary is left" "" "$(find "$T/w" -name '.cowbox-*' 2>/dev/null)$(cat "$COWBOX_HOME/history/open" 2>/dev/null)"; }

# ---- nothing to undo ----
fresh
cb undo; status "no store" 3; one_line "no store" 'undo: there is no commit to take back'
cb log; status "log of no store" 0; is "log of no store" "" "$(cat "$OUT" "$ERR")"; cb log --json; is "log --json of no store" "[]" "$(cat "$OUT")"; cb log 1; status "log 1 of no store" 3
cb run -b a -- true
cb undo; status "no commit" 3; one_line "no commit" 'undo: there is no commit to take back'
cb undo 7; status "no such commit" 3; one_line "no such commit" 'there is no commit 7: see cowbox log'
for n in x 0 -- '' 1x '1 2'; do cb undo -- $n; [ "$n" = '' ] || [ "$n" = -- ] || status "undo $n" 2; done
cb undo --on-conflict=box; status "no such way" 2; one_line "no such way" 'it is refuse, skip or replace'
cb log --json -z; status "log: --json and -z" 2; cb log x; status "log x" 2; cb log --age=3; status "--age alone" 2; cb log --prune 3; status "--prune 3" 2
for l in age=x age=-1 age=3dd age=99999999999999999d size=12X size=1.5G size=; do cb log --prune --$l; status "--$l" 2; done

# ---- some of everything ----
fresh; make_tree; sealed before
in_box e "$change"; status "the run" 0; is "the host is as it was" "$(cat "$T/before")" "$(seal -h .)"
cb commit -b e -a; status "commit" 0; err "a line without a hint for programs" '^cowbox: committed [0-9]+ changes of box e$'; sealed committed
is "directories that are not writable, before or after" "700 500 500" "$(stat -c %a locked to-lock still | tr '\n' ' ' | sed 's/ $//')"; is "what is in them" "7 8 8 8" "$(ls locked to-lock still | grep '[0-9]' | tr '\n' ' ' | sed 's/ $//')"
n=$(sed -n 's/^cowbox: committed \([0-9]*\) .*/\1/p' "$ERR"); check "it changed something" test "$(cmp "$T/before" "$T/committed" >/dev/null; echo $?)" = 1
cb log -z 1; tr '\0' '\n' <"$OUT" | grep -c '^[AMDRTm] /' >"$T/count"; is "log tells of all of them" "$n" "$(cat "$T/count")"
cb undo -n; status "undo -n" 0; is "undo -n lists as many" "$n" "$(wc -l <"$OUT")"; out "a letter and a path" "^D  $T/w/full/\$"; out "and the old path" "^R  $T/w/ren -> $T/w/renamed/\$"; err "and says so" "^cowbox: would take back commit 1 of box e \\($n changes\\)\$"
sealed after; same "undo -n changes nothing" "$T/committed" "$T/after"; cb undo -n --json; json "undo -n --json"; cb log; no_out "nor the history" 'undo of'
taken_back "everything"; is "it says so" "cowbox: took back commit 1 of box e ($n changes; it is kept as undo 2)" "$(cat "$ERR")"; empty_out "and nothing on stdout"
is "the name that nobody knew" "known" "$(cat "$OTHER")"
cb undo; status "nothing is left to undo" 3; one_line "nothing is left to undo" 'all commits were taken back, or given up: see cowbox log'
cb undo 1; status "again" 3; one_line "again" 'commit 1 was taken back before'; cb undo 2; status "an undo" 3; one_line "an undo" '2 is an undo, which cannot be taken back'
cb log; out "log: what became of it" '^ 1  .* e .*\(taken back by 2\) bash'; out "and of what" '^ 2  .*\(undo of 1\) bash'; is "the newest first" "2 1 " "$(awk 'NR > 1 { printf "%s ", $1 }' "$OUT")"
cb log 2; out "log of the undo" '^undo 2 of commit 1 of box e$'; out "has its paths" "^D  $T/w/full/\$"; cb log 2 --json; json "log 2 --json"
cb status -b e; is "the box does not have them any more" "cowbox: box e has no changes" "$(cat "$ERR")"; cb discard -f -b e

# ---- two commits, two undos; and the first before the second ----
fresh; make_tree; sealed before
in_box t "$change"; cb commit -b t -a; sealed between
in_box t 'echo again >>text; mv renamed twice; rm -r made; mkdir made; echo x >made/x; echo z >full; rm new; chmod 711 dir; echo z >>sparse'
cb commit -b t -a; status "the second commit" 0
cb undo; sealed after; same "the second is taken back" "$T/between" "$T/after"; err "it says which" '^cowbox: took back commit 2 '
taken_back "the first"; err "it says which" '^cowbox: took back commit 1 .* undo 4\)$'
cb discard -f -b t
# one by its number, of which a later one has changed nothing; then the later one
fresh; echo 1 >a; echo 1 >b; sealed before; in_box n 'echo 2 >a'; cb commit -b n -a; in_box n 'echo 2 >b'; cb commit -b n -a
cb undo 1; status "the one named" 0; is "it alone" "1 2" "$(cat a b | tr '\n' ' ' | sed 's/ $//')"; taken_back "the other"; cb discard -f -b n
# one that a later one stands upon
fresh; echo 1 >a; in_box n 'echo 2 >a; mkdir d'; cb commit -b n -a; in_box n 'echo 3 >a; echo f >d/f'; cb commit -b n -a; sealed before
cb undo 1; status "what a later one has changed" 1; err "is a conflict" "^cowbox: conflict: $T/w/a: it was changed since\$"; err "so is what came in its directory" "^cowbox: conflict: $T/w/d/f: it has come since\$"; sealed after; same "nothing was done" "$T/before" "$T/after"; cb discard -f -b n

# ---- shapes: links, exchanges, directories that change places ----
# shape NAME SETUP CHANGE
shape() {
	fresh; eval "$2"; age .; sealed before
	in_box s "$3"; cb commit -b s -a; status "$1: commit" 0
	taken_back "$1"; cb discard -f -b s
}
shapes() {
	shape "all names of a file" 'echo 1 >a; ln a b; ln a c' 'rm a b c'
	shape "joined" 'echo 1 >a; echo 2 >b; echo 3 >c' 'ln -f a b; ln -f a c'
	shape "names in two removed trees" 'mkdir d e; echo 1 >d/a; ln d/a e/a; echo 2 >d/b; ln d/b e/b' 'rm -r d e'
	shape "renamed and written" 'echo 1 >a; ln a b' 'mv a z; echo 2 >>z'
	shape "all written all gone" 'echo 1 >a; ln a b' 'echo 2 >>a; rm a b'
	shape "exchange of dirs" 'mkdir d e; echo 1 >d/a; echo 2 >e/b' 'mv d t; mv e d; mv t e; echo 3 >>e/a; rm d/b'
	shape "dir into itself place" 'mkdir -p d/e/f; echo 1 >d/e/f/g' 'mv d/e x; rmdir d; mv x d; echo 2 >d/e'
	shape "parked in what goes" 'mkdir -p a/b c/d; echo 1 >a/b/f' 'mv -T a/b c/d; rm -r a'
	shape "parked and back" 'mkdir -p A/B; echo 1 >A/B/x; echo y >A/y; chmod 750 A' 'mv A/B t; mv A t/A; mv t B2; mv B2 A'
	shape "nest" 'mkdir -p a/b/c; echo 1 >a/b/c/x' 'mv a/b b; mv a b/c/a; echo n >b/c/a/n; chmod 700 b/c'
	shape "empty dirs" 'mkdir -p a/b/c' 'rm -r a; mkdir -p c/b/a'
	shape "symlinks" 'ln -s x l; mkdir d; ln -s d m' 'rm l; mkdir l; rm m; mv d m'
	shape "swap chain" 'mkdir -p a/x b/y c/z; echo 1 >a/1; echo 2 >b/2; echo 3 >c/3' 'mv a t; mv b a; mv c b; mv t c; echo n >>c/1; rm a/2; mkdir a/2'
	shape "file for its directory" 'mkdir -p d; echo 1 >d/f; ln d/f other' 'mv d/f x; rmdir d; mv x d; echo more >>d'
	shape "link to inside" 'echo 1 >a; mkdir d' 'ln a d/a; rm a; mv d a'
	shape "joined then more" 'echo 1 >a; ln a b; echo 2 >c; ln c e' 'ln -f a c; echo q >>c; rm e'
	shape "tree goes, a name stays and is written" 'mkdir -p d/e; echo 1 >d/e/a; ln d/e/a b; ln d/e/a d/c' 'rm -r d; echo 2 >>b'
	shape "times only" 'echo 1 >a; mkdir d' 'touch -d 2003-01-01 a d .'
	shape "mode only dirs" 'mkdir -p d/e; echo 1 >d/e/f' 'chmod 700 d; chmod 711 d/e; chmod 600 d/e/f'
	shape "suid" 'cp /bin/true t; chmod 4755 t' 'chmod 755 t; cp t u; chmod 4755 u'
	shape "fifo etc" 'mkfifo f; ln f g' 'rm f; mkfifo h; ln g i'
}
# names that no change is about, and that cowbox does not know: only what is moved keeps them
shapes_of_unknown_names() {
	shape "two of three" 'echo 1 >a; ln a b; ln a c' 'rm a b'
	shape "replaced by another" 'echo 1 >a; ln a b; ln a c' 'rm a b; echo x >a; echo y >b'
	shape "split" 'echo 1 >a; ln a b; ln a c' 'cp a x; mv x a; ln a z'
	shape "names in a removed tree and outside" 'mkdir d; echo 1 >d/a; ln d/a b; ln d/a d/c' 'rm -r d'
}
shapes; shapes_of_unknown_names

# ---- the box is gone ----
fresh; make_tree; sealed before; in_box gone "$change"; cb commit -b gone -a; cb discard -f -b gone; taken_back "after the box was discarded"
fresh; echo 1 >a; sealed before; cb run -- sh -c 'echo 2 >a; echo b >b'; cb commit -a; err "an unnamed one goes with its last change" 'has no changes left: removed$'; taken_back "after that"

# ---- the host has changed since ----
conflicts() {
	fresh; for i in a b c m; do echo host >$i; done; mkdir -p d/s t; echo in >d/in; echo in >t/in
	in_box c 'for i in a b; do echo box >$i; done; rm c; echo n >new; mkdir made; echo 1 >made/1; rm -r t; mv d moved; chmod 755 m'; cb commit -b c -a; status "commit" 0
}
conflicts; echo later >>a; echo later >c; echo later >made/2; rm new; chmod 700 m; echo later >t; sealed before
cb undo; status "refused" 1; sealed after; same "refused: nothing was done" "$T/before" "$T/after"; empty_out "refused"
for l in 'a: it was changed since' 'c: something of that name has come since' 'made/2: it has come since' 'new: it was removed since' 'm: its mode or owner was changed since' 't: something of that name has come since'; do err "it is named" "^cowbox: conflict: $T/w/$l\$"; done
no_err "and nothing else is" 'conflict: .*/(b|moved|made/1):'; err "with what to do" '^cowbox: nothing was taken back: the host has changed 6 paths since commit 1 of box c.*--on-conflict=skip 1 .*--on-conflict=replace 1 '
cb undo -n; status "undo -n tells it too" 1; err "undo -n" 'conflict: .*/a: '; out "with all that it would do" "^M  $T/w/b\$"; err "and that it would not" '^cowbox: commit 1 of box c would not be taken back: the host has changed 6 paths since$'
cb undo --json; status "undo --json refuses" 1; json "undo --json"; is "undo --json tells" "False 6 None" "$(python3 -c 'import json, sys; o = json.load(open(sys.argv[1])); print(o["done"], len(o["conflicts"]), o["undo"])' "$OUT")"
cb undo --on-conflict=skip -n; status "-n with skip" 1; no_out "does not list what is left" "/(a|c|new|m|t/?)\$"; out "and lists the rest" "^R  $T/w/d -> $T/w/moved/\$"; sealed after; same "-n: nothing was done" "$T/before" "$T/after"
cb undo --on-conflict=skip; status "skip" 1; is "skip leaves those" "box later;later;later;2;700" "$(tr '\n' ' ' <a | sed 's/ $//');$(cat c);$(cat t);$(ls made | tr '\n' ' ' | sed 's/ $//');$(stat -c %a m)" 
is "and takes back the rest" "host in" "$(cat b) $(cat d/in)"; check "the rename too" test ! -e moved
for l in a c new made/2 m t; do err "what is left is named" "^cowbox: left: $T/w/$l: "; done; err "and told" '^cowbox: took back commit 1 of box c \(3 changes, 6 are left as the host has them; it is kept as undo 2\)$'; no_temporaries "skip"
cb discard -f -b c
conflicts; echo later >>a; echo later >c; rm new; chmod 700 m; rm b; sealed changed
cb undo --on-conflict=replace; status "replace" 0; is "replace restores" "host host host 644 in in" "$(cat a b c | tr '\n' ' ')$(stat -c %a m) $(cat d/in t/in | tr '\n' ' ' | sed 's/ $//')"; check "what was added is gone" test ! -e new -a ! -e made -a ! -e moved
err "it is named" "^cowbox: conflict: $T/w/a: it was changed since\$"; err "where the other is" "^cowbox: what the host had instead is in $COWBOX_HOME/history/2 \\(cowbox log 2 tells by which name\\)\$"
is "it is there" 2 "$(grep -rlx later "$COWBOX_HOME/history/2" | wc -l)"; no_temporaries "replace"; cb discard -f -b c
# a new directory in which others have worked goes whole
conflicts; echo later >made/2; mkdir made/sub; echo later >made/sub/3; rm -r moved/in; echo later >moved/other
cb undo; status "work in new and renamed directories" 1; err "what came in the new one" "conflict: $T/w/made/2: it has come since"; cb undo --on-conflict=replace; status "replaced" 0; check "the new one is gone" test ! -e made -a -e d/other
is "it is all in the history" "2" "$(grep -rlx later "$COWBOX_HOME/history/2" | wc -l)"; cb discard -f -b c
# what is gone cannot be brought back, and is in nobody's way
fresh; seq 5 >r; echo o >o; in_box c 'mv r r2; echo new >o'; cb commit -b c -a; rm r2; cb undo --on-conflict=replace; status "a renamed file that is gone" 1; is "the rest is taken back" o "$(cat o)"
err "it is said" "r2: it was removed since, and is not brought back\$"; no_temporaries "gone"
fresh; seq 5 >r; in_box c 'mv r r2'; cb commit -b c -a; mv r2 r; cb undo --on-conflict=replace; status "moved back by hand" 1; cb undo; status "and out of the way" 3; is "moved back by hand" 5 "$(tail -n 1 r)"
fresh; echo m >m; in_box c 'chmod 600 m'; cb commit -b c -a; rm m; cb undo --on-conflict=replace; status "other metadata of what is gone" 1; no_temporaries "metadata of what is gone"
fresh; echo 1 >v; in_box c 'mv v v2'; cb commit -b c -a; echo host >>v2; cb undo --on-conflict=replace; status "a renamed file written to" 0; is "keeps that" "1 host" "$(echo $(cat v))"; err "and that is said" "v2: it gets its old name with what is in it now\$"
# a new tree of which a part stays: what stays is not counted, nor listed
fresh; in_box c 'mkdir -p n/a n/b; for i in 1 2 3; do echo $i >n/$i; echo $i >n/a/$i; echo $i >n/b/$i; done'; cb commit -b c -a; echo x >>n/1; echo x >>n/a/1; echo x >>n/a/2; echo new >n/b/new
cb undo --on-conflict=skip -n; is "a part of a tree: listed" 6 "$(wc -l <"$OUT")"; no_out "what stays is not" "n/(1|a/|a/1|b/)\$"; cb undo --on-conflict=skip; err "a part of a tree: counted" "6 changes, 6 are left"
is "a part of a tree" "n n/1 n/a n/a/1 n/a/2 n/b n/b/new" "$(echo $(find n | sort))"
# all of it
fresh; echo 1 >a; in_box s 'echo 2 >a'; cb commit -b s -a; echo 3 >a; cb undo --on-conflict=skip; status "all of it has changed" 1; err "it says so" '^cowbox: nothing was taken back: the host has changed all that commit 1 did'; is "it can still be taken back" "3" "$(cat a)"; cb undo --on-conflict=replace; is "by force" 1 "$(cat a)"; cb discard -f -b s
# touched, or renamed and back, is no change
fresh; echo 1 >a; mkdir d; echo 1 >d/f; sealed before; in_box s 'echo 2 >a; echo 2 >d/f'; cb commit -b s -a; touch -a a; mv d e; mv e d; cb undo; status "what is the same is no conflict" 0; is "and taken back" "1 1" "$(cat a) $(cat d/f)"; cb discard -f -b s

# ---- --json of an undo that is done ----
fresh; echo 1 >a; in_box j "mkdir n; mv a \$'n/b\\n'; echo 1 >\$'\\377'"; cb commit -b j -a; cb undo --json; status "--json" 0; json "--json"; is "--json says nothing else" "" "$(cat "$ERR")"
is "--json" "1 j True 2 AAR 1" "$(python3 -c 'import json, sys
o = json.load(open(sys.argv[1])); print(o["commit"], o["box"], o["done"], o["undo"], "".join(sorted(c["letter"] for c in o["changes"])), sum("path_bytes" in c for c in o["changes"]))' "$OUT")"
cb log 1; out "control characters are shown" "R  $T/w/a -> $T/w/n/b\\\\012\$"; cb log 1 --json; json "log of such names"
cb log -z 1; is "exact in -z" 1 "$(tr '\0\n' '\n\001' <"$OUT" | grep -ac $'n/b\001$')"; cb discard -f -b j

# ---- log ----
fresh; echo 1 >a; for b in one two; do in_box $b "echo $b >a; echo $b >new-$b; exit 0 # of $b"; cb commit -b $b -a; done
cb log; status "log" 0; out "a header" '^NO +TIME +BOX +CHANGES +HELD +COMMAND$'; out "a row" '^ 2  20[0-9-]{8} [0-9:]{5}  two  1 added, 1 modified +[0-9.]+ [KM]?i?B  bash -c echo two'
cb log -b one; is "of one box" 2 "$(wc -l <"$OUT")"; out "of one box" '^ 1 .* one '; cb log -b none; status "of no box" 0; empty_out "of no box"; err "of no box" 'the history has no commit of a box none$'; cb log -b .x; status "no name" 2
cb log --json; json "log --json"; is "log --json" "[2, 1] 1 None True" "$(python3 -c 'import json, sys; o = json.load(open(sys.argv[1])); print([e["number"] for e in o], o[0]["counts"]["added"], o[0]["undone_by"], o[0]["bytes"] > 0)' "$OUT")"
cb log -z; is "log -z" "2|commit|0|two|2" "$(tr '\0\t' '\n|' <"$OUT" | head -n 1 | cut -d'|' -f1-3,5-6)"
cb log 2; out "details" '^commit 2 of box two$'; out "the place" "held: .* in $COWBOX_HOME/history/2\$"; out "the paths" "^A  $T/w/new-two\$"; cb log 9; status "no such number" 3; one_line "no such number" 'there is no entry 9'
PAGER=cat tty -- log; out "on a terminal" '^ 2  20'; PAGER='sed s/^/paged:/' tty -- log 2; out "through the pager" '^paged:commit 2 of box two$'; PAGER=/nonexistent PAGER=cat tty -- log; out "which may be missing" '^ 1  20'
for n in 30 50 80; do PAGER=cat tty --cols=$n -- log; status "log in $n columns" 0; is "no line is longer" 0 "$(awk -v n=$n 'length($0) > n' "$OUT" | wc -l)"; done
tty -- list; out "list tells of it" '^cowbox: history: 2 commits, [0-9.]+ KiB: cowbox log$'; cb list; no_err "but not to programs" history; cb list --json; json "list --json"

# ---- old ones are given up ----
entries() { "$COWBOX_BIN" log -z | tr '\0' '\n' | cut -f1 | tr '\n' ' '; }
for i in 3 4; do in_box one "seq $((i * 100000)) >big"; cb commit -b one -a; done
is "four" "4 3 2 1 " "$(entries)"
cb log --prune; status "--prune with nothing to do" 0; is "--prune with nothing to do" "cowbox: nothing was given up: the history has 4 entries" "$(sed 's/,.*//' "$ERR")"
cb log --prune --age=1; is "young ones stay" "4 3 2 1 " "$(entries)"
cb log --prune --age=0 --size=0; is "no limit" "4 3 2 1 " "$(entries)"
cb log --prune --size=1M; status "--prune by size" 0; err "it says what" '^cowbox: gave up [1-3] entr(y|ies), .*; the history has [1-3], '; check "the oldest went, the last stayed" test "$(entries | cut -c1)" = 4 -a "$(entries | wc -w)" -lt 4
cb log --prune --size=1; is "the last stays in any case" "4 " "$(entries)"; is "and only that is on the disk" "4 lock" "$(ls "$COWBOX_HOME/history" | tr '\n' ' ' | sed 's/ $//')"
cb undo; status "which can be taken back" 0; is "to what it was" 300000 "$(tail -n 1 big)"; cb undo 3; status "one that was given up" 3; one_line "one that was given up" 'commit 3 was given up: see cowbox log'
for i in 1 2; do in_box one "echo $i >small"; COWBOX_HISTORY_SIZE=1 cb commit -b one -a; done; is "a commit gives them up" 1 "$(entries | wc -w)"
in_box one 'echo 3 >small'; COWBOX_HISTORY_SIZE=0 COWBOX_HISTORY_AGE=0 cb commit -b one -a; is "unless there is no limit" 2 "$(entries | wc -w)"
in_box one 'echo 4 >small'; COWBOX_HISTORY_SIZE=lots COWBOX_HISTORY_AGE=1d cb commit -b one -a; err "a limit that is none" '^cowbox: warning: COWBOX_HISTORY_SIZE=lots is no limit'; is "gives up nothing" 3 "$(entries | wc -w)"
for b in one two; do cb discard -f -b $b; done

# ---- asked on a terminal ----
fresh; echo 1 >a; for i in $(seq 15); do echo x >x$i; done; sealed before
in_box q 'echo 2 >a; rm x*; mkdir n; echo n >n/n'; tty -- commit -b q -a; out "the hint" '^cowbox: committed 18 changes of box q \(cowbox undo takes it back\)$'; sealed committed
tty 'take it back\? \[y/N/l\(ist\)\] ' 'n\n' -- undo; status "no" 1; out "what it is" '^cowbox: commit 1 of box q, made [0-9]+ s ago \(20[-0-9]+ [0-9:]+\): bash -c echo 2'; out "how much" '^cowbox: what is taken back: 2 added, 1 modified, 15 deleted$'; out "a few paths" "^  M  $T/w/a\$"; out "and how many more" '^  and 8 more$'; out "it says so" '^cowbox: nothing was taken back$'; sealed after; same "no" "$T/committed" "$T/after"
tty 'take it back' '\n' -- undo; status "the default is no" 1; tty 'take it back' '\x03' -- undo; status "^C" 1; tty 'take it back' '\x04' -- undo; status "^D" 1; out "^D" '^cowbox: nothing was taken back$'; sealed after; same "still there" "$T/committed" "$T/after"
PAGER='sed s/^/paged:/' tty 'take it back' 'l\n' 'take it back' 'y\n' -- undo; status "a list, and yes" 0; is "the list has all" 18 "$(grep -c '^paged:[AMD]  /' "$OUT")"; sealed after; same "yes" "$T/before" "$T/after"; out "it says so" '^cowbox: took back commit 1 of box q \(18 changes; it is kept as undo 2\)$'
in_box q 'echo 2 >a'; cb commit -b q -a; tty -- undo -y; status "-y does not ask" 0; is "-y" 1 "$(cat a)"
in_box q 'echo 2 >a; echo y >y'; cb commit -b q -a; echo 3 >a; tty -- undo; status "conflicts come before the question" 1; out "conflicts" "^cowbox: conflict: $T/w/a: "; no_out "which is not asked" 'take it back\?'
tty 'take it back' 'y\n' -- undo --on-conflict=skip; status "skip on a terminal" 1; is "what is left is named once" 1 "$(grep -c "^cowbox: left: $T/w/a: " "$OUT")"; check "the rest" test "$(cat a)" = 3 -a ! -e y; cb discard -f -b q

# ---- what the host has become ----
fresh; echo orig >f; ln f g; in_box x 'ln g h; rm f; echo kk >k'; cb commit -b x -a; echo OTHER >h.t; mv h.t h; cb undo --on-conflict=replace; status "a name that is another's by now" 0; is "the file comes back by the name that still is it" "orig $(stat -c %i g)" "$(cat f) $(stat -c %i f)"; cb discard -f -b x
fresh; mkdir a c e; echo one >a/1; ln a/1 c/1; ln a/1 e/h; in_box x 'chmod 600 a/1; rm c/1'; cb commit -b x -a; cp -p a/1 t; mv t a/1; cb undo; status "a file that was parted from its other names" 1; err "it is named" "^cowbox: conflict: $T/w/a/1: it is another since\$"; cb discard -f -b x
fresh; in_box x 'mkdir -p new/a/b; echo 1 >new/f; echo 3 >new/a/b/f'; cb commit -b x -a; cp -a new copy; rm -r new; mv copy new; cb undo; status "directories that are copies by now" 0; check "are gone" test ! -e new; cb discard -f -b x
fresh; mkdir d; echo 1 >d/f; in_box x 'rm -r d; mkdir d; ln -s x d/l; echo y >z; rm -r d; echo n >d'; cb commit -b x -a; rm d; mkdir d; cb undo --on-conflict=skip; status "skipped" 1; check "the rest" test -d d -a ! -e z; cb discard -f -b x

# ---- the store on another file system ----
O=$(mktemp -d /dev/shm/cowbox-e2e.XXXXXX 2>/dev/null) && trap 'remove "$O"; on_exit' EXIT
if [ -n "$O" ] && [ "$(stat -c %d "$O")" != "$(stat -c %d "$T")" ] && COWBOX_HOME=$O/s "$COWBOX_BIN" run -b x -- true 2>"$T/shm.err"; then
	home=$COWBOX_HOME; export COWBOX_HOME=$O/s
	fresh; make_tree; sealed before; in_box x "$change"; cb commit -b x -a; status "commit across file systems" 0; sealed committed
	taken_back "across file systems"; in_box x "$change"; cb commit -b x -a; rm "$OTHER"; echo later >>text; cb undo; status "refused there too" 1; cb undo --on-conflict=replace; status "replaced there too" 0; is "replaced there too" 100 "$(tail -n 1 text)"
	cb discard -f -b x; shapes
	fresh; mkdir -p A/B; echo 1 >A/B/x; sealed before; in_box x 'mv A/B t; mv A t/A; mv t B2; mv B2 A'; cb commit -b x -a; in_box x 'rm -r A'; cb commit -b x -a; cb undo; cb undo; status "what was parked is a copy by now" 0; sealed after; same "what was parked is a copy by now" "$T/before" "$T/after"
	fresh; echo 1 >a; ln a b; in_box x 'rm a; chmod 600 b'; cb commit -b x -a; in_box x 'rm b; echo new >b'; cb commit -b x -a; cb undo; cb undo; status "the other name is a copy by now" 0; is "the two are one again" "2 1" "$(stat -c %h a) $(cat a)"
	fresh; mkdir g; echo 1 >one; ln one one2; ln one one3; echo 2 >g/two; ln g/two two2; echo 3 >both; ln both both2; echo 4 >known; ln known known2
	in_box x 'rm one g/two both both2; rmdir g; echo more >>known2; rm known'; cb commit -b x -a; cb undo; status "names that are not known" 0
	for n in "one: 2 other names of the file stay as the commit left them" "g/two: 1 other name of the file stays as the commit left it"; do err "told: $n" "^cowbox: warning: $T/w/${n%%:*}: it is a copy now, since the history is on another file system:${n#*:}\$"; done
	is "no others are told" 2 "$(grep -c warning: "$ERR")"; is "both stay one file" 2 "$(stat -c %h both)"; is "and what is known" "2 4" "$(stat -c %h known2) $(cat known2)"
	cb discard -f -b x; export COWBOX_HOME=$home
else
	skip_part "a store on another file system: /dev/shm cannot have one ($(head -n 1 "$T/shm.err" 2>/dev/null))"
fi
[ -n "$O" ] && remove "$O"; trap on_exit EXIT

# ---- undo is interrupted ----
fresh; mkdir many; for i in $(seq 2000); do echo $i >many/$i; done; echo 1 >a; dd if=/dev/urandom of=big bs=1M count=20 status=none; ln big big2; age .; sealed before
in_box k 'for i in many/*; do echo x >>$i; done; echo 2 >a; rm -r many/1*; mkdir n; for i in $(seq 1000); do echo $i >n/$i; done; cat big >tmp; cat tmp tmp >big; rm tmp'; cb commit -b k -a; status "a large commit" 0; sealed committed
tried=0 killed=0
for delay in 0.01 0.03 0.06 0.1 0.15 0.2 0.3; do
	"$COWBOX_BIN" undo >"$T/killed" 2>&1 </dev/null &
	pid=$!; sleep $delay; kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null
	tried=$((tried + 1))
	[ ! -e "$COWBOX_HOME/history/open" ] || killed=$((killed + 1))
	cb list; status "the next command" 0
	if cb log && grep -q 'undo of' "$OUT"; then
		sealed after; same "killed after $delay s: it was finished" "$T/before" "$T/after"; no_temporaries "killed"; break
	fi
	sealed after; same "killed after $delay s: it was taken back" "$T/committed" "$T/after"; no_temporaries "killed"
done
say "killed $killed of $tried in the middle"
[ $killed -gt 0 ] || skip_part "an undo that is killed: it was too quick"
cb log; grep -q 'undo of' "$OUT" || taken_back "after all that"
fresh; mkdir many; for i in $(seq 2000); do echo $i >many/$i; done; in_box i 'for i in many/*; do echo x >>$i; done'; cb commit -b i -a; sealed committed
"$COWBOX_BIN" undo >"$T/int" 2>&1 </dev/null &
pid=$!; sleep 0.1; kill -TERM $pid; wait $pid; st=$?
if [ $st = 3 ]; then
	sealed after; same "SIGTERM: it was taken back" "$T/committed" "$T/after"; check "and told" grep -qx 'cowbox: undo: interrupted: nothing was taken back, and the host is as it was' "$T/int"; no_temporaries "SIGTERM"
else
	check "SIGTERM came too late, or too early" test $st = 0 -o $st = 143
fi
cb discard -f -b i; cb discard -f -b k

# ---- as an ordinary user too ----
if [ "$(id -u)" = 0 ] && [ -z "${UNDO_AS_USER:-}" ]; then
	if command -v setpriv >/dev/null; then
		cd "$T"; chmod 755 "$T"; mkdir user e2e; chown 54321:54321 user; chmod 755 e2e
		cp "$E2E"/{lib.sh,cli.sh,undo.sh,pty_talk.py} e2e/; install -m 755 "$COWBOX_BIN" "$SEAL_BIN" bin/
		COWBOX_SKIP_LOG='' setpriv --reuid 54321 --regid 54321 --clear-groups env -i PATH="$PATH" HOME="$T/user" TMPDIR="$T/user" COWBOX_TEST_DIR="$T/user" UNDO_AS_USER=1 \
			COWBOX_BIN="$T/bin/$(basename "$COWBOX_BIN")" SEAL_BIN="$T/bin/$(basename "$SEAL_BIN")" bash "$T/e2e/undo.sh" >"$T/user.out" 2>&1 </dev/null
		st=$?; tail -n 1 "$T/user.out"; check "all of it as an ordinary user" test $st = 0 || show "$T/user.out" 60
	else
		skip_part "as an ordinary user: no setpriv"
	fi
fi
finish
