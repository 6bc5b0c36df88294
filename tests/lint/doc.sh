#!/bin/sh
# doc.sh PROGRAM FILE TARGET - is FILE what PROGRAM prints?
set -eu
out=$(mktemp)
trap 'rm -f "$out"' EXIT
"$1" >"$out"
if ! diff -u "$2" "$out"; then
	echo "$2 is out of date: cmake --build BUILD --target $3" >&2
	exit 1
fi
