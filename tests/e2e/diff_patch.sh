#!/bin/bash
# `cowbox diff` is a patch: patch(1) and git apply make of a copy of the host's files what commit makes of the host's.
. "$(dirname "$0")/lib.sh"
need patch patch
need git git
need python3 python3
. "$E2E/cli.sh"
W=$T/w

# files NAME DIR: of each file and link its name, type, permissions, link text and content; what a patch can hold
files() {
	(cd "$2" && find . \( -type f -o -type l \) -printf '%P\0%y %m %l\0') | python3 -c '
import hashlib, os, sys
root, modes = sys.argv[1:]
words = sys.stdin.buffer.read().split(b"\0")[:-1]
for name, what in sorted(zip(words[::2], words[1::2])):
    kind, mode, link = what.split(b" ", 2)
    if kind == b"f":
        link = hashlib.sha256(open(os.path.join(root.encode(), name), "rb").read()).hexdigest().encode()
        if modes == "git":
            mode = b"755" if int(mode, 8) & 0o100 else b"644"
    print(name, kind.decode(), mode.decode() if kind == b"f" else "", link)
' "$2" "$3" >"$1"
}

# patches NAME SETUP CHANGE [by git alone]: in $W
patches() {
	local name=$1 d=$T/$1 by root
	mkdir "$d"
	cd "$T" && rm -rf w && mkdir w && cd w || exit 1
	(set -e; eval "$2") >"$d/setup.log" 2>&1 || { fail "$name: the setup failed"; show "$d/setup.log"; return; }
	for by in patch git; do mkdir -p "$d/$by$T" && cp -a "$W" "$d/$by$W"; done
	cb run -b p -- sh -ec "$3"; status "$name: the changes" 0
	cb diff -b p; status "$name: diff" 0; cp "$OUT" "$d/p"
	cb commit -b p -a; status "$name: commit" 0
	for by in patch git; do
		root=$d/$by
		[ "$by" = patch ] && [ -n "${4:-}" ] && continue
		if [ "$by" = patch ]; then patch -p1 -d "$root" <"$d/p" >"$d/$by.log" 2>&1
		else (cd "$root" && git apply "$d/p") >"$d/$by.log" 2>&1; fi
		check "$name: $by takes it" test $? = 0 || show "$d/$by.log"
		files "$d/$by.want" "$W" "$by"; files "$d/$by.have" "$root$W" "$by"
		same "$name: $by makes what commit makes" "$d/$by.want" "$d/$by.have"
	done
	cb discard -f -b p
}

patches text 'printf "one\ntwo\n" >f; seq 500 >many; printf no-newline >nn; echo c >crlf' \
	'echo three >>f; sed -i "s/^250/x/;/^400/d" many; printf more >>nn; printf "dos\r\n" >crlf; printf new-no-newline >new; echo in >sub 2>&1'
patches names 'echo 1 >"my file"; echo 2 >"sp ace"; echo 3 >"q\"uote"; echo 4 >"back\\slash"; echo 5 >ümlaut; echo 6 >"tab	in"; printf 7 >"new
line"; echo 8 >" lead"; echo 9 >"trail "; mkdir "a dir"; echo 10 >"a dir/x y"; : >"empty one"; echo r >"re name"; echo m >"mode change"' \
	'for f in "my file" q* back* ümlaut tab* new* " lead" "trail " "a dir/x y"; do echo more >>"$f"; done; rm "sp ace" "empty one"; : >"another empty"; mv "re name" "a dir/re named"; chmod 755 "mode change"; echo n >"new one"; printf "\377x\n" >"$(printf "\377bytes")"'
patches empties ': >gone; : >filled; echo x >emptied; : >moved; mkdir d; : >d/in' 'rm gone; : >new; mkdir -p a/b; : >a/b/new; echo f >filled; : >emptied; mv moved there; rm -r d'
patches links 'ln -s a retarget; ln -s b gone; ln -s c moved; ln -s d tofile; echo f >tolink; ln -s "a b" "l k"; mkdir d; ln -s x d/in' \
	'ln -sfn other retarget; rm gone; mv moved elsewhere; rm tofile; echo file >tofile; rm tolink; ln -s t tolink; ln -sfn "c d" "l k"; ln -s /new new; mv d e; ln -s y e/more'
patches modes 'echo x >a; echo y >b; echo z >c; chmod 755 b; echo s >both; echo m >moved; ln -s a l' 'chmod 755 a; chmod 644 b; chmod 600 c; echo t >>both; chmod 755 both; mv moved is; chmod 755 is; echo n >new; chmod 700 new'
patches renames 'echo 1 >a; seq 50 >b; echo x >x; echo y >y; echo old >target; echo new >source; echo copy >copied; mkdir -p d/sub/deep e/s; for i in 1 2 3; do echo $i >d/$i; echo $i >d/sub/$i; done; echo deep >d/sub/deep/f; ln -s 1 d/l; echo in >e/s/in; echo out >e/out' \
	'mv a a2; mv b b2; echo more >>b2; mv x t; mv y x; mv t y; mv source target; mv copied copy; echo again >copied; mv d moved; echo more >>moved/sub/2; rm moved/3; echo new >moved/sub/new; mv moved/sub/deep/f out-of-it; mv e moved/e; mv moved/1 moved/uno; rm moved/sub/3; mkdir d; echo other >d/other; mv moved/sub/1 d/1'
patches renames2 'mkdir -p p/q r; echo 1 >p/1; echo 2 >p/q/2; echo 3 >r/3; echo 4 >p/4' 'mv p/q moved-out; mv p t; mv r p; mv t r; mv p/3 p/three; rm -r r/4; mkdir z; mv moved-out z/q; mv z/q/2 z/2'
patches deletes 'mkdir -p d/e/f keep; echo 1 >d/1; echo 2 >d/e/2; : >d/e/f/3; ln -s x d/l; echo k >keep/k; echo k >keep/l; echo m >d/e/m' 'mv d/e/m rescued; rm -r d; rm keep/k'
patches types 'mkdir dir; echo i >dir/i; echo f >file' 'rm -r dir; echo now-a-file >dir; rm file; mkdir file; echo x >file/x' 'by git alone'
# what it cannot hold is told in lines that neither minds
patches unheld 'printf "\0\1" >bin; printf "\0" >binmode; printf "\0" >binmoved; printf "\0" >bingone; mkdir dm; echo o >o; echo t >t' \
	'printf x >>t; mkdir empty; mkfifo fifo; chmod 700 dm; chmod 755 binmode; mv binmoved binis; touch -d 2001-01-01 o'
cat "$T/unheld/p" >"$T/log/unheld"; OUT=$T/log/unheld
out "a directory" "^# new directory b$W/empty, mode 0755\$"; out "a FIFO" "^# new FIFO b$W/fifo, mode 0644\$"; out "a directory's mode" "^# mode of directory b$W/dm: 0755 -> 0700\$"; out "a time" "^# time of b$W/o: .* -> 2001-01-01"
is "the parts that can be applied" 3 "$(grep -c '^diff --git' "$OUT")"
cd "$W" && cb run -b p -- sh -c 'printf "\0\2\3" >bin; rm bingone; printf "\0" >binnew'; cb diff -b p
out "a binary file" "^# Binary files a$W/bin and b$W/bin differ \\(2 B -> 3 B\\)\$"; out "a new one" "^# Binary files /dev/null and b$W/binnew differ \\(1 B, mode 0644\\)\$"; no_out "no part of theirs" '^diff'
cb diff -b p --color bin; out "in colour" "^$(printf '\033')\[1m# Binary"; cb discard -f -b p

# a real tree, changed all over
real='mkdir tree && cp -a "$E2E/../../src" "$E2E/../../overlay" "$E2E/../../tests" "$E2E/../../docs" "$E2E/../../include" tree/'
patches real "$real" 'cd tree; grep -rl struct src overlay | xargs sed -i "s/struct/STRUCT/"; mv src/base src/foundation; mv src/cmd commands; rm -r docs; find tests -name "*.sh" -print0 | xargs -0 chmod -x; find include -name "*.h" | while read -r f; do mv "$f" "${f%.h}.hh"; done; mkdir -p new/place; mv tests/unit new/place/unit; for f in new/place/unit/*.c; do echo "/* more */" >>"$f"; done; mv overlay/overlay.c commands/; seq 1000 >new/numbers'

# ---- conflicts are told at the top of their part ----
cd "$T" && rm -rf w && mkdir w && cd w || exit 1
echo one >text; echo two >fine
cb run -b c -- sh -c 'echo box >>text; echo box >>fine'; echo host >>text
cb diff -b c; is "a line before the part of the conflict" "# conflict: the host's was changed since;diff --git a$W/text b$W/text" "$(grep -B1 'diff --git.*text' "$OUT" | tr '\n' ';' | sed 's/;$//')"
is "and only there" 1 "$(grep -c '^# conflict' "$OUT")"
cb discard -f -b c
finish
