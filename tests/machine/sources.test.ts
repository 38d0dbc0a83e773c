import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { imageManifestSchema } from '@kairos/facts/image-manifest';
import { mediaTypes } from '@kairos/facts/media-types';
import { MiB } from '@kairos/facts/size';
import { putBootForm } from '@kairos/image/publish';
import { openLayout } from '@kairos/oci/layout';
import { createLayout } from '@kairos/oci/layout-writer';
import { pushImage } from '@kairos/oci/push';
import { parseReference } from '@kairos/oci/reference';
import { errorOf } from '../src/error-of.ts';
import { startFaultProxy } from '../src/fault-proxy.ts';
import { slotsOf, writeImage } from '../src/installed-node.ts';
import { type RegistryServer, startRegistry } from '../src/registry-server.ts';
import { before, rootDigest, UpgradableNode, upgraded } from '../src/upgradable-node.ts';

setDefaultTimeout(120_000);

const node = new UpgradableNode('sources');
const { registry } = node;
const password = 'correct horse';
let locked: RegistryServer;
afterAll(() => locked?.stop());

describe('an image comes from', () => {
  const archive = () => {
    const path = join(registry.folder, 'image.tar');
    const made = Bun.spawnSync([
      'tar',
      '-C',
      node.second.layout,
      '-cf',
      path,
      'oci-layout',
      'index.json',
      'blobs',
    ]);
    expect(made.exitCode).toBe(0);
    return path;
  };
  const digest = () =>
    JSON.parse(readFileSync(join(node.second.layout, 'index.json'), 'utf8')).manifests[0].digest as string;
  test.each<[string, () => string]>([
    ['a registry', () => `oci:${registry.address}/kairos/os:v2`],
    ['a registry, docker: and //', () => `docker://${registry.address}/kairos/os:v2`],
    ['a registry, bare, by the digest of the boot form', () => `${registry.address}/kairos/os@${digest()}`],
    ['an archive', () => `ocifile:${archive()}`],
    ['an archive, file:', () => `file:${archive()}`],
    ['a layout', () => `oci:${node.second.layout}`],
    ['the files of a slot', () => `dir:${node.second.slot}`],
  ])('%s', async (_, source) => {
    const { upgraded: done, plan } = await node.upgrade(source());
    expect([done, plan.image.version, plan.image.source]).toEqual([true, 'v2', source()]);
    expect(slotsOf(node.disk)).toEqual(upgraded);
  });

  test('what the configuration names, in a registry that asks for a password', async () => {
    locked ??= await startRegistry(join(registry.folder, 'locked'), { login: ['node', password] });
    const auth = Buffer.from(`node:${password}`).toString('base64');
    await pushImage(openLayout(node.second.layout), parseReference(`${locked.address}/os:latest`), {
      credentials: { find: async () => ({ kind: 'password', username: 'node', password }) },
    });
    const config = '/run/initramfs/live/90_source.yaml';
    mkdirSync('/run/initramfs/live', { recursive: true });
    writeFileSync(config, `#cloud-config\nupgrade: {system: {source: "oci:${locked.address}/os"}}\n`);
    const file = join(node.folder, 'auth.json');
    const named = process.env.REGISTRY_AUTH_FILE;
    process.env.REGISTRY_AUTH_FILE = file;
    try {
      writeFileSync(file, '{"auths":{}}');
      const refused = await errorOf(node.upgrade(undefined));
      expect([refused.code, refused.exitCode]).toEqual(['REGISTRY_UNAUTHORIZED', 20]);
      expect(refused.message).toStartWith(`${locked.address} refuses access to os (401)`);
      expect(refused.hint).toContain('podman login');
      expect(slotsOf(node.disk)).toEqual(before);
      writeFileSync(file, JSON.stringify({ auths: { [locked.address]: { auth } } }));
      await node.upgrade(undefined);
    } finally {
      if (named === undefined) delete process.env.REGISTRY_AUTH_FILE;
      else process.env.REGISTRY_AUTH_FILE = named;
      rmSync(config);
    }
    expect(slotsOf(node.disk)).toEqual(upgraded);
  });
});

describe('refused before a byte is written:', () => {
  const untouched = () => Bun.spawnSync(['sha256sum', node.disk.partition(5)]).stdout.toString();
  async function refused(source: string, code: string, exit: number, message: RegExp) {
    const digest = untouched();
    const error = await errorOf(node.upgrade(source));
    expect([error.code, error.exitCode]).toEqual([code, exit]);
    expect(error.message).toMatch(message);
    expect(untouched()).toBe(digest);
    return error;
  }
  test('another architecture', async () => {
    const image = await writeImage(node.folder, 'arm', { architecture: 'arm64' });
    await registry.push(image.layout, 'kairos/os:arm');
    const source = `oci:${registry.address}/kairos/os:arm`;
    await refused(source, 'WRONG_ARCHITECTURE', 13, /kairos\/os:arm is for arm64, not for amd64$/);
  });
  test('what is no operating system', async () => {
    const path = join(node.folder, 'none');
    const writer = createLayout(path);
    const config = writer.putBlob(Buffer.from('{}'), 'application/vnd.oci.empty.v1+json');
    const manifest = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config,
      layers: [],
    };
    writer.writeIndex([writer.putJson(manifest, 'application/vnd.oci.image.manifest.v1+json')]);
    await registry.push(path, 'none:latest');
    await refused(`${registry.address}/none`, 'NO_BOOT_FORM', 13, /holds no image$/);
  });
  test('what is not there', async () => {
    const source = `oci:${registry.address}/kairos/os:v99`;
    await refused(source, 'IMAGE_NOT_FOUND', 11, /^There is no 127\.0\.0\.1:\d+\/kairos\/os:v99$/);
  });
  test('more than there is room for', async () => {
    const size = 400 * MiB;
    const path = join(node.folder, 'large');
    const image = await writeImage(path, 'v9', { rootSize: 8 * MiB });
    // Only the documents say how large it is; nobody will ask for the bytes.
    const manifest = imageManifestSchema.parse(JSON.parse(String(image.files.get('image.json'))));
    const root = { size: 2 * size, digest: `sha256:${'0'.repeat(64)}` };
    const writer = createLayout(join(path, 'layout'));
    const files = new Map(
      [...image.files].flatMap(([name, bytes]) =>
        name === 'image.json'
          ? []
          : [
              [
                name,
                name === 'root.img'
                  ? { mediaType: mediaTypes.bootFile, ...root }
                  : writer.putBlob(bytes, mediaTypes.bootFile),
              ] as const,
            ],
      ),
    );
    const changed = { ...manifest, files: { ...manifest.files, 'root.img': root } };
    writer.writeIndex([putBootForm(writer, changed, files)]);
    const error = await refused(
      `oci:${join(path, 'layout')}`,
      'NO_SPACE',
      17,
      /needs 80\d\.\d MiB on COS_STATE, which has \d/,
    );
    expect(error.details).toMatchObject({ partition: 'COS_STATE' });
  });
});

test('what a slot here has already is copied and not fetched', async () => {
  // Another system with the same root: only what differs comes over the network.
  await registry.push(node.second.layout, 'kairos/os:v2');
  await node.upgrade(`oci:${registry.address}/kairos/os:v2`);
  const proxy = await startFaultProxy(registry.address, (passing) => passing.pass());
  try {
    const recovered = await node.upgrade(`oci:${proxy.address}/kairos/os:v2`, { recovery: true });
    const { image } = recovered.plan;
    expect([image.fetched < 10_000, image.missing > 12 * MiB]).toEqual([true, true]);
    expect(slotsOf(node.disk, 4)).toEqual({ recovery: 'v2' });
    const root = rootDigest(node.second);
    expect(proxy.log.filter((line) => line.includes(root))).toEqual([]);
  } finally {
    await proxy.stop();
  }
});

test('a slot here that rotted is not trusted: the file is fetched after all', async () => {
  await node.upgrade(`oci:${registry.address}/kairos/os:v2`);
  const target = join(node.folder, 'mnt');
  mkdirSync(target);
  Bun.spawnSync(['mount', node.disk.partition(5), target]);
  const rotten = join(target, 'cOS/active/root.img');
  const bytes = readFileSync(rotten);
  bytes[5 * MiB] = (bytes[5 * MiB] ?? 0) ^ 1;
  writeFileSync(rotten, bytes);
  Bun.spawnSync(['umount', target]);
  const { warnings } = await node.upgrade(`oci:${registry.address}/kairos/os:v2`, { recovery: true });
  expect(warnings.filter((warning) => warning.includes('which is fetched instead'))).toHaveLength(1);
  expect(slotsOf(node.disk, 4)).toEqual({ recovery: 'v2' });
});
