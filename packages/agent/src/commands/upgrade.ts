import { readBootloaderPayload } from '@kairos/artifacts/bootloader-payload';
import { configDirectories } from '@kairos/config/collect';
import type { RemoteReader } from '@kairos/config/remote';
import { hostArchitecture } from '@kairos/facts/architecture';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import { labels } from '@kairos/facts/labels';
import { paths } from '@kairos/facts/paths';
import type { Disk } from '@kairos/host/disks';
import type { Host } from '@kairos/host/host';
import { remoteReader } from '@kairos/stages/remote-reader';
import { type ChrootStage, runChrootStage, stagePositions } from '../chroot-stage.ts';
import type { Cleanup } from '../cleanup.ts';
import { type CollectedConfig, collectConfig } from '../collect-config.ts';
import { carryOutAll } from '../execute-upgrade.ts';
import { type ImageSource, openImageSource, type SourceOptions } from '../image-source.ts';
import { environmentOf } from '../install-wish.ts';
import { endMachine } from '../lifecycle.ts';
import { checkConfigWithImage, type NewImageCheck } from '../new-image-check.ts';
import { checkInstalled, checkRoot, runOperation, takeLock } from '../operation.ts';
import { openPartition, systemDisk } from '../partition-access.ts';
import type { ReportProgress } from '../progress.ts';
import { signatureApproval } from '../signature-policy.ts';
import { runHookStage } from '../stage-hooks.ts';
import { checkUpgradeConfig, type UpgradeKeys } from '../upgrade-config.ts';
import { gatherUpgradeFacts } from '../upgrade-facts.ts';
import { planUpgrade, type UpgradePlan, type UpgradeWish } from '../upgrade-plan.ts';
import { upgradePlanToJson } from '../upgrade-render.ts';

export interface UpgradeOptions {
  /** `oci:`, `dir:`, `ocifile:`, `file:`, or `recovery:` for the image of recovery; default: what the configuration says. */
  readonly source?: string;
  /** Registries may speak http or have a certificate that nobody vouches for. */
  readonly allowInsecureRegistries?: boolean;
  /** Upgrades recovery instead of active. */
  readonly recovery?: boolean;
  readonly dryRun?: boolean;
  /** Another flavor is what is wanted; the same image is written again. */
  readonly force?: boolean;
  readonly reboot?: boolean;
  readonly poweroff?: boolean;
  /** Problems of the configuration, and failing stages, end the upgrade. */
  readonly strict?: boolean;
  /** Follows `config_url`. */
  readonly remote?: RemoteReader;
  readonly onProgress: ReportProgress;
  /** Stops the upgrade; SIGINT and SIGTERM do as well. */
  readonly signal?: AbortSignal;
}

export interface UpgradeResult {
  readonly plan: UpgradePlan;
  /** False for a dry run, and where the slot held the image already. */
  readonly upgraded: boolean;
  readonly warnings: readonly string[];
  /** Without the bytes that the plan writes. */
  toJSON(): unknown;
}

/** What an upgrade needs of other packages. */
export interface UpgradeParts {
  openSource(host: Host, uri: string, options: SourceOptions): Promise<ImageSource>;
  runStage(
    host: Host,
    stage: string,
    config: CollectedConfig,
    extraPaths: readonly string[],
    tell: (line: string) => void,
  ): Promise<void>;
  /** Has the configuration checked by the new image. */
  checkConfig?(host: Host, check: NewImageCheck): Promise<void>;
  now(): Date;
}

function sourceOf(options: UpgradeOptions, upgrade: UpgradeKeys, recovery: boolean): string {
  const key = recovery ? 'recovery-system' : 'system';
  const source = options.source || upgrade[key]?.source || upgrade[key]?.uri;
  if (source) return source;
  throw new KairosError('NO_SOURCE', 'It is not said to which image the node is to be upgraded', {
    exit: 'usage',
    hint: `Name it with --source, or in the configuration as upgrade.${key}.source`,
  });
}

/** The image that recovery holds, for whoever has nothing else at hand. */
const recoverySource = 'recovery:';

/** @throws KairosError `PARTITION_MISSING` */
function recoveryImage(host: Host, disk: Disk, cleanup: Cleanup): string {
  const place = openPartition(host, disk, 'recovery', cleanup);
  if (place) return `dir:${place.mountPoint}/cOS/recovery`;
  throw new KairosError(
    'PARTITION_MISSING',
    `${disk.path} has no partition labelled ${labels.recovery}, which ${recoverySource} names`,
    { exit: 'unsuitableDisk', hint: 'Name another image with --source' },
  );
}

function afterwards(options: UpgradeOptions, upgrade: UpgradeKeys): UpgradeWish['after'] {
  if (options.reboot && options.poweroff) {
    throw new KairosError('REBOOT_AND_POWEROFF', '--reboot and --poweroff exclude each other', {
      exit: 'usage',
    });
  }
  if (options.reboot) return 'reboot';
  if (options.poweroff) return 'poweroff';
  if (upgrade.reboot) return 'reboot';
  return upgrade.poweroff ? 'poweroff' : 'nothing';
}

/** What of this node a stage of the new system may write to: what is mounted, so that nothing is written beside it. */
function chrootBinds(host: Host): ChrootStage['binds'] {
  const mounted = new Set(host.mounts().map(({ target }) => target));
  return [paths.oem, paths.persistent]
    .filter((path) => mounted.has(path))
    .map((path) => ({ from: path, to: path }));
}

/** {@link upgrade} with the parts given, for those who bring their own. */
export async function upgradeWith(
  machine: Host,
  options: UpgradeOptions,
  parts: UpgradeParts,
): Promise<UpgradeResult> {
  checkRoot(machine);
  const bootState = checkInstalled(machine, 'An upgrade');
  const collected = await collectConfig(machine, {
    directories: configDirectories,
    files: [],
    ...(options.remote === undefined ? {} : { remote: options.remote }),
  });
  const {
    upgrade: keys,
    config,
    warnings: found,
  } = checkUpgradeConfig(collected, {
    strict: options.strict ?? false,
    allowNoUsers: machine.files.exists('/etc/kairos/.nousers'),
  });
  const recovery = options.recovery ?? keys.recovery ?? false;
  const uri = sourceOf(options, keys, recovery);
  const after = afterwards(options, keys);
  const env = environmentOf(config);
  const host: Host = {
    ...machine,
    run: (argv, run) => machine.run(argv, { ...run, env: { ...env, ...run?.env } }),
  };
  const extraPaths = (config['cloud-init-paths'] ?? []).flatMap((path) => path ?? []);
  const warnings: string[] = [];
  const warn = (message: string) => {
    warnings.push(message);
    options.onProgress({ step: 'warning', message });
  };
  for (const message of found) warn(message);

  return runOperation({ signal: options.signal, warn }, async ({ cleanup, signal }) => {
    if (!options.dryRun) cleanup.push('the lock', takeLock(host, 'upgrade', parts.now()));
    const disk = await systemDisk(host);
    const slot = recovery ? 'recovery' : 'active';
    const place = openPartition(host, disk, recovery ? 'recovery' : 'state', cleanup);
    if (!place) {
      throw new KairosError(
        'PARTITION_MISSING',
        `${disk.path} has no partition labelled ${recovery ? labels.recovery : labels.state}`,
        { exit: 'unsuitableDisk' },
      );
    }
    options.onProgress({ step: 'source', message: `opening ${uri}` });
    const from = uri === recoverySource ? recoveryImage(host, disk, cleanup) : uri;
    const source = await parts.openSource(host, from, {
      insecure: options.allowInsecureRegistries || (keys['allow-insecure-registries'] ?? false),
      signal,
      report: options.onProgress,
      // Recovery's own slot was approved when it came.
      ...(uri === recoverySource
        ? {}
        : {
            approve: signatureApproval(host, config, (message) =>
              options.onProgress({ step: 'source', message }),
            ),
          }),
    });
    const { image } = source;
    cleanup.push('the source', () => source.close());
    const facts = await gatherUpgradeFacts({
      ...{ host, disk, slot, bootState, image, place, cleanup, signal, warn },
      architecture: hostArchitecture(),
      payload: await readBootloaderPayload(image),
    });
    const plan = planUpgrade(facts, {
      slot,
      force: options.force ?? false,
      after,
      ...(stagePositions(host, 'after-upgrade-chroot', collected, extraPaths).length > 0
        ? { chrootBinds: chrootBinds(host) }
        : {}),
      ...(typeof keys.tries === 'number' ? { tries: keys.tries } : {}),
    });
    for (const note of plan.notes) options.onProgress({ step: 'note', message: note });
    const result = (upgraded: boolean): UpgradeResult => ({
      plan,
      upgraded,
      warnings,
      toJSON: () => ({ upgraded, warnings, plan: upgradePlanToJson(plan) }),
    });
    if (options.dryRun) return result(false);
    await carryOutAll(plan.steps, {
      ...{ host, image, cleanup, signal, warn, now: parts.now, report: options.onProgress },
      strict: options.strict || (config.strict ?? false),
      ...(parts.checkConfig === undefined ? {} : { checkConfig: parts.checkConfig }),
      runStage: (stage) =>
        parts.runStage(host, stage, collected, extraPaths, (line) =>
          options.onProgress({ step: stage, message: line }),
        ),
      runChrootStage: (stage) => runChrootStage(host, stage, { signal, extraPaths, warn }),
    });
    // The slot is what counts; whether it can be read-only again is told by a warning.
    for (const problem of await cleanup.run()) warn(`Could not clean up: ${reasonOf(problem)}`);
    const message = plan.upToDate
      ? `${plan.slot} holds ${plan.image.name} ${plan.image.version} already`
      : `Upgrade completed: ${plan.slot} is ${plan.image.name} ${plan.image.version}`;
    options.onProgress({ step: 'done', message });
    if (after !== 'nothing') await endMachine(host, after, warn);
    return result(!plan.upToDate);
  });
}

/**
 * Upgrades the active slot, or recovery: checks everything first, copies beside the slots, then changes names. A run
 * that was cut off is finished by the next one; docs/upgrade.md.
 * @throws KairosError of the source, of {@link planUpgrade}, `BUSY`, `NO_SOURCE`, `NO_ADMIN_USER`, `INTERRUPTED`
 */
export function upgrade(host: Host, options: UpgradeOptions): Promise<UpgradeResult> {
  return upgradeWith(
    host,
    { remote: remoteReader(host), ...options },
    {
      openSource: openImageSource,
      runStage: runHookStage,
      checkConfig: checkConfigWithImage,
      now: () => new Date(),
    },
  );
}
