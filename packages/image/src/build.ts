import { dirname, join } from 'node:path';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { mediaTypes } from '@kairos/facts/media-types';
import { formatSize } from '@kairos/facts/size';
import { slotFiles } from '@kairos/facts/slot';
import type { Host } from '@kairos/host/host';
import { RootTree } from '@kairos/host/root-tree';
import type { Descriptor } from '@kairos/oci/descriptor';
import { createLayout, type LayoutWriter } from '@kairos/oci/layout-writer';
import { showBase } from './base.ts';
import { bootConfig, imageCmdline } from './boot-config.ts';
import { makeBootloaderPayload } from './bootloader.ts';
import type { BuildOptions, BuildRequest } from './build-request.ts';
import { type Build, interrupted, timed, together } from './build-run.ts';
import { stepOf } from './build-step.ts';
import { settleAccounts } from './clean.ts';
import { makeContainerLayers } from './container-layers.ts';
import { buildDracutInitrd } from './dracut.ts';
import { chooseFilesystem } from './filesystem.ts';
import { epochOf, imageSeed } from './identity.ts';
import { buildThinInitrd } from './initrd/build.ts';
import { kernelFeatures, selectKernel } from './kernel.ts';
import { layInSystem } from './lay-in.ts';
import { baseOf, factsOfDebian, planFor } from './plan-image.ts';
import { prepareRoot } from './prepare-root.ts';
import { provenanceOf } from './provenance.ts';
import { imageDigest, putBootForm, putContainerForm } from './publish.ts';
import { imageName, releaseVersion } from './release.ts';
import { detectInit } from './root-facts.ts';
import { makeRootImage } from './root-image.ts';
import { openWork } from './work-directory.ts';

export interface BuildResult {
  /** Digest of an index of the two forms: the same for the same base and definition. */
  readonly digest: string;
  readonly layout: string;
  readonly manifest: ImageManifest;
  readonly milliseconds: Record<string, number>;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

async function execute(build: Build, layout: LayoutWriter): Promise<BuildResult> {
  const { host, request, options, work, tree, milliseconds } = build;
  const started = performance.now();
  const plan = await prepareRoot(build);
  await timed(build, 'system', 'Laying in the system', () => layInSystem(build, plan));
  const init = detectInit(tree);
  if (init === undefined) {
    throw new KairosError('INIT_MISSING', 'The root has no init system: /sbin/init is none that is known', {
      exit: 'unsuitableImage',
      hint: `Add the packages of ${plan.init} to the root or to the definition.`,
    });
  }
  const kernel = selectKernel(tree, showBase(plan.base));
  const epoch = request.epoch ?? epochOf(tree, kernel);
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
  const { architecture, model } = plan;
  const wished = stepOf(plan, 'root-image');
  const filesystem = chooseFilesystem(kernel, kernelFeatures(tree, kernel), wished?.type);
  const root = join(work, slotFiles.root);
  // These only read the root. The file system takes one processor for long, so the others cost no time beside it.
  const thinInitrd = () =>
    timed(build, 'initrd', 'Building the initrd', () =>
      buildThinInitrd(host, {
        root: tree.root,
        kernelVersion: kernel.version,
        architecture: plan.architecture,
        output: initrd,
        ...signal,
      }),
    );
  const pack = () =>
    timed(build, 'container', 'Packing the layers of the container form', () =>
      makeContainerLayers(host, tree, layout, { work, epoch, ...signal }),
    );
  const [verity, layers] = await together([
    makeRootImage(host, tree, {
      ...{ type: filesystem, compression: wished?.compression ?? 'best', kernelVersion: kernel.version },
      ...{ epoch, output: root, ...signal },
      seed: imageSeed({ name, version, architecture, model, kernel: kernel.version }),
      step: (step, message, action) => timed(build, step, capitalized(message), action),
    }),
    dracut ? pack() : thinInitrd().then(pack),
  ]);
  return timed(build, 'publish', 'Writing the image layout', async () => {
    const cmdline = imageCmdline(verity, filesystem, plan.kernelArguments);
    const blob = mediaTypes.bootFile;
    const files = new Map<string, Descriptor>([
      [slotFiles.kernel, await layout.putFile(tree.real(kernel.image), blob)],
      [slotFiles.initrd, await layout.putFile(initrd, blob, {}, { move: true })],
      [slotFiles.cmdline, layout.putBlob(Buffer.from(`${cmdline}\n`), blob)],
      [slotFiles.bootConfig, layout.putBlob(Buffer.from(bootConfig(cmdline)), blob)],
      ...(hasBootloader
        ? [[slotFiles.bootloader, await layout.putFile(bootloader, blob, {}, { move: true })] as const]
        : []),
      [slotFiles.root, await layout.putFile(root, blob, {}, { move: true })],
    ]);
    const manifest: ImageManifest = {
      schemaVersion: 1,
      name,
      version,
      architecture,
      flavor: plan.flavor.name,
      flavorRelease: plan.release,
      variant: plan.variant,
      model,
      kernel: kernel.version,
      init,
      filesystem,
      verity,
      files: Object.fromEntries([...files].map(([file, { size, digest }]) => [file, { size, digest }])),
      provenance: provenanceOf(request, plan.base, layers, epoch),
    };
    const forms = [putContainerForm(layout, manifest, layers), putBootForm(layout, manifest, files)];
    if (options.signal?.aborted) throw interrupted();
    layout.writeIndex(forms);
    milliseconds.total = Math.round(performance.now() - started);
    return { digest: imageDigest(forms), layout: request.output, manifest, milliseconds };
  });
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
 * `FILESYSTEM_UNSUPPORTED`, `EXECUTABLE_UNSUITABLE`, `NOT_ROOT`, `NO_SPACE`, `INTERRUPTED`, `TOOL_*`, `TAR_*`
 */
export async function buildImage(
  host: Host,
  request: BuildRequest,
  options: BuildOptions,
): Promise<BuildResult> {
  // What can be wrong with the request is found before anything is made.
  const base = baseOf(request);
  if (host.uid !== 0) {
    // Files would belong to whoever builds, also those that are set-user-id: an image that boots into trouble.
    throw new KairosError('NOT_ROOT', 'Building an image needs root, for files to keep their owners', {
      exit: 'notPermitted',
      hint: 'Run the same command with sudo. --dry-run, kairos build iso and kairos build raw need no root.',
    });
  }
  if (base.kind === 'debian') planFor(host, request, factsOfDebian(request, base));
  const places = [...new Set([options.workDirectory, dirname(request.output)])];
  const work = openWork(host, options.workDirectory);
  const tree = new RootTree(join(work.path, 'root'));
  let layout: LayoutWriter | undefined;
  try {
    host.files.makeDirectory(tree.root);
    layout = createLayout(request.output);
    return await execute({ host, request, options, work: work.path, tree, milliseconds: {} }, layout);
  } catch (error) {
    // What an interrupted program says of its end is no news.
    throw options.signal?.aborted ? interrupted(error) : withSpace(host, error, places);
  } finally {
    layout?.abort();
    work.remove();
  }
}
