import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import { parseReference } from './reference.ts';
import { machineRegistries } from './registries-config.ts';

let folder: string;
let host: DirectoryHost;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'registries-'));
  host = directoryHost(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const places = (reference: string) =>
  machineRegistries(host)(parseReference(reference)).map(
    ({ registry, repository, insecure }) => `${registry}/${repository}${insecure ? ' insecure' : ''}`,
  );
const write = (text: string, path = '/etc/containers/registries.conf') => host.files.write(path, text);

test('without a file, the name is the place', () => {
  expect(places('quay.io/kairos/debian:13')).toEqual(['quay.io/kairos/debian']);
});

const config = `unqualified-search-registries = ["docker.io"]
[[registry]]
prefix = "quay.io"
location = "quay.io"
[[registry.mirror]]
location = "mirror.example:5000/quay"
insecure = true
[[registry.mirror]]
location = "other.example"
pull-from-mirror = "digest-only"
[[registry]]
prefix = "quay.io/kairos"
location = "registry.example/os"
insecure = true
[[registry]]
location = "bad.example"
blocked = true
[[registry]]
prefix = "*.wild.example"
insecure = true
`;

test.each([
  ['quay.io/a/b:1', ['mirror.example:5000/quay/a/b insecure', 'quay.io/a/b']],
  [
    `quay.io/a/b@sha256:${'0'.repeat(64)}`,
    ['mirror.example:5000/quay/a/b insecure', 'other.example/a/b', 'quay.io/a/b'],
  ],
  ['quay.io/kairos/debian:13', ['registry.example/os/debian insecure']],
  [
    'quay.io/kairosity/debian:13',
    ['mirror.example:5000/quay/kairosity/debian insecure', 'quay.io/kairosity/debian'],
  ],
  ['x.wild.example/a', ['x.wild.example/a insecure']],
  ['debian', ['docker.io/library/debian']],
])('%s', (reference, expected) => {
  write(config);
  expect(places(reference)).toEqual(expected);
});

test('a later file replaces what an earlier one says', () => {
  write(config);
  write('[[registry]]\nprefix = "quay.io"\n', '/etc/containers/registries.conf.d/10-own.conf');
  expect(places('quay.io/a/b')).toEqual(['quay.io/a/b']);
});

test('a blocked registry and a broken file are told', () => {
  write(config);
  expect(() => places('bad.example/a')).toThrow(
    expect.objectContaining({ code: 'REGISTRY_BLOCKED', exit: 'notPermitted' }),
  );
  write('[[registry]]\ninsecure = "yes"\n');
  expect(() => places('debian')).toThrow(
    expect.objectContaining({ code: 'REGISTRIES_CONFIG_INVALID', exit: 'invalidInput' }),
  );
  write('[[registry');
  expect(() => places('debian')).toThrow(expect.objectContaining({ code: 'REGISTRIES_CONFIG_INVALID' }));
});
