import { expect, test } from 'bun:test';
import { parseRelease } from '@kairos/image/release';
import {
  type Artifact,
  artifactTag,
  baseContainerName,
  bootableName,
  containerName,
  osReleaseVariables,
} from './artifact-name.ts';

const core: Artifact = {
  flavor: 'opensuse',
  flavorRelease: 'leap-15.6',
  variant: 'core',
  arch: 'amd64',
  model: 'generic',
  version: 'v3.4.0',
};
const standard: Artifact = {
  ...{ ...core, variant: 'standard' },
  ...{ softwareVersion: 'v1.32.3+k3s1', softwareVersionPrefix: 'k3s' },
};

test.each<[string, Artifact, string]>([
  ['core', core, 'leap-15.6-core-amd64-generic-v3.4.0'],
  ['with software', standard, 'leap-15.6-standard-amd64-generic-v3.4.0-k3sv1.32.3-k3s1'],
  ['a plus sign', { ...core, version: 'v3.4.0+1' }, 'leap-15.6-core-amd64-generic-v3.4.0-1'],
])('tag: %s', (_, artifact, tag) => {
  expect(artifactTag(artifact)).toBe(tag);
  expect(containerName(artifact, 'quay.io/kairos')).toBe(`quay.io/kairos/opensuse:${tag}`);
});

test('other names', () => {
  expect(bootableName(standard)).toBe(
    'kairos-opensuse-leap-15.6-standard-amd64-generic-v3.4.0-k3sv1.32.3+k3s1',
  );
  expect(baseContainerName(core, 'quay.io/kairos', 'id+1')).toBe(
    'quay.io/kairos/opensuse:leap-15.6-core-amd64-generic-id-1',
  );
});

test.each<[Partial<Artifact>, string]>([
  [{ flavor: '' }, 'flavor'],
  [{ flavorRelease: '' }, 'flavor-release'],
  [{ model: '' }, 'model'],
  [{ version: '' }, 'version'],
])('%j is not enough', (less, flag) => {
  expect(() => artifactTag({ ...core, ...less })).toThrow(
    expect.objectContaining({
      code: 'ARTIFACT_INCOMPLETE',
      message: `The name of the artifact needs --${flag}`,
      hint: `Give --${flag}, or the environment variable ${flag.toUpperCase().replace('-', '_')}`,
    }),
  );
});

test('variables of os-release read back', () => {
  const text = osReleaseVariables(standard, {
    ...{ registryAndOrg: 'quay.io/kairos', githubRepo: 'kairos-io/kairos' },
    ...{ bugReportUrl: 'https://e.org/$bugs', projectHomeUrl: '' },
  });
  expect(parseRelease(text)).toMatchObject({
    KAIROS_NAME: 'kairos-standard-opensuse-leap-15.6',
    KAIROS_VERSION: 'v3.4.0',
    KAIROS_IMAGE_REPO: 'quay.io/kairos/opensuse:leap-15.6-standard-amd64-generic-v3.4.0-k3sv1.32.3-k3s1',
    KAIROS_IMAGE_LABEL: 'standard-amd64-generic-v3.4.0-k3sv1.32.3-k3s1',
    KAIROS_BUG_REPORT_URL: 'https://e.org/$bugs',
    KAIROS_SOFTWARE_VERSION_PREFIX: 'k3s',
  });
  expect(text).not.toContain('HOME_URL');
});
