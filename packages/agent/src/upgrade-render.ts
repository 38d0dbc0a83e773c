import { createHash } from 'node:crypto';
import { formatSize } from '@kairos/facts/size';
import { describeUpgradeStep } from './execute-upgrade.ts';
import type { UpgradePlan } from './upgrade-plan.ts';
import type { UpgradeStep } from './upgrade-step.ts';

/** The plan for people: `--dry-run`. */
export function renderUpgradePlan(plan: UpgradePlan): string {
  const { image, from, space } = plan;
  const lines = [
    `Slot      ${plan.slot}`,
    `Now       ${from ? `${from.name} ${from.version}` : 'nothing that can be read'}`,
    `Image     ${image.name} ${image.version} (${formatSize(image.size)}) from ${image.source}`,
    `          ${image.digest}`,
    ...(plan.fallback === undefined ? [] : [`Fallback  ${plan.fallback}`]),
    `Space     ${formatSize(space.needed)} of ${formatSize(space.available)}`,
    ...plan.notes.map((note) => `Note      ${note}`),
    '',
    'Steps',
    ...plan.steps.map((step, index) => `  ${String(index + 1).padStart(2)}  ${describeUpgradeStep(step)}`),
    '',
    `Then    ${{ nothing: 'nothing', reboot: 'restart', poweroff: 'power off' }[plan.after]}`,
    '',
  ];
  if (plan.upToDate) lines.unshift('The slot holds this image already', '');
  return lines.join('\n');
}

function stepToJson(step: UpgradeStep): Readonly<Record<string, unknown>> {
  if (!('content' in step)) return step;
  const { content, ...rest } = step;
  return {
    ...rest,
    size: content.length,
    digest: `sha256:${createHash('sha256').update(content).digest('hex')}`,
  };
}

/** The plan for programs: `--dry-run --json`. */
export function upgradePlanToJson(plan: UpgradePlan): Readonly<Record<string, unknown>> {
  return { ...plan, steps: plan.steps.map(stepToJson) };
}
