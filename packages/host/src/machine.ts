import { closeSync, openSync, readFileSync, statfsSync } from 'node:fs';
import { lsblkArguments, parseDisks } from './disks.ts';
import { filesBelow } from './files.ts';
import type { Host } from './host.ts';
import { parseMountTable } from './mount-table.ts';
import { fullPath, runProgram } from './run.ts';
import { freezeAndThawCall, mountCall, syncCall, unmountCall, writeJournalCall } from './system-calls.ts';

/** The machine that this process runs on. */
export function machineHost(): Host {
  return {
    files: filesBelow('/'),
    run: runProgram,
    which: (name) => Bun.which(name, { PATH: fullPath(process.env.PATH) }) ?? undefined,
    mounts: () => parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8')),
    mount: ({ source, target, type, options }) => mountCall(source, target, type, options),
    unmount: (target, options) => unmountCall(target, options?.lazy ?? false),
    checkpoint(mountPoint) {
      const descriptor = openSync(mountPoint, 'r');
      try {
        if (!writeJournalCall(descriptor) && !freezeAndThawCall(descriptor)) syncCall();
      } finally {
        closeSync(descriptor);
      }
    },
    disks: async () => parseDisks((await runProgram(['lsblk', ...lsblkArguments])).stdout),
    freeSpace(path) {
      const { bavail, bsize } = statfsSync(path);
      return Number(bavail) * Number(bsize);
    },
    uid: process.geteuid?.() ?? 0,
  };
}
