import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { labels } from '@kairos/facts/labels';
import { slotFiles } from '@kairos/facts/slot';
import { type DirectoryHost, type DirectoryHostOptions, directoryHost } from '@kairos/host/directory';
import type { Disk, Partition } from '@kairos/host/disks';
import type { Host, HostFiles } from '@kairos/host/host';
import { packTar } from 'modern-tar';

/**
 * An installed node in a folder, for tests: partitions as directories, slots with small files.
 */
export interface Scene {
  readonly folder: string;
  /** A host as after a start of the given slot. */
  boot(
    slot: 'active' | 'passive' | 'recovery',
    more?: DirectoryHostOptions & { cmdline?: string },
  ): DirectoryHost;
  /** Makes an image; gives its folder. */
  image(version: string, more?: Partial<ImageManifest>): Promise<string>;
  /** Puts an image into a slot. */
  install(version: string, slot: 'active' | 'passive' | 'recovery' | 'transition'): Promise<void>;
  /** Versions by directory of `cOS` on a partition. */
  slots(partition?: 'state' | 'recovery'): Record<string, string>;
}

const sha256 = (text: string | Uint8Array) => createHash('sha256').update(text).digest('hex');

/** Where each partition is, whether or not the slot that it holds was booted. */
const mountOf = {
  state: '/run/initramfs/cos-state',
  recovery: '/run/cos/recovery',
  oem: '/oem',
  persistent: '/usr/local',
} as const;

const partition = (number: number, name: string, label: string, mountPoints: string[]): Partition => ({
  ...{ path: `/dev/vda${number}`, name: `vda${number}`, label, partitionName: name },
  ...{ filesystem: name === 'efi' ? 'vfat' : 'ext4', uuid: '', partitionUuid: '', size: 1, mountPoints },
});

function diskOf(booted: 'active' | 'passive' | 'recovery'): Disk {
  const onState = booted !== 'recovery';
  return {
    ...{ path: '/dev/vda', name: 'vda', size: 1, readOnly: false, removable: false, model: '', type: 'disk' },
    ...{ partitionTable: 'gpt', filesystem: '', label: '', mountPoints: [] },
    partitions: [
      partition(2, 'efi', labels.esp, []),
      partition(3, 'oem', labels.oem, [mountOf.oem]),
      partition(4, 'recovery', labels.recovery, onState ? [] : ['/run/initramfs/cos-state']),
      partition(5, 'state', labels.state, onState ? ['/run/initramfs/cos-state'] : []),
      partition(6, 'persistent', labels.persistent, onState ? [mountOf.persistent] : []),
    ],
  };
}

async function bootloaderTar(version: string): Promise<Uint8Array> {
  return packTar(
    Object.entries({
      'efi/bootx64.efi': `MZ shim ${version}`,
      'efi/grubx64.efi': `MZ grub ${version}`,
      'grub.cfg': `# menu ${version}\n`,
      'grub-live.cfg': '# live\n',
    }).map(([name, body]) => ({ header: { name, size: body.length }, body })),
  );
}

export const rootHashOf = (version: string): string => sha256(`root hash of ${version}`);

async function writeImage(folder: string, version: string, more: Partial<ImageManifest>): Promise<void> {
  const contents: Record<string, Uint8Array | string> = {
    [slotFiles.root]: `root of ${version}`.repeat(50),
    [slotFiles.kernel]: `kernel of ${version}`,
    [slotFiles.initrd]: `initrd of ${version}`,
    [slotFiles.cmdline]: `kairos.verity=${rootHashOf(version)}:-:1:2\n`,
    [slotFiles.bootConfig]: `set kairos_cmdline="${version}"\n`,
    [slotFiles.bootloader]: await bootloaderTar(version),
  };
  const manifest: ImageManifest = {
    ...{ schemaVersion: 1, name: 'kairos-core-debian-13', version, architecture: 'amd64', flavor: 'debian' },
    ...{ flavorRelease: '13', variant: 'core', model: 'generic', kernel: '6.12', init: 'systemd' },
    filesystem: 'erofs',
    verity: {
      ...{ rootHash: rootHashOf(version), salt: '', algorithm: 'sha256', blockSize: 4096 },
      ...{ dataBlocks: 1, hashStartBlock: 2 },
    },
    files: Object.fromEntries(
      Object.entries(contents).map(([name, content]) => [
        name,
        { size: content.length, digest: `sha256:${sha256(content)}` },
      ]),
    ),
    provenance: { base: '', inputs: `sha256:${sha256('')}`, builder: '', epoch: 0 },
    ...more,
  };
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(contents)) writeFileSync(join(folder, name), content);
  writeFileSync(join(folder, slotFiles.manifest), JSON.stringify(manifest));
}

/** A folder in memory where the machine has one, so that syncing costs nothing. */
export function sceneFolder(): string {
  return mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'node-'));
}

export function makeScene(folder: string): Scene {
  const place = (key: 'state' | 'recovery') => join(folder, key === 'state' ? 'state' : 'recovery');
  let images = 0;
  const host = (
    booted: 'active' | 'passive' | 'recovery',
    more: DirectoryHostOptions & { cmdline?: string },
  ) => {
    const onState = booted !== 'recovery';
    const mounted = (target: string, mode: string) => ({ source: '', target, type: 'ext4', options: [mode] });
    const machine = directoryHost(folder, {
      disks: [diskOf(booted)],
      mounts: [
        mounted('/run/initramfs/cos-state', 'ro'),
        mounted('/oem', 'rw'),
        ...(onState ? [mounted('/usr/local', 'rw')] : []),
      ],
      run: () => ({}),
      ...more,
    });
    return machine;
  };
  return {
    folder,
    boot(slot, { cmdline, ...more } = {}) {
      const machine = host(slot, more);
      // The same directories under the names at which this boot has the partitions.
      const routes: readonly (readonly [string, string])[] =
        slot === 'recovery'
          ? [
              ['/run/initramfs/cos-state', '/recovery'],
              ['/run/cos/state', '/state'],
              ['/run/cos/persistent', '/usr/local'],
            ]
          : [
              ['/run/initramfs/cos-state', '/state'],
              ['/run/cos/recovery', '/recovery'],
            ];
      const files = rerouted(machine.files, routes);
      const label = { active: 'COS_ACTIVE', passive: 'COS_PASSIVE', recovery: 'COS_SYSTEM' }[slot];
      const own = slot === 'recovery' ? '/recovery/cOS/recovery' : `/state/cOS/${slot}`;
      const line = machine.files.readTextIfAny(`${own}/cmdline`) ?? '';
      machine.files.write('/proc/cmdline', cmdline ?? `root=LABEL=${label} ${line}`);
      return { ...machine, files };
    },
    async image(version, more = {}) {
      const path = join(folder, `images/${images++}`);
      await writeImage(path, version, more);
      return path;
    },
    install: (version, slot) =>
      writeImage(join(place(slot === 'recovery' ? 'recovery' : 'state'), 'cOS', slot), version, {}),
    slots(key = 'state') {
      const { files } = directoryHost(place(key));
      return Object.fromEntries(
        files.list('/cOS').map((name) => {
          const text = files.readTextIfAny(`/cOS/${name}/image.json`);
          return [name, text === undefined ? '' : String(JSON.parse(text).version)];
        }),
      );
    },
  };
}

function rerouted(files: HostFiles, routes: readonly (readonly [string, string])[]): HostFiles {
  const route = (path: string) => {
    for (const [from, to] of routes) {
      if (path === from || path.startsWith(`${from}/`)) return `${to}${path.slice(from.length)}`;
    }
    return path;
  };
  return mapPaths(files, route);
}

/** Files under other names. */
function mapPaths(files: HostFiles, route: (path: string) => string): HostFiles {
  return {
    real: (path) => files.real(route(path)),
    exists: (path) => files.exists(route(path)),
    readText: (path) => files.readText(route(path)),
    readOrdinaryText: (path, maximumBytes) => files.readOrdinaryText(route(path), maximumBytes),
    readBytes: (path) => files.readBytes(route(path)),
    readPart: (path, offset, length) => files.readPart(route(path), offset, length),
    readTextIfAny: (path) => files.readTextIfAny(route(path)),
    status: (path) => files.status(route(path)),
    list: (path) => files.list(route(path)),
    readLink: (path) => files.readLink(route(path)),
    makeDirectory: (path, options) => files.makeDirectory(route(path), options),
    write: (path, content, options) => files.write(route(path), content, options),
    append: (path, content) => files.append(route(path), content),
    writeInPlace: (path, content) => files.writeInPlace(route(path), content),
    sha256: (path) => files.sha256(route(path)),
    symlink: (target, path) => files.symlink(target, route(path)),
    chmod: (path, mode) => files.chmod(route(path), mode),
    chown: (path, uid, gid) => files.chown(route(path), uid, gid),
    rename: (from, to) => files.rename(route(from), route(to)),
    exchange: (a, b) => files.exchange(route(a), route(b)),
    remove: (path) => files.remove(route(path)),
    sync: (path) => files.sync(route(path)),
  };
}

export class PowerCut extends Error {}

/**
 * A host whose power goes before the n-th change: that one and all later ones do not happen. Gives the number of
 * changes so far. Removing a tree is one change for each file.
 */
export function cutBefore(host: Host, n: number): { host: Host; effects(): number; effect(): void } {
  let count = 0;
  const effect = () => {
    count++;
    if (count >= n) throw new PowerCut(`the power went before change ${n}`);
  };
  const { files } = host;
  const guarded =
    <Arguments extends unknown[], Result>(run: (...given: Arguments) => Result) =>
    (...given: Arguments): Result => {
      effect();
      return run(...given);
    };
  const remove = (path: string): void => {
    const status = files.status(path);
    if (!status) return;
    if (status.kind === 'directory') for (const name of files.list(path)) remove(`${path}/${name}`);
    effect();
    files.remove(path);
  };
  return {
    effects: () => count,
    effect,
    host: {
      ...host,
      checkpoint: guarded(host.checkpoint),
      mount: guarded(host.mount),
      unmount: guarded(host.unmount),
      run: guarded(host.run),
      files: {
        ...files,
        // What is streamed into a slot goes by this.
        real(path) {
          if (path.includes('/cOS/transition/')) effect();
          return files.real(path);
        },
        makeDirectory: guarded(files.makeDirectory),
        write: guarded(files.write),
        append: guarded(files.append),
        writeInPlace: guarded(files.writeInPlace),
        symlink: guarded(files.symlink),
        chmod: guarded(files.chmod),
        chown: guarded(files.chown),
        rename: guarded(files.rename),
        exchange: guarded(files.exchange),
        sync: guarded(files.sync),
        remove,
      },
    },
  };
}

/** A node with an image of a version in each of its slots. */
export async function installedScene(
  folder: string,
  versions: Readonly<Record<'active' | 'passive' | 'recovery', string>>,
): Promise<Scene> {
  const scene = makeScene(folder);
  for (const slot of ['active', 'passive', 'recovery'] as const) await scene.install(versions[slot], slot);
  return scene;
}
