import { configDirectories } from '@kairos/config/collect';
import type { RemoteReader } from '@kairos/config/remote';
import type { CloudConfig } from '@kairos/config/schema/root';
import type { Host } from '@kairos/host/host';
import { type CollectedConfig, collectConfig, isMapping, keptLinksOf } from '../collect-config.ts';
import { printConfiguration } from '../configuration.ts';
import { type BusOptions, openProviderBus, type ProviderBus } from './bus.ts';

/** The configuration of a node together with the plug-ins that it names. */
export interface NodeProviders {
  readonly bus: ProviderBus;
  readonly collected: CollectedConfig;
  /** The merged configuration as text, which is what plug-ins are given. */
  readonly config: string;
}

export interface NodeProviderOptions extends Pick<BusOptions, 'warn' | 'signal' | 'tell' | 'searchPath'> {
  /** Default: {@link configDirectories}. */
  readonly directories?: readonly string[];
  /** Whether the kernel's command line counts too. */
  readonly commandLine?: boolean;
  /** Follows `config_url`. Default: gives what a stage of this boot fetched. */
  readonly remote?: RemoteReader;
}

/** Opens the bus with what a configuration that was read says of plug-ins. */
export function providersOf(
  host: Host,
  collected: CollectedConfig,
  options: Pick<BusOptions, 'warn' | 'signal' | 'tell' | 'searchPath'>,
): NodeProviders {
  const given = collected.config.providers;
  const settings: NonNullable<CloudConfig['providers']> = isMapping(given) ? given : {};
  return {
    bus: openProviderBus(host, {
      ...options,
      paths: (settings.paths ?? []).flatMap((path) => path ?? []),
      timeouts: settings.timeouts ?? {},
    }),
    collected,
    config: printConfiguration({
      tree: collected.tree,
      sources: collected.documents.map(({ file }) => file),
    }),
  };
}

/** Reads the node's configuration and finds its plug-ins. What is wrong with a file is warned of. */
export async function nodeProviders(host: Host, options: NodeProviderOptions): Promise<NodeProviders> {
  const collected = await collectConfig(host, {
    directories: options.directories ?? configDirectories,
    files: [],
    commandLine: options.commandLine ?? false,
    remote: options.remote ?? keptLinksOf(host),
  });
  for (const { severity, position, message } of collected.problems) {
    if (severity === 'error' || severity === 'warning') {
      options.warn(`${position.file}:${position.line}: ${message}`);
    }
  }
  return providersOf(host, collected, options);
}
