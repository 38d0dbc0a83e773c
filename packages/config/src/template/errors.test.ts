import { expect, test } from 'bun:test';
import { KairosError } from '@kairos/facts/errors';
import { renderTemplate, type TemplateOptions } from '../template.ts';

function failure(template: string, data: unknown = {}, options: Partial<TemplateOptions> = {}): KairosError {
  try {
    renderTemplate(template, data, { file: 'f', ...options });
  } catch (error) {
    if (error instanceof KairosError) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(template)} does not fail`);
}

const invalid: readonly (readonly [template: string, message: string, hint?: string])[] = [
  ['a {{', '1:3: the action is not closed: }} is missing', 'Text that holds {{ itself is written {{"{{"}}'],
  ['{{ .a', '1:1: the action is not closed: }} is missing', 'Text that holds {{ itself is written {{"{{"}}'],
  [
    'x\n  {{ "a }}',
    '2:6: the string is not closed',
    'A string ends on its line; one in `backquotes` may span lines',
  ],
  [
    '{{ "a\nb" }}',
    '1:4: the string is not closed',
    'A string ends on its line; one in `backquotes` may span lines',
  ],
  ['{{ `a }}', '1:4: the raw string is not closed'],
  ["{{ 'a }}", '1:4: the character is not closed', 'A string is written in "double quotes"'],
  ["{{ 'ab' }}", "1:4: 'ab' is not one character"],
  ["{{ '' }}", "1:4: '' is not one character"],
  ['{{/* x }}', '1:1: the comment is not closed', 'A comment is {{/* text */}}'],
  ['{{/* x */ }}', '1:10: the comment is not followed by }}', 'A comment is {{/* text */}}'],
  ['{{ # }}', '1:4: unexpected character "#"'],
  ['{{ 😀 }}', '1:4: unexpected character "😀"'],
  ['{{ .a+1 }}', '1:6: unexpected "+" after ".a"'],
  ['{{ $x:1 }}', '1:6: ":" without "="', 'A variable is declared with :='],
  ['{{ (1 }}', '1:7: a "(" is not closed'],
  ['{{ 1) }}', '1:5: ")" without "("'],
  ['{{ 1a }}', '1:4: "1a" is not a number'],
  ['{{ 089 }}', '1:4: 089 is not a number: a leading 0 means octal'],
  ['{{ 1+2 }}', '1:4: "1+" is not a number'],
  ['{{ 1i }}', '1:4: complex numbers such as 1i are not supported'],
  ['{{ 9223372036854775808 }}', '1:4: 9223372036854775808 does not fit 64 bits'],
  ['{{ - }}', '1:4: "-" is not a number'],
  ['{{ 1e }}', '1:4: "1e" is not a number'],
  ['{{ "\\q" }}', '1:4: "\\\\q" is not an escape of Go'],
  ['{{ "\\ud800" }}', '1:4: "\\ud800" is not a character'],
  ['{{}}', '1:3: an action has no value'],
  ['{{ | }}', '1:4: unexpected "|" in an action'],
  ['{{ 1 | }}', '1:8: nothing follows the "|"'],
  ['{{ 1 | 2 }}', '1:8: what follows "|" must be a function'],
  [
    '{{ 1 2 }}',
    '1:6: a value takes no arguments: only a function does',
    'A function and its arguments look like: name argument argument',
  ],
  ['{{ nil }}', '1:4: nil is not a command'],
  ['{{ nil.a }}', '1:7: unexpected ".a" after a literal'],
  ['{{ "a".b }}', '1:7: unexpected ".b" after a literal'],
  ['{{ print "a"1 }}', '1:13: unexpected "1" in a command', 'Arguments are separated by spaces'],
  ['{{ () }}', '1:5: parentheses has no value'],
  [
    '{{ $x }}',
    '1:4: the variable $x is not declared here',
    'Declare it with $x := value; it lives until the end of the if, with or range that it is in',
  ],
  [
    '{{ $x = 1 }}',
    '1:4: the variable $x is not declared here',
    'Declare it with $x := value; it lives until the end of the if, with or range that it is in',
  ],
  [
    '{{if 1}}{{$x := 1}}{{end}}{{$x}}',
    '1:29: the variable $x is not declared here',
    'Declare it with $x := value; it lives until the end of the if, with or range that it is in',
  ],
  ['{{ $x, $y := 1 }}', '1:6: only range declares two variables'],
  ['{{range $x, $y, $z := .l}}{{end}}', '1:15: range declares at most two variables'],
  [
    '{{range $x, 1}}{{end}}',
    '1:13: unexpected "1" in range',
    'It is written range $index, $element := pipeline',
  ],
  ['{{ foo }}', '1:4: there is no function foo', 'A field of the data is written with a dot: .foo'],
  ['{{ truncc 1 "a" }}', '1:4: there is no function truncc', 'Did you mean trunc?'],
  [
    '{{ constructor }}',
    '1:4: there is no function constructor',
    'A field of the data is written with a dot: .constructor',
  ],
  [
    '{{ getHostByName "a" }}',
    '1:4: the function getHostByName is not available here',
    'templates do not use the network',
  ],
  ['a\n{{if .a}}\nb', '2:3: this if has no {{end}}'],
  ['{{range .a}}x', '1:3: this range has no {{end}}'],
  ['{{define "a"}}x', '1:3: this define has no {{end}}'],
  ['x{{end}}', '1:4: {{end}} without an if, range, with, define or block before it'],
  ['x{{else}}', '1:4: {{else}} without an if, range, with, define or block before it'],
  ['{{if 1}}{{else}}{{else}}{{end}}', '1:19: unexpected {{else}} in this if'],
  ['{{if 1}}{{else with 1}}{{end}}', '1:11: "else with" does not go with if', 'Write {{else}}{{with …}}'],
  ['{{range .l}}{{else if 1}}{{end}}', '1:15: "else if" does not go with range'],
  ['{{if}}{{end}}', '1:5: if has no value'],
  ['{{end 1}}', '1:7: unexpected "1" in {{end}}'],
  ['{{break}}', '1:3: {{break}} outside of a range'],
  [
    '{{range .l}}{{define "a"}}{{end}}{{end}}',
    "1:15: {{define}} inside another action's body",
    'Templates are defined at the top level',
  ],
  ['{{range .l}}{{end}}{{continue}}', '1:22: {{continue}} outside of a range'],
  ['{{define a}}{{end}}', '1:10: unexpected "a" in define', 'The name of a template is a string in quotes'],
  ['{{template}}', '1:11: unexpected "}}" in template', 'The name of a template is a string in quotes'],
  ['{{define "a"}}x{{end}}{{define "a"}}y{{end}}', '1:25: the template "a" is defined twice'],
  ['{{block "a"}}{{end}}', '1:12: block has no value'],
];

test.each(invalid.map(([template, message, hint]) => ({ template, message, hint })))(
  '$template is invalid',
  ({ template, message, hint }) => {
    const error = failure(template);
    expect(error.code).toBe('TEMPLATE_INVALID');
    expect(error.message).toBe(`f:${message}`);
    expect(error.hint).toBe(hint);
    expect(error.exit).toBe('invalidInput');
    const [line, column] = message.split(':').map(Number);
    expect(error.position as unknown).toEqual({ file: 'f', line, column });
  },
);

const data = { a: 1, s: 'text', n: null, l: [1, 2], m: { key: 'v' }, f: () => 1, t: new Date(0) };
const failing: readonly (readonly [template: string, message: string, hint?: string])[] = [
  ['{{ fail "stop" }}', '1:4: fail: stop'],
  ['a\n  {{ required "need it" .x }}', '2:6: required: need it'],
  ['{{ .s.x }}', '1:4: .s.x has no value: .s is a string and has no field "x"'],
  ['{{ .n.x }}', '1:4: .n.x has no value: .n is nil and has no field "x"'],
  ['{{ .m.key.x.y }}', '1:4: .m.key.x has no value: .m.key is a string and has no field "x"'],
  ['{{ $.l.x }}', '1:4: .l.x has no value: .l is a list and has no field "x"'],
  ['{{ (print 1).x }}', '1:5: .x has no value: the value is a string and has no field "x"'],
  ['{{ .m 1 }}', '1:4: .m is no function but has arguments'],
  ['{{ .f 1 }}', '1:4: .f is no function but has arguments', 'Write call .f argument'],
  ['{{ 1 | .m }}', '1:8: .m is no function but has arguments'],
  ['{{ 1 | $ }}', '1:8: a value takes no arguments: only a function does'],
  ['{{ .t.Nope }}', '1:4: .t.Nope has no value: .t is a time.Time and has no field "Nope"'],
  [
    '{{ upper .a }}',
    '1:4: upper: argument 1 must be a string, got an integer',
    'toString makes a string of any value',
  ],
  [
    '{{ .x | upper }}',
    '1:9: upper: argument 1 must be a string, got no value',
    'Is the name right? default gives a value that is missing another one: .name | default "value"',
  ],
  ['{{ trunc "4" "a" }}', '1:4: trunc: argument 1 must be an integer, got a string'],
  ['{{ trunc 1.5 "a" }}', '1:4: trunc: argument 1 must be an integer, got a floating-point number'],
  [
    '{{ trunc 4 }}',
    '1:4: trunc: wrong number of arguments: needs 2, got 1',
    'A value piped in with "|" counts as the last argument',
  ],
  [
    '{{ eq 1 }}',
    '1:4: eq: wrong number of arguments: needs at least 2, got 1',
    'A value piped in with "|" counts as the last argument',
  ],
  ['{{ and }}', '1:4: and: wrong number of arguments: needs at least 1, got 0'],
  [
    '{{ eq 1 "1" }}',
    '1:4: eq: cannot compare an integer with a string',
    'toString or int makes both of one type',
  ],
  [
    '{{ lt true false }}',
    '1:4: lt: cannot compare a boolean with a boolean',
    'toString or int makes both of one type',
  ],
  ['{{ index .l 2 }}', '1:4: index: the index 2 is out of range: there are 2'],
  ['{{ index .l "x" }}', '1:4: index: an index must be an integer, got a string'],
  ['{{ index .x 1 }}', '1:4: index: cannot index nil'],
  ['{{ index .m 1 }}', '1:4: index: the key of a map is a string, got an integer'],
  ['{{ index 5 1 }}', '1:4: index: cannot index an integer'],
  ['{{ slice "abc" 2 1 }}', '1:4: slice: the start 2 is after the end 1'],
  ['{{ slice "abc" 4 }}', '1:4: slice: the index 4 is out of range: there are 3'],
  ['{{ len 5 }}', '1:4: len: an integer has no length'],
  ['{{ call .s }}', '1:4: call: a string cannot be called'],
  ['{{ range .s }}{{end}}', '1:10: range cannot go over a string', 'splitList cuts a string into a list'],
  ['{{ range $i, $e := 3 }}{{end}}', '1:10: range over an integer has only one variable'],
  ['{{ template "x" }}', '1:4: the template "x" is not defined'],
  [
    '{{define "node"}}{{end}}{{ template "nod" }}',
    '1:28: the template "nod" is not defined',
    'Did you mean "node"?',
  ],
  ['{{ div 1 0 }}', '1:4: div: division by zero'],
  ['{{ mod 1 0 }}', '1:4: mod: division by zero'],
  ['{{ divf 1 0 }}', '1:4: divf: division by zero'],
  [
    '{{ b64dec "a" }}',
    '1:4: b64dec: the text of 1 characters is not base64',
    'Is it base64url, or is the padding with = missing?',
  ],
  ['{{ b32dec "a" }}', '1:4: b32dec: the text is not base32'],
  ['{{ mustFromJson "{" }}', '1:4: mustFromJson: the text is not JSON'],
  ['{{ semver "x" }}', '1:4: semver: the text is not a semantic version'],
  ['{{ semver "1.0.0-01" }}', '1:4: semver: the text is not a semantic version'],
  ['{{ semverCompare "nope" "1.0" }}', '1:4: semverCompare: "nope" is not a version constraint'],
  [
    '{{ toDate "2006-01-02" "2023-02-29" }}',
    '1:4: toDate: the text is not a time in the layout "2006-01-02"',
    'A layout is written with the time Mon Jan 2 15:04:05 MST 2006',
  ],
  [
    '{{ dateModify "1x" now }}',
    '1:4: dateModify: "1x" is not a duration',
    'Durations look like -1.5h, 30m or 1h15m30s',
  ],
  ['{{ unixEpoch 5 }}', '1:4: unixEpoch: needs a time, got an integer', 'now and toDate give times'],
  ['{{ date "2006" 999999999999999 }}', '1:4: date: the time is out of range'],
  [
    '{{ randInt 5 5 }}',
    '1:4: randInt: no random number from 5 up to but without 5: the range is empty or too wide',
  ],
  ['{{ repeat -1 "a" }}', '1:4: repeat: a count of -1 is negative'],
  ['{{ substr 5 2 "abc" }}', '1:4: substr: 5 to 2 is out of range: the string has 3 bytes'],
  ['{{ first "a" }}', '1:4: first: argument 1 must be a list, got a string'],
  ['{{ chunk 0 .l }}', '1:4: chunk: chunks of 0 elements cannot be'],
  ['{{ dig "s" "x" 1 . }}', '1:4: dig: cannot look up "x" in a string'],
  [
    '{{ decryptAES "p" "abcd" }}',
    '1:4: decryptAES: the text does not decrypt: the password is another one, or the text is damaged',
  ],
  ['{{ urlParse "http://a/%zz" }}', '1:4: urlParse: a % in the URL is not followed by two hex digits'],
  [
    '{{ trunc 1 "é" }}',
    '1:4: the result is not UTF-8 text',
    'A character was cut in two, or binary data was decoded; b64enc makes text of it',
  ],
];

test.each(failing.map(([template, message, hint]) => ({ template, message, hint })))(
  '$template fails',
  ({ template, message, hint }) => {
    const error = failure(template, data);
    expect(error.message).toBe(`f:${message}`);
    expect(error.code).toBe('TEMPLATE_FAILED');
    expect(error.hint).toBe(hint);
    const [line, column] = message.split(':').map(Number);
    expect(error.position as unknown).toEqual({ file: 'f', line, column });
  },
);

test('a pattern that is none says what Go has not', () => {
  const error = failure('{{ regexMatch "(" "a" }}');
  expect(error.message).toStartWith('f:1:4: regexMatch: the pattern is not valid: ');
  expect(error.hint).toBe('Patterns are those of Go (RE2): no lookaround and no backreferences');
  expect(failure('{{ regexMatch "(?=a)" "a" }}').code).toBe('TEMPLATE_FAILED');
});

test('a missing key is an error where that is asked for', () => {
  const options = { missingKey: 'error' } as const;
  const error = failure('{{ .Values.hostnam }}', { Values: { hostname: 'x' } }, options);
  expect(error.message).toBe('f:1:4: .Values.hostnam has no value: there is no key "hostnam"');
  expect(error.hint).toBe('Did you mean hostname?');
  expect(failure('{{ .a.b }}', null, options).message).toBe(
    'f:1:4: .a has no value: the value is no value and has no field "a"',
  );
});

test('messages do not hold the values of the data', () => {
  const secret = 'hunter2-secret';
  const templates = [
    '{{ add1 .s.x }}',
    '{{ trunc .s 1 }}',
    '{{ lt .s 1 }}',
    '{{ semver .s }}',
    '{{ b64dec .s }}',
    '{{ index .l .s }}',
    '{{ toDate "2006" .s }}',
    '{{ urlParse (cat .s "%zz") }}',
    '{{ mustFromJson .s }}',
    '{{ range .s }}{{ end }}',
  ];
  for (const template of templates) {
    const error = failure(template, { s: secret, l: [] });
    expect(JSON.stringify([error.message, error.hint])).not.toContain(secret);
  }
});
