import type { Host } from '@kairos/host/host';
import type { Published } from '../providers/bus.ts';
import { providerEvent } from '../providers/events.ts';
import { type NodeProviderOptions, nodeProviders } from '../providers/node-providers.ts';

/** Where `notify` reads its configuration. */
export const notifyDirectories = ['/oem', '/usr/local/cloud-config'] as const;

/** Payloads of the events that have one besides the configuration are for the verbs that publish them. */
export interface NotifyOptions extends NodeProviderOptions {
  readonly event: string;
}

/**
 * Tells the plug-ins of an event, with the merged configuration.
 * @throws KairosError `EVENT_UNKNOWN`
 */
export async function notify(host: Host, options: NotifyOptions): Promise<Published> {
  const event = providerEvent(options.event);
  const { bus, config } = await nodeProviders(host, {
    ...options,
    directories: options.directories?.length ? options.directories : notifyDirectories,
  });
  return bus.publish(event, { config });
}
