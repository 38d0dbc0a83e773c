#!/bin/sh
# Runs immucore in the new root. dracut still uses its own /dev, /proc, /sys and /run; switch_root leaves those alone
# that are mounted in the new root already.

if [ -n "$(getarg kairos.slot=)" ]; then
    for place in dev proc sys run; do
        mount --rbind "/$place" "$NEWROOT/$place" || die "kairos: cannot bind /$place into the root"
    done
    # It ends before the last stage of its runtime's compiler could pay for itself.
    BUN_JSC_useDFGJIT=0 chroot "$NEWROOT" /usr/bin/immucore || die "kairos: immucore failed; what it did: /run/immucore/"
    read -r uptime _ </proc/uptime
    echo "kairos-initrd: switching root at $uptime" >/dev/kmsg
fi
