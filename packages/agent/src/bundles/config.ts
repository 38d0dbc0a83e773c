import { KairosError } from '@kairos/facts/errors';
import { didYouMean } from '@kairos/facts/suggest';
import { isMapping } from '../collect-config.ts';

/** What a bundle does: its files go into the root, or a script of it runs. */
export type BundleKind = 'container' | 'run';

export interface Bundle {
  /** As the user wrote it: what tells one from another in the record. */
  readonly target: string;
  readonly kind: BundleKind;
  /** An image reference, or a path of an archive or a layout. */
  readonly source: string;
  /** The root that its files go to. */
  readonly root: string;
  /** Directory of the record of what is installed. */
  readonly database: string;
}

export const defaultBundleDatabase = '/usr/local/.kairos/db';
const schemes = ['container', 'docker', 'run', 'package'] as const;

/**
 * Reads a target such as `container://quay.io/a/b:tag`, `docker://…` (the same) or `run://…`.
 * @param local the target names a file of this machine, as with `local_file: true`
 * @throws KairosError `BUNDLE_INVALID`, `BUNDLE_UNSUPPORTED` for `package://`
 */
export function parseBundle(
  target: string,
  options: { readonly local?: boolean; readonly root?: string; readonly database?: string } = {},
): Bundle {
  const invalid = (reason: string, hint: string) =>
    new KairosError('BUNDLE_INVALID', `Not a bundle: ${JSON.stringify(target)}: ${reason}`, {
      exit: 'invalidInput',
      hint,
    });
  const [, scheme, rest = ''] = /^([A-Za-z]+):\/\/(.*)$/s.exec(target) ?? [];
  const known = 'Write container://IMAGE, whose files go into the root, or run://IMAGE, whose run.sh is run';
  if (scheme === undefined) throw invalid('it has no kind', known);
  const kind = schemes.find((one) => one === scheme);
  if (kind === undefined) {
    const meant = didYouMean(scheme, schemes);
    throw invalid(
      `the kind ${scheme} is not known${meant === undefined ? '' : `, did you mean ${meant}?`}`,
      known,
    );
  }
  if (kind === 'package') {
    throw new KairosError(
      'BUNDLE_UNSUPPORTED',
      `${target}: packages of luet repositories are not installed here`,
      { exit: 'invalidInput', hint: 'Give the image of the package: container://REPOSITORY:TAG' },
    );
  }
  if (rest.trim() === '') throw invalid(`nothing follows ${kind}://`, known);
  const root = options.root || '/';
  if (!root.startsWith('/') || root.split('/').includes('..')) {
    throw invalid(`its root path ${JSON.stringify(root)} is not an absolute path`, 'Write a path such as /');
  }
  if (options.local && !rest.startsWith('/')) {
    throw invalid('a local file is named by its absolute path', `Write ${kind}:///PATH`);
  }
  return {
    target,
    kind: kind === 'run' ? 'run' : 'container',
    source: options.local || /^[/.]/.test(rest) ? rest : `docker:${rest}`,
    root,
    database: options.database || defaultBundleDatabase,
  };
}

/**
 * The bundles of a `bundles` list that the schema has accepted. Each target that is wrong is in `problems`, so that one does
 * not keep the others from being installed.
 */
export function bundlesOf(list: unknown): { readonly bundles: Bundle[]; readonly problems: KairosError[] } {
  const bundles: Bundle[] = [];
  const problems: KairosError[] = [];
  for (const entry of Array.isArray(list) ? list : []) {
    if (!isMapping(entry)) continue;
    for (const target of Array.isArray(entry.targets) ? entry.targets : []) {
      if (typeof target !== 'string' || target === '') continue;
      try {
        bundles.push(
          parseBundle(target, {
            local: entry.local_file === true,
            ...(typeof entry.rootfs_path === 'string' ? { root: entry.rootfs_path } : {}),
            ...(typeof entry.db_path === 'string' ? { database: entry.db_path } : {}),
          }),
        );
      } catch (error) {
        if (!(error instanceof KairosError)) throw error;
        problems.push(error);
      }
    }
  }
  return { bundles, problems };
}
