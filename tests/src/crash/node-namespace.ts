import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** How a node was started, as its kernel's command line and mounts tell. */
export interface StartedNode {
  /** A disk with our partitions, `/dev/loop0`. */
  readonly device: string;
  readonly slot: 'active' | 'passive' | 'recovery';
  /** Started to be reset. */
  readonly reset?: boolean;
  readonly rootHash: string;
  /** A folder for what is needed in between. */
  readonly work: string;
}

/** Number of the partition, file system, label, name in the table. */
const partitions = [
  [2, 'vfat', 'COS_GRUB', 'efi'],
  [3, 'ext4', 'COS_OEM', 'oem'],
  [4, 'ext4', 'COS_RECOVERY', 'recovery'],
  [5, 'ext4', 'COS_STATE', 'state'],
  [6, 'ext4', 'COS_PERSISTENT', 'persistent'],
] as const;

/**
 * In a mount namespace of its own, the machine looks like a node that was started from the disk: its command line, its
 * mounts, and what udev knows of its partitions. What is in `/run` is its own, so that nothing else on this machine is
 * touched or locked out.
 */
function script({ device, slot, rootHash, work, reset = false }: StartedNode): string {
  const [label, home] =
    slot === 'recovery' ? ['COS_SYSTEM', 'COS_RECOVERY'] : [`COS_${slot.toUpperCase()}`, 'COS_STATE'];
  const cmdline = join(work, 'cmdline');
  writeFileSync(
    cmdline,
    `root=LABEL=${label} kairos.slot=LABEL=${home}:/cOS/${slot} ${reset ? 'kairos.reset ' : ''}kairos.verity=${rootHash}:-:1:2\n`,
  );
  return `set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/udev/data /run/initramfs/cos-state /run/immucore /run/persistent
touch /run/udev/control
${partitions
  .map(
    ([number, type, label, name]) =>
      `printf 'E:ID_FS_LABEL=%s\\nE:ID_FS_LABEL_ENC=%s\\nE:ID_FS_TYPE=%s\\nE:ID_PART_ENTRY_NAME=%s\\n' ${label} ${label} ${type} ${name} >/run/udev/data/b$(cat /sys/class/block/${device.slice(5)}p${number}/dev)`,
  )
  .join('\n')}
echo '{"steps":[]}' >/run/immucore/boot-report.json
mkdir /run/systemctl
printf '#!/bin/sh\\n' >/run/systemctl/systemctl
chmod 755 /run/systemctl/systemctl
export PATH=/run/systemctl:$PATH
mount --bind ${cmdline} /proc/cmdline
mount -o ro,noatime ${device}p${slot === 'recovery' ? 4 : 5} /run/initramfs/cos-state
[ -d /oem ] || mkdir /oem
mount -o rw,noatime ${device}p3 /oem
${slot === 'recovery' ? '' : `mount -o rw,noatime ${device}p6 /usr/local`}
exec "$@"
`;
}

export interface NodeRun {
  readonly code: number | null;
  /** What ended it, where a signal did: `SIGKILL`. */
  readonly signal: string | undefined;
  readonly output: string;
}

/** Runs a command on a started node; all mounts go with it, however it ends. */
export async function runOnNode(
  node: StartedNode,
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<NodeRun> {
  const child = Bun.spawn(
    ['unshare', '--mount', '--propagation', 'private', 'bash', '-c', script(node), 'node', ...command],
    { env: { ...process.env, ...env }, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' },
  );
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, signal: child.signalCode?.toString(), output: stdout + stderr };
}
