import { KairosError, reasonOf } from '@kairos/facts/errors';
import { paths } from '@kairos/facts/paths';
import type { Host } from '@kairos/host/host';

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What a look at the system gave: why it is not well, and what is only worth knowing. */
export interface Findings {
  readonly failures: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Steps of the boot that were not done and matter. A step that was done with problems, such as a stage with an error in
 * the user's configuration, is a warning: it is no better on the other slot.
 */
export function judgeBootReport(text: string | undefined): Findings {
  let report: unknown;
  try {
    report = JSON.parse(text ?? '');
  } catch {
    report = undefined;
  }
  if (!isRecord(report) || !Array.isArray(report.steps)) {
    return { failures: [`the boot left no report that can be read (${paths.bootReport})`], warnings: [] };
  }
  const failures: string[] = [];
  const warnings: string[] = [];
  for (const step of report.steps.filter(isRecord)) {
    if (step.status === 'ok' || step.criticality === 'ignore') continue;
    const why = isRecord(step.error) ? step.error.message : [step.problems ?? []].flat().join('; ');
    const words = `boot step ${step.name} ${step.status}: ${why}`;
    (step.status === 'degraded' ? warnings : failures).push(words);
  }
  return { failures, warnings };
}

const isSystemd = (host: Host): boolean => host.files.exists('/run/systemd/system');
const isOpenrc = (host: Host): boolean => host.files.exists('/run/openrc');

/** Services of ours that must not have failed. */
const ownServices = ['cos-setup-fs', 'cos-setup-boot', 'cos-setup-network'] as const;

/** Services that failed: ours are failures, the others warnings. sysvinit keeps no record. */
export async function failedServices(host: Host): Promise<Findings> {
  let failed: string[] = [];
  if (isSystemd(host)) {
    let stdout: string;
    try {
      ({ stdout } = await host.run([
        ...(['systemctl', 'list-units', '--state=failed', '--plain', '--no-legend'] as const),
      ]));
    } catch (error) {
      return { failures: [`it cannot be told which services failed: ${reasonOf(error)}`], warnings: [] };
    }
    failed = stdout
      .split('\n')
      .map((line) => line.trim().split(/\s+/)[0] ?? '')
      .filter(Boolean);
  } else if (isOpenrc(host)) {
    failed = host.files.list('/run/openrc/failed');
  }
  const isOwn = (name: string) => ownServices.some((own) => name === own || name === `${own}.service`);
  const words = (name: string) => `${name} failed`;
  return {
    failures: failed.filter(isOwn).map(words),
    warnings: failed.filter((name) => !isOwn(name)).map(words),
  };
}

/**
 * Why the init has not reached its target; `undefined` where it has. sysvinit starts this program when it has, so there
 * is nothing to ask.
 */
export async function targetNotReached(host: Host): Promise<string | undefined> {
  if (isSystemd(host)) {
    const { stdout } = await host.run(['systemctl', 'show', '--property=Id,ActiveState', 'default.target']);
    const of = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(stdout)?.[1] ?? '';
    const state = of('ActiveState');
    return state === 'active' ? undefined : `${of('Id') || 'default.target'} is ${state || 'unknown'}`;
  }
  if (isOpenrc(host)) {
    const level = (host.files.readTextIfAny('/run/openrc/softlevel') ?? '').trim();
    return level === 'default' ? undefined : `the runlevel is ${level || 'not known'}`;
  }
  return undefined;
}

/** Why a service does not run; `undefined` where it does. */
export async function serviceNotActive(host: Host, name: string): Promise<string | undefined> {
  if (isSystemd(host)) {
    const { stdout, code } = await host.run(['systemctl', 'is-active', '--', name], {
      okCodes: [0, 1, 2, 3, 4],
    });
    return code === 0 ? undefined : `${name} is ${stdout.trim() || 'not active'}`;
  }
  const plain = name.replace(/\.service$/, '');
  if (isOpenrc(host)) {
    return host.files.status(`/run/openrc/started/${plain}`) === undefined
      ? `${plain} is not started`
      : undefined;
  }
  try {
    await host.run(['service', plain, 'status']);
    return undefined;
  } catch (error) {
    return `${plain}: ${reasonOf(error)}`;
  }
}

/** `RTF_UP` of linux/route.h. */
const routeIsUp = 1;

/**
 * Whether there is a default route, by `/proc/net/route` and `/proc/net/ipv6_route` (proc(5)). The kernel keeps
 * unreachable default routes of IPv6 on the loopback interface, which lead nowhere.
 */
export function hasDefaultRoute(ipv4: string, ipv6: string): boolean {
  const fourth = ipv4
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .some(
      ([, destination, , flags = '0', , , , mask]) =>
        destination === '00000000' && mask === '00000000' && (Number.parseInt(flags, 16) & routeIsUp) !== 0,
    );
  const sixth = ipv6
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .some(
      (fields) =>
        /^0{32}$/.test(fields[0] ?? '') &&
        fields[1] === '00' &&
        (Number.parseInt(fields[8] ?? '0', 16) & routeIsUp) !== 0 &&
        fields[9] !== 'lo',
    );
  return fourth || sixth;
}

/** Programs that speak with the cluster, and what they identify themselves with: the first pair that is there. */
const kubernetesClients: readonly (readonly [readonly [string, ...string[]], string])[] = [
  [['k3s', 'kubectl'], '/etc/rancher/k3s/k3s.yaml'],
  [['k3s', 'kubectl'], '/var/lib/rancher/k3s/agent/kubelet.kubeconfig'],
  [['k0s', 'kubectl'], '/var/lib/k0s/pki/admin.conf'],
  [['k0s', 'kubectl'], '/var/lib/k0s/kubelet.conf'],
  [['kubectl'], '/etc/kubernetes/admin.conf'],
  [['kubectl'], '/etc/kubernetes/kubelet.conf'],
];

/** Why the Kubernetes node that this machine is is not ready; `undefined` where it is. */
export async function kubernetesNodeNotReady(host: Host, timeout: number): Promise<string | undefined> {
  const client = kubernetesClients.find(
    ([[program], config]) => host.files.exists(config) && host.which(program) !== undefined,
  );
  if (client === undefined) return 'there is no kubectl with a configuration of a node';
  const [program, config] = client;
  const name = (host.files.readTextIfAny('/proc/sys/kernel/hostname') ?? '').trim().toLowerCase();
  try {
    const { stdout } = await host.run(
      [
        ...program,
        ...[`--kubeconfig=${config}`, 'get', 'node', name],
        ...['--output=jsonpath={.status.conditions[?(@.type=="Ready")].status}'],
      ],
      { timeout },
    );
    return stdout.trim() === 'True' ? undefined : `node ${name} has Ready=${stdout.trim() || 'nothing'}`;
  } catch (error) {
    if (error instanceof KairosError) return `node ${name}: ${error.message}`;
    throw error;
  }
}
