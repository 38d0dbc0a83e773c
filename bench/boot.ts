/**
 * Time from the start of the machine to the switch to the real root: the thin initrd against the distribution's own dracut
 * initrd, with the same kernel and the same root image, in the same virtual machine, in turn. `bun bench/boot.ts [runs]`,
 * as root, after `npm start` or `npm test` (it builds what is missing).
 *
 * The thin initrd does more: it opens the image with dm-verity and runs immucore, so its time includes the whole
 * of making the system usable. dracut mounts the bare root image as a disk.
 */
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { guestAccelerator, slotFile, work } from '../tests/src/images.ts';
import { Machine, type MachineOptions } from '../tests/src/qemu.ts';
import { digestOf, unlessDone } from '../tests/src/reuse.ts';

const runs = Number(process.argv[2] ?? 3);
const scratch = join(work, 'bench-boot');
mkdirSync(scratch, { recursive: true });

async function run(command: string[], env: Record<string, string> = {}): Promise<void> {
  const child = Bun.spawn(command, {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
    env: { ...process.env, ...env },
  });
  const [stderr, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (code !== 0) throw new Error(`${command.join(' ')} exited with ${code}:\n${stderr.slice(-2000)}`);
}

const kernel = await slotFile('debian13', 'vmlinuz');
const root = await slotFile('debian13', 'root.img');
const thin = await slotFile('debian13', 'initrd');
const manifest = await Bun.file(await slotFile('debian13', 'image.json')).json();
const words = (await Bun.file(await slotFile('debian13', 'cmdline')).text()).trim();

/** The initrd that Debian's dracut makes for any machine, with the driver of the root's file system. */
const dracut = join(scratch, 'dracut.img');
await unlessDone(dracut, [manifest.kernel], async () => {
  const tree = join(scratch, 'dracut-root');
  rmSync(tree, { recursive: true, force: true });
  const packages = 'linux-image-amd64,systemd,systemd-sysv,dbus,udev,dracut,dmsetup,kmod,zstd';
  await run(
    [
      'mmdebstrap',
      '--mode=root',
      '--variant=minbase',
      '--aptopt=APT::Install-Recommends "false"',
      `--include=${packages}`,
      'trixie',
      tree,
    ],
    { INITRD: 'No' },
  );
  if (!existsSync(join(tree, 'usr/lib/modules', manifest.kernel))) {
    throw new Error(`Debian's kernel is no longer ${manifest.kernel}: build the image again`);
  }
  await run([
    ...['chroot', tree, 'dracut', '--force', '--no-hostonly', '--add-drivers', manifest.filesystem],
    ...['/initrd.img', manifest.kernel],
  ]);
  await run(['cp', join(tree, 'initrd.img'), dracut]);
  rmSync(tree, { recursive: true, force: true });
});

/** A disk with one slot, as an installation leaves it. */
const state = join(scratch, 'state.img');
await unlessDone(state, [digestOf(root)], async () => {
  const tree = join(scratch, 'state');
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(join(tree, 'cOS/active'), { recursive: true });
  await run(['cp', root, join(tree, 'cOS/active/root.img')]);
  rmSync(state, { force: true });
  await run(['truncate', '--size', String(statSync(root).size + 128 * 1024 * 1024), state]);
  await run(['mke2fs', '-q', '-t', 'ext4', '-L', 'COS_STATE', '-d', tree, state]);
  rmSync(tree, { recursive: true, force: true });
});
const oem = join(scratch, 'oem.img');
const persistent = join(scratch, 'persistent.img');
for (const [path, label, size] of [
  [oem, 'COS_OEM', '64M'],
  [persistent, 'COS_PERSISTENT', '1G'],
] as const) {
  rmSync(path, { force: true });
  await run(['truncate', '--size', size, path]);
  await run(['mke2fs', '-q', '-t', 'ext4', '-L', label, path]);
}

const accelerator = await guestAccelerator();
async function seconds(name: string, options: Omit<MachineOptions, 'name' | 'accelerator'>, pattern: RegExp) {
  const started = performance.now();
  const machine = Machine.start({ name: `bench-${name}`, accelerator, ...options });
  try {
    await machine.console.waitFor(pattern, { timeout: 300_000 });
    return (performance.now() - started) / 1000;
  } finally {
    await machine.stop();
  }
}

const candidates = {
  'thin initrd': () =>
    seconds(
      'thin',
      {
        disks: [{ path: state, readOnly: true, snapshot: true }, { path: oem }, { path: persistent }],
        kernel: {
          path: kernel,
          initrd: thin,
          commandLine: `console=ttyS0 root=LABEL=COS_ACTIVE cos-img/filename=/cOS/active/root.img kairos.slot=LABEL=COS_STATE:/cOS/active rd.cos.oemlabel=COS_OEM ${words}`,
        },
      },
      /kairos-initrd: switching root at/,
    ),
  dracut: () =>
    seconds(
      'dracut',
      {
        disks: [{ path: root, readOnly: true, snapshot: true }],
        kernel: {
          path: kernel,
          initrd: dracut,
          commandLine: `console=ttyS0 root=/dev/vda rootfstype=${manifest.filesystem} ro rd.systemd.show_status=1`,
        },
      },
      /Switching root|Starting initrd-switch-root/,
    ),
} as const;

// A node's first start makes its keys and copies what persists; every later one is what counts.
await candidates['thin initrd']();
const times: Record<keyof typeof candidates, number[]> = { 'thin initrd': [], dracut: [] };
for (let turn = 0; turn < runs; turn++) {
  for (const name of Object.keys(candidates) as (keyof typeof candidates)[]) {
    times[name].push(await candidates[name]());
  }
}
const median = (values: number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const megabytes = (path: string) => (statSync(path).size / 1e6).toFixed(1);
console.log(
  `thin initrd  ${megabytes(thin)} MB  ${times['thin initrd'].map((s) => s.toFixed(1)).join(' ')} s`,
);
console.log(`dracut       ${megabytes(dracut)} MB  ${times.dracut.map((s) => s.toFixed(1)).join(' ')} s`);
const ratio = median(times['thin initrd']) / median(times.dracut);
console.log(`ratio of medians ${ratio.toFixed(2)} (at most 0.33 wanted), on ${accelerator.name}`);
process.exit(ratio <= 1 / 3 ? 0 : 1);
