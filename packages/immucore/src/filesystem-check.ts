import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import type { BlockDevice } from './block-devices.ts';
import type { FilesystemCheck } from './boot-facts.ts';
import { parseExtSuperblock, superblockPlace } from './ext-superblock.ts';

const repairFlags = { preen: '-p', yes: '-y', no: '-n' } as const;

/** The program that checks a file system before it is mounted; `undefined` for types that need none. */
export function checkCommand(
  device: Pick<BlockDevice, 'path' | 'type'>,
  check: FilesystemCheck,
): readonly [string, ...string[]] | undefined {
  if (check.mode === 'skip') return undefined;
  switch (device.type) {
    case 'ext2':
    case 'ext3':
    case 'ext4':
      return ['e2fsck', repairFlags[check.repair], ...(check.mode === 'force' ? ['-f'] : []), device.path];
    case 'vfat':
      return ['fsck.vfat', check.repair === 'no' ? '-n' : '-a', device.path];
    default:
      return undefined;
  }
}

/** fsck(8): 1 is "errors corrected", 2 "should reboot", which a file system that is not mounted yet does not need. */
const repaired = [0, 1, 2, 3];

/**
 * Whether the file system says of itself that it needs no check, so that `e2fsck -p` would say "clean" and stop. Not
 * asked where the command line wants a check in any case.
 */
export function needsNoCheck(
  host: Host,
  device: Pick<BlockDevice, 'path' | 'type'>,
  check: FilesystemCheck,
): boolean {
  if (check.mode !== 'auto' || !/^ext[234]$/.test(device.type)) return false;
  try {
    const { offset, length } = superblockPlace;
    const superblock = parseExtSuperblock(
      host.files.readPart(device.path, offset, length),
      Date.now() / 1000,
    );
    return superblock?.clean ?? false;
  } catch {
    // It cannot be read here: the program says why.
    return false;
  }
}

/** Checks a file system; returns what is wrong with it afterwards. Mounting is tried in any case. */
export async function checkFilesystem(
  host: Host,
  device: BlockDevice,
  check: FilesystemCheck,
): Promise<string | undefined> {
  const command = checkCommand(device, check);
  if (command === undefined) return undefined;
  try {
    await host.run(command, { okCodes: repaired });
    return undefined;
  } catch (error) {
    if (error instanceof KairosError && error.code === 'TOOL_MISSING') {
      return `${device.path} was not checked: ${command[0]} is not installed`;
    }
    return `${device.path} has errors that the check did not repair (boot once with fsck.repair=yes): ${reasonOf(error)}`;
  }
}
