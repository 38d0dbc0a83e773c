import { KairosError } from '@kairos/facts/errors';
import type { Clock } from '@kairos/host/clock';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import type { MountRequest, RunOptions } from '@kairos/host/host';
import type { Mount } from '@kairos/host/mount-table';
import { runProgram } from '@kairos/host/run';
import { boot } from './boot.ts';
import type { StageTrouble } from './boot-context.ts';
import { bootFactsOf } from './boot-facts.ts';
import type { BootReport } from './boot-report.ts';

/** What the stage `rootfs` of a machine writes for the mounts of the boot. */
export const layout =
  'VOLUMES="LABEL=COS_PERSISTENT:/usr/local"\nOVERLAY=tmpfs:25%\nRW_PATHS="/var /etc /srv"\n' +
  'PERSISTENT_STATE_PATHS="/home /etc/ssh /var/lib/k0s"\n';
/** What `blkid` says of its disk. */
export const blkid =
  '/dev/vda3: LABEL="COS_OEM" TYPE="ext4"\n/dev/vda5: LABEL="COS_STATE" TYPE="ext4"\n' +
  '/dev/vda6: LABEL="COS_PERSISTENT" TYPE="ext4"\n';
const slot: Mount = {
  source: '/dev/vda5',
  target: '/run/initramfs/cos-state',
  type: 'ext4',
  options: ['ro'],
};

/** The command line of a machine that starts its active slot. */
export const active = 'root=LABEL=COS_ACTIVE kairos.slot=LABEL=COS_STATE:/cOS/active rd.cos.oemlabel=COS_OEM';

/** What differs from a machine on which all goes well. */
export interface Machine {
  readonly cmdline?: string;
  readonly rootOptions?: readonly string[];
  readonly blkid?: string;
  readonly layout?: string | undefined;
  /** Throws where a mount is to fail. */
  readonly onMount?: (request: MountRequest) => void;
  /** Exit codes of programs, instead of success. */
  readonly codes?: Readonly<Record<string, number>>;
  readonly missing?: readonly string[];
  readonly troubles?: readonly StageTrouble[];
  readonly prepare?: (host: DirectoryHost) => void;
}

/** For tests: boots a machine whose files are in a folder. */
export async function bootIn(folder: string, machine: Machine = {}) {
  const host = directoryHost(folder, {
    uid: process.getuid?.() ?? 0,
    mounts: [
      {
        source: '/dev/mapper/kairos-root',
        target: '/',
        type: 'erofs',
        options: machine.rootOptions ?? ['ro'],
      },
      slot,
    ],
    ...(machine.onMount === undefined ? {} : { onMount: machine.onMount }),
    async run(argv, options: RunOptions) {
      const [program = '', ...rest] = argv;
      if (machine.missing?.includes(program)) return undefined;
      if (machine.codes?.[program] !== undefined)
        return { code: machine.codes[program], stderr: `${program} says no` };
      if (program === 'blkid') return { stdout: machine.blkid ?? blkid };
      if (program === 'cp') return await runProgram([program, ...rest], options);
      return {};
    },
  });
  for (const path of [
    '/etc',
    '/var',
    '/srv',
    '/home',
    '/opt',
    '/root',
    '/usr/local',
    '/oem',
    '/tmp',
    '/dev',
  ]) {
    host.files.makeDirectory(path);
  }
  host.files.write('/etc/ssh/sshd_config', 'Port 22\n');
  host.files.write('/etc/machine-id', '');
  host.files.write('/proc/sys/kernel/hostname', '');
  host.files.write('/proc/uptime', '4.25 3.10\n');
  host.files.write('/dev/kmsg', '#'.repeat(100_000));
  machine.prepare?.(host);
  let time = 0;
  const clock: Clock = {
    now: () => time,
    async sleep(milliseconds) {
      time += milliseconds;
    },
  };
  const stages: string[] = [];
  const report = await boot(host, bootFactsOf(machine.cmdline ?? active, host.mounts()), {
    clock,
    async runStage(stageHost, stage) {
      stages.push(stage);
      const text = 'layout' in machine ? machine.layout : layout;
      if (stage === 'rootfs' && text !== undefined) stageHost.files.write('/run/cos/cos-layout.env', text);
      return (machine.troubles ?? []).filter((trouble) => trouble.stage === stage);
    },
  });
  return { host, report, stages, time: () => time };
}

/** The step of a report that has this name. */
export const stepOf = (report: BootReport, name: string) => report.steps.find((step) => step.name === name);

/** Everything that is not as planned: `name: status`. */
export const oddities = (report: BootReport) =>
  report.steps.filter(({ status }) => status !== 'ok').map(({ name, status }) => `${name}: ${status}`);

/** A mount on this path fails. */
export const refuse = (path: string) => (request: MountRequest) => {
  if (request.target === path) throw new KairosError('SYSTEM_CALL_FAILED', `Cannot mount ${path}: broken`);
};
