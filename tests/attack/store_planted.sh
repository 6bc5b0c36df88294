#!/bin/bash
# A store in which somebody with the user's rights has planted things between two runs: links in place of the store's own files and directories and in the layer's
# tree, FIFOs, marks that lead elsewhere, odd names, great depth. No verb follows them to what is outside, changes or takes it, hangs or crashes.
. "$(dirname "$0")/../e2e/lib.sh"
need python3 python3
. "$E2E/cli.sh"
O=$T/outside W=$T/w
MUST="status diff commit-all discard-one run list doctor"
SEAL_HOW=-c

mkdir -p "$O/dir/sub" "$W/host/dir"
echo "outside's" | tee "$O/file" "$O/private" "$O/dir/file" "$O/dir/sub/file" "$O/box.json" "$O/origins" "$O/lock" >/dev/null
chmod 600 "$O/private"
echo "host's" | tee "$W/host/file" "$W/host/dir/file" >/dev/null
seal $SEAL_HOW "$O" >"$T/before"
cp -a "$W/host" "$T/host"

# planted NAME: a fresh box with some changes; B is its directory, L its layer, TREE where its changes of $W are
planted() {
	chmod -R u+rwx "$W/host"
	rm -rf "$W/host" "$COWBOX_HOME/boxes/$1"
	cp -a "$T/host" "$W/host"
	box run -b "$1" -- sh -c 'cd host && echo changed >file && echo changed >dir/file && echo new >new && mkdir made && echo x >made/x && ln file hard && mv dir moved' >/dev/null 2>&1 </dev/null || fail "$1: the first run"
	NAME=$1 B=$COWBOX_HOME/boxes/$1
	L=$(echo "$B"/layers/*)
	TREE=$L/tree$W/host
	[ -d "$TREE" ] || fail "$1: the layer is not where it is looked for: $TREE"
}

# verbs: every verb on the planted box, each bounded in time; what they answer is theirs, but nothing outside may change, and none may crash
verbs() {
	local verb
	seal $SEAL_HOW "$O" >"$T/before"   # what is planted may be a link of its files
	for verb in $MUST; do
		case $verb in
		status | diff) cb $verb -b "$NAME" ;;
		commit-all) cb commit -a -b "$NAME" ;;
		discard-one) cb discard -f -b "$NAME" "$W/host/new" ;;
		run) cb run -b "$NAME" -- sh -c 'cd host; ls -lR . >/dev/null; cat file new moved/file made/x >/dev/null; echo again >>file; echo again >moved/file; rm -rf made; mv moved dir; mkdir -p planted; touch planted/x; find . -type f -exec chmod 640 {} +' ;;
		*) cb $verb ;;
		esac
		[ "$STATUS" -lt 124 ] || [ "$STATUS" -eq 125 ] || { fail "$NAME: $verb: status $STATUS"; describe; }
		! grep -q 'AddressSanitizer\|runtime error' "$ERR" || { fail "$NAME: $verb: a sanitizer's report"; describe; }
		seal $SEAL_HOW "$O" >"$T/after"
		same "$NAME: $verb: something outside was changed" "$T/before" "$T/after" || return
	done
	cb discard -f -b "$NAME"
	[ "$STATUS" -lt 124 ] || { fail "$NAME: discard: status $STATUS"; describe; }
	seal $SEAL_HOW "$O" >"$T/after"
	same "$NAME: discard: something outside was changed" "$T/before" "$T/after"
	chmod -R u+rwx "$B" 2>/dev/null
	rm -rf "$B"
}

# ---- the store's own files and directories ----
for file in box.json lock running; do
	planted "$file-link"; rm -f "$B/$file"; ln -s "$O/box.json" "$B/$file"; verbs
	planted "$file-hard"; rm -f "$B/$file"; ln "$O/private" "$B/$file"; SEAL_HOW=-L verbs
	planted "$file-fifo"; rm -f "$B/$file"; mkfifo "$B/$file"; verbs
	planted "$file-dir"; rm -f "$B/$file"; mkdir "$B/$file"; verbs
done
for dir in layers base history; do
	planted "$dir-link"; mv "$B/$dir" "$B/$dir.real"; ln -s "$O/dir" "$B/$dir"; verbs
	planted "$dir-real"; mv "$B/$dir" "$T/elsewhere"; ln -s "$T/elsewhere" "$B/$dir"; verbs; rm -rf "$T/elsewhere"
done
for part in tree work links; do
	planted "layer-$part-link"; mv "$L/$part" "$L/$part.real"; ln -s "$O" "$L/$part"; verbs
	planted "layer-$part-file"; mv "$L/$part" "$L/$part.real"; echo x >"$L/$part"; verbs
done
planted layer-origins-link; mv "$L/origins" "$L/o"; ln -s "$O/origins" "$L/origins"; verbs
planted layer-origins-fifo; rm "$L/origins"; mkfifo "$L/origins"; verbs
planted layer-link; mv "$L" "$B/elsewhere"; ln -s "$O/dir" "$L"; verbs
planted box-link; mv "$B" "$T/elsewhere"; ln -s "$T/elsewhere" "$B"; verbs; rm -rf "$T/elsewhere"
planted last-link; rm -f "$COWBOX_HOME/last"; ln -s "$O/file" "$COWBOX_HOME/last"; verbs; rm -f "$COWBOX_HOME/last"

# ---- the tree ----
planted tree-dir-link; rm -rf "$TREE/moved"; ln -s "$O/dir" "$TREE/moved"; verbs
planted tree-parent-link; mv "$L/tree$W" "$L/tree$W.real"; ln -s "$O" "$L/tree$W"; MUST="status diff list run" verbs   # a commit would replace the directory by that link, rightly
planted tree-file-link; rm "$TREE/file"; ln -s "$O/private" "$TREE/file"; verbs
planted tree-hard; rm "$TREE/file"; ln "$O/private" "$TREE/file"; chown --reference="$O/private" "$TREE/file"; MUST="status diff list" SEAL_HOW=-L verbs
planted tree-fifos; for f in new file made/x moved/file; do rm -f "$TREE/$f"; mkfifo "$TREE/$f"; done; MUST="status diff commit-all discard-one list" verbs   # to read one waits, natively too
planted tree-types; rm -rf "$TREE/made" "$TREE/new"; echo x >"$TREE/made"; mkdir -p "$TREE/new/deep"; verbs
planted tree-names; (cd "$TREE" && touch -- $'new\nline' '-f' $'\e[2J' '.wh.x' '.wh..wh..opq' ' ' $'\377' "$(printf 'n%.0s' $(seq 255))"; mkdir -- '...' && ln -s ../../../../../../.. '.../up'); verbs
planted tree-deep; (cd "$TREE" && for _ in $(seq 200); do mkdir -p "$(printf 'd%.0s' $(seq 100))" && cd "$(printf 'd%.0s' $(seq 100))" || break; done; touch bottom); verbs
planted tree-shut; chmod 000 "$TREE/made"; verbs
planted tree-loop; (cd "$TREE" && rm -rf made && ln -s made made && ln -s b a && ln -s a b); verbs
if [ "$(id -u)" -eq 0 ]; then
	planted tree-devices; mknod "$TREE/null" c 1 3; mknod "$TREE/disk" b 7 250; mknod "$TREE/made/whiteout" c 0 0; verbs
	planted tree-suid; cp /bin/true "$TREE/suid"; chown 12345 "$TREE/suid"; chmod 6755 "$TREE/suid"; verbs
fi

# ---- marks that lead elsewhere ----
mark() { python3 -c 'import os, sys; os.setxattr(sys.argv[1], sys.argv[2], sys.argv[3].encode(), follow_symlinks=False)' "$TREE/$1" "$2" "$3" || fail "$NAME: no mark was made"; }
for to in "$O/dir" "../../../../../../../..$O/dir" "/../..$O" ".." "." "" "/" "//" "a/b" "/proc/self/root" "/proc/self/fd/3" "$COWBOX_HOME" "$(printf '/d%.0s' $(seq 2000))"; do
	planted redirect; mark moved user.overlay.redirect "$to"; mark made user.overlay.redirect "$to"; verbs
done
planted opaque; mark made user.overlay.opaque z; mark moved user.overlay.opaque y; mark . user.overlay.opaque "$(printf 'y%.0s' $(seq 1000))"; verbs
planted marks; mark file user.overlay.cowbox "$(head -c 300 /dev/urandom | base64 -w 0)"; mark new user.overlay.cowbox ""; mark new user.overlay.metacopy ""; mark moved user.overlay.impure z; verbs
finish
