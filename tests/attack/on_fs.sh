#!/bin/bash
# on_fs.sh KIND NAME: attack NAME on a file system of its own of that kind (btrfs, xfs), in an image, in a mount name space that goes with the script.
# MKFS: the program that makes it (mkfs.KIND).
KIND=${1:?KIND}
NAME=${2:?NAME}
SCRIPT_DIR=$(cd "$(dirname "$0")" && pwd -P)
if [ "$(id -u)" -eq 0 ] && [ -z "${ATTACK_MOUNTS:-}" ]; then
	ATTACK_MOUNTS=1 exec unshare -m --propagation private "$0" "$@"
fi
. "$SCRIPT_DIR/../e2e/lib.sh"
MKFS=${MKFS:-mkfs.$KIND}
[ "$(id -u)" -eq 0 ] || skip "$KIND: only root can mount a file system"
need "$MKFS" "$KIND-progs or ${KIND}progs"
grep -qw "$KIND" /proc/filesystems || modprobe -q "$KIND" 2>/dev/null || skip "this kernel has no $KIND"

chmod a+x "$T"
truncate -s 320M "$T/image"
"$MKFS" -q "$T/image" >"$T/mkfs.log" 2>&1 || skip "$MKFS: $(tail -n 1 "$T/mkfs.log")"
mkdir "$T/mnt"
# -o loop: the device goes with the mount
mount -t "$KIND" -o loop "$T/image" "$T/mnt" 2>"$T/mount.log" || skip "mounting $KIND: $(cat "$T/mount.log")"
chmod 755 "$T/mnt"
COWBOX_TEST_DIR=$T/mnt "$SCRIPT_DIR/attack.sh" "$NAME" >"$T/attack.log" 2>&1
status=$?
[ "$status" -eq 0 ] || show "$T/attack.log" 60
if [ "$status" -eq 77 ]; then
	umount "$T/mnt"
	skip "$(sed -n 's/^skip: //p' "$T/attack.log")"
fi
check "$NAME on $KIND" [ "$status" -eq 0 ]
[ "$status" -ne 0 ] || umount "$T/mnt"
finish
