import { KairosError, type Position, reasonOf } from '@kairos/facts/errors';
import { formatSize, MiB } from '@kairos/facts/size';
import { type Document, parseDocument } from './document.ts';
import { headerOf, nearlyHeader } from './document-header.ts';
import { merge } from './merge.ts';
import type { Problem } from './problem.ts';
import { withRightSpellings } from './spellings.ts';
import { textFault } from './text-check.ts';
import { type Tree, treeOf, treeOfDocument } from './tree.ts';

/** Where cloud-configs are, in the order in which they are merged: later wins. */
export const configDirectories = [
  '/run/initramfs/live',
  '/etc/kairos',
  '/usr/local/cloud-config',
  '/oem',
] as const;

/** A larger file is not a configuration that a person wrote. The original reads as much. */
export const maximumFileSize = 2 * MiB;

/** As much of a file system as collecting needs. */
export interface ConfigFiles {
  /** Names in a directory, sorted; empty where there is none. */
  list(path: string): readonly string[];
  status(path: string): { readonly kind: string; readonly size: number } | undefined;
  /**
   * The text of an ordinary file of a limited size.
   * @throws KairosError `FILE_TOO_LARGE`; anything else for what cannot be read
   */
  readOrdinaryText(path: string, maximumBytes: number): string;
}

export interface CollectedDocuments {
  readonly documents: readonly Document[];
  readonly problems: readonly Problem[];
}

const start = (file: string): Position => ({ file, line: 1, column: 1 });

/** The YAML files below a directory, in order of their paths. */
function filesBelow(files: ConfigFiles, directory: string, depth = 0): string[] {
  // A link to a parent would never end.
  if (depth > 16) return [];
  return files.list(directory).flatMap((name) => {
    const path = `${directory.replace(/\/$/, '')}/${name}`;
    const status = files.status(path);
    if (status?.kind === 'directory') return filesBelow(files, path, depth + 1);
    return (status?.kind === 'file' || status?.kind === 'symlink') && /\.ya?ml$/.test(name) ? [path] : [];
  });
}

export interface ReadOptions {
  /** Whether a file without a header counts for nothing. Default: it does. */
  readonly headerNeeded?: boolean;
  /** Take a file without a header that holds nothing but stages, as images have them; it is a warning. */
  readonly stageFiles?: boolean;
}

/** Whether a text without a header is a file of stages, such as an image has in /system/oem. */
function isStageFile(text: string): boolean {
  const keys = text.split('\n').flatMap((line) => /^([\w"'-]+)\s*:(?:\s|$)/.exec(line)?.[1] ?? []);
  return keys.includes('stages') && keys.every((key) => key === 'name' || key === 'stages');
}

/**
 * Parses one file's text as a cloud-config. What is wrong is reported and gives no document: one bad file never
 * blocks the others.
 */
export function readDocument(text: string, file: string, options: ReadOptions = {}): CollectedDocuments {
  const report = (
    severity: Problem['severity'],
    code: string,
    message: string,
    hint?: string,
    position = start(file),
  ) => ({
    documents: [],
    problems: [{ severity, code, message, position, ...(hint === undefined ? {} : { hint }) }],
  });
  if (text.length > maximumFileSize) {
    return report(
      'error',
      'FILE_TOO_LARGE',
      `the file has ${formatSize(text.length)}; at most ${formatSize(maximumFileSize)} are read`,
    );
  }
  const fault = textFault(text, file);
  if (fault) return report('error', 'NOT_TEXT', fault.message, fault.hint, fault.position);
  const bare = (options.headerNeeded ?? true) && headerOf(text) === undefined;
  if (bare && !(options.stageFiles && isStageFile(text))) {
    const near = nearlyHeader(text);
    return report(
      'warning',
      'HEADER_MISSING',
      'the file is not a cloud-config: none of its first lines is #cloud-config',
      near?.hint ?? 'Make #cloud-config the first line',
      { file, line: near?.line ?? 1, column: 1 },
    );
  }
  let document: Document;
  try {
    document = parseDocument(text, file);
  } catch (error) {
    if (!(error instanceof KairosError) || error.position === undefined) {
      return report('error', 'YAML_INVALID', reasonOf(error));
    }
    const prefix = `${file}:${error.position.line}:${error.position.column}: `;
    return report('error', error.code, error.message.replace(prefix, ''), error.hint, error.position);
  }
  if (document.value !== null && (typeof document.value !== 'object' || Array.isArray(document.value))) {
    return report(
      'error',
      'NOT_A_MAP',
      `a cloud-config is a map of keys, this is a ${Array.isArray(document.value) ? 'list' : 'scalar'}`,
    );
  }
  const { problems } = bare
    ? report(
        'warning',
        'HEADER_MISSING',
        'only the stages of this file count: none of its first lines is #cloud-config',
        'Make #cloud-config the first line, unless it is a file of an image',
      )
    : { problems: [] };
  return { documents: [document], problems };
}

/** Reads the cloud-configs of directories, each recursively and in order of names. */
export function collectDocuments(
  files: ConfigFiles,
  directories: readonly string[],
  options: ReadOptions = {},
): CollectedDocuments {
  const documents: Document[] = [];
  const problems: Problem[] = [];
  for (const path of directories.flatMap((directory) => filesBelow(files, directory))) {
    let read: CollectedDocuments;
    try {
      read = readDocument(files.readOrdinaryText(path, maximumFileSize), path, options);
    } catch (error) {
      const large = error instanceof KairosError && error.code === 'FILE_TOO_LARGE';
      read = {
        documents: [],
        problems: [
          {
            severity: large ? 'warning' : 'error',
            code: large ? 'FILE_TOO_LARGE' : 'FILE_UNREADABLE',
            message: `the file cannot be read: ${reasonOf(error)}`,
            position: start(path),
          },
        ],
      };
    }
    documents.push(...read.documents);
    problems.push(...read.problems);
  }
  return { documents, problems };
}

export interface MergedConfig {
  readonly tree: Tree;
  readonly sources: readonly string[];
  readonly problems: readonly Problem[];
}

/** Merges documents in order, later ones winning, with wrong spellings put right. No documents give an empty map. */
export function mergeDocuments(documents: readonly Document[]): MergedConfig {
  const problems: Problem[] = [];
  const beginning = start(documents[0]?.file ?? '');
  let tree: Tree = treeOf({}, { positionOf: () => beginning });
  for (const document of documents) {
    if (document.value === null) continue;
    try {
      tree = merge(tree, withRightSpellings(treeOfDocument(document), problems), problems);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      problems.push({
        severity: 'error',
        code: 'TOO_DEEP',
        message: `the document is ${error.message}`,
        position: start(document.file),
      });
    }
  }
  return { tree, sources: documents.map(({ file }) => file), problems };
}
