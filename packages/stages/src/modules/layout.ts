import { KairosError } from '@kairos/facts/errors';
import { MiB } from '@kairos/facts/size';
import { lockDevice } from '@kairos/host/lock';
import { type BlockDisk, blockDisk, deviceByLabel } from '../block-devices.ts';
import type { ModuleContext, StageModule } from '../context.ts';
import type { Field } from '../field.ts';
import { resolvePath } from '../links.ts';
import {
  emptyTable,
  growth,
  type PartitionTable,
  parsePartitionTable,
  partitionNode,
  partitionTypes,
  placePartition,
} from '../partition-table.ts';

/** Longest labels, in bytes, and the program that makes each file system. */
const filesystems: Readonly<
  Record<
    string,
    { readonly label: number; readonly make: (label: string, node: string) => [string, ...string[]] }
  >
> = {
  ext2: { label: 16, make: (label, node) => ['mkfs.ext2', '-F', '-L', label, node] },
  ext3: { label: 16, make: (label, node) => ['mkfs.ext3', '-F', '-L', label, node] },
  ext4: { label: 16, make: (label, node) => ['mkfs.ext4', '-F', '-L', label, node] },
  xfs: { label: 12, make: (label, node) => ['mkfs.xfs', '-f', '-L', label, node] },
  btrfs: { label: 255, make: (label, node) => ['mkfs.btrfs', '-f', '-L', label, node] },
  vfat: { label: 11, make: (label, node) => ['mkfs.vfat', '-n', label, node] },
  fat: { label: 11, make: (label, node) => ['mkfs.vfat', '-n', label, node] },
  swap: { label: 15, make: (label, node) => ['mkswap', '-L', label, node] },
};
const unformatted = ['none', '-', 'noformat'];
const scheme = 'script://';

async function devicePath(device: Field, context: ModuleContext): Promise<string> {
  const label = context.render(device.key('label'));
  if (label) {
    try {
      return await deviceByLabel(context.host, label);
    } catch (error) {
      if (device.key('path').empty) throw error;
    }
  }
  device.key('path').requiredText('the disk, by path or by label');
  const text = (context.render(device.key('path')) ?? '').trim();
  let path = text;
  if (text.startsWith(scheme)) {
    const [program, ...rest] = text.slice(scheme.length).split(/\s+/);
    path = (await context.query([program ?? '', ...rest])).stdout.trim();
  }
  if (!path.startsWith('/')) {
    throw device.key('path').invalid('DEVICE_INVALID', `${JSON.stringify(path)} is not the path of a device`);
  }
  const mount = context.host.mounts().findLast(({ target }) => target === path);
  const resolved = resolvePath(context.host.files, mount?.source ?? path) ?? path;
  if (context.host.files.status(resolved) === undefined) {
    throw device.key('path').invalid('DEVICE_UNKNOWN', `there is no device ${path}`);
  }
  return resolved;
}

/** The disk as a whole, also where a partition of it was named. */
function diskOf(context: ModuleContext, path: string, field: Field): BlockDisk {
  const disk = path.startsWith('/dev/') ? blockDisk(context.host, path.slice('/dev/'.length)) : undefined;
  if (disk !== undefined) return disk;
  const status = context.host.files.status(path);
  // A disk image; its partitions have no devices, so nothing can be formatted in it.
  if (status?.kind === 'file')
    return { path: context.host.files.real(path), name: '', size: status.size, partitions: [] };
  throw field.invalid('DEVICE_UNKNOWN', `${path} is not a disk`);
}

async function readTable(disk: BlockDisk, context: ModuleContext, field: Field): Promise<PartitionTable> {
  const { stdout } = await context.query(['sfdisk', '--json', disk.path]);
  const table = parsePartitionTable(stdout, disk.path, disk.size);
  if (table.kind !== 'gpt') {
    throw field.invalid(
      'PARTITION_TABLE_UNSUITABLE',
      `${disk.path} has a ${table.kind || 'missing'} partition table; only GPT can be changed`,
    );
  }
  return table;
}

/** Writes with `sfdisk` although partitions of the disk are in use; the kernel is then told of the one that changed. */
async function sfdisk(
  disk: BlockDisk,
  input: string,
  context: ModuleContext,
  ...options: string[]
): Promise<void> {
  await context.host.run(['sfdisk', '--no-reread', '--no-tell-kernel', '--force', ...options, disk.path], {
    input,
  });
}

async function tellKernel(
  disk: BlockDisk,
  number: number,
  action: '--add' | '--update',
  context: ModuleContext,
) {
  if (disk.name !== '') await context.host.run(['partx', action, '--nr', String(number), disk.path]);
}

async function initialise(disk: BlockDisk, context: ModuleContext, field: Field): Promise<PartitionTable> {
  const devices = new Set([disk.path, ...disk.partitions.map(({ name }) => `/dev/${name}`)]);
  const used = context.host.mounts().find(({ source }) => devices.has(source));
  if (used !== undefined) {
    throw new KairosError(
      'DISK_IN_USE',
      `${disk.path} is not given a new partition table: ${used.source} is mounted on ${used.target}`,
      { exit: 'unsuitableDisk', position: field.position },
    );
  }
  await context.host.run(['sfdisk', '--wipe', 'always', '--wipe-partitions', 'always', disk.path], {
    input: 'label: gpt\n',
  });
  return context.dryRun ? emptyTable(disk.size) : readTable(disk, context, field);
}

/** The type that tools and firmware know a partition by. */
function typeOf(name: string, filesystem: string): string {
  if (name === 'efi' && ['vfat', 'fat'].includes(filesystem)) return partitionTypes.efi;
  if (name === 'bios' && unformatted.includes(filesystem)) return partitionTypes.bios;
  return filesystem === 'swap' ? partitionTypes.swap : partitionTypes.linux;
}

async function addPartition(
  item: Field,
  disk: BlockDisk,
  table: PartitionTable,
  context: ModuleContext,
): Promise<PartitionTable> {
  item.checkKeys(['fsLabel', 'size', 'pLabel', 'filesystem', 'bootable'], context.report);
  const name = context.render(item.key('pLabel')) ?? '';
  const label = context.render(item.key('fsLabel')) ?? '';
  const filesystem = (item.key('filesystem').text() || 'ext2').toLowerCase();
  const maker = filesystems[filesystem];
  if (maker === undefined && !unformatted.includes(filesystem)) {
    throw item
      .key('filesystem')
      .invalid('FILESYSTEM_UNKNOWN', `no file system ${JSON.stringify(filesystem)} can be made`);
  }
  if (/["\\\n]/.test(name) || name.length > 36) {
    throw item
      .key('pLabel')
      .invalid('PARTITION_NAME_INVALID', `${JSON.stringify(name)} cannot be a partition name`);
  }
  if (maker !== undefined && (Buffer.byteLength(label) > maker.label || label.startsWith('-'))) {
    throw item
      .key('fsLabel')
      .invalid(
        'LABEL_INVALID',
        `label ${JSON.stringify(label)} does not fit ${filesystem}, which has ${maker.label} bytes for it`,
      );
  }
  if (name !== '' && table.partitions.some((partition) => partition.name === name)) {
    context.log(`${disk.path} has a partition ${name} already`);
    return table;
  }
  const placed = placePartition(table, disk.path, (item.key('size').count() ?? 0) * MiB);
  const attributes = item.key('bootable').flag() ? ', attrs="LegacyBIOSBootable"' : '';
  const line = `start=${placed.start}, size=${placed.size}, type=${typeOf(name, filesystem)}, name="${name}"${attributes}`;
  await sfdisk(disk, `${placed.number} : ${line}\n`, context, '--append');
  await tellKernel(disk, placed.number, '--add', context);
  const node = partitionNode(disk.path, placed.number);
  if (maker !== undefined) {
    if (disk.name === '')
      throw item.invalid('DEVICE_UNSUITABLE', `${disk.path} is a file; its partitions cannot be formatted`);
    await context.host.run(maker.make(label, node));
  }
  const added = { node, ...placed, name, type: typeOf(name, filesystem) };
  return { ...table, partitions: [...table.partitions, added] };
}

async function growFilesystem(node: string, context: ModuleContext, field: Field): Promise<void> {
  const { host } = context;
  const { stdout } = await context.query(['blkid', '-o', 'value', '-s', 'TYPE', node], { okCodes: [0, 2] });
  const filesystem = stdout.trim();
  const mounted = host.mounts().find(({ source }) => source === node)?.target;
  if (/^ext[234]$/.test(filesystem)) {
    // Offline, resize2fs insists on a file system that was checked; 1 means that something was put right.
    if (mounted === undefined) await host.run(['e2fsck', '-f', '-y', node], { okCodes: [0, 1] });
    await host.run(['resize2fs', node]);
    return;
  }
  if (filesystem !== 'xfs' && filesystem !== 'btrfs') {
    context.report({
      severity: 'warning',
      code: 'FILESYSTEM_NOT_GROWN',
      message: `${node} was grown; ${filesystem || 'what is in it'} cannot be`,
      position: field.position,
    });
    return;
  }
  const target = mounted ?? `/run/kairos-layout`;
  if (mounted === undefined) {
    host.files.makeDirectory(target, { mode: 0o700 });
    host.mount({ source: node, target, type: filesystem, options: [] });
  }
  try {
    await host.run(
      filesystem === 'xfs' ? ['xfs_growfs', target] : ['btrfs', 'filesystem', 'resize', 'max', target],
    );
  } finally {
    if (mounted === undefined) host.unmount(target);
  }
}

/** Room behind the last partition as the kernel sees it, without a process; most boots find none. */
function mayGrow(disk: BlockDisk): boolean {
  if (disk.partitions.length === 0) return true;
  const end = Math.max(...disk.partitions.map(({ start, size }) => start + size));
  return !(disk.size - end < 2 * MiB + 34 * 512);
}

async function expand(
  field: Field,
  disk: BlockDisk,
  table: PartitionTable,
  context: ModuleContext,
): Promise<void> {
  field.checkKeys(['size'], context.report);
  const grown = growth(table, (field.key('size').count() ?? 0) * MiB);
  if (grown === undefined) return;
  const { partition, size } = grown;
  // The table may end where the disk ended when it was smaller.
  await sfdisk(disk, '', context, '--relocate', 'gpt-bak-std');
  await sfdisk(
    disk,
    `start=${partition.start}, size=${size}\n`,
    context,
    '--partno',
    String(partition.number),
  );
  await tellKernel(disk, partition.number, '--update', context);
  if (disk.name !== '') await growFilesystem(partitionNode(disk.path, partition.number), context, field);
}

/** Gives a disk partitions, then lets its last one grow. Only GPT; never shrinks, never touches a mounted disk's table anew. */
export const layout: StageModule = async (field, context) => {
  field.checkKeys(['device', 'add_partitions', 'expand_partition'], context.report);
  const device = field.key('device');
  device.checkKeys(['label', 'path', 'init_disk', 'disk_name'], context.report);
  const path = await devicePath(device, context);
  const disk = diskOf(context, path, device);
  const parts = field
    .key('add_partitions')
    .items()
    .filter((item) => !item.empty);
  const expansion = field.key('expand_partition');
  const init = device.key('init_disk').flag() ?? false;
  const wantsExpansion = !expansion.empty && (init || parts.length > 0 || mayGrow(disk));
  if (!init && parts.length === 0 && !wantsExpansion) return;
  const locked = disk.name !== '' && !context.dryRun;
  const release = locked ? await lockDevice(context.host.files, disk.path) : () => undefined;
  try {
    let table = init ? await initialise(disk, context, device) : await readTable(disk, context, device);
    for (const item of parts) {
      await context.attempt(item, async () => {
        table = await addPartition(item, disk, table, context);
      });
    }
    if (wantsExpansion) await context.attempt(expansion, () => expand(expansion, disk, table, context));
  } finally {
    release();
  }
  // What comes after may look for the new file systems by their labels.
  if (locked && context.host.files.exists('/run/udev/control') && context.host.which('udevadm')) {
    await context.host.run(['udevadm', 'settle', '--timeout=30'], { okCodes: [0, 1] });
  }
};
