/**
 * Looks again at one point of the crash matrix, or runs the whole of it without booting:
 *
 *   bun tests/src/crash/replay.ts                                    every flush, and samples
 *   bun tests/src/crash/replay.ts --operation upgrade                what can be seen at each flush of an operation
 *   bun tests/src/crash/replay.ts --point 741 [--sample SEED]        one disk: what firmware, GRUB and Linux find
 *   bun tests/src/crash/replay.ts --point 741 --output disk.raw      and the disk itself, for qemu or losetup
 */
import { parseArgs } from 'node:util';
import { examine } from './boot-check.ts';
import { describeCounts, judgePhase, runMatrix, sessionPayloads } from './matrix.ts';
import { rebuild, writeDisk } from './rebuild.ts';
import { runSession } from './session.ts';
import { isOperation } from './session-script.ts';
import { crashSettings } from './settings.ts';

const { values } = parseArgs({
  options: {
    operation: { type: 'string' },
    point: { type: 'string' },
    sample: { type: 'string' },
    output: { type: 'string' },
  },
});
const { log } = await runSession((line) => console.error(line));
const settings = crashSettings();

if (values.point !== undefined) {
  const payloads = await sessionPayloads();
  const seed = values.sample === undefined ? undefined : Number(values.sample);
  rebuild(log, [{ entry: Number(values.point), seed }], ({ disk, phase }) => {
    const { grub, linux, bios, efi } = examine(disk, payloads);
    const short = (sight: typeof grub) => sight && { ...sight, menu: sight.menu?.length };
    console.log(JSON.stringify({ phase, bios, efi, grub: short(grub), linux: short(linux) }, undefined, 2));
    console.log(JSON.stringify(judgePhase(disk, phase, payloads), undefined, 2));
    if (values.output !== undefined) writeDisk(disk, values.output);
  });
} else {
  let last = '';
  const result = await runMatrix(log, {
    ...settings,
    ...(values.operation === undefined ? {} : { samples: 0 }),
    onPoint(_, { entry, phase }, { boots, secondStart, fingerprint, losses }) {
      if (phase !== values.operation) return;
      const what = boots
        ? `${boots.slot} ${boots.version}${secondStart ? ', at the second start' : ''}`
        : 'nothing';
      console.log(`${entry}: ${what}${fingerprint === last ? '' : ' (changed)'} ${losses.join('; ')}`);
      last = fingerprint;
    },
  });
  if (values.operation !== undefined && !isOperation(values.operation)) throw new Error('no such operation');
  for (const line of describeCounts(result, settings.seed)) console.log(line);
  process.exitCode = result.losses.length === 0 ? 0 : 1;
}
