import { renderUnicodeCompact } from 'uqr';

/** Characters that the largest QR code holds at the level of correction used here (ISO/IEC 18004, version 40 L). */
const capacity = 2953;

/** A text as a QR code of half blocks, or as it is where no QR code holds it. */
export function qrCode(text: string): string {
  if (Buffer.byteLength(text) > capacity) return `${text}\n`;
  return `${renderUnicodeCompact(text, { ecc: 'L', border: 2 })}\n`;
}
