#!/bin/bash
# apt-get install of a small package as root in a box, used there, then committed; at the end the machine is as it was.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip "apt-get install needs root; the run as root has it"
need apt-get apt
need dpkg dpkg

# The first of these that is not installed: package and program.
package=
for p in hello:hello sl:games/sl cowsay:games/cowsay; do
	if ! dpkg -s "${p%%:*}" >/dev/null 2>&1; then
		package=${p%%:*}
		program=/usr/bin/$package
		[ "${p#*:}" = "$package" ] || program=/usr/${p#*:}
		break
	fi
done
[ -n "$package" ] || skip "hello, sl and cowsay are all installed already"
uri=$(apt-get install -qq --print-uris "$package" 2>"$T/uris.err" | head -1 | cut -d"'" -f2)
[ -n "$uri" ] || skip "apt-get does not know $package (apt-get update first): $(head -1 "$T/uris.err")"
timeout 40 /usr/lib/apt/apt-helper -o Acquire::Retries=1 download-file "$uri" "$T/probe.deb" >"$T/probe.log" 2>&1 ||
	skip "Debian's mirror does not answer: $(tail -1 "$T/probe.log")"

places="/etc /usr/bin /usr/sbin /usr/games /usr/share/doc /usr/share/man /usr/share/locale /usr/share/info /usr/local/bin /var/lib/dpkg /var/lib/apt /var/cache/apt /var/cache/debconf /var/cache/man /var/log"
seal_machine() {
	local p
	for p in $places; do
		[ -d "$p" ] && { echo "== $p"; seal -D -e 'journal*' -e 'lastlog' -e 'wtmp' "$p"; }
	done
}
# What dpkg and apt write besides the package itself; put back at the end.
save() { tar --format=pax -C / -cpf "$T/state.tar" var/lib/dpkg var/lib/apt/extended_states var/log/apt var/log/dpkg.log var/log/alternatives.log var/cache/debconf usr/share/info/dir var/cache/man/index.db etc/ld.so.cache 2>/dev/null; [ -s "$T/state.tar" ]; }
put_back() {
	DEBIAN_FRONTEND=noninteractive dpkg --purge "$package" >"$T/purge.log" 2>&1
	tar -C / -xpf "$T/state.tar" >>"$T/purge.log" 2>&1
	# the package's files in the caches, and backups that dpkg makes anew
	rm -f "/var/cache/apt/archives/${package}_"*.deb
	local f
	for f in /var/lib/dpkg /var/log/apt /var/log /var/cache/apt /var/lib/apt; do
		find "$f" -maxdepth 1 -newer "$T/start" -type f 2>/dev/null
	done | while read -r f; do
		tar -tf "$T/state.tar" "${f#/}" >/dev/null 2>&1 || grep -qF "${f#/}" "$T/before-list" || rm -f "$f"
	done
}

find /var/lib/dpkg /var/log/apt /var/log /var/cache/apt /var/lib/apt -maxdepth 1 -type f 2>/dev/null | sed 's,^/,,' >"$T/before-list"
touch "$T/start"
check "save dpkg's state" save
seal_machine >"$T/before"
# (not clean_env: apt wants the machine's own settings, the proxy among them)
DEBIAN_FRONTEND=noninteractive box run -b apt -- apt-get install -y --no-install-recommends "$package" >"$T/install.log" 2>&1 </dev/null
status=$?
seal_machine >"$T/after"
check "apt-get install in a box (status $status)" test $status = 0 || show "$T/install.log" 60
same "the host was changed" "$T/before" "$T/after"
check "the host has no $program" test ! -e "$program"
box run -b apt -- "$program" --version >"$T/use.log" 2>&1 </dev/null
case $package in hello) check "$package runs in the box" grep -q 'GNU Hello' "$T/use.log" ;; esac
box run -b apt -- dpkg -s "$package" >"$T/dpkg.log" 2>&1 </dev/null
check "dpkg in the box knows it" grep -q '^Status: install ok installed' "$T/dpkg.log"
box run -b apt -- dpkg --audit >"$T/audit.log" 2>&1 </dev/null
check "dpkg in the box is content" test ! -s <(grep -v '^cowbox: ' "$T/audit.log")
# record FILE: what an install left: the package's files, its entry in dpkg's status, and the machine but for caches and logs
record() {
	dpkg -L "$package" | sort | while read -r f; do
		[ -f "$f" ] && [ ! -L "$f" ] && echo "$(stat -c '%A %u:%g %s %Y %h' "$f") $(sha256sum <"$f" | cut -c 1-64) $f" && continue
		echo "$(stat -c '%A %u:%g' "$f") $(readlink "$f") $f"
	done >"$1.files"
	dpkg -s "$package" >"$1.status" 2>&1
	for f in /var/lib/dpkg/info/"$package".*; do echo "$f $(stat -c '%A %u:%g' "$f") $(sha256sum <"$f" | cut -c 1-64)"; done >"$1.info"
	# (-old are dpkg's backups of the state before)
	for p in /etc /usr/bin /usr/games /usr/share/doc /usr/share/man /usr/share/info /var/lib/dpkg; do
		[ -d "$p" ] && { echo "== $p"; seal -T -e '*-old' -e 'ld.so.cache' "$p"; }
	done >"$1.machine"
}
# What apt says, without what differs from run to run: how long it took, where it came from, and our own line.
said() { grep -a -v -e '^cowbox: ' -e '^Get:' -e '^Fetched ' "$1" | tr '\r' '\n' | sed '/(Reading database/d; s/ *$//'; }

if [ "$FAILURES" = 0 ]; then
	trap 'put_back; on_exit' EXIT
	box commit -a -b apt >"$T/commit.log" 2>&1 </dev/null
	check "commit -a (status $?)" test $? = 0 || show "$T/commit.log"
	check "the host has $program" test -x "$program"
	check "dpkg on the host knows it" grep -q 'install ok installed' <(dpkg -s "$package" 2>&1)
	check "its files are right (dpkg --verify)" test -z "$(dpkg --verify "$package" 2>&1)"
	record "$T/boxed"
	put_back
	seal_machine >"$T/between"
	same "after the box: the machine is not as it was" "$T/before" "$T/between"

	# the same without a box
	DEBIAN_FRONTEND=noninteractive limited apt-get install -y --no-install-recommends "$package" >"$T/native.log" 2>&1 </dev/null
	check "apt-get install natively (status $?)" test $? = 0 || show "$T/native.log"
	record "$T/native"
	said "$T/native.log" >"$T/native.said"
	said "$T/install.log" >"$T/boxed.said"
	same "apt says something else in a box" "$T/native.said" "$T/boxed.said"
	same "the package's files differ" "$T/native.files" "$T/boxed.files"
	check "there are files to compare" test "$(wc -l <"$T/native.files")" -gt 3
	same "its entry in dpkg's status differs" "$T/native.status" "$T/boxed.status"
	same "what dpkg keeps of it differs" "$T/native.info" "$T/boxed.info"
	same "the machine differs" "$T/native.machine" "$T/boxed.machine"
	put_back
	trap on_exit EXIT
	seal_machine >"$T/end"
	same "the machine is not as it was" "$T/before" "$T/end"
fi
finish
