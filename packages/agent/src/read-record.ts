import type { HostFiles } from '@kairos/host/host';
import type { z } from 'zod';

/** A JSON file of ours; `undefined` where it is not there or is not what the schema says. */
export function readRecord<Schema extends z.ZodType>(
  files: HostFiles,
  path: string,
  schema: Schema,
): z.infer<Schema> | undefined {
  const text = files.readTextIfAny(path);
  if (text === undefined) return undefined;
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
