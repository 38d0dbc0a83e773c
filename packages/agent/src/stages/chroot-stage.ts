import { KairosError, type Position } from '@kairos/facts/errors';
import { paths } from '@kairos/facts/paths';
import { slotFiles } from '@kairos/facts/slot';
import type { Host } from '@kairos/host/host';
import { defaultStageDirectories } from '@kairos/stages/collect';
import { planStage } from '@kairos/stages/run-stage';
import { z } from 'zod';
import { Cleanup } from '../cleanup.ts';
import type { CollectedConfig } from '../collect-config.ts';

/** Runs a stage with a slot's system as root directory. */
export type ChrootStage = {
  readonly kind: 'chroot-stage';
  readonly stage: string;
  /** Directory of the slot, with its `root.img`. */
  readonly slot: string;
  /** Directories of this system that the stage may write to, and where it has them. */
  readonly binds: readonly { readonly from: string; readonly to: string }[];
};

export interface ChrootStageOptions {
  readonly signal: AbortSignal;
  /** `cloud-init-paths` of the configuration. */
  readonly extraPaths: readonly string[];
  readonly warn: (message: string) => void;
}

/** In memory, so that whatever becomes of the process, nothing is left after a restart. */
const place = '/run/cos/chroot-stage';
const root = `${place}/root`;
const upper = `${place}/memory/upper`;
/** What of the memory a stage may fill with files that are not kept. */
const memorySize = '25%';
/** Paths that a warning lists. */
const listed = 10;

const positionSchema = z.object({ file: z.string(), line: z.number(), column: z.number() });
const resultSchema = z.object({
  steps: z.array(z.object({ status: z.string(), position: positionSchema })),
  problems: z.array(
    z.object({ severity: z.string(), message: z.string(), position: positionSchema }).loose(),
  ),
});

const show = ({ file, line, column }: Position) => `${file}:${line}:${column}`;

/** Where a configuration and the stage files of this system say something for a stage. */
export function stagePositions(
  host: Host,
  stage: string,
  config: CollectedConfig,
  extraPaths: readonly string[],
): Position[] {
  const directories = [...defaultStageDirectories, ...extraPaths];
  const isRead = (file: string) =>
    directories.some((directory) => file.startsWith(`${directory.replace(/\/+$/, '')}/`));
  const { steps } = planStage(host, stage, {
    directories,
    documents: config.documents.filter(({ file }) => !isRead(file)),
  });
  return steps.map(({ step }) => step.field.position);
}

/** Files that were written over the image, without the directories that lead to them. */
function written(host: Host, directory = ''): string[] {
  return host.files.list(`${upper}${directory}`).flatMap((name) => {
    const path = `${directory}/${name}`;
    if (host.files.status(`${upper}${path}`)?.kind !== 'directory') return [path];
    const below = written(host, path);
    return below.length > 0 ? below : [];
  });
}

/** Mounts the image with memory over it; everything is undone by `cleanup`. */
async function assemble(host: Host, step: ChrootStage, cleanup: Cleanup): Promise<void> {
  const { files } = host;
  // A run that was killed may have left its mounts.
  for (const { target } of host.mounts().toReversed()) {
    if (target === place || target.startsWith(`${place}/`)) host.unmount(target, { lazy: true });
  }
  const mount = (source: string, target: string, type: string, options: readonly string[]) => {
    files.makeDirectory(target);
    host.mount({ source, target, type, options });
    cleanup.push(target, () => host.unmount(target, { lazy: true }));
  };
  const image = `${place}/image`;
  files.makeDirectory(image);
  // The program finds a loop device and lets go of it with the mount.
  await host.run(['mount', '-o', 'ro,loop', files.real(`${step.slot}/${slotFiles.root}`), files.real(image)]);
  cleanup.push(image, () => host.unmount(image, { lazy: true }));
  mount('tmpfs', `${place}/memory`, 'tmpfs', ['mode=0700', `size=${memorySize}`]);
  files.makeDirectory(upper);
  files.makeDirectory(`${place}/memory/work`);
  mount('overlay', root, 'overlay', [
    `lowerdir=${image}`,
    `upperdir=${upper}`,
    `workdir=${place}/memory/work`,
  ]);
  /** Private, so that unmounting here does not unmount what this system has there. */
  const bind = (from: string, to: string) => {
    mount(from, `${root}${to}`, 'none', ['bind']);
    host.mount({ source: 'none', target: `${root}${to}`, type: 'none', options: ['private'] });
  };
  bind('/dev', '/dev');
  mount('devpts', `${root}/dev/pts`, 'devpts', ['nosuid', 'noexec', 'gid=5', 'mode=620', 'ptmxmode=666']);
  mount('proc', `${root}/proc`, 'proc', ['nosuid', 'nodev', 'noexec']);
  bind('/sys', '/sys');
  mount('tmpfs', `${root}/run`, 'tmpfs', ['mode=0755']);
  mount('tmpfs', `${root}/tmp`, 'tmpfs', ['mode=1777']);
  for (const { from, to } of step.binds) bind(from, to);
}

/**
 * Runs a stage in the system of a slot, by that system's own agent: the image read-only, memory over it, the OEM and the
 * persistent partition bound in. What a step writes elsewhere is lost, because the image is verified and never changes:
 * a warning names the files.
 * @throws KairosError `STAGE_FAILED`, and what mounting throws
 */
export async function runChrootStage(
  host: Host,
  step: ChrootStage,
  options: ChrootStageOptions,
): Promise<void> {
  const cleanup = new Cleanup();
  try {
    await assemble(host, step, cleanup);
    const { stdout } = await host.run(
      [
        '/usr/bin/kairos-agent',
        'run-stage',
        step.stage,
        '--json',
        ...options.extraPaths.flatMap((path) => ['--cloud-init-paths', path]),
      ],
      { chroot: host.files.real(root), signal: options.signal, okCodes: [0, 21] },
    );
    const result = resultSchema.safeParse(parseJson(stdout.trimEnd().split('\n').at(-1) ?? ''));
    if (!result.success) {
      throw new KairosError('STAGE_FAILED', `${step.stage}: the image's own agent did not say what it did`, {
        exit: 'stageFailed',
      });
    }
    const { steps, problems } = result.data;
    const lost = written(host).filter((path) => !/^\/(dev|proc|sys|run|tmp)(\/|$)/.test(path));
    if (lost.length > 0) {
      const ran = steps.filter(({ status }) => status !== 'skipped').map(({ position }) => show(position));
      const rest = lost.length > listed ? ` and ${lost.length - listed} more` : '';
      options.warn(
        `${step.stage} (${ran.join(', ')}) wrote ${lost.slice(0, listed).join(', ')}${rest}, which is not kept: ` +
          `the system image is read-only and verified. Keep files in ${paths.oem} or ${paths.persistent}, write them in a boot stage, or build them into the image`,
      );
    }
    const errors = problems.filter(({ severity }) => severity === 'error');
    const [first] = errors;
    if (first === undefined) return;
    throw new KairosError(
      'STAGE_FAILED',
      `stage ${step.stage} ran with ${errors.length} error${errors.length === 1 ? '' : 's'}: ${errors
        .map(({ position, message }) => `${show(position)}: ${message}`)
        .join('; ')}`,
      { exit: 'stageFailed', position: first.position, details: { problems: errors } },
    );
  } finally {
    for (const problem of await cleanup.run()) options.warn(`Could not clean up: ${problem}`);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
