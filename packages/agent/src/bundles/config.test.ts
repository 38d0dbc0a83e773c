import { expect, test } from 'bun:test';
import { bundlesOf, parseBundle } from './config.ts';

test.each([
  ['container://quay.io/a/b:1', {}, { kind: 'container', source: 'docker:quay.io/a/b:1', root: '/' }],
  ['docker://a/b@sha256:0', {}, { kind: 'container', source: 'docker:a/b@sha256:0' }],
  [
    'run://a',
    { root: '/opt', database: '/db' },
    { kind: 'run', source: 'docker:a', root: '/opt', database: '/db' },
  ],
  ['run:///b.tar', { local: true }, { kind: 'run', source: '/b.tar', database: '/usr/local/.kairos/db' }],
  ['container:///layout', {}, { source: '/layout' }],
] as const)('%s', (target, options, expected) => {
  expect(parseBundle(target, options)).toMatchObject({ target, ...expected });
});

test.each([
  ['quay.io/a/b', {}, 'BUNDLE_INVALID', 'it has no kind'],
  ['contaner://a', {}, 'BUNDLE_INVALID', 'did you mean container?'],
  ['run://', {}, 'BUNDLE_INVALID', 'nothing follows run://'],
  ['run://a.tar', { local: true }, 'BUNDLE_INVALID', 'absolute path'],
  ['run://a', { root: 'x' }, 'BUNDLE_INVALID', 'not an absolute path'],
  ['run://a', { root: '/x/../..' }, 'BUNDLE_INVALID', 'not an absolute path'],
  ['package://utils/edgevpn', {}, 'BUNDLE_UNSUPPORTED', 'packages of luet repositories'],
] as const)('%s with %j is refused', (target, options, code, reason) => {
  expect(() => parseBundle(target, options)).toThrow(
    expect.objectContaining({ code, message: expect.stringContaining(reason) }),
  );
});

test('one wrong target keeps no other away', () => {
  const { bundles, problems } = bundlesOf([
    { targets: ['run://a', 'package://x', null], rootfs_path: '/r', db_path: null },
    { targets: ['container:///b.tar'], local_file: true },
    {},
  ]);
  expect(bundles.map(({ target, root }) => [target, root])).toEqual([
    ['run://a', '/r'],
    ['container:///b.tar', '/'],
  ]);
  expect(problems.map(({ code }) => code)).toEqual(['BUNDLE_UNSUPPORTED']);
  expect(bundlesOf(undefined)).toEqual({ bundles: [], problems: [] });
});
