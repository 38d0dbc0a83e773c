import { KairosError } from '@kairos/facts/errors';

export interface Partition {
  /** `/dev/vda3`. */
  readonly path: string;
  /** Kernel name, `vda3`. */
  readonly name: string;
  /** File system label, or `''`. */
  readonly label: string;
  /** GPT partition name, or `''`. */
  readonly partitionName: string;
  /** File system type, or `''`. */
  readonly filesystem: string;
  /** File system UUID. */
  readonly uuid: string;
  readonly partitionUuid: string;
  readonly size: number;
  readonly mountPoints: readonly string[];
}

export interface Disk {
  readonly path: string;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly readOnly: boolean;
  readonly removable: boolean;
  readonly model: string;
  /** `disk`, `loop`, `rom`, `crypt`, ... */
  readonly type: string;
  /** `gpt`, `dos` or `''`. */
  readonly partitionTable: string;
  /** What is on the disk itself, where it is not partitioned. */
  readonly filesystem: string;
  readonly label: string;
  readonly mountPoints: readonly string[];
  readonly partitions: readonly Partition[];
}

/** Arguments for `lsblk` whose output {@link parseDisks} reads. */
export const lsblkArguments = [
  '--json',
  '--bytes',
  '--output',
  'PATH,NAME,KNAME,LABEL,PARTLABEL,FSTYPE,UUID,PARTUUID,SIZE,MOUNTPOINTS,RO,RM,MODEL,TYPE,PTTYPE',
] as const;

/** A text of a disk without what would move a terminal's cursor, colour it or end the line. */
export function withoutControls(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '\uFFFD');
}

type Row = Record<string, unknown> & { children?: Row[] };

const text = (row: Row, key: string) => (typeof row[key] === 'string' ? (row[key] as string).trim() : '');
/** What a disk says of itself, and whoever wrote it; it is shown to people. */
const words = (row: Row, key: string) => withoutControls(text(row, key));
const points = (row: Row) =>
  ((row.mountpoints as (string | null)[] | undefined) ?? []).filter((p) => p !== null);
const flag = (row: Row, key: string) => row[key] === true || row[key] === '1' || row[key] === 1;

/** A partition in use through a mapping (LUKS, LVM) counts as mounted where the mapping is. */
function mountPointsBelow(row: Row): string[] {
  return [...points(row), ...(row.children ?? []).flatMap(mountPointsBelow)];
}

function partition(row: Row): Partition {
  return {
    path: text(row, 'path'),
    name: text(row, 'kname') || text(row, 'name'),
    label: words(row, 'label'),
    partitionName: words(row, 'partlabel'),
    filesystem: text(row, 'fstype'),
    uuid: text(row, 'uuid'),
    partitionUuid: text(row, 'partuuid'),
    size: Number(row.size),
    mountPoints: mountPointsBelow(row),
  };
}

/**
 * Reads `lsblk --json`.
 * @throws KairosError `LSBLK_UNREADABLE`
 */
export function parseDisks(json: string): Disk[] {
  let parsed: { blockdevices?: Row[] };
  try {
    parsed = JSON.parse(json);
  } catch (cause) {
    throw new KairosError('LSBLK_UNREADABLE', 'Cannot read the list of disks: lsblk printed no JSON', {
      cause,
    });
  }
  return (parsed.blockdevices ?? []).map((row) => ({
    path: text(row, 'path'),
    name: text(row, 'kname') || text(row, 'name'),
    size: Number(row.size),
    readOnly: flag(row, 'ro'),
    removable: flag(row, 'rm'),
    model: words(row, 'model'),
    type: text(row, 'type'),
    partitionTable: text(row, 'pttype'),
    filesystem: text(row, 'fstype'),
    label: words(row, 'label'),
    mountPoints: points(row),
    partitions: (row.children ?? []).filter((child) => text(child, 'type') === 'part').map(partition),
  }));
}
