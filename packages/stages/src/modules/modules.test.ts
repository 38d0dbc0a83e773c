import { describe, expect, test } from 'bun:test';
import { gzipSync } from 'node:zlib';
import { sha512CryptMatches } from '../sha512-crypt.ts';
import { testMachines, told } from '../test-machine.ts';
import { mergeEnvironment } from './environment.ts';
import { hostsWith, isHostname } from './hostname.ts';
import { sysctlPath } from './sysctl.ts';

const testMachine = testMachines();

describe('files', () => {
  test.each([
    ['b64', Buffer.from('hi').toString('base64')],
    ['base64', `${Buffer.from('hi').toString('base64')}\\n`],
    ['gz+b64', gzipSync('hi').toString('base64')],
    ['gzip+base64', gzipSync('hi').toString('base64')],
    ['', 'hi'],
    ['text/plain', 'hi'],
  ])('encoding %s', async (encoding, content) => {
    const made = testMachine();
    await made.step(`files:\n- { path: /a, encoding: "${encoding}", content: "${content}" }`);
    expect(made.read('/a')).toBe('hi');
  });

  test.each([
    ['{ path: a, content: x }', 'PATH_INVALID:4'],
    ['{ content: x }', 'VALUE_MISSING:4'],
    ['{ path: /a, encoding: rot13 }', 'ENCODING_UNKNOWN:4'],
    ['{ path: /a, encoding: b64, content: "*" }', 'CONTENT_UNDECODABLE:4'],
    ['{ path: /a, permissions: rw }', 'PERMISSIONS_INVALID:4'],
    ['{ path: /a, content: [x] }', 'TYPE_MISMATCH:4'],
    ['text', 'TYPE_MISMATCH:4'],
  ])('%s is refused', async (item, problem) => {
    const made = testMachine();
    expect(told(await made.step(`files:\n- ${item}`))).toEqual([problem]);
    expect(made.host.files.exists('/a')).toBe(false);
  });

  test('a number keeps the spelling of its author', async () => {
    const made = testMachine();
    await made.step(
      'files:\n- { path: /a, content: 1.10 }\n- { path: /b, content: 010 }\n- { path: /c, content: }',
    );
    expect([made.read('/a'), made.read('/b'), made.read('/c')]).toEqual(['1.10', '010', '']);
  });

  test('a link is followed below its own root, and stays', async () => {
    const made = testMachine();
    made.link('/usr/lib/real', '/etc/link');
    await made.step('files:\n- { path: /etc/link, content: x }');
    expect(made.read('/usr/lib/real')).toBe('x');
    expect(made.host.files.status('/etc/link')?.kind).toBe('symlink');
  });

  test('an unknown owner is told and the content written', async () => {
    const made = testMachine();
    expect(told(await made.step('files:\n- { path: /a, content: x, owner: ghost }'))).toEqual([
      'USER_UNKNOWN:4',
    ]);
    expect(made.read('/a')).toBe('x');
  });

  test('anchors and merge keys carry permissions', async () => {
    const made = testMachine();
    await made.run(
      'stages:\n  x:\n  - files: [&f { path: /a, permissions: 0600, content: x }]\n  boot:\n  - files:\n    - <<: *f\n      path: /b\n',
    );
    expect(made.mode('/b')).toBe('600');
  });

  test('templates are filled in after decoding', async () => {
    const made = testMachine();
    const content = Buffer.from('{{ .Values.node.hostname }}-{{ .Values.os.vendor }}').toString('base64');
    made.put('/etc/os-release', 'ID=debian\n');
    await made.step(`files:\n- { path: /a, encoding: b64, content: ${content} }`, {
      facts: { hostname: 'n1' },
    });
    expect(made.read('/a')).toBe('n1-debian');
  });
});

test('directories: mode of new ones, given mode of old ones, a file at the place', async () => {
  const made = testMachine();
  made.put('/file', '');
  const result = await made.step(
    'directories:\n- { path: /a/b }\n- { path: /a, permissions: 0700 }\n- { path: /file }\n- /c',
  );
  expect([made.mode('/a/b'), made.mode('/a'), made.mode('/c')]).toEqual(['755', '700', '755']);
  expect(told(result)).toEqual(['NOT_A_DIRECTORY:6']);
});

test.each([
  ['', { A: '1' }, 'A=1\n'],
  ['# c\nA=0\nB=2\n', { A: 'x y' }, '# c\nA="x y"\nB=2\n'],
  ['export A=0\nA=1', { A: '2' }, 'export A=2\n'],
  ['', { A: 'a"$`\\' }, 'A="a\\"\\$\\`\\\\"\n'],
  ['', { A: 'a\nb' }, 'A="a\\nb"\n'],
  ['', { A: '' }, 'A=""\n'],
])('environment %j with %j', (text, values, merged) => {
  expect(mergeEnvironment(text, new Map(Object.entries(values)))).toBe(merged);
});

test('environment goes to its file, and a bad name is told', async () => {
  const made = testMachine();
  const result = await made.step(
    'environment_file: /run/cos/cos-layout.env\nenvironment:\n  VOLUMES: "LABEL=X:/y"\n  "a b": 1\n  N: 0644',
  );
  expect(made.read('/run/cos/cos-layout.env')).toBe('VOLUMES="LABEL=X:/y"\nN=0644\n');
  expect(told(result)).toEqual(['NAME_INVALID:6']);
});

describe('hostname', () => {
  test('in the kernel, /etc/hostname and /etc/hosts', async () => {
    const made = testMachine();
    made.put('/proc/sys/kernel/hostname', 'old\n');
    made.put('/etc/hosts', '127.0.0.1 localhost\n::1 localhost\n');
    await made.step('hostname: "n-{{ trunc 4 .MachineID }}"', { facts: { machineId: 'abcdef' } });
    expect(made.read('/proc/sys/kernel/hostname')).toBe('n-abcd\n');
    expect(made.read('/etc/hostname')).toBe('n-abcd\n');
    expect(made.read('/etc/hosts')).toBe('127.0.0.1 localhost n-abcd\n::1 localhost\n');
    expect(made.mode('/etc/hosts')).toBe('644');
  });

  test.each([
    ['a', true],
    ['a-b.example.org', true],
    ['-a', false],
    ['a_b', false],
    ['a b', false],
    ['x'.repeat(64), false],
    ['', false],
  ])('%s: %p', (name, is) => expect(isHostname(name)).toBe(is));

  test('an unusual name is taken and told, an impossible one refused', async () => {
    const made = testMachine();
    made.put('/proc/sys/kernel/hostname', '');
    expect(told(await made.step('hostname: my_node'))).toEqual(['HOSTNAME_UNUSUAL:3']);
    expect(made.read('/etc/hostname')).toBe('my_node\n');
    expect(told(await made.step('hostname: "a b"'))).toEqual(['HOSTNAME_INVALID:3']);
  });

  test('without a loopback line one is added', () => {
    expect(hostsWith('10.0.0.1 other\n', 'me')).toBe('127.0.0.1 localhost me\n10.0.0.1 other\n');
  });
});

test.each([
  ['net.ipv4.ip_forward', '/proc/sys/net/ipv4/ip_forward'],
  ['net/ipv4/conf/eth0.100/forwarding', '/proc/sys/net/ipv4/conf/eth0.100/forwarding'],
  ['net.ipv4.conf.eth0/100.forwarding', '/proc/sys/net/ipv4/conf/eth0.100/forwarding'],
  ['debug.exception-trace', '/proc/sys/debug/exception-trace'],
  ['../../etc/passwd', undefined],
  ['a/../../b', undefined],
  ['', undefined],
])('sysctl %s', (name, path) => expect(sysctlPath(name)).toBe(path));

test('sysctl writes what exists and tells what does not', async () => {
  const made = testMachine();
  made.put('/proc/sys/vm/swappiness', '60\n');
  expect(told(await made.step('sysctl:\n  vm.swappiness: 10\n  vm.nonsense: 1'))).toEqual([
    'SYSCTL_UNKNOWN:5',
  ]);
  expect(made.read('/proc/sys/vm/swappiness')).toBe('10\n');
});

test('kernel modules that are loaded are left alone', async () => {
  const made = testMachine({ run: () => ({}) });
  made.put('/sys/module/nf_conntrack/refcnt', '0');
  await made.step('modules: ["nf-conntrack", "dummy numdummies=2", "--evil"]');
  expect(made.host.commands).toEqual([['modprobe', 'dummy', 'numdummies=2']]);
});

test('dns replaces a link and refuses what is no address', async () => {
  const made = testMachine();
  made.link('/run/stub', '/etc/resolv.conf');
  await made.step('dns: { nameservers: [8.8.8.8, "::1"], search: [a.org], options: [rotate] }');
  expect(made.host.files.status('/etc/resolv.conf')?.kind).toBe('file');
  expect(made.read('/etc/resolv.conf')).toBe(
    'search a.org\nnameserver 8.8.8.8\nnameserver ::1\noptions rotate\n',
  );
  expect(told(await made.step('dns: { nameservers: ["8.8.8"] }'))).toEqual(['DNS_INVALID:3']);
});

test('timesyncd and systemd-firstboot', async () => {
  const made = testMachine({ run: () => ({}) });
  await made.step(
    'timesyncd: { NTP: [a, b], FallbackNTP: "" }\nsystemd_firstboot: { keymap: us, force: true, copy: false }',
  );
  expect(made.read('/etc/systemd/timesyncd.conf.d/10-yip.conf')).toBe('[Time]\nNTP=a b\nFallbackNTP=\n');
  expect(made.host.commands).toEqual([['systemd-firstboot', '--keymap=us', '--force']]);
});

describe('systemctl', () => {
  test('running: one process a verb, each unit alone if that fails', async () => {
    const made = testMachine({ run: (argv) => ({ code: argv.includes('bad.service') ? 1 : 0 }) });
    made.put('/run/systemd/system/x', '');
    const result = await made.step('systemctl:\n  enable: [good, bad]\n  mask: [a.timer]\n  start: [good]');
    expect(made.host.commands.map((argv) => argv.slice(1).join(' '))).toEqual([
      'enable good.service bad.service',
      'enable good.service',
      'enable bad.service',
      'mask a.timer',
      'start good.service',
    ]);
    expect(told(result)).toEqual(['TOOL_FAILED:4']);
  });

  test('not running: masks are links without a process, starting is an error', async () => {
    const made = testMachine({ run: () => ({}) });
    const result = await made.step('systemctl: { mask: [getty@tty1], start: [a] }');
    expect(made.host.files.readLink('/etc/systemd/system/getty@tty1.service')).toBe('/dev/null');
    expect(made.host.commands).toEqual([]);
    expect(told(result)).toEqual(['SYSTEMD_NOT_RUNNING:3']);
  });

  test('overrides are drop-ins', async () => {
    const made = testMachine();
    await made.step(
      'systemctl:\n  overrides:\n  - { service: sshd, content: "[Service]\\nA=b" }\n  - { service: x.socket, name: 10-y, content: "" }',
    );
    expect(made.read('/etc/systemd/system/sshd.service.d/override-yip.conf')).toBe('[Service]\nA=b\n');
    expect(made.read('/etc/systemd/system/x.socket.d/10-y.conf')).toBe('');
  });

  test('`enabled` is told as `enable`', async () => {
    const result = await testMachine().step('systemctl: { enabled: [a] }');
    expect(result.problems[0]?.hint).toBe('Write enable');
  });
});

describe('entities', () => {
  test('are added and deleted by name', async () => {
    const made = testMachine();
    made.put('/etc/passwd', 'root:x:0:0::/root:/bin/sh\nold:x:5:5::/:/bin/sh\n');
    made.put('/etc/group', 'wheel:x:10:a\n');
    const entity = (path: string, text: string) =>
      `- path: ${path}\n  entity: |\n    ${text.replaceAll('\n', '\n    ')}`;
    const result = await made.step(
      `ensure_entities:\n${entity('/etc/passwd', 'kind: user\nusername: foo\nuid: 7\ngid: 8\nhomedir: /foo')}\n${entity('/etc/group', 'kind: group\ngroup_name: wheel\nusers: b')}\n${entity('/etc/passwd', 'kind: user\nusername: evil\nuid: 0')}\ndelete_entities:\n${entity('/etc/passwd', 'kind: user\nusername: old')}`,
    );
    expect(made.read('/etc/passwd')).toBe('root:x:0:0::/root:/bin/sh\nfoo:x:7:8::/foo:/bin/sh\n');
    expect(made.read('/etc/group')).toBe('wheel:x:10:a,b\n');
    expect(result.problems.map(({ code }) => code)).toEqual(['UID_REFUSED']);
  });

  const entity = (text: string) => `- entity: |\n    ${text.replaceAll('\n', '\n    ')}`;

  test('of shadow and gshadow; a plain password is hashed, and what is not said stays', async () => {
    const made = testMachine();
    made.put('/etc/shadow', 'a:!:1:0:99999:7:::\ngone:!:1:0:99999:7:::\n', 0o640);
    made.put('/etc/gshadow', 'g:!:x:a\ngone:!::\n', 0o640);
    const result = await made.step(
      `ensure_entities:\n${entity('kind: shadow\nusername: a\npassword: secret\nlast_changed: now')}\n${entity('kind: gshadow\nname: g\nadministrators: y\nmembers: b')}\ndelete_entities:\n${entity('kind: shadow\nusername: gone')}\n${entity('kind: gshadow\nname: gone')}`,
    );
    expect(result.problems).toEqual([]);
    const [line = '', ...rest] = made.read('/etc/shadow').split('\n');
    const [name, hash = '', changed, ...aging] = line.split(':');
    expect([name, sha512CryptMatches('secret', hash), aging, rest]).toEqual([
      'a',
      true,
      ['0', '99999', '7', '', '', ''],
      [''],
    ]);
    expect(Number(changed)).toBeGreaterThan(20_000);
    expect(made.read('/etc/gshadow')).toBe('g:!:x,y:a,b\n');
    expect([made.mode('/etc/shadow'), made.mode('/etc/gshadow')]).toEqual(['640', '640']);
  });

  test.each([
    ['kind: robot\nname: a', 'ENTITY_INVALID'],
    ['kind: user\nusername: "a:b"', 'ENTITY_INVALID'],
    ['kind: user\nusername: a\nuid: seven', 'ENTITY_INVALID'],
    ['kind: user\nusername: a\nhomedir: "/a:b"', 'ENTITY_INVALID'],
    ['kind: [', 'ENTITY_INVALID'],
  ])('%j is refused at its place', async (text, code) => {
    const made = testMachine();
    made.put('/etc/passwd', 'root:x:0:0::/root:/bin/sh\n');
    expect(told(await made.step(`ensure_entities:\n${entity(text)}`))).toEqual([`${code}:4`]);
    expect(made.read('/etc/passwd')).toBe('root:x:0:0::/root:/bin/sh\n');
  });
});

describe('downloads', () => {
  test('into a directory, whole or not at all', async () => {
    const made = testMachine();
    made.put('/d/keep', '');
    const result = await made.step(
      'downloads:\n- { path: /d, url: "https://x.org/a/file.txt", permissions: 0600 }\n- { path: /e, url: "https://x.org/missing" }\n- { path: /f, url: "file:///etc/passwd" }',
      {
        services: {
          fetch: async (url) =>
            url.endsWith('file.txt') ? new Response('body') : new Response('no', { status: 404 }),
        },
      },
    );
    expect(made.read('/d/file.txt')).toBe('body');
    expect(made.mode('/d/file.txt')).toBe('600');
    expect(told(result)).toEqual(['HTTP_STATUS:5', 'URL_INVALID:6']);
    expect(made.host.files.exists('/e')).toBe(false);
  });

  test('a server in trouble is asked again', async () => {
    const made = testMachine();
    let asked = 0;
    await made.step('downloads:\n- { path: /e, url: "https://x.org/e" }', {
      services: {
        delay: async () => undefined,
        fetch: async () => (++asked < 3 ? new Response('', { status: 503 }) : new Response('ok')),
      },
    });
    expect(made.read('/e')).toBe('ok');
  });
});

describe('packages', () => {
  const install = 'packages: { refresh: true, install: [a, "b=1"], remove: c }';
  test.each([
    [
      'ID=debian',
      [
        'apt-get update',
        'apt-get --yes --no-install-recommends install -- a b=1',
        'apt-get --yes remove -- c',
      ],
    ],
    [
      'ID=mine\nID_LIKE="rhel fedora"',
      ['dnf makecache', 'dnf --assumeyes install a b=1', 'dnf --assumeyes remove c'],
    ],
    [
      'ID="opensuse-leap"',
      [
        'zypper --non-interactive refresh',
        'zypper --non-interactive install -- a b=1',
        'zypper --non-interactive remove -- c',
      ],
    ],
    ['ID=alpine', ['apk update', 'apk add a b=1', 'apk del c']],
    [
      'ID=arch',
      ['pacman --noconfirm -Sy', 'pacman --noconfirm --needed -S a b=1', 'pacman --noconfirm -R c'],
    ],
  ])('%s', async (osRelease, commands) => {
    const made = testMachine({ run: () => ({}) });
    made.put('/etc/os-release', osRelease);
    await made.step(install);
    expect(made.host.commands.map((argv) => argv.join(' '))).toEqual(commands);
  });

  test('an option is no package, and an unknown system is told', async () => {
    const made = testMachine({ run: () => ({}) });
    expect(told(await made.step('packages: { install: ["--force"] }'))).toEqual(['PACKAGE_INVALID:3']);
    expect(told(await made.step(install))).toEqual(['PACKAGE_TOOL_UNKNOWN:3']);
    expect(made.host.commands).toEqual([]);
  });

  test('pins', async () => {
    const made = testMachine({ run: () => ({}) });
    await made.step('package_pins: { a: 1.10, b: "2.*" }', { facts: { osRelease: { ID: 'ubuntu' } } });
    expect(made.read('/etc/apt/preferences.d/99-yip-pins')).toBe(
      'Package: a\nPin: version 1.10\nPin-Priority: 1001\n\nPackage: b\nPin: version 2.*\nPin-Priority: 1001\n',
    );
    made.put('/etc/apk/world', 'a\nz\n');
    await made.step('package_pins: { a: 1.10 }', { facts: { osRelease: { ID: 'alpine' } } });
    expect(made.read('/etc/apk/world')).toBe('a=1.10\nz\n');
  });
});

test('git: secrets by environment and files, never as arguments', async () => {
  const seen: Record<string, string>[] = [];
  const made = testMachine({
    run: (_argv, { env }) => {
      seen.push({ ...env });
      return {};
    },
  });
  await made.step(
    'git:\n  url: https://x.org/r.git\n  path: /r\n  branch: main\n  branch_only: true\n  auth: { username: u, password: the-password }',
  );
  await made.step(
    'git:\n  url: git@x.org:r.git\n  path: /r\n  auth: { private_key: the-private-key, public_key: "ssh-rsa AAA" }',
  );
  expect(JSON.stringify(made.host.commands)).not.toMatch(/the-password|the-private-key/);
  expect(made.host.commands[0]?.slice(0, 7)).toEqual([
    'git',
    'clone',
    '--branch',
    'main',
    '--single-branch',
    '--',
    'https://x.org/r.git',
  ]);
  expect(seen[0]?.GIT_CONFIG_KEY_0).toBe('http.https://x.org/.extraHeader');
  expect(seen[1]?.GIT_SSH_COMMAND).toContain('StrictHostKeyChecking=yes');
  expect(made.host.files.list('/run/kairos-git')).toEqual([]);
  expect(told(await made.step('git: { url: "ext::sh -c x", path: /r }'))).toEqual(['URL_INVALID:3']);
});

test('images are unpacked by what the caller gives', async () => {
  const asked: unknown[] = [];
  const made = testMachine();
  const text = 'unpack_images:\n- { source: "oci:/x", target: /t, platform: linux/arm64 }';
  await made.step(text, { services: { unpackImage: async (...given) => void asked.push(given) } });
  expect(asked).toEqual([['oci:/x', '/t', { platform: 'linux/arm64' }]]);
});
