import { expect, test } from 'bun:test';
import { MiB } from '@kairos/facts/size';
import { sevenFiles, viewOf } from '../slots/fixture-slot.ts';
import { type CopyFacts, planCopy } from './copy.ts';
import type { LeftoversPlan } from './leftovers.ts';

const names = [...sevenFiles.keys()];
const facts = (more: Partial<CopyFacts> = {}): CopyFacts => ({
  image: { source: 'dir:/x', files: sevenFiles },
  ...{ label: 'COS_STATE', free: 100 * MiB, discarded: [], local: {} },
  transition: { there: false, slot: undefined, size: 0, present: [], partial: {} },
  ...more,
});
type Leftovers = Pick<LeftoversPlan, 'interruption' | 'running' | 'transitionRuns'>;
const leftovers = (more: Partial<Leftovers> = {}): Leftovers => ({
  ...{ interruption: 'copying', running: [], transitionRuns: false },
  ...more,
});

test('what is there of the image needs no space, and what goes gives some', () => {
  const present = names.slice(0, 4);
  const transition = { there: true, slot: undefined, size: 45 * MiB, present, partial: {} };
  // 30 MiB to write and 1 MiB over; 5 MiB of what is in transition goes.
  expect(planCopy(facts({ transition, free: 26 * MiB }), leftovers(), false).space).toEqual({
    needed: 31 * MiB,
    available: 31 * MiB,
  });
  // A file that was begun needs space for its rest only.
  const begun = { ...transition, size: 50 * MiB, partial: { [names[4] ?? '']: 5 * MiB } };
  expect(planCopy(facts({ transition: begun, free: 21 * MiB }), leftovers(), false).space).toEqual({
    needed: 26 * MiB,
    available: 26 * MiB,
  });
  const discarded = [{ name: 'discard-9', slot: viewOf('v9'), size: 60 * MiB }];
  const gone = planCopy(facts({ discarded, free: 11 * MiB }), leftovers(), false);
  expect(gone.space.available).toBe(71 * MiB);
});

test('what a slot here has is not fetched', () => {
  const local = { 'root.img': '/s/cOS/passive/root.img' };
  const { missing, fetched } = planCopy(facts({ local }), leftovers(), false);
  expect([fetched, missing]).toEqual([60 * MiB, 70 * MiB]);
});

test('what an upgrade that came to its end left in transition is not gone on with', () => {
  const transition = { there: true, slot: undefined, size: 70 * MiB, present: names, partial: {} };
  const { present, missing } = planCopy(facts({ transition }), leftovers({ interruption: 'done' }), false);
  expect([present, missing]).toEqual([[], 70 * MiB]);
});

test('nothing is written where the slot holds the image already', () => {
  const { missing, space } = planCopy(facts({ free: 0 }), leftovers({ interruption: 'nothing' }), true);
  expect([missing, space]).toEqual([0, { needed: 0, available: 0 }]);
});

test('no space is refused with numbers, and the hint knows what holds it', () => {
  const full = facts({ free: 71 * MiB - 1 });
  const details = { needed: 71 * MiB, available: 71 * MiB - 1, partition: 'COS_STATE' };
  expect(() => planCopy(full, leftovers(), false)).toThrow(
    expect.objectContaining({
      ...{ code: 'NO_SPACE', exit: 'noSpace', details },
      hint: 'The partition was made for the image that was installed; use a smaller image, or install anew',
    }),
  );
  const running = [{ name: 'discard-9', slot: viewOf('v2'), size: 60 * MiB }];
  expect(() => planCopy({ ...full, discarded: running }, leftovers({ running }), false)).toThrow(
    expect.objectContaining({
      ...{ code: 'NO_SPACE', details },
      hint: 'The system still runs from a slot that was replaced; restart, then run it again',
    }),
  );
});
