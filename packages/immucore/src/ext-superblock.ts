/**
 * The superblock of ext2, ext3 and ext4, as far as a boot asks: the kernel's Documentation/filesystems/ext4/super.rst.
 * Two reads instead of two programs for each volume, which is most of what a boot without trouble would wait for.
 */

/** Where the superblock lies on its device, in bytes. */
export const superblockPlace = { offset: 1024, length: 1024 } as const;

export interface ExtSuperblock {
  readonly type: 'ext2' | 'ext3' | 'ext4';
  readonly label: string;
  readonly uuid: string;
  /** Bytes of the whole file system. */
  readonly size: number;
  /**
   * Nothing asks for a check: cleanly unmounted, no error noted, no journal to replay, neither the number of mounts
   * nor the time since the last check used up. The same questions as `e2fsck -p` asks before it says "clean".
   */
  readonly clean: boolean;
}

const magic = 0xef53;
const stateValid = 0x0001;
const stateError = 0x0002;
const compatHasJournal = 0x0004;
const incompatRecover = 0x0004;
const incompatJournalDevice = 0x0008;
const incompat64Bit = 0x0080;
/** What ext3 knows; a file system with anything else is ext4 (as in libblkid). */
const incompatOfExt3 = 0x0002 | 0x0004 | 0x0010;
const readOnlyOfExt3 = 0x0001 | 0x0002 | 0x0004;

function uuidOf(bytes: Uint8Array): string {
  const digits = Buffer.from(bytes).toString('hex');
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * Reads a superblock; `undefined` where there is none, or one that belongs to a journal of its own.
 *
 * @param now seconds since 1970
 */
export function parseExtSuperblock(bytes: Uint8Array, now: number): ExtSuperblock | undefined {
  if (bytes.length < superblockPlace.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u16 = (offset: number) => view.getUint16(offset, true);
  const u32 = (offset: number) => view.getUint32(offset, true);
  if (u16(0x38) !== magic) return undefined;
  const [compat, incompat, readOnly] = [u32(0x5c), u32(0x60), u32(0x64)];
  if (incompat & incompatJournalDevice) return undefined;
  const isExt4 = (incompat & ~incompatOfExt3) !== 0 || (readOnly & ~readOnlyOfExt3) !== 0;
  const blocks = u32(0x04) + (incompat & incompat64Bit ? u32(0x150) * 2 ** 32 : 0);
  const state = u16(0x3a);
  const [mounts, mountLimit] = [u16(0x34), view.getInt16(0x36, true)];
  const [checked, interval] = [u32(0x40), u32(0x44)];
  const label = bytes.subarray(0x78, 0x88);
  const end = label.indexOf(0);
  return {
    type: isExt4 ? 'ext4' : compat & compatHasJournal ? 'ext3' : 'ext2',
    label: new TextDecoder().decode(end < 0 ? label : label.subarray(0, end)),
    uuid: uuidOf(bytes.subarray(0x68, 0x78)),
    size: blocks * 2 ** (10 + u32(0x18)),
    clean:
      (state & stateValid) !== 0 &&
      (state & stateError) === 0 &&
      (incompat & incompatRecover) === 0 &&
      !(mountLimit > 0 && mounts >= mountLimit) &&
      !(interval > 0 && (now < checked || now >= checked + interval)),
  };
}
