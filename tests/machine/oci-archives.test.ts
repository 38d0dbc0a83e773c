import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { machineHost } from '@kairos/host/machine';
import { applyLayer, layerPolicy } from '@kairos/oci/apply-layer';
import { unpackImage } from '@kairos/oci/container-image';
import { decompress } from '@kairos/oci/decompress';
import { readFileStream } from '@kairos/oci/file-stream';
import { openSource } from '@kairos/oci/source';
import { tarDirectory } from '@kairos/oci/tar-directory';
import { readTar } from '@kairos/oci/tar-read';
import { look, OciScene, shell } from '../src/oci-scene.ts';
import { run } from '../src/run-tool.ts';

setDefaultTimeout(120_000);

const scene = new OciScene();
const folder = (name?: string) => scene.folder(name);
const host = machineHost();
const amd64 = { architecture: 'amd64' } as const;

const apply = async (archive: string, root: string) =>
  applyLayer(decompress(readFileStream(archive), archive), root, { name: 'archive', ...layerPolicy });

describe('tar archives of GNU tar', () => {
  const common = ['--numeric-owner', '--xattrs', '--xattrs-include=*', '--sparse', '-C'];
  test.each([
    ['pax, sparse 1.0', ['--format=pax']],
    ['pax, sparse 0.1', ['--format=pax', '--sparse-version=0.1']],
    ['pax, sparse 0.0', ['--format=pax', '--sparse-version=0.0']],
    ['gzip', ['--format=pax', '-z']],
    ['zstd', ['--format=pax', '--zstd']],
  ])('%s: a whole root comes out as it went in', async (_, options) => {
    const archive = join(folder(), 'a.tar');
    run('tar', 'cf', archive, ...options, ...common, scene.root, '.');
    const target = folder('target');
    const result = await apply(archive, target);
    expect(look(target)).toBe(scene.before);
    expect(result.findings).toEqual([]);
    // Holes stay holes.
    expect(Number(run('stat', '-c', '%b', join(target, 'var/sparse'))) * 512).toBeLessThan(100_000);
  });

  test('gnu and oldgnu, which have no attributes', async () => {
    for (const format of ['gnu', 'oldgnu']) {
      const archive = join(folder(), 'a.tar');
      run('tar', 'cf', archive, `--format=${format}`, '--numeric-owner', '--sparse', '-C', scene.root, '.');
      const [ours, theirs] = [folder('ours'), folder('theirs')];
      await apply(archive, ours);
      run('tar', 'xpf', archive, '--numeric-owner', '-C', theirs);
      expect(look(ours)).toBe(look(theirs));
    }
  });

  test('GNU tar unpacks ours to the same tree', async () => {
    const archive = join(folder(), 'a.tar');
    const file = openSync(archive, 'w');
    for await (const chunk of tarDirectory(scene.root)) writeSync(file, chunk);
    closeSync(file);
    const target = folder('target');
    run('tar', 'xpf', archive, '--numeric-owner', '--xattrs', '--xattrs-include=*', '-C', target);
    expect(look(target)).toBe(scene.before);
  });

  test('a sparse file of a terabyte takes no space and no time', async () => {
    const place = folder();
    ftruncateSync(openSync(join(place, 'huge'), 'w'), 2 ** 40);
    run('tar', 'cf', join(place, 'a.tar'), '--format=pax', '--sparse', '-C', place, 'huge');
    const target = folder('target');
    await apply(join(place, 'a.tar'), target);
    expect(run('stat', '-c', '%s %b', join(target, 'huge')).trim()).toBe(`${2 ** 40} 0`);
  });
});

describe('what others write', () => {
  test('skopeo: layouts and archives of every kind from ours', async () => {
    for (const [kind, place] of [
      ['oci', 'oci:%:x'],
      ['oci-archive', 'oci-archive:%:x'],
      ['docker-archive', 'docker-archive:%:example.org/a:b'],
      ['dir', 'dir:%'],
    ] as const) {
      const path = join(folder(), 'image');
      run(
        'skopeo',
        'copy',
        '--insecure-policy',
        `oci:${scene.layoutPath}:container`,
        place.replace('%', path),
      );
      if (kind === 'dir') continue;
      const source = await openSource(`${kind}:${path}`, { host });
      const image = await source.containerImage(amd64);
      if (image === undefined) throw new Error(`no image in ${kind}`);
      const target = folder('target');
      await unpackImage(image, target);
      source.close();
      expect([kind, look(target)]).toEqual([kind, scene.before]);
    }
  });

  test('umoci: whiteouts, opaque directories, replaced kinds', async () => {
    const path = join(folder(), 'image');
    run('umoci', 'init', '--layout', path);
    run('umoci', 'new', '--image', `${path}:a`);
    const bundle = join(folder(), 'bundle');
    run('umoci', 'unpack', '--image', `${path}:a`, bundle);
    shell('mkdir -p a/b c d; touch a/1 a/2 a/b/3 c/4 d/5; ln -s a link; touch kind', join(bundle, 'rootfs'));
    run('umoci', 'repack', '--refresh-bundle', '--image', `${path}:a`, bundle);
    shell(
      'rm a/1 link kind; rm -r c; mkdir c link kind; touch c/new kind/6; rm -r a/b; ln a/2 a/hard',
      join(bundle, 'rootfs'),
    );
    run('umoci', 'repack', '--refresh-bundle', '--image', `${path}:a`, bundle);
    shell('rm -r d; touch d', join(bundle, 'rootfs'));
    run('umoci', 'repack', '--image', `${path}:a`, bundle);
    const theirs = join(folder(), 'theirs');
    run('umoci', 'unpack', '--image', `${path}:a`, theirs);
    const source = await openSource(`oci:${path}:a`, { host });
    const image = await source.containerImage(amd64);
    expect(image?.manifest.layers.length).toBe(3);
    const target = folder('target');
    await unpackImage(image as NonNullable<typeof image>, target);
    expect(look(target, 'files')).toBe(look(join(theirs, 'rootfs'), 'files'));
    expect(shell('find . -mindepth 1 | sort', target).trim().split('\n')).toEqual([
      './a',
      './a/2',
      './a/hard',
      './c',
      './c/new',
      './d',
      './kind',
      './kind/6',
      './link',
    ]);
  });

  test('buildah: two layers with capabilities, attributes and whiteouts, as layout and as archive', async () => {
    const place = folder();
    const storage = [
      '--root',
      join(place, 'root'),
      '--runroot',
      join(place, 'run'),
      '--storage-driver',
      'vfs',
    ];
    const buildah = (...words: string[]) => run('buildah', ...storage, ...words).trim();
    const first = buildah('from', 'scratch');
    const below = buildah('mount', first);
    shell(
      'mkdir -p a/b c; touch a/1 a/b/3 c/4; ln a/1 a/hard; ln -s a link; setfattr -n user.note -v x a/1; cp /bin/true a/ping; setcap cap_net_raw+ep a/ping; touch -h -d @1700000000 a/b/3 a/1 a/ping a link',
      below,
    );
    buildah('commit', '--quiet', '--format', 'oci', first, 'first');
    const second = buildah('from', '--pull-never', 'localhost/first');
    const theirs = buildah('mount', second);
    shell('rm -r a/b link c; mkdir link c; touch c/new; touch -d @1700000000 a c/new c link .', theirs);
    const [layout, archive] = [join(place, 'image'), join(place, 'image.tar')];
    buildah('commit', '--quiet', '--format', 'oci', second, `oci:${layout}:a`);
    buildah('commit', '--quiet', '--format', 'docker', second, `docker-archive:${archive}:os:1`);
    expect(shell('getcap a/ping; getfattr --only-values -n user.note a/1', theirs)).toBe(
      'a/ping cap_net_raw=ep\nx',
    );
    for (const from of [`oci:${layout}:a`, `docker-archive:${archive}`]) {
      const source = await openSource(from, { host });
      const image = await source.containerImage(amd64);
      expect([from, image?.manifest.layers.length]).toEqual([from, 2]);
      const target = folder();
      await unpackImage(image as NonNullable<typeof image>, target);
      source.close();
      expect(look(target)).toBe(look(theirs));
    }
  });

  test('umoci unpacks our container form', () => {
    const bundle = join(folder(), 'bundle');
    run('umoci', 'unpack', '--image', `${scene.layoutPath}:container`, bundle);
    expect(look(join(bundle, 'rootfs'))).toBe(scene.before);
  });

  test('an overlay of the kernel sees nothing of a hostile layer', async () => {
    const place = folder();
    symlinkSync('/etc', join(place, 'l'));
    run('tar', 'cf', join(place, 'a.tar'), '-C', place, 'l');
    const target = folder('target');
    await apply(join(place, 'a.tar'), target);
    mkdirSync(join(place, 'second/l'), { recursive: true });
    writeFileSync(join(place, 'second/l/kairos-was-here'), 'x');
    run('tar', 'cf', join(place, 'b.tar'), '-C', join(place, 'second'), 'l/kairos-was-here');
    await apply(join(place, 'b.tar'), target);
    expect(run('sh', '-c', 'test -e /etc/kairos-was-here && echo bad || echo good').trim()).toBe('good');
    expect(readFileSync(join(target, 'etc/kairos-was-here'), 'utf8')).toBe('x');
  });
});

test('an archive that is read, entry by entry, is the same as GNU tar lists', async () => {
  const archive = join(folder(), 'a.tar');
  run('tar', 'cf', archive, '--format=pax', '-C', scene.root, '.');
  const names: string[] = [];
  for await (const entry of readTar(readFileStream(archive), { name: 'a' }))
    names.push(entry.type === 'directory' ? `${entry.name}/` : entry.name);
  expect(names).toEqual(run('tar', 'tf', archive, '--quoting-style=literal').trim().split('\n'));
});
