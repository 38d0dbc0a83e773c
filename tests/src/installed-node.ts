import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installWith } from '@kairos/agent/commands/install';
import { type UpgradeOptions, type UpgradeParts, upgradeWith } from '@kairos/agent/commands/upgrade';
import { openImageSource, type SourceOptions } from '@kairos/agent/sources/image-source';
import { imageManifestSchema } from '@kairos/facts/image-manifest';
import { mediaTypes } from '@kairos/facts/media-types';
import { paths } from '@kairos/facts/paths';
import type { Host } from '@kairos/host/host';
import { putBootForm } from '@kairos/image/publish';
import { createLayout } from '@kairos/oci/layout-writer';
import { type LoopDisk, lookInside } from './loop-disk.ts';
import { type SyntheticOptions, writeSyntheticBootForm } from './synthetic-boot-form.ts';

const stateMount = paths.cosState;

export interface SyntheticImage {
  /** The files of the slot, as a source. */
  readonly slot: string;
  /** An OCI image layout of the boot form. */
  readonly layout: string;
  /** By which the kernel would open the root. */
  readonly rootHash: string;
  readonly files: ReadonlyMap<string, Buffer>;
}

/** Writes an image that is right in form, as a folder and as a layout. */
export async function writeImage(
  folder: string,
  version: string,
  more: SyntheticOptions = {},
): Promise<SyntheticImage> {
  const files = await writeSyntheticBootForm(join(folder, version), { version, ...more });
  const manifest = imageManifestSchema.parse(JSON.parse(String(files.get('image.json'))));
  const layout = join(folder, version, 'layout');
  const writer = createLayout(layout);
  const blobs = new Map(
    [...files]
      .filter(([name]) => name !== 'image.json')
      .map(([name, bytes]) => [name, writer.putBlob(bytes, mediaTypes.bootFile)]),
  );
  writer.writeIndex([putBootForm(writer, manifest, blobs)]);
  return { slot: join(folder, version, 'slot'), layout, rootHash: manifest.verity.rootHash, files };
}

/** Label and type of file systems by their device. */
export type Filesystems = ReadonlyMap<string, { readonly label: string; readonly filesystem: string }>;

/** Label and type of the file system on each of these devices that has one, from what is on them. */
export function probeFilesystems(devices: readonly string[]): Filesystems {
  const { stdout } = Bun.spawnSync(['blkid', '--probe', '--output', 'export', ...devices]);
  return new Map(
    stdout
      .toString()
      .split('\n\n')
      .map((block) => {
        const value = (tag: string) => new RegExp(`^${tag}=(.*)$`, 'm').exec(block)?.[1] ?? '';
        return [value('DEVNAME'), { label: value('LABEL'), filesystem: value('TYPE') }];
      }),
  );
}

const partitionNames = ['bios', 'efi', 'oem', 'recovery', 'state', 'persistent'];

/**
 * The machine as after a start of a slot of the disk: only that disk, and the kernel's command line of that boot.
 * @param known Labels and types, as udev of a node knows them; without it each look at the disks probes them.
 */
export function bootedFrom(
  machine: Host,
  device: string,
  slot: 'ACTIVE' | 'PASSIVE',
  rootHash: string,
  replaced: Readonly<Record<string, string>> = {},
  known?: Filesystems,
): Host {
  const texts: Readonly<Record<string, string>> = {
    '/proc/cmdline': `root=LABEL=COS_${slot} kairos.verity=${rootHash}:-:10:11`,
    '/run/immucore/boot-report.json': '{"steps":[]}',
    ...replaced,
  };
  return {
    ...machine,
    // lsblk asks udev, which may not be there: the labels are those that the file systems themselves have.
    disks: async () =>
      (await machine.disks())
        .filter(({ path }) => path === device)
        .map((found) => {
          const filesystems = known ?? probeFilesystems(found.partitions.map(({ path }) => path));
          return {
            ...found,
            partitions: found.partitions.map((one) => ({
              ...one,
              ...(filesystems.get(one.path) ?? { label: '', filesystem: '' }),
              partitionName: partitionNames[Number(one.path.split('p').at(-1)) - 1] ?? '',
            })),
          };
        }),
    which: (name) => (name === 'udevadm' || name === 'systemctl' ? undefined : machine.which(name)),
    files: {
      ...machine.files,
      exists: (path) => path === '/etc/kairos/.nousers' || machine.files.exists(path),
      readTextIfAny: (path) => texts[path] ?? machine.files.readTextIfAny(path),
    },
  };
}

/** Installs an image on a disk, as a configuration says. */
export async function installOn(
  machine: Host,
  disk: LoopDisk,
  slot: string,
  folder: string,
  configFile?: string,
): Promise<void> {
  const config = configFile ?? join(folder, 'config.yaml');
  if (configFile === undefined) writeFileSync(config, '#cloud-config\ninstall: {nousers: true}\n');
  await installWith(
    machine,
    {
      ...{ source: `dir:${slot}`, device: disk.device, configFile: config },
      ...{ unattended: false, onProgress: () => undefined },
    },
    { openSource: openImageSource, runStage: async () => undefined },
  );
}

/** Mounts partitions of a disk, last in, first out, while something is done. */
async function withMounts<T>(
  mounts: readonly { readonly device: string; readonly target: string; readonly mode: 'ro' | 'rw' }[],
  work: () => Promise<T>,
): Promise<T> {
  const [first, ...others] = mounts;
  if (first === undefined) return work();
  const { device, target, mode } = first;
  const made = mkdirSync(target, { recursive: true });
  const { exitCode, stderr } = Bun.spawnSync(['mount', '-o', mode, device, target]);
  if (exitCode !== 0) throw new Error(stderr.toString());
  try {
    return await withMounts(others, work);
  } finally {
    Bun.spawnSync(['umount', target]);
    if (made === target) rmdirSync(target);
  }
}

/** Does something while COS_STATE is mounted where a booted system has it, read-only. */
export function withState<T>(device: string, work: () => Promise<T>): Promise<T> {
  return withMounts([{ device: `${device}p5`, target: stateMount, mode: 'ro' }], work);
}

/**
 * Does something while the disk is mounted as on a booted node: OEM and the persistent partition are writable there. Only in
 * a mount namespace of its own: everybody else on this machine would find the node's `/usr/local`.
 */
export function asBooted<T>(device: string, work: () => Promise<T>): Promise<T> {
  return withMounts(
    [
      { device: `${device}p5`, target: stateMount, mode: 'ro' },
      { device: `${device}p3`, target: paths.oem, mode: 'rw' },
      { device: `${device}p6`, target: paths.persistent, mode: 'rw' },
    ],
    work,
  );
}

/** Upgrades without stages, with registries that give up soon. */
export function upgradeNode(
  host: Host,
  source: string | undefined,
  more: Partial<UpgradeOptions> = {},
  sourceOptions: SourceOptions = {},
  parts: Partial<UpgradeParts> = {},
) {
  return upgradeWith(
    host,
    { ...(source === undefined ? {} : { source }), onProgress: () => undefined, ...more },
    {
      openSource: (machine, uri, options) =>
        openImageSource(machine, uri, {
          ...options,
          ...sourceOptions,
          registry: { backoff: 1, attempts: 3, stallTimeout: 500, ...sourceOptions.registry },
        }),
      runStage: async () => undefined,
      now: () => new Date(),
      ...parts,
    },
  );
}

/**
 * Versions by directory of `cOS`: `damaged` where a byte is not what its image.json says, `unfinished` where there is no
 * image.json.
 */
export function slotsOf(disk: LoopDisk, partition = 5): Record<string, string> {
  return lookInside(disk.partition(partition), (root) =>
    Object.fromEntries(
      readdirSync(join(root, 'cOS')).map((name) => {
        const read = (file: string) => readFileSync(join(root, 'cOS', name, file));
        if (!readdirSync(join(root, 'cOS', name)).includes('image.json')) return [name, 'unfinished'];
        const manifest = imageManifestSchema.parse(JSON.parse(read('image.json').toString()));
        const whole = Object.entries(manifest.files).every(
          ([file, { digest }]) =>
            `sha256:${createHash('sha256').update(read(file)).digest('hex')}` === digest,
        );
        return [name, whole ? manifest.version : 'damaged'];
      }),
    ),
  );
}
