import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { throwIfStopped } from '@kairos/host/streams';

/** Compressions of an initrd, best first. */
export const compressions = ['zstd', 'xz', 'gzip'] as const;
export type Compression = (typeof compressions)[number];

/** The kernel's switch for unpacking each. */
const switches: Readonly<Record<Compression, string>> = {
  zstd: 'CONFIG_RD_ZSTD',
  xz: 'CONFIG_RD_XZ',
  gzip: 'CONFIG_RD_GZIP',
};

/**
 * A compression that the kernel can unpack. Where its config is not known, gzip, which every distribution's can.
 * @param config the text of the kernel's `.config`
 * @throws KairosError `COMPRESSION_UNSUPPORTED`
 */
export function chooseCompression(config: string | undefined, wanted?: Compression): Compression {
  if (config === undefined) return wanted ?? 'gzip';
  const lines = new Set(config.split('\n'));
  const supported = compressions.filter((each) => lines.has(`${switches[each]}=y`));
  const chosen = wanted === undefined ? supported[0] : supported.find((each) => each === wanted);
  if (chosen !== undefined) return chosen;
  throw new KairosError(
    'COMPRESSION_UNSUPPORTED',
    `The kernel cannot unpack an initrd compressed with ${wanted ?? 'any of zstd, xz, gzip'}`,
    {
      hint:
        supported.length > 0
          ? `Use ${supported.join(' or ')}.`
          : `The kernel needs one of ${compressions.map((each) => switches[each]).join(', ')}.`,
      exit: 'unsuitableImage',
    },
  );
}

const gzipInBackground = promisify(gzip);

/** What `work` gives, or an error as soon as the run is stopped: what goes on in another thread is left to itself. */
async function unlessStopped<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (signal === undefined) return work;
  throwIfStopped(signal);
  const stopped = Promise.withResolvers<never>();
  const stop = () => {
    try {
      throwIfStopped(signal);
    } catch (error) {
      stopped.reject(error);
    }
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([work, stopped.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/**
 * Compresses an archive; the same bytes give the same bytes. `work` is a directory for passing files to xz. It takes
 * seconds, in another thread or program, so that the process sees a Ctrl-C and the ends of other programs meanwhile.
 * @throws KairosError `INTERRUPTED`
 */
export async function compressArchive(
  host: Host,
  archive: Uint8Array,
  compression: Compression,
  work: string,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  if (compression === 'zstd') {
    return unlessStopped(signal, Bun.zstdCompress(new Uint8Array(archive), { level: 22 }));
  }
  if (compression === 'gzip') return unlessStopped(signal, gzipInBackground(archive, { level: 9 }));
  const file = `${work}/archive`;
  host.files.write(file, archive);
  // The kernel's decoder knows no other check.
  await host.run(['xz', '--check=crc32', '-9', '--threads=1', '--force', host.files.real(file)], {
    ...(signal === undefined ? {} : { signal }),
  });
  return host.files.readBytes(`${file}.xz`);
}

/**
 * Decompresses files by the suffix of their names (`.xz`, `.zst`, `.gz`; others are given as they are), in the order
 * asked for. All `.xz` files go through one process.
 * @throws KairosError `TOOL_MISSING` or `TOOL_FAILED` for xz, `DECOMPRESSION_FAILED`
 */
export async function readDecompressed(
  host: Host,
  sources: readonly string[],
  work: string,
): Promise<Uint8Array[]> {
  const { files } = host;
  const xz = sources.flatMap((source, index) => (source.endsWith('.xz') ? [{ source, index }] : []));
  if (xz.length > 0) {
    files.makeDirectory(work);
    // xz writes beside what it reads, and the root must stay as it is: links in a directory of our own.
    for (const { source, index } of xz) files.symlink(files.real(source), `${work}/${index}.xz`);
    await host.run([
      'xz',
      '--decompress',
      '--keep',
      '--force',
      ...xz.map(({ index }) => files.real(`${work}/${index}.xz`)),
    ]);
  }
  return sources.map((source, index) => {
    if (source.endsWith('.xz')) return files.readBytes(`${work}/${index}`);
    const bytes = files.readBytes(source);
    try {
      if (source.endsWith('.zst')) return Bun.zstdDecompressSync(new Uint8Array(bytes));
      if (source.endsWith('.gz')) return Bun.gunzipSync(new Uint8Array(bytes));
    } catch (cause) {
      throw new KairosError('DECOMPRESSION_FAILED', `Cannot decompress ${source} (${bytes.length} bytes)`, {
        cause,
        exit: 'corruptSource',
      });
    }
    return bytes;
  });
}
