import { afterEach, beforeEach, expect, test } from 'bun:test';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'pod-'));
  for (const name of ['bin', 'etc', 'dev', 'run', 'host/etc', 'host/oem', 'host/dev', 'host/run', 'log']) {
    mkdirSync(join(root, name), { recursive: true });
  }
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const name of ['sh', 'sed', 'sort', 'tr', 'mkdir', 'echo', 'env']) {
    symlinkSync('busybox', join(root, 'bin', name));
  }
  copyFileSync(join(import.meta.dir, '../../system/libexec/suc-upgrade'), join(root, 'bin/suc-upgrade'));
  // What would change this machine is noted instead of done.
  for (const name of ['mount', 'nsenter', 'kairos-agent']) {
    writeFileSync(
      join(root, 'bin', name),
      `#!/bin/sh\necho "${name} $*\${KAIROS_WORK:+ in $KAIROS_WORK}" >> /log/calls\n`,
    );
    chmodSync(join(root, 'bin', name), 0o755);
  }
  release('', 'v2.0.0');
  release('host', 'v1.0.0');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function release(of: string, version: string, software = ''): void {
  const more = software === '' ? '' : `KAIROS_SOFTWARE_VERSION="${software}"\n`;
  writeFileSync(
    join(root, of, 'etc/kairos-release'),
    `KAIROS_VERSION="${version}"\nKAIROS_FLAVOR="debian"\n${more}`,
  );
}

function run(argv: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    ['chroot', root, '/bin/sh', '/bin/suc-upgrade', ...argv],
    {
      env: { PATH: '/bin:/usr/bin:/usr/sbin:/sbin', ...env },
    },
  );
  let calls: string[] = [];
  try {
    calls = readFileSync(join(root, 'log/calls'), 'utf8').trim().split('\n');
  } catch {
    // Nothing was called.
  }
  return { exitCode, output: `${stdout}${stderr}`.trim(), calls };
}

const work = ' in /host/usr/local/.kairos-work';
const mounts = [
  'mount --rbind /host/dev /dev',
  'mount --rbind /host/run /run',
  'mount --bind /host/oem /oem',
];

test('another version is installed and the node restarts; the job does not end before', () => {
  expect(run()).toEqual({
    exitCode: 1,
    output: 'Upgrading from VERSION=v1.0.0  to VERSION=v2.0.0',
    calls: [...mounts, `kairos-agent upgrade --source dir:/${work}`, `nsenter -i -m -t 1 -- reboot${work}`],
  });
});

test('the same version is left alone, unless by force', () => {
  release('host', 'v2.0.0');
  expect(run()).toEqual({ exitCode: 0, output: 'Up to date: VERSION=v2.0.0', calls: [] });
  const { exitCode, calls } = run([], { FORCE: 'true' });
  expect([exitCode, calls[3]]).toEqual([1, `kairos-agent upgrade --source dir:/ --force${work}`]);
});

test('the version of Kubernetes counts too', () => {
  release('host', 'v2.0.0', 'v1.31');
  release('', 'v2.0.0', 'v1.32');
  expect(run().exitCode).toBe(1);
});

test('recovery is upgraded without a restart, whatever the node runs', () => {
  release('host', 'v2.0.0');
  expect(run(['--recovery'])).toMatchObject({
    exitCode: 0,
    calls: [...mounts, `kairos-agent upgrade --source dir:/ --recovery${work}`],
  });
});

test('a failing upgrade does not restart the node', () => {
  writeFileSync(join(root, 'bin/kairos-agent'), '#!/bin/sh\nexit 17\n');
  const { exitCode, calls } = run();
  expect([exitCode, calls.some((call) => call.startsWith('nsenter'))]).toEqual([17, false]);
});

test('without a node there is nothing to upgrade', () => {
  rmSync(join(root, 'host/etc/kairos-release'));
  expect(run()).toMatchObject({
    exitCode: 1,
    output: 'suc-upgrade: /host is not the root of a node (no etc/kairos-release)',
  });
});
