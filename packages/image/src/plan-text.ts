import type { BuildStep } from './build-step.ts';
import type { BuildPlan } from './plan.ts';

const octal = (mode: number) => mode.toString(8).padStart(4, '0');
const list = (items: readonly string[]) => (items.length === 0 ? 'nothing' : items.join(' '));

/** One line about a step, for `--dry-run` and progress. */
export function describeStep(step: BuildStep): string {
  switch (step.kind) {
    case 'bootstrap':
      return `Bootstrap Debian ${step.suite} with ${step.packages.length} packages: ${list(step.packages)}`;
    case 'unpack':
      return `Unpack ${step.archive}`;
    case 'copy':
      return `Copy ${step.directory}`;
    case 'unpack-image':
      return `Unpack the layers of ${step.image}`;
    case 'install-packages':
      return `Install with ${step.manager}: ${list(step.packages)}`;
    case 'file':
      return `Write ${step.path} (${octal(step.mode)}, ${step.from})`;
    case 'copy-file':
      return `Copy ${step.source} to ${step.path} (${octal(step.mode)}, ${step.from})`;
    case 'link':
      return `Link ${step.path} to ${step.target} (${step.from})`;
    case 'directory':
      return `Create ${step.path} (${octal(step.mode)}, ${step.from})`;
    case 'services':
      return `Enable for ${step.init}: ${list(step.enable)}; mask: ${list(step.mask)}`;
    case 'release':
      return 'Write /etc/kairos-release';
    case 'clean':
      return 'Remove identities, caches and logs';
    case 'mount-points':
      return `Create mount points: ${list(step.paths)}`;
    case 'check':
      return `Check ${list(step.checks.map(({ path }) => path))}`;
    case 'initrd':
      return `Build the initrd (${step.type})`;
    case 'bootloader':
      return 'Make the boot loader payload';
    case 'root-image':
      return `Make the root file system (${step.type ?? 'erofs, squashfs or ext4, as the kernel reads'}, compression ${step.compression}) with dm-verity`;
    case 'container':
      return 'Pack the layers of the container form';
    case 'publish':
      return `Write the image layout ${step.output}`;
  }
}

/** A whole plan for people. */
export function describePlan(plan: BuildPlan): string {
  return [
    `${plan.flavor.title} ${plan.release} (${plan.architecture}, ${plan.init}), version ${plan.version}, model ${plan.model}, ${plan.variant}`,
    `Components: ${plan.components.map(({ manifest }) => manifest.name).join(' ')}`,
    ...plan.steps.map((step, index) => `${String(index + 1).padStart(3)}. ${describeStep(step)}`),
    '',
  ].join('\n');
}
