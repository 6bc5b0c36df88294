#!/bin/bash
# The command line: every verb, its options, output and exit status.
. "$(dirname "$0")/lib.sh"
need python3 python3
. "$E2E/cli.sh"

fresh_host() {
	cd "$T" && rm -rf w && mkdir w && cd w || exit 1
	printf 'one\ntwo\nthree\n' >text
	printf '\000\001\002binary' >bin
	printf 'x\n' >gone
	printf 'y\n' >was
	printf 'z\n' >turns
	printf 'm\n' >meta
	mkdir dir && echo in >dir/in
	ln -s text link
}
change='echo new >new; echo four >>text; rm gone; mv was is; rm turns; ln -s text turns; chmod 755 meta; printf "\\000\\003" >bin; mkdir fresh; echo f >fresh/f'

# ---- run ----
fresh_host
seal -c . >"$T/before"
cb run -b codes -- true; status "true" 0; empty_out "true"
cb run -b codes -- sh -c 'echo out; echo err >&2; exit 7'; status "exit 7" 7; out "stdout" '^out$'; err "stderr" '^err$'
cb run -b codes -- sh -c 'kill -TERM $$'; status "killed by a signal" 143
cb run -b codes -- sh -c 'kill -KILL $$'; status "killed" 137
cb run -b codes -- no-such-command-at-all; status "not found" 127; one_line "not found" 'no-such-command-at-all'
cb run -b codes -- ./no/such/path; status "path not found" 127; one_line "path not found" 'no/such/path'
cb run -b codes -- ./text; status "not executable" 126; one_line "not executable" 'text'
cb run -b codes -- ./dir; status "a directory" 126
cb run -b codes -- sh -c 'echo "#!/none" >s; chmod +x s'
cb run -b codes -- ./s; status "interpreter missing" 126; err "interpreter missing" 's: .*interpreter /none is not there'
printf '#!/none -x\n' >"$T/bin/no-interp"; chmod +x "$T/bin/no-interp"; PATH=$T/bin:$PATH cb run -- no-interp; status "interpreter missing, by PATH" 126; one_line "interpreter missing, by PATH" 'no-interp: .*interpreter /none is not there'
printf '\177ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\3\0\1\0\0\0' >"$T/bin/elf32"; chmod +x "$T/bin/elf32"; cb run -- "$T/bin/elf32"; status "a 32-bit program" 126; one_line "a 32-bit program" 'elf32: .*32-bit'
cb run -- no-such-command-at-all; status "not found, a box of its own" 127; one_line "not found, a box of its own" 'no-such-command-at-all'
cb run --allow-socket=/nonexistent/socket -- true; status "a socket that is not there" 125; err "a socket that is not there" 'allow-socket=/nonexistent/socket'
cb run --allow-socket=/etc -- true; status "not a socket" 125; err "not a socket" '/etc: that is no socket'
cb run --debug -b codes -- cat text; status "--debug" 0; err "--debug tells the calls" '^cowbox: debug: [0-9]+ openat text: a descriptor$'
cb run -b codes echo -b -x --help; status "options after the command are its own" 0; out "options" '^-b -x --help$'
cb run -b codes -- sh -c 'echo $0 $1' a b; out "arguments" '^a b$'
cb run -b codes -- pwd; is "cwd" "$T/w" "$(cat "$OUT")"
VALUE=kept cb run -b codes -- sh -c 'echo $VALUE'; out "environment" '^kept$'
echo typed | "$COWBOX_BIN" run -b codes -- cat >"$T/cat" 2>/dev/null; is "stdin" typed "$(cat "$T/cat")"
exec 7<text; cb run -b codes -- sh -c 'cat <&7'; status "descriptors are closed" 2; cb run --inherit-fd 7 -b codes -- sh -c 'cat <&7'; status "--inherit-fd" 0; out "--inherit-fd" '^one$'; exec 7<&-
printf 'echo from-shell\nexit 3\n' | SHELL=/bin/sh "$COWBOX_BIN" run -b codes >"$T/shell" 2>/dev/null; is "no command: the shell" 3 $?; is "the shell's output" from-shell "$(cat "$T/shell")"
cb discard -f -b codes; status "discard" 0
seal -c . >"$T/after"; same "run leaves the host alone" "$T/before" "$T/after"

# ---- forms of listings ----
for v in status list log doctor; do
	cb $v --json -z; status "$v: --json and -z" 2; one_line "$v: --json and -z" 'exclude each other'
done
cb doctor -z; status "doctor -z" 0; is "doctor -z ends each with NUL" "$(tr -cd '\0' <"$OUT" | wc -c)" "$(tr '\0' '\n' <"$OUT" | grep -c '^ok	\|^weaker	\|^missing	')"

# ---- the box is kept, found again, named ----
cb run -b one -- sh -c "$change"; status "changes" 0; empty_out "changes"
err "one line says that the box is kept" '^cowbox: .*one'
is "one line" 1 "$(grep -ac '^cowbox: ' "$ERR")"
seal -c . >"$T/after"; same "the host is unchanged" "$T/before" "$T/after"
cb run -b one -- cat new; out "the next run sees it" '^new$'
echo live >live
cb run -b one -- cat live; out "the live host shows through" '^live$'
rm live
cb run -b one -- sh -c 'cat live 2>&1'; out "and what was removed there is gone" 'No such file'
cb run -b two -- cat new; status "another box does not see it" 1
cb list; status "list" 0; out "list" 'one'; out "list" 'two'
cb list --json; status "list --json" 0; json "list --json"; out "list --json" '"one"'
cb list -z; status "list -z" 0; is "list -z has two records" 2 "$(tr -cd '\0' <"$OUT" | wc -c)"
cb run -- sh -c 'echo x >unnamed'; status "unnamed" 0
name=$(sed -n 's/^cowbox: .*\(sh-[0-9A-Za-z._-]*\).*/\1/p' "$ERR" | head -1)
check "the unnamed box has a name that is told" test -n "$name"
cb status; out "the box used last is meant" 'unnamed'
COWBOX_BOX=one cb status; out "COWBOX_BOX" 'fresh'; no_out "COWBOX_BOX" 'unnamed'
COWBOX_BOX=one cb status -b "$name"; out "-b goes before COWBOX_BOX" 'unnamed'
cb discard -f -b "$name"; status "discard" 0
cb run --rm -- sh -c 'echo x >removed; exit 4'; status "--rm" 4
cb list; no_out "--rm leaves no box" 'sh-'
check "--rm leaves the host alone" test ! -e removed
cb discard -f -b two

# ---- status ----
cb status -b one; status "status" 0
out "added" '^A .*/w/new$|^A +new$'; out "modified" '^M .*text$'; out "deleted" '^D .*gone$'; out "renamed" '^R .*was.*is'; out "type" '^T .*turns$'
out "metadata" '^m .*meta$'; out "binary modified" '^M .*bin$'; out "added below" '^A .*fresh/f$'
no_out "untouched" 'dir/in'; no_out "directories that only hold changes" '/w/?$'
cb status -b one new; status "status PATH" 0; out "status PATH" 'new'; no_out "status PATH" 'gone'
cb status -b one fresh; out "status DIRECTORY" 'fresh/f'; no_out "status DIRECTORY" 'text'
cb status -b one "$T/w/gone"; out "status ABSOLUTE" '^D'
cb status -b one dir; empty_out "status of what is unchanged"; status "status of what is unchanged" 0
cb status -b one -z; status "status -z" 0; check "status -z has NULs and no newline" test "$(tr -cd '\0' <"$OUT" | wc -c)" -ge 8 -a "$(wc -l <"$OUT")" = 0
cb status -b one --json; status "status --json" 0; json "status --json"; out "status --json" 'gone'

# ---- diff ----
cb diff -b one; status "diff" 0; out "diff" '^\+four$'; out "diff" '^--- '; out "diff" '^\+\+\+ '; out "diff" '^@@ '; out "diff of an added file" '^\+new$'; out "diff of a deleted one" '^-x$'
out "diff says of modes" '(mode|0?100?755|-?rwx)'; out "diff says of binaries" '[Bb]inary'
no_out "no colour into a file" "$(printf '\033')"
cb diff -b one --stat; status "diff --stat" 0; out "diff --stat" 'text'
cb diff -b one text; out "diff PATH" 'four'; no_out "diff PATH" '^-x$'
cb diff -b one --color=always text; out "diff --color=always" "$(printf '\033')"
NO_COLOR=1 cb diff -b one text; no_out "NO_COLOR" "$(printf '\033')"
cb run -b same -- sh -c 'echo >new; rm new'; cb diff -b same; status "diff without a change" 0; empty_out "diff without a change"; no_err "diff without a change" .; cb discard -f -b same
# links too: in a root of its own, as `patch -p1 -d /` would
cb run -b links -- sh -c 'ln -s to/where l1; ln -s /elsewhere l2'; cb diff -b links
mkdir -p "$T/root$T/w" && patch -s -p1 -d "$T/root" <"$OUT" >"$T/patch.log" 2>&1; is "patch makes links" "to/where /elsewhere" "$(readlink "$T/root$T/w/l1") $(readlink "$T/root$T/w/l2")" || show "$T/patch.log"
cb discard -f -b links
cb diff -b one text; (cd "$T" && mkdir -p p && cp w/text p/ && cd p && sed -n '/^--- /,$p' "$OUT" | patch -s text >"$T/patch.log" 2>&1); is "patch takes the diff" "$(printf 'one\ntwo\nthree\nfour')" "$(cat "$T/p/text")"

# ---- commit ----
seal -c . >"$T/before"
cb commit -b one -n -a; status "commit -n" 0; out "commit -n tells" 'gone' ; seal -c . >"$T/after"; same "commit -n changes nothing" "$T/before" "$T/after"
cb commit -b one new; status "commit PATH" 0; is "commit PATH" new "$(cat new)"; check "and only that" test -e gone
cb status -b one; no_out "what was committed is no change any more" '/new$'; out "the rest is" 'gone'
echo "host changed" >>text
cb commit -b one -a; status "commit with a conflict" 1; err "the conflict names the path" 'text'
check "the rest is applied" test ! -e gone -a -e is -a ! -e was -a -L turns -a -x meta -a -e fresh/f
is "the host's text stays" "host changed" "$(tail -1 text)"
cb status -b one; out "the conflict is still in the box" 'text'; no_out "the rest is not" 'gone'
cb commit -b one -a; status "again" 1
cb discard -b one -f text; status "discard PATH" 0
cb status -b one; empty_out "nothing is left"
cb commit -b one -a; status "commit of nothing" 0
cb discard -b one -f; status "discard" 0
cb list; no_out "discarded" 'one'

# ---- discard ----
fresh_host
cb run -b d -- sh -c "$change"
cb discard -b d -f new fresh; status "discard PATHs" 0
cb status -b d; no_out "discarded paths" 'new|fresh'; out "the rest" 'gone'
cb run -b d -- sh -c 'ls; cat gone'; no_out "the view shows the host's again" '^new$'
cb discard -b d -f gone; cb run -b d -- cat gone; out "a deletion taken back" '^x$'
cb discard -b d; [ "$STATUS" = 0 ] && fail "discard without -f and without a terminal goes through without asking"
cb status -b d; status "and nothing is lost" 0; out "and nothing is lost" 'text'
cb discard -b d -f; status "discard -f" 0
cb run -b d -- sh -c 'mkdir n && mv text n/x'; cb discard -b d -f n; status "discard of a directory with something moved into it" 0
cb status -b d; empty_out "it is back at its place"; cb run -b d -- cat text; out "it is back at its place" '^one$'
ln text text2
cb run -b d -- sh -c 'echo more >>text; ln text n1; ln text n2; rm text'; cb discard -b d -f n2; status "discard of one of several new names" 0
cb run -b d -- ls; no_out "the renamed file stays renamed" '^text$'; cb status -b d; out "the renamed file stays renamed" '^R .*text .*n1'
cb discard -b d -f n1; cb run -b d -- sh -c 'echo more >>text'; cb commit -b d -a; echo live >text
cb run -b d -- cat text2; out "a file of several names lives on after a commit" '^live$'
printf 'one\ntwo\nthree\n' >text; rm text2
cb run -b d -- sh -c 'mv dir moved && mkdir dir && echo x >dir/new'; cb discard -b d -f moved; status "discard of a renamed directory" 0
cb status -b d; out "what was made in its place stays" '^A .*dir/new'
cb discard -b d -f

# ---- several at once ----
cb run -b s -- true
"$COWBOX_BIN" run -b s -- sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do [ -e other ] && { echo seen >answer; exit 0; }; sleep 0.1; done; exit 1' >"$T/waiter" 2>&1 </dev/null &
waiter=$!
sleep 0.3
cb run -b s -- sh -c 'echo x >other'; status "a second run in the box" 0
wait $waiter; is "the first sees what the second made" 0 $?
cb run -b s -- cat answer; out "and the other way" '^seen$'
cb list; out "list" 's'
cb discard -f -b s

# ---- what the guest must not see, and what is refused ----
cb run -b h -- ls -d "$COWBOX_HOME"; status "the store is not in the view" 2; err "the store" 'No such file'
cb run -b h -- sh -c 'mkdir -p "$COWBOX_HOME/x"'; check "nor can it be written" test ! -e "$COWBOX_HOME/x"
python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.bind("host.sock"); s.listen(5)
s.settimeout(15)
try:
    while True: s.accept()
except OSError: pass' &
server=$!
for i in $(seq 50); do [ -S host.sock ] && break; sleep 0.1; done
connect='import socket; s = socket.socket(socket.AF_UNIX); s.connect("host.sock"); print("connected")'
cb run -b h -- python3 -c "$connect"; status "a host socket is refused" 1; err "the guest's errno" 'Permission denied'; err "it is told at the end" '^cowbox: .*host\.sock'; err "with the option that allows it" '^cowbox: .*--[a-z]'
cb run -b h --allow-socket "$T/w/host.sock" -- python3 -c "$connect"; status "--allow-socket" 0; out "--allow-socket" '^connected$'
kill $server; wait $server 2>/dev/null
cb discard -f -b h

# ---- doctor, help, version ----
cb doctor; status "doctor" 0; out "doctor" '[Ss]eccomp'; out "doctor" 'Landlock'; out "doctor" 'ptrace'
cb doctor --json; status "doctor --json" 0; json "doctor --json"
cb --version; status "--version" 0; out "--version" '^cowbox [0-9]'
cb --help; status "--help" 0; for v in run status diff commit undo discard list log doctor; do out "--help names $v" "$v"; done
for v in run status diff commit undo discard list log doctor; do
	cb $v --help; status "$v --help" 0; out "$v --help" "cowbox $v"
done
cb help; status "help" 0

# ---- where the store is ----
mkdir "$T/xdg"
(unset COWBOX_HOME; XDG_STATE_HOME=$T/xdg timeout 30 "$COWBOX_BIN" run -b x -- true) >"$T/log/xdg" 2>&1; check "XDG_STATE_HOME" test -e "$T/xdg/cowbox/boxes/x/box.json"
(unset COWBOX_HOME XDG_STATE_HOME; timeout 30 "$COWBOX_BIN" run -b y -- true) >"$T/log/home" 2>&1; check "the home directory" test -e "$HOME/.local/state/cowbox/boxes/y/box.json"
is "the store is private" 700 "$(stat -c %a "$HOME/.local/state/cowbox" 2>/dev/null)"
# a directory that was moved away and back is no change
mkdir -p back/sub; echo x >back/f
cb run -b back -- sh -c 'mv back away; mv away back'
cb status -b back; status "moved away and back" 0; is "moved away and back: no change" "" "$(cat "$OUT")"
cb run -b back -- sh -c 'echo y >back/f'
cb status -b back; is "what is changed in it then" "M  $PWD/back/f" "$(cat "$OUT")"
cb commit -a -b back; status "it is committed" 0; is "on the host" y "$(cat back/f)"
finish
