#!/bin/bash
# stress-ng's stressors of file systems and of input and output, two workers each, natively and in a box: what passes on the host passes in a box,
# and the host is untouched. Then fio writes and verifies, by one job and by several on one file.
# STRESS_OPS (100) is how long; STRESS_ONLY names stressors.
#
# Most end by their counts. Those that run until stress-ng's timer (TIMER) ends them may fail in a box for that alone: its handler is set without
# SA_RESTART, and a call on its way to the supervisor is then interrupted (docs/DIFFERENCES.md). Such a failure must not come three times.
. "$(dirname "$0")/lib.sh"
need stress-ng stress-ng
need fio fio
OPS=${STRESS_OPS:-100}
TIMER=2
# What a box refuses (docs/DIFFERENCES.md), or that is no matter of files:
#   bind-mount binderfs  mounts
#   dnotify              F_NOTIFY
#   io-uring             has its own way of telling that there is none
#   rawdev               want what this test should not be given
LEFT_OUT="bind-mount binderfs dnotify io-uring rawdev"
SMALL="--hdd-bytes 16M --iomix-bytes 16M --fallocate-bytes 16M --readahead-bytes 16M --sync-file-bytes 16M --copy-file-bytes 128M --dirdeep-inodes 500
	--fiemap-bytes 16M"
mkdir -p "$T/host/dir" "$T/n" "$T/b"
cp /bin/true "$T/host/dir/file"
seal -c "$T/host" >"$T/before"

stressors() {
	if [ -n "${STRESS_ONLY:-}" ]; then
		echo "$STRESS_ONLY"
	else
		{ stress-ng --class filesystem?; stress-ng --class io?; } 2>&1 | sed -n "s/^class '.*' stressors: //p"
	fi | tr ' ' '\n' | grep -v '^$' | sort -u
}
# stress DIR NAME [BEFORE...]; $took is how long it ran
stress() {
	local dir=$1 name=$2 workers=2 begun r
	shift 2
	# workers of these share a directory, which the first that ends removes: one that begins only then would fail, on the host as well
	case $name in chattr | chmod | chown | fcntl) workers=1 ;; esac
	begun=$(now_ns)
	(cd "$dir" && limited "$@" stress-ng --timeout $TIMER $SMALL --$name $workers --$name-ops "$OPS" --temp-path "$dir") >"$T/$name.out" 2>&1 </dev/null
	r=$?
	took=$((($(now_ns) - begun) / 1000000))
	return $r
}
in_a_box() {
	for _ in 1 2 3; do
		stress "$T/b" "$1" "$COWBOX_BIN" run --rm -- && return 0
		[ "$took" -ge $((TIMER * 1000)) ] || return 1
		say "$1: failed when the timer was up"
	done
	return 1
}
n=0
for name in $(stressors); do
	case " $LEFT_OUT " in *" $name "*) continue ;; esac
	# what fails, or cannot be done, on the host need not pass in a box
	stress "$T/n" $name || continue
	n=$((n + 1))
	in_a_box $name || { fail "$name fails in a box"; grep -v ' info: ' "$T/$name.out" >"$T/out"; show "$T/out"; }
done
say "$n stressors; left out: $LEFT_OUT"
[ "$n" -ge 40 ] || [ -n "${STRESS_ONLY:-}" ] || fail "only $n stressors run here"

verify() { # NAME OPTION...
	local name=$1
	shift
	limited "$COWBOX_BIN" run -b fio -- fio --name="$name" --directory="$T/host/dir" --size=8M --rw=randrw --verify=crc32c --verify_fatal=1 --group_reporting "$@" \
		>"$T/fio.out" 2>&1 </dev/null
	check "fio $name verifies" [ $? -eq 0 ] || show "$T/fio.out"
	check "fio $name wrote" grep -q 'write: IOPS' "$T/fio.out"
}
verify sync --ioengine=psync --bs=4k-64k --bsrange=4k-64k
verify mapped --ioengine=mmap --bs=4k
verify many --ioengine=psync --numjobs=4 --bs=4k --openfiles=2 --nrfiles=4
verify vectors --ioengine=pvsync --bs=16k --fsync=8
verify aio --ioengine=libaio --iodepth=8 --bs=4k
seal -c "$T/host" >"$T/after"
same "the host is untouched" "$T/before" "$T/after"
finish
