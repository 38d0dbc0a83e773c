import { join } from 'node:path';
import { type Document, headerOf, parseDocument } from '@kairos/config/document';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import { formatSize, MiB } from '@kairos/facts/size';
import type { Host } from '@kairos/host/host';

export type Mapping = Readonly<Record<string, unknown>>;

export interface CollectedConfig {
  /** All documents merged, later ones over earlier ones. */
  readonly config: Mapping;
  /** The documents that count, in the order of merging. */
  readonly documents: readonly Document[];
  /** What was left out and why. */
  readonly warnings: readonly string[];
}

/** Where a node's configuration is looked for, later directories over earlier ones. */
export const configDirectories = [
  '/run/initramfs/live',
  '/etc/kairos',
  '/usr/local/cloud-config',
  '/oem',
] as const;

/** Larger files in a configuration directory are not configuration. */
const largestFile = 2 * MiB;
/** A directory tree deeper than this is a loop or a mistake. */
const deepest = 16;

export function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const kindOf = (value: unknown): string =>
  Array.isArray(value) ? 'list' : isMapping(value) ? 'mapping' : 'scalar';

/**
 * Merges two values: mappings key by key; lists of mappings are joined, other lists united; a scalar is replaced;
 * `null` empties what was there.
 * @throws KairosError `CONFIG_MERGE` where the kinds differ
 */
export function mergeValues(earlier: unknown, later: unknown, path: string): unknown {
  if (earlier === undefined || earlier === null) return later;
  if (later === undefined) return earlier;
  const kind = kindOf(earlier);
  if (later === null) {
    if (kind === 'list') return [];
    if (kind === 'mapping') return {};
    return typeof earlier === 'string' ? '' : typeof earlier === 'number' ? 0 : false;
  }
  if (kind !== kindOf(later)) {
    throw new KairosError(
      'CONFIG_MERGE',
      `${path || 'The document'} is a ${kind} in one file and a ${kindOf(later)} in a later one`,
      { exit: 'invalidInput', hint: 'Write the key in the same way in both files' },
    );
  }
  if (isMapping(earlier) && isMapping(later)) {
    // Entries and not assignments: `__proto__` is a key like any other.
    const merged = new Map(Object.entries(earlier));
    for (const [key, value] of Object.entries(later)) {
      merged.set(key, mergeValues(merged.get(key), value, path ? `${path}.${key}` : key));
    }
    return Object.fromEntries(merged);
  }
  if (Array.isArray(earlier) && Array.isArray(later)) {
    if (isMapping(earlier[0])) return [...earlier, ...later];
    return [...earlier, ...later.filter((item) => isMapping(item) || !earlier.includes(item))];
  }
  return later;
}

function filesIn(host: Host, directory: string, depth = 0): string[] {
  if (depth > deepest) return [];
  return host.files.list(directory).flatMap((name) => {
    const path = join(directory, name);
    const status = host.files.status(path);
    if (status?.kind === 'directory') return filesIn(host, path, depth + 1);
    return /\.ya?ml$/.test(name) && (status?.kind === 'file' || status?.kind === 'symlink') ? [path] : [];
  });
}

/** A file of a directory counts only when it says that it is ours; anything else there is left alone. */
function readFromDirectory(host: Host, path: string, warnings: string[]): Document | undefined {
  try {
    const size = host.files.status(path)?.size ?? 0;
    if (size > largestFile) {
      warnings.push(`${path} is left out: ${formatSize(size)} is more than ${formatSize(largestFile)}`);
      return undefined;
    }
    const text = host.files.readText(path);
    if (headerOf(text) === undefined) {
      warnings.push(`${path} is left out: none of its first lines is #cloud-config`);
      return undefined;
    }
    const document = parseDocument(text, path);
    if (document.value === null) return undefined;
    if (!isMapping(document.value)) {
      warnings.push(`${path} is left out: it is a ${kindOf(document.value)}, not a mapping`);
      return undefined;
    }
    return document;
  } catch (error) {
    warnings.push(`${path} is left out: ${reasonOf(error)}`);
    return undefined;
  }
}

/** A file that the user named must be there and right. */
function readNamed(host: Host, path: string): Document {
  const text = host.files.readTextIfAny(path);
  if (text === undefined) {
    throw new KairosError('CONFIG_NOT_FOUND', `There is no file ${path}`, { exit: 'notFound' });
  }
  const document = parseDocument(text, path);
  if (document.header === undefined) {
    throw new KairosError('CONFIG_HEADER', `${path}:1:1: none of the first lines is #cloud-config`, {
      exit: 'invalidInput',
      position: { file: path, line: 1, column: 1 },
      hint: 'Begin the file with a line that is exactly #cloud-config',
    });
  }
  if (document.value !== null && !isMapping(document.value)) {
    const position = document.positionOf([]);
    throw new KairosError(
      'CONFIG_INVALID',
      `${path}:${position.line}:${position.column}: expected a mapping, found a ${kindOf(document.value)}`,
      { exit: 'invalidInput', position },
    );
  }
  return document;
}

/**
 * Reads the configuration of directories and then of named files, and merges it.
 * @throws KairosError `CONFIG_NOT_FOUND`, `CONFIG_HEADER`, `CONFIG_INVALID`, `YAML_INVALID` for a named file, and
 *   `CONFIG_MERGE`
 */
export function collectConfig(
  host: Host,
  sources: { readonly directories: readonly string[]; readonly files: readonly string[] },
): CollectedConfig {
  const warnings: string[] = [];
  const documents = [
    ...sources.directories
      .flatMap((directory) => filesIn(host, directory))
      .flatMap((path) => readFromDirectory(host, path, warnings) ?? []),
    ...sources.files.map((path) => readNamed(host, path)),
  ];
  let config: unknown = {};
  for (const document of documents) config = mergeValues(config, document.value ?? {}, '');
  return { config: isMapping(config) ? config : {}, documents, warnings };
}
