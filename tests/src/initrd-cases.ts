/** What the thin initrd must boot, and what it must refuse, as data for a test runner. */
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Accelerator } from './accelerator.ts';
import { Machine, type MachineDisk } from './qemu.ts';
import { run } from './run-tool.ts';

const mebibyte = 1024 * 1024;
const partitionGuid = '11111111-2222-3333-4444-55555555ABCD';
const filesystemUuid = 'a1b2c3d4-0000-4000-8000-000000000001';

function script(path: string, lines: readonly string[]): void {
  writeFileSync(path, `#!/bin/sh\nPATH=/bin\n${lines.join('\n')}\n`, { mode: 0o755 });
}

/** A root whose immucore and init only say what they see. Gives the arguments that a slot's `cmdline` would hold. */
function writeRoot(work: string): {
  image: string;
  verity: string;
  data: Uint8Array;
} {
  const tree = join(work, 'root');
  for (const directory of ['bin', 'dev', 'etc', 'proc', 'run', 'sbin', 'sys', 'usr/bin']) {
    mkdirSync(join(tree, directory), { recursive: true });
  }
  copyFileSync('/bin/busybox', join(tree, 'bin/busybox'));
  for (const applet of ['sh', 'cat', 'grep', 'ls', 'mount', 'poweroff', 'touch', 'rm', 'uname']) {
    run('ln', '-s', 'busybox', join(tree, 'bin', applet));
  }
  script(join(tree, 'usr/bin/immucore'), [
    'echo immucore-sees-root "$(mount | grep " on / " | grep -v ^rootfs)"',
    'echo immucore-sees-slot "$(mount | grep -E "cos-state|initramfs/live")"',
    'cat /data >/dev/null || exit 4',
    'if grep -q test.immucore-fails /proc/cmdline; then exit 3; fi',
  ]);
  script(join(tree, 'sbin/init'), [
    'echo "init-runs pid=$$ arguments=[$*]"',
    'echo "init-sees [$(ls / | grep -v -e lost | while read -r name; do echo -n "$name "; done)]"',
    'touch /written 2>/dev/null && echo init-can-write || echo init-cannot-write',
    'if [ -e /dev/mapper/kairos-root ]; then echo init-has-mapper; fi',
    'cat /proc/1/mounts | grep -c . >/dev/null && echo init-has-proc',
    'poweroff -f',
  ]);
  script(join(tree, 'sbin/other'), ['echo other-init-runs', 'poweroff -f']);
  // Does not compress, so it is in the image as it is.
  const data = randomBytes(64 * 1024);
  writeFileSync(join(tree, 'data'), data);
  const image = join(work, 'root.img');
  run('mkfs.erofs', '-zlz4', '-T0', image, tree);
  run('truncate', '--size', '%4096', image);
  const size = statSync(image).size;
  const made = run(
    ...(['veritysetup', 'format', '--salt=-', `--hash-offset=${size}`] as const),
    ...[`--data-blocks=${size / 4096}`, image, image],
  );
  const hash = /Root hash:\s+([0-9a-f]{64})/.exec(made)?.[1];
  if (!hash) throw new Error(`veritysetup said: ${made}`);
  return {
    image,
    data,
    verity: `kairos.verity=${hash}:-:${size / 4096}:${size / 4096 + 1} kairos.rootfstype=erofs`,
  };
}

/** A disk with one partition, an ext4 that holds a slot. */
function writeDisk(path: string, image: string, slot: string, label: string): void {
  const tree = mkdtempSync(join(tmpdir(), 'slot-'));
  try {
    mkdirSync(join(tree, 'cOS', slot), { recursive: true });
    copyFileSync(image, join(tree, 'cOS', slot, 'root.img'));
    run('truncate', '--size', String(64 * mebibyte), path);
    run('sgdisk', '-n', '1:2048:+48M', '-c', '1:state', '-u', `1:${partitionGuid}`, path);
    run(
      ...(['mkfs.ext4', '-q', '-F', '-L', label, '-U', filesystemUuid, '-d', tree] as const),
      ...['-E', `offset=${mebibyte}`, path, '48M'],
    );
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

/** Inverts one byte of the first copy of `content` in a file. */
function flipByte(path: string, content: Uint8Array, offset: number): void {
  const disk = readFileSync(path);
  const at = disk.indexOf(content.subarray(offset, offset + 512));
  if (at < 0) throw new Error('the image is not on the disk as it is');
  disk.writeUInt8(disk.readUInt8(at) ^ 0xff, at);
  writeFileSync(path, disk);
}

export interface InitrdCase {
  readonly name: string;
  readonly disks?: readonly MachineDisk[];
  readonly cdrom?: string;
  readonly extraArguments?: readonly string[];
  readonly commandLine: string;
  /** Must come on the console, in this order; then the machine must end by itself. */
  readonly expected: readonly RegExp[];
  /** Must not come. */
  readonly forbidden?: RegExp;
  /** Typed when `expected` at this index has come. */
  readonly typed?: readonly { readonly after: number; readonly text: string }[];
}

const boots = [
  /immucore-sees-root \/dev\/mapper\/kairos-root on \/ type erofs \(ro/,
  /immucore-sees-slot \S+ on \/run\/initramfs\/cos-state type ext4 \(ro/,
  /kairos-initrd: switching root at \d+\.\d+/,
  /init-runs pid=1/,
  /init-sees \[bin data dev etc proc run sbin sys usr \]/,
  /init-cannot-write\n/,
  /init-has-mapper\n/,
  /init-has-proc\n/,
];

/** Writes the disks of all cases below `work` and gives the cases. */
export function initrdBootCases(work: string): InitrdCase[] {
  const { image, verity, data } = writeRoot(work);
  const root = readFileSync(image);
  const disk = join(work, 'disk.img');
  writeDisk(disk, image, 'active', 'COS_STATE');
  const other = join(work, 'other.img');
  writeDisk(other, image, 'other', 'COS_STATE');
  const badSuperblock = join(work, 'bad-superblock.img');
  copyFileSync(disk, badSuperblock);
  flipByte(badSuperblock, root, 1024);
  const badData = join(work, 'bad-data.img');
  copyFileSync(disk, badData);
  flipByte(badData, data, 20_000);
  const iso = join(work, 'live.iso');
  const tree = join(work, 'iso');
  mkdirSync(join(tree, 'cOS/live'), { recursive: true });
  copyFileSync(image, join(tree, 'cOS/live/root.img'));
  run('xorriso', '-as', 'mkisofs', '-quiet', '-R', '-V', 'COS_LIVE', '-o', iso, tree);

  const active = `kairos.slot=LABEL=COS_STATE:/cOS/active ${verity}`;
  const live = `root=live:CDLABEL=COS_LIVE kairos.slot=LABEL=COS_LIVE:/cOS/live ${verity}`;
  const on = (each: NonNullable<MachineDisk['interface']>): MachineDisk => ({
    path: disk,
    interface: each,
    snapshot: true,
  });
  const interfaces = (['virtio', 'sata', 'nvme', 'usb', 'scsi', 'sd'] as const).map(
    (each): InitrdCase => ({
      name: `finds the slot on ${each}`,
      disks: [on(each)],
      commandLine: active,
      expected: boots,
    }),
  );
  const liveExpected = [
    /immucore-sees-root overlay on \/ type overlay \(rw/,
    /immucore-sees-slot \S+ on \/run\/initramfs\/live type iso9660 \(ro/,
    /init-runs pid=1/,
    /init-can-write\n/,
  ];
  const refused = (reason: RegExp, ...more: readonly RegExp[]) => [
    new RegExp(`kairos-initrd: CANNOT BOOT: ${reason.source}`),
    ...more,
    /next: reboot in 1 s/,
  ];
  return [
    ...interfaces,
    {
      name: 'by UUID of the file system',
      disks: [on('virtio')],
      commandLine: `kairos.slot=UUID=${filesystemUuid}:/cOS/active ${verity}`,
      expected: boots,
    },
    {
      name: 'by GUID of the partition',
      disks: [on('virtio')],
      commandLine: `kairos.slot=PARTUUID=${partitionGuid}:/cOS/active ${verity}`,
      expected: boots,
    },
    { name: 'live from a CD', cdrom: iso, commandLine: live, expected: liveExpected },
    {
      name: 'live from a stick',
      disks: [{ path: iso, interface: 'usb', readOnly: true }],
      commandLine: live,
      expected: liveExpected,
    },
    {
      name: 'prefers the disk to a stick with the same label',
      disks: [on('usb'), on('nvme')],
      commandLine: `${active} rd.break=pre-mount`,
      // Both are there before the first look.
      typed: [
        {
          after: 0,
          text: 'until [ -b /dev/sda1 -a -b /dev/nvme0n1p1 ]; do modprobe -a usb_storage sd_mod; sleep 0.1; done; exit\n',
        },
      ],
      expected: [
        /a shell; leave it/,
        /several devices match LABEL=COS_STATE: \/dev\/nvme0n1p1:ext4 \/dev\/sd\w1:ext4; took \/dev\/nvme0n1p1/,
        /init-runs/,
      ],
    },
    {
      name: 'takes the partition that has the slot',
      disks: [{ path: other, snapshot: true }, on('virtio')],
      commandLine: active,
      expected: [/immucore-sees-slot \/dev\/vd[ab]1/, /init-runs/],
    },
    {
      name: 'passes init= and what is for init',
      disks: [on('virtio')],
      commandLine: `${active} init=/sbin/other`,
      expected: [/other-init-runs/],
    },
    {
      name: 'a device that is not there',
      disks: [on('virtio')],
      commandLine: `kairos.slot=LABEL=NOT_HERE:/cOS/active ${verity} kairos.wait=3`,
      expected: refused(
        /no device with LABEL=NOT_HERE within 3 s/,
        /looked for: LABEL=NOT_HERE:\/cOS\/active/,
        /\/dev\/vda1 48 MiB .*LABEL="COS_STATE"/,
      ),
    },
    {
      name: 'a partition without the slot',
      disks: [{ path: other, snapshot: true }],
      commandLine: `${active} kairos.wait=3`,
      expected: refused(
        /\/dev\/vda1:ext4 \(LABEL=COS_STATE\) cannot be mounted or has no \/cOS\/active\/root.img/,
      ),
    },
    {
      name: 'a superblock that is not the image’s',
      disks: [{ path: badSuperblock, snapshot: true }],
      commandLine: active,
      expected: refused(/cannot mount .*root\.img as erofs: /),
      forbidden: /immucore-sees|init-runs/,
    },
    {
      name: 'a flipped byte in a file that immucore reads',
      disks: [{ path: badData, snapshot: true }],
      commandLine: active,
      expected: [
        /device-mapper: verity: .*data block \d+ is corrupted/,
        ...refused(/immucore exited with 4/),
      ],
      forbidden: /init-runs/,
    },
    {
      name: 'another root hash',
      disks: [on('virtio')],
      commandLine: active.replace(/kairos.verity=../, 'kairos.verity=00'),
      expected: refused(/cannot mount .*root\.img as erofs/),
      forbidden: /immucore-sees|init-runs/,
    },
    {
      name: 'no verity and no word for it',
      disks: [on('virtio')],
      commandLine: 'kairos.slot=LABEL=COS_STATE:/cOS/active',
      expected: refused(/the kernel command line has no kairos.verity=/),
    },
    {
      name: 'no verity, as kairos.noverity says',
      disks: [on('virtio')],
      commandLine: 'kairos.slot=LABEL=COS_STATE:/cOS/active kairos.noverity',
      expected: [/immucore-sees-root \/dev\/loop0 on \/ type erofs/, /init-runs/],
    },
    {
      name: 'a verity argument that is none',
      disks: [on('virtio')],
      commandLine: 'kairos.slot=LABEL=COS_STATE:/cOS/active kairos.verity=abc:-:1:2',
      expected: refused(/kairos.verity=abc:-:1:2 is not <root hash>/),
    },
    {
      name: 'immucore that fails',
      disks: [on('virtio')],
      commandLine: `${active} test.immucore-fails`,
      expected: refused(/immucore exited with 3/),
      forbidden: /init-runs/,
    },
    {
      name: 'a shell on failure',
      disks: [on('virtio')],
      commandLine: 'rd.shell kairos.slot=nonsense',
      expected: [
        /CANNOT BOOT: kairos.slot=nonsense is not LABEL=/,
        /next: a shell/,
        /a shell; leave it with exit/,
        /said-in-shell-42/,
      ],
      typed: [{ after: 2, text: 'echo said-in-shell-$((40 + 2)); exit\n' }],
    },
    {
      name: 'a shell before the switch, from which the boot goes on',
      disks: [on('virtio')],
      commandLine: `${active} rd.break`,
      expected: [
        /immucore-sees-root/,
        /rd.break=pre-switch/,
        /a shell; leave it/,
        /in-shell-erofs/,
        /init-runs/,
      ],
      typed: [
        { after: 2, text: 'echo in-shell-$(mount | grep -o "type erofs" | tr -d " " | cut -c5-); exit\n' },
      ],
    },
  ];
}

/** Boots a case to its end. Throws what was missing, with the console's end. */
export async function bootCase(
  each: InitrdCase,
  kernel: string,
  initrd: string,
  accelerator: Accelerator,
): Promise<string> {
  await using machine = Machine.start({
    name: `initrd-${each.name.replaceAll(/[^\w]+/g, '-')}`,
    accelerator,
    memory: 512,
    noReboot: true,
    ...(each.disks === undefined ? {} : { disks: each.disks }),
    ...(each.cdrom === undefined ? {} : { cdrom: each.cdrom }),
    kernel: { path: kernel, initrd, commandLine: `console=ttyS0 panic=1 ${each.commandLine}` },
  });
  for (const [index, pattern] of each.expected.entries()) {
    await machine.console.waitFor(pattern, { timeout: 120_000 });
    for (const { after, text } of each.typed ?? []) if (after === index) machine.console.send(text);
  }
  await machine.ended(60_000);
  const { text } = machine.console;
  if (each.forbidden?.test(text)) throw new Error(`${each.forbidden} came:\n${text.slice(-4000)}`);
  return text;
}
