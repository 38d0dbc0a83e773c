import { formatSize } from '@kairos/facts/size';
import { renderSteps, stepToJson } from '../plan-render.ts';
import { describeUpgradeStep } from './execute.ts';
import type { UpgradePlan } from './plan.ts';

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
    ...renderSteps(plan.steps.map(describeUpgradeStep), plan.after),
  ];
  if (plan.upToDate) lines.unshift('The slot holds this image already', '');
  return lines.join('\n');
}

/** The plan for programs: `--dry-run --json`. */
export function upgradePlanToJson(plan: UpgradePlan): Readonly<Record<string, unknown>> {
  return { ...plan, steps: plan.steps.map(stepToJson) };
}
