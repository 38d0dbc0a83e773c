import { createCipheriv, createDecipheriv, randomBytes, randomInt, randomUUID } from 'node:crypto';
import { bytesOf, textOf } from '../bytes.ts';
import { TemplateFailure } from '../failure.ts';
import { type TemplateFunction, takes } from '../function.ts';
import type { Run } from '../run.ts';
import { characters } from '../text.ts';

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const digits = '0123456789';
const printableAscii = String.fromCharCode(...Array.from({ length: 95 }, (_, index) => 32 + index));

function checkCount(run: Run, count: number): void {
  if (count < 0) throw new TemplateFailure(`a count of ${count} is negative`);
  run.spendText(count * 4);
}

/** Characters of the alphabet, each equally likely, from the system's secure source. */
const from = (alphabet: string): TemplateFunction =>
  takes(['int'], (run, count) => {
    checkCount(run, count);
    // A byte beyond the last whole multiple of the alphabet is thrown away: it would favour the first characters.
    const usable = 256 - (256 % alphabet.length);
    let text = '';
    while (text.length < count) {
      for (const byte of randomBytes(Math.min(65536, (count - text.length) * 2))) {
        if (byte < usable && text.length < count) text += alphabet[byte % alphabet.length];
      }
    }
    return text;
  });

function shuffle(text: string): string {
  const all = characters(text);
  for (let index = all.length - 1; index > 0; index--) {
    const other = randomInt(index + 1);
    [all[index], all[other]] = [all[other] ?? '', all[index] ?? ''];
  }
  return all.join('');
}

/** Sprig takes the password itself as the key, cut or filled with zeros to 32 bytes. */
function keyOf(password: string): Uint8Array {
  const key = new Uint8Array(32);
  key.set(bytesOf(password).subarray(0, 32));
  return key;
}

function encrypt(password: string, text: string): string {
  if (text === '') return '';
  const vector = randomBytes(16);
  const cipher = createCipheriv('aes-256-cbc', keyOf(password), vector);
  return Buffer.concat([vector, cipher.update(bytesOf(text)), cipher.final()]).toString('base64');
}

function decrypt(password: string, encoded: string): string {
  if (encoded === '') return '';
  const bytes = Buffer.from(encoded, 'base64');
  try {
    const decipher = createDecipheriv('aes-256-cbc', keyOf(password), bytes.subarray(0, 16));
    return textOf(Buffer.concat([decipher.update(bytes.subarray(16)), decipher.final()]));
  } catch {
    throw new TemplateFailure(
      'the text does not decrypt: the password is another one, or the text is damaged',
    );
  }
}

/** Random values and encryption. */
export const randomFunctions: Readonly<Record<string, TemplateFunction>> = {
  decryptAES: takes(['string', 'string'], (_, password, encoded) => decrypt(password, encoded)),
  encryptAES: takes(['string', 'string'], (_, password, text) => encrypt(password, text)),
  randAlpha: from(letters),
  randAlphaNum: from(letters + digits),
  randAscii: from(printableAscii),
  randBytes: takes(['int'], (run, count) => {
    checkCount(run, count);
    return randomBytes(count).toString('base64');
  }),
  randNumeric: from(digits),
  shuffle: takes(['string'], (run, text) => {
    run.spend(text.length * 8);
    return shuffle(text);
  }),
  uuidv4: takes([], () => randomUUID()),
};
