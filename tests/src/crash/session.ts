import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildExecutable, hostTarget } from '../../../scripts/build.ts';
import { executable, guestAccelerator, slotFile, work } from '../images.ts';
import { Machine } from '../qemu.ts';
import { digestOf, unlessDone } from '../reuse.ts';
import { emptyDisk } from '../scenario.ts';
import { writeCrashImage } from './crash-image.ts';
import { installConfig, sessionScript } from './session-script.ts';

export const folder = join(work, 'crash');
export const versions = ['v1', 'v2', 'v3'] as const;
/** Enough for the partitions, of which little is written. */
export const diskSize = 3 * 1024 ** 3;

/** The folder of an image of the session. */
export const imageFolder = (version: string): string => join(folder, 'carrier/crash', version);

export interface Session {
  /** The log of the disk's writes. */
  readonly log: string;
  readonly rootHashes: Readonly<Record<string, string>>;
}

async function run(...command: string[]): Promise<void> {
  const child = Bun.spawn(command, { stdin: 'ignore', stdout: 'ignore', stderr: 'pipe' });
  const [stderr, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (code !== 0) throw new Error(`${command.join(' ')} exited with ${code}:\n${stderr}`);
}

async function writeImages(): Promise<Record<string, string>> {
  const parts = {
    kernel: await slotFile('debian13', 'vmlinuz'),
    initrd: await slotFile('debian13', 'initrd'),
    bootloader: await slotFile('debian13', 'bootloader.tar'),
  };
  return Object.fromEntries(
    versions.map((version) => [version, writeCrashImage(imageFolder(version), version, parts)]),
  );
}

/**
 * Runs all operations in one machine whose disk is behind QEMU's `blklogwrites`. The log is used again as long as the
 * executable and the images are the same.
 */
export async function runSession(say: (line: string) => void = () => undefined): Promise<Session> {
  mkdirSync(folder, { recursive: true });
  const log = join(folder, 'writes.log');
  const hashes = join(folder, 'root-hashes.json');
  const layoutInputs = [
    digestOf(executable),
    readFileSync(join(import.meta.dir, 'session-script.ts'), 'utf8'),
  ];
  layoutInputs.push(readFileSync(join(import.meta.dir, 'crash-image.ts'), 'utf8'));
  for (const file of ['vmlinuz', 'initrd', 'bootloader.tar', 'root.img']) {
    layoutInputs.push(digestOf(await slotFile('debian13', file)));
  }
  await unlessDone(log, layoutInputs, async () => {
    rmSync(log, { force: true });
    const rootHashes = await writeImages();
    writeFileSync(hashes, JSON.stringify(rootHashes));
    const carrier = join(folder, 'carrier');
    mkdirSync(join(carrier, 'cOS/live'), { recursive: true });
    copyFileSync(await slotFile('debian13', 'root.img'), join(carrier, 'cOS/live/root.img'));
    copyFileSync(executable, join(carrier, 'crash/kairos'));
    copyFileSync(
      await buildExecutable(hostTarget(), { faultPoints: true }),
      join(carrier, 'crash/kairos-faults'),
    );
    writeFileSync(join(carrier, 'crash/config.yaml'), installConfig);
    writeFileSync(join(carrier, 'crash/session.sh'), sessionScript(rootHashes), { mode: 0o755 });
    const medium = join(folder, 'carrier.img');
    rmSync(medium, { force: true });
    await run('truncate', '--size', '1500M', medium);
    await run('mke2fs', '-q', '-t', 'ext4', '-L', 'COS_LIVE', '-O', '^has_journal', '-d', carrier, medium);
    const disk = await emptyDisk(join(folder, 'disk.raw'), diskSize / 1024 ** 3);
    writeFileSync(log, '');
    const cmdline = readFileSync(await slotFile('debian13', 'cmdline'), 'utf8').trim();
    await using machine = Machine.start({
      name: 'crash-session',
      accelerator: await guestAccelerator(),
      noReboot: true,
      memory: 1536,
      // Under emulation a kernel that patches itself while another processor runs crashes now and then.
      processors: 1,
      kernel: {
        path: await slotFile('debian13', 'vmlinuz'),
        initrd: await slotFile('debian13', 'initrd'),
        commandLine: [
          ...['root=live:LABEL=COS_LIVE', 'kairos.slot=LABEL=COS_LIVE:/cOS/live', cmdline, 'console=ttyS0'],
          ...['quiet', 'norandmaps', 'init=/run/initramfs/live/crash/session.sh'],
        ].join(' '),
      },
      disks: [
        { path: disk, writeLog: log },
        { path: medium, readOnly: true },
      ],
    });
    let begun = '';
    machine.console.listen((text) => {
      const lines = (begun + text).split('\n');
      begun = lines.pop() ?? '';
      for (const line of lines) if (line.includes('crash-session:')) say(line.trim());
    });
    const [, outcome] = await machine.console.waitFor(/crash-session: (completed|FAILED.*)/, {
      timeout: 900_000,
    });
    await machine.ended();
    if (outcome !== 'completed' || machine.console.text.includes('crash-session: FAILED')) {
      throw new Error(`the session failed: ${outcome}; console: ${machine.log}`);
    }
    rmSync(disk);
    rmSync(medium);
  });
  return { log, rootHashes: JSON.parse(readFileSync(hashes, 'utf8')) };
}

if (import.meta.main) {
  await buildExecutable(hostTarget());
  const started = performance.now();
  const { log } = await runSession(console.log);
  console.log(
    `${log}: ${(Bun.file(log).size / 1e6).toFixed(0)} MB, ${((performance.now() - started) / 1000).toFixed(0)} s`,
  );
}
