#!/bin/bash
# cp -a and rsync -a of trees with hard links, sparse files, ACLs, xattrs, odd names and times.
. "$(dirname "$0")/lib.sh"
need rsync rsync
need setfacl acl
need setfattr attr
need python3 python3

SEAL_FLAGS=-h
setup_tree() {
	local i
	mkdir -p tree/a/b/c tree/empty tree/.hidden
	for i in $(seq 1 40); do echo "content $i" >"tree/a/f$i"; done
	head -c 300000 /dev/zero | tr '\0' x >tree/a/b/large
	ln tree/a/f1 tree/a/b/hard1
	ln tree/a/f1 tree/hard1
	ln tree/a/b/large tree/large2
	truncate -s 40M tree/sparse
	printf begin | dd of=tree/sparse conv=notrunc status=none
	printf middle | dd of=tree/sparse bs=1M seek=20 conv=notrunc status=none
	ln -s a/f1 tree/link
	ln -s ../nowhere tree/a/dangling
	ln -s . tree/loop
	mkfifo tree/fifo
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("tree/sock")'
	printf x >"tree/$(printf 'new\nline')"
	printf x >"tree/$(printf 'latin\351')"
	printf x >"tree/ sp ace "
	setfacl -m u:12345:rw,g:54321:r tree/a/f2
	setfacl -d -m u:12345:rwx tree/a/b
	setfattr -n user.note -v hello tree/a/f3
	setfattr -n user.note -v dir tree/a
	chmod 4755 tree/a/f4
	chmod 1777 tree/empty
	chmod 2750 tree/.hidden
	chmod 0400 tree/a/f5
	find tree -depth -print0 | xargs -0 touch -h -d '2019-02-03 04:05:06.987654321 UTC'
	touch -d '1999-12-31 23:59:59.5 UTC' tree/a/f6
	touch -d '2100-01-01 UTC' tree/a/f7
	mkdir dest
	cp -a tree dest/old
	echo changed >dest/old/a/f8
	rm dest/old/a/f9
	echo extra >dest/old/extra
}
cmd_cp() { cp -a tree copy && cp -a copy/. again && find copy ! -type d -printf '%p %M %n %s %T@ %l\n' | sort | cksum && getfacl -RP copy | cksum && getfattr -RPd copy | cksum; }
# As an ordinary user the first fails in part: f5 may not be written over. Each step says how it ended.
cmd_cp_over() {
	cp -a tree/. dest/old/
	echo "over: $?"
	cp --backup=numbered -p tree/a/f1 dest/old/a/f2 && cp -l tree/a/f10 l10 && cp -s "$PWD/tree/a/f10" s10 && cp -u tree/a/f8 dest/old/a/f8 &&
		cp --sparse=always tree/a/b/large sp && cp --reflink=auto tree/a/b/large rl && cat dest/old/a/f8
}
cmd_mv() { mv tree moved && mv moved/a moved/z && mv moved/z/b dest/ && mv -f dest/b/large moved/z/f1 && ls -R moved | cksum && cat moved/z/f11 && ls tree; echo "status $?"; }
cmd_rsync() { rsync -aHAXS tree/ copy/ && rsync -aHAXS --delete -i tree/ dest/old/ | sort && rsync -ani --delete tree/ dest/old/ && rsync -a --remove-source-files dest/old/a/ taken/ && find dest taken | sort | cksum; }
cmd_rsync_inplace() { printf new >tree/a/f12 && rsync -a --inplace tree/a/ dest/old/a/ && rsync -a --link-dest="$PWD/dest/old" tree/ linked/ && find linked -links +1 -type f | wc -l; }

KEEP_TIMES=1
DIR_TIMES=
both cp setup_tree cmd_cp
both cp-over setup_tree cmd_cp_over
both mv setup_tree cmd_mv
both rsync setup_tree cmd_rsync
both rsync-inplace setup_tree cmd_rsync_inplace
finish
