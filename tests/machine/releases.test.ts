import { beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listReleases } from '@kairos/agent/commands/list-releases';
import { pullImage } from '@kairos/agent/commands/pull-image';
import { mediaTypes } from '@kairos/facts/media-types';
import type { Host } from '@kairos/host/host';
import { machineHost } from '@kairos/host/machine';
import { openLayout } from '@kairos/oci/layout';
import { createLayout } from '@kairos/oci/layout-writer';
import { tarDirectory } from '@kairos/oci/tar-directory';
import { errorOf } from '../src/error-of.ts';
import { putImageOfLayers } from '../src/image-of-layers.ts';
import { sharedRegistry } from '../src/shared-registry.ts';

setDefaultTimeout(60_000);

const machine = machineHost();
const registry = sharedRegistry('releases');
const { folder } = registry;
const silent = () => undefined;

beforeAll(async () => {
  const root = join(folder, 'root');
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(join(root, 'etc/hostname'), 'pulled\n');
  const writer = createLayout(join(folder, 'layout'));
  const layer = await writer.putStream(tarDirectory(root), mediaTypes.layer);
  writer.writeIndex(
    ['amd64', 'arm64'].map((architecture) =>
      putImageOfLayers(writer, [layer], [layer.digest], { architecture, config: {} }),
    ),
  );
  for (const tag of ['v1.0.0', 'v1.1.0', 'v1.2.0-rc1', 'v0.9.0']) {
    await registry.push(join(folder, 'layout'), `kairos/debian:13-core-amd64-generic-${tag}`);
  }
});

/** The machine as one that runs an image. */
function node(version: string, more = ''): Host {
  const release = [
    ...[
      'KAIROS_FLAVOR="debian"',
      'KAIROS_FLAVOR_RELEASE="13"',
      'KAIROS_VARIANT="core"',
      'KAIROS_MODEL="generic"',
    ],
    ...['KAIROS_TARGETARCH="amd64"', `KAIROS_VERSION="${version}"`, more],
  ].join('\n');
  return {
    ...machine,
    files: {
      ...machine.files,
      readTextIfAny: (path) => (path === '/etc/kairos-release' ? release : machine.files.readTextIfAny(path)),
    },
  };
}

test('what is newer than the running image, as a source to upgrade to', async () => {
  const options = { registry: `${registry.address}/kairos`, pre: false, all: false, warn: silent };
  const list = await listReleases(node('v1.0.0'), options);
  expect(list).toEqual({
    current: 'v1.0.0',
    from: `${registry.address}/kairos/debian`,
    releases: [
      {
        tag: '13-core-amd64-generic-v1.1.0',
        version: 'v1.1.0',
        preRelease: false,
        source: `oci:${registry.address}/kairos/debian:13-core-amd64-generic-v1.1.0`,
      },
    ],
  });
  const every = await listReleases(node('v1.0.0'), { ...options, pre: true, all: true });
  expect(every.releases.map(({ version }) => version)).toEqual(['v1.2.0-rc1', 'v1.1.0', 'v1.0.0', 'v0.9.0']);
});

test('the registry is the one that the image names, unless another is asked for', async () => {
  const host = node('v1.0.0', `KAIROS_REGISTRY_AND_ORG="${registry.address}/kairos"`);
  const warnings: string[] = [];
  const warn = (message: string) => warnings.push(message);
  const options = { pre: false, all: false, warn };
  expect((await listReleases(host, options)).releases).toHaveLength(1);
  expect(warnings).toEqual([]);
  const error = await errorOf(listReleases(host, { ...options, registry: `${registry.address}/none` }));
  expect([error.code, error.exitCode]).toEqual(['IMAGE_NOT_FOUND', 11]);
  expect(warnings).toEqual([
    `This image comes from ${registry.address}/kairos; ${registry.address}/none is asked, as --registry says`,
  ]);
});

test('a system that is none of ours has no releases', async () => {
  const error = await errorOf(listReleases(machine, { pre: false, all: false, warn: silent }));
  expect([error.code, error.exitCode]).toEqual(['RELEASE_UNKNOWN', 19]);
});

test('an image is unpacked for a platform, and nothing is overwritten or left half', async () => {
  const reference = `${registry.address}/kairos/debian:13-core-amd64-generic-v1.0.0`;
  const directory = join(folder, 'pulled');
  const pulled = await pullImage(machine, reference, directory, {
    platform: 'linux/arm64',
    onProgress: silent,
  });
  expect(pulled.digest).toBe(openLayout(join(folder, 'layout')).index().manifests[1]?.digest as string);
  expect(readFileSync(join(directory, 'etc/hostname'), 'utf8')).toBe('pulled\n');
  const again = await errorOf(pullImage(machine, reference, directory, { onProgress: silent }));
  expect([again.code, again.exitCode]).toEqual(['DIRECTORY_NOT_EMPTY', 10]);
  const other = join(folder, 'other');
  const wrong = await errorOf(
    pullImage(machine, reference, other, { platform: 'riscv64', onProgress: silent }),
  );
  expect([wrong.code, existsSync(other)]).toEqual(['WRONG_ARCHITECTURE', false]);
  const typo = await errorOf(
    pullImage(machine, reference, other, { platform: 'linux/amd46', onProgress: silent }),
  );
  expect(typo.message).toBe('"linux/amd46" is not a platform, did you mean "linux/amd64"?');
  // A layer whose content is another one leaves nothing.
  const broken = join(folder, 'broken');
  Bun.spawnSync(['cp', '-r', join(folder, 'layout'), broken]);
  const [first] = openLayout(broken).index().manifests;
  if (first === undefined) throw new Error('no manifest');
  const [layer] = (await openLayout(broken).manifest(first)).layers;
  const blob = join(broken, 'blobs', layer?.digest.replace(':', '/') ?? '');
  const bytes = readFileSync(blob);
  bytes[bytes.indexOf('pulled')] = 0x50;
  writeFileSync(blob, bytes);
  mkdirSync(other);
  const changed = await errorOf(pullImage(machine, `oci:${broken}`, other, { onProgress: silent }));
  expect([changed.code, readdirSync(other)]).toEqual(['DIGEST_MISMATCH', []]);
});
