#!/bin/bash
# run.sh [PROGRAM...]: runs guest programs natively and in a box over equal trees; what they print must agree, the host must be untouched,
# and after commit the trees must agree. GUEST_BIN is the directory of the programs (else they are compiled). No PROGRAM: all of them.
SCRIPT_DIR=$(cd "$(dirname "$0")" && pwd -P)
. "$SCRIPT_DIR/../e2e/lib.sh"
need setfattr attr
need setfacl acl

if [ -z "${GUEST_BIN:-}" ]; then
	GUEST_BIN=$T/bin
	for f in "$SCRIPT_DIR"/*.c; do
		cc -D_GNU_SOURCE -std=gnu17 -O1 -pthread -o "$GUEST_BIN/$(basename "$f" .c)" "$f" || { fail "$f does not compile"; finish; }
	done
fi
export GUEST_BIN
[ $# -gt 0 ] || set -- $(cd "$SCRIPT_DIR" && ls *.c | sed 's/\.c$//')

# The tree that every program finds: host/ with one of each kind.
setup_tree() {
	local i
	mkdir -p host/dir/sub host/empty host/sticky host/locked host/many host/acl-default
	for i in 1 2 3 4 5 6 7 8 9; do echo "host file $i" >host/f$i; done
	for i in a b c; do echo "in dir: $i" >host/dir/$i; done
	echo "deep down" >host/dir/sub/deep
	chmod 1777 host/sticky
	ln -s f1 host/link
	ln -s dir host/dirlink
	ln -s missing-target host/dangling
	ln -s loop2 host/loop1
	ln -s loop1 host/loop2
	echo "two names" >host/hard1
	ln host/hard1 host/hard2
	echo "read only" >host/readonly
	echo "no rights" >host/unreadable
	echo "behind a closed door" >host/locked/inside
	mkfifo host/fifo
	printf '#!/bin/sh\necho script "$0" "$@"\nexit 3\n' >host/script
	chmod 755 host/script
	echo "with a note" >host/xattr
	setfattr -n user.note -v remember host/xattr
	setfacl -d -m u::rwx,g::rx,o::-,u:12345:rwx host/acl-default
	(cd host/many && seq -f 'n%g' 1 500 | xargs touch)
	truncate -s 1M host/sparse
	printf x | dd of=host/sparse bs=1 seek=500000 conv=notrunc status=none
	head -c 300000 /dev/zero >host/large
}
close_doors() {
	chmod 0444 host/readonly
	chmod 0 host/unreadable host/locked
	[ ! -d rows ] || chmod 0 rows/*/host/shut rows/*/host/mute
}

# A program that needs more than that tree makes it itself.
# Other users must be able to come to the working directory.
setup_identities() { setup_tree; chmod a+x ../..; }
setup_every_call() { setup_tree; "$GUEST_BIN/every_call" setup; }

LIMIT=60
PREPARE=close_doors
for PROGRAM in "$@"; do
	eval "run_$PROGRAM() { exec \"\$GUEST_BIN/$PROGRAM\"; }"
	SETUP=setup_$PROGRAM
	declare -F "$SETUP" >/dev/null || SETUP=setup_tree
	both "$PROGRAM" "$SETUP" "run_$PROGRAM"
done
finish
