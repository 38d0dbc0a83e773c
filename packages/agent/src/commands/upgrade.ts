import { readBootloaderPayload } from '@kairos/artifacts/bootloader-payload';
import { hostArchitecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import { labels } from '@kairos/facts/labels';
import { paths } from '@kairos/facts/paths';
import type { Disk } from '@kairos/host/disks';
import type { Host } from '@kairos/host/host';
import { remoteReader } from '@kairos/stages/remote-reader';
import type { Cleanup } from '../cleanup.ts';
import { afterwards } from '../lifecycle.ts';
import { endOperation, readNode, stagesOf } from '../node-operation.ts';
import { checkInstalled, checkRoot, runOperation, takeLock } from '../operation.ts';
import type { OperationOptions, OperationParts } from '../operation-options.ts';
import { openPartition, systemDisk } from '../slots/partition-access.ts';
import { openImageSource } from '../sources/image-source.ts';
import { signatureApproval } from '../sources/signature-policy.ts';
import { type ChrootStage, stagePositions } from '../stages/chroot-stage.ts';
import { runHookStage } from '../stages/hooks.ts';
import { checkUpgradeConfig, type UpgradeKeys } from '../upgrade/config.ts';
import { carryOutAll } from '../upgrade/execute.ts';
import { gatherUpgradeFacts } from '../upgrade/facts.ts';
import { checkConfigWithImage, type NewImageCheck } from '../upgrade/new-image-check.ts';
import { planUpgrade, type UpgradePlan } from '../upgrade/plan.ts';
import { upgradePlanToJson } from '../upgrade/render.ts';

export interface UpgradeOptions extends OperationOptions {
  /** `oci:`, `dir:`, `ocifile:`, `file:`, or `recovery:` for the image of recovery; default: what the configuration says. */
  readonly source?: string;
  /** Registries may speak http or have a certificate that nobody vouches for. */
  readonly allowInsecureRegistries?: boolean;
  /** Upgrades recovery instead of active. */
  readonly recovery?: boolean;
  /** Another flavor is what is wanted; the same image is written again. */
  readonly force?: boolean;
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
export interface UpgradeParts extends OperationParts {
  /** Has the configuration checked by the new image. */
  checkConfig?(host: Host, check: NewImageCheck): Promise<void>;
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
  const node = await readNode(machine, options, (documents, how) => {
    const found = checkUpgradeConfig(documents, how);
    const recovery = options.recovery ?? found.upgrade.recovery ?? false;
    const uri = sourceOf(options, found.upgrade, recovery);
    return { ...found, recovery, uri, after: afterwards(options, found.upgrade) };
  });
  const { host, collected, extraPaths, warnings, warn } = node;
  const { upgrade: keys, config, recovery, uri, after } = node.checked;

  return runOperation({ signal: options.signal, warn }, async ({ cleanup, signal }) => {
    // A dry run too: it mounts what it looks at in the same places, and takes that away again.
    cleanup.push('the lock', takeLock(host, options.dryRun ? 'upgrade --dry-run' : 'upgrade', parts.now()));
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
      ...stagesOf(node, parts, signal, options.onProgress),
    });
    const message = plan.upToDate
      ? `${plan.slot} holds ${plan.image.name} ${plan.image.version} already`
      : `Upgrade completed: ${plan.slot} is ${plan.image.name} ${plan.image.version}`;
    await endOperation(node, { cleanup, message, after, report: options.onProgress });
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
