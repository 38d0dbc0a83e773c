import { requirePrograms } from '@kairos/host/required-programs';
import { acquireRoot, bootstrapDebian, unpackArchive } from './acquire-root.ts';
import { showBase } from './base.ts';
import { programsOf } from './build-programs.ts';
import { type Build, timed } from './build-run.ts';
import { stepOf } from './build-step.ts';
import { installPackages } from './install-packages.ts';
import type { BuildPlan } from './plan.ts';
import { baseOf, factsOfDebian, factsOfTree, planFor, wishedArchitecture } from './plan-image.ts';
import { describeStep } from './plan-text.ts';

/** What a plan has to say before the work begins, which may take minutes. */
function begin({ host, options }: Build, plan: BuildPlan): void {
  const { warnings } = plan;
  requirePrograms(host, programsOf(plan));
  for (const message of warnings) options.onProgress?.({ step: 'plan', message, warning: true });
}

/** Gets the root and makes the plan; for a base that is there already, the plan needs the root. */
export async function prepareRoot(build: Build): Promise<BuildPlan> {
  const { host, request, options, tree, work } = build;
  const base = baseOf(request);
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  if (base.kind !== 'debian') {
    await timed(build, 'base', `Getting the root from ${showBase(base)}`, () =>
      acquireRoot(host, base, wishedArchitecture(request), tree.root, options.signal),
    );
    const plan = planFor(host, request, factsOfTree(request, base, tree));
    begin(build, plan);
    const install = stepOf(plan, 'install-packages');
    if (install !== undefined) {
      await timed(build, 'packages', describeStep(install), () =>
        installPackages(host, tree, { ...install, prepare: plan.flavor.prepare, ...signal }),
      );
    }
    return plan;
  }
  const facts = factsOfDebian(request, base);
  const plan = planFor(host, request, facts);
  begin(build, plan);
  const { archive } = await timed(
    build,
    'bootstrap',
    `Bootstrapping Debian ${facts.release} (${facts.suite})`,
    () =>
      bootstrapDebian(host, {
        suite: facts.suite ?? base.release,
        architecture: facts.architecture,
        packages: plan.packages,
        mirror: request.definition.mirror,
        cache: options.cacheDirectory,
        work,
        refresh: request.refresh,
        onLine: (line) => options.onProgress?.({ step: 'bootstrap', message: `Bootstrapping: ${line}` }),
        ...signal,
      }),
  );
  await timed(build, 'base', 'Unpacking the root', () =>
    unpackArchive(host, archive, tree.root, options.signal),
  );
  return plan;
}
