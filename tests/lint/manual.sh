#!/bin/bash
# manual.sh COWBOX PAGE SOURCES - the manual page has each verb's options in its synopsis, those that there are and no others, and
# tells of them, and of each variable of the environment that the sources read.
set -u
out=$(mktemp)
trap 'rm -f "$out"' EXIT
cowbox=$1 page=$2 status=0

complain() {
	echo "$page: $*" >&2
	status=1
}

# Options of a verb by --help: the letter, or where there is none the name; without those that all take.
options_of() {
	"$cowbox" "$1" --help | sed -n '/^options:/,/^exit status:/p' | sed -n 's/^  -\([a-zA-Z]\).*/-\1/p; s/^      --\([a-z-]*\).*/--\1/p' |
		grep -vxe -h -e --version -e --debug | sort
}

# Options of a verb by the synopsis: from its .Cm to the next .Nm or the end of the section.
synopsis_of() {
	awk -v verb="$1" '/^\.Sh /{ in_it = $2 == "SYNOPSIS" } !in_it { next } $1 == ".Nm" { ours = 0 } $1 == ".Cm" && $2 == verb { ours = 1 }
		ours { for (i = 1; i < NF; i++) if (($i == "Fl" || $i == ".Fl") && $(i + 1) != "-") print "-" $(i + 1) }' "$page" | sort
}

verbs=$("$cowbox" --help | sed -n '/^commands:/,/^$/p' | sed -n 's/^  \([a-z]*\) .*/\1/p')
[ -n "$verbs" ] || complain "no verbs in cowbox --help"
for v in $verbs; do
	if ! diff <(options_of "$v") <(synopsis_of "$v") >"$out" 2>&1; then
		complain "$v: the synopsis differs from --help (< only there, > only here): $(grep '^[<>]' "$out" | tr '\n' ' ')"
	fi
	grep -q "^\.It Cm $v\$" "$page" || [ "$v" = help ] || complain "$v is not described"
	for o in $(options_of "$v"); do
		sed -n '/^\.Sh DESCRIPTION/,$p' "$page" | grep -qE -- "Fl ${o#-}( |\$)" || complain "$v: $o is not described"
	done
done
for word in $(grep -ho 'getenv("[A-Z_]*")' "$3"/*.c | cut -d'"' -f2 | sort -u); do
	grep -q "^\.It Ev $word\$" "$page" || grep -q "^\.Pa \$$word" "$page" || grep -q "^\.Ev $word\$" "$page" || case $word in TERM) ;; *) complain "the variable $word is not described" ;; esac
done
exit $status
