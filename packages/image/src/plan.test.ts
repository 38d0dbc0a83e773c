import { afterEach, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoryHost } from '@kairos/host/directory';
import { machineHost } from '@kairos/host/machine';
import { parseBase } from './base.ts';
import { programsOf } from './build-programs.ts';
import type { Definition } from './definition.ts';
import { allFlavors, flavorNamed } from './flavor.ts';
import { type BaseFacts, type BuildPlan, planBuild } from './plan.ts';
import { describePlan } from './plan-text.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const debian: BaseFacts = {
  base: parseBase('debian:13'),
  flavor: flavorNamed('debian'),
  release: '13',
  suite: 'trixie',
  architecture: 'amd64',
};

function plan(definition: Definition, facts: BaseFacts = debian, directory = '/nowhere'): BuildPlan {
  const host = directory === '/nowhere' ? directoryHost('/nowhere') : machineHost();
  return planBuild(host, { definition, directory, facts, executable: '/kairos', output: '/out' });
}
const names = ({ components }: BuildPlan) => components.map(({ manifest }) => manifest.name).sort();
const step = <K extends string>(made: BuildPlan, kind: K) => made.steps.filter((each) => each.kind === kind);

test('Debian: one bootstrap with every package, then the same steps in the same order', () => {
  const made = plan({ packages: ['vim'] });
  const [first, ...others] = made.steps;
  expect(first).toMatchObject({ kind: 'bootstrap', suite: 'trixie' });
  expect(made.packages).toContain('linux-image-amd64');
  expect(made.packages).toContain('vim');
  expect(made.packages).not.toContain('nohang');
  expect(step(made, 'install-packages')).toEqual([]);
  expect(others.slice(-9).map(({ kind }) => kind)).toEqual([
    'release',
    'clean',
    'mount-points',
    'check',
    'initrd',
    'bootloader',
    'root-image',
    'container',
    'publish',
  ]);
  expect(names(made)).toEqual(
    ['agent', 'base', 'cloud-configs', 'grub', 'immucore', 'initrd-thin', 'kernel', 'ssh', 'systemd'].sort(),
  );
  expect(step(made, 'link')).toContainEqual({
    kind: 'link',
    path: '/usr/bin/kairos-agent',
    target: 'kairos',
    from: 'agent',
  });
});

test('another init system swaps its component', () => {
  const made = plan({ init: 'sysvinit' });
  expect(names(made)).toContain('sysvinit');
  expect(names(made)).not.toContain('systemd');
  expect(made.packages).toContain('sysvinit-core');
  expect(made.packages).not.toContain('systemd-sysv');
  expect(step(made, 'services')).toMatchObject([{ init: 'sysvinit' }]);
});

test('naming the component of an init system chooses it', () => {
  expect(plan({ components: ['sysvinit'] }).init).toBe('sysvinit');
});

test.each([{ initrd: 'dracut' }, { components: ['initrd-dracut'] }] as Definition[])(
  '%j: another initrd',
  (wish) => {
    const made = plan(wish);
    expect(step(made, 'initrd')).toEqual([{ kind: 'initrd', type: 'dracut' }]);
    expect(names(made)).not.toContain('initrd-thin');
    expect(made.packages).toContain('dracut');
  },
);

test('nohang is off unless it is asked for', () => {
  const made = plan({ components: ['nohang'] });
  expect(made.packages).toContain('nohang');
  expect(step(made, 'services')[0]).toMatchObject({ enable: expect.arrayContaining(['nohang.service']) });
});

test.each([
  [{ components: ['nohnag'] }, 'COMPONENT_UNKNOWN', 'did you mean "nohang"?'],
  [{ withoutComponents: ['shs'] }, 'COMPONENT_UNKNOWN', 'did you mean "ssh"?'],
  [{ components: ['sysvinit', 'systemd'] }, 'COMPONENT_CONFLICT', 'Both sysvinit and systemd are the init'],
  [
    { init: 'sysvinit', components: ['nohang'] },
    'COMPONENT_UNSUITABLE',
    'works with systemd, and the image has sysvinit',
  ],
  [{ withoutComponents: ['agent'] }, 'COMPONENT_NEEDED', 'cloud-configs needs agent'],
  [{ init: 'openrc' }, 'INIT_UNSUPPORTED', 'Debian cannot be built with openrc'],
  [{ components: ['./not/there'] }, 'COMPONENT_NOT_FOUND', '/nowhere/not/there'],
  [{ cloudConfigs: ['gone.yaml'] }, 'FILE_NOT_FOUND', '/nowhere/gone.yaml'],
] as [Definition, string, string][])('%j is refused: %s', (definition, code, message) => {
  expect(() => plan(definition)).toThrow(
    expect.objectContaining({ code, message: expect.stringContaining(message) }),
  );
});

test('a component of a user, with files beside its manifest', () => {
  const folder = mkdtempSync(join(tmpdir(), 'component-'));
  folders.push(folder);
  mkdirSync(join(folder, 'mine/etc'), { recursive: true });
  writeFileSync(join(folder, 'mine/etc/mine.conf'), 'value\n');
  writeFileSync(
    join(folder, 'mine/component.yaml'),
    `name: mine
description: Mine
packages: { families: { debian: [htop] } }
files:
  - { path: /etc/mine, directory: etc, mode: "0600" }
  - { path: /etc/no-systemd, content: x, inits: [openrc] }
kernelArguments: [mine=1]
`,
  );
  const made = plan({ components: ['./mine'] }, debian, folder);
  expect(step(made, 'copy-file')).toContainEqual({
    kind: 'copy-file',
    path: '/etc/mine/mine.conf',
    source: join(folder, 'mine/etc/mine.conf'),
    mode: 0o600,
    from: 'mine',
  });
  expect(describePlan(made)).not.toContain('/etc/no-systemd');
  expect(made.packages).toContain('htop');
  expect(made.kernelArguments.at(-1)).toBe('mine=1');

  writeFileSync(
    join(folder, 'mine/component.yaml'),
    'name: mine\ndescription: x\nfiles: [{ path: /x, source: ../../secret }]\n',
  );
  expect(() => plan({ components: ['./mine'] }, debian, folder)).toThrow('is not below the directory');
  writeFileSync(join(folder, 'mine/component.yaml'), 'name: mine\ndescription: x\nfiels: []\n');
  expect(() => plan({ components: ['./mine'] }, debian, folder)).toThrow(
    'component.yaml:3:1: unknown key "fiels", did you mean "files"?',
  );
});

test('a root that is there gets only what it lacks', () => {
  const made = plan(
    { packages: ['vim', 'htop'] },
    {
      ...debian,
      base: parseBase('dir:/srv/root'),
      installed: new Set(['vim', 'dmsetup']),
      filled: new Set(['base', 'storage', 'network', 'ssh', 'kernel', 'systemd', 'initrd-thin']),
    },
  );
  const [install] = step(made, 'install-packages');
  expect(install).toEqual({
    kind: 'install-packages',
    manager: 'apt',
    packages: [
      'grub-common',
      'grub-efi-amd64-bin',
      'grub-efi-amd64-signed',
      'grub-pc-bin',
      'htop',
      'shim-signed',
    ],
  });
});

/** What each flavor that is planned installs for a bare root on amd64, beside what it shares with the others. */
const planned = [
  [
    'ubuntu',
    '24.04',
    'systemd',
    'apt',
    ['linux-image-generic-hwe-24.04', 'systemd-resolved', 'shim-signed'],
    [],
  ],
  ['ubuntu', '25.10', 'systemd', 'apt', ['linux-image-generic'], ['linux-image-generic-hwe-24.04']],
  ['ubuntu', '22.04', 'systemd', 'apt', ['linux-image-generic-hwe-22.04'], ['systemd-resolved']],
  ['fedora', '43', 'systemd', 'dnf', ['kernel-core', 'grub2-pc-modules', 'shim-x64'], ['shim-aa64']],
  ['rocky', '9', 'systemd', 'dnf', ['kernel-core', 'chrony'], []],
  ['opensuse', 'leap-15.6', 'systemd', 'zypper', ['kernel-default', 'grub2-i386-pc', 'shim'], []],
  ['alpine', '3.21', 'openrc', 'apk', ['linux-lts', 'grub-bios', 'eudev', 'openrc'], ['systemd']],
  ['arch', 'rolling', 'systemd', 'pacman', ['linux', 'grub'], []],
] as const;

test.each(planned)('%s %s', (name, release, init, manager, packages, absent) => {
  const made = plan(
    {},
    {
      base: parseBase('tar:root.tar'),
      flavor: flavorNamed(name),
      release,
      architecture: 'amd64',
      installed: new Set(),
      filled: new Set(),
    },
  );
  expect(made.init).toBe(init);
  expect(step(made, 'install-packages')).toMatchObject([{ manager }]);
  for (const wanted of packages) expect(made.packages).toContain(wanted);
  for (const unwanted of absent) expect(made.packages).not.toContain(unwanted);
});

test('arm64 has no packages for BIOS', () => {
  for (const flavor of allFlavors()) {
    const release = flavor.releases[0]?.version ?? '';
    const made = plan(
      {},
      {
        base: parseBase('tar:x'),
        flavor,
        release,
        architecture: 'arm64',
        installed: new Set(),
        filled: new Set(),
      },
    );
    expect(
      made.packages.filter((name) => /pc-bin|pc-modules|i386-pc|grub-bios|amd64|x64/.test(name)),
    ).toEqual([]);
  }
});

test('what the cloud-configs of an image say is checked when it is built', () => {
  const config = (content: string): Definition => ({ cloudConfigs: [{ name: '90_site.yaml', content }] });
  expect(() => plan(config('#cloud-config\nstages:\n  boot: [\n'))).toThrow(
    expect.objectContaining({
      code: 'CLOUD_CONFIG_INVALID',
      exit: 'invalidInput',
      message: expect.stringMatching(/^90_site\.yaml:4:1: /),
    }),
  );
  expect(() => plan(config('#cloud-config\nusers: 3\n'))).toThrow(
    '90_site.yaml:2:8: users: expected a list, found a number',
  );
  expect(plan(config('#cloud-config\nstagess: {}\n')).warnings).toEqual([
    '90_site.yaml:2:1: unknown key stagess (did you mean stages?)',
  ]);
  expect(plan(config('stages: { boot: [{ commands: [ls] }] }\n')).warnings).toEqual([]);
});

test('files that would be laid in over each other, and what is no file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'plan-'));
  folders.push(folder);
  writeFileSync(join(folder, 'users.yaml'), 'stages: {}\n');
  mkdirSync(join(folder, 'tool'));
  const refused = (definition: Definition, message: string) =>
    expect(() => plan(definition, debian, folder)).toThrow(message);
  const users = 'users.yaml';
  refused(
    { cloudConfigs: [users, { name: users, content: '' }] },
    'Two files of the definition would be /system/oem/users.yaml',
  );
  refused({ files: [{ path: '/usr/bin/tool', source: 'tool' }] }, 'is not an ordinary file');
  refused({ files: [{ path: '/usr/bin/tool', source: 'nowhere' }] }, 'is not there');
});

test('files that would not be there on a node are told', () => {
  const of = (...paths: string[]) => plan({ files: paths.map((path) => ({ path, content: '' })) }).warnings;
  expect(
    of('/usr/local/bin/tool', '/oem/90_site.yaml', '/etc/hostname', '/tmp/x', '/var/log/site/x'),
  ).toEqual([
    'a node does not see /usr/local/bin/tool: the persistent partition is mounted over /usr/local',
    'a node does not see /oem/90_site.yaml: the OEM partition is mounted over /oem',
    '/etc/hostname is removed from an image: each node has its own, or it is of the build',
    '/tmp/x is removed from an image: each node has its own, or it is of the build',
    '/var/log/site/x is removed from an image: each node has its own, or it is of the build',
  ]);
  expect(of('/usr/localized', '/usr/bin/tool', '/etc/motd', '/var/lib/site/x', '/opt/x')).toEqual([]);
  expect(plan({}).warnings).toEqual([]);
});

test('a component of a user adds no kernel argument that would be read as several, or as the system to boot', () => {
  const folder = mkdtempSync(join(tmpdir(), 'plan-'));
  folders.push(folder);
  for (const word of ['a b', 'root=LABEL=X', '"$x"']) {
    writeFileSync(
      join(folder, 'component.yaml'),
      JSON.stringify({ name: 'mine', description: 'x', kernelArguments: [word] }),
    );
    expect(() => plan({ components: ['./component.yaml'] }, debian, folder)).toThrow('component.yaml:1:');
  }
});

describe('files beside the manifest of a component', () => {
  const of = (files: object) => {
    const folder = mkdtempSync(join(tmpdir(), 'component-'));
    folders.push(folder);
    mkdirSync(join(folder, 'parts/deep'), { recursive: true });
    mkdirSync(join(folder, 'linked'));
    // No text: what read it as one would change it.
    writeFileSync(join(folder, 'parts/deep/program'), Uint8Array.of(0x7f, 0xff, 0xfe, 0));
    symlinkSync('/etc/shadow', join(folder, 'linked/key'));
    writeFileSync(
      join(folder, 'component.yaml'),
      JSON.stringify({ name: 'mine', description: 'x', files: [files] }),
    );
    const made = plan({ components: ['./component.yaml'] }, debian, folder);
    return step(made, 'copy-file').flatMap((each) =>
      'source' in each && each.source.startsWith(folder)
        ? [`${each.source.slice(folder.length)} to ${each.path}`]
        : [],
    );
  };
  test.each([
    [{ path: '/usr/lib/x', source: 'parts/deep/program' }, '/parts/deep/program to /usr/lib/x'],
    [{ path: '/usr/lib/x', source: './parts//deep/program' }, '/parts/deep/program to /usr/lib/x'],
    [{ path: '/usr/lib/x', directory: 'parts' }, '/parts/deep/program to /usr/lib/x/deep/program'],
    [{ path: '/usr/lib/x', directory: './parts/' }, '/parts/deep/program to /usr/lib/x/deep/program'],
  ])('%j', (files, expected) => {
    expect(of(files)).toEqual([expected]);
  });
  test.each([
    [{ path: '/usr/lib/x', directory: 'nowhere' }, 'there is no directory nowhere beside it'],
    [{ path: '/usr/lib/x', directory: 'parts/deep/program' }, 'parts/deep/program is not a directory'],
    [{ path: '/usr/lib/x', source: 'parts' }, 'parts is a directory'],
    [{ path: '/usr/lib/x', source: 'linked/key' }, 'linked/key is a symbolic link'],
    [{ path: '/usr/lib/x', directory: 'linked' }, 'linked/key is a symbolic link'],
  ])('%j is refused', (files, message) => {
    expect(() => of(files)).toThrow(message);
  });
});

test('programs that a build calls', () => {
  const given = { ...debian, base: parseBase('dir:/root') };
  expect(programsOf(plan({}))).toEqual([
    ...['mmdebstrap', 'unshare', 'mkfs.erofs'],
    ...['veritysetup', 'tar', 'zstd', 'xz', 'sha256sum', 'truncate'],
  ]);
  expect(programsOf(plan({ filesystem: { type: 'squashfs' } }, given)).slice(0, 2)).toEqual([
    'cp',
    'mksquashfs',
  ]);
});
