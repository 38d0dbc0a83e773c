import { KairosError } from '@kairos/facts/errors';

export interface CpioMember {
  readonly path: string;
  /** `st_mode`, octal: type and permission bits. */
  readonly mode: string;
  readonly data: Uint8Array;
  /** The thirteen numbers of the header, in their order. */
  readonly fields: readonly number[];
}

const decoder = new TextDecoder();

/**
 * Reads an archive in the `newc` form: for checks of what went into an initrd.
 * @throws KairosError `CPIO_UNREADABLE`
 */
export function readCpio(archive: Uint8Array): CpioMember[] {
  const members: CpioMember[] = [];
  for (let offset = 0; ; ) {
    const head = decoder.decode(archive.subarray(offset, offset + 110));
    if (!/^070701[0-9A-Fa-f]{104}$/.test(head)) {
      throw new KairosError(
        'CPIO_UNREADABLE',
        `Cannot read the archive: no header at offset ${offset} of ${archive.length}`,
        {
          exit: 'corruptSource',
        },
      );
    }
    const fields = Array.from({ length: 13 }, (_, at) =>
      Number.parseInt(head.slice(6 + at * 8, 14 + at * 8), 16),
    );
    const [mode = 0, size = 0, nameSize = 0] = [fields[1], fields[6], fields[11]];
    const path = decoder.decode(archive.subarray(offset + 110, offset + 109 + nameSize));
    if (path === 'TRAILER!!!') return members;
    const at = Math.ceil((offset + 110 + nameSize) / 4) * 4;
    members.push({ path, mode: mode.toString(8), data: archive.subarray(at, at + size), fields });
    offset = Math.ceil((at + size) / 4) * 4;
  }
}
