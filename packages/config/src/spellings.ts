import type { Problem } from './problem.ts';
import type { Tree } from './tree.ts';

interface Spelling {
  /** The path of the map, with `*` for any key or item. */
  readonly where: readonly string[];
  readonly wrong: string;
  readonly right: string;
}

const users = ['users.*', 'stages.*.*.users.*', 'install.users.*'];
const images = [
  ...['system', 'passive', 'recovery-system'].map((image) => `install.${image}`),
  ...['system', 'recovery-system'].map((image) => `upgrade.${image}`),
  ...['system', 'passive'].map((image) => `reset.${image}`),
];

/**
 * Spellings that documentation, older schemas and other tools have taught people, with the key that is meant. They
 * work, and a warning says the right one.
 */
const spellings: readonly Spelling[] = (
  [
    [['install'], 'no_format', 'no-format'],
    [['install'], 'extra_partitions', 'extra-partitions'],
    [['install'], 'bind-mounts', 'bind_mounts'],
    [['install'], 'ephemeral-mounts', 'ephemeral_mounts'],
    [['install'], 'encrypted-partitions', 'encrypted_partitions'],
    [['install'], 'ssh-hardening', 'ssh_hardening'],
    [['install'], 'grub-options', 'grub_options'],
    [images, 'uri', 'source'],
    [['p2p.vpn'], 'vpn', 'create'],
    [users, 'lockPasswd', 'lock_passwd'],
    [users, 'lock-passwd', 'lock_passwd'],
    [users, 'ssh-authorized-keys', 'ssh_authorized_keys'],
    [['k3s', 'k3s-agent', 'k0s', 'k0s-worker'], 'enable', 'enabled'],
  ] as const
).flatMap(([places, wrong, right]) =>
  places.map((place): Spelling => ({ where: place.split('.'), wrong, right })),
);

/** The right spelling of a key, where a wrong one is known to be in use. `where` is the path of the map, with dots. */
export function rightSpelling(where: string, key: string): string | undefined {
  const steps = where.split('.');
  return spellings.find(
    ({ where: place, wrong }) =>
      wrong === key &&
      place.length === steps.length &&
      place.every((step, index) => step === '*' || step === steps[index]),
  )?.right;
}

function renamed(tree: Tree, spelling: Spelling, problems: Problem[]): Tree {
  const { wrong, right, where } = spelling;
  if (tree.kind !== 'map') return tree;
  const value = tree.entries.get(wrong);
  if (value === undefined) return tree;
  const both = tree.entries.has(right);
  problems.push({
    severity: 'warning',
    code: 'KEY_MISSPELT',
    message: both
      ? `${wrong} is spelt ${right} in ${where.join('.')}, and both are there: ${wrong} has no effect`
      : `${wrong} is spelt ${right} in ${where.join('.')}`,
    position: value.key ?? value.at,
    length: wrong.length,
    hint: both ? `remove ${wrong}` : `write ${right}`,
  });
  const entries = [...tree.entries].flatMap(([key, item]): [string, Tree][] =>
    key === wrong ? (both ? [] : [[right, item]]) : [[key, item]],
  );
  return tree.withEntries(new Map(entries));
}

function renamedBelow(tree: Tree, spelling: Spelling, depth: number, problems: Problem[]): Tree {
  const step = spelling.where[depth];
  if (step === undefined) return renamed(tree, spelling, problems);
  const below = (item: Tree) => renamedBelow(item, spelling, depth + 1, problems);
  if (tree.kind === 'map') {
    const keys = step === '*' ? [...tree.entries.keys()] : [step];
    let entries: Map<string, Tree> | undefined;
    for (const key of keys) {
      const before = tree.entries.get(key);
      const after = before === undefined ? undefined : below(before);
      if (after === undefined || after === before) continue;
      entries ??= new Map(tree.entries);
      entries.set(key, after);
    }
    return entries === undefined ? tree : tree.withEntries(entries);
  }
  if (tree.kind === 'list' && step === '*') {
    const items = tree.items.map(below);
    return items.every((item, index) => item === tree.items[index]) ? tree : tree.withItems(items);
  }
  return tree;
}

/** The tree of a document with the right spelling of each key; the wrong ones are warnings at their places. */
export function withRightSpellings(tree: Tree, problems: Problem[]): Tree {
  return spellings.reduce((result, spelling) => renamedBelow(result, spelling, 0, problems), tree);
}
