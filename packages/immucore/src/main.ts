import { bootStateNames } from '@kairos/facts/boot-state';
import { exitCodes, KairosError, reasonOf } from '@kairos/facts/errors';
import { paths } from '@kairos/facts/paths';
import { didYouMean } from '@kairos/facts/suggest';
import { version } from '@kairos/facts/version';
import { systemClock } from '@kairos/host/clock';
import type { Host } from '@kairos/host/host';
import { boot } from './boot.ts';
import type { StageRunner } from './boot-context.ts';
import { bootFactsOf } from './boot-facts.ts';
import { type BootStep, planBoot } from './boot-plan.ts';
import { resolveLayout } from './layout.ts';

const usage = `Usage: immucore [--dry-run] [--version] [--help]

Makes the mounted root of a Kairos system usable: state, overlays, persistent paths.
The initrd runs it between mounting the root and starting the init system.

  --dry-run   print the plan for this kernel command line and stop
  --version   print the version
`;

const flags = ['--dry-run', '--version', '-v', '--help', '-h'];

/** The directories of stages, in the order in which they are run. */
export const stageDirectories = [paths.systemOem, paths.oem, paths.cloudConfig] as const;

/** One line of the plan. */
function showStep({ name, criticality, needs }: BootStep): string {
  return `${criticality.padEnd(8)}${name}${needs.length > 0 ? `  (needs ${needs.join(', ')})` : ''}`;
}

/**
 * The program `immucore`.
 *
 * @returns the exit code: 0 to go on with the boot, 1 when a step failed that another slot may not fail
 */
export async function immucore(host: Host, args: readonly string[], runStage: StageRunner): Promise<number> {
  const unknown = args.find((word) => !flags.includes(word));
  if (unknown !== undefined) {
    const meant = didYouMean(unknown, flags);
    process.stderr.write(
      `immucore: unknown argument ${unknown}${meant === undefined ? '' : `; did you mean ${meant}?`}\n${usage}`,
    );
    return exitCodes.usage;
  }
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(usage);
    return 0;
  }
  if (args.includes('--version') || args.includes('-v')) {
    process.stdout.write(`immucore ${version}\n`);
    return 0;
  }
  const source = process.env.HOST_PROC_CMDLINE || '/proc/cmdline';
  let cmdline: string;
  try {
    cmdline = host.files.readText(source);
  } catch (cause) {
    throw new KairosError('NO_CMDLINE', `Cannot read the kernel command line: ${reasonOf(cause)}`, { cause });
  }
  const facts = bootFactsOf(cmdline, host.mounts());
  if (args.includes('--dry-run')) {
    const { layout } = resolveLayout(
      {
        layout: host.files.readTextIfAny(paths.layoutEnv),
        extra: host.files.readTextIfAny(paths.extraLayoutEnv),
        custom: host.files.readTextIfAny(paths.customLayoutEnv),
      },
      facts,
    );
    const lines = planBoot(facts, layout).map(showStep);
    process.stdout.write(`${bootStateNames[facts.state]}\n${lines.join('\n')}\n`);
    return 0;
  }
  // What is made here belongs to root and is readable, whatever the initrd's shell had set.
  process.umask(0o022);
  const report = await boot(host, facts, { runStage, clock: systemClock });
  return report.outcome === 'failed' ? 1 : 0;
}
