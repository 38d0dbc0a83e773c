import { expect, test } from 'bun:test';
import type { DirectoryHostOptions } from '@kairos/host/directory';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';
import { failingDisk } from '../fixture-failing-disk.ts';
import { silent, twoSlots } from '../fixture-two-slots.ts';
import { bootEntry } from './boot-entry.ts';
import { resetWith } from './reset.ts';
import { rollback } from './rollback.ts';
import { upgradeWith } from './upgrade.ts';

const { env, scene, setUser } = twoSlots();

/** A boot whose OEM and persistent partition the kernel has made read-only, for good. */
function readOnly(slot: 'active' | 'recovery', more: { cmdline?: string } = {}) {
  const mounts: DirectoryHostOptions['mounts'] = scene()
    .boot(slot)
    .mounts()
    .map((one) => ({ ...one, options: ['ro'] }));
  const host = scene().boot(slot, {
    ...more,
    mounts,
    onMount({ target, options }) {
      if (/^(\/oem|\/usr\/local|\/run\/cos\/persistent)$/.test(target) && options.includes('rw')) {
        throw new Error(`Cannot mount ${target}: Read-only file system`);
      }
    },
  });
  return failingDisk(host, 'EROFS', { write: /^\/(oem|usr\/local)\// });
}

const parts = {
  runStage: async () => undefined,
  now: silent.now,
  plugins: () => ({ before: async () => ({}), after: async () => undefined }),
};

test('an upgrade goes without what it would write to OEM and the persistent partition', async () => {
  const source = await scene().image('v3');
  const openSource = async () => ({ image: bootFormFromDirectory(source), close: () => undefined });
  const { warnings } = await upgradeWith(readOnly('active'), { source, ...silent }, { ...parts, openSource });
  expect(scene().slots()).toEqual({ active: 'v3', passive: 'v2' });
  expect(env('/state/boot_assessment').kairos_tries).toBe('3');
  expect(warnings).toContain('/oem stays read-only: Cannot mount /oem: Read-only file system');
});

test('a rollback, too', async () => {
  setUser({ saved_entry: 'fallback' });
  expect((await rollback(readOnly('active'), silent)).rolledBack).toBe(true);
  expect(scene().slots()).toEqual({ active: 'v1', passive: 'v2' });
});

test('a reset comes to its end', async () => {
  await scene().install('v1', 'recovery');
  setUser({ saved_entry: 'fallback' });
  const openSource = async () => ({
    image: bootFormFromDirectory(`${scene().folder}/recovery/cOS/recovery`),
    close: () => undefined,
  });
  scene()
    .boot('active')
    .files.write(
      '/oem/config.yaml',
      '#cloud-config\nusers: [{name: a, groups: [admin]}]\nreset: {reset-persistent: false}\n',
    );
  const host = readOnly('recovery', { cmdline: 'root=LABEL=COS_SYSTEM' });
  expect((await resetWith(host, silent, { ...parts, openSource })).done).toBe(true);
  expect(scene().slots()).toEqual({ active: 'v1', passive: 'v1' });
  // What cannot be forgotten is overruled.
  expect(env('/state/grub_oem_env').saved_entry).toBe('cos');
  expect(env('/state/boot_assessment').kairos_reset).toBeUndefined();
});

test('a choice that cannot be written is refused', async () => {
  await expect(bootEntry(readOnly('active'), { select: 'recovery' })).rejects.toThrow('Read-only');
});
