import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { sceneFolder } from '../node-scene.ts';
import { goodStarts, nextBoot } from './choice.ts';
import { type BlockName, type MenuDisk, menuDisk } from './fixture-boot-menu.ts';

const menu = readFileSync(join(import.meta.dir, '../../../../system/grub/grub.cfg'), 'utf8');
const [user, installation, assessment] = [
  'COS_OEM/grubenv',
  'COS_STATE/grub_oem_env',
  'COS_STATE/boot_assessment',
] as const satisfies readonly BlockName[];

let folder: string;
let disk: MenuDisk;
beforeEach(() => {
  folder = sceneFolder();
  disk = menuDisk(folder, menu);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Entries of the next starts, which all die before anything is proved. */
const starts = (count: number) => Array.from({ length: count }, () => disk.start().entry);

test('the menu decides as nextBoot says, whatever the variables', () => {
  const values = {
    saved_entry: ['', 'cos', 'fallback', 'recovery', 'statereset', '0', '1', '2', '3'],
    next_entry: ['', '', '', 'fallback', 'recovery', 'statereset', '0'],
    default_fallback: ['', '', '0 1 2', 'recovery', 'cos statereset'],
    kairos_tries: ['', '0', '3'],
    kairos_fallback_tries: ['', '0', '2'],
    kairos_reset: ['', '', '0', '2'],
    kairos_starts: ['', '1', '5'],
  };
  // Every value of each with some of the others.
  for (let seed = 0; seed < 60; seed++) {
    let state = (seed + 1) * 2654435761;
    const pick = (name: keyof typeof values) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const list = values[name];
      return { [name]: list[(state >>> 8) % list.length] ?? '' };
    };
    const blocks = {
      user: { ...pick('saved_entry'), ...pick('next_entry'), ...pick('default_fallback') },
      installation: {},
      assessment: {
        ...{ ...pick('kairos_tries'), ...pick('kairos_fallback_tries') },
        ...{ ...pick('kairos_reset'), ...pick('kairos_starts') },
      },
    };
    disk.set(user, blocks.user);
    disk.set(assessment, blocks.assessment);
    const { entries } = nextBoot(blocks);
    const { entry, fallbacks } = disk.start();
    expect([blocks, entry, ...fallbacks.filter((one) => one !== entry)]).toEqual([blocks, ...entries]);
    expect(disk.read(user).next_entry).toBeUndefined();
  }
});

test.each([user, installation])(
  'a wish for one boot in %s is followed once, and the next one too',
  (block) => {
    disk.set(block, { next_entry: 'recovery', extra_cmdline: 'quiet splash' });
    expect(starts(2)).toEqual(['recovery', 'cos']);
    expect(disk.read(block)).toEqual({ extra_cmdline: 'quiet splash' });
    disk.set(user, { next_entry: 'fallback' });
    expect(starts(2)).toEqual(['fallback', 'cos']);
  },
);

describe('a system on trial', () => {
  test('has its tries, then the other one, then recovery, which stays', () => {
    disk.set(assessment, { kairos_tries: '3', kairos_fallback_tries: '2', kairos_failed: 'x' });
    expect(starts(7)).toEqual(['cos', 'cos', 'cos', 'fallback', 'fallback', 'recovery', 'recovery']);
    expect(disk.read(assessment)).toEqual({
      ...{ kairos_tries: '0', kairos_fallback_tries: '0', kairos_failed: 'x' },
    });
  });

  test('is counted in the start that an upgrade asks for, too', () => {
    disk.set(user, { next_entry: 'cos', saved_entry: 'recovery' });
    disk.set(assessment, { kairos_tries: '2', kairos_fallback_tries: '3' });
    expect(starts(1)).toEqual(['cos']);
    expect(disk.read(assessment).kairos_tries).toBe('1');
  });

  test('is told how many it has left, and the others why they run', () => {
    disk.set(assessment, { kairos_tries: '1', kairos_fallback_tries: '1' });
    expect(disk.start().cmdline).toMatch(/cOS\/active\/root\.img .* kairos\.trial=0( |$)/);
    expect(disk.start().cmdline).toMatch(/cOS\/passive\/root\.img .* kairos\.trial=0 .*upgrade_failure/);
    const { cmdline } = disk.start();
    expect(cmdline).toMatch(/cOS\/recovery\/root\.img .*upgrade_failure/);
    expect(cmdline).not.toContain('kairos.trial');
  });
});

describe('a system that has proved good', () => {
  test('is counted from its first good boot on, and has the starts that boot-good gives it', () => {
    expect(starts(7)).toEqual(Array(7).fill('cos'));
    disk.set(assessment, { kairos_starts: String(goodStarts) });
    const lines = Array.from({ length: goodStarts }, () => disk.start());
    expect(lines.map(({ entry }) => entry)).toEqual(Array(goodStarts).fill('cos'));
    // Only the last one is a trial: it is watched, and leaves a trace of how far it came.
    expect(lines.map(({ cmdline }) => /kairos\.trial=\d/.exec(cmdline)?.[0])).toEqual([
      ...Array(goodStarts - 1).fill(undefined),
      'kairos.trial=0',
    ]);
  });

  test('that always dies gives way to the other one, and that to recovery', () => {
    disk.set(assessment, { kairos_starts: '5' });
    expect(starts(12)).toEqual([
      ...Array(5).fill('cos'),
      ...Array(5).fill('fallback'),
      ...['recovery', 'recovery'],
    ]);
  });

  test('that cannot be loaded is passed over, and the one in its place is counted', () => {
    disk.set(assessment, { kairos_starts: '5' });
    disk.damage('active', 'vmlinuz');
    const first = disk.start();
    expect([first.entry, first.cmdline]).toEqual([
      'fallback',
      expect.stringMatching(/ kairos\.failure=active:kernel .*upgrade_failure/),
    ]);
    expect(disk.read(assessment)).toEqual({ kairos_starts: '3', kairos_unloadable_active: 'kernel' });
    const later = starts(10);
    expect(later.slice(later.indexOf('recovery'))).toEqual(
      Array(10 - later.indexOf('recovery')).fill('recovery'),
    );
    expect(later.indexOf('recovery')).toBeGreaterThan(3);
  });

  test('is not counted where somebody chose another one', () => {
    disk.set(assessment, { kairos_starts: '2' });
    disk.set(user, { saved_entry: 'fallback' });
    expect(starts(4)).toEqual(Array(4).fill('fallback'));
    expect(disk.read(assessment)).toEqual({ kairos_starts: '2' });
  });
});

describe('a reset', () => {
  test('that was begun has its starts, then recovery says that it failed', () => {
    disk.set(assessment, { kairos_reset: '2' });
    expect(disk.start().cmdline).toMatch(/COS_SYSTEM .* kairos\.reset( |$)/);
    expect(starts(1)).toEqual(['statereset']);
    const { entry, cmdline } = disk.start();
    expect([entry, cmdline]).toEqual(['recovery', expect.stringContaining(' reset_failure')]);
    expect(disk.read(assessment)).toEqual({ kairos_reset: '0' });
  });

  test('that was chosen and did not begin is noted; the node is what it was', () => {
    disk.set(user, { next_entry: 'statereset' });
    expect(starts(3)).toEqual(['statereset', 'cos', 'cos']);
    expect(disk.read(assessment)).toEqual({ kairos_reset_chosen: '1' });
  });
});

describe('where COS_STATE is lost', () => {
  test('recovery starts from its own copy of the menu', () => {
    disk.set(user, { saved_entry: 'fallback' });
    disk.loseState();
    const { entry, cmdline } = disk.start();
    expect([entry, cmdline]).toEqual([
      'recovery',
      expect.stringMatching(/ kairos\.failure=active:no-partition kairos\.failure=passive:no-partition /),
    ]);
  });

  test('a reset that makes it anew is counted on COS_RECOVERY', () => {
    disk.loseState();
    disk.set('COS_RECOVERY/boot_assessment', { kairos_reset: '2' });
    expect(starts(3)).toEqual(['statereset', 'statereset', 'recovery']);
  });
});
