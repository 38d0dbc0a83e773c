import { afterEach, beforeEach, expect, test } from 'bun:test';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machineHost } from '@kairos/host/machine';
import { openArchive } from './archive.ts';
import { bootFormFromDirectory } from './boot-form-directory.ts';
import { openLayout } from './layout.ts';
import { openSource } from './source.ts';
import { collect, failure } from './test-content.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'file-stream-'));
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(folder, 'index.json'), '{"schemaVersion":2,"manifests":[]}');
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const hex = 'a'.repeat(64);
const blob = { mediaType: 'application/octet-stream', digest: `sha256:${hex}`, size: 3 };
const readers: [string, string, (path: string) => Promise<unknown>][] = [
  ['oci-layout', 'LAYOUT_INVALID', async () => openLayout(folder)],
  ['index.json', 'LAYOUT_INVALID', async () => openLayout(folder)],
  [`blobs/sha256/${hex}`, 'FILE_NOT_ORDINARY', () => collect(openLayout(folder).blob(blob))],
  ['image.json', 'FILE_NOT_ORDINARY', async () => bootFormFromDirectory(folder)],
  ['archive.tar', 'ARCHIVE_NOT_FOUND', (path) => openArchive(path)],
  ['root.img', 'FILE_NOT_ORDINARY', (path) => openSource(`file:${path}`, { host: machineHost() })],
];
const odd: [string, (path: string) => void][] = [
  ['a pipe', (path) => void execFileSync('mkfifo', [path])],
  ['an endless device', (path) => symlinkSync('/dev/zero', path)],
];

for (const [what, make] of odd) {
  test.each(readers)(`${what} as %s is refused, not read`, async (name, code, read) => {
    const path = join(folder, name);
    rmSync(path, { force: true });
    make(path);
    expect((await failure(read(path)))[0]).toBe(code);
  });
}

test.each<[string, string, () => unknown]>([
  ['index.json', 'LAYOUT_INVALID', () => openLayout(folder)],
  ['image.json', 'FILE_TOO_LARGE', () => bootFormFromDirectory(folder)],
])('%s of 5 MiB', async (name, code, read) => {
  const path = join(folder, name);
  writeFileSync(path, '');
  truncateSync(path, 5 * 1024 * 1024);
  expect(await failure((async () => read())())).toEqual([
    code,
    `${path} has 5.0 MiB; at most 4.0 MiB are read`,
  ]);
});
