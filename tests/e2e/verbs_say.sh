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
cb status -b c; no_out "no conflict yet" '!'; is "and nothing said" "" "$(cat "$ERR")"
echo host >>text; touch other; echo host >dir/later; echo host >new
cb status -b c; status "status with conflicts" 0
out "a file changed on both sides" "^M! .*/text  \\(conflict: the host's was changed since\\)$"
out "touched only is none" '^M  .*/other$'
out "a removed directory that got something" '^D! .*/dir/  \(conflict: .*dir/later'
out "a directory where the host got a file" '^[AT]! .*/new/  \(conflict: '
out "what is in it waits" '^A! .*/new/n  \((conflict|wait): '
err "their number and the way out in one line" '^cowbox: [34] changes conflict .*cowbox commit leaves them.*cowbox diff -b c PATH.*cowbox discard -b c PATH'
cb status -b c text; err "of those asked for" '^cowbox: 1 change conflicts '
cb status -b c other; is "nothing to say of the others" "" "$(cat "$ERR")"
cb status -b c --json; json "status --json"; field "conflict" conflict /text True; field "verdict" commit /text conflict; field "no conflict" conflict /other False; field "why" why /text "the host's was changed since"
cb status -b c -z; is "-z is as ever" 0 "$(tr '\0' '\n' <"$OUT" | grep -c '!')"
cb commit -b c -a; status "commit leaves what was marked" 1; cb status -b c; out "still marked" '^M! '; no_out "the other is done" '/other'
cb discard -f -b c

finish
