import { z } from 'zod';
import { flag, text, texts } from './kinds.ts';

/** A length of time: seconds, or a number with `s`, `m` or `h`. */
const duration = z
  .union([
    z.int().nonnegative(),
    z.string().regex(/^\d+(s|m|h)?$/, 'expected a time such as 90, 90s, 5m or 1h'),
  ])
  .nullish();

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** Milliseconds of a value that {@link duration} takes; `undefined` where nothing is set. */
export function durationMilliseconds(value: z.infer<typeof duration>): number | undefined {
  if (value === undefined || value === null) return undefined;
  const [, digits = '0', unit = 's'] = /^(\d+)([smh]?)$/.exec(String(value)) ?? [];
  return Number(digits) * (unitSeconds[unit || 's'] ?? 1) * 1000;
}

const probes = ['command', 'default-route', 'kubernetes-node-ready', 'units'] as const;

/** One check. Exactly one of `command`, `default-route`, `kubernetes-node-ready` and `units` says what is checked. */
const check = z
  .strictObject({
    name: text.describe('How reports call it'),
    command: z
      .union([z.string().min(1), z.array(z.string()).min(1)])
      .nullish()
      .describe('Exits with 0 when all is well; a text is given to sh'),
    'default-route': flag.describe('true: there is a default route'),
    'kubernetes-node-ready': flag.describe('true: the node is Ready in its cluster (k3s, k0s, kubeadm)'),
    units: texts.describe('Services that are active'),
    required: flag.describe('false: its failure is a warning'),
    timeout: duration.describe('For one run'),
  })
  .refine(
    (given) => probes.filter((probe) => given[probe] !== undefined && given[probe] !== null).length === 1,
    `expected exactly one of ${probes.join(', ')}`,
  );

export const health = z
  .strictObject({
    deadline: duration.describe('For all checks together; 5m by default'),
    checks: z.array(check).nullish().describe('Checks of the user, beside /etc/kairos/health.d'),
  })
  .describe('When a boot is good');
export type HealthKeys = z.infer<typeof health>;
export type HealthCheckKeys = z.infer<typeof check>;

/** `true`: always on, with the time of the init system; a time: always on, with that. */
export const watchdog = z.union([z.boolean(), duration]).nullish();
