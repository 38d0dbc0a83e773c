#!/bin/sh
# Takes the root over from dracut when the kernel's command line names a slot, and waits for its partition.

slot=$(getarg kairos.slot=)
if [ -n "$slot" ]; then
    root="kairos:$slot"
    rootok=1
    modprobe -a loop dm-verity ext4 2>/dev/null
    printf 'blkid -c /dev/null -t "%s" >/dev/null\n' "${slot%%:*}" >"$hookdir/initqueue/finished/kairos.sh"
fi
