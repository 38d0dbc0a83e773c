import { createHash } from 'node:crypto';
import { bytesOf, textOf } from '../bytes.ts';
import { TemplateFailure } from '../failure.ts';
import { type TemplateFunction, takes, takesMany } from '../function.ts';
import { decodeJson, encodeJson } from '../json.ts';
import { printAll } from '../print.ts';
import { isPrintable } from '../quote.ts';
import type { Run } from '../run.ts';
import type { Value } from '../value.ts';

const base32Alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function base32Encode(bytes: Uint8Array): string {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
  const groups = bits.match(/.{1,5}/g) ?? [];
  const text = groups.map((group) => base32Alphabet[Number.parseInt(group.padEnd(5, '0'), 2)]).join('');
  return text.padEnd(Math.ceil(text.length / 8) * 8, '=');
}

/** RFC 4648 section 6; line breaks are skipped as Go does. */
function base32Decode(text: string): string {
  const compact = text.replace(/[\r\n]/g, '');
  const data = compact.replace(/=+$/, '');
  const wrong = [...data].find((character) => !base32Alphabet.includes(character));
  if (compact.length % 8 !== 0 || wrong !== undefined || [1, 3, 6].includes(data.length % 8)) {
    throw new TemplateFailure('the text is not base32');
  }
  const bits = [...data]
    .map((character) => base32Alphabet.indexOf(character).toString(2).padStart(5, '0'))
    .join('');
  const bytes = (bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2));
  return textOf(Uint8Array.from(bytes));
}

/** RFC 4648 section 4. Node's decoder takes anything, so the alphabet and the padding are checked here. */
function base64Decode(text: string): string {
  const compact = text.replace(/[\r\n]/g, '');
  if (compact.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(compact)) {
    throw new TemplateFailure(
      `the text of ${text.length} characters is not base64`,
      /^[A-Za-z0-9_-]+$/.test(compact) ? 'Is it base64url, or is the padding with = missing?' : undefined,
    );
  }
  return textOf(Buffer.from(compact, 'base64'));
}

const digest = (algorithm: string): TemplateFunction =>
  takes(['string'], (run, text) => {
    run.spend(text.length);
    return createHash(algorithm).update(bytesOf(text)).digest('hex');
  });

/** RFC 1950 section 8.2. */
function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return b * 65536 + a;
}

const htmlEscapes: Readonly<Record<string, string>> = {
  '"': '&#34;',
  "'": '&#39;',
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '\0': '\ufffd',
};

const scriptEscapes: Readonly<Record<string, string>> = { '\\': '\\\\', "'": "\\'", '"': '\\"' };

function escapeScript(text: string): string {
  return text.replace(/[\\'"<>&=\0-\x1f\x80-\u{10ffff}]/gu, (character) => {
    const escaped = scriptEscapes[character];
    if (escaped !== undefined) return escaped;
    if (character > '\x7f' && isPrintable(character)) return character;
    return `\\u${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
  });
}

/** Go's url.QueryEscape: everything but `A-Za-z0-9-_.~`, a space as plus. */
export function escapeQuery(text: string): string {
  return Array.from(bytesOf(text), (byte) => {
    const character = String.fromCharCode(byte);
    if (/[A-Za-z0-9\-_.~]/.test(character)) return character;
    return character === ' ' ? '+' : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}

/** What is not there is escaped as an action would write it. */
const printEscaped = (values: readonly Value[], run: Run): string =>
  printAll(
    values.map((value) => value ?? '<no value>'),
    run,
  );

const fromJson = takes(['string'], (run, text) => {
  run.spend(text.length);
  return decodeJson(text) ?? null;
});
const mustFromJson = takes(['string'], (run, text) => {
  run.spend(text.length);
  const value = decodeJson(text);
  if (value === undefined) throw new TemplateFailure('the text is not JSON');
  return value;
});
const toJson = takes(['any'], (run, value) => encodeJson(value, run));
const toPrettyJson = takes(['any'], (run, value) => encodeJson(value, run, { indent: 2 }));
const toRawJson = takes(['any'], (run, value) => encodeJson(value, run, { raw: true }));

export const encodingFunctions: Readonly<Record<string, TemplateFunction>> = {
  adler32sum: takes(['string'], (run, text) => {
    run.spend(text.length);
    return String(adler32(bytesOf(text)));
  }),
  b32dec: takes(['string'], (run, text) => {
    run.spendText(text.length * 8);
    return base32Decode(text);
  }),
  b32enc: takes(['string'], (run, text) => {
    run.spendText(text.length * 8);
    return base32Encode(bytesOf(text));
  }),
  b64dec: takes(['string'], (_, text) => base64Decode(text)),
  b64enc: takes(['string'], (_, text) => Buffer.from(bytesOf(text)).toString('base64')),
  fromJson,
  html: takesMany([], 'any', (run, ...values) =>
    printEscaped(values, run).replace(/["'&<>\0]/g, (character) => htmlEscapes[character] ?? character),
  ),
  js: takesMany([], 'any', (run, ...values) => escapeScript(printEscaped(values, run))),
  mustFromJson,
  mustToJson: toJson,
  mustToPrettyJson: toPrettyJson,
  mustToRawJson: toRawJson,
  sha1sum: digest('sha1'),
  sha256sum: digest('sha256'),
  sha512sum: digest('sha512'),
  toJson,
  toPrettyJson,
  toRawJson,
  urlquery: takesMany([], 'any', (run, ...values) => escapeQuery(printEscaped(values, run))),
};
