#!/bin/bash
# What a guest can race its way to, on this kernel and on older ones, where Landlock lacks TRUNCATE (ABI 1, 2) or IOCTL_DEV (3, 4), whether
# everything still works there, and what is said where Landlock is not there at all. See old_kernel.c for how the kernel is made to look old.
. "$(dirname "$0")/lib.sh"
need cc gcc
. "$E2E/cli.sh"
for p in old_kernel raced_opens; do
	cc -D_GNU_SOURCE -std=gnu17 -O1 -pthread -o "$T/bin/$p" "$E2E/$p.c" || { fail "$p.c does not compile"; finish; }
done
REAL=$COWBOX_BIN
# LeakSanitizer does not work in a traced program
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
SECONDS_EACH=${RACE_SECONDS:-2}

"$REAL" doctor --json >"$T/doctor.json" 2>/dev/null
ABI=$(sed -n 's/.*"name":"Landlock","state":"ok".*"detail":"ABI \([0-9]*\)".*/\1/p' "$T/doctor.json")
[ -n "$ABI" ] || skip "this kernel has no Landlock"
"$T/bin/old_kernel" 1 true || skip "commands cannot be traced here"

# old ABI[,FEATURE...]: COWBOX_BIN is the program on such a kernel
old() {
	printf '#!/bin/sh\nexec "%s" %s "%s" "$@"\n' "$T/bin/old_kernel" "$1" "$REAL" >"$T/bin/cowbox"
	chmod 755 "$T/bin/cowbox"
	export COWBOX_BIN=$T/bin/cowbox
}

# ---- what is said ----
old 0
cb run -b none -- sh -c 'echo x >none'; status "no Landlock" 125; one_line "no Landlock" 'Landlock.*no second wall'
cb doctor; status "doctor without Landlock" 1; out "doctor says that it is missing" '^missing +Landlock '; out "and required" 'required: there is no second wall'
check "nothing ran" test ! -e none -a ! -e "$COWBOX_HOME/boxes/none"
for abi in 1 2 3 4; do
	old $abi
	cb doctor; status "doctor on ABI $abi" 0; out "doctor tells the ABI" "^ok +Landlock  +ABI $abi\$"
	out "doctor on ABI $abi: ioctls" '^weaker +Landlock: device ioctls'; out "what follows" 'behind the system-call wall only'
	out "doctor on ABI $abi: truncate" "^$([ $abi -lt 3 ] && echo weaker || echo ok) +Landlock: truncate"
done
# What the supervisor does not use is not asked for.
old 1,addfd-send,killable,sync,pidfd-thread
cb doctor; status "doctor on Linux 5.13" 0; out "ADDFD" '^ok +descriptors handed to guests'; out "no unbroken waits" '^weaker +unbroken waits'
cb run -b first -- sh -c 'echo new >"$1/made" && cat "$1/made" && exec ls /dev/null' sh "$T/w"; status "a run on Linux 5.13" 0; out "its output" '^new$'
check "nothing reached the host" test ! -e "$T/w/made"

# ---- the races ----
R=$T/races
mkdir "$R"
ln -s /dev/null "$R/n"; ln -s /dev/ptmx "$R/m"; ln -s /proc/self/fd/10 "$R/p"
for f in v $(seq -f 'w%g' 0 999); do echo "the host's" >"$R/$f"; done
# a device that is not for guests, and that whoever runs this may open
for d in /dev/autofs /dev/fuse /dev/loop-control /dev/kvm /dev/hwrng; do
	[ -c "$d" ] && [ ! -e "$R/k" ] && (exec 3<"$d") 2>/dev/null && ln -s "$d" "$R/k"
done
seal -c "$R" >"$T/races.before"
for abi in 1 4 "$ABI"; do
	old "$abi"
	[ "$abi" -le "$ABI" ] || continue
	[ "$abi" -lt "$ABI" ] || COWBOX_BIN=$REAL
	for kind in null null-3 null-create null-write pipe ptmx openat2; do
		cb run -b "race$abi" -- "$T/bin/raced_opens" "$R" "$SECONDS_EACH" $kind
		status "ABI $abi: $kind" 0; out "ABI $abi: $kind was tried" "^$kind: tried"
		seal -c "$R" >"$T/races.after"
		same "ABI $abi: $kind: the host's files were truncated by a raced open" "$T/races.before" "$T/races.after" || finish
		box discard -f -b "race$abi" >/dev/null 2>&1
	done
	# a device that guests may not have
	if [ -e "$R/k" ]; then
		cb run -b "race$abi" -- "$T/bin/raced_opens" "$R" "$SECONDS_EACH" device
		status "ABI $abi: device" 0; is "ABI $abi: no other device was opened" "device: tried" "$(cat "$OUT")"
		box discard -f -b "race$abi" >/dev/null 2>&1
	else
		skip_part "no device may be opened natively here"
	fi
	cb run -b "race$abi" -- "$T/bin/raced_opens" "$R" 1 traced; is "ABI $abi: a traced thread" "traced: openat works, openat2 fails" "$(cat "$OUT")"
	box discard -f -b "race$abi" >/dev/null 2>&1
done

# ---- and everything works as on a new kernel ----
for p in devices open_flags openat2_calls proc_links fifos truncates tmpfiles; do
	for abi in 1 4; do
		old $abi
		[ $abi -lt $ABI ] || continue
		"$E2E/../guest/run.sh" $p >"$T/guest.log" 2>&1
		is "ABI $abi: the guest program $p" 0 $? || show "$T/guest.log" 60
	done
done
finish
