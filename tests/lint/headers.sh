#!/bin/sh
# headers.sh ROOT CC - every header compiles alone, with the warnings of the build as errors.
set -eu
cd "$1"
cc=$2
status=0
for header in $(find include overlay src -name '*.h' | sort); do
	# Twice, so that a missing guard is seen too.
	if ! printf '#include "%s"\n#include "%s"\n' "$PWD/$header" "$PWD/$header" |
		$cc -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wstrict-prototypes -Werror -Iinclude -I"$(dirname "$header")" \
			-x c -fsyntax-only -; then
		echo "$header does not compile alone" >&2
		status=1
	fi
done
exit $status
