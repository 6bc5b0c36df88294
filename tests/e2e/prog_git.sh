#!/bin/bash
# git in a box: init, commit, local clone, checkout, merge, gc, stash, worktree.
. "$(dirname "$0")/lib.sh"
need git git

# The index holds inode numbers and times; what it means is checked by `git status` in the CHECK.
# Whether git writes an object anew that is there already, which freshens its time, hangs on which second a file was checked out in: -T.
SEAL_FLAGS="-T -x *.git/index -x *.git/worktrees/*/index"

# git at a fixed time, so that commits have the same names in both runs
at() {
	local when=$1
	shift
	GIT_AUTHOR_DATE="$when +0000" GIT_COMMITTER_DATE="$when +0000" git "$@"
}

setup_config() {
	printf '[user]\n\tname = A U Thor\n\temail = author@example.com\n[init]\n\tdefaultBranch = main\n[pack]\n\tthreads = 1\n[gc]\n\tauto = 0\n[advice]\n\tdetachedHead = false\n' \
		>"$HOME/.gitconfig"
}

setup_repo() {
	local d f
	setup_config
	git init -q src
	for d in $(seq 1 20); do
		mkdir -p "src/dir$d/sub"
		for f in $(seq 1 15); do
			printf 'file %s of %s\n' "$f" "$d" >"src/dir$d/sub/f$f.txt"
		done
	done
	printf '#!/bin/sh\necho run\n' >src/run.sh
	chmod +x src/run.sh
	ln -s dir1/sub src/link
	git -C src add -A
	at 1600000000 -C src commit -qm first
	sed -i 's/file/FILE/' src/dir3/sub/*.txt
	at 1600000100 -C src commit -qam second
	git -C src mv dir4 moved4
	git -C src rm -q dir5/sub/f1.txt
	at 1600000200 -C src commit -qam third
}

cmd_init() {
	mkdir new && cd new || exit 1
	git init -q && echo one >a && git add a && at 1600001000 commit -qm one &&
		echo two >>a && at 1600001001 commit -qam two && git tag v1 && git log --format='%H %s' && git status --porcelain
}
cmd_clone() {
	export GIT_COMMITTER_DATE='1600000500 +0000'
	git clone -q src dst && git -C dst log --format='%H %s' && git -C dst status --porcelain && cd dst &&
		echo more >>dir1/sub/f1.txt && at 1600001000 commit -qam fourth && git push -q origin HEAD:side && git -C ../src branch -v
}
cmd_work() {
	export GIT_COMMITTER_DATE='1600000500 +0000' GIT_AUTHOR_DATE='1600000500 +0000'
	cd src && git checkout -q -b topic HEAD~1 && echo x >>dir1/sub/f2.txt && git diff --stat &&
		at 1600001000 commit -qam topic && git checkout -q main && at 1600001001 merge -q -m merged topic &&
		git checkout -q HEAD~2 && git status --porcelain && git checkout -q main && at 1600001002 rebase -q topic 2>&1 &&
		git rm -rq dir7 && rm -rf dir8 && git status --porcelain && git reset -q --hard && git clean -fdx && git grep -c FILE
}
cmd_gc() {
	export GIT_COMMITTER_DATE='1600000500 +0000'
	cd src && git gc -q --prune=now && git count-objects -v | grep -v size && git fsck --strict && git log --oneline
}
cmd_stash() {
	export GIT_COMMITTER_DATE='1600000500 +0000'
	cd src && echo s >>dir2/sub/f1.txt && echo n >untracked && at 1600001000 stash push -q -u && git status --porcelain &&
		git stash list && at 1600001001 stash pop && cat untracked && at 1600001002 stash push -q && git stash list && git stash drop -q
}
cmd_worktree() {
	export GIT_COMMITTER_DATE='1600000500 +0000'
	git -C src worktree add -q ../wt -b wt HEAD~1 2>&1 && cd wt && echo w >>dir1/sub/f1.txt && at 1600001000 commit -qam wt &&
		git worktree list --porcelain && git -C ../src worktree add -q ../gone HEAD && rm -rf ../gone &&
		git -C ../src worktree prune -v --expire=now && git -C ../src worktree move ../wt ../wt2 && git -C ../wt2 status --porcelain
}
check_src() {
	local r
	for r in src new dst wt2; do
		[ -e "$r" ] || continue
		git -C "$r" fsck --strict 2>&1 && git -C "$r" status --porcelain && git -C "$r" log --all --format='%H %P %s'
	done
}

both init setup_config cmd_init check_src
both clone setup_repo cmd_clone check_src
both work setup_repo cmd_work check_src
both gc setup_repo cmd_gc check_src
both stash setup_repo cmd_stash check_src
both worktree setup_repo cmd_worktree check_src
finish
