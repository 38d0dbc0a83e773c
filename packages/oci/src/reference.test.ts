import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseReference, printReference } from './reference.ts';

const digest = `sha256:${'0a'.repeat(32)}`;

test.each<[string, string]>([
  ['debian', 'docker.io/library/debian:latest'],
  ['debian:13', 'docker.io/library/debian:13'],
  ['user/name', 'docker.io/user/name:latest'],
  ['docker.io/debian', 'docker.io/library/debian:latest'],
  ['index.docker.io/a/b', 'docker.io/a/b:latest'],
  ['localhost/a', 'localhost/a:latest'],
  ['localhost:5000/a/b/c:v1', 'localhost:5000/a/b/c:v1'],
  ['example.org/a', 'example.org/a:latest'],
  ['Host/a', 'Host/a:latest'],
  ['[::1]:5000/a:b', '[::1]:5000/a:b'],
  [`example.org/a@${digest}`, `example.org/a@${digest}`],
  [`example.org/a:1@${digest}`, `example.org/a:1@${digest}`],
])('%s is %s', (text, whole) => {
  expect(printReference(parseReference(text))).toBe(whole);
});

test.each<[string, string]>([
  ['', 'it has no name'],
  ['example.org/', 'it has no name'],
  ['example.org/Name', '"Name" is not a name'],
  ['a b', '"library/a b" is not a name'],
  ['a:', '"" is not a tag'],
  ['a:-x', '"-x" is not a tag'],
  [`a:${'x'.repeat(129)}`, `"${'x'.repeat(129)}" is not a tag`],
  ['a@sha256:12', 'what follows "@" is not a digest'],
  ['example.org//a', '"/a" is not a name'],
  ['example.org/../a', '"../a" is not a name'],
  ['user:secret@host/a', 'what follows "@" is not a digest'],
  ['bad_host.org/a', '"bad_host.org" is not a host'],
  [`example.org/${'a/'.repeat(130)}b`, 'the name is longer than 255 characters'],
])('%j is refused', (text, reason) => {
  expect(() => parseReference(text)).toThrow(reason);
});

describe('properties', () => {
  const part = fc.stringMatching(/^[a-z0-9]{1,8}(?:(?:\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}$/);
  const reference = fc.record(
    {
      registry: fc.constantFrom(
        'docker.io',
        'localhost',
        'example.org',
        'a-b.example:5000',
        '127.0.0.1:1',
        '[fe80::1]',
      ),
      repository: fc.array(part, { minLength: 2, maxLength: 4 }).map((parts) => parts.join('/')),
      tag: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/),
      digest: fc.constant(digest),
    },
    { requiredKeys: ['registry', 'repository', 'tag'] },
  );
  test('what is printed reads back', () => {
    fc.assert(fc.property(reference, (one) => expect(parseReference(printReference(one))).toEqual(one)));
  });
  test('what is read is printed in a form that reads the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'aB1.:/@-_[]') }), (text) => {
        let parsed: ReturnType<typeof parseReference>;
        try {
          parsed = parseReference(text);
        } catch {
          return;
        }
        expect(parseReference(printReference(parsed))).toEqual(parsed);
      }),
    );
  });
});

test('a password in a reference is not shown', () => {
  for (const text of [
    'user:hunter2@host/a',
    'https://user:hunter2@host/a',
    'docker://u:hunter2@host/Name:x',
  ]) {
    try {
      parseReference(text);
      throw new Error('expected a KairosError');
    } catch (error) {
      expect([String(error).includes('hunter2'), String(error).includes('***@host')]).toEqual([false, true]);
    }
  }
});
