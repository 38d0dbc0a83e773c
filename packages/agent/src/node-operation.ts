import { configDirectories } from '@kairos/config/collect';
import type { CloudConfig } from '@kairos/config/schema/root';
import { reasonOf } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import type { Cleanup } from './cleanup.ts';
import { type CollectedConfig, collectConfig } from './collect-config.ts';
import { environmentOf, withEnvironment } from './environment.ts';
import { allowNoUsersFile } from './install/config.ts';
import type { InstallContext } from './install/execute.ts';
import { type Afterwards, endMachine } from './lifecycle.ts';
import type { OperationOptions, OperationParts } from './operation-options.ts';
import type { ReportProgress } from './progress.ts';
import { runChrootStage } from './stages/chroot-stage.ts';

/** An installed node whose configuration was read, for an operation on it. */
export interface ConfiguredNode<Checked> {
  /** The machine, whose programs see the variables of the configuration. */
  readonly host: Host;
  readonly collected: CollectedConfig;
  readonly checked: Checked;
  /** `cloud-init-paths` of the configuration. */
  readonly extraPaths: readonly string[];
  readonly warnings: readonly string[];
  /** Tells a warning, and keeps it for the result. */
  readonly warn: (message: string) => void;
}

/** `cloud-init-paths` of a configuration. */
export function extraPathsOf(config: CloudConfig): string[] {
  return (config['cloud-init-paths'] ?? []).flatMap((path) => path ?? []);
}

/**
 * Reads and checks the configuration of the node that an operation changes, and tells what is wrong in it.
 * @throws KairosError what `check` throws
 */
export async function readNode<
  Checked extends { readonly config: CloudConfig; readonly warnings: readonly string[] },
>(
  machine: Host,
  options: Pick<OperationOptions, 'strict' | 'remote' | 'onProgress'>,
  check: (
    collected: CollectedConfig,
    how: { readonly strict: boolean; readonly allowNoUsers: boolean },
  ) => Checked,
): Promise<ConfiguredNode<Checked>> {
  const collected = await collectConfig(machine, {
    directories: configDirectories,
    files: [],
    ...(options.remote === undefined ? {} : { remote: options.remote }),
  });
  const checked = check(collected, {
    strict: options.strict ?? false,
    allowNoUsers: machine.files.exists(allowNoUsersFile),
  });
  const warnings: string[] = [];
  const warn = (message: string) => {
    warnings.push(message);
    options.onProgress({ step: 'warning', message });
  };
  for (const message of checked.warnings) warn(message);
  return {
    ...{ collected, checked, warnings, warn },
    host: withEnvironment(machine, environmentOf(checked.config)),
    extraPaths: extraPathsOf(checked.config),
  };
}

/** How the steps of a plan run stages. */
export function stagesOf(
  node: Omit<ConfiguredNode<unknown>, 'checked' | 'warnings'>,
  parts: Pick<OperationParts, 'runStage'>,
  signal: AbortSignal,
  report: ReportProgress,
): Required<Pick<InstallContext, 'runStage' | 'runChrootStage'>> {
  const { host, collected, extraPaths, warn } = node;
  return {
    runStage: (stage) =>
      parts.runStage(host, stage, collected, extraPaths, (line) => report({ step: stage, message: line })),
    runChrootStage: (stage) => runChrootStage(host, stage, { signal, extraPaths, warn }),
  };
}

/**
 * Ends an operation whose slots are as they should be: those are what counts, and whether all could be put back, such
 * as a partition that is to be read-only again, is told by a warning.
 */
export async function endOperation(
  { host, warn }: Pick<ConfiguredNode<unknown>, 'host' | 'warn'>,
  options: {
    readonly cleanup: Cleanup;
    /** What was done. */
    readonly message: string;
    readonly after: Afterwards;
    readonly report: ReportProgress;
  },
): Promise<void> {
  const { cleanup, message, after, report } = options;
  for (const problem of await cleanup.run()) warn(`Could not clean up: ${reasonOf(problem)}`);
  report({ step: 'done', message });
  if (after !== 'nothing') await endMachine(host, after, warn);
}
