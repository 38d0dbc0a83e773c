import { afterEach, beforeEach, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { directoryHost } from '@kairos/host/directory';
import type { Host } from '@kairos/host/host';
import { sceneFolder } from '../node-scene.ts';
import { noteProvenState, readPersistentState } from './persistent-state.ts';

let folder: string;
let host: Host;
const target = '/usr/local/.state';
beforeEach(() => {
  folder = sceneFolder();
  host = directoryHost(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const record = (more: Record<string, unknown> = {}, at = target) =>
  host.files.write(
    `${at}/.kairos/state.json`,
    JSON.stringify({
      ...{ schemaVersion: 1, image: 'v2', version: '2', paths: ['/etc/app', '/var/lib/app'], sequence: 2 },
      ...{
        parent: 'v1',
        restored: false,
        conflicts: [{ path: '/etc/app', name: 'a', what: 'changed by both' }],
      },
      ...more,
    }),
  );

const proven = () => JSON.parse(host.files.readText(`${target}/.kairos/proven.json`));

test('the configuration of a good system is noted, and its data are not', () => {
  record();
  host.files.write(`${target}/etc-app.bind/a`, 'x');
  host.files.write(`${target}/var-lib-app.bind/b`, 'x');
  noteProvenState(host);
  expect(proven()).toMatchObject({ schemaVersion: 1, image: 'v2', sequence: 2 });
  expect(Object.keys(proven().paths)).toEqual(['/etc/app']);
  expect(Object.keys(proven().paths['/etc/app'])).toEqual(['.', 'a']);
});

test('once for each change of images', () => {
  record();
  host.files.write(`${target}/etc-app.bind/a`, 'x');
  noteProvenState(host);
  host.files.write(`${target}/etc-app.bind/later`, 'x');
  noteProvenState(host);
  expect(Object.keys(proven().paths['/etc/app'])).toEqual(['.', 'a']);
  record({ sequence: 4 });
  noteProvenState(host);
  expect(Object.keys(proven().paths['/etc/app'])).toEqual(['.', 'a', 'later']);
});

test('the state is where this boot keeps it', () => {
  host.files.write(
    '/run/immucore/boot-report.json',
    JSON.stringify({ layout: { stateTarget: '/data/state' } }),
  );
  record({}, '/data/state');
  expect(readPersistentState(host.files)).toMatchObject({
    image: 'v2',
    parent: 'v1',
    conflicts: [{ name: 'a' }],
  });
  noteProvenState(host);
  expect(host.files.exists('/data/state/.kairos/proven.json')).toBe(true);
});

test.each(['', '{', '[]', '{"schemaVersion":1}'])('a record %j is none', (text) => {
  host.files.write(`${target}/.kairos/state.json`, text);
  expect(readPersistentState(host.files)).toBeUndefined();
  noteProvenState(host);
  expect(host.files.exists(`${target}/.kairos/proven.json`)).toBe(false);
});
