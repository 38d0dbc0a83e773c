import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { annotations, mediaTypes } from '@kairos/facts/media-types';
import { machineHost } from '@kairos/host/machine';
import { applyLayer, layerPolicy } from '@kairos/oci/apply-layer';
import { unpackImage } from '@kairos/oci/container-image';
import { fileCredentials } from '@kairos/oci/credentials';
import { decompress } from '@kairos/oci/decompress';
import type { Descriptor } from '@kairos/oci/descriptor';
import { downloadBlob } from '@kairos/oci/download';
import { readFileStream } from '@kairos/oci/file-stream';
import { openLayout } from '@kairos/oci/layout';
import { createLayout, named } from '@kairos/oci/layout-writer';
import { pushImage } from '@kairos/oci/push';
import { parseReference } from '@kairos/oci/reference';
import { openRegistry, type RegistryOptions } from '@kairos/oci/registry';
import { openSource } from '@kairos/oci/source';
import { tarDirectory } from '@kairos/oci/tar-directory';
import { readTar } from '@kairos/oci/tar-read';
import { errorOf } from '../src/error-of.ts';
import { type Passing, type PassOptions, startFaultProxy } from '../src/fault-proxy.ts';
import { type RegistryServer, startRegistry } from '../src/registry-server.ts';

setDefaultTimeout(120_000);
const work = mkdtempSync(join(tmpdir(), 'oci-'));
const host = machineHost();
const amd64 = { architecture: 'amd64' } as const;
let folders = 0;
const folder = (name = 'folder') => {
  const path = join(work, `${name}-${folders++}`);
  mkdirSync(path);
  return path;
};
const run = (...argv: [string, ...string[]]) => {
  const { stdout, stderr, exitCode } = Bun.spawnSync(argv, {
    env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
  });
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${exitCode}: ${stdout}${stderr}`);
  return stdout.toString();
};
const shell = (script: string, cwd: string) => run('sh', '-euc', `cd '${cwd}'; ${script}`);
/** Everything that can be seen of a tree, by other means than ours. Times of directories only where asked for. */
function look(root: string, times: 'all' | 'files' = 'all'): string {
  const time = times === 'all' ? '%T@' : '';
  return shell(
    `find . -mindepth 1 -type d -printf '%P d %m %U %G ${time}\\n' -o -mindepth 1 -printf '%P %y %m %U %G %T@ %l %n\\n' | sed 's/0*$//' | sort
     find . -type f -print0 | sort -z | xargs -0r sha256sum
     find . '(' -type c -o -type b ')' -print0 | sort -z | xargs -0r stat -c '%n %t %T'
     getfattr -R -P -h -d -m - -e hex . 2>/dev/null || true`,
    root,
  );
}

/** A root with everything that an archive can carry. */
function makeRoot(): string {
  const root = folder('root');
  shell(
    `DEEP=deep/$(printf 'd%.0s' $(seq 90))/$(printf 'e%.0s' $(seq 90))
     mkdir -p etc usr/bin usr/share/empty var/tmp dev "dir with space" $DEEP
     ln -s usr/bin bin; ln -s /nowhere broken
     printf 'host' > etc/hostname; printf 'ünï' > etc/ünïcödé
     printf 'tool' > usr/bin/tool; chmod 4755 usr/bin/tool; ln usr/bin/tool usr/bin/other
     setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 usr/bin/other
     printf 'x' > $DEEP/$(printf 'f%.0s' $(seq 120))
     mknod dev/null c 1 3; chmod 666 dev/null; mknod dev/big b 259 70000; mkfifo var/pipe
     chmod 1777 var/tmp; chown 1000:1001 etc/hostname; chown -h 5:6 bin; chown 3000000:4000000 "dir with space"
     setfattr -n user.note -v 'a value' etc
     truncate -s 3000000 var/sparse; printf 'middle' | dd of=var/sparse bs=1 seek=1500000 conv=notrunc status=none
     find . -exec touch -h -d @1700000000 {} +; touch -d @1600000000 etc/hostname`,
    root,
  );
  return root;
}

const apply = async (archive: string, root: string) =>
  applyLayer(decompress(readFileStream(archive), archive), root, { name: 'archive', ...layerPolicy });

let root: string;
let before: string;
/** A layout with one named image of two layers, the second of which has whiteouts. */
let layoutPath: string;
let container: Descriptor;
let boot: Descriptor;

beforeAll(async () => {
  root = makeRoot();
  before = look(root);
  layoutPath = join(work, 'layout');
  const writer = createLayout(layoutPath);
  const hash = async (stream: AsyncIterable<Uint8Array>) => {
    const hasher = new Bun.CryptoHasher('sha256');
    for await (const chunk of stream) hasher.update(chunk);
    return `sha256:${hasher.digest('hex')}`;
  };
  const layer = await writer.putStream(tarDirectory(root), mediaTypes.layer);
  const config = writer.putJson(
    {
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [await hash(tarDirectory(root))] },
      config: {},
    },
    mediaTypes.config,
  );
  container = {
    ...writer.putJson(
      { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [layer] },
      mediaTypes.manifest,
    ),
    platform: { architecture: 'amd64', os: 'linux' },
  };
  const empty = writer.putBlob(Buffer.from('{}'), mediaTypes.empty);
  const noise = Buffer.alloc(3_000_000);
  for (let index = 0; index < noise.length; index += 4)
    noise.writeUInt32LE((index * 2654435761) >>> 0, index);
  boot = writer.putJson(
    {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      artifactType: mediaTypes.bootForm,
      config: empty,
      layers: [writer.putBlob(noise, mediaTypes.bootFile, { [annotations.title]: 'root.img' })],
    },
    mediaTypes.manifest,
  );
  writer.writeIndex([named(container, 'container')]);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

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
    run('tar', 'cf', archive, ...options, ...common, root, '.');
    const target = folder('target');
    const result = await apply(archive, target);
    expect(look(target)).toBe(before);
    expect(result.findings).toEqual([]);
    // Holes stay holes.
    expect(Number(run('stat', '-c', '%b', join(target, 'var/sparse'))) * 512).toBeLessThan(100_000);
  });

  test('gnu and oldgnu, which have no attributes', async () => {
    for (const format of ['gnu', 'oldgnu']) {
      const archive = join(folder(), 'a.tar');
      run('tar', 'cf', archive, `--format=${format}`, '--numeric-owner', '--sparse', '-C', root, '.');
      const [ours, theirs] = [folder('ours'), folder('theirs')];
      await apply(archive, ours);
      run('tar', 'xpf', archive, '--numeric-owner', '-C', theirs);
      expect(look(ours)).toBe(look(theirs));
    }
  });

  test('GNU tar unpacks ours to the same tree', async () => {
    const archive = join(folder(), 'a.tar');
    const file = openSync(archive, 'w');
    for await (const chunk of tarDirectory(root)) writeSync(file, chunk);
    closeSync(file);
    const target = folder('target');
    run('tar', 'xpf', archive, '--numeric-owner', '--xattrs', '--xattrs-include=*', '-C', target);
    expect(look(target)).toBe(before);
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
      run('skopeo', 'copy', '--insecure-policy', `oci:${layoutPath}:container`, place.replace('%', path));
      if (kind === 'dir') continue;
      const source = await openSource(`${kind}:${path}`, { host });
      const image = await source.containerImage(amd64);
      if (image === undefined) throw new Error(`no image in ${kind}`);
      const target = folder('target');
      await unpackImage(image, target);
      source.close();
      expect([kind, look(target)]).toEqual([kind, before]);
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
    run('umoci', 'unpack', '--image', `${layoutPath}:container`, bundle);
    expect(look(join(bundle, 'rootfs'))).toBe(before);
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

describe('a real registry', () => {
  let server: RegistryServer;
  let reference: string;
  let blob: Descriptor;
  let content: Buffer;
  beforeAll(async () => {
    server = await startRegistry(folder('registry'));
    reference = `${server.address}/kairos/os:v1`;
    const layout = openLayout(layoutPath);
    blob = (await layout.manifest(boot)).layers[0] as Descriptor;
    content = readFileSync(join(layoutPath, 'blobs/sha256', blob.digest.slice(7)));
    await pushImage({ ...layout, roots: async () => [container, boot] }, parseReference(reference));
  });
  afterAll(() => server.stop());

  test('what we push, skopeo reads', async () => {
    const inspected = JSON.parse(
      run('skopeo', 'inspect', '--tls-verify=false', '--raw', `docker://${reference}`),
    );
    expect(inspected.manifests.map(({ digest }: Descriptor) => digest)).toEqual([
      container.digest,
      boot.digest,
    ]);
    const bundle = join(folder(), 'image');
    run(
      'skopeo',
      'copy',
      '--insecure-policy',
      '--src-tls-verify=false',
      '--override-arch',
      'amd64',
      `docker://${reference}`,
      `oci:${bundle}:x`,
    );
    // It compresses the layers; what they are made of stays.
    const copied = openLayout(bundle);
    const ours = await openLayout(layoutPath).manifest(container);
    const [theirs] = copied.index().manifests;
    expect((await copied.manifest(theirs as Descriptor)).config.digest).toBe(ours.config.digest);
  });

  test('what is there is not sent again', async () => {
    const sent: boolean[] = [];
    const layout = openLayout(layoutPath);
    await pushImage(
      { ...layout, roots: async () => [boot] },
      parseReference(`${server.address}/kairos/os:v2`),
      {
        onBlob: (descriptor, now) => {
          if (descriptor.digest !== boot.digest) sent.push(now);
        },
      },
    );
    expect(sent).toEqual([false, false]);
  });

  test('what skopeo pushes, gzip layers in Docker form, we unpack', async () => {
    const other = `${server.address}/kairos/docker:1`;
    const path = join(folder(), 'image');
    run('umoci', 'init', '--layout', path);
    run('umoci', 'new', '--image', `${path}:a`);
    run('umoci', 'config', '--image', `${path}:a`, '--architecture', 'amd64');
    run('umoci', 'insert', '--image', `${path}:a`, root, '/');
    run('umoci', 'unpack', '--image', `${path}:a`, join(path, '../theirs'));
    run(
      'skopeo',
      'copy',
      '--insecure-policy',
      '--dest-tls-verify=false',
      '--format=v2s2',
      `oci:${path}:a`,
      `docker://${other}`,
    );
    const source = await openSource(other, { host });
    const image = await source.containerImage(amd64);
    if (image === undefined) throw new Error('no image');
    expect([image.manifest.mediaType, image.manifest.layers[0]?.mediaType]).toEqual([
      mediaTypes.dockerManifest,
      mediaTypes.dockerLayerGzip,
    ]);
    const target = folder('target');
    await unpackImage(image, target);
    source.close();
    expect(look(target, 'files')).toBe(look(join(path, '../theirs/rootfs'), 'files'));
  });

  test('tags over pages', async () => {
    const layout = openLayout(layoutPath);
    for (const tag of ['a', 'b', 'c']) {
      await pushImage(
        { ...layout, roots: async () => [boot] },
        parseReference(`${server.address}/kairos/tags:${tag}`),
      );
    }
    const registry = openRegistry(parseReference(`${server.address}/kairos/tags`));
    expect((await registry.tags()).sort()).toEqual(['a', 'b', 'c']);
    expect((await errorOf(openRegistry(parseReference(`${server.address}/none/none`)).tags())).code).toBe(
      'IMAGE_NOT_FOUND',
    );
    expect(
      (await errorOf(openRegistry(parseReference(`${server.address}/kairos/os:none`)).resolve())).code,
    ).toBe('IMAGE_NOT_FOUND');
  });

  describe('with faults between', () => {
    const quick: RegistryOptions = { backoff: 1, attempts: 3, stallTimeout: 300 };
    const isBlob = ({ url }: Passing) => url.pathname.includes('/blobs/');
    /** Does this to blobs only, each time the next of the list, the last for good; `undefined` passes untouched. */
    const toBlobs = (...options: (PassOptions | undefined)[]) => {
      let times = 0;
      return (passing: Passing) =>
        passing.pass(isBlob(passing) ? options[Math.min(times++, options.length - 1)] : undefined);
    };
    /** Downloads the blob through a fault. */
    async function through(fault: (passing: Passing) => void, path = join(folder(), 'blob')) {
      const proxy = await startFaultProxy(server.address, fault);
      const registry = openRegistry(parseReference(`${proxy.address}/kairos/os:v1`), quick);
      try {
        const result = await downloadBlob(registry, blob, path);
        const asked = proxy.log.filter((line) => line.includes('/blobs/'));
        return { result, path, asked: asked.map((line) => line.replace(/ .*\/blobs\/\S+/, '')) };
      } finally {
        registry.close();
        await proxy.stop();
      }
    }
    const same = (path: string) => readFileSync(path).equals(content);

    test.each(['break', 'silence'] as const)(
      'a connection that ends in the middle (%s) is continued',
      async (how) => {
        const { result, path, asked } = await through(toBlobs({ cut: { after: 1_000_000, how } }, undefined));
        expect([result.fetched, same(path), asked.length]).toEqual([3_000_000, true, 2]);
        expect(asked[1]).toMatch(/^GET bytes=[1-9]\d*-$/);
      },
    );

    test('a server without Range', async () => {
      let times = 0;
      const { path, asked } = await through((passing) => {
        if (!isBlob(passing)) return passing.pass();
        delete passing.headers.range;
        return passing.pass(times++ === 0 ? { cut: { after: 2_000_000, how: 'break' } } : {});
      });
      expect([same(path), asked.length]).toEqual([true, 2]);
    });

    test('a stream that always ends early', async () => {
      const path = join(folder(), 'blob');
      const none = { cut: { after: 0, how: 'break' } } as const;
      const error = await errorOf(through(toBlobs({ cut: { after: 1_000_000, how: 'break' } }, none), path));
      const partial = readFileSync(`${path}.partial`);
      expect([error.exit, partial.equals(content.subarray(0, partial.length))]).toEqual(['network', true]);
      expect(partial.length).toBeWithin(1, 1_000_001);
      // The next run, without the fault, fetches the rest only.
      const { result } = await through(toBlobs(undefined), path);
      expect([result, same(path)]).toEqual([
        { fetched: content.length - partial.length, resumed: partial.length },
        true,
      ]);
    });

    test('a server that stalls for good', async () => {
      const error = await errorOf(through(toBlobs({ cut: { after: 0, how: 'silence' } })));
      expect(error.code).toBe('REGISTRY_STALLED');
    });

    test('a flipped bit', async () => {
      const path = join(folder(), 'blob');
      const error = await errorOf(through(toBlobs({ flip: 2_000_000 }), path));
      expect([error.code, error.exit]).toEqual(['DIGEST_MISMATCH', 'corruptSource']);
      expect(shell('ls -A', join(path, '..')).trim()).toBe('');
    });

    test('a registry that goes away', async () => {
      const proxy = await startFaultProxy(
        server.address,
        toBlobs({ cut: { after: 500_000, how: 'silence' } }),
      );
      const registry = openRegistry(parseReference(`${proxy.address}/kairos/os:v1`), quick);
      const path = join(folder(), 'blob');
      const stopping: Promise<void>[] = [];
      const error = await errorOf(
        downloadBlob(registry, blob, path, {
          onProgress: () => {
            if (stopping.length === 0) stopping.push(proxy.stop());
          },
        }),
      );
      await Promise.all(stopping);
      expect([error.code, error.exit]).toEqual(['REGISTRY_UNREACHABLE', 'network']);
      const partial = readFileSync(`${path}.partial`);
      expect(partial.equals(content.subarray(0, partial.length))).toBe(true);
    });

    test('a token that is asked for', async () => {
      const { path } = await through((passing) => {
        const { url, headers } = passing;
        if (url.pathname === '/token') {
          const token = `for:${url.searchParams.get('scope')}`;
          return passing.answer(200, {}, JSON.stringify({ token }));
        }
        if (headers.authorization === 'Bearer for:repository:kairos/os:pull') {
          delete headers.authorization;
          return passing.pass();
        }
        return passing.answer(401, { 'www-authenticate': `Bearer realm="http://${url.host}/token"` });
      });
      expect(same(path)).toBe(true);
    });

    test('a refusal', async () => {
      const error = await errorOf(through((passing) => passing.answer(401)));
      expect([error.code, error.exit]).toEqual(['REGISTRY_UNAUTHORIZED', 'network']);
    });
  });

  test('a large blob takes little memory', () => {
    const big = join(folder(), 'big');
    writeFileSync(big, '');
    truncateSync(big, 500_000_000);
    const path = join(folder(), 'layout');
    const script = `
      import { createLayout } from '@kairos/oci/layout-writer';
      import { openLayout } from '@kairos/oci/layout';
      import { pushImage } from '@kairos/oci/push';
      import { parseReference } from '@kairos/oci/reference';
      import { peakMemory } from './src/peak-memory.ts';
      const writer = createLayout(${JSON.stringify(path)});
      const config = writer.putBlob(Buffer.from('{}'), ${JSON.stringify(mediaTypes.empty)});
      const layer = await writer.putFile(${JSON.stringify(big)}, 'application/octet-stream', {}, { move: true });
      writer.writeIndex([writer.putJson({ schemaVersion: 2, config, layers: [layer] }, ${JSON.stringify(mediaTypes.manifest)})]);
      await pushImage(openLayout(${JSON.stringify(path)}), parseReference('${server.address}/kairos/big:1'));
      console.log(peakMemory());`;
    const here = join(import.meta.dir, '..');
    const pusher = join(here, `push-${process.pid}.ts`);
    writeFileSync(pusher, script);
    try {
      expect(Number(run(process.execPath, pusher))).toBeLessThan(150);
    } finally {
      rmSync(pusher);
    }
    const pulled = JSON.parse(
      run(
        process.execPath,
        join(here, 'src/pull-worker.ts'),
        `${server.address}/kairos/big:1`,
        join(folder(), 'pulled'),
      ),
    );
    expect(pulled.fetched).toBe(500_000_000);
    expect(pulled.megabytes).toBeLessThan(150);
  });
});

describe('a registry behind a login and its own certificate', () => {
  let server: RegistryServer;
  let certificate: string;
  const login = ['kairos', 'correct horse'] as const;
  beforeAll(async () => {
    const place = folder('tls');
    run(
      'openssl',
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      join(place, 'key.pem'),
      '-out',
      join(place, 'certificate.pem'),
      '-days',
      '2',
      '-subj',
      '/CN=test',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
    );
    certificate = readFileSync(join(place, 'certificate.pem'), 'utf8');
    server = await startRegistry(folder('registry'), {
      login,
      tls: { certificate, key: readFileSync(join(place, 'key.pem'), 'utf8') },
    });
  });
  afterAll(() => server.stop());

  function credentialsOf(user: string, password: string) {
    const path = join(folder(), 'auth.json');
    writeFileSync(
      path,
      JSON.stringify({
        auths: { [server.address]: { auth: Buffer.from(`${user}:${password}`).toString('base64') } },
      }),
    );
    return fileCredentials(host, { REGISTRY_AUTH_FILE: path });
  }

  test('is written to and read with both', async () => {
    const options: RegistryOptions = {
      credentials: credentialsOf(...login),
      certificateAuthorities: () => [certificate],
    };
    const reference = parseReference(`${server.address}/a/b:1`);
    const layout = openLayout(layoutPath);
    await pushImage({ ...layout, roots: async () => [boot] }, reference, options);
    const registry = openRegistry(reference, options);
    expect(await registry.resolve()).toMatchObject({ digest: boot.digest });
    await errorOf(registry.document({ ...boot, digest: `sha256:${'0'.repeat(64)}` }));
  });

  test('refuses without', async () => {
    const open = (options: RegistryOptions) =>
      openRegistry(parseReference(`${server.address}/a/b:1`), { attempts: 1, ...options }).resolve();
    expect((await errorOf(open({}))).code).toBe('REGISTRY_CERTIFICATE');
    const authorities = { certificateAuthorities: () => [certificate] };
    const anonymous = await errorOf(open(authorities));
    expect([anonymous.code, anonymous.hint]).toEqual([
      'REGISTRY_UNAUTHORIZED',
      `There are no credentials for ${server.address}: log in with podman login or docker login, or name a file by REGISTRY_AUTH_FILE.`,
    ]);
    const wrong = await errorOf(open({ ...authorities, credentials: credentialsOf('kairos', 'hunter2') }));
    expect([wrong.code, JSON.stringify(wrong).includes('hunter2')]).toEqual(['REGISTRY_UNAUTHORIZED', false]);
  });

  test('is read without verifying where that is allowed', async () => {
    const options: RegistryOptions = { credentials: credentialsOf(...login), insecure: [server.address] };
    expect((await openRegistry(parseReference(`${server.address}/a/b:1`), options).resolve()).digest).toBe(
      boot.digest,
    );
  });
});

test('an archive that is read, entry by entry, is the same as GNU tar lists', async () => {
  const archive = join(folder(), 'a.tar');
  run('tar', 'cf', archive, '--format=pax', '-C', root, '.');
  const names: string[] = [];
  for await (const entry of readTar(readFileStream(archive), { name: 'a' }))
    names.push(entry.type === 'directory' ? `${entry.name}/` : entry.name);
  expect(names).toEqual(run('tar', 'tf', archive, '--quoting-style=literal').trim().split('\n'));
});
