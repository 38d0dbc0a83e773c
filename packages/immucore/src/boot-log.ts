import { reasonOf } from '@kairos/facts/errors';
import { paths } from '@kairos/facts/paths';
import type { Clock } from '@kairos/host/clock';
import type { HostFiles } from '@kairos/host/host';

/** Where a boot tells what it does: a file for afterwards, and the kernel's log for whoever watches the console. */
export interface BootLog {
  /** Into the file only. */
  note(line: string): void;
  /** Into the file and onto the console. */
  complain(line: string): void;
}

/** Kernel log level that every console shows unless it is told to be quiet (syslog(2), KERN_ERR). */
const level = '<3>';
/** The kernel takes at most this many bytes of a record. */
const longestRecord = 900;

export function bootLog(files: HostFiles, clock: Clock): BootLog {
  const started = clock.now();
  let broken = false;
  const write = (line: string): void => {
    if (broken) return;
    const seconds = ((clock.now() - started) / 1000).toFixed(3).padStart(8);
    try {
      files.append(paths.immucoreLog, `[${seconds}] ${line}\n`);
    } catch (error) {
      // The log is no reason to stop a boot, but its loss is worth one line on the console.
      broken = true;
      toConsole(`cannot write ${paths.immucoreLog}: ${reasonOf(error)}`);
    }
  };
  const toConsole = (line: string): void => {
    for (const part of line.split('\n')) {
      const record = `immucore: ${part}`.slice(0, longestRecord);
      try {
        files.writeInPlace('/dev/kmsg', `${level}${record}\n`);
      } catch {
        // No kernel log to write to, as in a container: the standard error is the console then.
        process.stderr.write(`${record}\n`);
      }
    }
  };
  return {
    note: write,
    complain(line) {
      write(line);
      toConsole(line);
    },
  };
}
