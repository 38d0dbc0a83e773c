import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { nodeIdentity } from '../phone-home/node.ts';

/**
 * The name by which tools of the field tell nodes apart: machine id and host name. `UUID` in the environment stands above it.
 * @throws KairosError `NO_MACHINE_ID`
 */
export function nodeUuid(host: Host, environment: Readonly<Record<string, string | undefined>>): string {
  if (environment.UUID) return environment.UUID;
  const { machineID, hostname } = nodeIdentity(host);
  if (machineID !== '') return `${machineID}-${hostname}`;
  throw new KairosError(
    'NO_MACHINE_ID',
    'This machine has no machine id: /etc/machine-id is empty or not there',
    {
      exit: 'wrongState',
      hint: 'systemd-machine-id-setup makes one',
    },
  );
}
