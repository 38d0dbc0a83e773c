import { expect, test } from 'bun:test';
import { debianSources, parseAptSources } from './apt-sources.ts';

const deb822 = `Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main
`;

test('both forms of sources', () => {
  expect(parseAptSources('debian.sources', deb822)).toEqual([
    { uri: 'http://mirror.example/debian', suite: 'bookworm', components: ['main', 'contrib'] },
    { uri: 'http://mirror.example/debian', suite: 'bookworm-updates', components: ['main', 'contrib'] },
    { uri: 'http://security.example/debian-security', suite: 'bookworm-security', components: ['main'] },
  ]);
  expect(
    parseAptSources(
      'x.list',
      'deb [signed-by=/k arch=amd64] https://a.example/debian trixie main non-free # mine\n# deb no no no\ndeb-src https://a.example/debian trixie main\n',
    ),
  ).toEqual([{ uri: 'https://a.example/debian', suite: 'trixie', components: ['main', 'non-free'] }]);
});

test('another suite comes from the same archives', () => {
  expect(debianSources(parseAptSources('debian.sources', deb822), 'trixie')).toEqual([
    'deb http://mirror.example/debian trixie main',
    'deb http://mirror.example/debian trixie-updates main',
    'deb http://security.example/debian-security trixie-security main',
  ]);
});

test('unstable has no updates and no security archive', () => {
  expect(debianSources(parseAptSources('debian.sources', deb822), 'sid')).toEqual([
    'deb http://mirror.example/debian sid main',
  ]);
});

test('a mirror of the definition replaces all of them', () => {
  expect(debianSources(parseAptSources('debian.sources', deb822), 'trixie', 'file:///srv/debian')).toEqual([
    'deb file:///srv/debian trixie main',
  ]);
});

test("archives of other distributions are not taken for Debian's", () => {
  const ubuntu = parseAptSources(
    'x.list',
    'deb http://archive.example/ubuntu noble main\ndeb http://x.example/apt cloud-sdk-bookworm main\n',
  );
  expect(debianSources(ubuntu, 'trixie')).toEqual([]);
});
