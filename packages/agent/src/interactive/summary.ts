import { formatSize } from '@kairos/facts/size';
import type { Answers, PlanView } from '@kairos/pages/installer-api';

const roles = { none: 'none', k3s: 'K3s server', 'k3s-agent': 'K3s agent' } as const;
const ends = { nothing: 'stay in this live system', reboot: 'restart', poweroff: 'power off' } as const;

/** What an installation would do, in lines that fit on a terminal of 80 columns. */
export function summaryOf(answers: Answers, plan: PlanView): string {
  const { user } = answers;
  const keys = user?.sshKeys.length ?? 0;
  const rows: (readonly [string, string])[] = [
    ['System', `${plan.image.name} ${plan.image.version} (${formatSize(plan.image.size)})`],
    ['Disk', `${plan.disk.path} (${formatSize(plan.disk.size)}) ${plan.disk.model}`.trimEnd()],
    [
      'User',
      user
        ? `${user.name}, ${user.password === '' ? 'no password' : 'with a password'}, ${keys} ${keys === 1 ? 'key' : 'keys'}`
        : 'none',
    ],
    ['Host name', answers.hostname || 'chosen by the system'],
    ['Kubernetes', roles[answers.kubernetes.role]],
    ['Afterwards', ends[plan.after]],
  ];
  return [
    ...rows.map(([name, value]) => `${name.padEnd(11)} ${value}`),
    '',
    ...plan.partitions.map(
      ({ path, label, name, filesystem, size }) =>
        `${path.padEnd(16)} ${(label || name).padEnd(15)} ${filesystem.padEnd(5)} ${formatSize(size).padStart(10)}`,
    ),
    '',
    ...(plan.erases.length > 0
      ? ['ERASED FOR GOOD:', ...plan.erases]
      : ['The disk is empty; nothing is erased.']),
    ...plan.warnings.flatMap((warning) => ['', `Warning: ${warning}`]),
  ].join('\n');
}
