import { dirname } from 'node:path';
import { stepFault } from '@kairos/host/fault-point';
import type { HostFiles } from '@kairos/host/host';
import type { Attributes } from './state-merge.ts';

/**
 * One change of the state, as the journal keeps it. Paths are relative to the state's directory. Each may be carried
 * out again, in its order, after a cut at any point: what was done already is recognized and left.
 */
export type JournalOperation =
  /** A copy that is complete gets its place. `over`: what may be replaced there. */
  | {
      readonly kind: 'move';
      readonly from: string;
      readonly to: string;
      readonly over: 'anything' | 'no filled directory';
    }
  /** What is there gets another name; with `for`, only as long as the copy that takes the place waits there. */
  | { readonly kind: 'aside'; readonly from: string; readonly to: string; readonly for?: string }
  /** A file or a link, or a directory that is empty. */
  | { readonly kind: 'remove'; readonly path: string; readonly directory: boolean }
  /** A tree of our own. */
  | { readonly kind: 'discard'; readonly path: string }
  | { readonly kind: 'attributes'; readonly path: string; readonly attributes: Attributes };

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether a value from a file is an operation that stays inside the state's directory. */
export function isOperation(value: unknown): value is JournalOperation {
  if (!isRecord(value)) return false;
  const isPath = (path: unknown) =>
    typeof path === 'string' && path !== '' && !path.startsWith('/') && !path.split('/').includes('..');
  switch (value.kind) {
    case 'move':
      return isPath(value.from) && isPath(value.to);
    case 'aside':
      return isPath(value.from) && isPath(value.to) && (value.for === undefined || isPath(value.for));
    case 'remove':
    case 'discard':
      return isPath(value.path);
    case 'attributes':
      return isPath(value.path) && isRecord(value.attributes);
    default:
      return false;
  }
}

/** Sets owner and mode; the owner first, since setting it clears setuid and setgid. */
export function setAttributes(files: HostFiles, path: string, attributes: Attributes): void {
  const status = files.status(path);
  if (status === undefined || status.kind === 'symlink') return;
  const { uid = status.uid, gid = status.gid, mode = status.mode } = attributes;
  const owned = uid !== status.uid || gid !== status.gid;
  if (owned) files.chown(path, uid, gid);
  if (owned || mode !== status.mode) files.chmod(path, mode);
}

function carryOut(files: HostFiles, at: (path: string) => string, operation: JournalOperation): void {
  switch (operation.kind) {
    case 'move': {
      const [from, to] = [at(operation.from), at(operation.to)];
      const staged = files.status(from);
      if (staged === undefined) return;
      const there = files.status(to);
      if (there !== undefined && (there.kind === 'directory' || staged.kind === 'directory')) {
        const filled = there.kind === 'directory' && files.list(to).length > 0;
        if (filled && operation.over !== 'anything') {
          throw new Error(`${to} is a directory with files of its own`);
        }
        files.remove(to);
      }
      files.makeDirectory(dirname(to));
      files.rename(from, to, { durable: false });
      return;
    }
    case 'aside': {
      const [from, to] = [at(operation.from), at(operation.to)];
      if (files.status(from) === undefined) return;
      if (operation.for !== undefined && files.status(at(operation.for)) === undefined) return;
      if (files.status(to) !== undefined) files.remove(to);
      files.rename(from, to, { durable: false });
      return;
    }
    case 'remove': {
      const path = at(operation.path);
      const there = files.status(path);
      if (there === undefined || (there.kind === 'directory') !== operation.directory) return;
      if (!operation.directory || files.list(path).length === 0) files.remove(path);
      return;
    }
    case 'discard':
      if (files.status(at(operation.path)) !== undefined) files.remove(at(operation.path));
      return;
    case 'attributes':
      setAttributes(files, at(operation.path), operation.attributes);
  }
}

/**
 * Carries out a journal from its start. One operation that fails does not stop the others; gives why each failed.
 * @param stateTarget the directory that the paths are relative to
 */
export function carryOutJournal(
  files: HostFiles,
  stateTarget: string,
  operations: readonly JournalOperation[],
): string[] {
  const problems: string[] = [];
  for (const [index, operation] of operations.entries()) {
    stepFault('state', index, operation.kind, 'before');
    try {
      carryOut(files, (path) => `${stateTarget}/${path}`, operation);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const path = 'path' in operation ? operation.path : operation.to;
      problems.push(`${stateTarget}/${path}: ${error.message}`);
    }
  }
  return problems;
}
