import { describe, expect, test } from 'bun:test';
import { parentOf, type TreeEntry, type TreeListing } from '@kairos/host/tree-listing';
import fc from 'fast-check';
import { type MergeRequest, type MergeStep, planMerge } from './state-merge.ts';

type Spelled = string | TreeEntry;
const owner = { uid: 0, gid: 0 };
/** `x`: a file with the content x; `/`: a directory; `>x`: a link to x. */
function entry(spelled: Spelled): TreeEntry {
  if (typeof spelled !== 'string') return spelled;
  if (spelled === '/') return { type: 'directory', mode: 0o755, ...owner };
  if (spelled.startsWith('>')) return { type: 'symlink', mode: 0o777, ...owner, target: spelled.slice(1) };
  return { type: 'file', mode: 0o644, ...owner, size: spelled.length, sha256: spelled };
}
const tree = (entries: Record<string, Spelled>): TreeListing =>
  new Map(Object.entries(entries).map(([name, one]) => [name, entry(one)]));
const file = (content: string, mode: number, uid = 0): TreeEntry => ({
  ...{ type: 'file', mode, uid, gid: 0, size: content.length, sha256: content },
});

/** What a tree is after a plan. Fails where a plan asks for what cannot be. */
function after(request: MergeRequest): Map<string, TreeEntry> {
  const { next } = request;
  const result = new Map(request.now);
  const below = (listing: TreeListing, name: string) =>
    [...listing].filter(([one]) => one === name || one.startsWith(`${name}/`));
  const place = (name: string, as: string) => {
    if (below(result, as).length > 1) throw new Error(`${as} is a filled directory`);
    if (parentOf(as) !== '.' && result.get(parentOf(as))?.type !== 'directory')
      throw new Error(`${as} is nowhere`);
    result.delete(as);
    for (const [one, what] of below(next, name)) result.set(`${as}${one.slice(name.length)}`, what);
  };
  const carryOut = (step: MergeStep): void => {
    const { name } = step;
    const there = result.get(name);
    switch (step.kind) {
      case 'put': {
        place(name, name);
        const put = result.get(name);
        if (put === undefined) throw new Error(`${name} is not in the new image`);
        result.set(name, { ...put, ...step.attributes });
        return;
      }
      case 'beside':
        place(name, step.as);
        return;
      case 'aside':
        for (const [one, what] of below(result, name)) {
          result.delete(one);
          result.set(`${step.as}${one.slice(name.length)}`, what);
        }
        return;
      case 'remove':
        if (there === undefined || (there.type === 'directory') !== step.directory)
          throw new Error(`remove ${name}`);
        if (below(result, name).length > 1) throw new Error(`${name} is not empty`);
        result.delete(name);
        return;
      case 'attributes':
        if (there === undefined) throw new Error(`attributes of ${name}`);
        result.set(name, { ...there, ...step.attributes });
    }
  };
  for (const step of planMerge(request).steps) carryOut(step);
  return result;
}

const spelled = (listing: TreeListing) =>
  Object.fromEntries(
    [...listing].map(([name, { type, sha256, target }]) => [
      name,
      type === 'directory' ? '/' : type === 'symlink' ? `>${target}` : sha256,
    ]),
  );

type Files = Record<string, Spelled>;
/** base, next, now; then what is there when the user wins, and when the image wins. */
const table: readonly (readonly [what: string, Files, Files, Files, Files, Files])[] = [
  ['added', {}, { a: '1' }, {}, { a: '1' }, { a: '1' }],
  ['added, a tree', {}, { d: '/', 'd/a': '1' }, {}, { d: '/', 'd/a': '1' }, { d: '/', 'd/a': '1' }],
  ['added by both alike', {}, { a: '1' }, { a: '1' }, { a: '1' }, { a: '1' }],
  [
    'added by both',
    {},
    { a: '1' },
    { a: 'u' },
    { a: 'u', 'a.kairos-new': '1' },
    { a: '1', 'a.kairos-kept': 'u' },
  ],
  ['removed', { a: '1' }, {}, { a: '1' }, {}, {}],
  ['removed, edited', { a: '1' }, {}, { a: 'u' }, { a: 'u' }, { 'a.kairos-kept': 'u' }],
  ['removed by both', { a: '1' }, {}, {}, {}, {}],
  ['changed', { a: '1' }, { a: '2' }, { a: '1' }, { a: '2' }, { a: '2' }],
  ['changed by both alike', { a: '1' }, { a: '2' }, { a: '2' }, { a: '2' }, { a: '2' }],
  [
    ...(['changed by both', { a: '1' }, { a: '2' }, { a: 'u' }] as const),
    ...([
      { a: 'u', 'a.kairos-new': '2' },
      { a: '2', 'a.kairos-kept': 'u' },
    ] as const),
  ],
  ['changed, deleted by the user', { a: '1' }, { a: '2' }, {}, {}, { a: '2' }],
  ['edited', { a: '1' }, { a: '1' }, { a: 'u' }, { a: 'u' }, { a: 'u' }],
  ['deleted by the user', { a: '1' }, { a: '1' }, {}, {}, {}],
  ["the user's own", {}, {}, { a: 'u' }, { a: 'u' }, { a: 'u' }],
  ['a directory removed', { d: '/', 'd/a': '1' }, {}, { d: '/', 'd/a': '1' }, {}, {}],
  [
    ...(['a directory removed, with a file of the user', { d: '/', 'd/a': '1' }, {}] as const),
    ...([
      { d: '/', 'd/a': '1', 'd/u': 'u' },
      { d: '/', 'd/u': 'u' },
      { d: '/', 'd/u': 'u' },
    ] as const),
  ],
  [
    ...([
      'a directory that the user deleted',
      { d: '/', 'd/a': '1' },
      { d: '/', 'd/a': '1', 'd/b': '1' },
    ] as const),
    ...([{}, {}, { d: '/', 'd/a': '1', 'd/b': '1' }] as const),
  ],
  ['a file becomes a link', { a: '1' }, { a: '>b' }, { a: '1' }, { a: '>b' }, { a: '>b' }],
  ['a link is turned', { a: '>1' }, { a: '>2' }, { a: '>1' }, { a: '>2' }, { a: '>2' }],
  [
    ...(['a link is turned by both', { a: '>1' }, { a: '>2' }, { a: '>u' }] as const),
    ...([
      { a: '>u', 'a.kairos-new': '>2' },
      { a: '>2', 'a.kairos-kept': '>u' },
    ] as const),
  ],
  [
    ...(['a file becomes a directory', { a: '1' }, { a: '/', 'a/b': '2' }, { a: '1' }] as const),
    ...([
      { a: '/', 'a/b': '2' },
      { a: '/', 'a/b': '2' },
    ] as const),
  ],
  [
    ...(['an edited file becomes a directory', { a: '1' }, { a: '/', 'a/b': '2' }, { a: 'u' }] as const),
    { a: 'u', 'a.kairos-new': '/', 'a.kairos-new/b': '2' },
    { a: '/', 'a/b': '2', 'a.kairos-kept': 'u' },
  ],
  [
    ...(['a directory becomes a file', { a: '/', 'a/b': '1' }, { a: '2' }, { a: '/', 'a/b': '1' }] as const),
    ...([{ a: '2' }, { a: '2' }] as const),
  ],
  [
    ...(['a directory with a file of the user becomes a link', { a: '/', 'a/b': '1' }, { a: '>c' }] as const),
    { a: '/', 'a/b': '1', 'a/u': 'u' },
    { a: '/', 'a/u': 'u', 'a.kairos-new': '>c' },
    { a: '>c', 'a.kairos-kept': '/', 'a.kairos-kept/u': 'u' },
  ],
  [
    ...(['a directory that the user made a link', { a: '/', 'a/b': '1' }, { a: '/', 'a/b': '2' }] as const),
    ...([{ a: '>/oem/a' }, { a: '>/oem/a' }, { a: '>/oem/a' }] as const),
  ],
  [
    ...([
      'the name beside is taken by the image',
      { a: '1' },
      { a: '2', 'a.kairos-new': 'i' },
      { a: 'u' },
    ] as const),
    { a: 'u', 'a.kairos-new': 'i', 'a.kairos-new-2': '2' },
    { a: '2', 'a.kairos-new': 'i', 'a.kairos-kept': 'u' },
  ],
];

describe('one entry', () => {
  test.each(table)('%s', (_, base, next, now, user, image) => {
    const request = { base: tree(base), next: tree(next), now: tree(now) };
    expect(spelled(after({ ...request, wins: 'now' }))).toEqual(spelled(tree(user)));
    expect(spelled(after({ ...request, wins: 'next' }))).toEqual(spelled(tree(image)));
  });
});

describe('mode and owner', () => {
  const merged = (base: TreeEntry, next: TreeEntry, now: TreeEntry) => {
    const request = { base: tree({ a: base }), next: tree({ a: next }), now: tree({ a: now }) };
    const { type, size, ...rest } = after({ ...request, wins: 'now' }).get('a') ?? entry('/');
    return rest;
  };
  test('what only the image changed is as it has it, in an edited file too', () => {
    expect(merged(file('1', 0o644), file('1', 0o600, 7), file('user', 0o644))).toEqual({
      ...{ mode: 0o600, uid: 7, gid: 0, sha256: 'user' },
    });
  });
  test('what the user changed stays, in a file with new content too', () => {
    expect(merged(file('1', 0o644), file('2', 0o600, 7), file('1', 0o640))).toEqual({
      ...{ mode: 0o640, uid: 7, gid: 0, sha256: '2' },
    });
  });
  test('of the tree itself', () => {
    const directory = (mode: number): TreeEntry => ({ type: 'directory', mode, ...owner });
    const { steps } = planMerge({
      ...{ base: tree({ '.': directory(0o755) }), next: tree({ '.': directory(0o700) }) },
      ...{ now: tree({ '.': directory(0o755) }), wins: 'now' },
    });
    expect(steps).toEqual([{ kind: 'attributes', name: '.', attributes: { mode: 0o700, uid: 0, gid: 0 } }]);
  });
});

test('a name beside has room for its ending, whole characters only', () => {
  const long = '€'.repeat(85);
  const plan = planMerge({
    ...{ base: tree({ [long]: '1' }), next: tree({ [long]: '2' }), now: tree({ [long]: 'u' }), wins: 'now' },
  });
  expect(plan.conflicts[0]?.beside).toBe(`${'€'.repeat(81)}.kairos-new`);
});

test('what both changed is told', () => {
  const request = {
    base: tree({ a: '1', b: '1', c: '1' }),
    next: tree({ a: '2', c: '1' }),
    now: tree({ a: 'u', b: 'u', c: 'u' }),
  };
  expect(planMerge({ ...request, wins: 'now' }).conflicts).toEqual([
    { name: 'a', what: 'changed by both', beside: 'a.kairos-new' },
    { name: 'b', what: 'removed from the image' },
  ]);
  expect(planMerge({ ...request, wins: 'next' }).conflicts).toEqual([
    { name: 'a', what: 'changed by both', beside: 'a.kairos-kept' },
    { name: 'b', what: 'removed from the image', beside: 'b.kairos-kept' },
  ]);
});

/** Trees of files, links and directories with names that collide. */
const generated = fc
  .array(
    fc.tuple(
      fc.array(fc.constantFrom('a', 'b', '__proto__'), { minLength: 1, maxLength: 3 }),
      fc.constantFrom('1', '2', '3', '>1', '>2', '/'),
      fc.constantFrom(0o644, 0o600),
    ),
    { maxLength: 8 },
  )
  .map((leaves): TreeListing => {
    const result = new Map<string, TreeEntry>();
    for (const [names, what, mode] of leaves) {
      for (let depth = 1; depth <= names.length; depth++) {
        const name = names.slice(0, depth).join('/');
        const parent = parentOf(name);
        if (parent !== '.' && result.get(parent)?.type !== 'directory') break;
        if (result.has(name)) continue;
        const made = entry(depth < names.length ? '/' : what);
        result.set(name, made.type === 'file' ? { ...made, mode } : made);
      }
    }
    return result;
  });
const wins = fc.constantFrom('now' as const, 'next' as const);
const plain = (listing: TreeListing) => [...listing].sort(([a], [b]) => (a < b ? -1 : 1));

describe('any three trees', () => {
  test('that nobody touched become the new image', () => {
    fc.assert(
      fc.property(generated, generated, wins, (base, next, who) => {
        expect(plain(after({ base, next, now: base, wins: who }))).toEqual(plain(next));
      }),
    );
  });

  test('stay as they are where the image did not change', () => {
    fc.assert(
      fc.property(generated, generated, wins, (base, now, who) => {
        expect(plain(after({ base, next: base, now, wins: who }))).toEqual(plain(now));
      }),
    );
  });

  test('are as the new image where the user had done the same', () => {
    fc.assert(
      fc.property(generated, generated, (base, next) => {
        expect(planMerge({ base, next, now: next, wins: 'now' }).conflicts).toEqual([]);
        expect(spelled(after({ base, next, now: next, wins: 'now' }))).toEqual(spelled(next));
      }),
    );
  });

  test('keep every content of the user, and every name where the user wins', () => {
    fc.assert(
      fc.property(generated, generated, generated, wins, (base, next, now, who) => {
        const result = after({ base, next, now, wins: who });
        const contents = [...result.values()].map(({ sha256, target }) => sha256 ?? `>${target}`);
        for (const [name, one] of now) {
          const known = base.get(name);
          if (one.type === 'directory') continue;
          const own = known?.type !== one.type || known.sha256 !== one.sha256 || known.target !== one.target;
          if (!own) continue;
          expect(contents).toContain(one.sha256 ?? `>${one.target}`);
          if (who === 'now') expect(spelled(result)[name]).toBe(one.sha256 ?? `>${one.target}`);
        }
      }),
    );
  });
});
