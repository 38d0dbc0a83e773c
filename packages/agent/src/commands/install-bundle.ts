import type { Host } from '@kairos/host/host';
import { parseBundle } from '../bundles/config.ts';
import {
  absoluteTarget,
  type BundleOptions,
  type BundleResult,
  installBundle,
} from '../bundles/install-bundle.ts';
import { checkRoot } from '../operation.ts';

export interface InstallBundleOptions extends BundleOptions {
  readonly rootPath?: string;
  readonly localFile?: boolean;
  readonly workingDirectory: string;
}

/**
 * Installs a bundle now.
 * @throws KairosError `NOT_ROOT`, and those of {@link installBundle}
 */
export async function installBundleNow(
  host: Host,
  target: string,
  { rootPath, localFile, workingDirectory, ...options }: InstallBundleOptions,
): Promise<BundleResult> {
  checkRoot(host);
  const bundle = parseBundle(localFile ? absoluteTarget(target, workingDirectory) : target, {
    local: localFile ?? false,
    ...(rootPath === undefined ? {} : { root: rootPath }),
  });
  return installBundle(host, bundle, options);
}
