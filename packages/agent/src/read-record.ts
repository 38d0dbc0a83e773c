import { isSystemError } from '@kairos/facts/errors';
import { diskErrors } from '@kairos/host/disk-errors';
import type { HostFiles } from '@kairos/host/host';
import type { z } from 'zod';

/** The text of a file; `undefined` where there is none or its disk does not give it back. */
export function readableText(files: HostFiles, path: string): string | undefined {
  try {
    return files.readTextIfAny(path);
  } catch (error) {
    if (isSystemError(error, ...diskErrors)) return undefined;
    throw error;
  }
}

/** A JSON file of ours; `undefined` where it is not there, cannot be read or is not what the schema says. */
export function readRecord<Schema extends z.ZodType>(
  files: HostFiles,
  path: string,
  schema: Schema,
): z.infer<Schema> | undefined {
  const text = readableText(files, path);
  if (text === undefined) return undefined;
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
