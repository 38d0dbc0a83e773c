import { expect, test } from 'bun:test';
import { differences } from './difference.ts';
import { parseDocument } from './document.ts';
import { treeOfDocument } from './tree.ts';

const tree = (text: string, file: string) => treeOfDocument(parseDocument(text, file));

test('says what was added, removed and changed, and where', () => {
  const before = tree('a: 1\nb:\n  c: [x, y]\nd: gone\n', 'old');
  const after = tree('a: 2\nb:\n  c: [x, z, new]\n  e: {}\n', 'new');
  expect(differences(before, after).map((each) => [each.kind, each.path.join('.'), each.at.line])).toEqual([
    ['changed', 'a', 1],
    ['changed', 'b.c.1', 3],
    ['added', 'b.c.2', 3],
    ['added', 'b.e', 4],
    ['removed', 'd', 4],
  ]);
});

test('the same text has no differences', () => {
  const text = 'a: [1, {b: null}]\nc: .nan\n';
  expect(differences(tree(text, 'a'), tree(text, 'b'))).toEqual([]);
});
