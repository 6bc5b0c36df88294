#!/bin/bash
# Some of the changes of a box, committed or discarded apart from the others: the rest of the view stays as it is, nothing is lost, and nobody but the
# box touches the host unless a case says so.
. "$(dirname "$0")/lib.sh"
. "$E2E/cli.sh"

# begin NAME: an empty host directory and no box
begin() {
	[ -d "$COWBOX_HOME/boxes/m" ] && "$COWBOX_BIN" discard -f -b m >/dev/null 2>&1
	cd "$T" && remove "$T/w" && mkdir "$T/w" && cd "$T/w" || exit 1
	NAME=$1
}
inside() {
	CHECKS=$((CHECKS + 1))
	"$COWBOX_BIN" run -b m -- bash -c "$1" >"$T/inside" 2>"$T/inside.err" </dev/null || { fail "$NAME: in the box: $1"; show "$T/inside.err"; }
}
tree() { find . ! -name . -printf '%P ' | tr ' ' '\n' | sort | tr '\n' ' ' | sed 's/ *$//; s/^ *//'; }
view() { inside 'find . ! -name . -printf "%P " | tr " " "\n" | sort | tr "\n" " " | sed "s/ *$//; s/^ *//"'; cat "$T/inside"; }
sees() { is "$NAME: the view" "$1" "$(view)"; }
host() { is "$NAME: the host" "$1" "$(tree)"; }
commits() { cb commit -b m "$@"; status "$NAME: commit $*" 0; no_err "$NAME: commit $*" 'left|failed|conflict'; }
discards() { cb discard -f -b m "$@"; status "$NAME: discard $*" 0; no_err "$NAME: discard $*" 'left:'; }
# lists LINE...: what status tells, letters and paths below the directory
lists() {
	cb status -b m
	is "$NAME: status" "$*" "$(sed "s, $T/w/, ,g; s,  *, ,g" "$OUT" | LC_ALL=C sort | tr '\n' ',' | sed 's/,$//')"
}

begin "one file of a new directory"
inside 'mkdir d; echo f >d/f; echo g >d/g'
commits d/f
sees 'd d/f d/g'; host 'd d/f'; lists 'A d/g'
inside 'echo h >d/h; cat d/g'; is "$NAME: read" g "$(cat "$T/inside")"; sees 'd d/f d/g d/h'
inside 'rm -r d'; sees ''; lists 'D d/'; commits -a; host ''

begin "a directory that the host made anew"
mkdir d; echo f >d/f
inside 'echo g >d/g; rm d/f'
mv d d.old; mkdir d; echo f >d/f; echo h >d/h
sees 'd d.old d.old/f d/g d/h'

begin "discard of a file in a directory made anew"
mkdir a; echo original >a/g; echo other >a/h; ln -s x a/l
inside 'rm -r a; mkdir a; echo precious >a/g; mkdir a/new; echo n >a/new/n'
lists 'A a/new/,A a/new/n,D a/h,D a/l,M a/g'
discards a/g; sees 'a a/g a/new a/new/n'; inside 'cat a/g'; is "$NAME: the host's" original "$(cat "$T/inside")"
discards a/h; sees 'a a/g a/h a/new a/new/n'; lists 'A a/new/,A a/new/n,D a/l'
discards a/new a/l; lists ''; sees 'a a/g a/h a/l'; host 'a a/g a/h a/l'

begin "discard of all below a directory made anew"
mkdir -p a/b; echo 1 >a/b/f; echo 2 >a/k
inside 'rm -r a; mkdir -p a/b; echo n >a/b/n'
discards a; lists ''; sees 'a a/b a/b/f a/k'

begin "commit of parts of a directory made anew"
mkdir -p a/b; echo 1 >a/b/f; echo 2 >a/k; echo 3 >a/m
inside 'rm -r a; mkdir -p a/b; echo n >a/b/n; echo changed >a/m'
commits a/b/n; sees 'a a/b a/b/n a/m'; host 'a a/b a/b/f a/b/n a/k a/m'
commits a/k; sees 'a a/b a/b/n a/m'; lists 'D a/b/f,M a/m'
commits -a; host 'a a/b a/b/n a/m'; is "$NAME: content" changed "$(cat a/m)"

begin "a directory renamed into one made anew"
mkdir a b; echo o >a/old; echo k >a/keep; echo x >b/x
inside 'rm -r a; mkdir a; echo n >a/new; mv b a/d'
lists 'A a/new,D a/keep,D a/old,R b -> a/d/'
commits a/new; sees 'a a/d a/d/x a/new'
commits -a; host 'a a/d a/d/x a/new'

begin "a directory renamed over the place of another"
mkdir -p a b/a; echo 1 >a/x; echo 2 >b/b; echo 3 >b/a/y
inside 'rm -rf b; mkdir b; mv a b/a'
commits -a; host 'b b/a b/a/x'

begin "a rename, then what came to its old place"
mkdir docs; echo 1 >docs/a
inside 'mv docs papers; mkdir docs; echo new >docs/README'
cb commit -b m papers; status "$NAME: one of its names is not enough" 1; err "$NAME: and it is told" 'its old name .*/docs was not chosen'
host 'docs docs/a'
commits papers docs; host 'docs docs/README papers papers/a'; lists ''

begin "a directory that was another's before"
mkdir -p a/a; echo 1 >a/b; echo 2 >a/a/c
inside 'mv a d; rm -rf d; mkdir d; echo 42 >d/b'
commits d/b; sees 'd d/b'; commits -a; host 'd d/b'

begin "directories that were shut"
for mode in 000 100 200 300 400 600; do
	mkdir "h$mode"; echo 1 >"h$mode/f"; mkdir "h$mode/s"; echo 1 >"h$mode/s/f"
done
inside 'for m in 000 100 200 300 400 600; do mkdir -p n$m/e; echo x >n$m/f; echo y >n$m/e/f; chmod $m n$m; echo x >h$m/f; echo n >h$m/s/n; rm h$m/s/f; chmod $m h$m; done'
cb status -b m; status "$NAME: status" 0; is "$NAME: changes" 48 "$(wc -l <"$OUT")"
cb diff -b m; status "$NAME: diff" 0
commits -a; chmod 700 h??? n???; host "$(for m in 000 100 200 300 400 600; do echo "h$m h$m/f h$m/s h$m/s/n"; done | tr '\n' ' ')$(for m in 000 100 200 300 400 600; do echo "n$m n$m/e n$m/e/f n$m/f"; done | tr '\n' ' ' | sed 's/ $//')"

begin "a tree deeper than there are descriptors"
inside 'p=; for i in $(seq 500); do p=${p}d/; done; mkdir -p $p && echo x >${p}f'
(ulimit -n 256; "$COWBOX_BIN" status -b m >"$T/deep" 2>&1); is "$NAME: status" 501 "$(wc -l <"$T/deep")"
(ulimit -n 256; "$COWBOX_BIN" commit -a -b m >"$T/deep" 2>&1); is "$NAME: commit" 0 $?
is "$NAME: the host" 501 "$(find . -mindepth 1 | wc -l)"

begin "a removal mark of another's"
if mkdir c && mknod c/mark c 0 0 2>/dev/null; then
	echo y >c/y
	cb run -b m -- sh -c 'mv c/mark c/mark2; ln c/mark c/mark3; chmod 600 c/mark; echo z >c/z'
	commits -a; host 'c c/mark c/y c/z'
else
	skip_part "$NAME: no 0:0 device can be made"
fi

begin "the directory that the store is in"
mkdir -p home/state
STORE=$COWBOX_HOME
export COWBOX_HOME=$T/w/home/state/store
"$COWBOX_BIN" run -b s -- sh -c 'echo x >x; mv home elsewhere; echo "status $?"; mv home/state state2; echo "status $?"; ls' >"$T/moved" 2>"$T/moved.err"
is "$NAME cannot be moved" "status 1 status 1 home x" "$(tr '\n' ' ' <"$T/moved" | sed 's/ $//')"
cb commit -a -b s; status "$NAME: commit" 0; check "$NAME stays" test -d home/state/store/boxes
export COWBOX_HOME=$STORE
finish
