import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from '@kairos/facts/architecture';
import { isSystemError, KairosError } from '@kairos/facts/errors';
import { didYouMean } from '@kairos/facts/suggest';
import { copyTree } from '@kairos/host/copy-tree';
import type { Host } from '@kairos/host/host';
import { applyLayer, archivePolicy } from '@kairos/oci/apply-layer';
import { openArchive } from '@kairos/oci/archive';
import { findContainerImage, unpackImage } from '@kairos/oci/container-image';
import type { ContentSource } from '@kairos/oci/content';
import { decompress } from '@kairos/oci/decompress';
import { readFileStream } from '@kairos/oci/file-stream';
import { openLayout } from '@kairos/oci/layout';
import { debianSources, parseAptSources } from './apt-sources.ts';
import { type Base, showBase } from './base.ts';
import type { Flavor } from './flavor.ts';

/** Names by which Debian calls releases that move. */
const movingSuites = ['oldstable', 'stable', 'testing', 'unstable', 'sid'];

/**
 * The suite and release of a `debian:` base: `13`, `trixie` or `stable`.
 * @throws KairosError `BASE_UNKNOWN`
 */
export function debianRelease(flavor: Flavor, wished: string): { suite: string; release: string } {
  const found = flavor.releases.find(({ version, codename }) => wished === version || wished === codename);
  if (found?.codename !== undefined) return { suite: found.codename, release: found.version };
  if (movingSuites.includes(wished)) return { suite: wished, release: wished };
  const known = [
    ...flavor.releases.flatMap(({ version, codename }) => [version, codename ?? version]),
    ...movingSuites,
  ];
  const meant = didYouMean(wished, known);
  throw new KairosError(
    'BASE_UNKNOWN',
    `There is no Debian release ${JSON.stringify(wished)}${meant === undefined ? '' : `, did you mean ${JSON.stringify(meant)}?`}`,
    { exit: 'invalidInput', hint: `Known: ${known.join(', ')}.` },
  );
}

export interface BootstrapRequest {
  readonly suite: string;
  readonly architecture: Architecture;
  readonly packages: readonly string[];
  readonly mirror?: string | undefined;
  /** Directory that keeps archives of bootstrapped roots. */
  readonly cache: string;
  /** Directory for work. */
  readonly work: string;
  /** Bootstrap again even if the cache has the same packages. */
  readonly refresh?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onLine?: (line: string) => void;
}

/** Documentation and translations stay out: nobody reads them on a node, and they are a third of the files. */
const excluded = [
  ...[
    '/usr/share/doc/*',
    '/usr/share/man/*',
    '/usr/share/info/*',
    '/usr/share/locale/*',
    '/usr/share/lintian/*',
  ],
  ...['/usr/share/groff/*', '/usr/share/gnome/help/*'],
];

/** Lines of sources for the archives that this machine's apt is set to. */
export function sourcesFor(host: Host, suite: string, mirror: string | undefined): string[] {
  const directory = '/etc/apt/sources.list.d';
  const files = [
    '/etc/apt/sources.list',
    ...host.files.list(directory).map((name) => join(directory, name)),
  ].filter((path) => /\.(list|sources)$/.test(path));
  const sources = files.flatMap((path) => parseAptSources(path, host.files.readTextIfAny(path) ?? ''));
  return debianSources(sources, suite, mirror);
}

/**
 * Bootstraps a Debian root with all its packages in one go. Gives the archive of it, from the cache where the same
 * was made before.
 * @throws KairosError `NOT_ROOT`, `TOOL_MISSING`, `TOOL_FAILED`
 */
export async function bootstrapDebian(
  host: Host,
  request: BootstrapRequest,
): Promise<{ archive: string; reused: boolean }> {
  const sources = sourcesFor(host, request.suite, request.mirror);
  const options = [
    `--architectures=${request.architecture}`,
    '--variant=minbase',
    '--format=tar',
    `--include=${request.packages.join(',')}`,
    // The directory for work may be one that the user _apt cannot enter.
    '--aptopt=APT::Sandbox::User "root"',
    ...excluded.map((path) => `--dpkgopt=path-exclude=${path}`),
    '--dpkgopt=path-include=/usr/share/doc/*/copyright',
    '--dpkgopt=path-include=/usr/share/locale/locale.alias',
  ];
  const key = createHash('sha256')
    .update(JSON.stringify([request.suite, sources, options]))
    .digest('hex')
    .slice(0, 16);
  const archive = join(request.cache, `debian-${request.suite}-${request.architecture}-${key}.tar`);
  if (!request.refresh && host.files.exists(archive)) return { archive, reused: true };
  if (host.uid !== 0) {
    throw new KairosError('NOT_ROOT', 'Bootstrapping a Debian root needs root', {
      exit: 'notPermitted',
      hint: 'Run the same command with sudo, or build from tar: or oci: of a root that exists.',
    });
  }
  host.files.makeDirectory(request.cache);
  const temporary = join(request.work, 'bootstrap');
  const part = `${archive}.${process.pid}.part`;
  host.files.makeDirectory(temporary, { mode: 0o755 });
  try {
    // In name spaces of its own: it mounts /dev, /proc and /sys into the root, and what is stopped in the middle would
    // leave them there, for the removal of the directory to go into.
    const command = [
      ...['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
      ...['mmdebstrap', ...options, request.suite, part, ...sources],
    ] as [string, ...string[]];
    await host.run(command, {
      // The distribution's initrd would be made and thrown away.
      env: { TMPDIR: temporary, INITRD: 'No', DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
      ...(request.signal === undefined ? {} : { signal: request.signal }),
      onLine: (line) => {
        if (line.startsWith('I: ')) request.onLine?.(line.slice(3));
      },
    });
    host.files.rename(part, archive);
  } finally {
    host.files.remove(part);
    host.files.remove(temporary);
  }
  return { archive, reused: false };
}

/** A file, or a pipe such as `/dev/stdin` that somebody's program writes to. */
function archiveBytes(path: string): AsyncIterable<Uint8Array> {
  return statSync(path).isFile()
    ? readFileStream(path)
    : createReadStream(path, { highWaterMark: 256 * 1024 });
}

/**
 * Unpacks the archive of a root, also a compressed one, or one that comes through a pipe.
 * @throws KairosError `BASE_NOT_FOUND`, `TAR_*`, `NO_SPACE`, `UNPACK_FAILED`, `COMPRESSION_UNSUPPORTED`
 */
export async function unpackArchive(
  host: Host,
  archive: string,
  root: string,
  signal?: AbortSignal,
): Promise<void> {
  if (host.files.status(archive) === undefined) {
    throw new KairosError('BASE_NOT_FOUND', `The archive ${archive} is not there`, { exit: 'notFound' });
  }
  try {
    const { entries } = await applyLayer(decompress(archiveBytes(archive), archive), root, {
      ...archivePolicy,
      // Archives of whole roots come with a few nodes in /dev, where an operating system mounts its own.
      devices: 'skip-in-dev',
      name: archive,
      ...(signal === undefined ? {} : { signal }),
    });
    if (entries === 0) {
      throw new KairosError('BASE_EMPTY', `The archive ${archive} is empty`, { exit: 'corruptSource' });
    }
  } catch (error) {
    if (!isSystemError(error, 'EISDIR', 'EACCES')) throw error;
    throw new KairosError(
      'BASE_NOT_FOUND',
      `Cannot read ${archive}: ${error instanceof Error ? error.message : ''}`,
      {
        exit: 'notFound',
        cause: error,
      },
    );
  }
}

/** @throws KairosError `BASE_NOT_FOUND` */
export function checkDirectory(host: Host, source: string): void {
  const status = host.files.status(source.replace(/\/+$/, '') || '/');
  if (status?.kind === 'directory' || status?.kind === 'symlink') return;
  throw new KairosError(
    'BASE_NOT_FOUND',
    status === undefined ? `The directory ${source} is not there` : `${source} is not a directory`,
    { exit: 'notFound' },
  );
}

/** Copies a directory, staying on its file system, sharing blocks where the file system can. */
export async function copyDirectory(
  host: Host,
  source: string,
  root: string,
  signal?: AbortSignal,
): Promise<void> {
  checkDirectory(host, source);
  await copyTree(host, source, root, signal);
}

/** A base that is there already, in some form. */
export type PresentBase = Exclude<Base, { readonly kind: 'debian' }>;

async function openImage(base: PresentBase): Promise<ContentSource> {
  const name = showBase(base);
  if (base.kind === 'oci') return openLayout(base.path, name);
  return openArchive(base.path, name, base.kind === 'docker-archive' ? 'docker' : 'oci');
}

/**
 * Unpacks the layers of a container image.
 * @throws KairosError `BASE_NOT_FOUND`, `WRONG_ARCHITECTURE`, and what the source throws
 */
async function unpackContainer(
  base: PresentBase,
  architecture: Architecture,
  root: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const content = await openImage(base);
  try {
    const image = await findContainerImage(content, { architecture });
    if (image === undefined) {
      throw new KairosError('BASE_NOT_FOUND', `${showBase(base)} holds no image of layers`, {
        exit: 'notFound',
        hint: 'Name the layout or archive of a container image.',
      });
    }
    await unpackImage(image, root, { devices: 'skip', ...(signal === undefined ? {} : { signal }) });
  } finally {
    content.close();
  }
}

/** Puts the root of a base that is there into an empty directory. */
export async function acquireRoot(
  host: Host,
  base: PresentBase,
  architecture: Architecture,
  root: string,
  signal?: AbortSignal,
): Promise<void> {
  if (base.kind === 'tar') await unpackArchive(host, base.path, root, signal);
  else if (base.kind === 'dir') await copyDirectory(host, base.path, root, signal);
  else await unpackContainer(base, architecture, root, signal);
}
