import { createHash } from 'node:crypto';

function bytesFor(seed: string, name: string): Buffer {
  return createHash('sha256').update(`kairos artifact\0${seed}\0${name}`).digest();
}

/**
 * A UUID that depends on the seed and the name only, so that the same image gives the same artifact (RFC 9562,
 * version 8).
 */
export function uuidFor(seed: string, name: string): string {
  const bytes = bytesFor(seed, name);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}

/** The volume id of a FAT file system: eight hexadecimal digits. */
export function volumeIdFor(seed: string, name: string): string {
  return bytesFor(seed, name).toString('hex').slice(0, 8);
}
