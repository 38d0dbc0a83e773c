import { expect, test } from 'bun:test';
import { parseChallenges } from './challenge.ts';

const read = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

test.each<[string, [string, Record<string, string>][]]>([
  [
    'Bearer realm="https://auth.example/token",service="example",scope="a:b:pull,push"',
    [['bearer', { realm: 'https://auth.example/token', service: 'example', scope: 'a:b:pull,push' }]],
  ],
  ['Basic realm="a \\"b\\""', [['basic', { realm: 'a "b"' }]]],
  [
    'BASIC realm=plain, Bearer  Realm = "x" , service=y',
    [
      ['basic', { realm: 'plain' }],
      ['bearer', { realm: 'x', service: 'y' }],
    ],
  ],
  [
    'Negotiate, Basic realm="a"',
    [
      ['negotiate', {}],
      ['basic', { realm: 'a' }],
    ],
  ],
  ['', []],
  ['realm="x"', []],
  ['Bearer realm="unclosed', [['bearer', {}]]],
])('%s', (header, expected) => {
  expect(read(header)).toEqual(expected);
});
