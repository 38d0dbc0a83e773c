import { KairosError } from '@kairos/facts/errors';
import { version as builderVersion } from '@kairos/facts/version';
import { writeBootRecipe } from './boot-recipe.ts';
import type { Build } from './build-run.ts';
import { type BuildStep, stepOf } from './build-step.ts';
import { cleanRoot } from './clean.ts';
import type { BuildPlan } from './plan.ts';
import { kairosRelease } from './release.ts';
import { setUpServices } from './services.ts';

async function layIn(build: Build, plan: BuildPlan, step: BuildStep): Promise<void> {
  const { host, tree, options } = build;
  switch (step.kind) {
    case 'file':
      tree.write(step.path, step.content, { mode: step.mode });
      return;
    case 'copy-file':
      if (host.files.status(step.source) === undefined) {
        throw new KairosError('FILE_NOT_FOUND', `The file ${step.source} for ${step.path} is not there`, {
          exit: 'notFound',
        });
      }
      tree.copyIn(step.source, step.path, { mode: step.mode });
      return;
    case 'link':
      tree.symlink(step.target, step.path);
      return;
    case 'directory':
      tree.makeDirectory(step.path, step.mode);
      return;
    case 'services': {
      const missing = await setUpServices(host, tree, step);
      for (const name of missing) {
        options.onProgress?.({
          step: 'services',
          message: `${name} is not in the root and was not enabled`,
          warning: true,
        });
      }
      return;
    }
    case 'release':
      tree.write(
        '/etc/kairos-release',
        kairosRelease({
          version: plan.version,
          architecture: plan.architecture,
          flavor: plan.flavor.name,
          flavorRelease: plan.release,
          family: plan.flavor.family,
          model: plan.model,
          variant: plan.variant,
          fips: false,
          trustedBoot: false,
          builder: builderVersion,
        }),
      );
      return;
    case 'clean': {
      const wished = stepOf(plan, 'root-image');
      writeBootRecipe(tree, {
        initrd: stepOf(plan, 'initrd')?.type ?? 'thin',
        kernelArguments: [...plan.kernelArguments],
        filesystem: {
          ...(wished?.type === undefined ? {} : { type: wished.type }),
          compression: wished?.compression ?? 'best',
        },
      });
      cleanRoot(tree);
      return;
    }
    case 'mount-points':
      for (const path of step.paths) {
        if (!tree.isDirectory(path)) tree.makeDirectory(path, path === '/tmp' ? 0o1777 : 0o755);
      }
      return;
    case 'check':
      for (const check of step.checks) {
        const found =
          check.is === 'directory'
            ? tree.isDirectory(check.path)
            : check.is === 'executable'
              ? tree.isExecutable(check.path)
              : tree.isFile(check.path);
        if (!found) {
          throw new KairosError(
            'COMPONENT_CHECK_FAILED',
            `The component ${check.from} needs ${check.path}, which is ${tree.hasEntry(check.path) ? `not ${check.is === 'executable' ? 'executable' : `a ${check.is}`}` : 'not there'}`,
            { exit: 'unsuitableImage', hint: check.hint },
          );
        }
      }
      return;
    default:
      return;
  }
}

/** Steps that work on the root as a whole; they are done together, in the order of the plan. */
const layInKinds: ReadonlySet<BuildStep['kind']> = new Set([
  'file',
  'copy-file',
  'link',
  'directory',
  'services',
  'release',
  'clean',
  'mount-points',
  'check',
]);

/**
 * Lays the system into the root: files, services, release, checks of components.
 * @throws KairosError `FILE_NOT_FOUND`, `COMPONENT_CHECK_FAILED`
 */
export async function layInSystem(build: Build, plan: BuildPlan): Promise<void> {
  for (const step of plan.steps) {
    if (layInKinds.has(step.kind)) await layIn(build, plan, step);
  }
}
