import { createHash } from 'node:crypto';

/** A UUID (RFC 9562, version 8) that a seed alone decides about. */
export function seededUuid(seed: string, purpose: string): string {
  const bytes = createHash('sha256').update(`${purpose}\n${seed}`).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** 32 bytes in hexadecimal digits that a seed alone decides about. */
export function seededHex(seed: string, purpose: string): string {
  return createHash('sha256').update(`${purpose}\n${seed}`).digest('hex');
}
