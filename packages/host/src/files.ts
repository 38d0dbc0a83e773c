import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { isSystemError } from '@kairos/facts/errors';
import type { FileStatus, HostFiles, WriteOptions } from './host.ts';
import { readOrdinary } from './ordinary-file.ts';
import { exchangeCall } from './system-calls.ts';

/** Syncs a file, or a directory's names, to its disk. */
export function syncPath(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Bytes read at once where a file is only passed through. */
const pieceSize = 1024 * 1024;

function sha256Of(path: string): string {
  const hash = createHash('sha256');
  const piece = new Uint8Array(pieceSize);
  const descriptor = openSync(path, 'r');
  try {
    for (;;) {
      const count = readSync(descriptor, piece, 0, piece.length, null);
      if (count === 0) return hash.digest('hex');
      hash.update(piece.subarray(0, count));
    }
  } finally {
    closeSync(descriptor);
  }
}

let counter = 0;
/** A name beside `path` that no other process uses, so that a rename stays on one file system. */
export function beside(path: string): string {
  return join(dirname(path), `.${process.pid}-${counter++}.tmp`);
}

/**
 * Makes something under a name {@link beside} `path`. Numbers of processes come again at each boot: what a power cut
 * left under such a name is passed over, since it may also be a process's in another container.
 */
export function makeBeside<Made>(path: string, make: (name: string) => Made): { name: string; made: Made } {
  for (;;) {
    const name = beside(path);
    try {
      return { name, made: make(name) };
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) throw error;
    }
  }
}

/**
 * The one way in which anything that must survive a power cut is written: beside, mode and owner set, synced,
 * renamed, directory synced.
 */
export function writeDurably(path: string, content: string | Uint8Array, options: WriteOptions = {}): void {
  const { name: temporary, made: descriptor } = makeBeside(path, (name) => openSync(name, 'wx', 0o600));
  try {
    try {
      const bytes = typeof content === 'string' ? Buffer.from(content) : content;
      for (let offset = 0; offset < bytes.length; ) {
        offset += writeSync(descriptor, bytes, offset, bytes.length - offset);
      }
      if (options.uid !== undefined || options.gid !== undefined) {
        fchownSync(descriptor, options.uid ?? -1, options.gid ?? -1);
      }
      fchmodSync(descriptor, options.mode ?? 0o644);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncPath(dirname(path));
}

function statusOf(path: string): FileStatus | undefined {
  try {
    const status = lstatSync(path);
    const kind = status.isFile()
      ? 'file'
      : status.isDirectory()
        ? 'directory'
        : status.isSymbolicLink()
          ? 'symlink'
          : status.isBlockDevice() || status.isCharacterDevice()
            ? 'device'
            : 'other';
    return {
      kind,
      size: status.size,
      mode: status.mode & 0o7777,
      uid: status.uid,
      gid: status.gid,
      modified: status.mtimeMs,
    };
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Files below `root` (`/` for the machine itself). Paths cannot climb out of it by `..`. */
export function filesBelow(root: string): HostFiles {
  const real = (path: string) => (root === '/' ? path : join(root, join('/', path)));
  return {
    real,
    exists: (path) => existsSync(real(path)),
    readText: (path) => readFileSync(real(path), 'utf8'),
    readBytes: (path) => readFileSync(real(path)),
    readOrdinaryText: (path, maximumBytes) =>
      readOrdinary(real(path), maximumBytes, { shown: path }).toString('utf8'),
    readPart(path, offset, length) {
      const descriptor = openSync(real(path), 'r');
      try {
        const bytes = new Uint8Array(length);
        return bytes.subarray(0, readSync(descriptor, bytes, 0, length, offset));
      } finally {
        closeSync(descriptor);
      }
    },
    readTextIfAny(path) {
      try {
        return readFileSync(real(path), 'utf8');
      } catch (error) {
        if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return undefined;
        throw error;
      }
    },
    status: (path) => statusOf(real(path)),
    list(path) {
      try {
        return readdirSync(real(path)).sort();
      } catch (error) {
        if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return [];
        throw error;
      }
    },
    readLink: (path) => readlinkSync(real(path)),
    makeDirectory(path, options = {}) {
      mkdirSync(real(path), {
        recursive: true,
        ...(options.mode === undefined ? {} : { mode: options.mode }),
      });
    },
    write(path, content, options) {
      mkdirSync(dirname(real(path)), { recursive: true });
      writeDurably(real(path), content, options);
    },
    append(path, content) {
      mkdirSync(dirname(real(path)), { recursive: true });
      appendFileSync(real(path), content, { flush: true });
    },
    writeInPlace(path, content) {
      const descriptor = openSync(real(path), constants.O_WRONLY);
      try {
        writeSync(descriptor, content);
      } finally {
        closeSync(descriptor);
      }
    },
    sha256: (path) => sha256Of(real(path)),
    symlink(target, path) {
      const place = real(path);
      mkdirSync(dirname(place), { recursive: true });
      const { name } = makeBeside(place, (one) => symlinkSync(target, one));
      renameSync(name, place);
    },
    chmod: (path, mode) => chmodSync(real(path), mode),
    chown: (path, uid, gid) => chownSync(real(path), uid, gid),
    rename(from, to, { durable = true } = {}) {
      renameSync(real(from), real(to));
      if (!durable) return;
      syncPath(dirname(real(to)));
      if (dirname(from) !== dirname(to)) syncPath(dirname(real(from)));
    },
    exchange(a, b) {
      exchangeCall(real(a), real(b));
      syncPath(dirname(real(a)));
      if (dirname(a) !== dirname(b)) syncPath(dirname(real(b)));
    },
    remove: (path) => rmSync(real(path), { recursive: true, force: true }),
    sync: (path) => syncPath(real(path)),
  };
}
