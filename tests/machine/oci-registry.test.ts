import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mediaTypes } from '@kairos/facts/media-types';
import { machineHost } from '@kairos/host/machine';
import { unpackImage } from '@kairos/oci/container-image';
import { fileCredentials } from '@kairos/oci/credentials';
import type { Descriptor } from '@kairos/oci/descriptor';
import { downloadBlob } from '@kairos/oci/download';
import { openLayout } from '@kairos/oci/layout';
import { pushImage } from '@kairos/oci/push';
import { parseReference } from '@kairos/oci/reference';
import { openRegistry, type RegistryOptions } from '@kairos/oci/registry';
import { openSource } from '@kairos/oci/source';
import { errorOf } from '../src/error-of.ts';
import { type Passing, type PassOptions, startFaultProxy } from '../src/fault-proxy.ts';
import { look, OciScene, shell } from '../src/oci-scene.ts';
import { type RegistryServer, startRegistry } from '../src/registry-server.ts';
import { run } from '../src/run-tool.ts';

setDefaultTimeout(120_000);

const scene = new OciScene();
const folder = (name?: string) => scene.folder(name);
const host = machineHost();
const amd64 = { architecture: 'amd64' } as const;

describe('a real registry', () => {
  let server: RegistryServer;
  let reference: string;
  let blob: Descriptor;
  let content: Buffer;
  beforeAll(async () => {
    server = await startRegistry(folder('registry'));
    reference = `${server.address}/kairos/os:v1`;
    const layout = openLayout(scene.layoutPath);
    blob = (await layout.manifest(scene.boot)).layers[0] as Descriptor;
    content = readFileSync(join(scene.layoutPath, 'blobs/sha256', blob.digest.slice(7)));
    await pushImage(
      { ...layout, roots: async () => [scene.container, scene.boot] },
      parseReference(reference),
    );
  });
  afterAll(() => server.stop());

  test('what we push, skopeo reads', async () => {
    const inspected = JSON.parse(
      run('skopeo', 'inspect', '--tls-verify=false', '--raw', `docker://${reference}`),
    );
    expect(inspected.manifests.map(({ digest }: Descriptor) => digest)).toEqual([
      scene.container.digest,
      scene.boot.digest,
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
    const ours = await openLayout(scene.layoutPath).manifest(scene.container);
    const [theirs] = copied.index().manifests;
    expect((await copied.manifest(theirs as Descriptor)).config.digest).toBe(ours.config.digest);
  });

  test('what is there is not sent again', async () => {
    const sent: boolean[] = [];
    const layout = openLayout(scene.layoutPath);
    await pushImage(
      { ...layout, roots: async () => [scene.boot] },
      parseReference(`${server.address}/kairos/os:v2`),
      {
        onBlob: (descriptor, now) => {
          if (descriptor.digest !== scene.boot.digest) sent.push(now);
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
    run('umoci', 'insert', '--image', `${path}:a`, scene.root, '/');
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
    const layout = openLayout(scene.layoutPath);
    for (const tag of ['a', 'b', 'c']) {
      await pushImage(
        { ...layout, roots: async () => [scene.boot] },
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
    const layout = openLayout(scene.layoutPath);
    await pushImage({ ...layout, roots: async () => [scene.boot] }, reference, options);
    const registry = openRegistry(reference, options);
    expect(await registry.resolve()).toMatchObject({ digest: scene.boot.digest });
    await errorOf(registry.document({ ...scene.boot, digest: `sha256:${'0'.repeat(64)}` }));
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
      scene.boot.digest,
    );
  });
});
