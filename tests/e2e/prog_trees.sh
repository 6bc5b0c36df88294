#!/bin/bash
# Big trees: rm -rf of 10,000 entries, find, du, chmod -R, chown -R, ls, grep -r.
. "$(dirname "$0")/lib.sh"
need find findutils

# many FILES DIRECTORIES CHAINS
many() {
	local i
	mkdir -p many/flat many/deep
	(cd many/flat && seq -f 'f%05g' 1 "$1" | xargs touch && seq -f 'd%04g' 1 "$2" | xargs mkdir)
	for i in $(seq 1 "$3"); do mkdir -p "many/deep/$i/x/y/z" && (cd "many/deep/$i/x/y/z" && seq 1 45 | xargs touch); done
	ln -s flat many/link
	echo kept >kept
}
setup_10000() { many 6000 1056 60; [ "$(find many | wc -l)" = 10000 ]; }
setup_many() { many 1200 300 20; }
setup_none() { :; }
cmd_rm() { rm -rf many && ls -A && rm -rf many && { ls many; echo "status $?"; } && mkdir many && ls -A many && touch many/again && ls many; }
cmd_rm_some() { rm many/flat/f0[0-3]* && rm -r many/flat/d0* && ls many/flat | wc -l && find many -type f | wc -l && rmdir many/flat 2>&1; rm -rf many/deep/1?; ls many/deep | wc -l; find many -name '*7' -delete; find many | sort | cksum; }
cmd_find() {
	find many | wc -l && find many -type d -empty | wc -l && find many -newermt 2022-01-01 | wc -l && du -s --inodes many | cut -f1 && du -sb --apparent-size many/deep/1/x/y/z/1 many/flat/f00001 && du -a many/deep/1 | cut -f2 | sort &&
		find many -name 'f000*' -exec stat -c '%n %s %a' {} + | sort | cksum && find many -samefile many/flat/f00001 && find -L many -maxdepth 2 | sort | cksum &&
		touch many/flat/new1 many/deep/new2 && ls many/flat | wc -l && find many -newermt 2022-01-01 | sort && du -s --inodes many | cut -f1 && ls -U many/flat | sort | cksum
}
cmd_chmod() { chmod -R go-rwx many && find many -perm /077 | wc -l && chmod -R u+rwX,g+rX many/deep && chmod u-w many/flat && stat -c %a many/flat many/deep many/flat/f00001 && { [ "$(id -u)" = 0 ] || { touch many/flat/no; echo "status $?"; }; } && chown -R "$(id -u):$(id -g)" many && find many ! -perm 700 | sort | cksum; }
cmd_fill() { mkdir new && (cd new && seq 1 3000 | xargs touch) && ls new | wc -l && for i in $(seq 1 200); do echo $i >new/$i; done && cat new/1?? | cksum && mv new newer && ls newer | wc -l && rm newer/*5 && ls newer | wc -l && cp -r newer third && rm -r newer && ls third | sort | cksum; }

both rm setup_10000 cmd_rm
both rm-some setup_many cmd_rm_some
both find setup_many cmd_find
both chmod setup_many cmd_chmod
both fill setup_none cmd_fill
finish
