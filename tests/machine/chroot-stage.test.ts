import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runChrootStage } from '@kairos/agent/stages/chroot-stage';
import { machineHost } from '@kairos/host/machine';
import { buildExecutable, hostTarget } from '../../scripts/build.ts';
import { executable } from '../src/images.ts';
import { librariesOf } from '../src/libraries-of.ts';
import { run } from '../src/run-tool.ts';

// The machine may be busy; nothing here is timed.
setDefaultTimeout(120_000);

const host = machineHost();
const work = mkdtempSync(join(tmpdir(), 'chroot-stage-'));
let warnings: string[];
beforeEach(() => {
  warnings = [];
});
beforeAll(async () => {
  if (!existsSync(executable)) await buildExecutable(hostTarget());
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Copies a program and the libraries that it is linked with. */
function copyProgram(root: string, from: string, to: string): void {
  const libraries = librariesOf(from);
  for (const [source, target] of [[from, to], ...libraries.map((path) => [path, path])] as [
    string,
    string,
  ][]) {
    mkdirSync(dirname(join(root, target)), { recursive: true });
    copyFileSync(source, join(root, target));
  }
  chmodSync(join(root, to), 0o755);
}

const slot = join(work, 'slot');
const oem = join(work, 'oem');
const persistent = join(work, 'persistent');
beforeAll(() => {
  const root = join(work, 'root');
  for (const path of [
    'dev',
    'proc',
    'sys',
    'run',
    'tmp',
    'etc',
    'oem',
    'usr/local',
    'system/oem',
    'usr/sbin',
  ]) {
    mkdirSync(join(root, path), { recursive: true });
  }
  copyProgram(root, executable, '/usr/bin/kairos');
  symlinkSync('kairos', join(root, 'usr/bin/kairos-agent'));
  copyProgram(root, '/bin/sh', '/bin/sh');
  copyProgram(root, '/usr/bin/id', '/usr/bin/id');
  writeFileSync(join(root, 'etc/os-release'), 'ID=inside\nVERSION_ID=1\n');
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(
    join(root, 'system/oem/a.yaml'),
    'stages: {after-upgrade-chroot: [{commands: ["echo image >/oem/of-the-image"]}]}\n',
  );
  for (const path of [slot, oem, persistent]) mkdirSync(path);
  run('mkfs.erofs', '--quiet', join(slot, 'root.img'), root);
});

const stage = (text: string) => {
  rmSync(join(oem, 'a.yaml'), { force: true });
  writeFileSync(join(oem, 'a.yaml'), `#cloud-config\nstages:\n  after-upgrade-chroot:\n${text}`);
  return runChrootStage(
    host,
    {
      ...{ kind: 'chroot-stage', stage: 'after-upgrade-chroot', slot },
      binds: [
        { from: oem, to: '/oem' },
        { from: persistent, to: '/usr/local' },
      ],
    },
    { signal: new AbortController().signal, extraPaths: [], warn: (message) => warnings.push(message) },
  );
};
const before = host.mounts();
const nothingLeft = () => {
  expect(host.mounts()).toEqual(before);
  expect(run('losetup', '--list', '--noheadings', '--output', 'BACK-FILE')).not.toContain(work);
};

test('steps run there; what they write to OEM and the persistent partition is kept', async () => {
  await stage(
    '    - commands:\n        - . /etc/os-release; echo $ID >/oem/id\n        - echo data >/usr/local/data\n        - echo gone >/tmp/x; test -c /dev/null && test -d /proc/1 && test -d /sys/block && echo all >/oem/all\n',
  );
  expect(readFileSync(join(oem, 'id'), 'utf8')).toBe('inside\n');
  expect(readFileSync(join(oem, 'of-the-image'), 'utf8')).toBe('image\n');
  expect(readFileSync(join(oem, 'all'), 'utf8')).toBe('all\n');
  expect(readFileSync(join(persistent, 'data'), 'utf8')).toBe('data\n');
  expect(warnings).toEqual([]);
  nothingLeft();
});

test('what they write elsewhere is lost, and it is said what and where it stands', async () => {
  const digest = run('sha256sum', join(slot, 'root.img'));
  await stage('    - commands: [echo x >/etc/new]\n    - files: [{path: /usr/bin/tool, content: x}]\n');
  expect(warnings).toEqual([
    expect.stringMatching(
      /^after-upgrade-chroot \(\/system\/oem\/a\.yaml:1:\d+, \/oem\/a\.yaml:4:7, \/oem\/a\.yaml:5:7\) wrote \/etc\/new, \/usr\/bin\/tool, which is not kept:/,
    ),
  ]);
  expect(run('sha256sum', join(slot, 'root.img'))).toBe(digest);
  nothingLeft();
});

test('a failed step is an error with its place', async () => {
  await expect(stage('    - commands:\n        - "true"\n        - exit 7\n')).rejects.toMatchObject({
    code: 'STAGE_FAILED',
    exit: 'stageFailed',
    message: expect.stringMatching(/ran with 1 error: \/oem\/a\.yaml:6:11: .*exited with 7/),
  });
  nothingLeft();
});

test('an image that cannot be mounted is an error, and nothing is left', async () => {
  const kept = readFileSync(join(slot, 'root.img'));
  writeFileSync(join(slot, 'root.img'), Buffer.alloc(1 << 20));
  await expect(stage('    - commands: ["true"]\n')).rejects.toMatchObject({ code: 'TOOL_FAILED' });
  nothingLeft();
  writeFileSync(join(slot, 'root.img'), kept);
});
