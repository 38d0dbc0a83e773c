import { byteLength, bytesOf } from './bytes.ts';
import { toExponential, toFixed } from './float-digits.ts';
import { nested, print, printFloat } from './print.ts';
import { isPrintable, quote, quoteCharacter } from './quote.ts';
import type { Run } from './run.ts';
import { characters, upper } from './text.ts';
import { Callable, Float, isDict, isInteger, Struct, sortedKeys, typeOf, type Value } from './value.ts';

/** Go refuses wider fields, too (`%!(BADWIDTH)`). */
const maximumWidth = 1_000_000;

interface Directive {
  readonly verb: string;
  readonly minus: boolean;
  readonly plus: boolean;
  readonly sharp: boolean;
  readonly space: boolean;
  readonly zero: boolean;
  readonly width: number | undefined;
  readonly precision: number | undefined;
}

const directivePattern =
  /%([-+# 0]*)(?:\[(\d+)\])?(\*|\d+)?(?:(\.)(?:\[(\d+)\])?(\*|\d*))?(?:\[(\d+)\])?(.|$)/gsu;

/**
 * Go's fmt.Sprintf. Mistakes do not fail but show in the text as Go writes them: `%!d(string=x)`, `%!s(MISSING)`,
 * `%!(EXTRA int=1)`.
 */
export function format(layout: string, values: readonly Value[], run: Run): string {
  let next = 0;
  let reordered = false;
  let length = 0;
  const jump = (index: string | undefined): void => {
    if (index === undefined) return;
    reordered = true;
    next = Number(index) - 1;
  };
  const count = (text: string | undefined): { value: number | undefined; bad: boolean } => {
    if (text === undefined) return { value: undefined, bad: false };
    if (text !== '*') return { value: Number(text), bad: Number(text) > maximumWidth };
    const value = values[next++];
    const fits = typeof value === 'number' && Math.abs(value) <= maximumWidth;
    return fits ? { value, bad: false } : { value: undefined, bad: true };
  };
  const result = layout.replace(
    directivePattern,
    (_whole, flags: string, index1, widthText, dot, index2, precisionText, index3, verb: string) => {
      let notes = '';
      jump(index1);
      const width = count(widthText);
      if (width.bad) notes += '%!(BADWIDTH)';
      jump(index2);
      const precision = dot === undefined ? undefined : count(precisionText === '' ? '0' : precisionText);
      if (precision?.bad) notes += '%!(BADPREC)';
      jump(index3);
      if (verb === '') return `${notes}%!(NOVERB)`;
      if (verb === '%') return `${notes}%`;
      if (next < 0 || (reordered && next >= values.length)) return `${notes}%!${verb}(BADINDEX)`;
      if (next >= values.length) return `${notes}%!${verb}(MISSING)`;
      const minus = flags.includes('-') || (width.value ?? 0) < 0;
      const text = formatValue(
        values[next++],
        {
          verb,
          minus,
          plus: flags.includes('+'),
          sharp: flags.includes('#'),
          space: flags.includes(' '),
          zero: flags.includes('0') && !minus,
          width: width.bad || width.value === undefined ? undefined : Math.abs(width.value),
          precision:
            precision === undefined || precision.bad || (precision.value ?? 0) < 0
              ? undefined
              : precision.value,
        },
        run,
        0,
      );
      length += text.length;
      run.spendText(length);
      return notes + text;
    },
  );
  if (reordered || next >= values.length) return result;
  const extra = values.slice(next).map((value) => withType(value, run));
  return `${result}%!(EXTRA ${extra.join(', ')})`;
}

const withType = (value: Value, run: Run): string =>
  value === undefined || value === null ? '<nil>' : `${typeOf(value)}=${print(value, run)}`;

const bad = (value: Value, { verb }: Directive, run: Run): string => `%!${verb}(${withType(value, run)})`;

function formatValue(value: Value, directive: Directive, run: Run, depth: number): string {
  const { verb } = directive;
  if (verb === 'T') return pad(typeOf(value), directive);
  if (value === undefined || value === null) {
    // Inside of a list or map, Go shows nil for every verb.
    return verb === 'v' || depth > 0 ? pad('<nil>', directive) : bad(value, directive, run);
  }
  if (verb === 'v' && directive.sharp) return literal(value, run, depth);
  if (typeof value === 'boolean') {
    return verb === 't' || verb === 'v' ? pad(String(value), directive) : bad(value, directive, run);
  }
  if (isInteger(value)) return formatInteger(value, directive, run);
  if (value instanceof Float) return formatFloat(value, directive, run);
  if (typeof value === 'string') return formatText(value, directive) ?? bad(value, directive, run);
  if (Array.isArray(value)) {
    const parts = nested(value.length, depth, run, () =>
      value.map((element) => formatValue(element, directive, run, depth + 1)),
    );
    return `[${parts.join(' ')}]`;
  }
  if (isDict(value)) {
    const parts = nested(value.size, depth, run, () =>
      sortedKeys(value).map(
        (key) =>
          `${formatText(key, directive) ?? bad(key, directive, run)}:${formatValue(value.get(key), directive, run, depth + 1)}`,
      ),
    );
    return `map[${parts.join(' ')}]`;
  }
  if (value instanceof Callable) return bad(value, directive, run);
  return formatText(value.toText(), directive) ?? bad(value.toText(), directive, run);
}

/** `%#v`: as the value would be written in Go. */
function literal(value: Value, run: Run, depth: number): string {
  if (value === undefined || value === null) return 'interface {}(nil)';
  if (typeof value === 'string') return quote(value);
  if (Array.isArray(value)) {
    const parts = nested(value.length, depth, run, () =>
      value.map((element) => literal(element, run, depth + 1)),
    );
    return `[]interface {}{${parts.join(', ')}}`;
  }
  if (isDict(value)) {
    const parts = nested(value.size, depth, run, () =>
      sortedKeys(value).map((key) => `${quote(key)}:${literal(value.get(key), run, depth + 1)}`),
    );
    return `map[string]interface {}{${parts.join(', ')}}`;
  }
  return value instanceof Struct ? quote(value.toText()) : print(value, run);
}

function formatText(text: string, directive: Directive): string | undefined {
  const { verb, precision, sharp } = directive;
  const cut = precision === undefined ? text : characters(text).slice(0, precision).join('');
  switch (verb) {
    case 's':
    case 'v':
      return pad(cut, directive);
    case 'q':
      return pad(sharp && !/[`\p{Cc}]/u.test(cut) ? `\`${cut}\`` : quote(cut, directive.plus), directive);
    case 'x':
    case 'X': {
      const bytes = bytesOf(text).subarray(0, precision ?? byteLength(text));
      const separator = directive.space ? ' ' : '';
      const prefix = sharp ? '0x' : '';
      const pairs = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'));
      const hex = pairs.length === 0 ? '' : prefix + pairs.join(separator === '' ? '' : separator + prefix);
      return pad(verb === 'X' ? hex.toUpperCase() : hex, directive);
    }
    default:
      return undefined;
  }
}

const radixes: Readonly<Record<string, number>> = { v: 10, d: 10, b: 2, o: 8, O: 8, x: 16, X: 16 };
const prefixes: Readonly<Record<string, string>> = { b: '0b', o: '0', x: '0x', X: '0X' };

function formatInteger(value: number | bigint, directive: Directive, run: Run): string {
  const { verb, precision, sharp, width } = directive;
  if (verb === 'c' || verb === 'q' || verb === 'U') return formatCharacter(value, directive);
  const radix = radixes[verb];
  if (radix === undefined) return bad(value, directive, run);
  const negative = value < 0;
  let digits = value.toString(radix).replace('-', '');
  if (precision === 0 && digits === '0') return pad('', { ...directive, zero: false });
  if (verb === 'X') digits = upper(digits);
  const sign = negative ? '-' : directive.plus ? '+' : directive.space ? ' ' : '';
  let minimum = precision ?? 0;
  if (precision === undefined && directive.zero && width !== undefined) minimum = width - sign.length;
  run.spendText(minimum);
  digits = digits.padStart(minimum, '0');
  let prefix = sharp ? (prefixes[verb] ?? '') : '';
  if (verb === 'O') prefix = '0o';
  if (prefix === '0' && digits.startsWith('0')) prefix = '';
  return pad(sign + prefix + digits, { ...directive, zero: false });
}

function formatCharacter(value: number | bigint, directive: Directive): string {
  const code = Number(value);
  const valid = code >= 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
  const character = valid ? String.fromCodePoint(code) : '\ufffd';
  if (directive.verb === 'c') return pad(character, directive);
  if (directive.verb === 'q') return pad(quoteCharacter(character, directive.plus), directive);
  const hex = value
    .toString(16)
    .toUpperCase()
    .padStart(Math.max(4, directive.precision ?? 4), '0');
  const shown = directive.sharp && valid && isPrintable(character) ? ` '${character}'` : '';
  return pad(`U+${hex}${shown}`, { ...directive, zero: false });
}

function formatFloat({ value }: Float, directive: Directive, run: Run): string {
  const { verb, precision, width = 0, zero } = directive;
  if (!'vgGeEfF'.includes(verb)) return bad(new Float(value), directive, run);
  run.spendText((precision ?? 0) * 2);
  let text = Number.isFinite(value) ? floatDigits(Math.abs(value), verb.toLowerCase(), precision) : 'Inf';
  if (Number.isNaN(value)) return pad('NaN', { ...directive, zero: false });
  if (verb === 'E' || verb === 'G') text = text.toUpperCase();
  const negative = value < 0 || Object.is(value, -0);
  const sign = negative ? '-' : directive.plus || !Number.isFinite(value) ? '+' : directive.space ? ' ' : '';
  if (zero && Number.isFinite(value)) text = text.padStart(width - sign.length, '0');
  return pad(sign + text, { ...directive, zero: false });
}

function floatDigits(magnitude: number, verb: string, precision: number | undefined): string {
  if (verb === 'f') return toFixed(magnitude, precision ?? 6);
  if (verb === 'e') return toExponential(magnitude, precision ?? 6);
  // %g: the shorter of %e and %f; without a precision, as few digits as read back the same.
  if (precision === undefined) return printFloat(magnitude);
  const significant = Math.max(precision, 1);
  const exponential = toExponential(magnitude, significant - 1);
  const [mantissa = '', power = ''] = exponential.split('e');
  const exponent = Number(power);
  const trimmed = (text: string): string => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);
  return exponent < -4 || exponent >= significant
    ? `${trimmed(mantissa)}e${power}`
    : trimmed(toFixed(magnitude, Math.max(0, significant - 1 - exponent)));
}

function pad(text: string, { width, minus, zero }: Directive): string {
  if (width === undefined) return text;
  const missing = width - characters(text).length;
  if (missing <= 0) return text;
  return minus ? text + ' '.repeat(missing) : (zero ? '0' : ' ').repeat(missing) + text;
}
