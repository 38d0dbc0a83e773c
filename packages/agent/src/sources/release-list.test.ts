import { expect, test } from 'bun:test';
import type { Artifact } from './artifact-name.ts';
import { releasesFor } from './release-list.ts';

const node: Artifact = {
  ...{ flavor: 'ubuntu', flavorRelease: '24.04', variant: 'core', model: 'generic', arch: 'amd64' },
  version: 'v3.4.0',
};
const core = (version: string) => `24.04-core-amd64-generic-${version}`;
const k3s = (version: string, software: string) => `24.04-standard-amd64-generic-${version}-k3s${software}`;
const standard: Artifact = {
  ...{ ...node, variant: 'standard' },
  ...{ softwareVersion: 'v1.32.3+k3s1', softwareVersionPrefix: 'k3s' },
};
const tags = [
  ...[
    'v3.4.0',
    'v3.4.1',
    'v3.10.0',
    'v3.4.1-rc1',
    'v3.4.0-rc2',
    'v3.3.9',
    'v4.0.0-beta.2',
    'v4.0.0-beta.11',
  ].map(core),
  ...[`${core('v3.5.0')}.sig`, 'latest', 'sha256-00.sig', core('v3.5.0-k3sv1.32.0-k3s1'), core('main')],
  ...['22.04-core-amd64-generic-v9.0.0', '24.04-core-arm64-generic-v9.0.0', '24.04-core-amd64-rpi4-v9.0.0'],
  ...['24.04-standard-amd64-generic-v9.0.0', '24.04-standard-amd64-generic-v9.0.0-k0sv1.32.0-k0s.0'],
  ...[k3s('v3.4.0', 'v1.32.3-k3s1'), k3s('v3.4.0', 'v1.32.3-k3s2'), k3s('v3.4.0', 'v1.33.0-k3s1')],
  ...[k3s('v3.4.0', 'v1.31.9-k3s1'), k3s('v3.5.0', 'v1.31.0-k3s1'), k3s('v3.5.0-rc1', 'v1.34.0-k3s1')],
];
const versions = (of: Artifact, all = false, pre = false) =>
  releasesFor(of, tags, { all, pre }).map(({ version, softwareVersion }) =>
    softwareVersion === undefined ? version : `${version} ${softwareVersion}`,
  );

test('newer releases of what the node is, newest first', () => {
  expect(versions(node)).toEqual(['v3.10.0', 'v3.4.1']);
});
test('with pre-releases', () => {
  expect(versions(node, false, true)).toEqual([
    ...['v4.0.0-beta.11', 'v4.0.0-beta.2', 'v3.10.0', 'v3.4.1', 'v3.4.1-rc1'],
  ]);
});
test('all', () => {
  expect(versions(node, true)).toEqual(['v3.10.0', 'v3.4.1', 'v3.4.0', 'v3.3.9']);
});
test('a node with Kubernetes: its versions count behind those of the system', () => {
  expect(versions(standard)).toEqual(['v3.5.0 v1.31.0-k3s1', 'v3.4.0 v1.33.0-k3s1', 'v3.4.0 v1.32.3-k3s2']);
  expect(versions(standard, true, true)).toHaveLength(6);
});
test('a node that does not know its version sees all', () => {
  expect(versions({ ...node, version: '' })).toHaveLength(4);
});
