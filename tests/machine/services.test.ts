import { afterAll, expect, test } from 'bun:test';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../src/run-tool.ts';

const work = mkdtempSync(join(tmpdir(), 'services-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

test('the units that an image gets are understood by systemd', () => {
  const root = join(work, 'units');
  const repository = join(import.meta.dir, '../..');
  const units = join(root, 'usr/lib/systemd/system');
  mkdirSync(units, { recursive: true });
  mkdirSync(join(root, 'usr/bin'), { recursive: true });
  const prompts = ['getty@.service', 'serial-getty@.service'];
  for (const name of readdirSync('/usr/lib/systemd/system')) {
    if (
      (/\.(target|slice|mount)$|^systemd-.*\.service$/.test(name) && !name.includes('@')) ||
      prompts.includes(name)
    ) {
      copyFileSync(join('/usr/lib/systemd/system', name), join(units, name));
    }
  }
  const shipped = readdirSync(join(repository, 'system/units')).filter((name) =>
    /\.(service|timer)$/.test(name),
  );
  expect(shipped).toContain('kairos-agent.service');
  for (const name of shipped) copyFileSync(join(repository, 'system/units', name), join(units, name));
  writeFileSync(join(root, 'usr/bin/kairos-agent'), '');
  chmodSync(join(root, 'usr/bin/kairos-agent'), 0o755);
  for (const [unit, source] of [
    ['systemd-sysext.service', 'extensions.conf'],
    ['getty-pre.target', 'login-prompt.conf'],
  ] as const) {
    mkdirSync(join(units, `${unit}.d`));
    copyFileSync(join(repository, 'system/units', source), join(units, `${unit}.d/10-kairos.conf`));
  }
  // The users of stage boot are there before anybody is asked for a name.
  for (const prompt of prompts) {
    expect(readFileSync(join(units, prompt), 'utf8')).toMatch(/^After=.*\bgetty-pre\.target\b/m);
  }
  const { stderr } = Bun.spawnSync(
    [
      'systemd-analyze',
      'verify',
      '--man=no',
      `--root=${root}`,
      '--recursive-errors=no',
      ...shipped,
      'systemd-sysext.service',
      'getty-pre.target',
    ],
    { env: { ...process.env, SYSTEMD_LOG_LEVEL: 'warning' } },
  );
  const ours = stderr
    .toString()
    .split('\n')
    .filter((line) => /kairos|cos-setup|extensions\.conf|10-kairos/.test(line));
  expect(ours).toEqual([]);
});

test('the init scripts that an image gets are understood by a shell', () => {
  const directory = join(import.meta.dir, '../../system/init.d');
  for (const kind of readdirSync(directory)) {
    for (const name of readdirSync(join(directory, kind))) {
      const path = join(directory, kind, name);
      expect([path, run('sh', '-n', path)]).toEqual([path, '']);
      expect([path, statSync(path).mode & 0o111]).toEqual([path, 0o111]);
    }
  }
});
