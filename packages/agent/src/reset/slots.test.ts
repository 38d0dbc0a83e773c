import { describe, expect, test } from 'bun:test';
import { MiB } from '@kairos/facts/size';
import { digestOf, sevenFiles, slotNow } from '../slots/fixture-slot.ts';
import { slotSize } from '../slots/size.ts';
import { drop, planSlots, type ResetSlots, type SlotWork } from './slots.ts';

const size = slotSize(sevenFiles);
const nothing = slotNow(undefined);
/** v1 is coming, to slots with v3 and v2. */
const slots = (free: number, more: Partial<ResetSlots> = {}): ResetSlots => ({
  image: { source: 'dir:/r', manifestDigest: digestOf('v1'), files: sevenFiles },
  state: { free },
  ...{ active: slotNow('v3'), passive: slotNow('v2'), discarded: [] },
  transition: { there: false, size: 0, present: [], partial: {} },
  ...more,
});
const work = (more: Partial<SlotWork> = {}): Partial<SlotWork> => ({
  ...{ active: true, passive: true, present: [], partial: {}, dropFirst: [], dropPassive: false },
  ...more,
});
const copied = { there: true, size, present: ['root.img'], partial: { vmlinuz: 3 } };

describe('with room for a third slot', () => {
  test.each<[string, Partial<ResetSlots>, Partial<SlotWork>]>([
    ['both are written', {}, work()],
    [
      'what has the image and is whole stays',
      { active: slotNow('v1'), passive: slotNow('v1') },
      work({ active: false, passive: false }),
    ],
    [
      'what has the image and is damaged is written again',
      { active: slotNow('v1', 'a flipped bit'), passive: slotNow('v1') },
      work({ passive: false }),
    ],
    [
      'what was copied is gone on with',
      { transition: copied },
      work({ present: ['root.img'], partial: { vmlinuz: 3 } }),
    ],
    [
      'nothing is gone on with where nothing is to be written',
      { active: slotNow('v1'), passive: slotNow('v1'), transition: copied },
      work({ active: false, passive: false }),
    ],
  ])('%s', (_, more, expected) => {
    expect(planSlots(slots(500 * MiB, more))).toMatchObject(expected);
  });
});

describe('no room for a third slot', () => {
  test.each<[string, ResetSlots, Partial<SlotWork>]>([
    ['the fallback goes, the active system stays', slots(10 * MiB), work({ dropFirst: ['passive'] })],
    [
      'what cannot be started goes, the fallback stays until the new one is there',
      slots(10 * MiB, { active: slotNow('v3', 'gone') }),
      work({ dropFirst: ['active'], dropPassive: true }),
    ],
    [
      'the old active system was smaller',
      slots(size + 2 * MiB, { active: { ...slotNow('v3'), size: 10 * MiB } }),
      work({ dropPassive: true }),
    ],
    [
      'what an upgrade has left makes room',
      slots(10 * MiB, { discarded: [{ name: 'discard-1', size }] }),
      work(),
    ],
    [
      'what was copied gives way to the journal',
      slots(0, { active: slotNow('v1'), transition: copied }),
      work({ active: false, dropPassive: true }),
    ],
  ])('%s', (_, given, expected) => {
    expect(planSlots(given)).toMatchObject(expected);
  });

  test.each<[string, ResetSlots, { needed: number; available: number }]>([
    [
      'not even room for the journal',
      slots(10, { active: slotNow('v1'), passive: slotNow('v1') }),
      { needed: MiB, available: 10 },
    ],
    [
      'a whole slot is not given up where no other is',
      slots(10 * MiB, { passive: nothing }),
      { needed: size + MiB, available: 10 * MiB },
    ],
  ])('%s: it is refused with numbers', (_, given, details) => {
    expect(() => planSlots(given)).toThrow(
      expect.objectContaining({ code: 'NO_SPACE', exit: 'noSpace', details }),
    );
  });
});

test('a slot gives up its name before its files', () => {
  expect(drop('/s/cOS', '/s', 'passive')).toEqual([
    { kind: 'rename', from: '/s/cOS/passive', to: '/s/cOS/discard-passive' },
    { kind: 'checkpoint', mountPoint: '/s' },
    { kind: 'remove', path: '/s/cOS/discard-passive' },
  ]);
});
