import { readBootloaderPayload } from '@kairos/artifacts/bootloader-payload';
import { configDirectories } from '@kairos/config/collect';
import type { RemoteReader } from '@kairos/config/remote';
import { hostArchitecture } from '@kairos/facts/architecture';
import { bootStateNames, bootStateOf } from '@kairos/facts/boot-state';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import { paths } from '@kairos/facts/paths';
import { slotDirectory } from '@kairos/facts/slot';
import type { Host } from '@kairos/host/host';
import type { BootForm } from '@kairos/oci/boot-form';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';
import { remoteReader } from '@kairos/stages/remote-reader';
import { installTargetBundles } from '../bundles/node-bundles.ts';
import { type CollectedConfig, collectConfig, isMapping } from '../collect-config.ts';
import { environmentOf, withEnvironment } from '../environment.ts';
import { allowNoUsersFile, checkInstallConfig, type InstallConfig } from '../install/config.ts';
import { carryOutAll, type InstallContext } from '../install/execute.ts';
import { type InstallPlan, planInstall, preparation } from '../install/plan.ts';
import { planToJson } from '../install/render.ts';
import { chooseDisk, inspectDisk } from '../install/target-disk.ts';
import { wishOf } from '../install/wish.ts';
import { afterwards, endMachine } from '../lifecycle.ts';
import { extraPathsOf, stagesOf } from '../node-operation.ts';
import { checkRoot, type Operation, runOperation, takeLock } from '../operation.ts';
import type { OperationOptions, OperationParts } from '../operation-options.ts';
import { progressEvents } from '../progress.ts';
import { providersOf } from '../providers/node-providers.ts';
import { pair } from '../providers/pairing.ts';
import { checkArchitecture } from '../slots/check-architecture.ts';
import { type ImageSource, openImageSource, type SourceOptions } from '../sources/image-source.ts';
import { signatureApproval } from '../sources/signature-policy.ts';
import { stagePositions } from '../stages/chroot-stage.ts';
import { runHookStage } from '../stages/hooks.ts';

export interface InstallOptions extends OperationOptions {
  /** `oci:`, `dir:`, `file:` or `ocifile:`; default: what the configuration says, else the live medium. */
  readonly source?: string;
  /** Registries may speak http or have a certificate that nobody vouches for. */
  readonly allowInsecureRegistries?: boolean;
  /** Overrides `install.device`. */
  readonly device?: string;
  /** A cloud-config file, merged last. */
  readonly configFile?: string;
  /** Further ones, merged after it in this order. */
  readonly moreConfigFiles?: readonly string[];
  readonly force?: boolean;
  /** `install`: everything comes from the configuration, which has to ask for it with `install.auto`. */
  readonly unattended: boolean;
  /** Whether a manual installation reads the directories too; an unattended one always does. */
  readonly useDefaultDirectories?: boolean;
  /** Unknown keys are errors. */
  readonly strict?: boolean;
  /** Follows `config_url`; without it, a configuration that has one is refused. */
  readonly remote?: RemoteReader;
  /** Prints for the person in front of the machine: the QR code of a pairing. Default: standard output. */
  readonly show?: (text: string) => void;
  /** Only `signal` stops it: somebody else answers SIGINT and SIGTERM. */
  readonly ignoreSignals?: boolean;
  /** Whoever calls ends the machine: the plan says how that is wished. */
  readonly leaveRunning?: boolean;
}

export interface InstallResult {
  readonly plan: InstallPlan;
  /** False for a dry run. */
  readonly installed: boolean;
  readonly warnings: readonly string[];
  /** Without the bytes that the plan writes, which may hold secrets. */
  toJSON(): unknown;
}

/** What an installation needs of other packages. */
export interface InstallParts extends Pick<OperationParts, 'openSource' | 'runStage'> {
  /** Gets the configuration from another machine, where the medium's own does not ask for an installation. */
  pair?(host: Host, collected: CollectedConfig, options: InstallOptions): Promise<CollectedConfig>;
}

async function readConfig(host: Host, options: InstallOptions, parts: InstallParts) {
  let collected = await collectConfig(host, {
    directories: options.unattended || options.useDefaultDirectories ? configDirectories : [],
    files: [
      ...(options.configFile === undefined ? [] : [options.configFile]),
      ...(options.moreConfigFiles ?? []),
    ],
    commandLine: true,
    ...(options.remote === undefined ? {} : { remote: options.remote }),
  });
  const isAsked = () => isMapping(collected.config.install) && collected.config.install.auto === true;
  const paired = options.unattended && !isAsked() && parts.pair !== undefined && !options.dryRun;
  if (paired) collected = (await parts.pair?.(host, collected, options)) ?? collected;
  const { config, warnings } = checkInstallConfig(collected, {
    ...(options.strict === undefined ? {} : { strict: options.strict }),
    allowNoUsers: host.files.exists(allowNoUsersFile),
    remote: options.remote !== undefined,
  });
  if (options.unattended && !paired && !config.install?.auto) {
    throw new KairosError(
      'INSTALL_NOT_ASKED',
      'The configuration does not ask for an unattended installation',
      {
        exit: 'wrongState',
        hint: 'Set `install.auto: true`, or use the web installer, `kairos-agent interactive-install` or `manual-install`',
        details: { read: collected.documents.map(({ file }) => file) },
      },
    );
  }
  return { collected, config, warnings: [...warnings] };
}

/** The image of the live medium, or of the given source. */
async function openImage(
  host: Host,
  uri: string | undefined,
  parts: InstallParts,
  options: SourceOptions,
): Promise<ImageSource> {
  if (uri !== undefined) return parts.openSource(host, uri, options);
  const state = bootStateOf(host.files.readTextIfAny('/proc/cmdline') ?? '');
  if (state !== 'livecd') {
    throw new KairosError(
      'NOT_LIVE',
      `There is no image to install: the machine was not started from a live medium (${bootStateNames[state]})`,
      { exit: 'wrongState', hint: 'Start from the ISO, or name an image with --source' },
    );
  }
  const slot = `${paths.live}${slotDirectory('live')}`;
  return { image: bootFormFromDirectory(host.files.real(slot), slot), close: () => undefined };
}

/** The drive that `eject-cd` means: the one of the live medium, where that is a disc and something can open it. */
function ejectedDrive(
  host: Host,
  config: InstallConfig,
  warn: (message: string) => void,
): string | undefined {
  if (!config['eject-cd']) return undefined;
  const drive = host.mounts().find(({ target }) => target === paths.live)?.source;
  if (!drive || !/^\/dev\/sr\d+$/.test(drive)) return undefined;
  if (host.which('eject') && host.files.exists('/run/systemd/system')) return drive;
  warn('eject-cd: the medium stays in its drive: the image has no program eject, or no systemd');
  return undefined;
}

function resultOf(plan: InstallPlan, installed: boolean, warnings: readonly string[]): InstallResult {
  return { plan, installed, warnings, toJSON: () => ({ installed, warnings, plan: planToJson(plan) }) };
}

/** {@link install} with the parts given, for those who bring their own. */
export async function installWith(
  machine: Host,
  given: InstallOptions,
  parts: InstallParts,
): Promise<InstallResult> {
  checkRoot(machine);
  const wished = process.env.KAIROS_AGENT_PROGRESS;
  const events = wished
    ? progressEvents((line) => process.stdout.write(line), { detail: wished === 'detail' })
    : undefined;
  const options: InstallOptions = {
    ...given,
    onProgress(progress) {
      events?.report(progress);
      given.onProgress(progress);
    },
  };
  const { collected, config, warnings } = await readConfig(machine, options, parts);
  const install = config.install ?? {};
  const after = afterwards(options, install);
  const host = withEnvironment(machine, environmentOf(config));
  const warn = (message: string) => {
    warnings.push(message);
    options.onProgress({ step: 'warning', message });
  };
  for (const message of warnings) options.onProgress({ step: 'warning', message });

  const extraPaths = extraPathsOf(config);
  const work = async ({ cleanup, signal }: Operation) => {
    const context = (image: BootForm | undefined): InstallContext => ({
      ...{ host, image, cleanup, signal, warn, now: () => new Date() },
      strict: config.strict ?? false,
      report: options.onProgress,
      ...stagesOf({ host, collected, extraPaths, warn }, parts, signal, options.onProgress),
      installBundles: (target) =>
        installTargetBundles(host, collected.config, target, {
          ...{ warn, signal, now: () => new Date() },
          tell: (message) => options.onProgress({ step: 'bundles', message }),
        }),
    });
    if (!options.dryRun) {
      // Two installers on one machine would mount in the same places.
      cleanup.push('the lock', takeLock(machine, 'installing', new Date()));
      await carryOutAll(preparation, context(undefined));
    }
    const uri =
      options.source || install.system?.source || install.system?.uri || install.source || undefined;
    const source = await openImage(host, uri, parts, {
      insecure: options.allowInsecureRegistries || (install['allow-insecure-registries'] ?? false),
      signal,
      report: options.onProgress,
      approve: signatureApproval(host, config),
    });
    const { image } = source;
    cleanup.push('the source', () => source.close());
    const architecture = hostArchitecture();
    checkArchitecture(image.source, image.manifest, architecture);
    const plan = planInstall(
      {
        architecture,
        firmware: host.files.exists('/sys/firmware/efi') ? 'efi' : 'bios',
        target: await inspectDisk(host, await chooseDisk(host, options.device || install.device || 'auto')),
        image,
        bootloader: await readBootloaderPayload(image),
      },
      {
        ...wishOf(collected, config, {
          ...{ force: options.force ?? false, after },
          ejects: ejectedDrive(host, config, warn),
        }),
        chrootStage: stagePositions(host, 'after-install-chroot', collected, extraPaths).length > 0,
      },
    );
    if (options.dryRun) return resultOf(plan, false, warnings);
    await carryOutAll(plan.steps, context(image), events?.step);
    events?.step('done');
    options.onProgress({
      step: 'done',
      message: `installed ${plan.image.name} ${plan.image.version} on ${plan.disk.path}`,
    });
    if (after !== 'nothing' && !options.leaveRunning) await endMachine(host, after, warn);
    return resultOf(plan, true, warnings);
  };
  return runOperation({ signal: options.signal, ignoreSignals: options.ignoreSignals, warn }, (operation) =>
    work(operation).catch((error) => {
      events?.error(reasonOf(error));
      throw error;
    }),
  );
}

/** Pairs through the plug-ins of the medium. */
function pairWithPlugins(
  host: Host,
  collected: CollectedConfig,
  options: InstallOptions,
): Promise<CollectedConfig> {
  const warn = (message: string) => options.onProgress({ step: 'warning', message });
  return runOperation({ signal: options.signal, warn }, async ({ signal }) =>
    pair(
      providersOf(host, collected, {
        ...{ signal, warn },
        tell: (message) => options.onProgress({ step: 'pair', message }),
      }),
      options.show ?? ((text) => process.stdout.write(text)),
    ),
  );
}

/**
 * Installs the system on a disk: plans first, refuses where something speaks against it, then writes.
 * @throws KairosError of the configuration (`CONFIG_*`, `NO_ADMIN_USER`), the source, the disk (`DISK_*`, `NO_DISK`) and
 *   of the work itself; docs/install.md
 */
export function install(host: Host, options: InstallOptions): Promise<InstallResult> {
  return installWith(
    host,
    { remote: remoteReader(host), ...options },
    { openSource: openImageSource, runStage: runHookStage, pair: pairWithPlugins },
  );
}
