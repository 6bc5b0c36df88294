#!/bin/bash
# What cowbox commit asks on a terminal: changes by directory, hunks, many changes at once; and what of them PATHs and patterns choose.
. "$(dirname "$0")/lib.sh"
need python3 python3
. "$E2E/cli.sh"
export NO_COLOR=1 PAGER=cat

fresh() {
	cd "$T" && rm -rf w && mkdir w && cd w || exit 1
	printf 'one\ntwo\n' >text
	echo x >other
	mkdir dir && echo in >dir/in && echo two >dir/two
	seq 30 >nums
}
hunks="seq 30 | sed 's/^3\$/three/;s/^5\$/five/;s/^25\$/xxv/'"
# left NAME LINES: what the box still has, as "A text;M dir/in;"
left() { local OUT ERR LAST; cb status -b i; is "$1" "$2" "$(sed 's/^\(.\)[ !]/\1/' "$OUT" | sed "s,$T/w/,,g" | tr '\n' ';')"; }
again() { cb discard -f -b i; fresh; cb run -b i -- sh -c "$1"; }

# ---- the order, the headings, each key ----
fresh; cb run -b i -- sh -c 'rm other; rm -r dir; echo a >a; echo b >>text; mkdir -p new/sub; echo 1 >new/1; echo 2 >new/sub/2; chmod 700 new/sub'
tty --cols=80 'Deleted in .*/w/\n' '' '^  D  dir/ +\[y/n/d/a/v/q/\?\] $' x 'd  commit this and what follows under this heading' '' '  D  dir/' y 'D  other' n 'In .*/w/\n' '' 'A  a +' '\n' '' y 'A  new/, a new directory with 3 things in it: all of it\?' e 'In .*/w/new/\n' '' 'A  1 ' n 'A  sub/, a new directory with 1 thing' y 'In .*/w/\n' '' 'M  text ' '\x1b[A' 'q  stop' '' 'M  text' q -- commit -b i
status "q" 1; out "each key counts without Enter, and is shown" ' D  dir/ .*\] y$'; out "Enter and arrows do nothing" ' M  text .*\] q$'
left "what was not taken is left" "A new/1;D other;M text;"; check "what was taken is there" test -e new/sub/2 -a ! -e dir -a -e a
is "nothing is wider than the terminal" 0 "$(grep -v '^cowbox: ' "$OUT" | awk 'length($0) > 80' | wc -l)"; no_out "no colours" "$(printf '\033')\\[3"
again 'rm other dir/in; rm text; echo a >a; echo b >b; echo c >dir/c'
tty 'D  other' d 'D  in' n 'A  a ' d 'A  c ' n -- commit -b i; status "d: what follows under the heading" 0; left "and no more" "A dir/c;D dir/in;"
again 'rm other; echo a >a; echo b >b; echo c >dir/c'
tty 'D  other' n 'A  a ' a -- commit -b i; status "a: all that follows" 0; left "but not what came before" "D other;"
again 'echo a >a; echo b >b; mv other dir/other; echo x >s; chmod 4755 s'
tty 'A  a ' d '/w/s +\[set-uid|A  .*/w/s \[set-uid' n 'R  ' n -- commit -b i; status "d asks for what lends rights" 0; left "and left it" "R other -> dir/other;A s [set-uid: runs as user $(id -u)];"
again 'echo a >a; echo b >b'
tty 'A  a ' y 'A  b ' '\x03' -- commit -b i; status "^C" 1; out "it says so" '^cowbox: nothing was committed$'; check "nothing was" test ! -e a
tty 'A  a ' y 'A  b ' '\x04' -- commit -b i; status "^D" 1; check "^D is q" test -e a -a ! -e b
COLUMNS= tty --cols=20 'A  b ' '' '\n  \[y' v '\+b\n' '' '\[y' y -- commit -b i; status "on a narrow terminal the keys have their own line" 0; check "they work" test -e b

# ---- hunks ----
again "$hunks >nums; printf 'a\\0b' >bin; echo n1 >n; echo n2 >>n; ln text twin; echo more >>text"
tty '  A  bin +\[y/n/d/a/v/q/\?\]' n 'A  n ' n 'M  nums +\[y/n/d/a/p/v/q' p '-5\n\+five' '' '1/2. this hunk\?  \[y/n/a/d/s/j/e/q/\?\]' '?' 's  split it' '' 'this hunk' s 'split into 2 hunks' '' '1/3. this' j '2/3.*j/k' y '\+xxv' '' '3/3' k '1/3. this' n '3/3' y 'M  text +.one file with [^ ]*\)  \[y/n/d/a/v/q' q -- commit -b i
status "hunks" 1; is "those chosen are there" "3 five xxv" "$(sed -n '3p;5p;25p' nums | tr '\n' ' ' | sed 's/ $//')"; left "the rest is in the box" "A bin;A n;M nums;M text (one file with twin);A twin (one file with text);"
cb diff -b i nums; out "the rest" '^\+three$'; no_out "and nothing else" '^\+five'
again "$hunks >nums"; tty 'M  nums' p '1/2' a -- commit -b i; status "a in a file" 0; left "all of it" ""
again "$hunks >nums"; tty 'M  nums' p '1/2' d -- commit -b i; status "d in a file" 1; out "nothing of it" '^cowbox: nothing was committed'; left "all is left" "M nums;"
again "$hunks >nums; echo z >z"; tty 'M  nums' p '1/2' y '2/2' q -- commit -b i; status "q among hunks" 1; is "commits what was taken" "three five 25" "$(sed -n '3p;5p;25p' nums | tr '\n' ' ' | sed 's/ $//')"; check "and asks no more" test ! -e z
again "$hunks >nums"; tty 'M  nums' p '1/2' y '2/2' '\x03' -- commit -b i; status "^C among hunks" 1; is "commits nothing" 3 "$(sed -n 3p nums)"
again 'printf "a\nb\n" >n'; tty 'A  n ' p '\+a' '' '1/1. this hunk\?  \[y/n/a/d/e/q/\?\]' y -- commit -b i; status "a new file" 0; left "all of it" ""
# -p
again "$hunks >nums; echo z >z; rm other"
tty 'D  other' n '1/2. this' n '2/2. this' y 'A  z ' n -- commit -p -b i; status "-p" 0; no_out "does not ask for the file first" 'M  nums'; is "-p" "3 5 xxv" "$(sed -n '3p;5p;25p' nums | tr '\n' ' ' | sed 's/ $//')"
tty '1/1. this' y -- commit -p -b i nums; status "-p PATH" 0; left "-p PATH asks about that alone" "D other;A z;"
cb commit -p -b i; status "-p without a terminal" 2; one_line "-p without a terminal" 'no terminal'
for o in -a -n --json; do cb commit -b i -p $o z; status "-p $o" 2; one_line "-p $o" '(-p|-a)'; done
# edited
editor() { printf '#!/bin/sh\n%s\n' "$1" >"$T/bin/editor"; chmod +x "$T/bin/editor"; }
editor 'sed -i s/^+three/+THREE/ "$1"'
again "$hunks >nums"; EDITOR=$T/bin/editor tty 'M  nums' p '1/2' e '2/2' n -- commit -b i; status "an edited hunk" 0; is "is taken as it was edited" "THREE five" "$(sed -n '3p;5p' nums | tr '\n' ' ' | sed 's/ $//')"; left "what it was not made to is left" "M nums;"
editor 'n=$(cat "$0.n" 2>/dev/null || echo 0); echo $((n + 1)) >"$0.n"; [ $n = 0 ] && sed -i s/^-3/-wrong/ "$1" || sed -i "s/^-wrong/-3/;s/^+three/+drei/" "$1"'
again "$hunks >nums"; VISUAL=$T/bin/editor EDITOR=false tty 'M  nums' p '1/2' e 'Edit it again\? \[y/n\]' y '2/2' n -- commit -b i; status "edited wrongly, and again" 0; is "the second counts" drei "$(sed -n 3p nums)"; out "what was wrong is told" '^cowbox: .*wrong'
again "$hunks >nums"; EDITOR=false tty 'M  nums' p '1/2' e 'false failed .exit status 1.' '' '1/2' n '2/2' y -- commit -b i; status "an editor that fails" 0; is "leaves the hunk" 3 "$(sed -n 3p nums)"
is "no file of the editor is left" "" "$(ls "$TMPDIR")"

# ---- patterns ----
again 'mkdir -p s/deep/er; echo 1 >s/1.c; echo 2 >s/deep/2.c; echo 3 >s/deep/er/3.c; echo h >s/1.h; echo "*" >"s/[x].c"; echo x >s/x.c'
cb commit -b i 's/*.c' ; status "*" 0; left "not across slashes" "A s/1.h;A s/deep/;A s/deep/2.c;A s/deep/er/;A s/deep/er/3.c;"
cb commit -b i 's/**/*.c'; status "**" 0; left "across them" "A s/1.h;"; check "at any depth" test -e s/deep/er/3.c
cb commit -b i '*.none'; status "nothing like that" 1; one_line "nothing like that" '\*\.none: no change in box i has such a name'
again 'mkdir s; echo "*" >"s/[x].c"; echo x >s/x.c'
cb commit -b i 's/[x].c'; status "a name with brackets" 0; left "is itself where it is there" "A s/x.c;"
cb commit -b i -n "$T/w/s/?.c"; status "an absolute one" 0; out "an absolute one" 'apply +A .*/s/x.c'
mkdir 'a[b]' && cd 'a[b]' && cb run -b i -- sh -c 'echo 1 >1.c' && cb commit -b i '?.c'; status "below a directory with brackets" 0; check "it is there" test -e 1.c; cd ..
again 'mkdir -p s/deep; echo 1 >s/1; echo 2 >s/deep/2'; cb commit -b i 's/d*'; status "a directory" 0; check "goes with what is in it" test -e s/deep/2 -a ! -e s/1
again 'mv dir moved; echo m >>moved/in'; cb commit -b i 'mov*'; status "one name of a rename" 1; err "is not enough" 'its old name .* was not chosen'; cb commit -b i '[dm]*'; status "both" 0

# ---- --keep, --json ----
again 'echo a >a; echo b >>text'; cb commit -a --keep -b i; status "--keep" 0; check "is committed" test -e a; echo changed >a; cb run -b i -- cat a; out "and still in the box" '^a$'
j() { is "$1" "$3" "$(python3 -c 'import json, sys
d = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$OUT" "$2" 2>&1 | tail -1)"; }
again "echo a >a; rm other; echo box >text; printf x >'$(printf 'n\377')'; mv dir/in in"; echo host >text
cb commit -a -n --json -b i; status "-n --json" 1; j "the plan" 'sorted((c["letter"], c["verdict"]) for c in d)' "[('A', 'apply'), ('A', 'apply'), ('D', 'apply'), ('M', 'conflict'), ('R', 'apply')]"
j "each with path, kind, from, why" '[(c["path"].split("/")[-1], c["kind"], c["from"].split("/")[-2:]) for c in d if "from" in c], [c["why"] for c in d if c["why"]]' "([('in', 'renamed', ['dir', 'in'])], [\"the host's was changed since\"])"
j "and the row that judged it" 'all(c["row"] > 0 for c in d)' True
j "a path that is not UTF-8" '__import__("base64").b64decode([c["path_bytes"] for c in d if "path_bytes" in c][0])[-2:]' "b'n\\xff'"
cb commit -n --on-conflict=host --json -b i; j "-n with a decision" '[(c["verdict"], c["how"]) for c in d if c["letter"] == "M"]' "[('same', 'host')]"; is "changes nothing" host "$(cat text)"
cb commit -a --json -b i; status "--json" 1; j "what was done" 'len(d["committed"]), [(c["path"].split("/")[-1], c["why"]) for c in d["left"]], d["failed"], d["box"]' "(4, [('text', \"the host's was changed since\")], [], 'i')"; j "the entry of the history" '[d["entry"]]' "[$(ls "$COWBOX_HOME/history" | sort -n | grep -x '[0-9]*' | tail -n 1)]"
is "people are told nothing" "" "$(grep -v 'box i' "$ERR")"
cb commit --json -b i text; j "nothing was done" 'd["committed"], len(d["left"]), d["entry"]' "([], 1, None)"
cb commit --json -b i none; status "--json of nothing" 1; j "is JSON too" 'd["committed"], d["left"], d["failed"], d["entry"]' "([], [], [], None)"
cb commit --json -b i; status "--json asks nothing" 2
cb discard -f -b i; cb run -b i -- true; cb commit -a --json -b i; status "--json of an empty box" 0; j "is JSON too" 'd["committed"]' "[]"; cb commit -n --json -b i; j "with -n" d "[]"

# ---- 250 changes ----
many='mkdir -p big/a big/b/c small; for i in $(seq 120); do echo $i >big/a/$i; done; for i in $(seq 100); do echo $i >big/b/$i; done; for i in $(seq 20); do echo $i >big/b/c/$i; done; rm gone/*; echo s >small/s; echo l >loose; echo m >>text'
fresh; mkdir gone; for i in $(seq 8); do echo $i >gone/$i; done; cb discard -f -b i; cb run -b i -- sh -c "$many"
tty '^256 changes:\n' '' '  121 A  .*/w/big/a/\n' '' '  8 D  .*/w/gone/\n' '' 'w/ \(single changes\): all of these\?  \[y/n/e/a/v/q/\?\]' '?' 'e  go into it' '' 'w/ \(single changes\): all' e 'A  loose' y 'M  text' n 'big/ \(.*\): (all of these|this one)' n '121 A  .*/big/a/: all' y 'big/b/ \(.*\): (all of these|this one)' n 'big/b/c/: all' n '8 D .*/w/gone/: all' e 'Deleted in .*/gone/' '' 'D  1 ' d 'w/small/: all' n -- commit -b i
status "many changes" 0; check "what was taken is there" test -e big/a/120 -a ! -e big/b -a ! -e gone/1 -a -e loose -a ! -e small; check "the summary fits on a screen" test "$(sed -n '/^256 changes/,/: all /p' "$OUT" | wc -l)" -le 22
cb commit -b i -a; status "the rest" 0; check "the rest" test -e big/b/c/20
finish
