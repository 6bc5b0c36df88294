#!/bin/sh
# coverage.sh CC PROGRAM - hands table_coverage the x86-64 numbers of this machine's headers, and those that came later (newer_calls).
set -eu
{
	printf '#include <asm/unistd_64.h>\n' | "$1" -m64 -dM -E - |
		awk '$1 == "#define" && $2 ~ /^__NR_/ && $3 ~ /^[0-9]+$/ { print $3, substr($2, 6) }'
	cat "$(dirname "$0")/newer_calls"
} | "$2"
