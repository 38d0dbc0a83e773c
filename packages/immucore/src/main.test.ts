import { afterEach, beforeEach, expect, spyOn, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { version } from '@kairos/facts/version';
import { directoryHost } from '@kairos/host/directory';
import { immucore } from './main.ts';
import { testFolder } from './test-folder.ts';

let folder: string;
let said: string;
const spies: { mockRestore(): void }[] = [];
beforeEach(() => {
  folder = testFolder('immucore');
  said = '';
  for (const stream of [process.stdout, process.stderr]) {
    spies.push(
      spyOn(stream, 'write').mockImplementation((text) => {
        said += String(text);
        return true;
      }),
    );
  }
});
afterEach(() => {
  for (const spy of spies.splice(0)) spy.mockRestore();
  rmSync(folder, { recursive: true, force: true });
  delete process.env.HOST_PROC_CMDLINE;
});

const noStages = async () => [];
const readOnly = [{ source: 'x', target: '/', type: 'erofs', options: ['ro'] }];

test('the version', async () => {
  expect(await immucore(directoryHost(folder), ['--version'], noStages)).toBe(0);
  expect(said).toBe(`immucore ${version}\n`);
});

test('a mistyped flag', async () => {
  expect(await immucore(directoryHost(folder), ['--dry-rum'], noStages)).toBe(2);
  expect(said).toStartWith('immucore: unknown argument --dry-rum; did you mean --dry-run?\nUsage: immucore');
});

test('a dry run prints the plan and touches nothing', async () => {
  const host = directoryHost(folder, { mounts: readOnly });
  host.files.write('/cmdline', 'root=LABEL=COS_SYSTEM\n');
  process.env.HOST_PROC_CMDLINE = '/cmdline';
  expect(await immucore(host, ['--dry-run'], noStages)).toBe(0);
  expect(said.split('\n').slice(0, 8)).toEqual([
    'recovery_boot',
    'must    sentinel',
    'degrade tmp',
    'degrade oem',
    'degrade stage rootfs',
    'degrade layout',
    'must    overlay base',
    'must    overlay /etc  (needs overlay base)',
  ]);
  expect([host.mountLog, host.commands, host.files.list('/')]).toEqual([[], [], ['cmdline']]);
});

test('no command line is an error that says so', async () => {
  await expect(immucore(directoryHost(folder), [], noStages)).rejects.toThrow(
    'Cannot read the kernel command line: ENOENT',
  );
});

test.each([
  ['rw', 0],
  ['ro', 1],
] as const)('a live boot on a root that is %s exits with %d', async (option, code) => {
  const host = directoryHost(folder, {
    mounts: [{ source: 'x', target: '/', type: 'overlay', options: [option] }],
    run: () => ({}),
    onMount({ target }) {
      if (target === '/run/overlay') throw new Error('no memory');
    },
  });
  host.files.write('/proc/cmdline', 'root=live:CDLABEL=COS_LIVE\n');
  expect(await immucore(host, [], noStages)).toBe(code);
});
