import { describe, expect, test } from 'bun:test';
import { digestOf, viewOf } from '../slots/fixture-slot.ts';
import { type FallbackFacts, outgoingRuns, reasonToKeepPassive } from './fallback.ts';
import type { SlotPlace } from './leftovers.ts';

const place = (version: string): SlotPlace => ({ there: true, slot: viewOf(version) });
const rootHashOf = (version: string) => viewOf(version).manifest.verity.rootHash;
/** An active slot with v2 that runs, v1 as its fallback; v3 is coming. */
const facts = (more: Partial<FallbackFacts> = {}): FallbackFacts => ({
  ...{ mountPoint: '/s', bootState: 'active', runningRootHash: rootHashOf('v2') },
  ...{ target: place('v2'), passive: place('v1'), transition: { there: false, slot: undefined } },
  ...{ discarded: [], journal: undefined, targetDamage: undefined, assessment: {} },
  image: { manifestDigest: digestOf('v3') },
  ...more,
});
const journal = (previousBecomesPassive: boolean): FallbackFacts['journal'] => ({
  ...{ schemaVersion: 1, slot: 'active', next: digestOf('v3'), previous: digestOf('v2') },
  previousBecomesPassive,
});

describe('the fallback of now stays', () => {
  test.each<[string, Partial<FallbackFacts>, string | undefined]>([
    ['not where the active slot is sound', {}, undefined],
    [
      'where the active slot is damaged',
      { targetDamage: 'root.img cannot be read' },
      'the active slot is not whole: root.img cannot be read',
    ],
    [
      'where the active slot says nothing',
      { target: { there: true, slot: undefined } },
      'the active slot is not whole: it has no image.json that can be read',
    ],
    [
      'where the active slot has the new image',
      { image: { manifestDigest: digestOf('v2') } },
      'the active slot held the same image',
    ],
    [
      'where the system runs from it',
      { bootState: 'passive', runningRootHash: rootHashOf('v1') },
      'the system runs from it',
    ],
    [
      'where the system was started from it, and both have the image',
      { bootState: 'passive', passive: place('v2') },
      'the system runs from it',
    ],
    ['not where both have the image and active was started', { passive: place('v2') }, undefined],
    [
      'where the active slot is being counted',
      { assessment: { kairos_tries: '2' } },
      'the active slot has not proven itself yet',
    ],
    [
      'where the active slot was given up',
      { assessment: { kairos_tries: '0' } },
      'the active slot has failed',
    ],
    [
      'not for the counter that an upgrade which was cut off has set for its own image',
      { assessment: { kairos_tries: '3' }, journal: journal(true) },
      undefined,
    ],
    [
      'where that upgrade had a reason',
      { assessment: { kairos_tries: '3' }, journal: journal(false) },
      'the active slot has not proven itself yet',
    ],
  ])('%s', (_, more, expected) => {
    const given = facts(more);
    expect(reasonToKeepPassive(given, given.passive.slot)).toBe(expected);
  });
});

test.each<[string, Partial<FallbackFacts>, 'active' | 'recovery', boolean, boolean]>([
  ['the older fallback goes, the system runs from active', {}, 'active', true, false],
  ['active goes, and runs', {}, 'active', false, true],
  [
    'active goes, the system runs from the fallback',
    { bootState: 'passive', runningRootHash: rootHashOf('v1') },
    'active',
    false,
    false,
  ],
  [
    'active goes, the system runs from recovery with the same image',
    { bootState: 'recovery' },
    'active',
    false,
    false,
  ],
  ['recovery goes, and runs', { bootState: 'recovery' }, 'recovery', false, true],
  ['recovery goes, active has the same image and runs', {}, 'recovery', false, false],
])('what goes: %s', (_, more, slot, toFallback, expected) => {
  const given = facts(more);
  expect(outgoingRuns(given, slot, toFallback, given.passive)).toBe(expected);
});
