#!/bin/bash
# demo.sh - sets everything up, does cowbox's main job once, and leaves you looking at what changed.
#
# Installs the packages (apt-get, through sudo when you are not root), builds into build/, makes a small C project and a tarball of
# it in a temporary directory, unpacks, builds and deletes there inside a box, and shows that the host has none of it. The directory stays for
# you to look at; the last line says how to remove it.
set -eu
cd "$(dirname "$0")/.."
. tests/packages.sh

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n== %s\n' "$*"; }

# make_project DIR: a program of 40 C files, its Makefile, and real text beside it
make_project() {
	local i
	mkdir -p "$1/src" "$1/doc"
	for i in $(seq 40); do
		printf '#include "parts.h"\n\nint part_%d(int x)\n{\n\treturn x * %d + %d;\n}\n' "$i" "$i" $((i * i)) >"$1/src/part_$i.c"
		printf 'int part_%d(int x);\n' "$i"
	done >"$1/src/parts.h"
	{
		printf '#include <stdio.h>\n#include "parts.h"\n\nint main(void)\n{\n\tlong sum = 0;\n\n'
		for i in $(seq 40); do printf '\tsum += part_%d(%d);\n' "$i" "$i"; done
		printf '\tprintf("sum %%ld\\n", sum);\n\treturn 0;\n}\n'
	} >"$1/src/main.c"
	{
		printf 'OBJS := $(patsubst %%.c,%%.o,$(wildcard src/*.c))\n\nproject: $(OBJS)\n\t$(CC) -o $@ $(OBJS)\n'
		printf '\nsrc/%%.o: src/%%.c src/parts.h\n\t$(CC) -O2 -c -o $@ $<\n'
	} >"$1/Makefile"
	cp -rL /usr/include/linux "$1/doc/linux-headers"
}

# A box of this name may hold something of yours: take the next free one.
free_box_name() {
	local name=demo n=1
	while "$cowbox" status -b "$name" >/dev/null 2>&1; do
		n=$((n + 1))
		name=demo$n
	done
	echo "$name"
}

say "packages and build"
# shellcheck disable=SC2086
packages_install $BUILD_PACKAGES
cmake -S . -B build -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build build -j "$(nproc)" --target cowbox | tail -n 1
cowbox=$PWD/build/cowbox

dir=$(mktemp -d "${TMPDIR:-/var/tmp}/cowbox-demo.XXXXXX")
make_project "$dir/project"
tar -C "$dir" -czf "$dir/project.tar.gz" project
rm -rf "$dir/project"
mkdir "$dir/old"
for i in $(seq 30); do echo "an old note, number $i" >"$dir/old/note-$i.txt"; done
printf 'color = blue\nsize = 10\nname = demo\n' >"$dir/settings.conf"
cd "$dir"
box=$(free_box_name)
job="tar xf project.tar.gz && make -s -C project -j$(nproc) && ./project/project && rm -rf old && sed -i s/blue/green/ settings.conf"

say "the host, before: $dir"
ls -l
before=$(find . -printf '%p %m %s %T@\n' | sort | sha256sum)

say "cowbox run -b $box -- sh -c '$job'"
"$cowbox" run -b "$box" -- sh -c "$job" </dev/null   # without a terminal it does not ask at the end what to do

say "the host, after"
ls -l
after=$(find . -printf '%p %m %s %T@\n' | sort | sha256sum)
if [ "$before" != "$after" ]; then
	echo "the host has changed: that must not be" >&2
	exit 1
fi
echo "untouched: names, modes, sizes and times are the same as before"

say "cowbox diff -b $box settings.conf"
"$cowbox" diff -b "$box" settings.conf | cat

say "cowbox diff -b $box --stat (the end of it)"
"$cowbox" diff -b "$box" --stat | tail -n 8

say "cowbox status -b $box (some of it)"
"$cowbox" status -b "$box" | awk '{ n[$1]++ } n[$1] <= 6 { print } END { for (k in n) if (n[k] > 6) printf "... and %d more %s\n", n[k] - 6, k }'

say "now it is yours"
cat <<END
look around inside:   cd $dir && $cowbox run -b $box
everything it did:    $cowbox status -b $box
put it on the host:   $cowbox commit -b $box -a
or throw it away:     $cowbox discard -b $box -f
and what the demo made on the host, when you have seen enough:  rm -rf $dir
END
