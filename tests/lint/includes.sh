#!/bin/sh
# includes.sh ROOT - calls go towards base only, and each third-party library is included in its own room only.
set -eu
cd "$1"
status=0

complain() {
	echo "$1" >&2
	status=1
}

# may ROOM ALLOWED...: files of a room (private and public) include headers of these rooms only.
may() {
	room=$1
	shift
	case $room in
	overlay) dirs="overlay include/overlay" ;;
	*) dirs="src/$room include/$room" ;;
	esac
	for dir in $dirs; do
		[ -d "$dir" ] || continue
		found=$(grep -rnE --include='*.[ch]' --include='*.def' '^[[:space:]]*#[[:space:]]*include[[:space:]]+"' "$dir" || true)
		[ -n "$found" ] || continue
		bad=$(printf '%s\n' "$found" | awk -v room="$room" -v allowed="$room $*" '
			BEGIN { n = split("base overlay trace commit view bundle cmd tui cowbox", rooms, " "); split(allowed, a, " ")
				for (i in a) ok[a[i]] = 1 }
			{
				split($0, part, "\"")
				path = part[2]
				first = path; sub(/\/.*/, "", first)
				for (i = 1; i <= n; i++)
					if (index(path, "/") && (first == rooms[i] || path ~ ("(^|/)src/" rooms[i] "/")) && !(rooms[i] in ok)) {
						print $0; next
					}
				if (path ~ /\.\.\//) print $0
			}')
		[ -z "$bad" ] || complain "$room may include $room $* only:
$bad"
	done
}

may base
may overlay base
may trace base overlay
may commit base overlay
may view base overlay
may bundle base overlay
may cmd base overlay trace commit view bundle
may tui base overlay trace commit view bundle cmd

# only PATTERN ROOM: a library's headers.
only() {
	bad=$(grep -rnE --include='*.[ch]' "^[[:space:]]*#[[:space:]]*include[[:space:]]+[<\"]$1" src overlay include | grep -v "^src/$2/" || true)
	[ -z "$bad" ] || complain "$1 is for src/$2 only:
$bad"
}

only 'seccomp\.h' trace
only 'git2' commit
only 'fuse' view
only 'archive' bundle
only 'n?curses' tui
exit $status
