import { expect, test } from 'bun:test';
import { KairosError } from '@kairos/facts/errors';
import { parseDocument } from './document.ts';
import { headerOf } from './document-header.ts';

const text = `#cloud-config
install:
  auto: true
users:
  - name: kairos
    groups: [admin]
`;

test('values know their line and column', () => {
  const document = parseDocument(text, 'a.yaml');
  expect(document.value).toEqual({ install: { auto: true }, users: [{ name: 'kairos', groups: ['admin'] }] });
  expect(document.positionOf(['install', 'auto'])).toEqual({ file: 'a.yaml', line: 3, column: 9 });
  expect(document.keyPositionOf(['install', 'auto'])).toEqual({ file: 'a.yaml', line: 3, column: 3 });
  expect(document.positionOf(['users', 0, 'groups', 0])).toEqual({ file: 'a.yaml', line: 6, column: 14 });
});

test.each([
  ['#cloud-config\n', '#cloud-config'],
  ['\n# note\n#kairos-config  \na: 1', '#kairos-config'],
  ['## cloud-config', undefined],
  [`${'\n'.repeat(9)}#cloud-config`, undefined],
])('header of %j', (given, header) => {
  expect(headerOf(given)).toBe(header);
});

test('a syntax error has a position', () => {
  let error: unknown;
  try {
    parseDocument('a: 1\nb: [1, 2\n', 'b.yaml');
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(KairosError);
  expect((error as KairosError).position?.line).toBe(3);
});

test('aliases and merge keys lead to what they stand for, and a scalar keeps its spelling', () => {
  const document = parseDocument(
    `base: &base
  path: /a
  mode: 0644
steps:
  - <<: *base
    version: 1.10
  - *base
  - <<: [{ x: 010 }, *base]
`,
    'c.yaml',
  );
  expect(document.positionOf(['steps', 0, 'mode'])).toEqual({ file: 'c.yaml', line: 3, column: 9 });
  expect(document.sourceOf(['steps', 0, 'mode'])).toBe('0644');
  expect(document.sourceOf(['steps', 0, 'version'])).toBe('1.10');
  expect(document.sourceOf(['steps', 1, 'mode'])).toBe('0644');
  expect(document.sourceOf(['steps', 2, 'x'])).toBe('010');
  expect(document.sourceOf(['steps', 2, 'path'])).toBe('/a');
  expect(document.sourceOf(['steps', 0])).toBeUndefined();
  expect(document.sourceOf(['steps', 0, 'absent'])).toBeUndefined();
});
