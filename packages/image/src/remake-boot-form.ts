import { join } from 'node:path';
import type { Architecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { slotFiles } from '@kairos/facts/slot';
import { version as builderVersion } from '@kairos/facts/version';
import type { Host } from '@kairos/host/host';
import { RootTree } from '@kairos/host/root-tree';
import { canonicalJson } from '@kairos/oci/canonical-json';
import { bootConfig, imageCmdline } from './boot-config.ts';
import { readBootRecipe } from './boot-recipe.ts';
import { makeBootloaderPayload } from './bootloader.ts';
import { cleanRoot, settleAccounts } from './clean.ts';
import { buildDracutInitrd } from './dracut.ts';
import { chooseFilesystem, type FilesystemType } from './filesystem.ts';
import { epochOf, imageSeed } from './identity.ts';
import { buildThinInitrd } from './initrd/build.ts';
import { kernelFeatures, selectKernel } from './kernel.ts';
import { imageName, parseRelease, releaseVersion } from './release.ts';
import { detectInit } from './root-facts.ts';
import { makeRootImage } from './root-image.ts';

export interface RemakeRequest {
  /** The root of an image of ours, unpacked, to be used up. */
  readonly root: string;
  /** Directory that gets the files of the slot. */
  readonly output: string;
  /** Directory for work, empty. */
  readonly work: string;
  /** Names the image in messages. */
  readonly from: string;
  /** Digest of what the root was made from, for provenance. */
  readonly inputs: string;
  readonly architecture: Architecture;
  readonly signal?: AbortSignal;
  readonly onProgress?: (step: string, message: string) => void;
}

/** Directories that the read-only root must have, and that a container engine may have left out. */
const mountPoints = ['/boot', '/dev', '/oem', '/proc', '/run', '/sys', '/tmp', '/usr/local', '/var'];

interface Identity {
  readonly name: string;
  readonly version: string;
  readonly flavor: string;
  readonly flavorRelease: string;
  readonly variant: 'core' | 'standard';
  readonly model: string;
}

/** What the root says it is. @throws KairosError `NOT_AN_OS_IMAGE`, `WRONG_ARCHITECTURE` */
function identityOf(tree: RootTree, request: RemakeRequest): Identity {
  const release = parseRelease(tree.readText('/etc/kairos-release') ?? '');
  const read = (key: string) => release[`KAIROS_${key}`] ?? '';
  const missing = ['VERSION', 'FLAVOR', 'VARIANT'].filter((key) => read(key) === '');
  if (missing.length > 0 || !tree.isExecutable('/usr/bin/kairos')) {
    throw new KairosError(
      'NOT_AN_OS_IMAGE',
      `${request.from} is no image of this system: ${
        missing.length > 0
          ? `/etc/kairos-release does not say ${missing.map((key) => `KAIROS_${key}`).join(', ')}`
          : 'it has no /usr/bin/kairos'
      }`,
      {
        exit: 'unsuitableImage',
        hint: 'Make an OS image from it: kairos build image',
      },
    );
  }
  const stated = read('TARGETARCH') || read('ARCH');
  if (stated !== '' && stated !== request.architecture) {
    throw new KairosError(
      'WRONG_ARCHITECTURE',
      `${request.from} is for ${stated}, not for ${request.architecture}`,
      { exit: 'unsuitableImage', details: { wanted: request.architecture, found: [stated] } },
    );
  }
  const flavor = read('FLAVOR');
  const flavorRelease = read('FLAVOR_RELEASE');
  const variant = read('VARIANT') === 'standard' ? 'standard' : 'core';
  return {
    ...{ flavor, flavorRelease, variant, model: read('MODEL') || 'generic' },
    name: read('NAME') || imageName({ variant, flavor, flavorRelease }),
    version: releaseVersion(read('VERSION')),
  };
}

/** A file system whose tool is on this machine: the wished one, else the first of those that the kernel reads. */
function wishedFilesystem(host: Host, wished: FilesystemType | undefined): FilesystemType | undefined {
  if (wished !== undefined) return wished;
  if (host.which('mkfs.erofs') !== undefined) return undefined;
  return host.which('mksquashfs') === undefined ? undefined : 'squashfs';
}

/**
 * Makes the files of a slot from the root of an image that is there only as layers, as the build of the image would have
 * made them. The same root gives the same bytes.
 * @throws KairosError `NOT_AN_OS_IMAGE`, `WRONG_ARCHITECTURE`, `BOOT_RECIPE_INVALID`, `INIT_MISSING`, `KERNEL_*`,
 *   `BOOTLOADER_MISSING`, `FILESYSTEM_UNSUPPORTED`, `TOOL_*`
 */
export async function remakeBootForm(host: Host, request: RemakeRequest): Promise<ImageManifest> {
  const { work, output, architecture, from, onProgress = () => undefined } = request;
  const signal = request.signal === undefined ? {} : { signal: request.signal };
  const tree = new RootTree(request.root);
  const identity = identityOf(tree, request);
  const recipe = readBootRecipe(tree, from);
  const init = detectInit(tree);
  if (init === undefined) {
    throw new KairosError('INIT_MISSING', `${from} has no init system: /sbin/init is none that is known`, {
      exit: 'unsuitableImage',
    });
  }
  const kernel = selectKernel(tree, from);
  const filesystem = chooseFilesystem(
    kernel,
    kernelFeatures(tree, kernel),
    wishedFilesystem(host, recipe.filesystem.type),
  );
  const epoch = epochOf(tree, kernel);
  host.files.makeDirectory(output);
  const place = (name: string) => join(output, name);

  onProgress('initrd', 'building the initrd');
  const initrd = place(slotFiles.initrd);
  if (recipe.initrd === 'dracut') {
    await buildDracutInitrd(host, tree, { kernelVersion: kernel.version, output: initrd, epoch, ...signal });
  } else {
    await buildThinInitrd(host, {
      root: tree.root,
      kernelVersion: kernel.version,
      architecture,
      output: initrd,
      ...signal,
    });
  }
  onProgress('bootloader', 'making the boot loader payload');
  await makeBootloaderPayload(host, tree, {
    ...{ architecture, work, output: place(slotFiles.bootloader), epoch },
    ...signal,
  });
  await host.run(['cp', tree.real(kernel.image), place(slotFiles.kernel)], signal);
  cleanRoot(tree);
  settleAccounts(tree, epoch);
  for (const path of mountPoints) {
    if (!tree.isDirectory(path)) tree.makeDirectory(path, path === '/tmp' ? 0o1777 : 0o755);
  }

  const verity = await makeRootImage(host, tree, {
    ...{ type: filesystem, compression: recipe.filesystem.compression, kernelVersion: kernel.version },
    ...{ epoch, output: place(slotFiles.root), ...signal },
    seed: imageSeed({ ...identity, architecture, kernel: kernel.version }),
    step(name, message, action) {
      onProgress(name, message);
      return action();
    },
  });
  const cmdline = imageCmdline(verity, filesystem, recipe.kernelArguments);
  host.files.write(place(slotFiles.cmdline), `${cmdline}\n`);
  host.files.write(place(slotFiles.bootConfig), bootConfig(cmdline));
  const names = Object.values(slotFiles).filter((name) => name !== slotFiles.manifest);
  const manifest: ImageManifest = {
    schemaVersion: 1,
    ...identity,
    architecture,
    kernel: kernel.version,
    init,
    filesystem,
    verity,
    files: Object.fromEntries(
      names.map((name) => [
        name,
        {
          size: host.files.status(place(name))?.size ?? 0,
          digest: `sha256:${host.files.sha256(place(name))}`,
        },
      ]),
    ),
    provenance: {
      base: 'layers',
      inputs: request.inputs,
      builder: `kairos ${builderVersion}`,
      epoch,
    },
  };
  host.files.write(place(slotFiles.manifest), `${canonicalJson(manifest)}\n`);
  return manifest;
}
