import { join } from 'node:path';
import { hostArchitecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { RootTree } from '@kairos/host/root-tree';
import { acquireRoot, checkDirectory, debianRelease } from './acquire-root.ts';
import { type Base, parseBase, showBase } from './base.ts';
import type { BuildOptions, BuildRequest } from './build-request.ts';
import { executableFor } from './executable.ts';
import { detectFlavor, flavorNamed, flavorRelease } from './flavor.ts';
import { type BaseFacts, type BuildPlan, planBuild } from './plan.ts';
import { detectArchitecture, detectInit, filledRoles, installedPackages, osReleaseOf } from './root-facts.ts';
import { openWork } from './work-directory.ts';

/**
 * Where the root comes from, its path made absolute.
 * @throws KairosError `BASE_MISSING`, `BASE_UNKNOWN`
 */
export function baseOf({ definition, directory }: BuildRequest): Base {
  if (definition.base === undefined) {
    throw new KairosError('BASE_MISSING', 'The definition names no base', {
      exit: 'invalidInput',
      hint: 'Say what to build from, such as base: debian:13.',
    });
  }
  const base = parseBase(definition.base);
  if (base.kind === 'debian' || base.path.startsWith('/')) return base;
  return { ...base, path: join(directory, base.path) };
}

export const wishedArchitecture = (request: BuildRequest) =>
  request.definition.architecture ?? hostArchitecture();

/** What is known of a Debian that is bootstrapped. */
export function factsOfDebian(request: BuildRequest, base: Base & { kind: 'debian' }): BaseFacts {
  const flavor = flavorNamed('debian');
  const { suite, release } = debianRelease(flavor, base.release);
  return {
    base,
    flavor,
    release,
    suite,
    architecture: wishedArchitecture(request),
  };
}

/** What a root that is there says about itself. */
export function factsOfTree(request: BuildRequest, base: Base, tree: RootTree): BaseFacts {
  const release = osReleaseOf(tree);
  const { definition } = request;
  const flavor =
    definition.flavor === undefined ? detectFlavor(release, showBase(base)) : flavorNamed(definition.flavor);
  const architecture = definition.architecture ?? detectArchitecture(tree) ?? hostArchitecture();
  return {
    base,
    flavor,
    release: flavorRelease(flavor, release),
    architecture,
    init: detectInit(tree),
    installed: installedPackages(tree),
    filled: filledRoles(tree, architecture),
  };
}

/**
 * The plan of a build from what is known of its root.
 * @throws KairosError `EXECUTABLE_UNSUITABLE`, and as `planBuild`
 */
export function planFor(host: Host, request: BuildRequest, facts: BaseFacts): BuildPlan {
  return planBuild(host, {
    definition: request.definition,
    directory: request.directory,
    facts,
    executable: executableFor(host, request.executable, {
      architecture: facts.architecture,
      libc: facts.flavor.libc,
    }),
    output: request.output,
  });
}

/**
 * The plan of a build, for `--dry-run`. Nothing is changed. A base that is an archive is read for what it is, unless
 * the definition names flavor and init.
 * @throws KairosError as a build does before it begins
 */
export async function planImage(
  host: Host,
  request: BuildRequest,
  options: BuildOptions,
): Promise<BuildPlan> {
  const base = baseOf(request);
  if (base.kind === 'debian') return planFor(host, request, factsOfDebian(request, base));
  if (base.kind === 'dir') {
    checkDirectory(host, base.path);
    return planFor(host, request, factsOfTree(request, base, new RootTree(base.path)));
  }
  const work = openWork(host, options.workDirectory);
  try {
    const tree = new RootTree(join(work.path, 'root'));
    host.files.makeDirectory(tree.root);
    await acquireRoot(host, base, wishedArchitecture(request), tree.root, options.signal);
    return planFor(host, request, factsOfTree(request, base, tree));
  } finally {
    work.remove();
  }
}
