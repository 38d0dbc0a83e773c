import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { BlockDisk } from '../src/crash/block-disk.ts';
import { type Booted, bootOnce } from '../src/crash/boot-point.ts';
import { type JudgedPoint, pointsToBoot, spread } from '../src/crash/choose-points.ts';
import { describeCounts, type MatrixResult, runMatrix } from '../src/crash/matrix.ts';
import { rebuild, rebuildEnd, writeDisk } from '../src/crash/rebuild.ts';
import { runAgain } from '../src/crash/run-again.ts';
import { folder, runSession, type Session } from '../src/crash/session.ts';
import { operationFacts, operations, readPhase } from '../src/crash/session-script.ts';
import { crashSettings } from '../src/crash/settings.ts';
import { guestAccelerator } from '../src/images.ts';

const settings = crashSettings();
const work = join(folder, 'points');
let session: Session;
let result: MatrixResult;
/** Every state right after a flush, of operations. */
const points: JudgedPoint[] = [];

beforeAll(async () => {
  mkdirSync(work, { recursive: true });
  session = await runSession((line) => console.log(line));
  result = await runMatrix(session.log, {
    ...settings,
    onPoint: (_, { entry, phase }, verdict) => {
      const { operation, after } = readPhase(phase);
      if (after === undefined) points.push({ entry, operation, verdict });
    },
  });
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

test('the node survives a power cut at every flush, and at samples between flushes', () => {
  for (const line of describeCounts(result, settings.seed)) console.log(line);
  expect(result.losses).toEqual([]);
  for (const operation of operations) {
    expect([operation, result.counts.get(operation)?.points ?? 0]).toEqual([operation, expect.any(Number)]);
    expect(result.counts.get(operation)?.points).toBeGreaterThan(10);
  }
});

/** Files of disks as they were at points. */
function rebuildFiles(chosen: readonly JudgedPoint[]): string[] {
  const files: string[] = [];
  rebuild(session.log, chosen, ({ disk }: { disk: BlockDisk }, index) => {
    const file = join(work, `${chosen[index]?.operation.replace(' ', '-')}-${chosen[index]?.entry}.raw`);
    writeDisk(disk, file);
    files[index] = file;
  });
  return files;
}

test('chosen points really boot, through GRUB to a verified root', async () => {
  const chosen = pointsToBoot(points, settings.boots);
  const files = rebuildFiles(chosen);
  const accelerator = await guestAccelerator();
  const booted: Booted[] = [];
  // One at a time: the other processor belongs to the test file beside this one.
  for (const [index, { entry, operation }] of chosen.entries()) {
    const name = `crash-${operation.replace(' ', '-')}-${entry}`;
    booted.push(await bootOnce(files[index] as string, name, accelerator));
  }
  for (const [index, { entry, operation, verdict }] of chosen.entries()) {
    const { version, slot, verified, starts } = booted[index] as Booted;
    console.log(
      `crash matrix: boot: ${operation} at ${entry}: ${version} from ${slot}${starts > 1 ? `, at start ${starts}` : ''}`,
    );
    expect([operation, entry, verified]).toEqual([operation, entry, true]);
    const partition = verdict.runs?.slot === 'recovery' ? 'COS_RECOVERY' : 'COS_STATE';
    const expected = [`LABEL=${partition}:/cOS/${verdict.runs?.slot}`, `${verdict.runs?.version}`];
    expect([operation, entry, slot, version]).toEqual([operation, entry, ...expected]);
  }
  // The real end of the session: the machine lost its power right after an exchange.
  const end = join(work, 'end.raw');
  writeDisk(rebuildEnd(session.log), end);
  const last = await bootOnce(end, 'crash-end', accelerator);
  console.log(
    `crash matrix: boot: after the power cut: ${last.version} from ${last.slot}, at start ${last.starts}`,
  );
  expect([last.verified, last.slot, ['v1', 'v3'].includes(last.version)]).toEqual([
    ...[true, 'LABEL=COS_STATE:/cOS/active', true],
  ]);
  expect(chosen.length).toBeGreaterThanOrEqual(12);
  console.log(`crash matrix: boot: ${chosen.length} points, ${booted.length} survived`);
});

test('an operation that was cut off is finished by the next run', async () => {
  for (const operation of operations) {
    const chosen = spread(
      points.filter((point) => point.operation === operation),
      settings.repetitions,
    );
    const files = rebuildFiles(chosen);
    for (const [index, { entry, verdict }] of chosen.entries()) {
      const file = files[index] as string;
      const slots = await runAgain(file, operation, verdict, session);
      expect([operation, entry, slots]).toEqual([operation, entry, operationFacts[operation].after]);
      rmSync(file);
    }
    console.log(`crash matrix: run again: ${operation}: ${chosen.length} points, ${chosen.length} survived`);
  }
});
