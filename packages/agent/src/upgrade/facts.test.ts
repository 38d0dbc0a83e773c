import { expect, test } from 'bun:test';
import { slotFiles } from '@kairos/facts/slot';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';
import { failingDisk } from '../fixture-failing-disk.ts';
import { twoSlots } from '../fixture-two-slots.ts';
import { presentFiles } from './facts.ts';

const { scene } = twoSlots();
const { signal } = new AbortController();

test('a file of a cut copy that the disk does not give back is copied again', async () => {
  await scene().install('v3', 'transition');
  const image = bootFormFromDirectory(await scene().image('v3'));
  const present = (code: string) => {
    const host = failingDisk(scene().boot('active'), code, { read: /transition\/root\.img$/ });
    return presentFiles(host.files, '/state/cOS/transition', image, '', signal);
  };
  const others = [...image.files.keys()].filter(
    (name) => name !== slotFiles.root && name !== slotFiles.manifest,
  );
  expect((await present('EIO')).sort()).toEqual(others.sort());
  await expect(present('EMFILE')).rejects.toMatchObject({ code: 'EMFILE' });
});
