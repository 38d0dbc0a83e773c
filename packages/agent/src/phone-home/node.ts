import { hostname, networkInterfaces } from 'node:os';
import { paths } from '@kairos/facts/paths';
import { version } from '@kairos/facts/version';
import type { Host } from '@kairos/host/host';
import { parseAssignments } from '@kairos/stages/operating-system';
import { bootStateOfHost } from '../operation.ts';

export interface NodeAddress {
  readonly type: 'InternalIP' | 'Hostname';
  readonly address: string;
}

/** Addresses by which others reach this machine: not loopback, not link-local. */
export function nodeAddresses(): NodeAddress[] {
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return [
    ...own
      .filter(({ internal, address }) => !internal && !/^(fe80:|169\.254\.)/i.test(address))
      .map(({ address }) => ({ type: 'InternalIP' as const, address })),
    { type: 'Hostname', address: hostname() },
  ];
}

export function nodeIdentity(host: Host) {
  return {
    machineID: (host.files.readTextIfAny('/etc/machine-id') ?? '').trim(),
    hostname: (host.files.readTextIfAny('/proc/sys/kernel/hostname') ?? hostname()).trim(),
  };
}

/** What a heartbeat says of the node. */
export function nodeReport(host: Host, labels: Readonly<Record<string, string>>) {
  const release = (path: string) => parseAssignments(host.files.readTextIfAny(path) ?? '');
  return {
    agentVersion: version,
    osRelease: { ...release(paths.osRelease), ...release(paths.kairosRelease) },
    labels,
    addresses: nodeAddresses(),
    bootState: bootStateOfHost(host),
  };
}
