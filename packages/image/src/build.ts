import { join } from 'node:path';
import { hostArchitecture } from '@kairos/facts/architecture';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { mediaTypes } from '@kairos/facts/media-types';
import { formatSize } from '@kairos/facts/size';
import { slotFiles } from '@kairos/facts/slot';
import { version as builderVersion } from '@kairos/facts/version';
import type { Host } from '@kairos/host/host';
import { RootTree } from '@kairos/host/root-tree';
import { canonicalJson } from '@kairos/oci/canonical-json';
import type { Descriptor } from '@kairos/oci/descriptor';
import { sha256Of } from '@kairos/oci/digest';
import { createLayout, type LayoutWriter } from '@kairos/oci/layout-writer';
import { acquireRoot, bootstrapDebian, debianRelease, unpackArchive } from './acquire-root.ts';
import { type Base, parseBase, showBase } from './base.ts';
import { bootConfig, imageCmdline } from './boot-config.ts';
import { writeBootRecipe } from './boot-recipe.ts';
import { makeBootloaderPayload } from './bootloader.ts';
import { cleanRoot, settleAccounts } from './clean.ts';
import { makeContainerLayers } from './container-layers.ts';
import type { LocatedDefinition } from './definition.ts';
import { buildDracutInitrd } from './dracut.ts';
import { chooseFilesystem, makeFilesystem } from './filesystem.ts';
import { detectFlavor, flavorNamed, flavorRelease } from './flavor.ts';
import { seededHex, seededUuid } from './identity.ts';
import { buildThinInitrd } from './initrd/build.ts';
import { installPackages } from './install-packages.ts';
import { type Kernel, kernelFeatures, selectKernel } from './kernel.ts';
import { type BaseFacts, type BuildPlan, type BuildStep, planBuild } from './plan.ts';
import { describeStep } from './plan-text.ts';
import { imageDigest, putBootForm, putContainerForm } from './publish.ts';
import { imageName, kairosRelease, releaseVersion } from './release.ts';
import { detectArchitecture, detectInit, filledRoles, installedPackages, osReleaseOf } from './root-facts.ts';
import { setUpServices } from './services.ts';
import { appendVerity } from './verity.ts';
import { openWork } from './work-directory.ts';

/** What long work tells about itself. */
export interface ProgressEvent {
  /** A short name of the step, stable for scripts. */
  readonly step: string;
  readonly message: string;
  readonly warning?: boolean;
}

export interface BuildRequest extends LocatedDefinition {
  /** Directory of the OCI layout. */
  readonly output: string;
  /** The executable that goes into the image; it must fit the image's architecture and C library. */
  readonly executable: string;
  /** Seconds since 1970 (`SOURCE_DATE_EPOCH`). Default: the later of the dates of kernel and os-release. */
  readonly epoch?: number;
  /** Bootstrap again even if the cache has the same packages. */
  readonly refresh?: boolean;
}

export interface BuildOptions {
  readonly onProgress?: (event: ProgressEvent) => void;
  /** Keeps bootstrapped roots. */
  readonly cacheDirectory: string;
  /** For what is made on the way: as much as two times the root. */
  readonly workDirectory: string;
  readonly signal?: AbortSignal;
}

export interface BuildResult {
  /** Digest of an index of the two forms: the same for the same base and definition. */
  readonly digest: string;
  readonly layout: string;
  readonly manifest: ImageManifest;
  readonly milliseconds: Record<string, number>;
}

interface Build {
  readonly host: Host;
  readonly request: BuildRequest;
  readonly options: BuildOptions;
  readonly work: string;
  readonly tree: RootTree;
  readonly milliseconds: Record<string, number>;
}

function baseOf(request: BuildRequest): Base {
  const { base } = request.definition;
  if (base !== undefined) return parseBase(base);
  throw new KairosError('BASE_MISSING', 'The definition names no base', {
    exit: 'invalidInput',
    hint: 'Say what to build from, such as base: debian:13.',
  });
}

function located(base: Base, directory: string): Base {
  if (base.kind === 'debian' || base.path.startsWith('/')) return base;
  return { ...base, path: join(directory, base.path) };
}

/** A base as it stands in provenance: without folders of the build machine, so that they do not change the digest. */
function provenanceBase(base: Base): string {
  if (base.kind === 'dir') return 'dir';
  return base.kind === 'debian' ? showBase(base) : `${base.kind}:${base.path.split('/').at(-1)}`;
}

const wishedArchitecture = (request: BuildRequest) => request.definition.architecture ?? hostArchitecture();

function factsOfDebian(request: BuildRequest, base: Base & { kind: 'debian' }): BaseFacts {
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
function factsOfTree(request: BuildRequest, base: Base, tree: RootTree): BaseFacts {
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

function planFor(host: Host, request: BuildRequest, facts: BaseFacts): BuildPlan {
  return planBuild(host, {
    definition: request.definition,
    directory: request.directory,
    facts,
    executable: request.executable,
    output: request.output,
  });
}

/**
 * The plan of a build, for `--dry-run`. Nothing is changed. A base that is an archive is read for what it is, unless
 * the definition names flavor and init.
 * @throws KairosError as {@link buildImage} does before it begins
 */
export async function planImage(
  host: Host,
  request: BuildRequest,
  options: BuildOptions,
): Promise<BuildPlan> {
  const base = located(baseOf(request), request.directory);
  if (base.kind === 'debian') return planFor(host, request, factsOfDebian(request, base));
  if (base.kind === 'dir') return planFor(host, request, factsOfTree(request, base, new RootTree(base.path)));
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

/** Seconds since 1970 that everything later in the image is set to. */
function epochOf(request: BuildRequest, tree: RootTree, kernel: Kernel): number {
  if (request.epoch !== undefined) return request.epoch;
  const times = ['/etc/os-release', '/usr/lib/os-release', kernel.image].map(
    (path) => tree.status(path)?.modified ?? 0,
  );
  return Math.floor(Math.max(...times) / 1000);
}

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

function stepOf<K extends BuildStep['kind']>(
  plan: BuildPlan,
  kind: K,
): Extract<BuildStep, { kind: K }> | undefined {
  return plan.steps.find((step): step is Extract<BuildStep, { kind: K }> => step.kind === kind);
}

function interrupted(cause?: unknown): KairosError {
  return new KairosError('INTERRUPTED', 'The build was interrupted', {
    exit: 'interrupted',
    hint: 'Nothing was written under the final name.',
    ...(cause === undefined ? {} : { cause }),
  });
}

async function timed<T>(build: Build, name: string, message: string, action: () => Promise<T>): Promise<T> {
  if (build.options.signal?.aborted) {
    throw interrupted();
  }
  build.options.onProgress?.({ step: name, message });
  const started = performance.now();
  try {
    return await action();
  } finally {
    build.milliseconds[name] = Math.round(performance.now() - started);
  }
}

/** Gets the root and makes the plan; for a base that is there already, the plan needs the root. */
async function prepareRoot(build: Build): Promise<BuildPlan> {
  const { host, request, options, tree, work } = build;
  const base = located(baseOf(request), request.directory);
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  if (base.kind !== 'debian') {
    await timed(build, 'base', `Getting the root from ${showBase(base)}`, () =>
      acquireRoot(host, base, wishedArchitecture(request), tree.root, options.signal),
    );
    const plan = planFor(host, request, factsOfTree(request, base, tree));
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

interface RootImage {
  readonly filesystem: ImageManifest['filesystem'];
  readonly verity: ImageManifest['verity'];
  readonly path: string;
}

async function makeRootImage(
  build: Build,
  plan: BuildPlan,
  kernel: Kernel,
  seed: string,
  epoch: number,
): Promise<RootImage> {
  const { host, tree, work, options } = build;
  const wished = stepOf(plan, 'root-image');
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const filesystem = chooseFilesystem(kernel, kernelFeatures(tree, kernel), wished?.type);
  const path = join(work, slotFiles.root);
  if (filesystem === 'ext4') {
    const late = ['find', tree.root, '-newermt', `@${epoch}`] as const;
    await host.run([...late, '-exec', 'touch', '--no-dereference', `--date=@${epoch}`, '{}', '+'], signal);
  }
  const size = await timed(build, 'filesystem', `Making the root file system (${filesystem})`, async () =>
    makeFilesystem(host, tree.root, path, {
      type: filesystem,
      compression: wished?.compression ?? 'best',
      kernelVersion: kernel.version,
      epoch,
      uuid: seededUuid(seed, 'file system'),
      ...(filesystem === 'ext4' ? { contentSize: contentSize(host, tree.root) } : {}),
      ...signal,
    }),
  );
  const verity = await timed(build, 'verity', `Hashing ${formatSize(size)} with dm-verity`, () =>
    appendVerity(host, path, size, {
      salt: seededHex(seed, 'verity salt'),
      uuid: seededUuid(seed, 'verity'),
      ...signal,
    }),
  );
  return { filesystem, verity, path };
}

/** Bytes that the content of a tree takes in blocks, by sizes alone: what a file system here has allocated may change. */
function contentSize(host: Host, directory: string): number {
  let size = 0;
  for (const name of host.files.list(directory)) {
    const path = join(directory, name);
    const status = host.files.status(path);
    size += 4096 + Math.ceil((status?.kind === 'file' ? status.size : 0) / 4096) * 4096;
    if (status?.kind === 'directory') size += contentSize(host, path);
  }
  return size;
}

async function execute(build: Build, layout: LayoutWriter): Promise<BuildResult> {
  const { host, request, options, work, tree, milliseconds } = build;
  const started = performance.now();
  const plan = await prepareRoot(build);
  await timed(build, 'system', 'Laying in the system', async () => {
    for (const step of plan.steps) {
      if (layInKinds.has(step.kind)) await layIn(build, plan, step);
    }
  });
  const init = detectInit(tree);
  if (init === undefined) {
    throw new KairosError('INIT_MISSING', 'The root has no init system: /sbin/init is none that is known', {
      exit: 'unsuitableImage',
      hint: `Add the packages of ${plan.init} to the root or to the definition.`,
    });
  }
  const kernel = selectKernel(tree, showBase(plan.base));
  const epoch = epochOf(request, tree, kernel);
  settleAccounts(tree, epoch);
  const signal = options.signal === undefined ? {} : { signal: options.signal };

  const initrd = join(work, slotFiles.initrd);
  const dracut = stepOf(plan, 'initrd')?.type === 'dracut';
  if (dracut) {
    await timed(build, 'initrd', 'Building the initrd with dracut', () =>
      buildDracutInitrd(host, tree, { kernelVersion: kernel.version, output: initrd, epoch, ...signal }),
    );
  }
  const bootloader = join(work, slotFiles.bootloader);
  const hasBootloader = stepOf(plan, 'bootloader') !== undefined;
  if (hasBootloader) {
    await timed(build, 'bootloader', 'Making the boot loader payload', () =>
      makeBootloaderPayload(host, tree, {
        architecture: plan.architecture,
        work,
        output: bootloader,
        epoch,
        ...signal,
      }),
    );
  }
  const name = imageName({ variant: plan.variant, flavor: plan.flavor.name, flavorRelease: plan.release });
  const version = releaseVersion(plan.version);
  const seed = [name, version, plan.architecture, plan.model, kernel.version].join('\n');
  // These only read the root. The file system takes one processor for long, so the others cost no time beside it.
  const thinInitrd = () =>
    timed(build, 'initrd', 'Building the initrd', () =>
      buildThinInitrd(host, {
        root: tree.root,
        kernelVersion: kernel.version,
        architecture: plan.architecture,
        output: initrd,
      }),
    );
  const pack = () =>
    timed(build, 'container', 'Packing the layers of the container form', () =>
      makeContainerLayers(host, tree, layout, { work, epoch, ...signal }),
    );
  const [image, layers] = await together([
    makeRootImage(build, plan, kernel, seed, epoch),
    dracut ? pack() : thinInitrd().then(pack),
  ]);
  return timed(build, 'publish', 'Writing the image layout', async () => {
    const cmdline = imageCmdline(image.verity, image.filesystem, plan.kernelArguments);
    const blob = mediaTypes.bootFile;
    const files = new Map<string, Descriptor>([
      [slotFiles.kernel, await layout.putFile(tree.real(kernel.image), blob)],
      [slotFiles.initrd, await layout.putFile(initrd, blob, {}, { move: true })],
      [slotFiles.cmdline, layout.putBlob(Buffer.from(`${cmdline}\n`), blob)],
      [slotFiles.bootConfig, layout.putBlob(Buffer.from(bootConfig(cmdline)), blob)],
      ...(hasBootloader
        ? [[slotFiles.bootloader, await layout.putFile(bootloader, blob, {}, { move: true })] as const]
        : []),
      [slotFiles.root, await layout.putFile(image.path, blob, {}, { move: true })],
    ]);
    const manifest: ImageManifest = {
      schemaVersion: 1,
      name,
      version,
      architecture: plan.architecture,
      flavor: plan.flavor.name,
      flavorRelease: plan.release,
      variant: plan.variant,
      model: plan.model,
      kernel: kernel.version,
      init,
      filesystem: image.filesystem,
      verity: image.verity,
      files: Object.fromEntries([...files].map(([file, { size, digest }]) => [file, { size, digest }])),
      provenance: {
        base: provenanceBase(plan.base),
        inputs: sha256Of(
          canonicalJson({
            base: provenanceBase(plan.base),
            definition: { ...request.definition, base: undefined },
            // The layers hold all that the definition names: packages, files, cloud-configs, the executable.
            layers: layers.map(({ diffId }) => diffId),
          }),
        ),
        builder: `kairos ${builderVersion}`,
        epoch,
      },
    };
    const forms = [putContainerForm(layout, manifest, layers), putBootForm(layout, manifest, files)];
    if (options.signal?.aborted) throw interrupted();
    layout.writeIndex(forms);
    milliseconds.total = Math.round(performance.now() - started);
    return { digest: imageDigest(forms), layout: request.output, manifest, milliseconds };
  });
}

/** Waits for both to end before the first failure is passed on: what still runs must not write into what is removed. */
async function together<A, B>(work: readonly [Promise<A>, Promise<B>]): Promise<[A, B]> {
  const [a, b] = await Promise.allSettled(work);
  if (a.status === 'rejected') throw a.reason;
  if (b.status === 'rejected') throw b.reason;
  return [a.value, b.value];
}

/** Says of a failure for want of space where the space is missing. */
function withSpace(host: Host, error: unknown, places: readonly string[]): unknown {
  const full = /ENOSPC|No space left on device/.test(reasonOf(error));
  if (!full || (error instanceof KairosError && error.exit === 'noSpace')) return error;
  const free = places.map((place) => `${place} has ${formatSize(host.freeSpace(place))} free`).join(', ');
  return new KairosError('NO_SPACE', `No space left while building the image: ${free}`, {
    exit: 'noSpace',
    hint: 'A build needs about three times the size of the root in the directory for work and one time in that of the output.',
    cause: error,
  });
}

/**
 * Builds an OS image: an OCI layout with the container form and the boot form. Until the whole is right and on the
 * disk, nothing is under the final name; whatever fails or is interrupted leaves nothing behind.
 * @throws KairosError `BASE_*`, `FLAVOR_*`, `COMPONENT_*`, `KERNEL_*`, `INIT_*`, `BOOTLOADER_MISSING`,
 * `FILESYSTEM_UNSUPPORTED`, `NO_SPACE`, `INTERRUPTED`, `TOOL_*`, `TAR_*`
 */
export async function buildImage(
  host: Host,
  request: BuildRequest,
  options: BuildOptions,
): Promise<BuildResult> {
  // What can be wrong with the request is found before anything is made.
  const base = baseOf(request);
  if (base.kind === 'debian') planFor(host, request, factsOfDebian(request, base));
  const work = openWork(host, options.workDirectory);
  const tree = new RootTree(join(work.path, 'root'));
  let layout: LayoutWriter | undefined;
  try {
    host.files.makeDirectory(tree.root);
    layout = createLayout(request.output);
    return await execute({ host, request, options, work: work.path, tree, milliseconds: {} }, layout);
  } catch (error) {
    // What an interrupted program says of its end is no news.
    throw options.signal?.aborted ? interrupted(error) : withSpace(host, error, [options.workDirectory]);
  } finally {
    layout?.abort();
    work.remove();
  }
}
