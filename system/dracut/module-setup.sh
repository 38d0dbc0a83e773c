#!/bin/bash
# The module of dracut by which a slot's root image is found, opened and mounted, and immucore run in it.

check() {
    return 0
}

depends() {
    echo base dm rootfs-block
}

installkernel() {
    hostonly='' instmods loop dm-verity erofs squashfs ext4 overlay isofs sr_mod vfat
}

install() {
    inst_multiple blkid chroot dmsetup losetup mkdir mount sed umount
    inst_hook cmdline 90 "$moddir/kairos-root.sh"
    inst_hook mount 10 "$moddir/kairos-mount.sh"
    inst_hook pre-pivot 90 "$moddir/kairos-immucore.sh"
}
