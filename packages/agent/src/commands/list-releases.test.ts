import { afterEach, beforeEach, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoryHost } from '@kairos/host/directory';
import type { Host } from '@kairos/host/host';
import { runProgram } from '@kairos/host/run';
import { listReleases } from './list-releases.ts';

let folder: string;
let warnings: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'releases-'));
  warnings = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A node with a plug-in whose answers are cases of a shell. */
function node(cases: string): Host {
  const host = { ...directoryHost(folder, { uid: process.getuid?.() ?? 0 }), run: runProgram };
  const release = { FLAVOR: 'debian', FLAVOR_RELEASE: '13', VARIANT: 'core', MODEL: 'generic' };
  host.files.write(
    '/etc/kairos-release',
    Object.entries({ ...release, TARGETARCH: 'amd64', VERSION: 'v1.0.0' })
      .map(([name, value]) => `KAIROS_${name}="${value}"\n`)
      .join(''),
  );
  const path = join(folder, 'system/providers/agent-provider-test');
  mkdirSync(join(folder, 'system/providers'), { recursive: true });
  writeFileSync(
    path,
    `#!/bin/sh\necho "$1" >>${folder}/asked\ncase $1 in\n${cases}\n*) echo '{}' ;;\nesac\n`,
  );
  chmodSync(path, 0o755);
  return host;
}

const data = (value: unknown) =>
  `printf '%s' '${JSON.stringify({ data: typeof value === 'string' ? value : JSON.stringify(value) })}'`;
const prefix = '13-core-amd64-generic';
const tags = [`${prefix}-v1.1.0`, `${prefix}-v0.9.0`, 'latest', `${prefix}-v1.2.0`, `${prefix}-v1.3.0-rc1`];
const releases = `agent.available_releases) ${data(tags)} ;;`;
const list = (host: Host) =>
  listReleases(host, {
    ...{ registry: 'registry.test/os', pre: false, all: false },
    warn: (message) => warnings.push(message),
  });
const asked = () => readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n');

test('all that a plug-in answers and that is newer is listed, newest first, in the image that it names', async () => {
  // Its answer depends on the version that it is asked for.
  const image = `agent.version_image)
    version=$(sed 's/.*version[^0-9a-z]*\\([0-9a-z.-]*\\).*/\\1/')
    printf '{"data":"docker://plugin.test/images/os:%s"}' "$version" ;;`;
  const found = await list(node(`${releases}\n${image}`));
  expect(found).toMatchObject({ current: 'v1.0.0', from: 'a plug-in' });
  expect(found.releases.map(({ version, source }) => [version, source])).toEqual([
    ['v1.2.0', `oci:plugin.test/images/os:${prefix}-v1.2.0`],
    ['v1.1.0', `oci:plugin.test/images/os:${prefix}-v1.1.0`],
    // What is no version of this node's images is the plug-in's own affair.
    ['latest', 'oci:plugin.test/images/os:latest'],
  ]);
  expect(warnings).toEqual([]);
});

test.each([
  ['says nothing', '', 0],
  ['names something else than an image', `agent.version_image) ${data('no image')} ;;`, 1],
])('a plug-in that %s: the image has the name that the registry would give it', async (_, image, told) => {
  const found = await list(node(`${releases}\n${image}`));
  expect(found.releases.map(({ source }) => source)).toEqual([
    `oci:registry.test/os/debian:${prefix}-v1.2.0`,
    `oci:registry.test/os/debian:${prefix}-v1.1.0`,
    'oci:registry.test/os/debian:latest',
  ]);
  expect(warnings).toHaveLength(told);
  // It is asked once.
  expect(asked()).toEqual(['agent.available_releases', 'agent.version_image']);
});
