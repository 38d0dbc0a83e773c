import { expect, test } from 'bun:test';
import { mergeDefinition, readDefinition, readDefinitionFlags } from './definition.ts';

function problemOf(text: string) {
  try {
    readDefinition(text, 'os.yaml');
  } catch (error) {
    return error as { code: string; message: string; hint?: string; position?: unknown; exit: string };
  }
  throw new Error('no error');
}

test('a definition with everything', () => {
  const text = `base: debian:13
version: v1.2.0
components: [nohang, ./mine]
packages: [vim]
files:
  - { path: /etc/motd, content: hello, permissions: "0600" }
cloudConfigs:
  - users.yaml
  - { name: 90_site.yaml, content: "#cloud-config" }
kernelArguments: [quiet]
filesystem: { type: squashfs, compression: fast }
`;
  const { definition, directory } = readDefinition(text, '/srv/os/os.yaml');
  expect(directory).toBe('/srv/os');
  expect(definition.filesystem).toEqual({ type: 'squashfs', compression: 'fast' });
});

test.each([
  [
    'base: debian:13\npackges: [vim]\n',
    'os.yaml:2:1: unknown key "packges", did you mean "packages"?',
    'Write packages instead of packges.',
  ],
  [
    'filesystem:\n  compresion: fast\n',
    'os.yaml:2:3: unknown key "compresion", did you mean "compression"?',
    'Write compression instead of compresion.',
  ],
  [
    'init: sistemd\n',
    'os.yaml:1:7: init is "sistemd", did you mean "systemd"?',
    'Allowed: systemd, sysvinit, openrc.',
  ],
  [
    'base: debain:13\n',
    'os.yaml:1:7: The base "debain:13" is of no known kind, did you mean "debian:13"?',
    undefined,
  ],
  ['files:\n  - path: /x\n', 'os.yaml:2:5: the file /x needs either content or source', undefined],
  [
    'files:\n  - { path: x, content: "" }\n',
    'os.yaml:2:13: files.0.path: expected an absolute path',
    undefined,
  ],
  [
    'kernelArguments: ["a b"]\n',
    'os.yaml:1:19: kernelArguments.0: a kernel argument has no spaces',
    undefined,
  ],
  [
    'kernelArguments: [quiet, root=/dev/sda1]\n',
    'os.yaml:1:26: kernelArguments.1: this argument says which system boots',
    undefined,
  ],
  [
    'packages: vim\n',
    'os.yaml:1:11: packages must be a list, and is a text',
    'Write [one, two], or each item on a line of its own after "- ".',
  ],
  ['version: 1.2\n', 'os.yaml:1:10: version must be a text, and is a number', 'Put it in quotes.'],
  [
    'files:\n  - { path: /x, content: "", permissions: 0644 }\n',
    'os.yaml:2:43: files.0.permissions must be a text, and is a number',
    'Put it in quotes.',
  ],
  [
    'filesystem: erofs\n',
    'os.yaml:1:13: filesystem must be a map of keys, and is a text',
    'Write keys with their values on lines of their own, indented.',
  ],
  [
    'files:\n  - { path: /etc/../../x, content: "" }\n',
    'os.yaml:2:13: files.0.path: expected a path without ".."',
    undefined,
  ],
  [
    'files:\n  - { path: /, content: "" }\n',
    'os.yaml:2:13: files.0.path: expected a path below /',
    undefined,
  ],
  [
    'cloudConfigs:\n  - users.txt\n',
    'os.yaml:2:5: cloudConfigs.0: a node reads only files whose names end in .yaml',
    undefined,
  ],
  [
    'base: debian:trixe\n',
    'os.yaml:1:7: There is no Debian release "trixe", did you mean "trixie"?',
    undefined,
  ],
  [
    'base: dir:root\nflavor: debain\n',
    'os.yaml:2:9: There is no flavor "debain", did you mean "debian"?',
    undefined,
  ],
  [
    'base: debian:13\nflavor: alpine\n',
    'os.yaml:2:9: The base debian:13 is bootstrapped as Debian, not as Alpine Linux',
    undefined,
  ],
  [
    'components: [./mine, nohng]\n',
    'os.yaml:1:22: There is no component "nohng", did you mean "nohang"?',
    undefined,
  ],
  [
    'withoutComponents:\n  - sssh\n',
    'os.yaml:2:5: There is no component "sssh", did you mean "ssh"?',
    undefined,
  ],
  ['files:\n  - content: x\n', 'os.yaml:2:5: files.0.path is missing', undefined],
])('%j', (text, message, hint) => {
  const problem = problemOf(text);
  expect(problem.message).toStartWith(message);
  expect(problem.exit).toBe('invalidInput');
  expect(problem.position).toBeDefined();
  if (hint !== undefined) expect(problem.hint).toBe(hint);
});

test('all problems are told, in the order of the text', () => {
  const { message } = problemOf('vresion: 1\ninit: x\nmodle: y\n');
  expect(message.split('\n').map((line) => line.slice(0, 12))).toEqual([
    'os.yaml:1:1:',
    'os.yaml:2:7:',
    'os.yaml:3:1:',
  ]);
});

test('flags are checked like a definition', () => {
  expect(readDefinitionFlags({ base: 'debian:13', init: 'openrc' })).toEqual({
    base: 'debian:13',
    init: 'openrc',
  });
  expect(() => readDefinitionFlags({ init: 'opnrc' })).toThrow(
    expect.objectContaining({ message: 'init is "opnrc", did you mean "openrc"?', exit: 'usage' }),
  );
  expect(() => readDefinitionFlags({ base: 'tar' })).toThrow('names nothing behind tar:');
});

test('flags add to lists and replace the rest', () => {
  const merged = mergeDefinition(
    { base: 'debian:12', packages: ['vim'], filesystem: { type: 'erofs' } },
    { base: 'debian:13', packages: ['htop'], filesystem: { compression: 'fast' } },
  );
  expect(merged).toEqual({
    base: 'debian:13',
    packages: ['vim', 'htop'],
    filesystem: { type: 'erofs', compression: 'fast' },
  });
});
