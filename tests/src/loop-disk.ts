import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Host } from '@kairos/host/host';
import { machineHost } from '@kairos/host/machine';
import { run } from './run-tool.ts';

/** A disk that is a sparse file behind a loop device. */
export class LoopDisk implements Disposable {
  readonly file: string;
  readonly device: string;

  /** @param like The file of another disk, whose content it gets. */
  constructor(folder: string, size: number, like?: string) {
    this.file = join(folder, 'disk.img');
    if (like !== undefined) run('cp', '--sparse=always', '--reflink=auto', like, this.file);
    else {
      closeSync(openSync(this.file, 'w'));
      truncateSync(this.file, size);
    }
    this.device = run('losetup', '--find', '--partscan', '--show', this.file).trim();
    // Some kernels do not look for partitions when the device is made. It fails where there is no table.
    if (like !== undefined) Bun.spawnSync(['partx', '--update', this.device]);
  }

  partition(number: number): string {
    return `${this.device}p${number}`;
  }

  /** What `sfdisk` finds, partition by partition. */
  table(): { label: string; partitions: { name: string; start: number; size: number; type: string }[] } {
    return JSON.parse(run('sfdisk', '--json', this.device)).partitiontable;
  }

  /** The label that the file system itself has. */
  label(number: number): string {
    return run(
      'blkid',
      '--probe',
      '--output',
      'value',
      '--match-tag',
      'LABEL',
      this.partition(number),
    ).trim();
  }

  [Symbol.dispose](): void {
    Bun.spawnSync(['partx', '--delete', this.device]);
    run('losetup', '--detach', this.device);
    rmSync(this.file, { force: true });
  }
}

function kernelKnows(filesystem: string): boolean {
  Bun.spawnSync(['modprobe', filesystem]);
  return readFileSync('/proc/filesystems', 'utf8')
    .split('\n')
    .some((line) => line.trim() === filesystem);
}

/**
 * The machine, with vfat also where the kernel has none: a plain directory stands in for the mount and mtools carry
 * its files over when it is unmounted.
 */
export function machineWithVfat(): Host {
  const machine = machineHost();
  if (kernelKnows('vfat')) return machine;
  const standIns = new Map<string, { folder: string; device: string }>();
  return {
    ...machine,
    mount(request) {
      if (request.type !== 'vfat') return machine.mount(request);
      const folder = mkdtempSync(join(tmpdir(), 'vfat-'));
      machine.mount({ source: folder, target: request.target, type: 'none', options: ['bind'] });
      standIns.set(request.target, { folder, device: request.source });
    },
    unmount(target, options) {
      machine.unmount(target, options);
      const standIn = standIns.get(target);
      if (!standIn) return;
      standIns.delete(target);
      const entries = machine.files.list(standIn.folder).map((name) => join(standIn.folder, name));
      if (entries.length > 0) run('mcopy', '-s', '-o', '-i', standIn.device, ...entries, '::');
      rmSync(standIn.folder, { recursive: true });
    },
  };
}

/** Mounts a partition read-only, hands it to `look`, unmounts it. */
export function lookInside<T>(device: string, look: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'look-'));
  const target = join(folder, 'mnt');
  mkdirSync(target);
  run('mount', '-o', 'ro', device, target);
  try {
    return look(target);
  } finally {
    run('umount', target);
    rmSync(folder, { recursive: true });
  }
}
