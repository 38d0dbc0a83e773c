import { type Architecture, hostArchitecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import type { ExtensionKind } from '@kairos/facts/extensions';
import { paths } from '@kairos/facts/paths';
import type { Host } from '@kairos/host/host';
import { parseAssignments } from '@kairos/stages/operating-system';
import { type ExtensionImage, inspectExtension, withFile } from './image.ts';
import { reasonNotToFit, releaseDirectories } from './release.ts';
import { checkSignature } from './signature.ts';
import { verityRootHash } from './verity-tree.ts';

/** What an extension has to prove before it is taken, from `extensions.policy`. */
export const extensionPolicies = ['any', 'verity', 'signed'] as const;
export type ExtensionPolicy = (typeof extensionPolicies)[number];

export interface VerifyOptions {
  readonly kind: ExtensionKind;
  /** File name, with `.raw`. */
  readonly name: string;
  readonly policy: ExtensionPolicy;
  readonly architecture?: Architecture;
  /** The seal of the image that was verified earlier under this name. */
  readonly seal?: string | undefined;
  readonly warn: (message: string) => void;
}

export interface VerifiedExtension {
  readonly image: ExtensionImage;
  /** `signed`: by a certificate of this node. `verity`: whole, by whomever. `none`: the image says nothing of itself. */
  readonly proof: 'signed' | 'verity' | 'none';
  readonly rootHash: string | undefined;
  /** What names the content: `verity:` and the root hash, or `sha256:` and the digest of the file. */
  readonly seal: string;
}

const maximumSignature = 64 * 1024;
/** Its own for each process, so that none looks into the image of another. */
const mountPoint = `/run/kairos-agent/extension-${process.pid}`;

/** What can be told without mounting: a file system that somebody changed is not given to the kernel. */
async function checkProof(host: Host, path: string, options: VerifyOptions): Promise<VerifiedExtension> {
  const { name, seal: expected } = options;
  const proven = await proofOf(host, path, options);
  const seal =
    proven.rootHash === undefined ? `sha256:${host.files.sha256(path)}` : `verity:${proven.rootHash}`;
  if (expected !== undefined && expected !== seal) {
    throw new KairosError(
      'EXTENSION_CHANGED',
      `${name} is not what was installed: it is ${seal}, and was ${expected}`,
      {
        exit: 'corruptSource',
        hint: `If this is meant, install it again: kairos-agent ${options.kind} install file:/PATH/${name}`,
      },
    );
  }
  return { ...proven, seal };
}

async function proofOf(
  host: Host,
  path: string,
  options: VerifyOptions,
): Promise<Omit<VerifiedExtension, 'seal'>> {
  const { name, policy, warn } = options;
  const real = host.files.real(path);
  const image = inspectExtension(real, name, options.architecture ?? hostArchitecture());
  const refuse = (reason: string) =>
    new KairosError('EXTENSION_UNPROVEN', `${name} is refused: ${reason}`, {
      exit: 'notPermitted',
      hint: `The configuration has extensions.policy: ${policy}`,
    });
  const { data, verity, signature } = image;
  if (verity === undefined) {
    if (policy !== 'any') throw refuse('it has no hash tree');
    return { image, proof: 'none', rootHash: undefined };
  }
  const rootHash = withFile(real, (read) => verityRootHash(read, data, verity, name));
  if (signature === undefined) {
    if (policy === 'signed') throw refuse('it is not signed');
    return { image, proof: 'verity', rootHash };
  }
  const partition = withFile(real, (read) =>
    read(signature.offset, Math.min(signature.size, maximumSignature)),
  );
  try {
    await checkSignature(host, partition, rootHash, name);
  } catch (error) {
    if (policy === 'signed' || !(error instanceof KairosError)) throw error;
    warn(error.message);
    return { image, proof: 'verity', rootHash };
  }
  return { image, proof: 'signed', rootHash };
}

/** The release file of the mounted image: named after the image, or the only one where it says that its name is free. */
function releaseText(host: Host, options: VerifyOptions): string {
  const { kind, name } = options;
  const directory = `${mountPoint}${releaseDirectories[kind]}`;
  const wanted = `extension-release.${name.replace(/\.raw$/, '')}`;
  const text =
    host.files.status(`${directory}/${wanted}`)?.kind === 'file'
      ? host.files.readTextIfAny(`${directory}/${wanted}`)
      : undefined;
  if (text !== undefined) return text;
  const there = host.files.list(directory).filter((file) => file.startsWith('extension-release.'));
  throw new KairosError(
    'EXTENSION_INVALID',
    `${name} is no ${kind}: it has no ${releaseDirectories[kind]}/${wanted}${there.length > 0 ? `, but ${there.join(', ')}` : ''}`,
    {
      exit: 'unsuitableImage',
      ...(there[0] === undefined
        ? {}
        : { hint: `Its file has to be named ${there[0].replace('extension-release.', '')}.raw` }),
    },
  );
}

/** What systemd would refuse at boot. */
function checkContent(host: Host, options: VerifyOptions): void {
  const { kind, name } = options;
  const release = parseAssignments(releaseText(host, options));
  const own = parseAssignments(host.files.readTextIfAny(paths.osRelease) ?? '');
  const reason = reasonNotToFit(release, own, kind, options.architecture ?? hostArchitecture());
  if (reason !== undefined) {
    throw new KairosError('EXTENSION_UNSUITABLE', `${name} does not fit this system: ${reason}`, {
      exit: 'unsuitableImage',
    });
  }
  for (const file of ['/usr/lib/os-release', '/etc/os-release']) {
    if (host.files.status(`${mountPoint}${file}`) === undefined) continue;
    throw new KairosError('EXTENSION_INVALID', `${name} is a whole system and no extension: it has ${file}`, {
      exit: 'unsuitableImage',
    });
  }
}

/**
 * Checks an image before it is taken: its form, its hash tree against all of its data, its signature, and then, mounted
 * read-only, that it is an extension of this kind for this system.
 * @throws KairosError `EXTENSION_INVALID`, `EXTENSION_UNPROVEN`, `EXTENSION_CHANGED`, `EXTENSION_UNSUITABLE`, `VERITY_*`, `SIGNATURE_INVALID`
 */
export async function verifyExtension(
  host: Host,
  path: string,
  options: VerifyOptions,
): Promise<VerifiedExtension> {
  const verified = await checkProof(host, path, options);
  const { data, filesystem, place } = verified.image;
  const target = place === '/' ? mountPoint : `${mountPoint}${place}`;
  host.files.makeDirectory(mountPoint, { mode: 0o700 });
  host.files.makeDirectory(target);
  await host.run([
    ...(['mount', '-t', filesystem] as const),
    '-o',
    `ro,nosuid,nodev,noexec,loop,offset=${data.offset},sizelimit=${data.size}`,
    host.files.real(path),
    host.files.real(target),
  ]);
  try {
    checkContent(host, options);
  } finally {
    host.unmount(target);
    host.files.remove(mountPoint);
  }
  return verified;
}
