/**
 * Time from an unpacked root to an ISO, beside the time that `mkfs.erofs` alone takes on the same tree with the same
 * options, in turn, in one run. `bun bench/build.ts [runs]`, as root, after `bun run build --host`.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { filesystemCommand } from '@kairos/image/filesystem';
import { executable, work } from '../tests/src/images.ts';
import { unlessDone } from '../tests/src/reuse.ts';

const runs = Number(process.argv[2] ?? 3);
mkdirSync(work, { recursive: true });

async function run(command: string[]): Promise<string> {
  const child = Bun.spawn(command, { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${command.join(' ')} exited with ${code}:\n${stderr.slice(-2000)}`);
  return stdout;
}
async function seconds(command: string[]): Promise<number> {
  const started = performance.now();
  await run(command);
  return (performance.now() - started) / 1000;
}

const packages = JSON.parse(
  await run([
    executable,
    'build',
    'image',
    'debian:13',
    '--dry-run',
    '--json',
    '--output',
    join(work, 'none'),
  ]),
).packages as string[];
const root = join(work, 'bench-build-root');
await unlessDone(root, packages, async () => {
  rmSync(root, { recursive: true, force: true });
  await run([
    ...['mmdebstrap', '--mode=root', '--variant=minbase', '--aptopt=APT::Install-Recommends "false"'],
    ...[`--include=${packages.join(',')}`, 'trixie', root],
  ]);
});

const [kernelVersion = ''] = readdirSync(join(root, 'usr/lib/modules'));
/** What an image of this root has by default. */
const options = {
  ...({ type: 'erofs', compression: 'best', kernelVersion, epoch: 0 } as const),
  uuid: '00000000-0000-4000-8000-000000000000',
} as const;
const folder = mkdtempSync(join(work, 'bench-build-'));
const whole: number[] = [];
const alone: number[] = [];
try {
  for (let turn = 0; turn < runs; turn++) {
    const image = join(folder, `image-${turn}`);
    const build = await seconds([
      ...[
        executable,
        'build',
        'image',
        `dir:${root}`,
        '--output',
        image,
        '--executable',
        executable,
        '--quiet',
      ],
    ]);
    const iso = await seconds([
      executable,
      'build',
      'iso',
      image,
      '--output',
      join(folder, 'image.iso'),
      '--quiet',
    ]);
    whole.push(build + iso);
    rmSync(image, { recursive: true });
    alone.push(await seconds([...filesystemCommand(root, join(folder, 'root.img'), options).argv]));
    console.log(
      `turn ${turn + 1}: image ${build.toFixed(1)} s, ISO ${iso.toFixed(1)} s, mkfs.erofs alone ${alone[turn]?.toFixed(1)} s`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const median = (values: number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const ratio = median(whole) / median(alone);
console.log(
  `root to ISO ${median(whole).toFixed(1)} s, mkfs.erofs alone ${median(alone).toFixed(1)} s: ${ratio.toFixed(2)}× (at most 1.6 wanted)`,
);
process.exit(ratio <= 1.6 ? 0 : 1);
