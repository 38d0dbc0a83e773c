import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoryHost } from '@kairos/host/directory';
import { fetchExtensions } from './fetch.ts';

let folder: string;
let server: Bun.Server<undefined>;
let said: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fetch-'));
  server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('image') });
  said = [];
});
afterEach(async () => {
  await server.stop(true);
  rmSync(folder, { recursive: true, force: true });
});

const get = (address: string, digest?: string) =>
  fetchExtensions(directoryHost(folder), address, '/', {
    ...{ tell: (line) => said.push(line), warn: (line) => said.push(line) },
    ...(digest === undefined ? {} : { digest }),
  });

test('a password in the address is in nothing that is said', async () => {
  const address = `http://ada:lovelace@127.0.0.1:${server.port}/tool%2D1.raw?token=t0ken`;
  expect(await get(address)).toEqual(['tool-1.raw']);
  expect(readFileSync(join(folder, 'tool-1.raw'), 'utf8')).toBe('image');
  const mismatch = get(address, `sha256:${'0'.repeat(64)}`).catch(String);
  said.push(String(await mismatch));
  expect(said.at(-1)).toContain('has the digest sha256:');
  expect(said).toHaveLength(4);
  expect(said.join('\n')).not.toMatch(/lovelace|t0ken/);
});

test('percent signs that encode nothing make no name', async () => {
  await expect(get(`http://127.0.0.1:${server.port}/%zz.raw`)).rejects.toMatchObject({
    ...{ code: 'EXTENSION_NAME', exit: 'invalidInput' },
  });
});
