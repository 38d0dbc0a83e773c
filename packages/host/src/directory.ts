import { KairosError } from '@kairos/facts/errors';
import type { Disk } from './disks.ts';
import { filesBelow } from './files.ts';
import type { Host, MountRequest, RunOptions, RunResult } from './host.ts';
import type { Mount } from './mount-table.ts';
import { showCommand } from './run.ts';

export interface DirectoryHostOptions {
  /** Answers a program; `undefined` means that there is no such program. */
  readonly run?: (
    argv: readonly string[],
    options: RunOptions,
  ) => Partial<RunResult> | undefined | Promise<Partial<RunResult> | undefined>;
  readonly disks?: readonly Disk[];
  readonly mounts?: readonly Mount[];
  /** Makes a mount fail where it throws. */
  readonly onMount?: (request: MountRequest) => void;
  readonly freeSpace?: number;
  readonly uid?: number;
}

export interface DirectoryHost extends Host {
  /** Every program run, in order. */
  readonly commands: readonly (readonly string[])[];
  /** Every mount and unmount asked for, in order. */
  readonly mountLog: readonly string[];
}

/** A host whose files live below `folder` and which touches nothing else of the machine. */
export function directoryHost(folder: string, options: DirectoryHostOptions = {}): DirectoryHost {
  const commands: (readonly string[])[] = [];
  const mountLog: string[] = [];
  let table: Mount[] = [...(options.mounts ?? [])];
  return {
    files: filesBelow(folder),
    commands,
    mountLog,
    uid: options.uid ?? 0,
    async run(argv, runOptions = {}) {
      commands.push(argv);
      const answer = await options.run?.(argv, runOptions);
      if (answer === undefined) {
        throw new KairosError('TOOL_MISSING', `Cannot run ${argv[0]}: it is not installed`, {
          exit: 'missingTool',
        });
      }
      const result = { stdout: '', stderr: '', code: 0, ...answer };
      if (!(runOptions.okCodes ?? [0]).includes(result.code)) {
        throw new KairosError(
          'TOOL_FAILED',
          `${showCommand(argv)} exited with ${result.code}: ${result.stderr}`,
          {
            exit: 'toolFailed',
          },
        );
      }
      return result;
    },
    which: (name) => `/usr/bin/${name}`,
    mounts: () => [...table],
    mount(request) {
      options.onMount?.(request);
      mountLog.push(`mount ${request.type} ${request.source} ${request.target} ${request.options.join(',')}`);
      // A change of propagation is no new mount.
      if (!request.options.some((option) => /^r?(shared|private|slave|unbindable)$/.test(option))) {
        table.push(request);
      }
    },
    unmount(target) {
      mountLog.push(`unmount ${target}`);
      table = table.filter((mount) => mount.target !== target);
    },
    checkpoint: () => undefined,
    disks: async () => [...(options.disks ?? [])],
    freeSpace: () => options.freeSpace ?? Number.MAX_SAFE_INTEGER,
  };
}
