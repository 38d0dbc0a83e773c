import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootableSlots } from '@kairos/agent/boot/choice';
import { installWith } from '@kairos/agent/commands/install';
import { readSlot } from '@kairos/agent/slots/view';
import { openImageSource } from '@kairos/agent/sources/image-source';
import { slotDirectory } from '@kairos/facts/slot';
import { directoryHost } from '@kairos/host/directory';
import { executable } from '../images.ts';
import { LoopDisk, machineWithVfat } from '../loop-disk.ts';
import type { Verdict } from './boot-check.ts';
import { runOnNode } from './node-namespace.ts';
import { diskSize, imageFolder, type Session } from './session.ts';
import { imageOf, installConfig, type Operation } from './session-script.ts';

type Slots = Record<string, string>;

/** Looks into a partition that is mounted meanwhile, read-only. */
async function inside<T>(device: string, look: (root: string) => Promise<T>): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), 'look-'));
  const { exitCode, stderr } = Bun.spawnSync(['mount', '-o', 'ro', device, root]);
  try {
    if (exitCode !== 0) throw new Error(`${device}: ${stderr}`);
    return await look(root);
  } finally {
    Bun.spawnSync(['umount', root]);
    rmdirSync(root);
  }
}

/** Versions of the slots of a disk of which Linux reads every byte right. */
export async function wholeSlots(disk: LoopDisk): Promise<Slots> {
  const on = (partition: number, where: 'state' | 'recovery') =>
    inside(disk.partition(partition), async (root) => {
      const { files } = directoryHost(root);
      const [state, recovery] = where === 'state' ? ['', undefined] : ['/nothing', ''];
      return (await bootableSlots(files, state, recovery)).map((slot): [string, string] => [
        slot,
        readSlot(files, slotDirectory(slot))?.manifest.version ?? '',
      ]);
    });
  return Object.fromEntries([...(await on(5, 'state')), ...(await on(4, 'recovery'))]);
}

async function installAgain(disk: LoopDisk, folder: string): Promise<void> {
  const config = join(folder, 'config.yaml');
  writeFileSync(config, installConfig);
  await installWith(
    machineWithVfat(),
    {
      source: `dir:${imageFolder('v1')}`,
      device: disk.device,
      configFile: config,
      unattended: false,
      onProgress: () => undefined,
    },
    { openSource: openImageSource, runStage: async () => undefined },
  );
}

/**
 * Does an operation again on a disk on which it was cut off, as the system that starts from it would, and gives the
 * slots afterwards. `image` is the disk as a file; it stays as it is.
 */
export async function runAgain(
  image: string,
  operation: Operation,
  { runs: boots, notInstalled }: Verdict,
  session: Session,
): Promise<Slots> {
  const folder = mkdtempSync(join(tmpdir(), 'again-'));
  try {
    using disk = new LoopDisk(folder, diskSize, image);
    if (operation === 'install') {
      // A node that has come as far as to start is installed.
      if (notInstalled) await installAgain(disk, folder);
      return await wholeSlots(disk);
    }
    const rootHash = boots && session.rootHashes[boots.version];
    if (!rootHash) throw new Error(`nothing starts from ${image}`);
    const source = imageOf[operation];
    // A rollback that has changed the slots is done; another one would go back again.
    const done = operation === 'rollback' && boots.version === 'v2';
    // A reset that has begun starts by itself; one that is done, or has not come so far as to begin, does not.
    const reset = operation === 'reset';
    if (!done && !(reset && boots.version === 'v3' && boots.slot === 'active')) {
      const upgrade = ['upgrade', '--source', `dir:${imageFolder(source ?? '')}`];
      const verb = {
        ...{
          upgrade,
          'second upgrade': upgrade,
          'cut upgrade': upgrade,
          'recovery upgrade': [...upgrade, '--recovery'],
        },
        ...{ rollback: ['rollback'], reset: ['reset', '--unattended'] },
      }[operation];
      const slot = reset ? 'recovery' : boots.slot;
      const hash = reset ? session.rootHashes.v3 : rootHash;
      const node = { device: disk.device, slot, reset, rootHash: hash ?? '', work: folder };
      const { code, output } = await runOnNode(node, [executable, 'agent', ...verb]);
      if (code !== 0) throw new Error(`${verb.join(' ')} exited with ${code}:\n${output}`);
    }
    return await wholeSlots(disk);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
