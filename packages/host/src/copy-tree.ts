import type { Host } from './host.ts';

/**
 * Copies what is in a directory into another one, with everything that the file system knows of it, staying on its file
 * system, sharing blocks where the file system can.
 * @param from path as programs see it
 * @param to a directory that is there
 * @throws KairosError `TOOL_FAILED`, `TOOL_MISSING`
 */
export async function copyTree(host: Host, from: string, to: string, signal?: AbortSignal): Promise<void> {
  await host.run(
    [
      ...(['cp', '--archive', '--one-file-system', '--reflink=auto', '--no-target-directory', '--'] as const),
      ...[`${from.replace(/\/+$/, '')}/.`, to],
    ],
    { env: { LC_ALL: 'C' }, ...(signal === undefined ? {} : { signal }) },
  );
}
