import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { resolvePath } from './links.ts';

/** What the kernel tells of a disk in sysfs, for which no process is needed. Sectors are of 512 bytes there. */
export interface BlockDisk {
  /** `/dev/vda`. */
  readonly path: string;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly partitions: readonly { readonly name: string; readonly start: number; readonly size: number }[];
}

const sector = 512;

function number(host: Host, path: string): number {
  return Number(host.files.readTextIfAny(path)?.trim() ?? Number.NaN);
}

/** The disk that a kernel name (`vda`, `vda3`) belongs to, or `undefined` if there is no such device. */
export function blockDisk(host: Host, name: string): BlockDisk | undefined {
  const place = resolvePath(host.files, `/sys/class/block/${name}`);
  if (place === undefined || host.files.status(place) === undefined) return undefined;
  if (host.files.exists(`${place}/partition`)) {
    return blockDisk(host, place.split('/').at(-2) ?? '');
  }
  const partitions = host.files
    .list(place)
    .filter((entry) => host.files.exists(`${place}/${entry}/partition`))
    .map((entry) => ({
      name: entry,
      start: number(host, `${place}/${entry}/start`) * sector,
      size: number(host, `${place}/${entry}/size`) * sector,
    }));
  const size = number(host, `${place}/size`) * sector;
  return { path: `/dev/${name}`, name, size, partitions };
}

/**
 * The device that holds a file system with a label: by udev's link where there is one, else by asking all disks.
 * @throws KairosError `LABEL_UNKNOWN`
 */
export async function deviceByLabel(host: Host, label: string): Promise<string> {
  const link = `/dev/disk/by-label/${label.replace(/[^\w#+.:=@-]/g, (character) => `\\x${character.charCodeAt(0).toString(16)}`)}`;
  if (host.files.status(link) !== undefined) {
    const device = resolvePath(host.files, link);
    if (device !== undefined) return device;
  }
  for (const disk of await host.disks()) {
    const found = disk.partitions.find((partition) => partition.label === label);
    if (found !== undefined) return found.path;
    if (disk.label === label) return disk.path;
  }
  throw new KairosError('LABEL_UNKNOWN', `no file system has the label ${label}`, { exit: 'unsuitableDisk' });
}
