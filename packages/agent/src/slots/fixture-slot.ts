import type { ImageManifest } from '@kairos/facts/image-manifest';
import { MiB } from '@kairos/facts/size';
import { slotFiles } from '@kairos/facts/slot';
import type { SlotNow } from '../reset/slots.ts';
import { slotSize } from './size.ts';
import type { SlotView } from './view.ts';

/** Digest of the `image.json` of a version, for tests; its end tells versions apart. */
export const digestOf = (version: string) =>
  `sha256:${version.replace(/\D/g, '').padStart(12, '0').padEnd(64, '0')}`;

/** The files of a slot, 10 MiB each. */
export const sevenFiles: ReadonlyMap<string, number> = new Map(
  Object.values(slotFiles).map((name) => [name, 10 * MiB]),
);

export const manifestOf = (version: string, more: Partial<ImageManifest> = {}): ImageManifest => ({
  ...{ schemaVersion: 1, name: 'kairos', version, architecture: 'amd64', flavor: 'debian' },
  ...{ flavorRelease: '13', variant: 'core', model: 'generic', kernel: '6', init: 'systemd' },
  filesystem: 'erofs',
  verity: {
    ...{ rootHash: digestOf(version).slice(7), salt: '', algorithm: 'sha256', blockSize: 4096 },
    ...{ dataBlocks: 1, hashStartBlock: 2 },
  },
  files: Object.fromEntries(
    [...sevenFiles.keys()]
      .filter((name) => name !== slotFiles.manifest)
      .map((name) => [name, { size: 10 * MiB, digest: digestOf(version) }]),
  ),
  provenance: { base: '', inputs: digestOf('0'), builder: '', epoch: 0 },
  ...more,
});

export const viewOf = (version: string): SlotView => ({
  digest: digestOf(version),
  manifest: manifestOf(version),
  whole: true,
});

/** A slot as a reset finds it; `undefined` is a slot that is not there. */
export const slotNow = (version: string | undefined, damage?: string): SlotNow =>
  version === undefined
    ? { there: false, slot: undefined, damage: undefined, size: 0 }
    : {
        ...{ there: true, damage, size: slotSize(sevenFiles) },
        slot: { ...viewOf(version), whole: damage === undefined },
      };
