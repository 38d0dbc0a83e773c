import {
  collectDocuments,
  configDirectories,
  maximumFileSize,
  mergeDocuments,
  readDocument,
} from '@kairos/config/collect';
import type { Document } from '@kairos/config/document';
import { kernelArgumentsDocument } from '@kairos/config/kernel-arguments';
import type { Problem } from '@kairos/config/problem';
import { followRemote, nextUrl, type RemoteReader } from '@kairos/config/remote';
import { plainValue, type Tree } from '@kairos/config/tree';
import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';

export type Mapping = Readonly<Record<string, unknown>>;

export interface CollectedConfig {
  /** All documents merged, later ones over earlier ones. */
  readonly config: Mapping;
  readonly tree: Tree;
  /** The documents that count, in the order of merging. */
  readonly documents: readonly Document[];
  readonly problems: readonly Problem[];
}

export interface ConfigSources {
  readonly directories: readonly string[];
  /** Files that the user named, merged after the directories. */
  readonly files: readonly string[];
  /** Whether the kernel's command line counts too; it comes last. */
  readonly commandLine?: boolean;
  /** Follows `config_url`; without it, links are left as they are. A function is asked when there is a link. */
  readonly remote?: RemoteReader | (() => Promise<RemoteReader>);
}

export function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The text of a file that the user named, who may also give a pipe: `manual-install <(make-config)`. */
function readNamedText(host: Host, path: string): string {
  try {
    return host.files.readOrdinaryText(path, maximumFileSize);
  } catch (error) {
    if (error instanceof KairosError && error.code === 'FILE_NOT_ORDINARY') return host.files.readText(path);
    throw error;
  }
}

/**
 * Reads the configuration of directories, named files and the kernel's command line, and merges it. A file of a
 * directory that cannot be read is a warning, since others put files there too; a named one is an error.
 * @throws KairosError `CONFIG_NOT_FOUND` for a named file that is not there, `FILE_TOO_LARGE`
 */
export async function collectConfig(host: Host, sources: ConfigSources): Promise<CollectedConfig> {
  const found = collectDocuments(host.files, sources.directories);
  const own: Document[] = [...found.documents];
  const problems: Problem[] = found.problems.map((problem) => ({
    ...problem,
    severity: 'warning',
    message: `the file is left out: ${problem.message}`,
  }));
  for (const path of sources.files) {
    if (!host.files.exists(path)) {
      throw new KairosError('CONFIG_NOT_FOUND', `There is no file ${path}`, { exit: 'notFound' });
    }
    const text = readNamedText(host, path);
    const read = readDocument(text, path);
    own.push(...read.documents);
    problems.push(...read.problems.map((problem): Problem => ({ ...problem, severity: 'error' })));
  }
  const cmdline = sources.commandLine ? host.files.readTextIfAny('/proc/cmdline') : undefined;
  const given = cmdline === undefined ? undefined : kernelArgumentsDocument(cmdline);
  if (given) own.push(given);
  const documents: Document[] = [];
  for (const document of own) {
    if (sources.remote && nextUrl(document) !== undefined) {
      const remote = typeof sources.remote === 'function' ? await sources.remote() : sources.remote;
      const chain = await followRemote(document, remote);
      problems.push(...chain.problems);
      documents.push(...chain.documents.toReversed());
    }
    documents.push(document);
  }
  const merged = mergeDocuments(documents);
  const config = plainValue(merged.tree);
  return {
    config: isMapping(config) ? config : {},
    tree: merged.tree,
    documents,
    problems: [...problems, ...merged.problems],
  };
}

/** What stages of this boot fetched for `config_url`. Templates and what they need are loaded where there is a link. */
export const keptLinksOf = (host: Host) => async (): Promise<RemoteReader> =>
  (await import('@kairos/stages/kept-links')).keptLinks(host);

/**
 * The configuration of the node as its stages saw it: with what `config_url` named when one of them last fetched it.
 * Asks no network; a link that no stage of this boot has followed is a problem in the result.
 */
export function collectNodeConfig(
  host: Host,
  sources: Pick<ConfigSources, 'commandLine'> = {},
): Promise<CollectedConfig> {
  return collectConfig(host, {
    ...{ directories: configDirectories, files: [], ...sources },
    remote: keptLinksOf(host),
  });
}
