import { KairosError } from '@kairos/facts/errors';
import { slotFiles } from '@kairos/facts/slot';

/**
 * Refuses an image that lacks a file of a slot, or has one whose name could lead elsewhere.
 * @throws KairosError `SLOT_INCOMPLETE`, `SLOT_FILE_NAME`
 */
export function checkSlotFiles(source: string, files: ReadonlyMap<string, number>): void {
  const missing = Object.values(slotFiles).filter((name) => !files.has(name));
  if (missing.length > 0) {
    throw new KairosError('SLOT_INCOMPLETE', `${source} has no ${missing.join(', ')}`, {
      exit: 'unsuitableImage',
      hint: 'Build the OS image again, or give another with --source',
    });
  }
  const odd = [...files.keys()].find((name) => !/^\w[\w.-]{0,99}$/.test(name));
  if (odd !== undefined) {
    throw new KairosError('SLOT_FILE_NAME', `${source} has a file named ${JSON.stringify(odd)}`, {
      exit: 'corruptSource',
    });
  }
}
