import { createHmac, randomBytes } from 'node:crypto';
import { type Architecture, hostArchitecture } from '@kairos/facts/architecture';
import { paths } from '@kairos/facts/paths';
import type { Host } from '@kairos/host/host';
import { parseAssignments } from './operating-system.ts';
import { systemInformation } from './system-information.ts';

/** What conditions and templates may ask about the machine. */
export interface StageFacts {
  /** `/etc/os-release` with `/etc/kairos-release` over it. */
  readonly osRelease: Readonly<Record<string, string>>;
  readonly architecture: Architecture;
  readonly hostname: string;
  readonly serviceManager: 'systemd' | 'openrc' | undefined;
  /** `/etc/machine-id`, `''` where there is none yet. */
  readonly machineId: string;
  /** `.Values` of templates: system information by the names that files in the field use. */
  readonly values: Readonly<Record<string, unknown>>;
}

const serviceManagers = {
  systemd: ['/usr/bin/systemctl', '/bin/systemctl', '/usr/sbin/systemctl', '/sbin/systemctl'],
  openrc: ['/sbin/openrc', '/usr/sbin/openrc', '/usr/bin/openrc', '/bin/openrc'],
} as const;

function serviceManagerOf(host: Host): StageFacts['serviceManager'] {
  // systemctl may be there on a system that sysvinit runs; /sbin/init tells who is the first process.
  const otherInit =
    host.files.status('/sbin/init') !== undefined &&
    !(
      host.files.status('/sbin/init')?.kind === 'symlink' &&
      /systemd$/.test(host.files.readLink('/sbin/init'))
    );
  for (const name of ['systemd', 'openrc'] as const) {
    if (name === 'systemd' && otherInit) continue;
    if (serviceManagers[name].some((path) => host.files.exists(path))) return name;
  }
  return undefined;
}

/** A getter that works once. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** The facts of a machine, found when they are asked for. Given ones are taken as they are. */
export function stageFacts(host: Host, given: Partial<StageFacts> = {}): StageFacts {
  const osRelease = once(() => {
    const read = (path: string) => parseAssignments(host.files.readTextIfAny(path) ?? '');
    const own = read(paths.osRelease);
    return {
      ...(Object.keys(own).length > 0 ? own : read('/usr/lib/os-release')),
      ...read(paths.kairosRelease),
    };
  });
  // Steps change these two, so they are read each time.
  const hostname = () =>
    host.files.readTextIfAny('/proc/sys/kernel/hostname')?.trim() ||
    host.files.readTextIfAny('/etc/hostname')?.trim() ||
    '';
  const machineId = () => (host.files.readTextIfAny('/etc/machine-id') ?? '').trim();
  const serviceManager = once(() => serviceManagerOf(host));
  const hardware = once(() => systemInformation(host, facts));
  const values = () => ({
    ...hardware(),
    node: { hostname: facts.hostname, machineid: facts.machineId, timezone: timezone() },
  });
  const timezone = once(() => (host.files.readTextIfAny('/etc/timezone') ?? '').trim());
  const facts: StageFacts = {
    get osRelease() {
      return given.osRelease ?? osRelease();
    },
    get architecture() {
      return given.architecture ?? hostArchitecture();
    },
    get hostname() {
      return given.hostname ?? hostname();
    },
    get serviceManager() {
      return 'serviceManager' in given ? given.serviceManager : serviceManager();
    },
    get machineId() {
      return given.machineId ?? machineId();
    },
    get values() {
      return given.values ?? values();
    },
  };
  return facts;
}

/** Letters and digits from the system's source of randomness. */
export function randomWord(length: number): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
  let word = '';
  while (word.length < length) {
    for (const byte of randomBytes(length)) {
      // 248 is the largest multiple of 62 in a byte: above it, some letters would come more often.
      if (byte < 248 && word.length < length) word += alphabet[byte % alphabet.length];
    }
  }
  return word;
}

/** A machine's identifier for one application, from which its machine-id cannot be found out. */
export function protectedId(machineId: string, application = 'kairos'): string {
  return machineId === '' ? '' : createHmac('sha256', machineId).update(application).digest('hex');
}
