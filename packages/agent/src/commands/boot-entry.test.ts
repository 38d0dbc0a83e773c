import { expect, test } from 'bun:test';
import { editGrubEnvironment } from '@kairos/host/fixture-grub-environment';
import { formatGrubEnvironment } from '@kairos/host/grub-environment';
import { twoSlots } from '../fixture-two-slots.ts';
import { bootEntry } from './boot-entry.ts';

const { entries, env, scene } = twoSlots();

test('are listed, and one is chosen once or for good', async () => {
  const host = scene().boot('active');
  expect((await bootEntry(host)).entries.map(({ id }) => id)).toEqual([
    'cos',
    'fallback',
    'recovery',
    'statereset',
  ]);
  expect((await bootEntry(host, { select: 'passive' })).next).toMatchObject({ reason: 'once' });
  expect(env('/oem/grubenv')).toEqual({ next_entry: 'fallback' });
  await bootEntry(host, { select: 'Kairos recovery', permanent: true });
  expect(env('/oem/grubenv')).toEqual({ next_entry: 'fallback', saved_entry: 'recovery' });
  expect(host.mountLog).toEqual([]);
});

test('entries of the user count, and a variable of the installation does not stand in the way', async () => {
  const { files } = scene().boot('active');
  files.write('/oem/grubmenu', 'menuentry "Memory test" --id memtest {\n}\n');
  editGrubEnvironment(files, '/state/grub_oem_env', { saved_entry: 'cos', default_menu_entry: 'Edge' });
  const { next, entries: found } = await bootEntry(scene().boot('active'), {
    select: 'memtest',
    permanent: true,
  });
  expect(next.entries[0]).toBe('memtest');
  expect(found[0]).toEqual({ id: 'cos', title: 'Edge' });
  expect(env('/state/grub_oem_env')).toEqual({ default_menu_entry: 'Edge' });
});

test('a variable of the installation that is there without a value does not hide the choice', async () => {
  const { files } = scene().boot('active');
  // As GRUB leaves it behind with another menu.
  const block = formatGrubEnvironment({ default_menu_entry: 'Edge' }, 'test');
  files.write(
    '/state/grub_oem_env',
    Buffer.from(block).toString().replace('Edge\n', 'Edge\nnext_entry=\n').slice(0, 1024),
  );
  expect(entries()).toEqual(['cos', 'fallback', 'recovery']);
  expect((await bootEntry(scene().boot('active'), { select: 'recovery' })).next.entries[0]).toBe('recovery');
  expect(entries()[0]).toBe('recovery');
});

test('a wrong name is told the right one', async () => {
  await expect(bootEntry(scene().boot('active'), { select: 'recovry' })).rejects.toMatchObject({
    code: 'NO_BOOT_ENTRY',
    hint: 'Did you mean recovery? The entries are cos, fallback, recovery, statereset',
  });
});
