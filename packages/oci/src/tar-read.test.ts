import { describe, expect, test } from 'bun:test';
import { KairosError } from '@kairos/facts/errors';
import fc from 'fast-check';
import { readWhole } from './digest.ts';
import { block, endMark, header, padded, pax, pieces, read } from './fixture-tar.ts';
import { entryContent, readTar } from './tar-read.ts';
import { writeTar } from './tar-write.ts';
import { failure } from './test-content.ts';

describe('what is read', () => {
  const name = fc
    .array(fc.stringMatching(/^[a-zA-Z0-9äß€ _-]{1,60}$/), { minLength: 1, maxLength: 6 })
    .map((parts) => parts.join('/'));
  const file = fc.record({
    path: name,
    type: fc.constant('file' as const),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.integer({ min: 0, max: 0xfffffffe }),
    gid: fc.integer({ min: 0, max: 0xfffffffe }),
    modified: fc.integer({ min: 0, max: 2 ** 40 }),
    content: fc.uint8Array({ maxLength: 3000 }),
    xattrs: fc.dictionary(fc.stringMatching(/^user\.[a-z=%]{1,20}$/), fc.uint8Array({ maxLength: 300 })),
  });

  test('is what was written, in whatever pieces it comes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(file, { maxLength: 5 }),
        fc.integer({ min: 1, max: 2000 }),
        async (files, size) => {
          const archive = await readWhole(
            writeTar(
              files.map((one) => ({
                ...one,
                xattrs: new Map(Object.entries(one.xattrs)),
                size: one.content.length,
              })),
            ),
            1 << 24,
            'archive',
          );
          const found = [];
          for await (const entry of readTar(pieces(archive, size), { name: 'a.tar' })) {
            const { type, mode, uid, gid, modified } = entry;
            const xattrs = Object.fromEntries([...entry.xattrs].map(([key, value]) => [key, [...value]]));
            const content = [...(entry.takeBuffered() ?? (await entryContent(entry, 1 << 20)))];
            found.push({ path: entry.name, type, mode, uid, gid, modified, content, xattrs });
          }
          expect(found).toEqual(
            files.map((one) => ({
              ...one,
              content: [...one.content],
              xattrs: Object.fromEntries(Object.entries(one.xattrs).map(([key, value]) => [key, [...value]])),
            })),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  test('content that nobody reads is passed over', async () => {
    const names: string[] = [];
    const archive = Buffer.concat([
      header({ path: 'a', size: 5 }),
      block('hello'),
      header({ path: 'b' }),
      endMark,
    ]);
    for await (const entry of readTar(pieces(archive, 100), { name: 'a.tar' })) names.push(entry.name);
    expect(names).toEqual(['a', 'b']);
  });

  test('links, devices, directories of old tars', async () => {
    const found = await read(
      header({ type: 'symlink', linkName: '../x' }),
      header({ type: 'hardlink', linkName: 'file' }),
      header({ type: 'block-device', deviceMajor: 8, deviceMinor: 300 }),
      header({ path: 'old/' }, [[156, '\0']]),
      header({}, [[156, '7']]),
      endMark,
    );
    expect(
      found.map(({ type, linkName, deviceMajor, deviceMinor, name }) => [
        type,
        linkName,
        deviceMajor,
        deviceMinor,
        name,
      ]),
    ).toEqual([
      ['symlink', '../x', 0, 0, 'file'],
      ['hardlink', 'file', 0, 0, 'file'],
      ['block-device', '', 8, 300, 'file'],
      ['directory', '', 0, 0, 'old'],
      ['file', '', 0, 0, 'file'],
    ]);
  });

  test('GNU long names and links, volume labels', async () => {
    const long = 'd/'.repeat(150);
    const found = await read(
      header({}, [[156, 'V']]),
      header({ path: '././@LongLink', size: 301 }, [[156, 'L']]),
      padded(Buffer.from(`${long}x`)),
      header({ path: '././@LongLink', size: 300 }, [[156, 'K']]),
      padded(Buffer.from(long)),
      header({ type: 'symlink', linkName: 'cut' }),
      endMark,
    );
    expect(found.map(({ name, linkName }) => [name, linkName])).toEqual([[`${long}x`, long]]);
  });

  test('numbers in base 256, as large and as negative as they come', async () => {
    const found = await read(
      header({}, [
        [108, Buffer.from([0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe])],
        [136, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe])],
      ]),
      endMark,
    );
    expect(found.map(({ uid, modified }) => [uid, modified])).toEqual([[0xfffffffe, -2]]);
  });

  test('global pax records hold until an entry says otherwise', async () => {
    const found = await read(
      pax({ uid: '5', comment: 'x' }, 'g'),
      header({ path: 'a' }),
      pax({ uid: '6', mtime: '12.5' }),
      header({ path: 'b' }),
      header({ path: 'c' }),
      endMark,
    );
    expect(found.map(({ name, uid, modified }) => [name, uid, modified])).toEqual([
      ['a', 5, 1],
      ['b', 6, 12.5],
      ['c', 5, 1],
    ]);
  });

  test('an attribute that is not text keeps its bytes', async () => {
    const value = Buffer.from([1, 0, 0, 2, 0xff, 0xfe, 0x0a, 0x3d]);
    const found = await read(header({ xattrs: new Map([['security.capability', value]]) }), endMark);
    expect(found[0]?.xattrs.get('security.capability')).toEqual(new Uint8Array(value));
  });

  test('a lone block of zeros at the very end ends an archive', async () => {
    expect((await read(header({}), Buffer.alloc(512))).length).toBe(1);
  });
});

describe('what is refused', () => {
  const whole = Buffer.concat([
    header({ path: 'a', size: 600 }),
    block('x'),
    block('y'),
    header({ path: 'b' }),
    endMark,
  ]);

  test('an archive cut at every byte before its end mark', async () => {
    for (let length = 0; length <= whole.length - 1024; length += 64) {
      expect([length, (await failure(read(whole.subarray(0, length))))[0]]).toEqual([
        length,
        'TAR_TRUNCATED',
      ]);
    }
    expect(await failure(read(whole.subarray(0, 1000)))).toEqual([
      'TAR_TRUNCATED',
      'a.tar is truncated: it ends after 1000 bytes, 112 bytes before the end of "a"',
    ]);
  });

  test('a layer may lack the end mark, but not the end of an entry', async () => {
    const count = async (length: number) => {
      let entries = 0;
      for await (const _ of readTar(pieces(whole.subarray(0, length)), {
        name: 'layer',
        endMarker: 'optional',
      }))
        entries++;
      return entries;
    };
    expect(await count(whole.length - 1024)).toBe(2);
    expect((await failure(count(1100)))[0]).toBe('TAR_TRUNCATED');
  });

  test.each<[string, Uint8Array[], string, string]>([
    [
      'no tar at all',
      [Buffer.alloc(2048, 'z')],
      'TAR_INVALID',
      'a.tar, byte 0: this is not a tar header (its checksum is wrong)',
    ],
    [
      'a flipped bit',
      [Buffer.from(header({})).fill('X', 3, 4), endMark],
      'TAR_INVALID',
      'a.tar, byte 0: this is not a tar header (its checksum is wrong)',
    ],
    [
      'an unknown type',
      [header({}, [[156, 'M']]), endMark],
      'TAR_UNSUPPORTED',
      'a.tar, byte 0, entry "file": entries of type "M" are not supported',
    ],
    [
      'a name that is not UTF-8',
      [header({}, [[0, '\xff\xfe']]), endMark],
      'TAR_NAME_NOT_UTF8',
      'a.tar, byte 0: "ÿþle" is not UTF-8',
    ],
    [
      'a NUL in a name',
      [pax({ path: 'a\0b' }), header({}), endMark],
      'TAR_INVALID',
      'a.tar, byte 0: the path in the extended header holds a NUL',
    ],
    [
      'a name without end',
      [pax({ path: 'n'.repeat(5000) }), header({}), endMark],
      'TAR_INVALID',
      `a.tar, byte 5632, entry "${'n'.repeat(200)}": a name is longer than 4095 bytes`,
    ],
    [
      'a negative size',
      [header({}, [[124, Buffer.alloc(12, 0xff)]]), endMark],
      'TAR_INVALID',
      'a.tar, byte 0: the size -1 is negative',
    ],
    [
      'a size that no number holds',
      [header({}, [[124, Buffer.from([0x80, ...Array(11).fill(0xff)])]]), endMark],
      'TAR_INVALID',
      'a.tar, byte 0: a number in the header is too large',
    ],
    [
      'a malformed record',
      [header({ size: 6 }, [[156, 'x']]), block('99 a=b'), header({}), endMark],
      'TAR_INVALID',
      'a.tar, byte 0: the extended header is malformed at its byte 0',
    ],
    [
      'a vast extended header',
      [header({ size: 2 << 20 }, [[156, 'x']])],
      'TAR_TOO_LARGE',
      'a.tar, byte 0: an extended header has 2097152 bytes, more than 1048576',
    ],
    [
      'an owner out of range',
      [pax({ uid: '4294967295' }), header({}), endMark],
      'TAR_INVALID',
      'a.tar, byte 1024, entry "file": the owner 4294967295 is out of range',
    ],
    [
      'more behind one block of zeros',
      [header({}), Buffer.alloc(512), header({ path: 'b' }), endMark],
      'TAR_INVALID',
      'a.tar, byte 1024: there is more behind a block of zeros, which ends an archive',
    ],
    [
      'an extended header without entry',
      [pax({ uid: '1' }), endMark],
      'TAR_TRUNCATED',
      'a.tar is truncated: it ends after 2048 bytes, after an extended header whose entry is missing',
    ],
  ])('%s', async (_, parts, code, message) => {
    expect(await failure(read(...parts))).toEqual([code, message]);
  });

  test('any bytes end in entries or a KairosError, never otherwise', async () => {
    const archive = Buffer.concat([
      pax({ path: 'p', 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': '9' }),
      whole,
    ]);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: archive.length - 1 }),
        fc.integer({ min: 0, max: 255 }),
        async (at, byte) => {
          const changed = Buffer.from(archive);
          changed[at] = byte;
          try {
            for await (const entry of readTar(pieces(changed), { name: 'a.tar' })) {
              for await (const _ of entry.segments());
            }
          } catch (error) {
            if (!(error instanceof KairosError)) throw error;
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
