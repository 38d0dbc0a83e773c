/**
 * Time of an upgrade from a registry on this machine to "ready to restart", beside a plain sequential write of the bytes of the
 * same image, from a file, with one fsync, on the same partition; and the memory of the agent for images of several sizes.
 * `bun bench/upgrade.ts [runs] [MiB,MiB...]`, as root.
 *
 * The disk is a sparse file behind a loop device, mounted as on a booted node. Either of the two goes first in every other turn. The figures
 * are means: on the machine where this was written a plain write of 256 MiB takes 0.3 or 0.6 s and little in between, and a
 * median would be one of the two. The root of the image of Debian 13 is 293 MiB; about 0.15 s of an upgrade do not depend on the size
 * (configuration, mounts, documents of the image, the boot loader). The rest is bound by the two processors, on which the registry runs too.
 */
import { createHash, randomFillSync } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageManifestSchema } from '@kairos/facts/image-manifest';
import { mediaTypes } from '@kairos/facts/media-types';
import { MiB } from '@kairos/facts/size';
import { putBootForm } from '@kairos/image/publish';
import { openLayout } from '@kairos/oci/layout';
import { createLayout } from '@kairos/oci/layout-writer';
import { pushImage } from '@kairos/oci/push';
import { parseReference } from '@kairos/oci/reference';
import { installOn, type SyntheticImage, writeImage } from '../tests/src/installed-node.ts';
import { LoopDisk, machineWithVfat } from '../tests/src/loop-disk.ts';
import { startRegistry } from '../tests/src/registry-server.ts';

const runs = Number(process.argv[2] ?? 6);
const sizes = (process.argv[3] ?? '256,293,512,2048').split(',').map(Number);
const folder = mkdtempSync(join(process.env.BENCH_FOLDER ?? tmpdir(), 'bench-upgrade-'));
const machine = machineWithVfat();
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Writes an image with a root of so many MiB of noise. */
async function largeImage(
  like: SyntheticImage,
  version: string,
  mebibytes: number,
): Promise<{ readonly layout: string; readonly root: string }> {
  const root = join(folder, `${version}-root.img`);
  const file = openSync(root, 'w');
  const block = Buffer.alloc(MiB);
  const hash = createHash('sha256');
  for (let index = 0; index < mebibytes; index++) {
    randomFillSync(block);
    hash.update(block);
    writeSync(file, block);
  }
  closeSync(file);
  const manifest = imageManifestSchema.parse(JSON.parse(String(like.files.get('image.json'))));
  const layout = join(folder, `${version}-layout`);
  const writer = createLayout(layout);
  const files = new Map(
    [...like.files]
      .filter(([name]) => name !== 'image.json' && name !== 'root.img')
      .map(([name, bytes]) => [name, writer.putBlob(bytes, mediaTypes.bootFile)]),
  );
  files.set('root.img', await writer.putFile(root, mediaTypes.bootFile));
  const changed = {
    ...manifest,
    version,
    verity: { ...manifest.verity, rootHash: createHash('sha256').update(version).digest('hex') },
    files: {
      ...manifest.files,
      'root.img': { size: mebibytes * MiB, digest: `sha256:${hash.digest('hex')}` },
    },
  };
  writer.writeIndex([putBootForm(writer, changed, files)]);
  return { layout, root };
}

function mounted<T>(device: string, work: (target: string) => T): T {
  const target = join(folder, 'mnt');
  mkdirSync(target, { recursive: true });
  const { exitCode, stderr } = Bun.spawnSync(['mount', device, target]);
  if (exitCode !== 0) throw new Error(stderr.toString());
  try {
    return work(target);
  } finally {
    Bun.spawnSync(['umount', target]);
  }
}

/** Seconds that writing the bytes of a file in sequence and one fsync take on a partition. */
function plainWrite(device: string, image: string): number {
  return mounted(device, (target) => {
    const block = Buffer.alloc(4 * MiB);
    const path = join(target, 'plain');
    const source = openSync(image, 'r');
    const started = performance.now();
    const file = openSync(path, 'w');
    for (;;) {
      const count = readSync(source, block);
      if (count === 0) break;
      writeSync(file, block, 0, count);
    }
    fsyncSync(file);
    closeSync(file);
    const seconds = (performance.now() - started) / 1000;
    closeSync(source);
    rmSync(path);
    return seconds;
  });
}

// Compiled as the agent is: loading sources takes memory of its own.
const worker = join(folder, 'upgrade-worker');
const built = Bun.spawnSync([
  ...[process.execPath, 'build', '--compile', '--minify', '--bytecode', '--format=esm'],
  ...[join(import.meta.dir, '../tests/src/upgrade-worker.ts'), '--outfile', worker],
]);
if (built.exitCode !== 0) throw new Error(built.stderr.toString());

const registry = await startRegistry(join(folder, 'registry'));
try {
  const first = await writeImage(folder, 'v1');
  for (const mebibytes of sizes) {
    const reference = `${registry.address}/bench/os:${mebibytes}`;
    const { layout, root } = await largeImage(first, `v2-${mebibytes}`, mebibytes);
    await pushImage(openLayout(layout), parseReference(reference));
    rmSync(layout, { recursive: true });
    const upgrades: number[] = [];
    const writes: number[] = [];
    const memory: number[] = [];
    for (let turn = 0; turn < runs; turn++) {
      const place = join(folder, `disk-${mebibytes}-${turn}`);
      mkdirSync(place);
      const config = join(place, 'config.yaml');
      writeFileSync(
        config,
        `#cloud-config\ninstall: {nousers: true, partitions: {state: {size: ${2 * mebibytes + 512}}}}\n`,
      );
      using disk = new LoopDisk(place, (2 * mebibytes + 2048) * MiB);
      await installOn(machine, disk, first.slot, place, config);
      const measure = [
        () => {
          const child = Bun.spawnSync([
            ...['unshare', '--mount', '--propagation', 'private'],
            ...[worker, disk.device, first.rootHash, `oci:${reference}`, 'booted'],
          ]);
          if (child.exitCode !== 0) throw new Error(child.stderr.toString());
          const { seconds, megabytes } = JSON.parse(child.stdout.toString());
          upgrades.push(seconds);
          memory.push(megabytes);
        },
        () => writes.push(plainWrite(disk.partition(5), root)),
      ];
      for (const one of turn % 2 === 0 ? measure : measure.reverse()) {
        // What was left to be written would be written by the next who asks for it.
        Bun.spawnSync(['sync']);
        one();
      }
    }
    rmSync(root);
    const [upgrade, write] = [mean(upgrades), mean(writes)];
    console.log(
      `${mebibytes} MiB: upgrade ${upgrade.toFixed(2)} s, plain write ${write.toFixed(2)} s, ratio ${(upgrade / write).toFixed(2)} (at most 2), memory at most ${Math.max(...memory)} MB (at most 150)`,
    );
  }
} finally {
  await registry.stop();
  rmSync(folder, { recursive: true, force: true });
}
