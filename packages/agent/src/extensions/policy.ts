import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { collectNodeConfig, isMapping } from '../collect-config.ts';
import { type ExtensionPolicy, extensionPolicies } from './verify.ts';

/**
 * `extensions.policy` of the node. A file that cannot be read might have had one, so that is told.
 * @throws KairosError `CONFIG_INVALID`
 */
export async function extensionPolicy(host: Host, warn: (message: string) => void): Promise<ExtensionPolicy> {
  const { config, problems } = await collectNodeConfig(host);
  const given = isMapping(config.extensions) ? config.extensions.policy : undefined;
  if (given === undefined || given === null) {
    for (const { position, message } of problems) warn(`${position.file}:${position.line}: ${message}`);
    return 'any';
  }
  const policy = extensionPolicies.find((one) => one === given);
  if (policy !== undefined) return policy;
  throw new KairosError('CONFIG_INVALID', `extensions.policy: ${JSON.stringify(given)} is not known`, {
    exit: 'invalidInput',
    hint: `It is one of ${extensionPolicies.join(', ')}`,
  });
}
