#!/bin/sh
# Mounts the slot's root image. The same steps as in the /init of the thin initrd, with the tools of dracut.

kairos_mount() {
    local slot tag directory live medium image device loop hash salt blocks start root target type types
    slot=$(getarg kairos.slot=)
    [ -n "$slot" ] || return 0
    tag=${slot%%:*}
    directory=${slot#*:}
    live=''
    getarg root= | grep -q '^live:' && live=1
    medium=/run/initramfs/cos-state
    [ -z "$live" ] || medium=/run/initramfs/live
    image=$medium/${directory#/}/root.img
    mkdir -p "$medium"
    for device in $(blkid -c /dev/null -o device -t "$tag"); do
        mount -o ro "$device" "$medium" || continue
        [ -f "$image" ] && break
        umount "$medium"
    done
    [ -f "$image" ] || die "kairos: no device with $tag that has $directory/root.img"

    loop=$(losetup -f) && losetup -r "$loop" "$image" || die "kairos: cannot attach $image to a loop device"
    root=$loop
    if ! getargbool 0 kairos.noverity; then
        IFS=: read -r hash salt blocks start <<END
$(getarg kairos.verity=)
END
        [ -n "$start" ] || die "kairos: the kernel command line has no kairos.verity="
        dmsetup create kairos-root --readonly --table \
            "0 $((blocks * 8)) verity 1 $loop $loop 4096 4096 $blocks $start sha256 $hash $salt" ||
            die "kairos: dm-verity refuses $image"
        dmsetup mknodes kairos-root
        root=/dev/mapper/kairos-root
    fi

    target=$NEWROOT
    [ -z "$live" ] || target=/run/rootfsbase
    mkdir -p "$target"
    types=$(getarg kairos.rootfstype= | sed 's/,/ /g')
    for type in ${types:-erofs squashfs ext4}; do
        modprobe "$type" 2>/dev/null
        mount -t "$type" -o ro "$root" "$target" && break
    done
    ismounted "$target" || die "kairos: cannot mount $image"
    if [ -n "$live" ]; then
        modprobe overlay 2>/dev/null
        mkdir -p /run/initramfs/overlay
        mount -t tmpfs -o mode=0755,size=50% tmpfs /run/initramfs/overlay
        mkdir -p /run/initramfs/overlay/upper /run/initramfs/overlay/work
        mount -t overlay -o "lowerdir=$target,upperdir=/run/initramfs/overlay/upper,workdir=/run/initramfs/overlay/work" \
            overlay "$NEWROOT" || die "kairos: cannot lay a writable layer over the live system"
    fi
}

kairos_mount
