import { formatSize } from '@kairos/facts/size';
import { renderSteps, stepToJson } from '../plan-render.ts';
import { describeStep } from './describe-step.ts';
import { type InstallPlan, preparation } from './plan.ts';

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** The plan for people: `--dry-run`. */
export function renderPlan(plan: InstallPlan): string {
  const { disk, image } = plan;
  const indent = (lines: readonly string[]) => lines.map((line) => `  ${line}`);
  const files = plan.steps.flatMap((step) =>
    step.kind === 'write-file'
      ? [[step.path, formatSize(step.content.length), `0${step.mode.toString(8)}`]]
      : step.kind === 'copy-slot'
        ? [[`${step.to}/`, formatSize(step.size), '']]
        : [],
  );
  return [
    `Disk    ${disk.path} (${formatSize(disk.size)}${disk.model === '' ? '' : `, ${disk.model}`})`,
    `Image   ${image.name} ${image.version} (${formatSize(image.size)}) from ${image.source}`,
    `        ${image.digest}`,
    '',
    'Erases',
    ...indent(plan.erases.length === 0 ? ['nothing'] : plan.erases),
    '',
    'Partitions',
    ...indent(
      table(
        plan.partitions.map(({ path, name, label, filesystem, size }) => [
          path,
          name,
          label || '-',
          filesystem,
          formatSize(size),
        ]),
      ),
    ),
    '',
    'Boot entries',
    ...indent(table(plan.entries.map(({ id, title, slot }) => [id, title, slot]))),
    '',
    'Files',
    ...indent(table(files)),
    '',
    ...renderSteps([...preparation, ...plan.steps].map(describeStep), plan.after),
  ].join('\n');
}

/** The plan for programs: `--dry-run --json`. */
export function planToJson(plan: InstallPlan): Readonly<Record<string, unknown>> {
  return {
    ...plan,
    steps: [...preparation.map((step) => ({ ...step, phase: 'prepare' })), ...plan.steps.map(stepToJson)],
  };
}
