import { afterEach, beforeAll, beforeEach, expect } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { MiB } from '@kairos/facts/size';
import type { Host } from '@kairos/host/host';
import {
  bootedFrom,
  installOn,
  type SyntheticImage,
  upgradeNode,
  withState,
  writeImage,
} from './installed-node.ts';
import { LoopDisk, machineWithVfat } from './loop-disk.ts';
import { type SharedRegistry, sharedRegistry } from './shared-registry.ts';

type UpgradeArguments = Parameters<typeof upgradeNode> extends [Host, ...infer Rest] ? Rest : never;

/** What the slots hold before and after an upgrade. */
export const before = { active: 'v1', passive: 'v1' };
export const upgraded = { active: 'v2', passive: 'v1' };

/** The digest of an image's `root.img`. */
export function rootDigest({ files }: SyntheticImage): string {
  return JSON.parse(String(files.get('image.json'))).files['root.img'].digest;
}

/** A disk on which v1 is installed, anew for each test, and v2 in a registry as `kairos/os:v2`. */
export class UpgradableNode {
  readonly machine = machineWithVfat();
  readonly registry: SharedRegistry;
  declare first: SyntheticImage;
  declare second: SyntheticImage;
  /** Of one test. */
  declare folder: string;
  declare disk: LoopDisk;
  declare host: Host;

  /**
   * Has all of it made before the tests of this file.
   * @param prefix of the folder's name
   */
  constructor(prefix: string) {
    this.registry = sharedRegistry(prefix);
    const shared = this.registry.folder;
    const template = join(shared, 'template.img');
    beforeAll(async () => {
      this.first = await writeImage(shared, 'v1');
      this.second = await writeImage(shared, 'v2', { rootSize: 12 * MiB });
      await this.registry.push(this.second.layout, 'kairos/os:v2');
      using disk = new LoopDisk(shared, 1024 * MiB);
      await installOn(this.machine, disk, this.first.slot, shared);
      Bun.spawnSync(['sync', '--file-system', disk.device]);
      Bun.spawnSync(['blockdev', '--flushbufs', disk.device]);
      Bun.spawnSync(['cp', '--sparse=always', disk.file, template]);
    });
    beforeEach(() => {
      this.folder = mkdtempSync(join(shared, 'test-'));
      this.use(new LoopDisk(this.folder, 1024 * MiB, template));
    });
    afterEach(() => {
      this.disk[Symbol.dispose]();
      rmSync(this.folder, { recursive: true, force: true });
      // A test that leaves a mount has to be seen, not swept up.
      expect(this.machine.mounts().filter(({ target }) => /^\/run\/(cos|initramfs)/.test(target))).toEqual(
        [],
      );
    });
  }

  private use(disk: LoopDisk): void {
    this.disk = disk;
    this.host = bootedFrom(this.machine, disk.device, 'ACTIVE', this.first.rootHash);
  }

  /** Installs v1 on a disk of another size instead. */
  async installOnDiskOf(size: number): Promise<void> {
    this.disk[Symbol.dispose]();
    this.use(new LoopDisk(this.folder, size));
    await installOn(this.machine, this.disk, this.first.slot, this.folder);
  }

  upgrade(...given: UpgradeArguments): ReturnType<typeof upgradeNode> {
    return withState(this.disk.device, () => upgradeNode(this.host, ...given));
  }
}
