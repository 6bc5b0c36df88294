#!/bin/bash
# Editors that write in place or through a temporary file: sed -i, perl -i, vim, ed, and redirections of the shell.
. "$(dirname "$0")/lib.sh"
need ed ed
VIM=$(command -v vim.tiny || command -v vim.basic) || skip "needs vim.tiny (apt-get install vim-tiny)"

setup_texts() {
	local i
	mkdir t
	for i in $(seq 1 30); do seq -f "line %g of file $i" 1 40 >"t/f$i"; done
	ln t/f1 t/f1.hard
	ln -s f2 t/f2.link
	chmod 600 t/f3
	chmod 755 t/f4
	chmod 444 t/f5
}
cmd_sed() {
	sed -i 's/line 1 /LINE ONE /' t/* && sed -i.bak '2d' t/f7 && sed -i --follow-symlinks '1d' t/f2.link && sed -n -i '1,3p' t/f8 &&
		perl -i.orig -pe 's/of/OF/' t/f9 && head -qn1 t/f1 t/f1.hard t/f2 t/f7 t/f8 t/f9 && ls t
}
# vim FILE COMMAND...: plain vim without start files
plain_vim() {
	local file=$1 args=() c
	shift
	for c in "$@"; do args+=("+$c"); done
	"$(command -v vim.tiny || command -v vim.basic)" -u NONE -i NONE -N -es "${args[@]}" "$file"
}
cmd_vim() {
	plain_vim t/f1 'set backupcopy=auto' '%s/line/Line/' wq
	echo "status $?"
	plain_vim t/f2.link 'set backup backupcopy=yes' '%s/line/Line/' wq
	echo "status $?"
	plain_vim t/f4 'set backup backupcopy=no' '1,20d' wq
	echo "status $?"
	plain_vim t/f5 '1d' wq
	echo "status $?"
	plain_vim t/f5 '1d' 'wq!'
	echo "status $?"
	plain_vim new '0put =\"hello\"' 'wq'
	echo "status $?"
	stat -c '%A %h %s %N' t/*
	cat t/f1.hard t/f2 t/f5 | cksum
}
cmd_ed() {
	printf '1,5d\n$a\nadded\n.\nw\nq\n' | ed -s t/f1 && printf 'a\nbrand new\n.\nw new\nq\n' | ed -s
	printf ',s/line/x/\nw\nq\n' | ed -s t/f3 && cat t/f1.hard new | tail -3
	printf '1d\nw\nq\n' | ed -s t/f5
	echo "status $?"
}
cmd_shell() {
	echo more >>t/f1 && : >t/f2 && echo over >|t/f3 && exec 3<>t/f4 && read -r first <&3 && echo "in the middle" >&3 && exec 3>&- &&
		echo "$first" && head -3 t/f4 && dd if=/dev/zero of=t/f6 bs=10 seek=2 count=1 conv=notrunc status=none && truncate -s 5 t/f7 &&
		truncate -s 100 t/f8 && set -C && { echo no >t/f9; echo "status $?"; } && mkfifo p && { cat t/f10 >p & cat p | cksum; wait; } &&
		tee t/f11 -a <<<tee && cat <<<"here" >t/here && fallocate -l 4096 t/f12 && cksum t/* && install -m 700 t/f13 t/new13 && mv t/f14 t/f15
}

both sed setup_texts cmd_sed
both vim setup_texts cmd_vim
both ed setup_texts cmd_ed
both shell setup_texts cmd_shell
finish
