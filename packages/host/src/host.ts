import type { Disk } from './disks.ts';
import type { Mount } from './mount-table.ts';

export interface RunOptions {
  /** Written to the program's standard input, which is then closed. Default: empty. */
  readonly input?: string | Uint8Array;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Milliseconds until the program is killed and the run fails. Default: none. */
  readonly timeout?: number;
  /** Bytes of output, of both streams together, after which the program is killed and the run fails. Default: none. */
  readonly maximumOutput?: number;
  /** Exit codes that count as success. Default: 0 only. */
  readonly okCodes?: readonly number[];
  readonly signal?: AbortSignal;
  /**
   * Asks the program to end when `signal` fires, for one that cleans up after itself. Default: it and all that it
   * started are killed.
   */
  readonly stopSignal?: 'SIGINT' | 'SIGTERM';
  /**
   * The program is over when it exits, also where something that it started still runs and holds its output open.
   * Default: the output is read to its end.
   */
  readonly leavesOthers?: boolean;
  /** Run inside this directory as root directory (through `chroot`). */
  readonly chroot?: string;
  /** Called for each line of output as it comes, for progress. */
  readonly onLine?: (line: string, stream: 'stdout' | 'stderr') => void;
}

export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

export interface FileStatus {
  readonly kind: 'file' | 'directory' | 'symlink' | 'device' | 'other';
  readonly size: number;
  /** Permission bits, with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

export interface WriteOptions {
  /** Permission bits, in force before the content is visible under the final name. Default 0o644. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Files of the machine. Paths are absolute as the machine sees them; an implementation may keep them below a folder.
 * Reading fails with the system's error (`ENOENT`, ...).
 */
export interface HostFiles {
  /** The path by which this process itself reaches `path`, for handing to programs. */
  real(path: string): string;
  exists(path: string): boolean;
  readText(path: string): string;
  readBytes(path: string): Uint8Array;
  /**
   * The text of an ordinary file, links followed, that has at most `maximumBytes`. Others may lay files where this one
   * is: a pipe would be waited for without an end, and a device be read without one.
   * @throws KairosError `FILE_NOT_ORDINARY`, `FILE_TOO_LARGE`, else the system's error
   */
  readOrdinaryText(path: string, maximumBytes: number): string;
  /** At most `length` bytes from `offset`; fewer where the file or device ends before. */
  readPart(path: string, offset: number, length: number): Uint8Array;
  /** The text, or `undefined` where there is no such file. */
  readTextIfAny(path: string): string | undefined;
  /** Does not follow a symbolic link. */
  status(path: string): FileStatus | undefined;
  /** Names in a directory, sorted by code unit; empty where there is no such directory. */
  list(path: string): string[];
  readLink(path: string): string;
  /** Creates parents too; an existing directory is left alone. */
  makeDirectory(path: string, options?: { readonly mode?: number }): void;
  /**
   * Writes so that after a power cut the old or the new content is there: beside, synced, renamed, directory synced.
   */
  write(path: string, content: string | Uint8Array, options?: WriteOptions): void;
  /** Appends and syncs. */
  append(path: string, content: string): void;
  /** Writes into what is there, in one call and without syncing: devices and files of `/proc` and `/sys`. */
  writeInPlace(path: string, content: string): void;
  /** SHA-256 of a file's content, hexadecimal, read in pieces. */
  sha256(path: string): string;
  /** Replaces what is at `path`. */
  symlink(target: string, path: string): void;
  chmod(path: string, mode: number): void;
  chown(path: string, uid: number, gid: number): void;
  /** Syncs the directories, unless `durable` is false: then the caller syncs once for many. */
  rename(from: string, to: string, options?: { readonly durable?: boolean }): void;
  /** Swaps two existing names atomically (`renameat2` with `RENAME_EXCHANGE`) and syncs their directories. */
  exchange(a: string, b: string): void;
  /** Removes a file or a tree; nothing there is not an error. */
  remove(path: string): void;
  /** Syncs a file or directory to its disk. */
  sync(path: string): void;
}

export interface MountRequest {
  readonly source: string;
  readonly target: string;
  /** File system type; `none` for a bind. */
  readonly type: string;
  /** As for `mount -o`: flags (`ro`, `bind`, `nosuid`, ...) and the file system's own options. */
  readonly options: readonly string[];
}

/**
 * The only door to the machine. `machineHost()` is the real one; `directoryHost()` keeps files below a folder,
 * records mounts and answers programs from a table, so that logic above runs in tests without root.
 */
export interface Host {
  readonly files: HostFiles;
  /**
   * Runs a program with an argument array, never through a shell string.
   * @throws KairosError `TOOL_MISSING`, `TOOL_FAILED` (with the end of its stderr), `TOOL_TIMEOUT`, `TOOL_OUTPUT`
   */
  run(argv: readonly [string, ...string[]], options?: RunOptions): Promise<RunResult>;
  /** The path of a program, or `undefined`. */
  which(name: string): string | undefined;
  /** The mount table, in order of mounting. */
  mounts(): Mount[];
  mount(request: MountRequest): void;
  /** Unmounts; `lazy` detaches a busy one. */
  unmount(target: string, options?: { readonly lazy?: boolean }): void;
  /**
   * Brings a file system to a state in which a reader that does not replay its journal, as a boot loader is, finds
   * all that was written before.
   */
  checkpoint(mountPoint: string): void;
  /** Disks with their partitions. */
  disks(): Promise<Disk[]>;
  /** Free bytes for root on the file system that holds `path`. */
  freeSpace(path: string): number;
  /** Effective user id. */
  readonly uid: number;
}
