import { expect, test } from 'bun:test';
import { KairosError } from '@kairos/facts/errors';
import fc from 'fast-check';
import { renderTemplate } from './template.ts';

const file = 'cloud-config.yaml';

test('text without delimiters is unchanged', () => {
  fc.assert(
    fc.property(
      fc.string().filter((text) => !text.includes('{{')),
      (text) => {
        expect(renderTemplate(text, {}, { file })).toBe(text);
      },
    ),
  );
});

test('the values of a node', () => {
  const data = {
    Values: { node: { hostname: 'edge', machineid: 'abc' }, Random: 'zyxwvut' },
    MachineID: '3f1c0d9a',
  };
  expect(renderTemplate('node-{{ trunc 4 .MachineID }}', data, { file })).toBe('node-3f1c');
  expect(renderTemplate('{{ .Values.node.hostname }}-{{ .Values.Random | trunc 3 }}', data, { file })).toBe(
    'edge-zyx',
  );
});

test.each([
  [{ line: 10, column: 5 }, 10, 9],
  [undefined, 1, 5],
])('an error on the first line, with origin %j', (origin, line, column) => {
  expect(positionOf('a {{ nope }}', origin)).toEqual({ file, line, column: column + 1 });
});

test('an error on a further line of an indented block', () => {
  expect(positionOf('a\n{{ nope }}', { line: 10, column: 7, indent: 6 })).toEqual({
    file,
    line: 11,
    column: 10,
  });
  expect(positionOf('a\n{{ nope }}', { line: 10, column: 7 })).toEqual({ file, line: 11, column: 4 });
});

function positionOf(text: string, origin: { line: number; column: number; indent?: number } | undefined) {
  try {
    renderTemplate(text, {}, { file, ...(origin === undefined ? {} : { origin }) });
  } catch (error) {
    return error instanceof KairosError ? error.position : error;
  }
  return undefined;
}

test('other delimiters', () => {
  const options = { file, delimiters: ['[[[', ']]]'] } as const;
  expect(renderTemplate('{{ a }} [[[ .x ]]] [[[- 1 -]]] b', { x: 5 }, options)).toBe('{{ a }} 51b');
  expect(renderTemplate('{{ a }}', {}, options)).toBe('{{ a }}');
  expect(renderTemplate('{{ 1 }}', {}, { file, delimiters: ['', ''] })).toBe('1');
});

test('functions of the caller come first and see plain data', () => {
  const seen: unknown[] = [];
  const functions = {
    upper: (text: unknown) => `own ${text}`,
    look: (...args: unknown[]) => {
      seen.push(...args);
      return { list: [1, 1.5], when: new Date(0) };
    },
  };
  const template =
    '{{ upper "a" }} {{ (look (dict "k" (list 1 2.5)) nil now "s").list }} {{ (look).when.Year }}';
  expect(renderTemplate(template, {}, { file, functions, clock: () => 5 })).toBe('own a [1 1.5] 1970');
  expect(seen[0] as unknown).toEqual(Object.assign(Object.create(null), { k: [1, 2.5] }));
  expect(seen.slice(1)).toEqual([null, new Date(5), 's']);
});

test('an error of a function of the caller keeps its cause', () => {
  const cause = new Error('no such device');
  const functions = {
    disk: () => {
      throw cause;
    },
  };
  const render = () => renderTemplate('{{ disk }}', {}, { file, functions });
  expect(render).toThrow(`${file}:1:4: disk: no such device`);
  try {
    render();
  } catch (error) {
    expect((error as KairosError).cause).toBe(cause);
  }
});

test('kinds of data', () => {
  const data = {
    map: new Map<unknown, unknown>([
      ['a', 1],
      [2, 'b'],
    ]),
    set: new Set([1, 2]),
    date: new Date(0),
    bytes: new TextEncoder().encode('é'),
    big: 9007199254740993n,
    float: 1.5,
    whole: 3,
    negativeZero: -0,
    huge: 1e300,
    nothing: undefined,
    symbol: Symbol('s'),
    add: (a: unknown, b: unknown) => Number(a) + Number(b),
  };
  const template =
    '{{.map}} {{.set}} {{.date}} {{.bytes}} {{.big}} {{.float}} {{.whole}} {{.negativeZero}} {{.huge}} {{.nothing}} {{.symbol}} {{call .add 1 2}}';
  expect(renderTemplate(template, data, { file })).toBe(
    'map[2:b a:1] [1 2] 1970-01-01 00:00:00 +0000 UTC é 9007199254740993 1.5 3 0 1e+300 <no value> <no value> 3',
  );
});

test('the environment is empty', () => {
  process.env.KAIROS_TEMPLATE_TEST = 'secret';
  try {
    const template =
      '[{{ env "KAIROS_TEMPLATE_TEST" }}][{{ expandenv "a-$KAIROS_TEMPLATE_TEST-${HOME}-b" }}]';
    expect(renderTemplate(template, {}, { file })).toBe('[][a---b]');
  } finally {
    delete process.env.KAIROS_TEMPLATE_TEST;
  }
});

test('random values are of the asked length and alphabet, and differ', () => {
  const render = (template: string) => renderTemplate(template, {}, { file });
  expect(render('{{ randAlphaNum 64 }}')).toMatch(/^[A-Za-z0-9]{64}$/);
  expect(render('{{ randAlpha 64 }}')).toMatch(/^[A-Za-z]{64}$/);
  expect(render('{{ randNumeric 64 }}')).toMatch(/^[0-9]{64}$/);
  expect(render('{{ randAscii 64 }}')).toMatch(/^[ -~]{64}$/);
  expect(render('{{ uuidv4 }}')).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  expect(render('{{ randAlphaNum 32 }}')).not.toBe(render('{{ randAlphaNum 32 }}'));
  expect(render('{{ shuffle "abcdef" | splitList "" | sortAlpha | join "" }}')).toBe('abcdef');
});

test('text that sprig encrypted is decrypted', () => {
  const render = (template: string) => renderTemplate(template, {}, { file });
  expect(render('{{ encryptAES "key" "plain é" | decryptAES "key" }}')).toBe('plain é');
  expect(render('{{ decryptAES "secretkey" "thvHO3TnE1c4L9gkxuhKDxulR13TqResaZo2q0QYqQQ=" }}')).toBe(
    'plaintext',
  );
});
