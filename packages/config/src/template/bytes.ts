/**
 * Go's strings are bytes, ours are UTF-16. Bytes that are no UTF-8 are carried as lone low surrogates U+DC80..U+DCFF
 * (Python's "surrogateescape"), so that `b64dec | sha256sum` is exact and nothing is replaced silently.
 */
const ascii = /^[\0-\x7f]*$/;
const encoder = new TextEncoder();
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const isAscii = (text: string): boolean => ascii.test(text);

/** The number of bytes, Go's `len`. */
export function byteLength(text: string): number {
  return isAscii(text) ? text.length : bytesOf(text).length;
}

export function bytesOf(text: string): Uint8Array {
  if (text.isWellFormed()) return encoder.encode(text);
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code >= 0xdc80 && code <= 0xdcff) bytes.push(code - 0xdc00);
    else bytes.push(...encoder.encode(character));
  }
  return Uint8Array.from(bytes);
}

export function textOf(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return decodeBroken(bytes);
  }
}

/** The length of the UTF-8 sequence that a lead byte announces, 0 where it cannot begin one. */
function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf5 ? 4 : 0;
}

function decodeBroken(bytes: Uint8Array): string {
  const parts: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0;
    const length = sequenceLength(byte);
    const sequence = bytes.subarray(at, at + length);
    let decoded: string | undefined;
    if (length > 0 && sequence.length === length) {
      try {
        decoded = strict.decode(sequence);
      } catch {
        decoded = undefined;
      }
    }
    parts.push(decoded ?? String.fromCharCode(0xdc00 + byte));
    at += decoded === undefined ? 1 : length;
  }
  return parts.join('');
}

/** `text[start:end]` in bytes; the bounds must be in range. */
export function sliceBytes(text: string, start: number, end: number): string {
  return isAscii(text) ? text.slice(start, end) : textOf(bytesOf(text).subarray(start, end));
}
