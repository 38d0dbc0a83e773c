import { byteLength, sliceBytes } from '../bytes.ts';
import { TemplateFailure } from '../failure.ts';
import { format } from '../format.ts';
import { type TemplateFunction, takes, takesMany } from '../function.ts';
import { print, printAll } from '../print.ts';
import { quote } from '../quote.ts';
import type { Run } from '../run.ts';
import {
  characters,
  isSpace,
  lower,
  splitText,
  swapCase,
  title,
  trimSpace,
  uncapitalize,
  upper,
} from '../text.ts';
import type { Dict, Value } from '../value.ts';

const isSomething = (value: Value): boolean => value !== null && value !== undefined;

function repeat(run: Run, count: number, text: string): string {
  if (count < 0) throw new TemplateFailure(`a count of ${count} is negative`);
  run.spendText(count * text.length);
  return text.repeat(count);
}

function indent(run: Run, spaces: number, text: string): string {
  const pad = repeat(run, spaces, ' ');
  const lines = text.split('\n');
  run.spendText(text.length + lines.length * pad.length);
  return pad + lines.join(`\n${pad}`);
}

function replace(run: Run, from: string, to: string, text: string): string {
  const occurrences = from === '' ? text.length + 1 : text.split(from).length - 1;
  run.spendText(text.length + occurrences * to.length);
  if (from !== '') return text.replaceAll(from, () => to);
  return to + characters(text).join(to) + (text === '' ? '' : to);
}

function trimCharacters(set: string, text: string): string {
  const trimmed = new Set(set);
  const all = characters(text);
  const start = all.findIndex((character) => !trimmed.has(character));
  if (start < 0) return '';
  const end = all.findLastIndex((character) => !trimmed.has(character));
  return all.slice(start, end + 1).join('');
}

/** Without a count: from the start; with a negative one: that many bytes from the end. */
function truncate(count: number, text: string): string {
  const length = byteLength(text);
  if (count >= 0) return length > count ? sliceBytes(text, 0, count) : text;
  return length + count > 0 ? sliceBytes(text, length + count, length) : text;
}

function substring(start: number, end: number, text: string): string {
  const length = byteLength(text);
  const from = Math.max(0, start);
  const to = start >= 0 && (end < 0 || end > length) ? length : end;
  if (to > length || from > to) {
    throw new TemplateFailure(`${start} to ${end} is out of range: the string has ${length} bytes`);
  }
  return sliceBytes(text, from, to);
}

/** The parts under the keys `_0`, `_1`, … */
function partsByKey(parts: readonly string[]): Dict {
  return new Map(parts.map((part, index) => [`_${index}`, part]));
}

const ellipsis = '...';

/** Shortens to `width` characters from `offset` on, with dots where something is missing. */
function abbreviate(offset: number, width: number, text: string): string {
  const all = characters(text);
  if (all.length <= width) return text;
  const left = Math.min(offset, all.length - (width - 3));
  if (left <= 4) return all.slice(0, width - 3).join('') + ellipsis;
  const rest = all.slice(left);
  const room = width - 3;
  if (rest.length <= room) return ellipsis + all.slice(all.length - room).join('');
  return ellipsis + rest.slice(0, room - 3).join('') + ellipsis;
}

/** Breaks one line at spaces; longer words stay whole unless `breakWords`. */
function wrap(run: Run, width: number, text: string, lineBreak: string, breakWords: boolean): string {
  const all = characters(text);
  const limit = Math.max(1, width);
  const lines: string[] = [];
  let at = 0;
  while (all.length - at > limit) {
    if (all[at] === ' ') {
      at++;
      continue;
    }
    let end = all.lastIndexOf(' ', at + limit);
    let next = end + 1;
    if (end < at) {
      end = breakWords ? at + limit : all.indexOf(' ', at + limit);
      next = breakWords ? end : end + 1;
      if (end < 0) break;
    }
    lines.push(all.slice(at, end).join(''));
    run.spend(lineBreak.length + 1);
    at = next;
  }
  lines.push(all.slice(at).join(''));
  run.spendText(text.length + lines.length * lineBreak.length);
  return lines.join(lineBreak === '' ? '\n' : lineBreak);
}

const trimAll = takes(['string', 'string'], (_, set, text) => trimCharacters(set, text));

export const stringFunctions: Readonly<Record<string, TemplateFunction>> = {
  abbrev: takes(['int', 'string'], (_, width, text) => (width < 4 ? text : abbreviate(0, width, text))),
  abbrevboth: takes(['int', 'int', 'string'], (_, left, width, text) =>
    width < 4 || (left > 0 && width < 7) ? text : abbreviate(Math.max(0, left), width, text),
  ),
  cat: takesMany([], 'any', (run, ...values) =>
    values
      .filter(isSomething)
      .map((value) => print(value, run))
      .join(' '),
  ),
  contains: takes(['string', 'string'], (_, part, text) => text.includes(part)),
  hasPrefix: takes(['string', 'string'], (_, prefix, text) => text.startsWith(prefix)),
  hasSuffix: takes(['string', 'string'], (_, suffix, text) => text.endsWith(suffix)),
  indent: takes(['int', 'string'], indent),
  nindent: takes(['int', 'string'], (run, spaces, text) => `\n${indent(run, spaces, text)}`),
  initials: takes(['string'], (_, text) =>
    characters(text)
      .filter(
        (character, index, all) => !isSpace(character) && (index === 0 || isSpace(all[index - 1] ?? '')),
      )
      .join(''),
  ),
  lower: takes(['string'], (_, text) => lower(text)),
  nospace: takes(['string'], (_, text) =>
    characters(text)
      .filter((character) => !isSpace(character))
      .join(''),
  ),
  plural: takes(['string', 'string', 'int'], (_, one, many, count) => (count === 1 ? one : many)),
  print: takesMany([], 'any', (run, ...values) => printAll(values, run)),
  printf: takesMany(['string'], 'any', (run, layout, ...values) => format(layout, values, run)),
  println: takesMany(
    [],
    'any',
    (run, ...values) => `${values.map((value) => print(value, run)).join(' ')}\n`,
  ),
  quote: takesMany([], 'any', (run, ...values) =>
    values
      .filter(isSomething)
      .map((value) => quote(print(value, run)))
      .join(' '),
  ),
  repeat: takes(['int', 'string'], repeat),
  replace: takes(['string', 'string', 'string'], replace),
  split: takes(['string', 'string'], (_, separator, text) => partsByKey(splitText(text, separator))),
  splitList: takes(['string', 'string'], (_, separator, text) => splitText(text, separator)),
  splitn: takes(['string', 'int', 'string'], (_, separator, count, text) =>
    partsByKey(splitText(text, separator, count)),
  ),
  squote: takesMany([], 'any', (run, ...values) =>
    values
      .filter(isSomething)
      .map((value) => `'${print(value, run)}'`)
      .join(' '),
  ),
  substr: takes(['int', 'int', 'string'], (_, start, end, text) => substring(start, end, text)),
  swapcase: takes(['string'], (_, text) => swapCase(text)),
  title: takes(['string'], (_, text) => title(text)),
  toString: takes(['any'], (run, value) => print(value, run)),
  trim: takes(['string'], (_, text) => trimSpace(text)),
  trimAll,
  trimall: trimAll,
  trimPrefix: takes(['string', 'string'], (_, prefix, text) =>
    text.startsWith(prefix) ? text.slice(prefix.length) : text,
  ),
  trimSuffix: takes(['string', 'string'], (_, suffix, text) =>
    text.endsWith(suffix) ? text.slice(0, text.length - suffix.length) : text,
  ),
  trunc: takes(['int', 'string'], (_, count, text) => truncate(count, text)),
  untitle: takes(['string'], (_, text) => uncapitalize(text)),
  upper: takes(['string'], (_, text) => upper(text)),
  wrap: takes(['int', 'string'], (run, width, text) => wrap(run, width, text, '\n', false)),
  wrapWith: takes(['int', 'string', 'string'], (run, width, lineBreak, text) =>
    wrap(run, width, text, lineBreak, true),
  ),
};
