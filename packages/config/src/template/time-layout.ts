import type { TimeParts } from './time.ts';

/** Go writes a time as the reference time `Mon Jan 2 15:04:05 MST 2006` would look. */
const tokens =
  /January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|_2006|2006|002|0[1-6]|15|__2|_2|[-Z]07:00:00|[-Z]070000|[-Z]07:00|[-Z]0700|[-Z]07|PM|pm|[.,]0+(?!\d)|[.,]9+(?!\d)|[1-5]/g;

const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

const two = (value: number): string => String(value).padStart(2, '0');
const isFraction = (token: string): boolean => /^[.,]/.test(token);

/** An offset as the token asks: `-07:00` → `+02:00`, `Z07:00` → `Z` for UTC. */
function formatOffset(token: string, offset: number): string {
  if (token.startsWith('Z') && offset === 0) return 'Z';
  const amount = Math.abs(offset);
  const parts = [Math.floor(amount / 3600), Math.floor(amount / 60) % 60, amount % 60].map(two);
  const wanted = token.replace(/\D/g, '').length / 2;
  return (offset < 0 ? '-' : '+') + parts.slice(0, wanted).join(token.includes(':') ? ':' : '');
}

function formatFraction(token: string, nanosecond: number): string {
  const digits = String(nanosecond)
    .padStart(9, '0')
    .slice(0, token.length - 1)
    .padEnd(token.length - 1, '0');
  if (token[1] === '0') return token[0] + digits;
  const shortened = digits.replace(/0+$/, '');
  return shortened === '' ? '' : token[0] + shortened;
}

/** The parts in a layout of Go. */
export function formatTime(layout: string, parts: TimeParts): string {
  const year = `${parts.year < 0 ? '-' : ''}${String(Math.abs(parts.year)).padStart(4, '0')}`;
  return layout.replace(tokens, (token) => {
    switch (token) {
      case 'January':
        return months[parts.month - 1] ?? '';
      case 'Jan':
        return months[parts.month - 1]?.slice(0, 3) ?? '';
      case '01':
        return two(parts.month);
      case '1':
        return String(parts.month);
      case 'Monday':
        return weekdays[parts.weekday] ?? '';
      case 'Mon':
        return weekdays[parts.weekday]?.slice(0, 3) ?? '';
      case '2006':
        return year;
      case '_2006':
        return `_${year}`;
      case '06':
        return two(Math.abs(parts.year) % 100);
      case '02':
        return two(parts.day);
      case '_2':
        return String(parts.day).padStart(2, ' ');
      case '2':
        return String(parts.day);
      case '002':
        return String(parts.yearDay).padStart(3, '0');
      case '__2':
        return String(parts.yearDay).padStart(3, ' ');
      case '15':
        return two(parts.hour);
      case '03':
        return two(parts.hour % 12 || 12);
      case '3':
        return String(parts.hour % 12 || 12);
      case '04':
        return two(parts.minute);
      case '4':
        return String(parts.minute);
      case '05':
        return two(parts.second);
      case '5':
        return String(parts.second);
      case 'PM':
        return parts.hour >= 12 ? 'PM' : 'AM';
      case 'pm':
        return parts.hour >= 12 ? 'pm' : 'am';
      case 'MST':
        return parts.abbreviation || formatOffset('-0700', parts.offset);
    }
    return isFraction(token) ? formatFraction(token, parts.nanosecond) : formatOffset(token, parts.offset);
  });
}

/** What a text said about an instant. */
export interface ParsedTime {
  /** As if it were UTC: milliseconds since 1970. */
  readonly milliseconds: number;
  /** Below the milliseconds. */
  readonly nanoseconds: number;
  /** Seconds east of UTC, where the text named an offset or UTC. */
  readonly offset: number | undefined;
  readonly abbreviation: string;
}

type Field =
  | 'year'
  | 'month'
  | 'day'
  | 'yearDay'
  | 'hour'
  | 'minute'
  | 'second'
  | 'fraction'
  | 'half'
  | 'offset'
  | 'abbreviation';

/** How a token reads: the field that it sets, the pattern of its text, and the number that the text stands for. */
interface Reader {
  readonly field: Field | undefined;
  readonly pattern: string;
  readonly read: (text: string) => number;
}

const byName =
  (names: readonly string[]) =>
  (text: string): number =>
    names.findIndex((name) => name.slice(0, 3).toLowerCase() === text.slice(0, 3).toLowerCase());
const anyOf = (names: readonly string[], length?: number): string =>
  `(?:${names.map((name) => name.slice(0, length)).join('|')})`;

function numberReader(field: Field, pattern: string): Reader {
  return { field, pattern, read: (text) => Number(text.trim()) };
}

function readerOf(token: string): Reader {
  switch (token) {
    case 'January':
    case 'Jan':
      return {
        field: 'month',
        pattern: anyOf(months, token === 'Jan' ? 3 : undefined),
        read: (text) => byName(months)(text) + 1,
      };
    case 'Monday':
    case 'Mon':
      return { field: undefined, pattern: anyOf(weekdays, token === 'Mon' ? 3 : undefined), read: () => 0 };
    case '2006':
      return numberReader('year', '\\d{4}');
    case '_2006':
      return { field: 'year', pattern: '_\\d{4}', read: (text) => Number(text.slice(1)) };
    case '06':
      return {
        field: 'year',
        pattern: '\\d{2}',
        read: (text) => Number(text) + (Number(text) >= 69 ? 1900 : 2000),
      };
    case '01':
      return numberReader('month', '\\d{2}');
    case '1':
      return numberReader('month', '\\d{1,2}');
    case '02':
      return numberReader('day', '\\d{2}');
    case '2':
      return numberReader('day', '\\d{1,2}');
    case '_2':
      return numberReader('day', ' ?\\d{1,2}');
    case '002':
      return numberReader('yearDay', '\\d{3}');
    case '__2':
      return numberReader('yearDay', ' {0,2}\\d{1,3}');
    case '15':
    case '3':
      return numberReader('hour', '\\d{1,2}');
    case '03':
      return numberReader('hour', '\\d{2}');
    case '04':
      return numberReader('minute', '\\d{2}');
    case '4':
      return numberReader('minute', '\\d{1,2}');
    case '05':
      return numberReader('second', '\\d{2}');
    case '5':
      return numberReader('second', '\\d{1,2}');
    case 'PM':
    case 'pm':
      return {
        field: 'half',
        pattern: token === 'PM' ? '[AP]M' : '[ap]m',
        read: (text) => (text[0]?.toLowerCase() === 'p' ? 12 : 0),
      };
    case 'MST':
      return { field: 'abbreviation', pattern: '(?:[A-Z]{3,5}|[+-]\\d{2}(?:\\d{2})?)', read: () => 0 };
  }
  if (isFraction(token)) {
    const exact = token[1] === '0';
    return {
      field: 'fraction',
      pattern: exact ? `[.,]\\d{${token.length - 1}}` : '(?:[.,]\\d+)?',
      read: (text) => Number(text.slice(1, 10).padEnd(9, '0')),
    };
  }
  const colon = token.includes(':') ? ':' : '';
  const pairs = token.replace(/\D/g, '').length / 2;
  const pattern = `[+-]\\d{2}${`${colon}\\d{2}`.repeat(pairs - 1)}`;
  return {
    field: 'offset',
    pattern: token.startsWith('Z') ? `(?:Z|${pattern})` : pattern,
    read(text) {
      const [hours = 0, minutes = 0, seconds = 0] = (text.match(/\d{2}/g) ?? []).map(Number);
      return (text.startsWith('-') ? -1 : 1) * (hours * 3600 + minutes * 60 + seconds);
    },
  };
}

const literal = (text: string): string => text.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&');

/** Reads a text in a layout of Go; undefined where it does not fit. */
export function parseTime(layout: string, text: string): ParsedTime | undefined {
  const readers: Reader[] = [];
  let pattern = '';
  let last = 0;
  for (const match of layout.matchAll(tokens)) {
    const [token] = match;
    const reader = readerOf(token);
    pattern += `${literal(layout.slice(last, match.index))}(${reader.pattern})`;
    readers.push(reader);
    last = match.index + token.length;
    const next = layout.slice(last);
    // Go takes digits after the seconds although the layout does not name them.
    if (reader.field === 'second' && !/^[.,][09]/.test(next)) {
      pattern += '([.,]\\d+)?';
      readers.push(readerOf('.9'));
    }
  }
  pattern += literal(layout.slice(last));
  const match = new RegExp(`^${pattern}$`, 'i').exec(text);
  if (match === null) return undefined;
  const values = new Map<Field, number>();
  let abbreviation = '';
  readers.forEach((reader, index) => {
    const found = match[index + 1] ?? '';
    if (reader.field === undefined) return;
    values.set(reader.field, reader.read(found));
    if (reader.field === 'abbreviation') abbreviation = found;
    // A Z is UTC itself, and not merely an offset of nothing.
    if (reader.field === 'offset' && found.toUpperCase() === 'Z') abbreviation = 'UTC';
  });
  return instantOf(values, abbreviation);
}

function instantOf(values: ReadonlyMap<Field, number>, abbreviation: string): ParsedTime | undefined {
  const value = (field: Field, otherwise: number): number => values.get(field) ?? otherwise;
  const year = value('year', 0);
  const yearDay = values.get('yearDay');
  const month = value('month', 1);
  const day = yearDay ?? value('day', 1);
  let hour = value('hour', 0);
  const half = values.get('half');
  if (half !== undefined) {
    if (hour > 12) return undefined;
    hour = (hour % 12) + half;
  }
  const minute = value('minute', 0);
  const second = value('second', 0);
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return undefined;
  const fraction = value('fraction', 0);
  const date = new Date(0);
  date.setUTCFullYear(year, yearDay === undefined ? month - 1 : 0, day);
  // A day that the month does not have has moved on to the next.
  if (yearDay === undefined ? date.getUTCMonth() !== month - 1 : date.getUTCFullYear() !== year)
    return undefined;
  date.setUTCHours(hour, minute, second, Math.floor(fraction / 1_000_000));
  const offset = values.get('offset') ?? (abbreviation === 'UTC' || abbreviation === 'GMT' ? 0 : undefined);
  return { milliseconds: date.getTime(), nanoseconds: fraction % 1_000_000, offset, abbreviation };
}
