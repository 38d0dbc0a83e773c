import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GiB, MiB } from '@kairos/facts/size';
import { directoryHost } from '@kairos/host/directory';
import { parseDisks } from '@kairos/host/disks';
import { diskChoices } from './disks.ts';
import { emptyDisk } from './scene.ts';

const disk = (name: string, more: Partial<typeof emptyDisk> = {}) => ({
  ...{ ...emptyDisk, name, path: `/dev/${name}`, model: '' },
  ...more,
});

test('each disk says what is on it and why it may not be taken', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'disks-'));
  const host = directoryHost(folder, {
    disks: [
      disk('small', { size: 64 * MiB }),
      disk('empty'),
      disk('mounted', { size: 50 * GiB, mountPoints: ['/mnt'] }),
      disk('locked', { size: 30 * GiB, readOnly: true }),
      disk('foreign', { size: 20 * GiB }),
      disk('broken', { size: 10 * GiB }),
      disk('stick', { size: 100 * GiB, removable: true }),
      disk('zram0'),
      disk('loop0', { type: 'loop' }),
      disk('nothing', { size: 0 }),
    ],
    run: (argv) => {
      const path = argv.at(-1);
      if (argv[0] === 'sfdisk') return { code: 1 };
      if (path === '/dev/broken') return { code: 1, stderr: 'Input/output error' };
      const signatures = [
        { type: 'xfs', label: 'data' },
        { type: 'xfs', label: 'data' },
      ];
      return { stdout: JSON.stringify(path === '/dev/foreign' ? { signatures } : {}) };
    },
  });
  for (const { path } of await host.disks()) host.files.write(path, '');
  try {
    const choices = await diskChoices(host, 300 * MiB);
    expect(choices.map(({ path, state, auto }) => [path, state, auto])).toEqual([
      ['/dev/stick', 'free', false],
      ['/dev/mounted', 'refused', false],
      ['/dev/empty', 'free', true],
      ['/dev/locked', 'refused', false],
      ['/dev/foreign', 'data', false],
      ['/dev/broken', 'refused', false],
      ['/dev/small', 'refused', false],
    ]);
    const reasons = Object.fromEntries(choices.map(({ path, reason }) => [path, reason]));
    expect(reasons['/dev/mounted']).toBe('in use: /dev/mounted as /mnt');
    expect(reasons['/dev/locked']).toContain('is read-only');
    expect(reasons['/dev/foreign']).toStartWith(
      'holds data that is not of a Kairos installation: /dev/foreign: xfs "data"',
    );
    expect(reasons['/dev/broken']).toContain('Input/output error');
    expect(reasons['/dev/small']).toMatch(/^too small: .* are needed at least$/);
    expect(choices.find(({ path }) => path === '/dev/foreign')?.contents).toEqual([
      '/dev/foreign: xfs "data"',
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('what somebody wrote onto a disk cannot act on the terminal that shows it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'disks-'));
  const evil = '\u001b[2J\rnothing\n\u009b1m';
  const partitiontable = { partitions: [{ node: '/dev/vda1', start: 2048, size: 2048, name: evil }] };
  const host = directoryHost(folder, {
    disks: parseDisks(
      JSON.stringify({
        blockdevices: [{ path: '/dev/vda', kname: 'vda', size: 40 * GiB, type: 'disk', model: `M${evil}M` }],
      }),
    ),
    run: ([program]) => ({
      stdout: JSON.stringify(
        program === 'sfdisk' ? { partitiontable } : { signatures: [{ type: 'ext4', label: evil }] },
      ),
    }),
  });
  for (const name of ['vda', 'vda1']) host.files.write(`/dev/${name}`, '');
  try {
    const [choice] = await diskChoices(host);
    expect(choice?.state).toBe('data');
    expect(choice?.model).toBe('M\ufffd[2J\ufffdnothing\ufffd\ufffd1mM');
    expect(choice?.contents[1]).toContain(', named \ufffd[2J\ufffdnothing\ufffd\ufffd1m): ext4 ');
    const shown = [choice?.model, choice?.reason, ...(choice?.contents ?? [])].join();
    expect(shown).not.toMatch(/\p{Cc}/u);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
