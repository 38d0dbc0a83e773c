import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GiB } from '@kairos/facts/size';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import type { Disk } from '@kairos/host/disks';
import type { RunOptions } from '@kairos/host/host';
import type { InstallOptions, InstallResult } from '../commands/install.ts';
import { Installer } from './installer.ts';

export const emptyDisk: Disk = {
  ...{
    path: '/dev/vda',
    name: 'vda',
    size: 40 * GiB,
    readOnly: false,
    removable: false,
    model: 'Fast',
    type: 'disk',
  },
  ...{ partitionTable: '', filesystem: '', label: '', mountPoints: [], partitions: [] },
};

/** A call of the agent that waits for the test to say how it ends. */
export interface AgentCall {
  readonly arguments: readonly string[];
  readonly environment: RunOptions['env'];
  readonly stopSignal: RunOptions['stopSignal'];
  /** What the files of configuration held, in order. */
  readonly configs: readonly string[];
  line(text: string, stream?: 'stdout' | 'stderr'): void;
  end(code?: number): void;
  readonly stopped: () => boolean;
}

/** An installer on a machine that is a folder, with an agent that the test plays. For tests. */
export class InstallerScene implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'installer-'));
  readonly host: DirectoryHost;
  readonly installer: Installer;
  readonly planned: InstallOptions[] = [];
  /** The commands besides the agent's. */
  readonly others: (readonly string[])[] = [];
  planError: Error | undefined;
  private readonly calls: AgentCall[] = [];
  private readonly waiting: ((call: AgentCall) => void)[] = [];

  constructor(disks: readonly Disk[] = [emptyDisk]) {
    this.host = directoryHost(this.folder, {
      disks,
      run: (argv, options) => {
        if (argv[0] === 'kairos-agent') return this.answer(argv, options);
        this.others.push(argv);
        return argv[0] === 'wipefs' || argv[0] === 'sfdisk' ? { stdout: '{}' } : {};
      },
    });
    this.host.files.write('/proc/cmdline', 'root=live:CDLABEL=COS_LIVE');
    this.host.files.write('/proc/sys/kernel/hostname', 'live\n');
    this.installer = new Installer(this.host, {
      ...{ agent: ['kairos-agent'], branding: 'install', version: '1.2.3' },
      now: () => new Date('2026-01-02T03:04:05Z'),
      plan: async (_, options) => {
        this.planned.push(options);
        if (this.planError) throw this.planError;
        return resultFor(options);
      },
    });
  }

  /** The next call of the agent's. */
  nextCall(): Promise<AgentCall> {
    const call = this.calls.shift();
    if (call) return Promise.resolve(call);
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private answer(argv: readonly string[], options: RunOptions): Promise<{ code: number; stderr: string }> {
    const { promise, resolve } = Promise.withResolvers<{ code: number; stderr: string }>();
    let stopped = false;
    options.signal?.addEventListener('abort', () => {
      stopped = true;
    });
    const call: AgentCall = {
      ...{ arguments: argv.slice(1), environment: options.env, stopSignal: options.stopSignal },
      configs: argv
        .filter((word) => word.startsWith(this.folder))
        .map((path) => this.host.files.readText(path.slice(this.folder.length))),
      line: (text, stream = 'stdout') => options.onLine?.(text, stream),
      end: (code = 0) => resolve({ code, stderr: '' }),
      stopped: () => stopped,
    };
    const next = this.waiting.shift();
    if (next) next(call);
    else this.calls.push(call);
    return promise;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What a plan of the scene gives. */
export function resultFor(options: InstallOptions): InstallResult {
  const plan: InstallResult['plan'] = {
    disk: { path: '/dev/vda', size: 40 * GiB, model: 'Fast' },
    image: { source: 'live', digest: 'sha256:0', name: 'kairos-core', version: 'v1', size: 5 },
    ...{ erases: ['/dev/vda: ext4'], partitions: [], entries: [], steps: [] },
    after: 'reboot',
  };
  return { plan, installed: !options.dryRun, warnings: ['careful'], toJSON: () => ({}) };
}
