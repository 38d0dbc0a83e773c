import { formatSize } from '@kairos/facts/size';
import { renderSteps, stepToJson } from '../plan-render.ts';
import { describeResetStep } from './execute.ts';
import type { ResetPlan } from './plan.ts';

/** What is lost and what stays, for who has to agree. */
export function renderResetSummary(plan: ResetPlan): string {
  const list = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [title, ...lines.map((line) => `  - ${line}`), ''];
  const { image } = plan;
  return [
    ...(plan.resumes ? ['A reset that was begun goes on.', ''] : []),
    ...list('This is erased:', plan.erases),
    ...list('This stays:', plan.keeps),
    `The node gets ${image.name} ${image.version} from ${image.source}.`,
    ...plan.notes.map((note) => `Note: ${note}`),
    '',
  ].join('\n');
}

/** The plan for people: `--dry-run`. */
export function renderResetPlan(plan: ResetPlan): string {
  const { image, space } = plan;
  return [
    renderResetSummary(plan),
    `Image   ${image.name} ${image.version} (${formatSize(image.size)})`,
    `        ${image.digest}`,
    `Space   ${formatSize(space.needed)} of ${formatSize(space.available)}`,
    '',
    ...renderSteps(plan.steps.map(describeResetStep), plan.after),
  ].join('\n');
}

/** The plan for programs: `--dry-run --json`. */
export function resetPlanToJson(plan: ResetPlan): Readonly<Record<string, unknown>> {
  return { ...plan, steps: plan.steps.map(stepToJson) };
}
