import { afterAll, afterEach, beforeAll, beforeEach, expect, describe as group, test } from 'bun:test';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type ArchiveKind, openArchive } from './archive.ts';
import { findBootForm } from './boot-form-content.ts';
import { findContainerImage, unpackImage } from './container-image.ts';
import type { ContentSource } from './content.ts';
import { readWhole, sha256Of } from './digest.ts';
import { createLayout } from './layout-writer.ts';
import { tarDirectory } from './tar-directory.ts';
import { type TarWriteEntry, writeTar } from './tar-write.ts';
import { collect, describe, failure, putBootForm, putContainer } from './test-content.ts';

let folder: string;
let archive: string;
let sources: ContentSource[];
const temporary = process.env.TMPDIR;
beforeAll(() => {
  process.env.TMPDIR = tmpdir();
});
afterAll(() => {
  if (temporary === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = temporary;
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'archive-'));
  archive = join(folder, 'image.tar');
  sources = [];
});
afterEach(() => {
  for (const source of sources) source.close();
  rmSync(folder, { recursive: true, force: true });
});

const tar = (entries: readonly Partial<TarWriteEntry>[]) =>
  readWhole(
    writeTar(
      entries.map((entry) => ({
        path: '',
        type: 'file',
        mode: 0o644,
        modified: 0,
        uid: process.geteuid?.() ?? 0,
        gid: process.getegid?.() ?? 0,
        size: entry.content instanceof Uint8Array ? entry.content.length : 0,
        ...entry,
      })),
    ),
    1 << 24,
    'tar',
  );
const file = (path: string, content: string | Uint8Array) => ({
  path,
  content: Buffer.from(content as string),
});

async function opened(kind?: ArchiveKind): Promise<ContentSource> {
  const source = await openArchive(archive, 'archive', kind);
  sources.push(source);
  return source;
}

async function unpacked(source: ContentSource): Promise<string[]> {
  const image = await findContainerImage(source, { architecture: 'amd64' });
  const root = mkdtempSync(join(folder, 'root-'));
  if (image !== undefined) await unpackImage(image, root);
  return readdirSync(root).sort();
}

group('an OCI layout in an archive', () => {
  test.each([
    ['plain', (bytes: Uint8Array) => bytes],
    ['gzip', (bytes: Uint8Array) => gzipSync(bytes)],
    ['zstd', (bytes: Uint8Array) => zstdCompressSync(bytes)],
  ])('%s: both forms are read where they lie', async (_, pack) => {
    const writer = createLayout(join(folder, 'layout'));
    const layers = [
      await tar([file('a', 'one'), file('b', 'two')]),
      await tar([file('.wh.a', ''), file('c', 'three')]),
    ];
    writer.writeIndex([putContainer(writer, layers), putBootForm(writer)]);
    writeFileSync(archive, pack(await readWhole(tarDirectory(join(folder, 'layout')), 1 << 24, 'tar')));
    const source = await opened();
    const form = await findBootForm(source, { architecture: 'amd64' });
    expect(await collect((form as NonNullable<typeof form>).open('root.img'))).toBe('root file system');
    expect(await unpacked(source)).toEqual(['b', 'c']);
    expect(readdirSync(folder).filter((name) => name.startsWith('kairos-'))).toEqual([]);
  });

  test('a blob that is not there', async () => {
    writeFileSync(
      archive,
      await tar([
        file('oci-layout', '{"imageLayoutVersion":"1.0.0"}'),
        file('index.json', '{"schemaVersion":2,"manifests":[]}'),
      ]),
    );
    expect(await failure(collect((await opened()).blob(describe('x'))))).toEqual([
      'BLOB_MISSING',
      'archive does not hold blob sha256:2d711642b726…',
    ]);
  });
});

group('what docker save writes', () => {
  const save = async (links: boolean) => {
    const one = await tar([file('a', 'one')]);
    const two = await tar([file('b', 'two')]);
    const config = JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [one, two, one].map((layer) => sha256Of(layer)) },
    });
    return [
      file('config.json', config),
      file('1/layer.tar', one),
      file('2/layer.tar', gzipSync(two)),
      ...(links ? [{ path: '3/layer.tar', type: 'symlink' as const, linkName: '../1/layer.tar' }] : []),
      file(
        'manifest.json',
        JSON.stringify([
          { Config: 'config.json', RepoTags: ['a:1'], Layers: ['1/layer.tar', '2/layer.tar', '3/layer.tar'] },
        ]),
      ),
    ];
  };

  test('layers, a compressed one and a link among them', async () => {
    writeFileSync(archive, await tar(await save(true)));
    const source = await opened();
    expect((await source.roots()).map(({ annotations, platform }) => [annotations, platform])).toEqual([
      [{ 'org.opencontainers.image.ref.name': 'a:1' }, { architecture: 'amd64', os: 'linux' }],
    ]);
    expect(await unpacked(source)).toEqual(['a', 'b']);
  });

  test('without one of its layers', async () => {
    writeFileSync(archive, await tar(await save(false)));
    expect(await failure(opened())).toEqual([
      'ARCHIVE_INVALID',
      'The manifest.json of archive is not valid: the layer 3/layer.tar is not there',
    ]);
  });

  test('with a layer that is not what the configuration says', async () => {
    const files = (await save(true)).map((one) =>
      one.path === '1/layer.tar' ? { ...one, content: Buffer.from('x'.repeat(2048)) } : one,
    );
    writeFileSync(archive, await tar(files));
    expect((await failure(unpacked(await opened())))[0]).toBe('DIGEST_MISMATCH');
  });
});

group('refused', () => {
  test.each<[string, () => Promise<Uint8Array>, ArchiveKind | undefined, string, string]>([
    [
      'a tar of something else',
      () => tar([file('a', 'b')]),
      undefined,
      'ARCHIVE_INVALID',
      'archive is not an archive of an image',
    ],
    [
      'the other kind',
      () => tar([file('manifest.json', '[]')]),
      'oci',
      'ARCHIVE_INVALID',
      'archive is not an archive of the oci kind',
    ],
    [
      'no tar',
      async () => Buffer.alloc(1024, 'x'),
      undefined,
      'TAR_INVALID',
      'archive, byte 0: this is not a tar header (its checksum is wrong)',
    ],
    [
      'a tar that is cut',
      async () => (await tar([file('a', 'x'.repeat(3000))])).subarray(0, 2000),
      undefined,
      'TAR_TRUNCATED',
      'archive, entry "a": the archive ends within it, after 2000 bytes',
    ],
    [
      'a gzip that is cut',
      async () => gzipSync(await tar([file('a', 'b')])).subarray(0, 40),
      undefined,
      'COMPRESSED_DATA_INVALID',
      'archive cannot be decompressed: unexpected end of file',
    ],
    [
      'a zstd that is cut',
      async () =>
        zstdCompressSync(
          await tar([
            file('a', Buffer.from(Array.from({ length: 9000 }, (_, index) => (index * index) % 253))),
          ]),
        ).subarray(0, 200),
      undefined,
      'COMPRESSED_DATA_INVALID',
      'archive cannot be decompressed: unexpected end of file',
    ],
    [
      'xz',
      async () => Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 1]),
      undefined,
      'COMPRESSION_UNSUPPORTED',
      'archive is compressed with xz',
    ],
  ])('%s', async (_, bytes, kind, code, message) => {
    writeFileSync(archive, await bytes());
    expect(await failure(opened(kind))).toEqual([code, message]);
  });

  test('what is not there', async () => {
    expect(await failure(opened())).toEqual(['ARCHIVE_NOT_FOUND', `There is no archive ${archive}`]);
    archive = folder;
    expect(await failure(opened())).toEqual(['ARCHIVE_NOT_FOUND', 'archive is not a file']);
  });
});
