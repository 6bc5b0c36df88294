#!/bin/bash
# What a commit leaves in the box, by decision or by need, is what the next one finds: nothing is lost by the way, and nothing comes true that was not wanted.
. "$(dirname "$0")/lib.sh"
need python3 python3
. "$E2E/cli.sh"
export NO_COLOR=1 PAGER=cat

# fresh: an empty directory, and no box i; in_box COMMAND: in the box
fresh() { cb discard -f -b i; cd "$T" && rm -rf w && mkdir w && cd w || exit 1; }
in_box() { cb run -b i -- sh -c "$1"; }
left() { local OUT ERR LAST; cb status -b i; is "$1" "$2" "$(sed "s,$T/w/,,g; s/  (.*//; s/ (one .*//; s/  */ /g" "$OUT" | tr '\n' ';')"; }
has_text() { is "$1" "$3" "$(echo $(cat "$2" 2>/dev/null))"; }

# ---- decisions hold ----
fresh; echo o >f; in_box 'echo box >f'; echo host >f; cb commit -b i -a --keep --on-conflict=host; left "the host's, and --keep: the box's is dropped" ""; cb commit -b i -a; has_text "it is not committed later" f host
fresh; echo o >f; in_box 'echo box >f'; echo host >f; cb commit -b i -a --keep --on-conflict=both; left "both, and --keep: a conflict still" "M! f;"; cb commit -b i -a; has_text "which is not committed later" f host; has_text "the box's is beside it" f.i box
fresh; seq 9 >f; in_box "sed -i 's/^2\$/two/' f"; sed -i 's/^8$/eight/' f; cb commit -b i -a --keep --on-conflict=merge; left "a merge, and --keep" "M! f;"; cb commit -b i -a; is "the host's part stays" 2 "$(grep -c 'two\|eight' f)"; cb commit -b i -a --on-conflict=merge; left "merged again it is the same" ""
fresh; echo h >x; in_box 'rm x; mkdir x; echo y >x/y; echo z >x/z; chmod 4755 x/z'; echo host >x; tty ' x/ .*all of it' y 'x/z .*set-uid' n 'Conflict 1 of' h 'not all that the box has in it was chosen' '' '\[s\]kip' s -- commit -b i; left "what is below and was not chosen keeps it from being dropped" "T! x/;A! x/y;A! x/z [set-uid: runs as user $(id -u)];"; cb commit -b i -a; has_text "and the host's is there" x host
fresh; echo o >c; echo z >z; in_box 'echo box >c; echo n >z'; echo host >c; tty 'M  c: .*a conflict: y is --on-conflict=box' n 'M  z' n -- commit -b i --on-conflict=box; status "a decided conflict is asked about" 1; has_text "n leaves it" c host; tty 'M  c: ' y 'M  z' q -- commit -b i --on-conflict=box; has_text "y takes it, and q leaves the rest" c box; has_text "the rest" z z
# names beside that another's would have taken
fresh; cb discard -f -b 2; for i in f f.2 other; do echo o >$i; done; cb run -b 2 -- sh -c 'for i in f f.2 other; do echo box >$i; done'; echo host >f; echo host >f.2; cb commit -b 2 -a --on-conflict=both; status "names beside" 0; has_text "each has its own" f.2.2 box; has_text "the other too" f.2.2.2 box; has_text "the rest" other box
cb undo -n; out "an undo of them names what it takes away" "^A  $T/w/f\\.2\\.2\$"; no_out "and not what stays" "/f\$"; cb undo; is "which is gone" "f f.2 other" "$(echo $(ls))"
fresh; mkdir d; echo o >d/a; in_box 'mv d e; echo box >e/a'; echo host >d/a; cb commit -b i -a --on-conflict=both; err "beside, in a renamed directory" "^cowbox: both: $T/w/e/a: the box's is $T/w/e/a\\.i\$"; has_text "it is there" e/a.i box

# ---- parts of a change ----
hunks="sed -i '2s/.*/T/;50s/.*/F/' f"
fresh; seq 60 >f; in_box "$hunks; chmod 4777 f"; tty ' f \[set-uid' p 'mode 0644 -> 4777 set-user-ID: this too' n '1/2' y '2/2' n -- commit -b i -p; status "hunks without the mode" 0; is "the mode stays" 644 "$(stat -c %a f)"; is "one hunk" T "$(grep '[TF]' f)"; left "the rest is there" "M f [set-uid: runs as user $(id -u)];"; cb commit -b i -a; is "and comes later" "4777 T F" "$(stat -c %a f) $(echo $(grep '[TF]' f))"
fresh; seq 60 >f; in_box "$hunks; chmod 600 f"; tty 'mode 0644 -> 0600: this too' y '1/2' n '2/2' n -- commit -b i -p; is "the mode without hunks" "600 " "$(stat -c %a f) $(grep '[TF]' f)"; left "the content is there" "M f;"
fresh; seq 60 >f; in_box "$hunks"; tty '1/2' y '2/2' n -- commit -b i -p; cb undo; left "a part taken back" "M f;"; cb commit -b i -a; is "is whole again" "T F" "$(echo $(grep '[TF]' f))"
fresh; in_box 'mkdir d; for i in 1 2 3 4 5 6; do echo $i >d/f$i; done; chmod 4755 d/f4'; tty ' d/' y 'f4 .*set-uid' q -- commit -b i; status "q in a directory that was taken" 1; is "what was not asked about is there" "f1 f2 f3 f5 f6" "$(echo $(ls d))"; out "and what is left is said" '1 change was not chosen, and stays in box i'

# ---- kept, and taken back ----
fresh; echo precious >c; echo a >a; echo b >b; in_box 'mv c c2; echo x >>a; rm b; mkdir n; echo 1 >n/1; ln -s q l'; cb commit -b i -a --keep; left "nothing is left to do" ""; cb undo; left "all of it again" "M a;D b;R c -> c2;A l;A n/;A n/1;"; cb commit -b i -a; is "and it can be committed again" "a c2 l n" "$(echo $(ls))"; has_text "none is lost" c2 precious
fresh; echo precious >c; in_box 'mv c c2'; cb commit -b i -a --keep; mv c2 c; cb commit -b i -a; has_text "moved back by hand: a rename still" c2 precious
fresh; echo o >f; cb run -- sh -c 'echo work >f'; cb commit -a --keep; cb undo; cb commit -a; has_text "a box without a name keeps it too" f work
fresh; echo o >f; in_box 'echo work >f'; cb commit -b i -a --keep; echo edit >f; left "what the host does to it is told" "M f;"; cb commit -b i -a; has_text "and stays" f edit

# ---- things that are tied ----
fresh; echo r >r1; in_box 'mv r1 r2'; echo host >r2; left "a rename whose new name was taken" "R! r1 -> r2;"; cb commit -b i -a --on-conflict=host; is "the host's: both names stay" "r host" "$(cat r1 r2 | tr '\n' ' ' | sed 's/ $//')"
fresh; mkdir d; echo 1 >d/1; seq 3 >other; in_box 'mv d e; echo new >e/new; echo x >>other'; rm -r d; cb commit -b i -a; status "a renamed directory is gone" 1; left "what is in it waits" "R! d -> e/;A! e/new;"; is "the rest is committed" x "$(tail -n 1 other)"
fresh; mkdir -p g/f/d; echo 1 >g/f/d/e; in_box 'rm -r g/f; mv g k'; cb commit -b i -a; status "removed in what was renamed then" 0; is "is removed" "k" "$(echo $(find . -mindepth 1 -printf '%P '))"
fresh; echo 1 >f; ln f g; ln f h; in_box 'echo x >>f; rm g'; cb commit -b i "$PWD/f"; cb commit -b i -a; status "other names of a file that was committed" 0; is "" "f h" "$(echo $(ls))"
fresh; mkdir c; echo 1 >a; ln a e; in_box 'mv a c/d; echo x >>e'; echo host >c/d; cb commit -b i -a; left "names of one file go together" "R! a -> c/d;M! e;"; rm c/d; cb commit -b i -a; is "later too" "c c/d e" "$(echo $(find . -mindepth 1 -printf '%P\n' | sort))"; is "as one file" 2 "$(stat -c %h e)"
fresh; ln -s c c; echo 1 >a; ln a e; in_box 'rm c; mkdir -p c/b; mv a c/b/d; echo x >>e'; cb commit -b i -a; status "a loop of links becomes a directory" 0; is "with what moved into it" "c c/b c/b/d e" "$(echo $(find . -mindepth 1 -printf '%P\n' | sort))"
fresh; in_box 'mkdir n; echo b >n/box'; mkdir n; chmod 700 n; echo h >n/host; left "a directory new on both sides" "m! n/;A n/box;"; cb commit -b i -a --on-conflict=box; is "what the host has in it stays" "box host" "$(echo $(ls n))"
fresh; in_box 'python3 -c "import socket; socket.socket(socket.AF_UNIX).bind(\"s\")"; mkdir d; echo 1 >d/1; python3 -c "import socket; socket.socket(socket.AF_UNIX).bind(\"d/s\")"'; cb commit -b i -a; status "sockets" 0; err "each is named" "^cowbox: left out: $T/w/d/s: a socket"; err "and counted" 'committed 2 changes of box i \(2 left out\)$'; is "the rest is there" "d d/1" "$(echo $(find . -mindepth 1 -printf '%P\n' | sort))"; left "none is left" ""

# ---- -n changes nothing ----
fresh; echo o >f; in_box 'echo n >f'; cb run -b 2 -- true; (cd "$COWBOX_HOME" && find . -type f ! -name lock -exec cksum {} + | sort) >"$T/store.before"; seal . >"$T/w.before"; cb commit -b i -a -n; (cd "$COWBOX_HOME" && find . -type f ! -name lock -exec cksum {} + | sort) >"$T/store.after"; seal . >"$T/w.after"; same "-n: the store is as it was" "$T/store.before" "$T/store.after"; same "-n: the host too" "$T/w.before" "$T/w.after"; cb discard -f -b 2

# ---- the box chooses nothing that is run here ----
fresh; mkdir proj; seq 5 >proj/doc; in_box "cd proj; mkdir objects refs; echo ref: refs/heads/x >HEAD; printf '[merge]\n tool = vimdiff\n[mergetool \"vimdiff\"]\n cmd = touch $T/evil; echo owned >\$MERGED\n' >config; echo box >>doc"; echo host >>proj/doc; cb commit -b i -a; cd proj; tty '\[s\]kip' t '\[s\]kip' s -- commit -b i -a; check "a tool that a repository names is not run" test ! -e "$T/evil"; cd ..
finish
