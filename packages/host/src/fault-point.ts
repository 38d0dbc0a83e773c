import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isSystemError } from '@kairos/facts/errors';

/** Set by the build: true in executables for tests only, so that others do not hold what is below. */
declare const KAIROS_FAULT_POINTS: boolean;

/** What happens at a point: the process dies, or the machine loses its power, without any chance to tidy up. */
const faults: Readonly<Record<string, () => void>> = {
  kill: () => process.kill(process.pid, 'SIGKILL'),
  // sysrq(8), "b": the machine restarts at once; nothing is synced or unmounted.
  'power-cut': () => writeFileSync('/proc/sysrq-trigger', 'b'),
};

function reach(point: string): void {
  const file = process.env.KAIROS_FAULT_FILE;
  if (!file) return;
  appendFileSync(`${file}.passed`, `${point}\n`);
  let wanted: string;
  try {
    wanted = readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return;
    throw error;
  }
  for (const [fault, fire] of Object.entries(faults)) {
    if (wanted !== `${fault} ${point}` && wanted !== `${fault} ${point.replace(/\/\d+-/, '/')}`) continue;
    // Once: the run after this one passes.
    rmSync(file);
    fire();
  }
}

/**
 * A named place at which a test may end the process or the machine, as in `upgrade/04-exchange/before`. The test names
 * it in the file `KAIROS_FAULT_FILE`, as `kill <point>` or `power-cut <point>`; the file is removed before the fault.
 * The number of a step may be left out: then it is the first step of that kind.
 * All points that were passed are appended to the file of the same name with `.passed`. In executables that are not
 * built for tests this does nothing.
 */
export function faultPoint(point: string): void {
  if (typeof KAIROS_FAULT_POINTS !== 'undefined' && KAIROS_FAULT_POINTS) reach(point);
}

/** {@link faultPoint} before or after a step of a plan. */
export function stepFault(plan: string, index: number, kind: string, when: 'before' | 'after'): void {
  faultPoint(`${plan}/${String(index).padStart(2, '0')}-${kind}/${when}`);
}
