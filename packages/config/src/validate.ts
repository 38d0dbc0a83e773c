import type { Position } from '@kairos/facts/errors';
import { didYouMean } from '@kairos/facts/suggest';
import type { z } from 'zod';
import type { Path } from './document.ts';
import { knownKeysAt } from './known-keys.ts';
import { rightPlace } from './misplaced-keys.ts';
import type { Problem } from './problem.ts';
import { rootKeys } from './root-keys.ts';
import { root } from './schema/root.ts';
import { rightSpelling } from './spellings.ts';
import { plainValue, subtree, type Tree } from './tree.ts';

export interface ValidateOptions {
  /** Unknown keys are errors instead of warnings. */
  readonly strict?: boolean;
  /** The schema to hold the value against. Default: the whole cloud-config. */
  readonly schema?: z.ZodType;
}

/** As many as somebody may want to read at once; a document of nothing else has a hundred thousand. */
const maximumIssues = 200;

const dotted = (path: readonly PropertyKey[]) => path.map(String).join('.');

/** The place of the value at a path, or of the nearest parent that exists. */
function placeOf(tree: Tree, path: Path): Position {
  for (let length = path.length; length > 0; length--) {
    const found = subtree(tree, path.slice(0, length));
    if (found) return found.at;
  }
  return tree.at;
}

/** What was found, in a word or two, without telling secrets. */
function kindOf(tree: Tree | undefined): string {
  if (tree === undefined) return 'nothing';
  if (tree.kind !== 'scalar') return `a ${tree.kind}`;
  if (tree.value === null) return 'nothing';
  return kinds[typeof tree.value] ?? `a ${typeof tree.value}`;
}

/** Types in the words of someone who writes YAML. */
const kinds: Readonly<Record<string, string>> = {
  array: 'a list',
  object: 'a map',
  record: 'a map',
  string: 'a text',
  boolean: 'true or false',
  number: 'a number',
  int: 'a whole number',
};
const inWords = (type: string) => kinds[type] ?? type;

/** The types that a value could have had here. */
function expectedTypes(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'invalid_type') return [issue.expected];
  if (issue.code !== 'invalid_union') return [];
  return [
    ...new Set(
      issue.errors
        .flat()
        .flatMap((part) => (part.code === 'invalid_type' && part.path.length === 0 ? [part.expected] : [])),
    ),
  ];
}

/**
 * The issues of a choice that the value has made: of the kind of value that it is, one by one, in place of one that says
 * that nothing fits. An unknown key of a user is no more than that.
 */
function withinChoices(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const made = issue.errors.find(
    (branch) =>
      branch.length > 0 && branch.every(({ code, path }) => path.length > 0 || code === 'unrecognized_keys'),
  );
  if (made === undefined) return [issue];
  return made.flatMap((inner) => withinChoices({ ...inner, path: [...issue.path, ...inner.path] }));
}

/** The first issue of a union that says more than that none of its parts fits. */
function message(issue: z.core.$ZodIssue, found: Tree | undefined): string {
  if (issue.code === 'invalid_union') {
    const told = issue.errors.flat().find(({ code }) => code === 'invalid_format');
    if (told) return told.message;
  }
  if (issue.code === 'invalid_type' || issue.code === 'invalid_union') {
    const expected = [...new Set(expectedTypes(issue).map(inWords))];
    return `expected ${expected.join(' or ') || 'another value'}, found ${kindOf(found)}`;
  }
  if (issue.code === 'invalid_value')
    return `expected one of ${issue.values.filter((v) => v !== '').join(', ')}`;
  if (issue.code === 'too_small' && issue.origin === 'string') return 'expected a text that is not empty';
  if (issue.code === 'too_small') return `expected ${issue.minimum} or more`;
  return issue.message;
}

const booleanWords: Readonly<Record<string, boolean>> = {
  yes: true,
  on: true,
  y: true,
  no: false,
  off: false,
  n: false,
};

/** What to write instead, where the type tells it. */
function hintFor(issue: z.core.$ZodIssue, found: Tree | undefined): string | undefined {
  if (found?.kind !== 'scalar') return undefined;
  const expected = expectedTypes(issue);
  const { value } = found;
  if (expected.includes('boolean') && typeof value === 'string') {
    const text = value.toLowerCase();
    if (text in booleanWords) return `write ${booleanWords[text]}: YAML 1.2 reads ${value} as a text`;
    if (text === 'true' || text === 'false') return `write ${text} without quotes`;
  }
  if (expected.length === 1 && expected[0] === 'array')
    return 'write a list, each item on a line of its own after "- "';
  if (expected.length === 1 && expected[0] === 'string') return 'put the value in quotes';
  return undefined;
}

/**
 * Holds a configuration against the schema and the rules that a schema cannot say. Gives everything that is wrong, with
 * places; an empty list is a valid configuration.
 */
export function validate(tree: Tree, options: ValidateOptions = {}): Problem[] {
  const schema = options.schema ?? root;
  const problems: Problem[] = [];
  const result = schema.safeParse(plainValue(tree));
  const issues = result.success ? [] : result.error.issues.flatMap(withinChoices);
  for (const issue of issues.slice(0, maximumIssues)) {
    const path = issue.path as Path;
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys)
        problems.push(unknownKey(tree, schema, path, key, options.strict ?? false));
      continue;
    }
    const found = subtree(tree, path);
    const hint = hintFor(issue, found);
    problems.push({
      severity: 'error',
      code: 'VALUE_INVALID',
      message: `${dotted(path) || 'the document'}: ${message(issue, found)}`,
      position: placeOf(tree, path),
      ...(hint === undefined ? {} : { hint }),
      ...(found && found.replaced.length > 0
        ? { related: found.replaced.map((position) => ({ position, message: 'this value was replaced' })) }
        : {}),
    });
  }
  const next = issues[maximumIssues];
  if (next !== undefined) {
    problems.push({
      severity: 'error',
      code: 'TOO_MANY_PROBLEMS',
      message: `there are ${issues.length - maximumIssues} further problems from here on`,
      position: placeOf(tree, next.path as Path),
    });
  }
  if (options.schema === undefined) {
    problems.push(...misspeltRootKeys(tree, options.strict ?? false), ...semanticProblems(tree));
  }
  return problems;
}

/**
 * Keys at the root that nearly are one of ours, or have no effect there. Others belong to bundles and plug-ins, and
 * nothing is said about them.
 */
function misspeltRootKeys(tree: Tree, strict: boolean): Problem[] {
  if (tree.kind !== 'map') return [];
  return [...tree.entries.keys()]
    .filter((key) => !rootKeys.has(key))
    .slice(0, maximumIssues)
    .flatMap((key): Problem[] => {
      const hint = rightPlace(key);
      if (hint !== undefined) {
        return [
          {
            severity: strict ? 'error' : 'warning',
            code: 'KEY_MISPLACED',
            message: `${key} has no effect at the root`,
            position: keyPlace(tree, [key]),
            length: key.length,
            hint,
          },
        ];
      }
      return didYouMean(key, rootKeys) === undefined ? [] : [unknownKey(tree, root, [], key, strict)];
    });
}

function unknownKey(tree: Tree, schema: z.ZodType, path: Path, key: string, strict: boolean): Problem {
  const where = dotted(path);
  const right = rightSpelling(where, key);
  const near = right ?? didYouMean(key, knownKeysAt(schema, path) ?? []);
  return {
    severity: strict && right === undefined ? 'error' : 'warning',
    code: right === undefined ? 'KEY_UNKNOWN' : 'KEY_MISSPELT',
    message:
      right === undefined
        ? `unknown key ${key}${where ? ` in ${where}` : ''}`
        : `${key} is spelt ${right}${where ? ` in ${where}` : ''}`,
    position: keyPlace(tree, [...path, key]),
    length: key.length,
    ...(near === undefined ? {} : { hint: right === undefined ? `did you mean ${near}?` : `write ${near}` }),
  };
}

/** Where a key stands: on the line of its value where they share one, else just before it. */
function keyPlace(tree: Tree, path: Path): Position {
  const found = subtree(tree, path);
  return found?.key ?? placeOf(tree, path);
}

/** Whether a plain value at a path is exactly `true`. */
const isTrue = (tree: Tree, ...path: string[]) => {
  const found = subtree(tree, path);
  return found?.kind === 'scalar' && found.value === true;
};

function semanticProblems(tree: Tree): Problem[] {
  const problems: Problem[] = [];
  const report = (code: string, path: Path, text: string, hint: string, related: Problem['related'] = []) => {
    problems.push({ severity: 'error', code, message: text, position: placeOf(tree, path), hint, related });
  };
  for (const operation of ['install', 'upgrade', 'reset']) {
    if (isTrue(tree, operation, 'reboot') && isTrue(tree, operation, 'poweroff')) {
      report(
        'REBOOT_AND_POWEROFF',
        [operation, 'poweroff'],
        `${operation}.reboot and ${operation}.poweroff are both true`,
        'Keep one of them',
        [{ position: placeOf(tree, [operation, 'reboot']), message: 'reboot is true here' }],
      );
    }
  }
  if (isTrue(tree, 'install', 'ssh_hardening') && !anyUserHasKey(tree)) {
    report(
      'SSH_HARDENING_WITHOUT_KEY',
      ['install', 'ssh_hardening'],
      'install.ssh_hardening allows keys only, and no user has one',
      'Give a user ssh_authorized_keys, or leave ssh_hardening away',
    );
  }
  if (isTrue(tree, 'install', 'ssh_hardening')) problems.push(...passwordsBesideKeys(tree));
  const options = subtree(tree, ['options']);
  if (options?.kind === 'list' && options.items.length > 0) {
    problems.push({
      severity: 'warning',
      code: 'OPTIONS_LIST',
      message: 'options is a map of names to texts; a list has no effect',
      position: options.at,
      hint: 'Write `name: value` lines below options',
    });
  }
  const token = subtree(tree, ['p2p', 'network_token']);
  const hasToken = token?.kind === 'scalar' && typeof token.value === 'string' && token.value !== '';
  if (isTrue(tree, 'p2p', 'auto', 'enable') && !hasToken) {
    report(
      'P2P_TOKEN_MISSING',
      ['p2p', 'network_token'],
      'p2p.auto.enable needs p2p.network_token, which is empty',
      'Put in the token that the nodes of this network share',
    );
  }
  if (isTrue(tree, 'p2p', 'auto', 'ha', 'enable') && !isTrue(tree, 'p2p', 'auto', 'enable')) {
    report(
      'P2P_HA_WITHOUT_AUTO',
      ['p2p', 'auto', 'ha', 'enable'],
      'p2p.auto.ha.enable needs p2p.auto.enable',
      'Set p2p.auto.enable: true or leave ha away',
    );
  }
  const masters = subtree(tree, ['p2p', 'auto', 'ha', 'master_nodes']);
  if (isTrue(tree, 'p2p', 'auto', 'ha', 'enable') && masters?.kind === 'scalar' && masters.value === 0) {
    report(
      'P2P_HA_WITHOUT_MASTERS',
      ['p2p', 'auto', 'ha', 'master_nodes'],
      'p2p.auto.ha.enable needs further control planes, and p2p.auto.ha.master_nodes is 0',
      'Write 2, for three control planes together',
    );
  }
  return problems;
}

const isFilled = (found: Tree | undefined) => found?.kind === 'list' && found.items.length > 0;

/** All users of a configuration: of the root, and of the steps. */
function usersOf(tree: Tree): Tree[] {
  const atRoot = subtree(tree, ['users']);
  const stages = subtree(tree, ['stages']);
  const steps = stages?.kind === 'map' ? [...stages.entries.values()] : [];
  return [
    ...(atRoot?.kind === 'list' ? atRoot.items : []),
    ...steps
      .flatMap((list) => (list.kind === 'list' ? list.items : []))
      .flatMap((step) => {
        const users = subtree(step, ['users']);
        return users?.kind === 'map' ? [...users.entries.values()] : [];
      }),
  ];
}

/** With ssh_hardening, a password of who has a key opens nothing over SSH. */
function passwordsBesideKeys(tree: Tree): Problem[] {
  return usersOf(tree).flatMap((user): Problem[] => {
    const password = ['passwd', 'hashed_passwd', 'plain_text_passwd']
      .map((key) => subtree(user, [key]))
      .find((found) => found?.kind === 'scalar' && found.value !== null && found.value !== '');
    if (password === undefined || !isFilled(subtree(user, ['ssh_authorized_keys']))) return [];
    return [
      {
        severity: 'warning',
        code: 'SSH_HARDENING_PASSWORD',
        message:
          'install.ssh_hardening allows keys only: this password opens the console, and nothing over SSH',
        position: password.key ?? password.at,
        hint: 'Leave the password away, or keep it for the console',
      },
    ];
  });
}

function anyUserHasKey(tree: Tree): boolean {
  if (isFilled(subtree(tree, ['ssh_authorized_keys']))) return true;
  if (usersOf(tree).some((user) => isFilled(subtree(user, ['ssh_authorized_keys'])))) return true;
  const stages = subtree(tree, ['stages']);
  if (stages?.kind !== 'map') return false;
  return [...stages.entries.values()].some(
    (steps) =>
      steps.kind === 'list' &&
      steps.items.some((step) => {
        const keys = subtree(step, ['authorized_keys']);
        return keys?.kind === 'map' && [...keys.entries.values()].some(isFilled);
      }),
  );
}
