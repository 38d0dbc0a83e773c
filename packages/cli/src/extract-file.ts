import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { KairosError } from '@kairos/facts/errors';
import { didYouMean } from '@kairos/facts/suggest';
import { openImage } from './open-image.ts';

/** Copies a file of an image's boot form; it has its name only when the whole is there and right. */
export async function extractFile(image: string, name: string, output: string): Promise<void> {
  const form = await openImage(image);
  if (!form.files.has(name)) {
    const near = didYouMean(name, form.files.keys());
    throw new KairosError('FILE_NOT_FOUND', `${image} has no file ${name}`, {
      exit: 'notFound',
      hint: near ? `Did you mean ${near}?` : `It has ${[...form.files.keys()].join(', ')}`,
    });
  }
  const temporary = `${output}.${process.pid}.tmp`;
  const descriptor = openSync(temporary, 'w');
  try {
    for await (const chunk of form.open(name)) {
      for (let at = 0; at < chunk.length; ) at += writeSync(descriptor, chunk, at, chunk.length - at);
    }
    fsyncSync(descriptor);
    renameSync(temporary, output);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
}
