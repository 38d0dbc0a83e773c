/**
 * The installer of a terminal on a machine that is a folder: what the tests run in a pseudo terminal. The agent that it
 * starts is this file too. Arguments: the folder; or `agent` and those of the agent.
 */
import { existsSync, writeFileSync } from 'node:fs';
import type { InstallResult } from '@kairos/agent/commands/install';
import { interactiveInstall } from '@kairos/agent/commands/interactive-install';
import { KairosError } from '@kairos/facts/errors';
import { GiB } from '@kairos/facts/size';
import { directoryHost } from '@kairos/host/directory';
import { machineHost } from '@kairos/host/machine';

const [first = '', verb = ''] = process.argv.slice(2);

/** Plays `manual-install`: does as the file `play` of the folder says, and notes how it was called. */
async function playAgent(): Promise<void> {
  const folder = process.env.WORKER_FOLDER ?? '';
  const play = (await Bun.file(`${folder}/play`).text()).trim();
  writeFileSync(`${folder}/called`, process.argv.slice(3).join(' '));
  const tell = (event: object) => process.stdout.write(`${JSON.stringify(event)}\n`);
  const asked = new Promise<void>((resolve) => process.on('SIGTERM', () => resolve()));
  tell({ event: 'step', step: 'active' });
  tell({ event: 'progress', step: 'active', message: 'copying', done: 1, total: 2 });
  if (play === 'succeed') {
    tell({ installed: true, plan: { image: { name: 'kairos', version: 'v1' }, disk: { path: '/dev/vda' } } });
  } else if (play === 'fail') {
    process.stderr.write(
      `${JSON.stringify({ error: { code: 'X', message: 'no power', hint: 'plug it in' } })}\n`,
    );
    process.exitCode = 15;
  } else {
    const keepAlive = setInterval(() => undefined, 1000);
    await asked;
    clearInterval(keepAlive);
    writeFileSync(`${folder}/stopped`, '');
    process.exitCode = 130;
  }
}

async function ask(folder: string): Promise<void> {
  const disk = {
    ...{ readOnly: false, removable: false, model: 'Fast', type: 'disk', partitionTable: '', filesystem: '' },
    ...{ label: '', mountPoints: [], partitions: [] },
  };
  const host = directoryHost(folder, {
    disks: [
      { ...disk, path: '/dev/vda', name: 'vda', size: 40 * GiB },
      { ...disk, path: '/dev/vdb', name: 'vdb', size: 20 * GiB },
      { ...disk, path: '/dev/vdc', name: 'vdc', size: 10 * GiB, mountPoints: ['/mnt'] },
    ],
    run: (argv, options) => {
      if (argv[0] === process.execPath) {
        return machineHost().run(argv as [string, ...string[]], {
          ...options,
          env: { ...options.env, WORKER_FOLDER: folder },
        });
      }
      if (argv[0] === 'sfdisk') return { code: 1 };
      const signatures = argv.at(-1) === '/dev/vdb' ? [{ type: 'xfs', label: 'data' }] : [];
      return { stdout: JSON.stringify({ signatures }) };
    },
  });
  process.exitCode = await interactiveInstall(host, {
    ...{
      agent: [process.execPath, import.meta.path, 'agent'],
      version: '1',
      signal: new AbortController().signal,
    },
    ...{ input: process.stdin, output: process.stdout, environment: process.env },
    plan: async (_, options) => {
      if (existsSync(`${folder}/slow`)) await planSlowly(options.signal);
      return plan(!options.dryRun);
    },
  });
}

/** Plans until it is stopped, with something on the screen by which that can be seen. */
async function planSlowly(signal: AbortSignal | undefined): Promise<void> {
  process.stdout.write('planning for long\r\n');
  const keepAlive = setInterval(() => undefined, 1000);
  await new Promise((resolve) => signal?.addEventListener('abort', resolve));
  clearInterval(keepAlive);
  throw new KairosError('STOPPED', 'the plan was stopped', { exit: 'interrupted' });
}

function plan(installed: boolean): InstallResult {
  return {
    plan: {
      disk: { path: '/dev/vda', size: 40 * GiB, model: 'Fast' },
      image: { source: 'live', digest: '', name: 'kairos', version: 'v1', size: 5 },
      ...{ erases: [], entries: [], steps: [], after: 'nothing' },
      partitions: [
        { path: '/dev/vda1', name: 'efi', label: 'COS_GRUB', filesystem: 'vfat', size: 64 * 1024 ** 2 },
      ],
    },
    ...{ installed, warnings: [], toJSON: () => ({}) },
  };
}

await (first === 'agent' && verb === 'manual-install' ? playAgent() : ask(first));
// Standard input of a terminal would keep the process.
process.exit();
