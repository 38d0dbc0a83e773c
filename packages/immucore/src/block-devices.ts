import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { Clock } from '@kairos/host/clock';
import type { Host } from '@kairos/host/host';
import { parseExtSuperblock, superblockPlace } from './ext-superblock.ts';
import type { LoadHardware } from './hardware.ts';

/** A block device and what blkid found on it. */
export interface BlockDevice {
  /** `/dev/vda3`. */
  readonly path: string;
  readonly label: string;
  readonly uuid: string;
  /** File system type. */
  readonly type: string;
  readonly partitionName: string;
  readonly partitionUuid: string;
}

/** Reads what `blkid` prints without options; util-linux and busybox agree on this form. */
export function parseBlkid(text: string): BlockDevice[] {
  const devices: BlockDevice[] = [];
  for (const line of text.split('\n')) {
    const [, path, rest] = /^(\/dev\/[^:]+):\s*(.*)$/.exec(line) ?? [];
    if (path === undefined || rest === undefined) continue;
    const tags = new Map<string, string>();
    for (const [, name = '', value = ''] of rest.matchAll(/([A-Z_]+)="((?:[^"\\]|\\.)*)"/g)) {
      tags.set(name, value.replace(/\\(.)/g, '$1'));
    }
    devices.push({
      path,
      label: tags.get('LABEL') ?? '',
      uuid: tags.get('UUID') ?? '',
      type: tags.get('TYPE') ?? '',
      partitionName: tags.get('PARTLABEL') ?? '',
      partitionUuid: tags.get('PARTUUID') ?? '',
    });
  }
  return devices;
}

/** Whether a device is what `LABEL=…`, `UUID=…`, `PARTLABEL=…`, `PARTUUID=…` or a path names. */
export function matchesDevice(device: BlockDevice, source: string): boolean {
  const [, tag, value = ''] = /^(LABEL|UUID|PARTLABEL|PARTUUID)=(.+)$/.exec(source) ?? [];
  switch (tag) {
    case 'LABEL':
      return device.label === value;
    case 'UUID':
      return device.uuid.toLowerCase() === value.toLowerCase();
    case 'PARTLABEL':
      return device.partitionName === value;
    case 'PARTUUID':
      return device.partitionUuid.toLowerCase() === value.toLowerCase();
    default:
      return device.path === source;
  }
}

export interface BlockDevices {
  /**
   * The device that `source` names, waiting for it up to `timeout` milliseconds. Of several with the same name the one
   * on the disk that the system booted from wins, since a disk image may well be plugged in beside its copy.
   * @throws KairosError `BLKID_FAILED`
   */
  find(
    source: string,
    timeout: number,
  ): Promise<{ readonly device: BlockDevice; readonly others: readonly BlockDevice[] } | undefined>;
  /** Device paths seen last, for messages. */
  seen(): string[];
}

const sysBlock = '/sys/class/block';
/** Milliseconds between two looks at the kernel's list of block devices. */
const pollInterval = 50;

/** The disk that a partition is on, by the kernel's device tree: `vda` for `vda3`. */
export function diskOf(host: Host, name: string): string | undefined {
  if (!host.files.exists(`${sysBlock}/${name}/partition`)) return name;
  try {
    return host.files.readLink(`${sysBlock}/${name}`).split('/').at(-2);
  } catch {
    // No link in /sys: the device is not a partition of anything we could compare with.
    return undefined;
  }
}

/** Bytes of a sector, as the kernel counts a device's size. */
const sector = 512;
/** Not worth opening: memory, and drives in which a medium would have to spin up. */
const neverExt = /^(?:ram|zram|sr|fd)\d/;

/**
 * The one device whose ext file system is what `source` names, by its superblock alone: no program has to be started on
 * an ordinary node. Gives `undefined` wherever anything is less than plain, and `blkid` decides: several devices,
 * a device that something else is made of, a file system that does not fill its device as a member of a RAID
 * does not.
 */
function plainExtDevice(host: Host, source: string, now: number): BlockDevice | undefined {
  if (!/^(?:LABEL|UUID)=/.test(source)) return undefined;
  const found: BlockDevice[] = [];
  for (const name of host.files.list(sysBlock)) {
    if (neverExt.test(name)) continue;
    const path = `/dev/${name}`;
    let superblock: ReturnType<typeof parseExtSuperblock>;
    try {
      superblock = parseExtSuperblock(
        host.files.readPart(path, superblockPlace.offset, superblockPlace.length),
        now,
      );
    } catch {
      // No node, no medium, a broken disk: blkid passes over these as well.
      continue;
    }
    if (superblock === undefined) continue;
    const { label, uuid, type, size } = superblock;
    const device = { path, label, uuid, type, partitionName: '', partitionUuid: '' };
    if (!matchesDevice(device, source)) continue;
    const bytes = Number(host.files.readTextIfAny(`${sysBlock}/${name}/size`) ?? Number.NaN) * sector;
    const fills = bytes >= size && bytes - size < largestExtBlock;
    if (!fills || host.files.list(`${sysBlock}/${name}/holders`).length > 0) return undefined;
    found.push(device);
  }
  return found.length === 1 ? found[0] : undefined;
}

/** Bytes; what is left behind the last whole block of a device is less. */
const largestExtBlock = 4096;

/**
 * Finds devices without udev: plain ones by their superblock, else one `blkid` for all, asked again only when the kernel's list of block devices has
 * changed, and once more before giving up.
 *
 * @param bootedFrom mount point of the partition that holds the booted slot
 * @param loadHardware loads the modules of devices; asked again and again while something is not there
 */
export function blockDevices(
  host: Host,
  clock: Clock,
  bootedFrom: string,
  loadHardware: LoadHardware,
): BlockDevices {
  let devices: BlockDevice[] | undefined;
  let names = '';

  const listNames = () => host.files.list(sysBlock).join(' ');

  async function probe(): Promise<void> {
    names = listNames();
    try {
      // Without its cache, which would be written below /run and be stale after a relabelling. Exit code 2: nothing found.
      const { stdout } = await host.run(['blkid', '-c', '/dev/null'], { okCodes: [0, 2] });
      // The blkid of busybox takes the options for names of devices and prints nothing.
      const text = stdout.trim() === '' ? (await host.run(['blkid'], { okCodes: [0, 2] })).stdout : stdout;
      devices = parseBlkid(text);
    } catch (cause) {
      throw new KairosError('BLKID_FAILED', `Cannot list block devices: ${reasonOf(cause)}`, { cause });
    }
  }

  function pick(source: string) {
    const [first, ...rest] = (devices ?? []).filter((device) => matchesDevice(device, source));
    if (first === undefined) return undefined;
    if (rest.length === 0) return { device: first, others: [] };
    const slot = host.mounts().findLast((mount) => mount.target === bootedFrom)?.source;
    const disk = slot?.startsWith('/dev/') ? diskOf(host, slot.slice('/dev/'.length)) : undefined;
    const all = [first, ...rest];
    const device = all.find((one) => diskOf(host, one.path.slice('/dev/'.length)) === disk) ?? first;
    return { device, others: all.filter((one) => one !== device) };
  }

  return {
    async find(source, timeout) {
      const deadline = clock.now() + timeout;
      const plain = devices === undefined ? plainExtDevice(host, source, Date.now() / 1000) : undefined;
      if (plain !== undefined) return { device: plain, others: [] };
      if (devices === undefined || names !== listNames()) await probe();
      for (;;) {
        const found = pick(source);
        if (found !== undefined) return found;
        if (timeout <= 0) return undefined;
        await loadHardware('missing');
        const left = deadline - clock.now();
        if (left <= 0) {
          await probe();
          return pick(source);
        }
        await clock.sleep(Math.min(pollInterval, left));
        if (names !== listNames()) await probe();
      }
    },
    seen: () => (devices ?? []).map((device) => `${device.path}${device.label && ` (${device.label})`}`),
  };
}
