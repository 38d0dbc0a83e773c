import { dirname, isAbsolute, join } from 'node:path';
import { hostArchitecture } from '@kairos/facts/architecture';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import { formatSize } from '@kairos/facts/size';
import type { Host } from '@kairos/host/host';
import { tryLock } from '@kairos/host/lock';
import type { Mount } from '@kairos/host/mount-table';
import { type ContainerImage, unpackImage } from '@kairos/oci/container-image';
import { carryOutMerge, type MergeEntry, planMerge } from '@kairos/oci/merge-tree';
import { openSource } from '@kairos/oci/source';
import type { Bundle } from './config.ts';
import { readBundleRecord, recordBundle } from './record.ts';

export interface BundleOptions {
  /** Install what the record has with the same digest too. */
  readonly force?: boolean;
  /** Take what the record has as installed without asking whether there is a newer one: for the first boot. */
  readonly onlyNew?: boolean;
  readonly dryRun?: boolean;
  /** Registries that may speak http or have a certificate that nobody vouches for; `true` for all. */
  readonly insecure?: boolean | readonly string[];
  readonly signal?: AbortSignal;
  readonly tell: (line: string) => void;
  readonly warn: (message: string) => void;
  readonly now: () => Date;
}

export interface BundleResult {
  readonly target: string;
  /** `present`: the record has it already. */
  readonly outcome: 'installed' | 'present' | 'planned';
  readonly digest: string;
  /** Paths that were written, or in a dry run would be; none for a script. */
  readonly paths: readonly string[];
}

/** Held while bundles are unpacked: what another process left there is removed. */
const lockPath = '/run/kairos-agent-bundles.lock';
/** Beside the record, so on the persistent partition, which has the space. */
const stagingName = 'bundles.unpacked';
/** Milliseconds that the script of a `run://` bundle has. */
const scriptTimeout = 30 * 60_000;

/** The mount that a path lies on. */
function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  return mounts
    .filter(({ target }) => target === '/' || path === target || path.startsWith(`${target}/`))
    .reduce<Mount | undefined>(
      (longest, mount) => (longest && longest.target.length > mount.target.length ? longest : mount),
      undefined,
    );
}

/** Mounts whose content is gone after a restart. */
const inMemory = ['tmpfs', 'ramfs', 'overlay'];

/** Refuses before the first write what could not be written to its end. */
function checkPlaces(
  host: Host,
  bundle: Bundle,
  entries: readonly MergeEntry[],
  warn: BundleOptions['warn'],
): void {
  const mounts = host.mounts();
  const sizes = new Map<Mount, number>();
  const readOnly: string[] = [];
  const lost: string[] = [];
  for (const { place, size, kind } of entries) {
    const path = join(bundle.root, place);
    const mount = mountOf(mounts, dirname(path));
    if (mount === undefined) continue;
    if (mount.options.includes('ro')) readOnly.push(path);
    else if (inMemory.includes(mount.type) && kind !== 'directory') lost.push(path);
    sizes.set(mount, (sizes.get(mount) ?? 0) + size);
  }
  const some = (paths: readonly string[]) =>
    `${paths.slice(0, 5).join(', ')}${paths.length > 5 ? ` and ${paths.length - 5} more` : ''}`;
  if (readOnly.length > 0) {
    throw new KairosError(
      'BUNDLE_READ_ONLY',
      `${bundle.target} has files for places that are read-only: ${some(readOnly)}`,
      {
        exit: 'unsuitableImage',
        hint: 'On this system a bundle can write below /usr/local, /opt and other persistent paths; programs go to /usr/local/bin',
        details: { paths: readOnly.slice(0, 100) },
      },
    );
  }
  for (const [mount, size] of sizes) {
    const free = host.freeSpace(mount.target);
    if (size <= free) continue;
    throw new KairosError(
      'NO_SPACE',
      `${bundle.target} needs ${formatSize(size)} on ${mount.target}, where ${formatSize(free)} are free`,
      { exit: 'noSpace' },
    );
  }
  if (lost.length > 0) {
    warn(`${bundle.target}: ${some(lost)} are in memory and gone after a restart`);
  }
}

async function runScript(host: Host, bundle: Bundle, folder: string, options: BundleOptions): Promise<void> {
  const script = `${folder}/run.sh`;
  if (host.files.status(script)?.kind !== 'file') {
    throw new KairosError('BUNDLE_NO_SCRIPT', `${bundle.target} has no run.sh`, {
      exit: 'unsuitableImage',
      hint: 'A bundle of files is named container://',
    });
  }
  host.files.chmod(script, 0o755);
  await host.run([host.files.real(script)], {
    cwd: host.files.real(folder),
    env: { CONTAINERDIR: host.files.real(folder), BUNDLE_TARGET: bundle.source.replace(/^docker:/, '') },
    timeout: scriptTimeout,
    onLine: (line) => options.tell(line),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

async function withImage<Result>(
  host: Host,
  bundle: Bundle,
  options: BundleOptions,
  work: (image: ContainerImage) => Promise<Result>,
): Promise<Result> {
  const source = await openSource(bundle.source, {
    host,
    ...(options.insecure === undefined ? {} : { registry: { insecure: options.insecure } }),
  });
  try {
    const image = await source.containerImage({ architecture: hostArchitecture() });
    if (image !== undefined) return await work(image);
    throw new KairosError('NOT_A_BUNDLE', `${bundle.target} is no container image`, {
      exit: 'unsuitableImage',
    });
  } finally {
    source.close();
  }
}

/**
 * Installs one bundle. It is unpacked aside and looked at whole before anything of it is put into place, so that its
 * whiteouts, links and modes act on nothing but itself.
 * @throws KairosError `BUNDLE_*`, `NOT_A_BUNDLE`, `MERGE_*`, `NO_SPACE`, `BUSY`, and what the source throws
 */
export async function installBundle(
  host: Host,
  bundle: Bundle,
  options: BundleOptions,
): Promise<BundleResult> {
  const { files } = host;
  const recorded = readBundleRecord(files, bundle.database).find(
    ({ target, root }) => target === bundle.target && root === bundle.root,
  );
  if (recorded && options.onlyNew && !options.force) {
    return { target: bundle.target, outcome: 'present', digest: recorded.digest, paths: [] };
  }
  return withImage(host, bundle, options, async (image) => {
    const { digest } = image.descriptor;
    if (recorded?.digest === digest && !options.force) {
      return { target: bundle.target, outcome: 'present', digest, paths: [] };
    }
    const lock = tryLock(files, lockPath, {
      pid: process.pid,
      work: 'bundles',
      since: options.now().toISOString(),
    });
    if (!lock.held) {
      throw new KairosError(
        'BUSY',
        `Another bundle is being installed${lock.holder ? ` (process ${lock.holder.pid})` : ''}`,
        { exit: 'wrongState', hint: 'Wait until it ends' },
      );
    }
    const folder = `${bundle.database}/${stagingName}`;
    try {
      // Of a run that was killed.
      files.remove(folder);
      files.makeDirectory(folder, { mode: 0o700 });
      options.tell(`${bundle.target}: unpacking ${digest}`);
      const tree = files.real(folder);
      await unpackImage(image, tree, {
        devices: 'refuse',
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      const paths: string[] = [];
      if (bundle.kind === 'run') {
        if (options.dryRun) return { target: bundle.target, outcome: 'planned', digest, paths };
        await runScript(host, bundle, folder, options);
      } else {
        const root = files.real(bundle.root);
        const entries = planMerge(tree, root);
        checkPlaces(host, bundle, entries, options.warn);
        for (const { place, kind } of entries) if (kind !== 'directory') paths.push(join(bundle.root, place));
        if (options.dryRun) return { target: bundle.target, outcome: 'planned', digest, paths };
        carryOutMerge(tree, root, entries);
      }
      const installed = options.now().toISOString();
      recordBundle(files, bundle.database, { target: bundle.target, root: bundle.root, digest, installed });
      options.tell(`${bundle.target}: installed`);
      return { target: bundle.target, outcome: 'installed', digest, paths };
    } finally {
      files.remove(folder);
      lock.release();
    }
  });
}

/**
 * Installs one after the other. One that fails stops none of the others.
 * @throws KairosError `BUNDLES_FAILED` with every failure, however many succeeded after it
 */
export async function installBundles(
  host: Host,
  list: { readonly bundles: readonly Bundle[]; readonly problems: readonly KairosError[] },
  options: BundleOptions,
): Promise<BundleResult[]> {
  const results: BundleResult[] = [];
  const failures = list.problems.map(reasonOf);
  for (const bundle of list.bundles) {
    try {
      results.push(await installBundle(host, bundle, options));
    } catch (error) {
      if (options.signal?.aborted) throw error;
      failures.push(`${bundle.target}: ${reasonOf(error)}`);
    }
  }
  if (failures.length === 0) return results;
  throw new KairosError(
    'BUNDLES_FAILED',
    `${failures.length} of ${list.bundles.length + list.problems.length} bundles could not be installed:\n${failures.join('\n')}`,
    { details: { failures, results } },
  );
}

/** `--local-file` of the command line takes a path as the shell gives it. */
export function absoluteTarget(target: string, workingDirectory: string): string {
  const [, head = '', path = ''] = /^([a-z]+:\/\/)(.*)$/s.exec(target) ?? [];
  return head === '' || isAbsolute(path) ? target : `${head}${join(workingDirectory, path)}`;
}
