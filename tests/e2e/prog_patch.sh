#!/bin/bash
# patch and diff: in place, with fuzz, with rejects, with new, removed and renamed files.
. "$(dirname "$0")/lib.sh"
need patch patch
need diff diffutils
need git git

setup_patch() {
	local i
	mkdir a
	for i in $(seq 1 20); do seq -f "l%g in $i" 1 60 >"a/f$i.c"; done
	cp -r a b
	sed -i '10s/$/ changed/; 50d' b/f1.c b/f2.c b/f3.c
	rm b/f4.c
	echo fresh >b/fresh.c
	sed -i '1i top' b/f5.c
	diff -ruN a b >d.patch || true
	rm -r b
	sed -i '30s/^/moved /' a/f1.c
	sed -i '10s/$/ clash/' a/f2.c
	git init -q -b main g && cp a/f7.c g/ && git -C g add -A
	printf 'diff --git a/f7.c b/sub/f8.c\nsimilarity index 100%%\nrename from f7.c\nrename to sub/f8.c\n' >g.patch
}
cmd_patch() { cp -r a c && (cd c && patch -p1 -N <../d.patch); echo "status $?"; (cd a && patch -p1 -b <../d.patch); echo "status $?"; ls a c; cat a/*.rej; (cd a && patch -R -p1 --dry-run <../d.patch) | tail -2; diff -r a c; git -C g apply --index ../g.patch && git -C g status --porcelain && ls g/sub; }

# a copied index knows other inodes
fresh_index() { git -C g update-index -q --refresh; }
PREPARE=fresh_index
SEAL_FLAGS="-x *.git/index"
# reject files carry the times of the two sides
stamps() { sed -E 's/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]+ [+-][0-9]{4}/STAMP/g'; }
FILTER=stamps
both patch setup_patch cmd_patch
finish
