import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { isSystemError, KairosError, reasonOf } from '@kairos/facts/errors';
import { didYouMean } from '@kairos/facts/suggest';
import { checkOutputFile, outputNotWritable } from '@kairos/host/output-file';
import { openImage } from './open-image.ts';

function openTemporary(temporary: string, output: string): number {
  try {
    return openSync(temporary, 'w');
  } catch (error) {
    throw outputNotWritable(output, error);
  }
}

async function print(content: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of content) {
    for (let at = 0; at < chunk.length; ) at += writeSync(1, chunk, at, chunk.length - at);
  }
}

/**
 * Copies a file of an image's boot form; it has its name only when the whole is there and right. `-` is standard
 * output.
 * @throws KairosError `FILE_NOT_FOUND`, `OUTPUT_*`, `NO_SPACE`, and what opening the image throws
 */
export async function extractFile(image: string, name: string, output: string): Promise<void> {
  const form = await openImage(image);
  if (!form.files.has(name)) {
    const near = didYouMean(name, form.files.keys());
    throw new KairosError('FILE_NOT_FOUND', `${image} has no file ${name}`, {
      exit: 'notFound',
      hint: near ? `Did you mean ${near}?` : `It has ${[...form.files.keys()].join(', ')}`,
    });
  }
  if (output === '-') return print(form.open(name));
  checkOutputFile(output);
  const temporary = `${output}.${process.pid}.tmp`;
  const descriptor = openTemporary(temporary, output);
  try {
    for await (const chunk of form.open(name)) {
      for (let at = 0; at < chunk.length; ) at += writeSync(descriptor, chunk, at, chunk.length - at);
    }
    fsyncSync(descriptor);
    renameSync(temporary, output);
  } catch (error) {
    rmSync(temporary, { force: true });
    if (!isSystemError(error, 'ENOSPC', 'EDQUOT')) throw error;
    throw new KairosError('NO_SPACE', `Not enough space for ${output}: ${reasonOf(error)}`, {
      exit: 'noSpace',
      hint: 'Make room or give another output folder',
      cause: error,
    });
  } finally {
    closeSync(descriptor);
  }
}
