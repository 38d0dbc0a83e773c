import {
  collectDocuments,
  configDirectories,
  maximumFileSize,
  mergeDocuments,
  type ReadOptions,
  readDocument,
} from '@kairos/config/collect';
import { type Difference, differences } from '@kairos/config/difference';
import type { Document } from '@kairos/config/document';
import { kernelArgumentsDocument } from '@kairos/config/kernel-arguments';
import { hasErrors, type Problem, sortProblems, valueWithoutSecrets } from '@kairos/config/problem';
import { followRemote, nextUrl, type RemoteReader } from '@kairos/config/remote';
import { plainValue, subtree, type Tree } from '@kairos/config/tree';
import { validate } from '@kairos/config/validate';
import { KairosError, type Position } from '@kairos/facts/errors';
import { didYouMean } from '@kairos/facts/suggest';
import type { Host } from '@kairos/host/host';
import { stringify } from 'yaml';

/** A configuration with everything that is wrong with it and the texts to show it by. */
export interface Configuration {
  readonly tree: Tree;
  /** Files and URLs, in the order of merging. */
  readonly sources: readonly string[];
  readonly problems: readonly Problem[];
  /** Of the problems, those because of which a file or a URL does not count. */
  readonly leftOut: readonly Problem[];
  sourceOf(file: string): string | undefined;
}

export interface ConfigurationRequest {
  /** Directories of the node. Default: {@link configDirectories}. */
  readonly directories?: readonly string[];
  /** Merged after the directories. */
  readonly documents?: readonly Document[];
  /** Problems found while reading `documents`. */
  readonly problems?: readonly Problem[];
  /** Whether the kernel's command line counts too. */
  readonly commandLine?: boolean;
  /** Follows `config_url`, and is asked for when there is one; without it, links are left alone. */
  readonly remote?: () => Promise<RemoteReader>;
  readonly strict?: boolean;
  /** Files without a header that hold nothing but stages count too. */
  readonly stageFiles?: boolean;
}

/** The text of a file that was left out, to show the line of its problem. */
function sourceOfFile(host: Host, file: string): string | undefined {
  try {
    return host.files.readOrdinaryText(file, maximumFileSize);
  } catch {
    return undefined;
  }
}

/** A document that cannot be had now is not wrong: who asks what the node has is told, and gets the rest. */
function withoutDocument(problem: Problem): Problem {
  if (problem.code !== 'CONFIG_URL_UNREACHABLE') return problem;
  return {
    ...problem,
    severity: 'warning',
    message: `the document of config_url is left out: ${problem.message}`,
    hint: problem.hint ?? 'Try again where the network is up, or leave links alone with --offline',
  };
}

/** Collects, merges and validates the configuration of a node. */
export async function readConfiguration(host: Host, request: ConfigurationRequest): Promise<Configuration> {
  const collected = collectDocuments(host.files, request.directories ?? configDirectories, {
    stageFiles: request.stageFiles ?? false,
  });
  const cmdline = request.commandLine ? host.files.readTextIfAny('/proc/cmdline') : undefined;
  const given = cmdline === undefined ? undefined : kernelArgumentsDocument(cmdline);
  const own = [...collected.documents, ...(request.documents ?? []), ...(given ? [given] : [])];
  const problems = [...collected.problems, ...(request.problems ?? [])];
  const documents: Document[] = [];
  let remote: RemoteReader | undefined;
  for (const document of own) {
    if (request.remote && nextUrl(document) !== undefined) {
      remote ??= await request.remote();
      const chain = await followRemote(document, remote);
      problems.push(...chain.problems.map(withoutDocument));
      // What a document links to comes before it, so that the nearer wins.
      documents.push(...chain.documents.toReversed());
    }
    documents.push(document);
  }
  const merged = mergeDocuments(documents);
  const texts = new Map(documents.map(({ file, text }) => [file, text]));
  return {
    tree: merged.tree,
    sources: merged.sources,
    problems: sortProblems([
      ...problems,
      ...merged.problems,
      ...validate(merged.tree, request.strict === undefined ? {} : { strict: request.strict }),
    ]),
    leftOut: problems.filter(({ severity, code }) => severity === 'error' || code.startsWith('CONFIG_URL_')),
    sourceOf: (file) => texts.get(file) ?? sourceOfFile(host, file),
  };
}

/** A file that somebody asked about and that does not count is an error. */
const asError = (problem: Problem): Problem => ({ ...problem, severity: 'error' });

/** Validates one text by itself. */
export function validateText(
  text: string,
  file: string,
  strict: boolean,
  options: ReadOptions = {},
): Configuration {
  const { documents, problems } = readDocument(text, file, options);
  const own = documents.length > 0 ? problems : problems.map(asError);
  const merged = mergeDocuments(documents);
  return {
    tree: merged.tree,
    sources: [file],
    leftOut: own.filter(({ severity }) => severity === 'error'),
    problems: sortProblems([
      ...own,
      ...merged.problems,
      ...(documents.length > 0 ? validate(merged.tree, { strict }) : []),
    ]),
    sourceOf: (name) => (name === file ? text : undefined),
  };
}

/** The merged configuration as a cloud-config: header, sources, keys in order. */
export function printConfiguration({ tree, sources }: Pick<Configuration, 'tree' | 'sources'>): string {
  const comment =
    sources.length === 0 ? '' : `# Sources:\n${sources.map((source) => `# - ${source}\n`).join('')}\n`;
  return `#cloud-config\n\n${comment}${stringify(plainValue(tree), { sortMapEntries: true, indent: 4, lineWidth: 0 })}`;
}

/** `a.b[0].c` as steps. */
function stepsOf(query: string): string[] {
  return query
    .replace(/^\./, '')
    .replaceAll(/\[(\d+)\]/g, '.$1')
    .split('.')
    .filter((step) => step !== '');
}

/** One value of the configuration as YAML, or as JSON in one line; where there is none, nothing and `null`. */
export function queryConfiguration({ tree }: Configuration, query: string, json = false): string {
  const found = subtree(tree, stepsOf(query));
  if (found === undefined) return json ? 'null\n' : '';
  const value = plainValue(found);
  return json ? `${JSON.stringify(value)}\n` : stringify(value, { indent: 4, lineWidth: 0 });
}

export interface Explanation {
  readonly key: string;
  /** Secrets are hidden. */
  readonly value: unknown;
  readonly setAt: Position;
  /** Places whose values were taken over, the latest first. */
  readonly overrides: readonly Position[];
  /** Of a map or a list: the values in it, which may come from several files. */
  readonly parts?: readonly Explanation[];
}

function explained(tree: Tree, steps: readonly string[]): Explanation {
  const common = {
    key: steps.join('.'),
    value: valueWithoutSecrets(plainValue(tree), steps),
    setAt: tree.at,
    overrides: tree.replaced,
  };
  if (tree.kind === 'scalar') return common;
  const items: [string, Tree][] =
    tree.kind === 'map' ? [...tree.entries] : tree.items.map((item, index) => [String(index), item]);
  return { ...common, parts: items.map(([step, item]) => explained(item, [...steps, step])) };
}

/**
 * Who set a key, and what that took over.
 * @throws KairosError `KEY_NOT_SET` with the nearest key that is set
 */
export function explainKey({ tree }: Configuration, key: string): Explanation {
  const steps = stepsOf(key);
  const found = subtree(tree, steps);
  if (found) return explained(found, steps);
  const parent = subtree(tree, steps.slice(0, -1));
  const near = parent?.kind === 'map' ? didYouMean(steps.at(-1) ?? '', parent.entries.keys()) : undefined;
  throw new KairosError('KEY_NOT_SET', `Nothing sets ${key}`, {
    exit: 'notFound',
    ...(near === undefined ? {} : { hint: `${[...steps.slice(0, -1), near].join('.')} is set` }),
  });
}

/** How two configurations differ. Of secrets it is told that they do, not what they are. */
export function compareConfigurations(before: Configuration, after: Configuration): Difference[] {
  const hidden = (value: unknown, path: readonly string[]) => valueWithoutSecrets(value, path);
  return differences(before.tree, after.tree).map((each) =>
    each.kind === 'changed'
      ? { ...each, before: hidden(each.before, each.path), after: hidden(each.after, each.path) }
      : { ...each, value: hidden(each.value, each.path) },
  );
}

/**
 * Refuses a configuration with errors.
 * @throws KairosError `CONFIG_INVALID`
 */
export function refuseErrors({ problems }: Configuration): void {
  if (!hasErrors(problems)) return;
  const errors = problems.filter(({ severity }) => severity === 'error');
  throw new KairosError('CONFIG_INVALID', `The configuration has ${errors.length} errors`, {
    exit: 'invalidInput',
    details: { problems: errors },
  });
}
