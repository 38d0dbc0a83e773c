import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { kairosRelease, parseRelease, type ReleaseFacts, releaseKeys } from './release.ts';

const facts: ReleaseFacts = {
  version: '1.2.0',
  architecture: 'amd64',
  flavor: 'debian',
  flavorRelease: '13',
  family: 'debian',
  model: 'generic',
  variant: 'core',
  fips: false,
  trustedBoot: false,
  builder: '0.1.0',
};

test('os-release: quotes, escapes, comments', () => {
  expect(parseRelease('# comment\nID=debian\nNAME="Debian \\"x\\" \\$y"\nA=\'b c\'\nnot a line\n')).toEqual({
    ID: 'debian',
    NAME: 'Debian "x" $y',
    A: 'b c',
  });
});

test('every key is there, quoted, and the version has its v', () => {
  const text = kairosRelease(facts);
  expect(text).toContain('KAIROS_RELEASE="v1.2.0"\n');
  expect(text).toContain('KAIROS_NAME="kairos-core-debian-13"\n');
  expect(Object.keys(parseRelease(text))).toEqual([...releaseKeys]);
});

test('a provider adds its two keys', () => {
  const release = parseRelease(
    kairosRelease({ ...facts, software: { version: 'v1.35.1+k3s1', prefix: 'k3s' } }),
  );
  expect(release.KAIROS_SOFTWARE_VERSION).toBe('v1.35.1+k3s1');
  expect(release.KAIROS_SOFTWARE_VERSION_PREFIX).toBe('k3s');
});

test('any model is read back as it was written', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'ab"\\$` \'=') }), (model) => {
      expect(parseRelease(kairosRelease({ ...facts, model })).KAIROS_MODEL).toBe(model);
    }),
  );
});
