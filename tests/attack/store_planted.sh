#!/bin/bash
# The store, from outside, as one would who may write to it: links, FIFOs, devices, deep trees and wild names planted in a box between two runs, in
# place of each part of it and within the layer. What the verbs then do must neither change nor tell anything of the directory that they lead to, nor
# hang, nor crash.
. "$(dirname "$0")/../e2e/lib.sh"
need python3 python3
need setfattr attr

SECRET=5bd1e995-not-to-be-told

# planted NAME PLANT [COMMAND]: a box that has changes in $T/p-NAME/w; PLANT is run where B is the box, L its layer, W the layer's mirror of w, P the prey
planted() {
	local name=$1 plant=$2 d=$T/p-$1 verb status
	local B=$d/store/boxes/plant L W P=$d/prey
	L=$B/layers/1 W=$B/layers/1/tree$d/w
	mkdir -p "$d/w/sub" "$d/w/gone" "$d/w2" "$P/dir/sub"
	echo "$SECRET" >"$P/file"
	echo "$SECRET" >"$P/dir/file"
	for f in w/keep w/sub/file w/gone/file w2/file w2/old w2/linked; do echo "host" >"$d/$f"; done
	ln "$d/w2/linked" "$d/w2/linked2"
	export COWBOX_HOME=$d/store
	box run -b plant -- bash -c 'cd "$1" && echo new >w/new && echo more >>w/keep && echo more >>w/sub/file && rm -r w/gone && mkdir w/made && mv w/sub w/moved' bash "$d" 2>/dev/null ||
		fail "$name: the box is not made"
	seal -c "$P" >"$d.before"
	(cd "$d" && eval "$plant") || fail "$name: nothing planted"
	seal -c "$P" >"$d.planted"
	: >"$d.out"
	for verb in 'status --json' 'diff' 'run' 'list' 'commit -a' 'run' 'discard -f'; do
		case $verb in
		run) set -- run -b plant -- bash -c 'cd "$1/w2" && echo x >new; echo x >>file; rm -f old; mv file other; echo x >>linked; chmod 600 other; ls -lR "$1/w" | head -n 40' bash "$d" ;;
		list) set -- list ;;
		*) set -- $verb -b plant ;;
		esac
		timeout -k 5 10 "$COWBOX_BIN" "$@" >>"$d.out" 2>&1 </dev/null
		status=$?
		[ $status -lt 124 ] || [ $status -eq 125 ] || fail "$name: $verb: status $status"
	done
	CHECKS=$((CHECKS + 1))
	! grep -q "$SECRET" "$d.out" || fail "$name: the prey's content was told"
	seal -c "$P" >"$d.after"
	same "$name: the prey was changed" "$d.planted" "$d.after" || show "$d.out"
	remove "$d"
}

# replace FILE TARGET: a link in its place
replace() { rm -rf "$1" && ln -s "$2" "$1"; }

# What follows names writes and tells: the plants are ones that can do harm.
mkdir -p "$T/control/box" "$T/control/prey"
echo "$SECRET" >"$T/control/prey/file"
replace "$T/control/box/origins" "$T/control/prey/file"
seal -c "$T/control/prey" >"$T/control.before"
echo x >>"$T/control/box/origins"
seal -c "$T/control/prey" >"$T/control.after"
check "natively such a link leads to harm" bash -c '! cmp -s "$1" "$2" && grep -q "$3" "$4"' bash "$T/control.before" "$T/control.after" "$SECRET" "$T/control/box/origins"

# the parts of a box
for part in base history layers layers/1 layers/1/tree layers/1/work layers/1/links; do
	planted "link-${part//\//-}" "replace \"\$B/$part\" \"\$P\""
done
for part in box.json lock running layers/1/origins; do
	planted "link-${part//\//-}" "replace \"\$B/$part\" \"\$P/file\""
	planted "none-${part//\//-}" "replace \"\$B/$part\" \"\$P/absent\""
	planted "fifo-${part//\//-}" "rm \"\$B/$part\" && mkfifo \"\$B/$part\""
	planted "dir-${part//\//-}" "rm \"\$B/$part\" && mkdir \"\$B/$part\""
done
planted link-box 'replace "$B" "$P"'
planted link-boxes 'replace "$d/store/boxes" "$P"'
planted link-last 'replace "$d/store/last" "$P/file"'
planted box-moved 'mv "$B" "$P/box" && ln -s "$P/box" "$B"; seal -c "$P" >"$d.before"'

# what is in them
planted originals 'for f in $(find "$B/base" -type f); do replace "$f" "$P/file"; done'
planted original-fifos 'for f in $(find "$B/base" -type f); do rm "$f"; mkfifo "$f"; done'
planted work 'ln -s "$P" "$L/work/1"; ln -s "$P/dir" "$L/work/dir"; mkfifo "$L/work/fifo"; mkdir "$L/work/d"; ln -s "$P" "$L/work/d/x"'
planted links 'ln -s "$P" "$L/links/1"; ln -s "$P/file" "$L/links/2"; mkdir "$L/links/d"; ln -s "$P" "$L/links/d/x"; mkfifo "$L/links/fifo"'
planted history 'mkdir "$B/history/1"; ln -s "$P" "$B/history/2"; ln -s "$P/file" "$B/history/1/journal"; ln -s "$P" "$B/history/1/old"'
planted history-fifo 'mkdir "$B/history/1"; mkfifo "$B/history/1/journal"; mkfifo "$B/history/2"'

planted link-fifo 'rm -f "$L"/links/*; mkfifo "$L/links/copies"'
planted record-fifo 'mkfifo "$L/links/-$(stat -c %Hd:%Ld:%i "$d/w2/linked")"'
planted json-fifo 'mkfifo "$B/box.json.new"'
planted link-links 'rm -f "$L"/links/*; ln -s "$P/file" "$L/links/copies"; ln -s "$P/absent" "$B/box.json.new"; ln -s "$P/file" "$L/links/-$(stat -c %Hd:%Ld:%i "$d/w2/linked")"'

# the layer
planted file-link 'replace "$W/new" "$P/file"'
planted changed-link 'replace "$W/keep" "$P/file"'
planted dir-link 'replace "$W/made" "$P/dir"'
planted moved-link 'replace "$W/moved" "$P"'
planted above-link 'replace "$L/tree$d/w" "$P"'
planted up-link 'replace "$W/made" ../../prey; ln -s ../prey/file "$W/up"; ln -s /proc/self/cwd "$W/cwd"; ln -s "$P" "$W/gone2"'
planted fifos 'mkfifo "$W/fifo" "$W/made/fifo"; rm "$W/keep"; mkfifo "$W/keep"'
planted socket 'rm "$W/keep"; python3 -c "import socket, os, sys; os.chdir(sys.argv[1]); socket.socket(socket.AF_UNIX).bind(\"keep\")" "$W"'
planted newlines 'mkdir -p "$W"/$'"'a\\nD  /etc'"' && echo x >"$W"/$'"'a\\nD  /etc/x\\n\\033[2J'"'; echo x >"$W"/$'"'\\377\\376'"'; ln -s $'"'x\\n../prey'"' "$W/nl"'
planted deep 'python3 -c "
import os, sys
os.chdir(sys.argv[1])
for i in range(60):
    os.mkdir(\"d\" * 200)
    os.chdir(\"d\" * 200)
os.symlink(sys.argv[2], \"end\")" "$W/made" "$P"'
planted redirects 'n=0; for r in ../../prey /../../prey "$P" .. . / "" prey/dir/../.. $'"'x\\ny'"'; do n=r$((n + 1)); n=${n#r}; mkdir "$W/r$n"; setfattr -n user.overlay.redirect -v "$r" "$W/r$n"; done; rm -rf "$W/r3"'
planted opaque 'setfattr -n user.overlay.opaque -v x "$W/made"; setfattr -n user.overlay.opaque -v yyyyyyyy "$W"; setfattr -n user.overlay.whatever -v z "$W/keep"'
planted extra-layer 'ln -s "$P" "$B/layers/2"; mkdir "$B/layers/3"; ln -s "$P" "$B/layers/3/tree"; sed -i "s/\"layers\": *\[/&\"..\/..\/..\/prey\", 2, /" "$B/box.json"'
if [ "$(id -u)" -eq 0 ]; then
	planted devices 'mknod "$W/null" c 1 3; mknod "$W/white" c 0 0; mknod "$W/disk" b 259 1048575; rm "$W/keep"; mknod "$W/keep" c 1 3'
fi
# a box whose name leads out
for name in ../../prey .. . /etc "$T"; do
	for verb in status diff 'discard -f' 'commit -a'; do
		timeout -k 5 10 "$COWBOX_BIN" $verb -b "$name" >"$T/name.out" 2>&1 </dev/null && fail "$verb -b $name"
		CHECKS=$((CHECKS + 1))
	done
done
export COWBOX_HOME=$T/store
finish
