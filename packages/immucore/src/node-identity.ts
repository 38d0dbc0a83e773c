import { randomUUID } from 'node:crypto';
import type { Host } from '@kairos/host/host';
import type { ActionResult } from './execute-plan.ts';

const machineIdFile = '/etc/machine-id';
/** Where the identity of the node lives on the persistent volume; tools of the field read it there. */
const kept = {
  machineId: '/usr/local/etc/machine-id',
  hostname: '/usr/local/etc/hostname',
  hosts: '/usr/local/etc/hosts',
};

const machineIdForm = /^[0-9a-f]{32}\n?$/;
const hostnameForm = /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}))*$/;

/**
 * Puts the node's own id into `/etc/machine-id` before anything reads it: the one kept from the first boot, else a new
 * one. What the image ships there is never used, since every node of the image would have it.
 *
 * @param given from the command line; wins
 */
export function settleMachineId(
  host: Host,
  persistent: boolean,
  given: string | undefined,
): ActionResult & { readonly id: string } {
  const { files } = host;
  const problems: string[] = [];
  const stored = persistent ? files.readTextIfAny(kept.machineId) : undefined;
  let id = given;
  if (id === undefined && stored !== undefined) {
    if (machineIdForm.test(stored)) id = stored.trim();
    else
      problems.push(`${kept.machineId} does not hold 32 hexadecimal digits; the node got a new machine-id`);
  }
  let note: string | undefined;
  if (id === undefined) {
    id = randomUUID().replaceAll('-', '');
    note = 'generated';
  }
  if (persistent && stored?.trim() !== id) files.write(kept.machineId, `${id}\n`, { mode: 0o444 });
  if (files.readTextIfAny(machineIdFile)?.trim() !== id) {
    files.write(machineIdFile, `${id}\n`, { mode: 0o444 });
  }
  return { id, problems, ...(note === undefined ? {} : { note }) };
}

const defaultHosts = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

/** Adds the node's own name to a hosts file that does not know it, in the place of the name it had before. */
export function hostsWith(text: string, hostname: string): string {
  const lines = text.split('\n').filter((line, index, all) => line !== '' || index < all.length - 1);
  const words = (line: string) => line.replace(/#.*/, '').trim().split(/\s+/);
  if (lines.some((line) => words(line).slice(1).includes(hostname))) return text;
  const others = lines.filter((line) => words(line)[0] !== '127.0.1.1');
  const short = hostname.split('.')[0];
  const names = short === hostname || short === undefined ? hostname : `${hostname} ${short}`;
  return [...others, `127.0.1.1\t${names}`, ''].join('\n');
}

/**
 * Gives the node a name: that of the image if it has one, else the one kept from before, else `kairos-` and the first
 * four characters of the machine-id. On an installed system `/etc/hostname` and `/etc/hosts` lead to `/usr/local/etc`,
 * so that changes persist. A cloud-config's `hostname` comes later and wins.
 */
export function settleHostname(
  host: Host,
  persistent: boolean,
  machineId: string,
): ActionResult & { readonly hostname: string } {
  const { files } = host;
  const problems: string[] = [];
  const meaningful = (text: string | undefined): string | undefined => {
    const name = text
      ?.split('\n')
      .find((line) => line.trim() !== '' && !line.startsWith('#'))
      ?.trim();
    return name === undefined || name === 'localhost' || !hostnameForm.test(name) ? undefined : name;
  };
  const shipped = meaningful(files.readTextIfAny('/etc/hostname'));
  const keep = persistent && shipped === undefined;
  const stored = keep ? meaningful(files.readTextIfAny(kept.hostname)) : undefined;
  const hostname = shipped ?? stored ?? `kairos-${machineId.slice(0, 4)}`;
  if (keep) {
    if (stored === undefined) files.write(kept.hostname, `${hostname}\n`);
    files.symlink('../usr/local/etc/hostname', '/etc/hostname');
  } else if (shipped === undefined) {
    files.write('/etc/hostname', `${hostname}\n`);
  }

  const storedHosts = persistent ? files.readTextIfAny(kept.hosts) : undefined;
  const hosts = storedHosts || files.readTextIfAny('/etc/hosts') || defaultHosts;
  const whole = hostsWith(hosts, hostname);
  if (persistent) {
    if (storedHosts !== whole) files.write(kept.hosts, whole);
    files.symlink('../usr/local/etc/hosts', '/etc/hosts');
  } else if (files.readTextIfAny('/etc/hosts') !== whole) {
    files.write('/etc/hosts', whole);
  }
  try {
    files.writeInPlace('/proc/sys/kernel/hostname', hostname);
  } catch (error) {
    problems.push(`the kernel did not take the hostname: ${String(error)}`);
  }
  return { hostname, problems, note: hostname };
}
