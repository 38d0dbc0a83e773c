import { afterEach, beforeEach, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { directoryHost } from '@kairos/host/directory';
import { parse } from 'yaml';
import { sceneFolder } from '../node-scene.ts';
import { firstInstallation, formatRecord, recordReset, recordUpgrade } from './record.ts';

let folder: string;
beforeEach(() => {
  folder = sceneFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const path = '/usr/local/.kairos-state';
const now = new Date('2026-01-02T03:04:05.678Z');
const files = () => directoryHost(folder).files;
const record = () => parse(files().readText(path));

test('an upgrade keeps what was before, what it does not know too', () => {
  const first = formatRecord(firstInstallation('oci:a', new Date('2025-01-01T00:00:00Z')));
  files().write(path, `${first}of-somebody: else\n`);
  recordUpgrade(files(), path, 'active', 'oci:b', now);
  recordUpgrade(files(), path, 'recovery', 'oci:c', now);
  expect(record()).toEqual({
    ...{ 'first-install': '2025-01-01T00:00:00Z', 'first-install-source': 'oci:a' },
    ...{ 'last-active-upgrade': '2026-01-02T03:04:05Z', 'last-active-source': 'oci:b' },
    ...{ 'last-recovery-upgrade': '2026-01-02T03:04:05Z', 'last-recovery-source': 'oci:c' },
    ...{ 'last-reset': 'never', 'last-reset-source': '', 'of-somebody': 'else' },
  });
});

test.each(['[not a map]', 'a: b: c', '"'])('a record %j is put aside, and one is begun', (text) => {
  files().write(path, text);
  recordUpgrade(files(), path, 'active', 'oci:b', now);
  expect(files().readText(`${path}.bak`)).toBe(text);
  expect(record()).toMatchObject({ 'first-install': 'never', 'last-active-source': 'oci:b' });
});

test('a reset tells of what was before it', () => {
  recordReset(files(), path, { 'first-install': '2025-01-01T00:00:00Z' }, 'recovery', now);
  expect(record()).toMatchObject({
    ...{ 'first-install': '2025-01-01T00:00:00Z', 'last-reset': '2026-01-02T03:04:05Z' },
    'last-reset-source': 'recovery',
  });
  recordReset(files(), path, null, 'recovery', now);
  expect(record()).toMatchObject({ 'first-install': 'never', 'last-reset': '2026-01-02T03:04:05Z' });
});
