import { formatGrubEnvironment } from '@kairos/host/grub-environment';
import type { SerialConsole } from './console.ts';
import { OfflinePartition } from './offline-edit.ts';
import { Machine, type MachineOptions } from './qemu.ts';

/** What tests log in with. The machines are reachable from this one only. */
export const testUser = { name: 'kairos', password: 'kairos-test' } as const;

/**
 * Arguments for the kernel of an emulated machine, which spends most of a start on code that it translates for the first time.
 * In tests/vm/debian13-bios.test.ts a machine starts without them.
 */
const quickArguments = [
  // A program is translated once where it has the same addresses in each of its processes.
  'norandmaps',
  // Without programs in the kernel for systemd, and without profiles; lockdown is what Secure Boot asks for.
  'lsm=lockdown',
  // The whole of wireless networks, loaded because the network's configuration asks whether there are any.
  'module_blacklist=cfg80211,vsock,vmw_vmci,psmouse,pcspkr,ppdev,parport_pc,vga16fb',
  // Units that no test asks about: seconds for each, and ten for the session manager of whoever logs in.
  ...[
    ...['user@.service', 'systemd-logind.service', 'systemd-timesyncd.service', 'systemd-resolved.service'],
    ...['e2scrub_reap.service', 'lvm2-monitor.service', 'blk-availability.service', 'modprobe@.service'],
    ...['dev-hugepages.mount', 'dev-mqueue.mount', 'sys-kernel-debug.mount', 'sys-kernel-tracing.mount'],
  ].map((unit) => `systemd.mask=${unit}`),
];
/** {@link quickArguments} as they stand on a command line. */
export const quickCommandLine = quickArguments.join(' ');

/** What a medium is made with whose live system starts as soon as it can. */
export const quickMedium = quickArguments.flatMap((argument) => ['--kernel-argument', argument]);

/** A cloud-config of a medium, for somebody who installs by hand; what is installed is a {@link quickStart} node. */
export const attendedConfig = `#cloud-config
install:
  grub_options: ${JSON.stringify({ kairos_timeout: '0', extra_cmdline: quickCommandLine })}
`;

/** Variables of the boot loader for a node that starts as soon as it can. */
export const quickStart = { kairos_timeout: '0', extra_cmdline: quickCommandLine } as const;

/** Gives a node's disk variables of the boot loader, as an installation writes them. */
export function setGrubOptions(disk: string, options: Readonly<Record<string, string>>): void {
  new OfflinePartition(disk, 'oem').write('/grubenv', formatGrubEnvironment(options, 'grubenv'));
}

/** A cloud-config for an unattended installation that ends in a reboot into the installed system. */
export function unattendedConfig(grubOptions: Readonly<Record<string, string>> = {}): string {
  return `#cloud-config
hostname: node-{{ trunc 4 .MachineID }}
install:
  auto: true
  device: auto
  reboot: true
  grub_options: ${JSON.stringify(grubOptions)}
users:
  - name: ${testUser.name}
    passwd: ${testUser.password}
    groups: [admin]
`;
}

/** An empty disk: a sparse file. */
export async function emptyDisk(path: string, gibibytes: number): Promise<string> {
  await Bun.write(path, '');
  const { truncateSync } = await import('node:fs');
  truncateSync(path, gibibytes * 1024 ** 3);
  return path;
}

/** Logs in on the serial console of an installed system and becomes root. */
export async function loginAsRoot(serial: SerialConsole, options: { timeout?: number } = {}): Promise<void> {
  await serial.login(testUser.name, testUser.password, options);
  // A prompt cannot be waited for: the shell of root may print none.
  serial.send("exec sudo sh -c 'echo root-$((40+2)); exec bash -l'\n");
  await serial.waitFor(/root-42\n/);
  await serial.quiet();
  // Otherwise the kernel's words stand among those of the commands.
  await serial.ok('dmesg --console-off');
}

/**
 * Boots an installation medium beside an empty disk and lets it install by itself. The machine goes on into the
 * installed system, since firmware prefers the disk once it can boot from it.
 */
export async function installUnattended(
  options: Omit<MachineOptions, 'cdrom'> & { readonly cdrom: string },
  progress: (what: string) => void = () => undefined,
): Promise<Machine> {
  const machine = Machine.start(options);
  try {
    await machine.console.waitFor(/Linux version/, { timeout: 120_000 });
    progress('live: kernel started');
    await machine.console.waitFor(/kairos-initrd: switching root/, { timeout: 240_000 });
    progress('live: root mounted');
    await machine.console.waitFor(/installed .* on \/dev\//, { timeout: 900_000 });
    progress('installed');
    await machine.console.waitFor(/Linux version/, { timeout: 300_000 });
    progress('active: kernel started');
    return machine;
  } catch (error) {
    await machine.stop();
    throw error;
  }
}
