import { bytesOf, textOf } from './bytes.ts';
import { Float, integer, type Value } from './value.ts';

const simpleEscapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
};
const escapeSequence = /\\(?:([0-7]{3})|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))/gsu;

/**
 * The value of a quoted string of Go, given with its quotes.
 * @throws RangeError for an escape that Go does not know
 */
export function unquote(literal: string): string {
  const quoteMark = literal[0];
  const body = literal.slice(1, -1);
  if (!body.includes('\\')) return body;
  let text = '';
  let last = 0;
  for (const match of body.matchAll(escapeSequence)) {
    const [whole, octal, hexByte, short, long, simple] = match;
    text += body.slice(last, match.index);
    last = match.index + whole.length;
    if (simple !== undefined) {
      const wrongQuote = (simple === '"' || simple === "'") && simple !== quoteMark;
      const value = wrongQuote || !Object.hasOwn(simpleEscapes, simple) ? undefined : simpleEscapes[simple];
      if (value === undefined) throw new RangeError(`${JSON.stringify(whole)} is not an escape of Go`);
      text += value;
    } else if (octal !== undefined || hexByte !== undefined) {
      const byte = octal !== undefined ? Number.parseInt(octal, 8) : Number.parseInt(hexByte ?? '', 16);
      if (byte > 0xff) throw new RangeError(`"${whole}" is more than one byte`);
      text += byte < 0x80 ? String.fromCharCode(byte) : String.fromCharCode(0xdc00 + byte);
    } else {
      const code = Number.parseInt(short ?? long ?? '', 16);
      if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        throw new RangeError(`"${whole}" is not a character`);
      }
      text += String.fromCodePoint(code);
    }
  }
  text += body.slice(last);
  // Neighbouring bytes may be one character together.
  return text.isWellFormed() ? text : textOf(bytesOf(text));
}

/**
 * The value of a character constant such as `'a'`: its code point.
 * @throws RangeError when it is not one character
 */
export function characterValue(literal: string): number {
  const characters = [...unquote(literal)];
  const [only] = characters;
  if (characters.length !== 1 || only === undefined) throw new RangeError(`${literal} is not one character`);
  const code = only.codePointAt(0) ?? 0;
  return code >= 0xdc80 && code <= 0xdcff ? code - 0xdc00 : code;
}

const decimalInteger = /^[+-]?(?:0|[1-9](?:_?\d)*)$/;
const prefixedInteger = /^([+-]?)(?:0[xX]((?:_?[\da-fA-F])+)|0[bB]((?:_?[01])+)|0[oO]?((?:_?[0-7])+))$/;
const decimalFloat = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const hexFloat = /^([+-]?)0[xX]([\da-fA-F]*)\.?([\da-fA-F]*)[pP]([+-]?\d+)$/;

/**
 * An integer as Go's strconv.ParseInt reads it with base 0: `10`, `0x1f`, `0b11`, `0o17`, `017`, `1_000`.
 * @returns undefined when the text is none, or does not fit 64 bits
 */
export function parseInteger(text: string): number | bigint | undefined {
  let value: bigint;
  if (decimalInteger.test(text)) {
    value = BigInt(text.replaceAll('_', '').replace('+', ''));
  } else {
    const match = prefixedInteger.exec(text);
    if (match === null) return undefined;
    const [, sign, hex, binary, octal] = match;
    const prefix = hex !== undefined ? '0x' : binary !== undefined ? '0b' : '0o';
    value = BigInt(prefix + (hex ?? binary ?? octal ?? '').replaceAll('_', ''));
    if (sign === '-') value = -value;
  }
  return value === BigInt.asIntN(64, value) ? integer(value) : undefined;
}

/** A floating-point number as Go writes it, undefined when the text is none or is out of range. */
export function parseFloatingPoint(text: string): number | undefined {
  const hex = hexFloat.exec(text);
  if (hex !== null) {
    const [, sign, whole = '', fraction = '', power] = hex;
    if (whole + fraction === '') return undefined;
    const mantissa = Number.parseInt(whole + fraction, 16) * 2 ** (-4 * fraction.length);
    return (sign === '-' ? -1 : 1) * mantissa * 2 ** Number(power);
  }
  if (!decimalFloat.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/**
 * The value of a number of a template.
 * @throws RangeError when it is none, or does not fit
 */
export function numberValue(text: string): Value {
  if (text.endsWith('i') && !/^[+-]?0[xX]/.test(text))
    throw new RangeError(`complex numbers such as ${text} are not supported`);
  const whole = parseInteger(text);
  if (whole !== undefined) return whole;
  if (!/[.eEpP]/.test(text)) {
    if (/^[+-]?\d[\d_]*$/.test(text) && !/^[+-]?0/.test(text))
      throw new RangeError(`${text} does not fit 64 bits`);
    throw new RangeError(
      /^[+-]?0\d/.test(text)
        ? `${text} is not a number: a leading 0 means octal`
        : `"${text}" is not a number`,
    );
  }
  const value = parseFloatingPoint(text.replace(/(?<=\d)_(?=\d)/g, ''));
  if (value === undefined) throw new RangeError(`"${text}" is not a number`);
  return new Float(value);
}
