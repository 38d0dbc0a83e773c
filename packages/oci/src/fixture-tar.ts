import { entryContent, readTar, type TarEntry } from './tar-read.ts';
import { entryHeader, type TarWriteEntry } from './tar-write.ts';

/** Bytes as a stream of small pieces. */
export async function* pieces(bytes: Uint8Array, size = 700): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** A block that begins with a text. */
export const block = (text: string) => {
  const bytes = Buffer.alloc(512);
  bytes.write(text, 'latin1');
  return bytes;
};
/** Bytes, filled up to whole blocks. */
export const padded = (bytes: Uint8Array) =>
  Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
/** What ends an archive. */
export const endMark = Buffer.alloc(1024);

/** A header with fields overwritten and the checksum made right again. */
export function header(
  entry: Partial<TarWriteEntry>,
  patches: readonly (readonly [number, string | Uint8Array])[] = [],
) {
  const bytes = entryHeader({ path: 'file', type: 'file', mode: 0o644, modified: 1, size: 0, ...entry });
  const last = bytes.subarray(bytes.length - 512);
  for (const [offset, value] of patches) last.set(Buffer.from(value as string, 'latin1'), offset);
  last.fill(0x20, 148, 156);
  last.write(
    `${last
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
    'latin1',
  );
  return bytes;
}

/** An extended header; the flag `g` makes it a global one. */
export function pax(records: Readonly<Record<string, string>>, flag = 'x'): Buffer {
  const body = Buffer.concat(
    Object.entries(records).map(([key, value]) => {
      let length = Buffer.byteLength(` ${key}=${value}\n`);
      length +=
        String(length).length === String(length + String(length).length).length
          ? String(length).length
          : String(length).length + 1;
      return Buffer.from(`${length} ${key}=${value}\n`);
    }),
  );
  return Buffer.concat([header({ size: body.length }, [[156, flag]]), padded(body)]);
}

/** Reads an archive to its end, each entry with its content. */
export async function read(
  ...parts: Uint8Array[]
): Promise<(Omit<TarEntry, 'segments' | 'takeBuffered' | 'position'> & { content: string })[]> {
  const found = [];
  for await (const entry of readTar(pieces(Buffer.concat(parts)), { name: 'a.tar' })) {
    const content = Buffer.from(await entryContent(entry, 1 << 20)).toString('latin1');
    const { segments, takeBuffered, position, ...rest } = entry;
    found.push({ ...rest, content });
  }
  return found;
}
