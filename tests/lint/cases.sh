#!/bin/sh
# cases.sh CASES_DOC TEST.c... - each row of the table of merge cases is cited by the test that it names; no number is given twice, none is cited
# that is not there.
set -eu
doc=$1
shift
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT
"$doc" --tests >"$rows"
awk '
	function complain(text) { print text; bad = 1 }
	FNR == NR { if ($1 in test) complain("row " $1 " is there twice"); test[$1] = $2; next }
	/^static void test_/ { name = $3; sub(/\(.*/, "", name); there[name] = 1 }
	/^}/ { name = "" }
	{
		line = $0
		while (match(line, /row(_is)?\((x, )?[0-9]+,/)) {
			n = substr(line, RSTART, RLENGTH)
			gsub(/[^0-9]/, "", n)
			line = substr(line, RSTART + RLENGTH)
			cited[n, name] = 1
			if (!(n in test)) complain(FILENAME ": row " n " is not in the table")
		}
	}
	END {
		for (n in test)
			if (!(test[n] in there)) complain("row " n ": there is no " test[n])
			else if (!((n, test[n]) in cited)) complain("row " n ": " test[n] " does not cite it")
		exit bad
	}' "$rows" "$@" >&2
