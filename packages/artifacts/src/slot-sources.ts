import { join, resolve } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import { MiB } from '@kairos/facts/size';
import { slotFiles } from '@kairos/facts/slot';
import type { Host } from '@kairos/host/host';
import { throwIfStopped, writeStream } from '@kairos/host/streams';
import type { BootForm } from '@kairos/oci/boot-form';
import type { ArtifactOptions } from './artifact.ts';

/** Bytes of all files of a slot. */
export function slotSize(form: BootForm): number {
  return [...form.files.values()].reduce((sum, size) => sum + size, 0);
}

/**
 * Names of a slot's files, sorted; each is a plain name.
 * @throws KairosError `SLOT_INCOMPLETE`, `SLOT_FILE_NAME` (exit `corruptSource`)
 */
export function slotNames(form: BootForm): string[] {
  const missing = Object.values(slotFiles).filter((name) => !form.files.has(name));
  if (missing.length > 0) {
    throw new KairosError('SLOT_INCOMPLETE', `${form.source} has no ${missing.join(', ')}`, {
      exit: 'corruptSource',
      hint: 'Build the OS image again',
    });
  }
  const names = [...form.files.keys()].sort();
  const odd = names.find((name) => !/^\w[\w.-]{0,99}$/.test(name));
  if (odd !== undefined) {
    throw new KairosError('SLOT_FILE_NAME', `${form.source} has a file named ${JSON.stringify(odd)}`, {
      exit: 'corruptSource',
      hint: 'Names in a slot are letters, digits, dots, dashes and underscores',
    });
  }
  return names;
}

/** Bytes that {@link gatherSlot} writes: of files that are not files of their own where they are. */
export function gatheredSize(form: BootForm): number {
  return [...form.files].reduce((sum, [name, size]) => sum + (form.path?.(name) === undefined ? size : 0), 0);
}

/**
 * Checks every file of a slot against its digest and gives each a name in `folder`: a symbolic link to where it lies,
 * or, where it lies in an archive or a registry, a copy.
 *
 * @throws KairosError what {@link BootForm.open} throws, `NO_SPACE`, `INTERRUPTED`
 */
export async function gatherSlot(
  host: Host,
  form: BootForm,
  folder: string,
  options: Pick<ArtifactOptions, 'onProgress' | 'signal' | 'epoch'>,
): Promise<void> {
  const { signal, onProgress } = options;
  const total = slotSize(form);
  let done = 0;
  let told = 0;
  const count = (bytes: number) => {
    done += bytes;
    if (done - told < 4 * MiB && done !== total) return;
    told = done;
    onProgress?.({ step: 'image', done, total });
  };
  for (const name of slotNames(form)) {
    const path = form.path?.(name);
    if (path === undefined) {
      const stop = signal === undefined ? {} : { signal };
      await writeStream(host.files, join(folder, name), form.open(name), { ...stop, onBytes: count });
      continue;
    }
    for await (const chunk of form.open(name)) {
      throwIfStopped(signal);
      count(chunk.length);
    }
    host.files.symlink(resolve(path), join(folder, name));
  }
}
