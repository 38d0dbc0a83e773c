/** Images that the virtual machines boot: built once for all tests, again only when their inputs change. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildExecutable, hostTarget } from '../../scripts/build.ts';
import { type Accelerator, probeAccelerator } from './accelerator.ts';
import { digestOf, unlessDone } from './reuse.ts';

const root = join(import.meta.dir, '../..');
export const work = join(root, '.work/vm');
export const executable = join(root, 'dist', `kairos-linux-${hostTarget().architecture}-glibc`);

/** Images by name, with the arguments that make them. */
export const imageArguments = {
  debian13: ['debian:13'],
  debian12: ['debian:12', '--compression', 'fast'],
  'debian13-sysvinit': ['debian:13', '--init', 'sysvinit', '--compression', 'fast'],
} as const;
export type ImageName = keyof typeof imageArguments;

async function run(command: readonly string[]): Promise<string> {
  const child = Bun.spawn([...command], { cwd: root, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${command.join(' ')} exited with ${code}:\n${stderr}`);
  return stdout;
}

/** The executable, called as a user calls it. Gives its standard output. */
export function kairos(...args: readonly string[]): Promise<string> {
  return run([executable, ...args]);
}

/** The OCI layout of an image. */
export async function imageLayout(name: ImageName): Promise<string> {
  const layout = join(work, 'images', name);
  mkdirSync(join(work, 'images'), { recursive: true });
  await unlessDone(layout, [digestOf(executable), ...imageArguments[name]], () =>
    kairos('build', 'image', ...imageArguments[name], '--output', layout, '--executable', executable),
  );
  return layout;
}

/** An ISO of an image with a cloud-config in it. */
export async function isoOf(
  name: ImageName,
  variant: string,
  cloudConfig: string,
  options: readonly string[] = [],
): Promise<string> {
  const layout = await imageLayout(name);
  const iso = join(work, `${name}-${variant}.iso`);
  const config = join(work, `${name}-${variant}.yaml`);
  await Bun.write(config, cloudConfig);
  await unlessDone(iso, [readFileSync(join(layout, 'index.json'), 'utf8'), cloudConfig, ...options], () =>
    kairos('build', 'iso', layout, '--output', iso, '--cloud-config', config, ...options),
  );
  return iso;
}

/** A file of an image's slot, copied out. */
export async function slotFile(name: ImageName, file: string): Promise<string> {
  const layout = await imageLayout(name);
  const path = join(work, `${name}-${file}`);
  await unlessDone(path, [readFileSync(join(layout, 'index.json'), 'utf8')], () =>
    kairos('image', 'extract', layout, file, '--output', path),
  );
  return path;
}

let accelerator: Promise<Accelerator> | undefined;
/** How guests run here; probed once a process. */
export function guestAccelerator(): Promise<Accelerator> {
  accelerator ??= slotFile('debian13', 'vmlinuz').then(probeAccelerator);
  return accelerator;
}

if (import.meta.main) {
  await buildExecutable(hostTarget());
  for (const name of Object.keys(imageArguments) as ImageName[]) await imageLayout(name);
}
