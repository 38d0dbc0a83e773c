import { expect, setDefaultTimeout, test } from 'bun:test';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkConfigWithImage } from '@kairos/agent/upgrade/new-image-check';
import { MiB } from '@kairos/facts/size';
import { errorOf } from '../src/error-of.ts';
import { startFaultProxy } from '../src/fault-proxy.ts';
import { executable } from '../src/images.ts';
import { slotsOf, writeImage } from '../src/installed-node.ts';
import { librariesOf } from '../src/libraries-of.ts';
import { before, UpgradableNode } from '../src/upgradable-node.ts';

setDefaultTimeout(120_000);

const node = new UpgradableNode('new-image-check');
const { registry } = node;

/** A root with the agent as it is now and what it needs to run. */
function rootWithAgent(): Buffer {
  const root = join(node.folder, 'root');
  for (const name of [
    'usr/bin',
    'usr/local',
    'usr/lib',
    'lib64',
    'proc',
    'dev',
    'oem',
    'etc',
    'run',
    'tmp',
  ]) {
    mkdirSync(join(root, name), { recursive: true });
  }
  symlinkSync('usr/lib', join(root, 'lib'));
  copyFileSync(executable, join(root, 'usr/bin/kairos-agent'));
  for (const path of librariesOf(executable)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    copyFileSync(path, join(root, path));
  }
  const image = join(node.folder, 'root.img');
  const made = Bun.spawnSync(['mkfs.erofs', '-E', 'force-inode-compact', image, root]);
  if (made.exitCode !== 0) throw new Error(made.stderr.toString());
  return readFileSync(image);
}

test('the agent of the new image refuses a configuration that it does not take', async () => {
  await node.installOnDiskOf(4096 * MiB);
  const image = await writeImage(node.folder, 'v3', { root: rootWithAgent() });
  await registry.push(image.layout, 'kairos/os:v3');
  mkdirSync('/oem', { recursive: true });
  Bun.spawnSync(['mount', '-t', 'tmpfs', 'tmpfs', '/oem']);
  const parts = { checkConfig: checkConfigWithImage };
  const proxy = await startFaultProxy(registry.address, (passing) => passing.pass());
  const source = `oci:${proxy.address}/kairos/os:v3`;
  try {
    writeFileSync('/oem/90_custom.yaml', '#cloud-config\ninstall: {nousers: true}\ngrowpart: {devices: 7}\n');
    const error = await errorOf(node.upgrade(source, {}, {}, parts));
    expect([error.code, error.exitCode]).toEqual(['CONFIG_INVALID_FOR_IMAGE', 10]);
    expect(error.message).toMatch(
      /^The new image does not take the configuration of this node:\n\/oem\/90_custom\.yaml:3:\d+: /,
    );
    // All that is left is the copy, without which the next run would fetch it again.
    expect(slotsOf(node.disk)).toEqual({ ...before, transition: 'v3' });
    const fetched = proxy.blobBytes();
    writeFileSync('/oem/90_custom.yaml', '#cloud-config\ninstall: {nousers: true}\n');
    writeFileSync('/oem/91_plain.yaml', 'hostname: node\n');
    const { warnings } = await node.upgrade(source, {}, {}, parts);
    expect(
      warnings.filter((warning) => warning.startsWith('For the new image: /oem/91_plain.yaml:1:')),
    ).toHaveLength(1);
    expect(slotsOf(node.disk)).toEqual({ active: 'v3', passive: 'v1' });
    // Only what is read for the plan.
    expect(proxy.blobBytes() - fetched).toBeLessThan(200_000);
    writeFileSync('/oem/90_custom.yaml', '#cloud-config\ninstall: {nousers: true}\ngrowpart: {devices: 7}\n');
    const forced = await node.upgrade(source, { force: true }, {}, parts);
    expect(forced.warnings.some((warning) => /^For the new image: .*growpart/.test(warning))).toBe(true);
  } finally {
    Bun.spawnSync(['umount', '/oem']);
    await proxy.stop();
  }
});

test('an image whose agent cannot be run is a warning', async () => {
  const { warnings, upgraded: done } = await node.upgrade(
    `oci:${registry.address}/kairos/os:v2`,
    {},
    {},
    { checkConfig: checkConfigWithImage },
  );
  expect(done).toBe(true);
  expect(
    warnings.filter((warning) => warning.startsWith('The configuration could not be checked')),
  ).toHaveLength(1);
});
