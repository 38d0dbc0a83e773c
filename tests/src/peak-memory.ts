import { readFileSync } from 'node:fs';

/**
 * The most memory that this program had so far, in MB of 1024 KiB (`VmHWM` of proc(5)). getrusage(2) would count what
 * its parent had when it started it.
 */
export function peakMemory(): number {
  const [, kibibytes] = /^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Math.round(Number(kibibytes) / 1024);
}
