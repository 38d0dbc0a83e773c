import { expect, test } from 'bun:test';
import { bootableSlots, slotOfEntry } from '../boot/choice.ts';
import { silent, twoSlots } from '../fixture-two-slots.ts';
import { cutBefore, PowerCut } from '../node-scene.ts';
import { readState } from '../state/state.ts';
import { rollback } from './rollback.ts';

const { anew, entries, env, scene, setAssessment, setUser } = twoSlots();

test('passive becomes active, on trial, and is what starts next', async () => {
  setUser({ saved_entry: 'fallback', next_entry: 'recovery', extra_cmdline: 'quiet' });
  setAssessment({ kairos_tries: '1' });
  const result = await rollback(scene().boot('passive'), silent);
  expect([result.from?.version, result.to.version]).toEqual(['v2', 'v1']);
  expect(scene().slots()).toEqual({ active: 'v1', passive: 'v2' });
  expect(env('/oem/grubenv')).toEqual({ extra_cmdline: 'quiet' });
  expect(env('/state/boot_assessment')).toMatchObject({ kairos_tries: '3', kairos_fallback_tries: '3' });
  const { slots } = await readState(scene().boot('passive'));
  expect([slots.active?.status, slots.passive?.status]).toEqual(['on trial', 'failed']);
});

test('from recovery after a reset that failed, passive is what starts next', async () => {
  setAssessment({ kairos_reset: '0' });
  expect(entries()[0]).toBe('recovery');
  const { warnings } = await rollback(scene().boot('recovery'), silent);
  expect(warnings).toEqual(['The reset that failed is given up']);
  expect([entries()[0], scene().slots()]).toEqual(['cos', { active: 'v1', passive: 'v2' }]);
});

test('a dry run changes nothing', async () => {
  const result = await rollback(scene().boot('active'), { ...silent, dryRun: true });
  expect(result.steps.filter(({ kind }) => kind === 'exchange')).toHaveLength(1);
  expect(scene().slots()).toEqual({ active: 'v2', passive: 'v1' });
});

test.each<[string, () => Promise<unknown> | undefined, string]>([
  [
    'a damaged fallback',
    async () => scene().boot('active').files.write('/state/cOS/passive/vmlinuz', 'kernel of vX'),
    'SLOT_DAMAGED',
  ],
  ['no fallback', async () => scene().boot('active').files.remove('/state/cOS/passive'), 'NO_FALLBACK'],
  ['the same image', () => scene().install('v2', 'passive'), 'SAME_IMAGE'],
])('%s is refused', async (_, prepare, code) => {
  await prepare();
  await expect(rollback(scene().boot('active'), silent)).rejects.toMatchObject({ code });
  expect(env('/state/boot_assessment')).toEqual({});
});

test('a power cut before every change leaves two whole slots, and a re-run finishes', async () => {
  for (let n = 1; ; n++) {
    await anew();
    setUser({ saved_entry: 'fallback' });
    const fault = cutBefore(scene().boot('passive'), n);
    const outcome = await rollback(fault.host, silent).catch((error: unknown) => error);
    if (!(outcome instanceof Error) && fault.effects() < n) break;
    if (outcome instanceof Error && !(outcome instanceof PowerCut)) throw outcome;
    expect(await bootableSlots(scene().boot('active').files, '/state')).toEqual(['active', 'passive']);
    // What starts is the wanted slot, or one that is counted and gives way to it.
    const slot = slotOfEntry[entries()[0] ?? ''] ?? '';
    const version = scene().slots()[slot];
    expect([n, version === 'v1' || env('/state/boot_assessment').kairos_tries === '3']).toEqual([n, true]);
    if (scene().slots().active !== 'v1') await rollback(scene().boot('passive'), silent);
    expect([n, scene().slots()]).toEqual([n, { active: 'v1', passive: 'v2' }]);
    expect([n, entries()[0]]).toEqual([n, 'cos']);
  }
});
