import { dirname, join } from 'node:path';
import { MiB } from '@kairos/facts/size';
import type { Workshop } from './artifact.ts';

export interface FatRequest {
  /** File in the workshop's folder. */
  readonly image: string;
  /** Bytes into the file, a multiple of 512. */
  readonly offset: number;
  /** Bytes, a multiple of 1 MiB. */
  readonly size: number;
  readonly label: string;
  /** Eight hexadecimal digits. */
  readonly volumeId: string;
  /** Default: what mkfs.vfat takes for the size. */
  readonly bits?: 16 | 32;
  /** By path in the file system. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** The directories of files, parents first, each once. */
export function directoriesOf(files: Iterable<string>): string[] {
  const directories = new Set<string>();
  const add = (directory: string) => {
    if (directory === '.' || directory === '/') return;
    add(dirname(directory));
    directories.add(directory);
  };
  for (const file of files) add(dirname(file));
  return [...directories];
}

/** MiB of a FAT file system for these files, with room for its tables; a multiple of 4, as some firmware wants it. */
export function fatSize(files: ReadonlyMap<string, Uint8Array>): number {
  const content = [...files.values()].reduce((sum, bytes) => sum + Math.ceil(bytes.length / 4096) * 4096, 0);
  return Math.ceil((content * 1.05 + 512 * 1024) / (4 * MiB)) * 4 * MiB;
}

/** Makes a FAT file system inside a file, without mounting it; same files, same bytes. */
export async function makeFat(workshop: Workshop, request: FatRequest): Promise<void> {
  const { run, host } = workshop;
  const { image, offset, size, label, volumeId, files } = request;
  await run([
    'mkfs.vfat',
    ...['--invariant', '-a', '-i', volumeId, '-n', label, '-h', String(offset / 512), '-S', '512'],
    ...(request.bits === undefined ? [] : ['-F', String(request.bits)]),
    ...(request.bits === 32 ? ['-s', '1'] : []),
    ...[`--offset=${offset / 512}`, image, String(size / 1024)],
  ]);
  const at = ['-i', offset === 0 ? image : `${image}@@${offset}`];
  const directories = directoriesOf(files.keys());
  if (directories.length > 0) await run(['mmd', ...at, ...directories.map((path) => `::/${path}`)]);
  const staging = join(workshop.folder, 'fat');
  let index = 0;
  // One by one: mcopy takes the members of a directory in whatever order the file system gives them.
  for (const [path, bytes] of files) {
    const name = String(index++);
    host.files.write(join(staging, name), bytes);
    await run(['mcopy', ...at, `fat/${name}`, `::/${path}`]);
  }
  host.files.remove(staging);
}
