import { dlopen, type FFIFunction, FFIType, type Pointer, ptr, read } from 'bun:ffi';
import { KairosError } from '@kairos/facts/errors';

const { cstring, i32, i64, u64, ptr: pointer, u32 } = FFIType;

const symbols = {
  mount: { args: [cstring, cstring, cstring, u64, cstring], returns: i32 },
  umount2: { args: [cstring, i32], returns: i32 },
  syscall: { args: [u64, i32, cstring, i32, cstring, u32], returns: i32 },
  sync: { args: [], returns: FFIType.void },
  lsetxattr: { args: [cstring, cstring, pointer, u64, i32], returns: i32 },
  llistxattr: { args: [cstring, pointer, u64], returns: i64 },
  lgetxattr: { args: [cstring, cstring, pointer, u64], returns: i64 },
  posix_fadvise: { args: [i32, i64, i64, i32], returns: i32 },
  chroot: { args: [cstring], returns: i32 },
  flock: { args: [i32, i32], returns: i32 },
  ioctl: { args: [i32, u64, u64], returns: i32 },
  syncfs: { args: [i32], returns: i32 },
  strerror: { args: [i32], returns: FFIType.cstring },
  __errno_location: { args: [], returns: pointer },
} as const;
/** syscall(2) under a signature that fits mknodat(2), which older C libraries do not export under its name. */
const nodeSymbols = {
  syscall: { args: [u64, i32, cstring, u32, u64, u64], returns: i32 },
} as const;

function open<Symbols extends Record<string, FFIFunction>>(wanted: Symbols) {
  const names = ['libc.so.6', 'libc.musl-x86_64.so.1', 'libc.musl-aarch64.so.1', 'libc.so'];
  let cause: unknown;
  for (const name of names) {
    try {
      return dlopen(name, wanted).symbols;
    } catch (error) {
      cause = error;
    }
  }
  throw new KairosError('NO_LIBC', `Cannot load the C library (tried ${names.join(', ')})`, { cause });
}

let library: ReturnType<typeof open<typeof symbols>> | undefined;
function libc() {
  library ??= open(symbols);
  return library;
}

const cString = (text: string) => {
  if (text.includes('\0')) throw new KairosError('NUL_IN_PATH', 'A path or option holds a NUL character');
  return ptr(Buffer.from(`${text}\0`));
};

function check(result: number, what: string): void {
  if (result === 0) return;
  const errno = read.i32(libc().__errno_location() as Pointer);
  const reason = String(libc().strerror(errno));
  throw Object.assign(
    new KairosError('SYSTEM_CALL_FAILED', `${what}: ${reason}`, {
      details: { errno },
    }),
    { errno },
  );
}

/** Flags of mount(2) that have a name in `mount -o`; a `no`-less form clears. */
const mountFlags: Readonly<Record<string, number>> = {
  ro: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  sync: 16,
  remount: 32,
  noatime: 1024,
  nodiratime: 2048,
  bind: 4096,
  move: 8192,
  rbind: 4096 | 16384,
  unbindable: 1 << 17,
  private: 1 << 18,
  rprivate: (1 << 18) | 16384,
  slave: 1 << 19,
  rslave: (1 << 19) | 16384,
  shared: 1 << 20,
  rshared: (1 << 20) | 16384,
  relatime: 1 << 21,
  strictatime: 1 << 24,
  lazytime: 1 << 25,
};
const noFlag = new Set(['rw', 'suid', 'dev', 'exec', 'async', 'defaults', 'atime', 'auto', 'nouser']);

/** Splits `mount -o` words into flags of mount(2) and the rest, which the file system reads itself. */
export function splitMountOptions(options: readonly string[]): { flags: number; data: string } {
  let flags = 0;
  const data: string[] = [];
  for (const option of options) {
    const flag = mountFlags[option];
    if (flag !== undefined) flags |= flag;
    else if (!noFlag.has(option)) data.push(option);
  }
  return { flags: flags >>> 0, data: data.join(',') };
}

/**
 * mount(2), without the cost of a process.
 * @throws KairosError `SYSTEM_CALL_FAILED` with `errno`
 */
export function mountCall(source: string, target: string, type: string, options: readonly string[]): void {
  const { flags, data } = splitMountOptions(options);
  check(
    libc().mount(cString(source), cString(target), cString(type), BigInt(flags), cString(data)),
    `Cannot mount ${source} (${type}) on ${target}`,
  );
}

const MNT_DETACH = 2;

/** @throws KairosError `SYSTEM_CALL_FAILED` with `errno` */
export function unmountCall(target: string, lazy: boolean): void {
  check(libc().umount2(cString(target), lazy ? MNT_DETACH : 0), `Cannot unmount ${target}`);
}

const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;
const renameat2Number = process.arch === 'x64' ? 316 : 276;

/**
 * renameat2(2) with `RENAME_EXCHANGE`: both names exist before and after, and no instant lies between.
 * @throws KairosError `SYSTEM_CALL_FAILED` with `errno`
 */
export function exchangeCall(a: string, b: string): void {
  check(
    libc().syscall(BigInt(renameat2Number), AT_FDCWD, cString(a), AT_FDCWD, cString(b), RENAME_EXCHANGE),
    `Cannot exchange ${a} and ${b}`,
  );
}

/** sync(2): everything dirty goes to its disk. */
export function syncCall(): void {
  libc().sync();
}

/** @throws KairosError `SYSTEM_CALL_FAILED` with `errno` */
export function chrootCall(path: string): void {
  check(libc().chroot(cString(path)), `Cannot chroot to ${path}`);
}

const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;

/**
 * flock(2), exclusive and without waiting: false where another open file holds the lock.
 * @throws KairosError `SYSTEM_CALL_FAILED` with `errno`
 */
export function lockCall(descriptor: number): boolean {
  const result = libc().flock(descriptor, LOCK_EX | LOCK_NB);
  if (result !== 0 && read.i32(libc().__errno_location() as Pointer) === EWOULDBLOCK) return false;
  check(result, 'Cannot lock a file');
  return true;
}

/** fs/ext4/ext4.h, `_IOW('f', 43, __u32)`: Linux 5.15 and later. */
const EXT4_IOC_CHECKPOINT = 0x4004662bn;
/** Without discarding or overwriting the journal; lives as long as its address is used. */
const checkpointFlags = new Uint32Array(1);

/**
 * Writes the journal of ext4 to where it belongs, after all else that is dirty in the file system of an open directory. Gives
 * false where that cannot be asked for: another file system, or an older kernel. Unlike {@link freezeAndThawCall} it does not
 * wait until all processors have seen a lock, which takes 30 ms.
 * @throws KairosError `SYSTEM_CALL_FAILED` with `errno`, where what is dirty cannot be written
 */
export function writeJournalCall(descriptor: number): boolean {
  check(libc().syncfs(descriptor), 'Cannot bring a file system to its disk');
  return libc().ioctl(descriptor, EXT4_IOC_CHECKPOINT, BigInt(ptr(checkpointFlags))) === 0;
}

/** linux/fs.h, `_IOWR('X', 119, int)` and `_IOWR('X', 120, int)`. */
const FIFREEZE = 0xc0045877n;
const FITHAW = 0xc0045878n;
const EBUSY = 16;
const ENOTTY = 25;

/**
 * Freezes the file system of an open directory and thaws it at once: its journal is written to where it belongs. Gives
 * false where the file system cannot be frozen, or is frozen by another already.
 * @throws KairosError `SYSTEM_CALL_FAILED` with `errno`
 */
export function freezeAndThawCall(descriptor: number): boolean {
  if (libc().ioctl(descriptor, FIFREEZE, 0n) !== 0) {
    const errno = read.i32(libc().__errno_location() as Pointer);
    if ([EBUSY, ENOTTY, EOPNOTSUPP].includes(errno)) return false;
    check(-1, 'Cannot freeze a file system');
  }
  check(libc().ioctl(descriptor, FITHAW, 0n), 'Cannot thaw a file system');
  return true;
}

/** Where a buffer lies in memory. */
export function addressOf(buffer: Uint8Array): number {
  return Number(ptr(buffer));
}

const POSIX_FADV_DONTNEED = 4;

/**
 * Drops the clean pages that the kernel holds of an open file, so that the next read asks the disk.
 * @throws KairosError `SYSTEM_CALL_FAILED`
 */
export function dropCacheCall(descriptor: number, offset = 0, length = 0): void {
  const errno = libc().posix_fadvise(descriptor, BigInt(offset), BigInt(length), POSIX_FADV_DONTNEED);
  if (errno !== 0) {
    throw new KairosError(
      'SYSTEM_CALL_FAILED',
      `Cannot drop cached pages: ${String(libc().strerror(errno))}`,
      { details: { errno } },
    );
  }
}

const mknodatNumber = process.arch === 'x64' ? 259 : 33;
const nodeTypes = { fifo: 0o010000, 'character-device': 0o020000, 'block-device': 0o060000 } as const;

/** A device number as mknod(2) takes it (`new_encode_dev` of the kernel: 12 bits major, 20 bits minor). */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}

let nodeLibrary: ReturnType<typeof open<typeof nodeSymbols>> | undefined;

/**
 * mknod(2): a FIFO or a device. A symbolic link at `path` is not followed.
 * @throws KairosError `SYSTEM_CALL_FAILED` with `errno`
 */
export function makeNodeCall(
  path: string,
  type: keyof typeof nodeTypes,
  mode: number,
  major = 0,
  minor = 0,
): void {
  nodeLibrary ??= open(nodeSymbols);
  const device = BigInt(encodeDevice(major, minor));
  const result = nodeLibrary.syscall(
    BigInt(mknodatNumber),
    AT_FDCWD,
    cString(path),
    (nodeTypes[type] | mode) >>> 0,
    device,
    0n,
  );
  check(result, `Cannot make the ${type.replace('-', ' ')} ${path}`);
}

/**
 * lsetxattr(2): sets an extended attribute of the file itself, not of what a link points to.
 * @throws KairosError `SYSTEM_CALL_FAILED` with `errno`
 */
export function setXattrCall(path: string, name: string, value: Uint8Array): void {
  // A pointer to no bytes is not a pointer for bun:ffi.
  const bytes = value.length === 0 ? new Uint8Array(1) : value;
  check(
    libc().lsetxattr(cString(path), cString(name), ptr(bytes), BigInt(value.length), 0),
    `Cannot set the attribute ${name} of ${path}`,
  );
}

const EOPNOTSUPP = 95;
/** `XATTR_LIST_MAX` and `XATTR_SIZE_MAX` of the kernel. */
const maximumXattr = 65536;
let xattrBuffer: Buffer | undefined;

/**
 * Extended attributes of a file itself (llistxattr(2), lgetxattr(2)); none on a file system that has none.
 * Without root the kernel does not show `trusted.*`.
 * @throws KairosError `SYSTEM_CALL_FAILED` with `errno`
 */
export function readXattrsCall(path: string): Map<string, Uint8Array> {
  xattrBuffer ??= Buffer.alloc(maximumXattr);
  const found = new Map<string, Uint8Array>();
  const place = cString(path);
  const length = Number(libc().llistxattr(place, ptr(xattrBuffer), BigInt(maximumXattr)));
  if (length === 0) return found;
  if (length < 0) {
    const errno = read.i32(libc().__errno_location() as Pointer);
    if (errno === EOPNOTSUPP) return found;
    check(-1, `Cannot list the extended attributes of ${path}`);
  }
  const names = xattrBuffer.toString('utf8', 0, length).split('\0').filter(Boolean);
  for (const name of names.sort()) {
    const size = Number(libc().lgetxattr(place, cString(name), ptr(xattrBuffer), BigInt(maximumXattr)));
    if (size < 0) check(-1, `Cannot read the attribute ${name} of ${path}`);
    found.set(name, Uint8Array.from(xattrBuffer.subarray(0, size)));
  }
  return found;
}
