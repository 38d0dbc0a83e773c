import { expect, test } from 'bun:test';
import { KairosError } from '@kairos/facts/errors';
import fc from 'fast-check';
import { renderTemplate } from '../template.ts';
import { lex } from './lex.ts';
import { TemplateSyntaxError } from './syntax-error.ts';

const render = (template: string, data: unknown = {}) => renderTemplate(template, data, { file: 'f' });

function messageOf(template: string, data?: unknown): string {
  try {
    render(template, data);
  } catch (error) {
    if (error instanceof KairosError) return error.message.replace(/^f:/, '');
    throw error;
  }
  return 'rendered';
}

const nested = 'the template is nested more than 400 deep';
const tooMuch = 'the template does more than 2097152 steps of work';
const bombs: readonly (readonly [name: string, template: string, message: string])[] = [
  ['a template within itself', '{{define "a"}}{{template "a" .}}{{end}}{{template "a"}}', `1:17: ${nested}`],
  ['deep parentheses', `{{ ${'('.repeat(500)}1${')'.repeat(500)} }}`, `1:404: ${nested}`],
  ['a long name', `{{ .${'a'.repeat(300)} }}`, '1:4: the name has 301 characters; the limit is 256'],
  ['many variables', '{{$x := 1}}'.repeat(1000), '1:10992: more than 1000 variables are in scope'],
  ['deep blocks', `${'{{if 1}}'.repeat(500)}${'{{end}}'.repeat(500)}`, `1:3203: ${nested}`],
  [
    'loops in loops',
    '{{range until 1000}}{{range until 1000}}{{range until 1000}}{{end}}{{end}}{{end}}',
    `1:49: ${tooMuch}`,
  ],
  ['a range over a huge integer', '{{range 9223372036854775807}}{{end}}', `1:9: ${tooMuch}`],
  ['a huge list', '{{until 2000000}}', '1:3: a list of 2000000 elements is over the limit of 1000000'],
  [
    'a huge repetition',
    '{{repeat 999999999 "abc"}}',
    '1:3: a text of 2999999997 characters is over the limit of 16777216',
  ],
  [
    'a huge indentation',
    '{{indent 999999999 "abc"}}',
    '1:3: a text of 999999999 characters is over the limit of 16777216',
  ],
  [
    'a huge random text',
    '{{randAlphaNum 999999999}}',
    '1:3: a text of 3999999996 characters is over the limit of 16777216',
  ],
  ['a wide field', '{{printf "%099999999d" 1 | len}}', 'rendered'],
  ['doubling text', '{{$s := "ab"}}{{range 60}}{{$s = print $s $s}}{{end}}', `1:34: ${tooMuch}`],
  ['doubling lists', '{{$l := list 1}}{{range 60}}{{$l = list $l $l}}{{end}}{{$l}}', `1:57: ${tooMuch}`],
  [
    'doubling lists in JSON',
    '{{$l := list 1}}{{range 60}}{{$l = list $l $l}}{{end}}{{toJson $l}}',
    `1:57: ${tooMuch}`,
  ],
  [
    'doubling lists copied',
    '{{$l := list 1}}{{range 60}}{{$l = list $l $l}}{{end}}{{$x := deepCopy $l}}',
    `1:63: ${tooMuch}`,
  ],
  [
    'a map in itself',
    '{{$d := dict}}{{$_ := set $d "d" $d}}{{$d}}',
    '1:40: a value is nested more than 400 deep, or contains itself',
  ],
  [
    'a map in itself as JSON',
    '{{$d := dict}}{{$_ := set $d "d" $d}}{{toJson $d}}',
    '1:40: a value is nested more than 400 deep, or contains itself',
  ],
  [
    'a map in itself merged',
    '{{$d := dict}}{{$_ := set $d "d" $d}}{{$e := dict "d" (dict)}}{{$_ := merge $e $d $d}}{{len $e}}',
    'rendered',
  ],
  [
    'replacing nothing with much',
    '{{$s := repeat 100000 "a"}}{{replace "" $s $s}}',
    '1:30: a text of 10000200000 characters is over the limit of 16777216',
  ],
  [
    'much output',
    '{{$s := repeat 10000000 "a"}}{{$s}}{{$s}}',
    '1:38: the output is over the limit of 16777216 bytes',
  ],
  [
    'a pattern that backtracks elsewhere',
    '{{regexMatch "^(a+)+$" (print (repeat 5000 "a") "b")}}',
    'rendered',
  ],
  [
    'a pattern of repetitions',
    '{{regexMatch "((a{1,100}){1,100}){1,100}" "a"}}',
    '1:3: regexMatch: the pattern is not valid: error parsing regexp: invalid repeat count: `{1,100}`',
  ],
  [
    'a long text for a pattern',
    '{{regexMatch "a" (repeat 2000000 "b")}}',
    '1:3: the text has 2000000 characters; the limit is 1048576',
  ],
];

test.each(bombs.map(([name, template, message]) => ({ name, template, message })))(
  '$name',
  ({ template, message }) => {
    expect(messageOf(template)).toBe(message);
  },
);

test('a template over 16 MiB is refused before it is read', () => {
  expect(messageOf(`{{1}}${'x'.repeat(16 * 1024 * 1024)}`)).toBe(
    '1:1: the template has 16777221 characters; the limit is 16777216',
  );
});

test('data that contains itself can be used', () => {
  const data: Record<string, unknown> = { a: 1 };
  data.self = data;
  expect(render('{{ .self.self.a }}', data)).toBe('1');
});

test('nothing of a prototype can be reached', () => {
  class Host {
    own = 'own';
    get secret(): string {
      return 'secret';
    }
    method(): string {
      return 'called';
    }
  }
  const names = ['constructor', '__proto__', 'prototype', 'toString', 'hasOwnProperty', 'secret', 'method'];
  for (const name of names) {
    expect(
      render(`{{ .o.${name} }}{{ .m.${name} }}{{ .l }}{{ index .o "${name}" }}`, {
        o: new Host(),
        m: {},
        l: [],
      }),
    ).toBe('<no value><no value>[]<no value>');
  }
  expect(render('{{ .o.own }}', { o: new Host() })).toBe('own');
  expect(messageOf('{{ .l.length }}', { l: [] })).toBe(
    '1:4: .l.length has no value: .l is a list and has no field "length"',
  );
});

test('keys named as parts of a prototype are keys like others', () => {
  const data = JSON.parse('{"m": {"__proto__": {"polluted": 1}, "constructor": 2}}');
  expect(render('{{ .m.__proto__.polluted }}{{ .m.constructor }}', data)).toBe('12');
  const template = '{{ $d := set (dict) "__proto__" (dict "polluted" true) }}{{ $d }}{{ merge (dict) .m }}';
  expect(render(template, data)).toBe(
    'map[__proto__:map[polluted:true]]map[__proto__:map[polluted:1] constructor:2]',
  );
  expect((Object.prototype as Record<string, unknown>).polluted).toBeUndefined();
});

test('the data stays as it is', () => {
  const data = { m: { a: 1, inner: { b: 2 } }, l: [3, 1] };
  const before = structuredClone(data);
  const template =
    '{{ set .m "x" 1 }}{{ unset .m "a" }}{{ set .m.inner "b" 3 }}{{ merge .m (dict "y" 1) }}{{ append .l 4 }}';
  render(template, data);
  expect(data).toEqual(before);
});

/** Pieces that make templates which get past the lexer now and then. */
const pieces = fc.constantFrom(
  ...[
    '{{',
    '}}',
    '{{-',
    '-}}',
    ' - ',
    '"',
    '`',
    "'",
    '\\',
    '(',
    ')',
    '|',
    ',',
    ':=',
    '=',
    '.',
    '$',
    '$x',
    '.a',
    '/*',
    '*/',
  ],
  ...[
    'if',
    'else',
    'end',
    'range',
    'with',
    'define',
    'template',
    'block',
    'break',
    'continue',
    'nil',
    'true',
    'print',
  ],
  ...[
    '1',
    '0x',
    '1e',
    '\n',
    ' ',
    '\t',
    'é',
    '😀',
    '\ud800',
    '"a"',
    'list',
    'dict',
    'printf "%d"',
    'index',
    'eq',
    'len',
  ],
);
const almostTemplates = fc.oneof(
  fc.array(pieces, { maxLength: 25 }).map((parts) => parts.join('')),
  fc.array(pieces, { maxLength: 15 }).map((parts) => `{{${parts.join(' ')}}}`),
  fc.string({ unit: 'binary', maxLength: 60 }).map((text) => `{{${text}`),
);

test('lexing gives tokens or a TemplateSyntaxError inside the text', () => {
  fc.assert(
    fc.property(almostTemplates, (text) => {
      try {
        const tokens = lex(text);
        for (const { text: part, offset } of tokens)
          expect(text.slice(offset, offset + part.length)).toBe(part);
        expect(tokens.at(-1)?.kind).toBe('end of template');
      } catch (error) {
        expect(error).toBeInstanceOf(TemplateSyntaxError);
        const { offset } = error as TemplateSyntaxError;
        expect(offset >= 0 && offset <= text.length).toBe(true);
      }
    }),
    { numRuns: 2000 },
  );
});

test('rendering gives text or a KairosError with a position', () => {
  fc.assert(
    fc.property(almostTemplates, fc.jsonValue(), (text, data) => {
      try {
        expect(typeof render(text, data)).toBe('string');
      } catch (error) {
        expect(error).toBeInstanceOf(KairosError);
        const { code, position } = error as KairosError;
        expect(['TEMPLATE_INVALID', 'TEMPLATE_FAILED']).toContain(code);
        expect(position?.file).toBe('f');
      }
    }),
    { numRuns: 2000 },
  );
});
