import { paths } from '@kairos/facts/paths';
import type { Host } from '@kairos/host/host';
import { Cleanup } from '../cleanup.ts';
import { isMapping } from '../collect-config.ts';
import type { FirstBootTask } from '../first-boot.ts';
import { bundlesOf } from './config.ts';
import { type BundleOptions, installBundles } from './install-bundle.ts';

type Config = Readonly<Record<string, unknown>>;

/** `install.allow-insecure-registries`: what holds for the image of the system holds for bundles. */
function insecureOf(config: Config): boolean {
  return isMapping(config.install) && config.install['allow-insecure-registries'] === true;
}

/** The bundles of a configuration as a task of the first boot; `undefined` where it has none. */
export function bundleTask(
  host: Host,
  config: Config,
  options: Pick<BundleOptions, 'tell' | 'warn' | 'now' | 'signal'>,
): FirstBootTask | undefined {
  const list = bundlesOf(config.bundles);
  if (list.bundles.length + list.problems.length === 0) return undefined;
  return {
    name: 'bundles',
    fatal: config.fail_on_bundles_errors === true,
    async run() {
      await installBundles(host, list, { ...options, insecure: insecureOf(config), onlyNew: true });
    },
  };
}

/**
 * Installs `install.bundles` of a configuration onto a disk that is being installed, whose partitions are bound to
 * where the installed system will have them while it lasts. What goes elsewhere is on the live medium, and lost.
 * @throws KairosError `BUNDLES_FAILED`
 */
export async function installTargetBundles(
  host: Host,
  config: Config,
  target: { readonly oem: string; readonly persistent: string },
  options: Pick<BundleOptions, 'tell' | 'warn' | 'now' | 'signal'>,
): Promise<void> {
  const list = bundlesOf(isMapping(config.install) ? config.install.bundles : undefined);
  const cleanup = new Cleanup();
  try {
    for (const [source, place] of [
      [target.oem, paths.oem],
      [target.persistent, paths.persistent],
    ] as const) {
      host.files.makeDirectory(place);
      host.mount({ source, target: place, type: 'none', options: ['bind'] });
      // What a script started may still hold it.
      cleanup.push(place, () => host.unmount(place, { lazy: true }));
    }
    await installBundles(host, list, { ...options, insecure: insecureOf(config) });
  } finally {
    for (const problem of await cleanup.run()) options.warn(`Could not clean up: ${problem}`);
  }
}
