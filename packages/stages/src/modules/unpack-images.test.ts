import { expect, test } from 'bun:test';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { mediaTypes } from '@kairos/facts/media-types';
import { readWhole, sha256Of } from '@kairos/oci/digest';
import { createLayout } from '@kairos/oci/layout-writer';
import { writeTar } from '@kairos/oci/tar-write';
import { type TestMachine, testMachines, told } from '../test-machine.ts';
import { architectureOf } from '../unpack-image.ts';

const testMachine = testMachines();

/** An OCI layout with an image of one layer for each architecture, which holds a file `name`. */
async function putLayout(made: TestMachine, path: string, architectures: readonly string[]): Promise<void> {
  const writer = createLayout(join(made.folder, path));
  const images = [];
  for (const architecture of architectures) {
    const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
    const content = Buffer.from(architecture);
    const layer = await readWhole(
      writeTar([
        { path: 'name', type: 'file', mode: 0o640, modified: 0, ...owner, size: content.length, content },
      ]),
      1 << 20,
      'tar',
    );
    const config = writer.putJson(
      { architecture, os: 'linux', rootfs: { type: 'layers', diff_ids: [sha256Of(layer)] } },
      mediaTypes.config,
    );
    images.push({
      ...writer.putJson(
        { schemaVersion: 2, config, layers: [writer.putBlob(layer, mediaTypes.layer)] },
        mediaTypes.manifest,
      ),
      platform: { architecture, os: 'linux' },
    });
  }
  writer.writeIndex(images);
}

test('an image of a layout is unpacked for the platform asked for', async () => {
  const made = testMachine();
  await putLayout(made, 'image', ['amd64', 'arm64']);
  const result = await made.step(
    'unpack_images:\n- { source: "oci:/image", target: /a, platform: linux/arm64 }\n- { source: /image, target: /b, platform: x86_64 }',
  );
  expect(result.problems).toEqual([]);
  expect([made.read('/a/name'), made.read('/b/name'), made.mode('/a/name')]).toEqual([
    'arm64',
    'amd64',
    '640',
  ]);
});

test.each(['ocifile:/image.tar', 'oci-archive:/image.tar', '/image.tar'])(
  'an image of the archive %s is unpacked',
  async (source) => {
    const made = testMachine();
    await putLayout(made, 'image', ['amd64', 'arm64']);
    execFileSync('tar', ['-C', join(made.folder, 'image'), '-cf', join(made.folder, 'image.tar'), '.']);
    const result = await made.step(
      `unpack_images:\n- { source: "${source}", target: /a, platform: linux/arm64 }`,
    );
    expect(result.problems).toEqual([]);
    expect(made.read('/a/name')).toBe('arm64');
  },
);

test('what cannot be unpacked is told at its line, and the others are unpacked', async () => {
  const made = testMachine();
  await putLayout(made, 'image', ['amd64']);
  const result = await made.step(
    'unpack_images:\n- { source: "dir:/nowhere", target: /a }\n- { source: /image, target: /b, platform: linux/s390x }\n- { source: /image, target: /c, platform: linux/riscv64 }\n- { source: /image, target: /d, platform: amd64 }',
  );
  expect(told(result)).toEqual(['SOURCE_NOT_FOUND:4', 'PLATFORM_INVALID:5', 'WRONG_ARCHITECTURE:6']);
  expect(made.read('/d/name')).toBe('amd64');
});

test.each([
  ['linux/arm64/v8', 'arm64'],
  ['aarch64', 'arm64'],
  ['linux/amd64', 'amd64'],
] as const)('platform %s is %s', (platform, architecture) => {
  expect(architectureOf(platform)).toBe(architecture);
});
