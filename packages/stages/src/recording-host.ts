import { createHash } from 'node:crypto';
import { KairosError } from '@kairos/facts/errors';
import type { FileStatus, Host, HostFiles, RunOptions, RunResult } from '@kairos/host/host';
import { unifiedDiff } from './unified-diff.ts';

/** Something that a step changed, or would change. */
export interface Change {
  readonly kind:
    | 'file'
    | 'directory'
    | 'link'
    | 'permissions'
    | 'owner'
    | 'remove'
    | 'rename'
    | 'setting'
    | 'command'
    | 'download'
    | 'mount';
  /** One line for people. */
  readonly summary: string;
  /** Of a file: the unified difference. Left out where others may not read the file. */
  readonly diff?: string;
}

export interface RecordingHost {
  readonly host: Host;
  note(change: Change): void;
  /** The changes since the last call. */
  takeChanges(): Change[];
}

const octal = (mode: number) => `0${mode.toString(8)}`;

function missing(path: string): KairosError & { code: string } {
  return Object.assign(new KairosError('ENOENT', `${path} is not there`), { code: 'ENOENT' });
}

interface Imagined {
  readonly kind: 'file' | 'directory' | 'symlink';
  readonly content: Uint8Array;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Files that remember what would be written and touch nothing: reading gives what a run would see at that point.
 */
function imaginedFiles(files: HostFiles): HostFiles {
  const made = new Map<string, Imagined | undefined>();
  const clean = (path: string) => path.replace(/(.)\/+$/, '$1');
  /** Whether the path or a parent was removed here. */
  const gone = (path: string): boolean => {
    for (let parent = path; parent !== ''; parent = parent.slice(0, parent.lastIndexOf('/'))) {
      if (made.has(parent)) return made.get(parent) === undefined;
    }
    return false;
  };
  const status = (given: string): FileStatus | undefined => {
    const path = clean(given);
    const one = made.get(path);
    if (one !== undefined) {
      return {
        kind: one.kind,
        size: one.content.length,
        mode: one.mode,
        uid: one.uid,
        gid: one.gid,
        modified: 0,
      };
    }
    return gone(path) ? undefined : files.status(path);
  };
  const readBytes = (given: string): Uint8Array => {
    const path = clean(given);
    const one = made.get(path);
    if (one?.kind === 'file') return one.content;
    if (gone(path)) throw missing(path);
    return files.readBytes(path);
  };
  const put = (given: string, entry: Partial<Imagined>): void => {
    const path = clean(given);
    const old = status(path);
    const content = entry.content ?? (old?.kind === 'file' ? readBytes(path) : new Uint8Array());
    made.set(path, {
      kind: entry.kind ?? (old?.kind === 'directory' || old?.kind === 'symlink' ? old.kind : 'file'),
      content,
      mode: entry.mode ?? old?.mode ?? 0o644,
      uid: entry.uid ?? old?.uid ?? 0,
      gid: entry.gid ?? old?.gid ?? 0,
    });
  };
  const decoder = new TextDecoder();
  return {
    real: (path) => files.real(path),
    exists: (path) => status(path) !== undefined,
    readBytes,
    readPart: (path, offset, length) =>
      made.has(clean(path)) || gone(path)
        ? readBytes(path).subarray(offset, offset + length)
        : files.readPart(path, offset, length),
    readOrdinaryText: (path, maximumBytes) =>
      made.has(clean(path)) || gone(path)
        ? decoder.decode(readBytes(path))
        : files.readOrdinaryText(path, maximumBytes),
    readText: (path) => decoder.decode(readBytes(path)),
    readTextIfAny: (path) => (status(path) === undefined ? undefined : decoder.decode(readBytes(path))),
    status,
    list(given) {
      const path = clean(given);
      const names = new Set(gone(path) ? [] : files.list(path));
      const prefix = path === '/' ? '/' : `${path}/`;
      for (const [place, entry] of made) {
        if (!place.startsWith(prefix)) continue;
        const name = place.slice(prefix.length).split('/')[0] ?? '';
        if (entry !== undefined) names.add(name);
        else if (place === prefix + name) names.delete(name);
      }
      return [...names].sort();
    },
    readLink(path) {
      const one = made.get(clean(path));
      return one?.kind === 'symlink' ? decoder.decode(one.content) : files.readLink(path);
    },
    makeDirectory(path, options) {
      if (status(path) === undefined) put(path, { kind: 'directory', mode: options?.mode ?? 0o755 });
    },
    write(path, content, options = {}) {
      const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
      put(path, {
        kind: 'file',
        content: bytes,
        mode: options.mode ?? 0o644,
        uid: options.uid ?? 0,
        gid: options.gid ?? 0,
      });
    },
    append(path, content) {
      const before = status(path) === undefined ? new Uint8Array() : readBytes(path);
      put(path, { content: Buffer.concat([before, Buffer.from(content)]) });
    },
    writeInPlace: (path, content) => put(path, { content: new TextEncoder().encode(content) }),
    sha256: (path) => createHash('sha256').update(readBytes(path)).digest('hex'),
    symlink: (target, path) =>
      put(path, { kind: 'symlink', content: new TextEncoder().encode(target), mode: 0o777 }),
    chmod: (path, mode) => put(path, { mode }),
    chown: (path, uid, gid) => put(path, { uid, gid }),
    rename(from, to) {
      const old = status(from);
      if (old === undefined) throw missing(from);
      put(to, { ...(old.kind === 'file' ? { content: readBytes(from) } : {}), mode: old.mode });
      made.set(clean(from), undefined);
    },
    exchange(a, b) {
      const [one, two] = [readBytes(a), readBytes(b)];
      put(a, { content: two });
      put(b, { content: one });
    },
    remove: (path) => made.set(clean(path), undefined),
    sync: () => undefined,
  };
}

function textIfReadable(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text.includes('\0') ? undefined : text;
  } catch {
    return undefined;
  }
}

/** A host that notes every change, and with `dryRun` makes none of them. */
export function recordingHost(machine: Host, dryRun: boolean): RecordingHost {
  let changes: Change[] = [];
  const files = dryRun ? imaginedFiles(machine.files) : machine.files;
  const note = (kind: Change['kind'], summary: string, diff?: string): void => {
    changes.push({ kind, summary, ...(diff ? { diff } : {}) });
  };

  /** Notes a write. Differences cost time, so only a dry run computes them. */
  const noteWrite = (path: string, content: string | Uint8Array, mode: number): void => {
    const old = files.status(path);
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    const what = `${old === undefined ? 'create' : 'write'} ${path} (${bytes.length} bytes, mode ${octal(mode)})`;
    if (!dryRun) {
      note('file', what);
      return;
    }
    const before = old?.kind === 'file' ? textIfReadable(files.readBytes(path)) : undefined;
    const after = textIfReadable(bytes);
    if (before !== undefined && before === after && old?.mode === mode) return;
    const closed = (bits: number) => (bits & 0o004) === 0;
    const secret = closed(mode) || (old?.kind === 'file' && closed(old.mode));
    const comparable = after !== undefined && (before !== undefined || old?.kind !== 'file');
    note('file', what, secret || !comparable ? undefined : unifiedDiff(path, before, after));
  };

  const recorded: HostFiles = {
    ...files,
    makeDirectory(path, options) {
      if (files.status(path) === undefined) note('directory', `make directory ${path}`);
      files.makeDirectory(path, options);
    },
    write(path, content, options) {
      noteWrite(path, content, options?.mode ?? 0o644);
      files.write(path, content, options);
    },
    append(path, content) {
      note('file', `append ${Buffer.byteLength(content)} bytes to ${path}`);
      files.append(path, content);
    },
    writeInPlace(path, content) {
      note('setting', `write ${JSON.stringify(content.trim())} to ${path}`);
      files.writeInPlace(path, content);
    },
    symlink(target, path) {
      note('link', `link ${path} -> ${target}`);
      files.symlink(target, path);
    },
    chmod(path, mode) {
      if (files.status(path)?.mode !== mode) note('permissions', `set mode of ${path} to ${octal(mode)}`);
      files.chmod(path, mode);
    },
    chown(path, uid, gid) {
      const old = files.status(path);
      if (old?.uid === uid && old.gid === gid) return;
      note('owner', `set owner of ${path} to ${uid}:${gid}`);
      files.chown(path, uid, gid);
    },
    rename(from, to) {
      note('rename', `rename ${from} to ${to}`);
      files.rename(from, to);
    },
    exchange(a, b) {
      note('rename', `exchange ${a} and ${b}`);
      files.exchange(a, b);
    },
    remove(path) {
      if (files.status(path) !== undefined) note('remove', `remove ${path}`);
      files.remove(path);
    },
  };

  const host: Host = {
    ...machine,
    files: recorded,
    uid: machine.uid,
    async run(argv, options?: RunOptions): Promise<RunResult> {
      note('command', `run ${argv.join(' ')}`);
      return dryRun ? { stdout: '', stderr: '', code: 0 } : machine.run(argv, options);
    },
    mount(request) {
      note('mount', `mount ${request.source} on ${request.target}`);
      if (!dryRun) machine.mount(request);
    },
    unmount(target, options) {
      note('mount', `unmount ${target}`);
      if (!dryRun) machine.unmount(target, options);
    },
  };
  return {
    host,
    note: (change) => changes.push(change),
    takeChanges() {
      const taken = changes;
      changes = [];
      return taken;
    },
  };
}
