import { afterEach, beforeEach, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { editGrubEnvironment } from '@kairos/host/fixture-grub-environment';
import { readGrubEnvironment } from '@kairos/host/grub-environment';
import { installedScene, type Scene, sceneFolder } from '../node-scene.ts';
import { formatResetJournal, readResetJournal } from '../reset/journal.ts';
import { cancelReset, resetStatus } from './reset-status.ts';

let folder: string;
let scene: Scene;
beforeEach(async () => {
  folder = sceneFolder();
  scene = await installedScene(folder, { active: 'v2', passive: 'v2', recovery: 'v1' });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const quiet = () => undefined;
const journal = formatResetJournal({
  ...{ schemaVersion: 1, status: 'running', begun: true, started: '2026-01-02T03:04:05Z', finished: null },
  wish: {
    ...{ resetPersistent: true, resetOem: false, source: null, entryName: null, tries: 3 },
    after: 'reboot',
  },
  ...{ formatted: [], failure: null, record: null },
});

test.each([
  ['cannot be mounted', true],
  ['was made anew and is empty', false],
])('a reset that was cut off while COS_STATE %s is told and can be given up', async (_, damaged) => {
  const { files } = scene.boot('active');
  editGrubEnvironment(files, '/recovery/boot_assessment', { kairos_reset: '2' });
  files.write('/recovery/reset.json', journal);
  const boot = () =>
    scene.boot('recovery', {
      cmdline: 'root=LABEL=COS_SYSTEM',
      onMount({ source }) {
        if (damaged && source === '/dev/vda5') throw new Error('bad superblock');
      },
    });
  expect(await resetStatus(boot(), quiet)).toMatchObject({ status: 'unfinished', triesLeft: 2 });
  expect(await cancelReset(boot(), quiet)).toBe(true);
  // Else the boot loader would start it again, from the menu on the partition of recovery.
  expect(readGrubEnvironment(files, '/recovery/boot_assessment')).toEqual({});
  expect(readResetJournal(files, '/recovery/reset.json')?.failure?.code).toBe('CANCELLED');
  expect(await cancelReset(boot(), quiet)).toBe(false);
});
