import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { selfSigned } from '@kairos/agent/webui/certificate';
import { parseDocument } from '@kairos/config/document';
import { followRemote } from '@kairos/config/remote';
import { filesBelow } from '@kairos/host/files';
import type { Host } from '@kairos/host/host';
import { machineHost } from '@kairos/host/machine';
import { remoteReader } from '@kairos/stages/remote-reader';
import { runStage } from '@kairos/stages/run-stage';

setDefaultTimeout(60_000);
const work = mkdtempSync(join(tmpdir(), 'stages-'));
const loops: string[] = [];
afterAll(() => {
  for (const loop of loops) execFileSync('losetup', ['-d', loop]);
  rmSync(work, { recursive: true, force: true });
});

const MiB = 1024 * 1024;

function attach(image: string): string {
  const loop = execFileSync('losetup', ['--find', '--show', '--partscan', image], {
    encoding: 'utf8',
  }).trim();
  loops.push(loop);
  return loop;
}

const run = (host: Host, text: string) =>
  runStage(host, 'boot', { directories: [], documents: [parseDocument(text, 'test.yaml')] });

/** lsblk takes labels from udev, which need not run here. */
const value = (device: string, tag: string) =>
  execFileSync('blkid', ['-c', '/dev/null', '-o', 'value', '-s', tag, device], { encoding: 'utf8' }).trim();

interface Row {
  readonly name: string;
  readonly start: number;
  readonly size: number;
}
function table(device: string): Row[] {
  const json = execFileSync('sfdisk', ['--json', device], { encoding: 'utf8' });
  return JSON.parse(json).partitiontable.partitions;
}

describe('layout on a real disk', () => {
  const image = join(work, 'disk.img');
  let disk = '';

  test('a fresh table with two partitions, again without a change', async () => {
    writeFileSync(image, '');
    truncateSync(image, 256 * MiB);
    disk = attach(image);
    const add = (init: boolean) => `stages:
  boot:
  - layout:
      device: { path: ${disk}, init_disk: ${init} }
      add_partitions:
      - { pLabel: oem, fsLabel: COS_OEM, size: 64, filesystem: ext4 }
      - { pLabel: persistent, fsLabel: COS_PERSISTENT, size: 64, filesystem: ext2 }
`;
    expect((await run(machineHost(), add(true))).problems).toEqual([]);
    expect(table(disk).map(({ name, size }) => [name, (size * 512) / MiB])).toEqual([
      ['oem', 64],
      ['persistent', 64],
    ]);
    expect([value(`${disk}p1`, 'LABEL'), value(`${disk}p1`, 'TYPE')]).toEqual(['COS_OEM', 'ext4']);
    const before = table(disk);
    expect((await run(machineHost(), add(false))).problems).toEqual([]);
    expect(table(disk)).toEqual(before);
  });

  test('after the disk has grown the last partition and the file system in it take the rest', async () => {
    const mountPoint = join(work, 'mounted');
    mkdirSync(mountPoint);
    const mounted = (action: () => void) => {
      execFileSync('mount', [`${disk}p2`, mountPoint]);
      try {
        action();
      } finally {
        execFileSync('umount', [mountPoint]);
      }
    };
    mounted(() => writeFileSync(join(mountPoint, 'kept'), 'content'));
    truncateSync(image, 512 * MiB);
    execFileSync('losetup', ['--set-capacity', disk]);
    const text = `stages: {boot: [{layout: {device: {path: ${disk}p2}, expand_partition: {size: 0}}}]}`;
    expect((await run(machineHost(), text)).problems).toEqual([]);
    const [, last] = table(disk);
    expect(((last?.start ?? 0) + (last?.size ?? 0)) * 512).toBeGreaterThan(510 * MiB);
    mounted(() => {
      expect(machineHost().freeSpace(mountPoint)).toBeGreaterThan(380 * MiB);
      expect(readFileSync(join(mountPoint, 'kept'), 'utf8')).toBe('content');
    });
    expect((await run(machineHost(), text)).steps[0]?.changes).toEqual([]);
    execFileSync('e2fsck', ['-f', '-n', `${disk}p2`], { stdio: 'ignore' });
  });
});

const known = readFileSync('/proc/filesystems', 'utf8');
const media = [
  ['nocloud', 'cidata', 'user-data', 'iso9660'],
  ['config-drive', 'config-2', 'openstack/latest/user_data', 'iso9660'],
  ['nocloud', 'CIDATA', 'user-data', 'ext4'],
] as const;

for (const [provider, label, file, filesystem] of media) {
  // Not every kernel that tests run on knows the file system of discs.
  test.skipIf(!known.includes(`\t${filesystem}\n`))(
    `${provider} from a real medium with ${filesystem}`,
    async () => {
      const content = mkdtempSync(join(work, 'content-'));
      const config = '#cloud-config\nhostname: disc\n';
      mkdirSync(dirname(join(content, file)), { recursive: true });
      writeFileSync(join(content, file), config);
      const image = `${content}.img`;
      if (filesystem === 'iso9660') {
        execFileSync('xorriso', ['-as', 'mkisofs', '-quiet', '-R', '-V', label, '-o', image, content]);
      } else {
        execFileSync('mkfs.ext4', ['-q', '-L', label, '-d', content, image, '8M'], { stdio: 'ignore' });
      }
      const disc = attach(image);
      const machine = machineHost();
      const host: Host = {
        ...machine,
        disks: async () =>
          (await machine.disks())
            .filter(({ path }) => path === disc)
            .map((disk) => ({ ...disk, label: value(disc, 'LABEL'), filesystem: value(disc, 'TYPE') })),
      };
      const target = `${content}-data`;
      const result = await run(
        host,
        `stages: {boot: [{datasource: {providers: [${provider}], path: ${target}}}]}`,
      );
      expect(result.problems).toEqual([]);
      expect(readFileSync(join(target, 'userdata.yaml'), 'utf8')).toBe(config);
      expect(machine.mounts().filter(({ source }) => source === disc)).toEqual([]);
    },
  );
}

test('a clone is brought to its branch whatever was changed in it', async () => {
  const origin = join(work, 'origin');
  const clone = join(work, 'clone');
  const git = (...words: string[]) => execFileSync('git', ['-C', origin, ...words], { stdio: 'ignore' });
  mkdirSync(origin);
  git('init', '--initial-branch=main');
  const commit = (text: string) => {
    writeFileSync(join(origin, 'file'), text);
    git('add', '.');
    git('-c', 'user.name=t', '-c', 'user.email=t@example.org', 'commit', '-m', text);
  };
  commit('one');
  const text = `stages: {boot: [{git: {url: ${origin}, path: ${clone}, branch: main}}]}`;
  expect((await run(machineHost(), text)).problems).toEqual([]);
  commit('two');
  writeFileSync(join(clone, 'file'), 'changed here');
  expect((await run(machineHost(), text)).problems).toEqual([]);
  expect(readFileSync(join(clone, 'file'), 'utf8')).toBe('two');
});

/** A Debian package with nothing in it but a file that holds its version. */
function putPackage(repository: string, name: string, version: string): string {
  const tree = mkdtempSync(join(work, 'package-'));
  mkdirSync(join(tree, 'DEBIAN'));
  mkdirSync(join(tree, 'usr/share/kairos-test'), { recursive: true });
  writeFileSync(join(tree, `usr/share/kairos-test/${name}`), version);
  const fields = `Package: ${name}\nVersion: ${version}\nArchitecture: all\nMaintainer: Test <t@example.org>\nDescription: test\n`;
  writeFileSync(join(tree, 'DEBIAN/control'), fields);
  const file = `${name}_${version}_all.deb`;
  execFileSync('dpkg-deb', ['--root-owner-group', '--build', tree, join(repository, file)], {
    stdio: 'ignore',
  });
  const content = readFileSync(join(repository, file));
  return `${fields}Filename: ./${file}\nSize: ${content.length}\nSHA256: ${new Bun.CryptoHasher('sha256').update(content).digest('hex')}\n`;
}

test.skipIf(Bun.which('apt-get') === null || Bun.which('dpkg-deb') === null)(
  'packages by the real apt, from a repository on the disk into a root of its own: refresh, pin, install, upgrade, remove',
  async () => {
    const root = mkdtempSync(join(work, 'apt-'));
    const repository = join(root, 'repository');
    for (const path of [
      'repository',
      'etc/apt/preferences.d',
      'etc/apt/apt.conf.d',
      'var/lib/dpkg/updates',
      'var/lib/dpkg/info',
      'var/lib/apt/lists/partial',
      'var/cache/apt/archives/partial',
      'var/log/apt',
    ])
      mkdirSync(join(root, path), { recursive: true });
    writeFileSync(join(root, 'var/lib/dpkg/status'), '');
    writeFileSync(join(root, 'etc/apt/sources.list'), `deb [trusted=yes] file:${repository} ./\n`);
    const configuration = join(root, 'apt.conf');
    writeFileSync(
      configuration,
      `Dir "${root}"; Dir::State::status "${root}/var/lib/dpkg/status"; Dir::Bin::dpkg "/usr/bin/dpkg";
       DPkg::Options { "--root=${root}"; "--force-all"; }; APT::Sandbox::User "root"; APT::Get::AllowUnauthenticated "true";\n`,
    );
    const publish = (...packages: [name: string, version: string][]) =>
      writeFileSync(
        join(repository, 'Packages'),
        packages.map(([name, version]) => putPackage(repository, name, version)).join('\n'),
      );
    const machine = machineHost();
    const host: Host = {
      ...machine,
      files: filesBelow(root),
      run: (argv, options) =>
        machine.run(argv, { ...options, env: { ...options?.env, APT_CONFIG: configuration } }),
    };
    const step = async (text: string) =>
      (
        await runStage(host, 'boot', {
          directories: [],
          documents: [parseDocument(`stages: {boot: [${text}]}`, 'test.yaml')],
          facts: { osRelease: { ID: 'debian' } },
        })
      ).problems;
    const installed = (name: string) => {
      const file = join(root, 'usr/share/kairos-test', name);
      return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
    };

    publish(['one', '1.0'], ['one', '2.0'], ['two', '1.0'], ['three', '1.0']);
    expect(
      await step('{package_pins: {one: "1.*"}, packages: {refresh: true, install: [one, two=1.0]}}'),
    ).toEqual([]);
    expect([installed('one'), installed('two'), installed('three')]).toEqual(['1.0', '1.0', undefined]);
    publish(['one', '1.0'], ['one', '2.0'], ['two', '1.1'], ['three', '1.0']);
    expect(await step('{packages: {refresh: true, upgrade: true, install: [three], remove: [one]}}')).toEqual(
      [],
    );
    expect([installed('one'), installed('two'), installed('three')]).toEqual([undefined, '1.1', '1.0']);
    const [missing] = await step('{packages: {install: [none]}}');
    expect(missing?.code).toBe('TOOL_FAILED');
    expect(missing?.message).toContain('Unable to locate package none');
  },
);

test('a server whose certificate nobody vouches for gives nothing: no download, no key, no configuration', async () => {
  const { certificate, key } = selfSigned({ now: new Date(), names: ['localhost'] });
  let asked = 0;
  const server = Bun.serve({
    port: 0,
    tls: { cert: certificate, key },
    fetch: () => {
      asked++;
      return new Response('#cloud-config\nhostname: evil\n');
    },
  });
  try {
    const root = mkdtempSync(join(work, 'tls-'));
    mkdirSync(join(root, 'etc'));
    writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
    const host: Host = { ...machineHost(), files: filesBelow(root) };
    const address = `https://localhost:${server.port}/x`;
    const delay = async () => undefined;
    const { problems } = await runStage(host, 'boot', {
      directories: [],
      documents: [
        parseDocument(
          `stages: {boot: [{downloads: [{path: /x, url: "${address}"}], authorized_keys: {root: ["${address}"]}}]}`,
          'test.yaml',
        ),
      ],
      services: { delay },
    });
    const linked = await followRemote(
      parseDocument(`#cloud-config\nconfig_url: ${address}\n`, 'test.yaml'),
      remoteReader(host, { services: { delay } }),
    );
    const told = [...problems, ...linked.problems];
    expect(told.map(({ code }) => code)).toEqual(['FETCH_FAILED', 'FETCH_FAILED', 'CONFIG_URL_UNREACHABLE']);
    for (const { message } of told) expect(message).toMatch(/certificate|self.signed/i);
    expect([asked, existsSync(join(root, 'x')), existsSync(join(root, 'root'))]).toEqual([0, false, false]);
  } finally {
    await server.stop(true);
  }
});

test('accounts of steps are sound to the tools of the system', async () => {
  const root = mkdtempSync(join(work, 'accounts-'));
  mkdirSync(join(root, 'etc'));
  mkdirSync(join(root, 'root'));
  const put = (name: string, text: string, mode: number) =>
    writeFileSync(join(root, 'etc', name), text, { mode });
  put('passwd', 'root:x:0:0:root:/root:/bin/sh\nold:x:900:900::/nowhere:/bin/sh\n', 0o644);
  put('shadow', 'root:*:19000:0:99999:7:::\nold:!:19000:0:99999:7:::\n', 0o640);
  put('group', 'root:x:0:\nadmin:x:115:\nold:x:900:\n', 0o644);
  put('gshadow', 'root:*::\nadmin:!::\nold:!::\n', 0o640);
  const entity = (text: string) => ({ entity: text });
  const step = {
    users: {
      kairos: { passwd: 'secret', groups: 'admin, testers', shell: '/bin/sh' },
      service: { system: true, no_create_home: true, homedir: '/', lock_passwd: true },
    },
    ensure_entities: [
      entity('kind: group\ngroup_name: testers\npassword: x\ngid: 4242\n'),
      entity('kind: gshadow\nname: testers\n'),
      entity('kind: user\nusername: extra\nuid: 4300\ngid: 4242\nhomedir: /\n'),
      entity('kind: shadow\nusername: extra\nlast_changed: now\n'),
    ],
    delete_entities: ['user', 'shadow']
      .map((kind) => entity(`kind: ${kind}\nusername: old\n`))
      .concat(entity('kind: group\ngroup_name: old\n'), entity('kind: gshadow\nname: old\n')),
  };
  const host: Host = { ...machineHost(), files: filesBelow(root) };
  expect((await run(host, JSON.stringify({ stages: { boot: [step] } }))).problems).toEqual([]);
  for (const tool of ['pwck', 'grpck']) {
    const { stdout, stderr, exitCode } = Bun.spawnSync([tool, '--read-only', '--root', root]);
    // Homes and shells are not what this root is about.
    const told = `${stdout}${stderr}`
      .split('\n')
      .filter((line) => !/^$|directory|program|no changes/.test(line));
    expect([tool, told, exitCode <= 2]).toEqual([tool, [], true]);
  }
  const ids = readFileSync(join(root, 'etc/passwd'), 'utf8')
    .split('\n')
    .map((line) => line.split(':').slice(0, 4));
  expect(ids).toEqual([
    ['root', 'x', '0', '0'],
    ['extra', 'x', '4300', '4242'],
    ['kairos', 'x', '1000', '1000'],
    ['service', 'x', '999', '999'],
    [''],
  ]);
  expect(statSync(join(root, 'home/kairos'))).toMatchObject({ uid: 1000, gid: 1000 });
});
