import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

/**
 * Does the action only if its inputs, or the existence of its output, changed since it was last completed.
 * Gives whether it was done.
 */
export async function unlessDone(
  output: string,
  inputs: readonly string[],
  action: () => Promise<unknown>,
): Promise<boolean> {
  const key = createHash('sha256').update(JSON.stringify(inputs)).digest('hex');
  const stamp = `${output}.inputs`;
  if (existsSync(output) && existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return false;
  rmSync(stamp, { force: true });
  await action();
  writeFileSync(stamp, key);
  return true;
}

/** SHA-256 of a file, hexadecimal. */
export function digestOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
