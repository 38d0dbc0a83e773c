/**
 * Time to the switch of roots: the thin initrd against dracut's, in turn, medians.
 * `bun bench/boot.ts [runs]`, as root, after `npm start` or `npm test` (it builds what is missing). On a quiet machine.
 *
 * What counts is the time from the kernel's first program, which is the initrd's, to the switch: all that an initrd answers
 * for, immucore included. It is what `systemd-analyze` calls the initrd's time. What goes before is the same for both but for
 * the unpacking; the ratios that include it, from the kernel's start and from power, are printed beside it.
 *
 * - `thin` and `dracut` boot the same image from the same disks with the same kernel, memory and command line; only the initrd
 *   differs. dracut's is the image component `initrd: dracut`: both open the slot with dm-verity and run immucore, which
 *   is what a user chooses between. The ratio of these two counts.
 * - `dracut, bare` is what Debian's dracut makes for any machine, with systemd in it, mounting the root image as a plain
 *   disk: no slot, no verification, no immucore. Shown so that nobody takes it for the first.
 *
 * What the parts are: `firmware` until the kernel's clock starts, `kernel` until its first program, `initrd` until the root image is mounted,
 * `immucore` until the switch.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { executable, guestAccelerator, kairos, slotFile, work } from '../tests/src/images.ts';
import { Machine, type MachineOptions } from '../tests/src/qemu.ts';
import { digestOf, unlessDone } from '../tests/src/reuse.ts';

const runs = Number(process.argv[2] ?? 5);
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

/** The initrd of the same distribution and kernel with the component `initrd: dracut`. */
const dracut = join(scratch, 'dracut-kairos.img');
await unlessDone(dracut, [manifest.kernel, digestOf(executable)], async () => {
  const layout = join(scratch, 'dracut-image');
  rmSync(layout, { recursive: true, force: true });
  // Its root is not booted, so it is made the quick way.
  const options = ['--initrd', 'dracut', '--compression', 'fast', '--executable', executable, '--quiet'];
  await kairos('build', 'image', 'debian:13', ...options, '--output', layout);
  const other = join(scratch, 'dracut-image.json');
  rmSync(other, { force: true });
  await kairos('image', 'extract', layout, 'image.json', '--output', other);
  const { kernel: built } = JSON.parse(readFileSync(other, 'utf8'));
  if (built !== manifest.kernel) {
    throw new Error(`Debian's kernel is ${built} and no longer ${manifest.kernel}: build the image again`);
  }
  rmSync(dracut, { force: true });
  await kairos('image', 'extract', layout, 'initrd', '--output', dracut);
  rmSync(layout, { recursive: true, force: true });
});

/** The initrd that Debian's dracut makes for any machine, with the driver of the root's file system. */
const bare = join(scratch, 'dracut.img');
await unlessDone(bare, [manifest.kernel], async () => {
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
  await run(['cp', join(tree, 'initrd.img'), bare]);
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

interface Times {
  readonly firmware: number;
  readonly kernel: number;
  readonly initrd: number;
  readonly immucore: number;
  /** Wall clock from the start of the emulator to the switch. */
  readonly total: number;
  /** Seconds of processor time that the emulator used meanwhile; says more than the clock on a busy machine. */
  readonly processor: number;
}

/** Seconds since the kernel's start at which a line came. */
function stamp(text: string, pattern: RegExp): number {
  const line = text.split('\n').find((each) => pattern.test(each));
  return Number(/^\[\s*([\d.]+)\]/.exec(line ?? '')?.[1] ?? Number.NaN);
}

async function boot(
  name: string,
  options: Omit<MachineOptions, 'name' | 'accelerator'>,
  end: RegExp,
  mounted: RegExp,
): Promise<Times> {
  const started = performance.now();
  const machine = Machine.start({
    ...{ name: `bench-${name}`, accelerator, processors: 2 },
    // A machine has devices that a start has no use for: as a fresh one of QEMU's, SATA with an empty CD drive, and SMBus.
    extraArguments: [
      ...['-machine', 'sata=on,smbus=on', '-drive', 'if=none,id=cd,media=cdrom'],
      ...['-device', 'ide-cd,bus=ide.2,drive=cd'],
    ],
    ...options,
  });
  try {
    await machine.console.waitFor(end, { timeout: 600_000 });
    const total = (performance.now() - started) / 1000;
    const processor = machine.processorSeconds();
    const { text } = machine.console;
    const init = stamp(text, /Run \/init as init process/);
    const root = stamp(text, mounted);
    const last = stamp(text, end);
    return {
      firmware: total - last,
      kernel: init,
      initrd: root - init,
      immucore: last - root,
      total,
      processor,
    };
  } finally {
    await machine.stop();
  }
}

const slotWords =
  'root=LABEL=COS_ACTIVE cos-img/filename=/cOS/active/root.img kairos.slot=LABEL=COS_STATE:/cOS/active';
const fromSlot = (name: string, initrd: string) => () =>
  boot(
    name,
    {
      disks: [{ path: state, readOnly: true, snapshot: true }, { path: oem }, { path: persistent }],
      kernel: {
        path: kernel,
        initrd,
        commandLine: `console=ttyS0 ${slotWords} rd.cos.oemlabel=COS_OEM ${words}`,
      },
    },
    /kairos-initrd: switching root at/,
    /erofs: \(device dm-0\): mounted/,
  );

const candidates = {
  thin: { size: thin, run: fromSlot('thin', thin) },
  dracut: { size: dracut, run: fromSlot('dracut', dracut) },
  'dracut, bare': {
    size: bare,
    run: () =>
      boot(
        'dracut-bare',
        {
          disks: [{ path: root, readOnly: true, snapshot: true }, { path: oem }, { path: persistent }],
          kernel: {
            path: kernel,
            initrd: bare,
            commandLine: `console=ttyS0 root=/dev/vda rootfstype=${manifest.filesystem} ro rd.systemd.show_status=1`,
          },
        },
        /Switching root|(?:Starting|Reached target) initrd-switch-root/,
        /erofs: \(device vda\): mounted/,
      ),
  },
} as const;
type Name = keyof typeof candidates;
const names = Object.keys(candidates) as Name[];

// A node's first start makes its keys and copies what persists; every later one is what counts.
await candidates.thin.run();
const times: Record<Name, Times[]> = { thin: [], dracut: [], 'dracut, bare': [] };
for (let turn = 0; turn < runs; turn++) {
  for (const name of names) times[name].push(await candidates[name].run());
}
const median = (values: number[]) => {
  const known = values.filter((value) => !Number.isNaN(value)).toSorted((a, b) => a - b);
  return known[Math.floor(known.length / 2)] ?? Number.NaN;
};
const medianOf = (name: Name, part: keyof Times) => median(times[name].map((each) => each[part]));

const parts = ['firmware', 'kernel', 'initrd', 'immucore', 'total', 'processor'] as const;
console.log(
  `${'medians in seconds'.padEnd(20)}${'MB'.padStart(6)}${parts.map((part) => part.padStart(10)).join('')}`,
);
for (const name of names) {
  const megabytes = (statSync(candidates[name].size).size / 1e6).toFixed(1);
  const figures = parts.map((part) => medianOf(name, part));
  const shown = figures.map((figure) => (Number.isNaN(figure) ? '-' : figure.toFixed(2)).padStart(10));
  console.log(`${name.padEnd(20)}${megabytes.padStart(6)}${shown.join('')}`);
}
for (const name of names) {
  console.log(`${name}: ${times[name].map(({ total }) => total.toFixed(1)).join(' ')} s`);
}
/** Seconds from a moment of the boot to the switch. */
const since = {
  '/init': ({ initrd, immucore }: Times) => initrd + immucore,
  "the kernel's start": ({ kernel, initrd, immucore }: Times) => kernel + initrd + immucore,
  power: ({ total }: Times) => total,
  'power, in processor time': ({ processor }: Times) => processor,
} as const;
const ratio = (moment: keyof typeof since) =>
  median(times.thin.map(since[moment])) / median(times.dracut.map(since[moment]));
console.log(`thin to dracut, the same image, on ${accelerator.name}:`);
for (const moment of Object.keys(since) as (keyof typeof since)[]) {
  const wanted = moment === '/init' ? ' (at most 0.33 wanted)' : '';
  console.log(`  from ${moment}: ${ratio(moment).toFixed(2)}${wanted}`);
}
console.log(
  `thin to bare dracut, which neither verifies nor runs immucore, from power: ${(medianOf('thin', 'total') / medianOf('dracut, bare', 'total')).toFixed(2)}`,
);
process.exit(ratio('/init') <= 1 / 3 ? 0 : 1);
