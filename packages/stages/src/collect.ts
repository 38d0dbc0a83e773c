import { maximumFileSize } from '@kairos/config/collect';
import { type Document, parseDocument } from '@kairos/config/document';
import { headerOf } from '@kairos/config/document-header';
import { textFault } from '@kairos/config/text-check';
import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { problemOf, type StageProblem } from './problem.ts';
import { type StageFile, stageFileOf } from './stage-file.ts';

/** Where stages are looked for, in the order in which their steps run. */
export const defaultStageDirectories = ['/system/oem', '/oem', '/usr/local/cloud-config'] as const;

/** Deeper folders are a loop or a mistake. */
const maximumDepth = 16;

export interface Collected {
  readonly files: StageFile[];
  readonly problems: StageProblem[];
}

function stagePaths(host: Host, directory: string, depth: number, found: string[]): void {
  for (const name of host.files.list(directory)) {
    const path = `${directory.replace(/\/$/, '')}/${name}`;
    const kind = host.files.status(path)?.kind;
    if (kind === 'directory') {
      if (depth < maximumDepth) stagePaths(host, path, depth + 1, found);
    } else if (/\.ya?ml$/.test(name)) {
      found.push(path);
    }
  }
}

/** The stage files of directories, in the order in which they are read. Each directory counts once. */
export function filesOfDirectories(
  host: Host,
  directories: readonly string[],
): { readonly directory: string; readonly path: string }[] {
  return [...new Set(directories.map((path) => path.replace(/(.)\/+$/, '$1')))].flatMap((directory) => {
    const paths: string[] = [];
    if (host.files.status(directory)?.kind === 'file') paths.push(directory);
    else stagePaths(host, directory, 0, paths);
    return paths.map((path) => ({ directory, path }));
  });
}

/** A parsed text as a stage file; a syntax error is a problem and gives no file. */
export function collectDocument(text: string, file: string, directory = ''): Collected {
  let document: Document;
  try {
    document = parseDocument(text, file);
  } catch (error) {
    return { files: [], problems: [problemOf(error, { position: { file, line: 1, column: 1 } })] };
  }
  const { file: stageFile, problems } = stageFileOf(document, directory);
  return { files: [stageFile], problems: [...problems] };
}

/** Keys at the root of a cloud-config that become steps, by stage. */
const translatedKeys: Readonly<Record<string, readonly string[]>> = {
  boot: ['runcmd', 'write_files', 'users', 'ssh_authorized_keys', 'growpart'],
  network: ['users', 'ssh_authorized_keys'],
  initramfs: ['hostname'],
};

/**
 * Whether a text can have steps of a stage at all. Parsing is most of what a stage without commands costs, and most
 * files are about other stages.
 */
function mayConcern(text: string, stage: string): boolean {
  // A whole word: most files that say `initramfs` say nothing about `fs`.
  const named = new RegExp(`(?<![\\w-])${RegExp.escape(stage)}(?![\\w-])`);
  return (
    named.test(text) ||
    (headerOf(text) !== undefined && (translatedKeys[stage] ?? []).some((key) => text.includes(key)))
  );
}

/**
 * Collects the stage files of directories, each with its folders, by name within a directory. One bad file is a
 * problem and never keeps the others away; a directory that is not there has no files.
 *
 * @param stage leaves out, unparsed, files that cannot have steps of it
 */
export function collectStageFiles(host: Host, directories: readonly string[], stage?: string): Collected {
  const collected: Collected = { files: [], problems: [] };
  for (const { directory, path } of filesOfDirectories(host, directories)) {
    try {
      const text = readLimited(host, path);
      if (stage !== undefined && !mayConcern(text, stage)) continue;
      const one = collectDocument(text, path, directory);
      collected.files.push(...one.files);
      collected.problems.push(...one.problems);
    } catch (error) {
      collected.problems.push(problemOf(error, { position: { file: path, line: 1, column: 1 } }));
    }
  }
  return collected;
}

function readLimited(host: Host, path: string): string {
  const text = host.files.readOrdinaryText(path, maximumFileSize);
  const fault = textFault(text, path);
  if (fault) {
    throw new KairosError('NOT_TEXT', fault.message, {
      exit: 'invalidInput',
      position: fault.position,
      ...(fault.hint === undefined ? {} : { hint: fault.hint }),
    });
  }
  return text;
}
