import { KairosError, reasonOf } from '@kairos/facts/errors';
import { paths } from '@kairos/facts/paths';
import { formatSize } from '@kairos/facts/size';
import type { MountRequest } from '@kairos/host/host';
import type { BlockDevice } from './block-devices.ts';
import type { BootContext } from './boot-context.ts';
import type { ActionKind, ActionOf, BootStep } from './boot-plan.ts';
import type { ActionResult } from './execute-plan.ts';
import { linkExtensions } from './extensions.ts';
import { checkFilesystem, needsNoCheck } from './filesystem-check.ts';
import { renderFstab } from './fstab.ts';
import { growVolume } from './grow-volume.ts';
import { hasOwnSteps } from './hardware.ts';
import { dashed, mergedLayoutFile, resolveLayout } from './layout.ts';
import { ensureMountPoint, isMounted, mountAndNote, mountWithModule } from './mounting.ts';
import { settleHostname, settleMachineId } from './node-identity.ts';
import { settleState } from './state-across-slots.ts';

/** Where the ephemeral overlays keep what is written. */
const overlayBase = '/run/overlay';
/** Milliseconds to wait for a volume. The initrd has waited for the boot disk; this one may be on another. */
const volumeTimeout = 10_000;
/** What stands in for a missing persistent volume must not take the memory that the node needs to run. */
const standInSize = '25%';

/** The group `admin`, which the accounts' cloud-config makes with this id. */
const adminGroup = 900;
const oemMode = 0o770;

type Action<Kind extends ActionKind> = (
  context: BootContext,
  action: ActionOf<Kind>,
) => ActionResult | Promise<ActionResult>;

const done: ActionResult = {};

/** Finds, checks and mounts a device. The problems are those that did not stop the mount. */
async function mountDevice(
  context: BootContext,
  request: { source: string; target: string; options: readonly string[]; timeout: number },
): Promise<{ readonly device: BlockDevice; readonly problems: string[] } | undefined> {
  const { host, devices, facts } = context;
  const { source, target, options, timeout } = request;
  const found = await devices.find(source, timeout);
  if (found === undefined) return undefined;
  const { device, others } = found;
  const problems: string[] = [];
  if (others.length > 0) {
    const names = others.map((other) => other.path).join(', ');
    problems.push(`${source} is on ${device.path} and also on ${names}; took ${device.path}`);
  }
  ensureMountPoint(host, target);
  const wanted: MountRequest = { source: device.path, target, type: device.type, options };
  if (needsNoCheck(host, device, facts.check)) {
    try {
      await mountAndNote(context, wanted, source);
      return { device, problems };
    } catch {
      // It looked clean and is not: checked now, and what the second attempt says counts.
    }
  }
  const trouble = await checkFilesystem(host, device, facts.check);
  if (trouble !== undefined) problems.push(trouble);
  if (device.type === '') {
    throw new KairosError(
      'NO_FILESYSTEM',
      `Cannot mount ${device.path} (${source}): it holds no known file system`,
    );
  }
  await mountAndNote(context, wanted, source);
  return { device, problems };
}

/** OEM holds passwords and keys: for root and the group of administrators only. */
function protectOem({ host: { files, uid } }: BootContext): void {
  const status = files.status(paths.oem);
  if (status === undefined || uid !== 0) return;
  if (status.gid !== adminGroup) files.chown(paths.oem, 0, adminGroup);
  if (status.mode !== oemMode) files.chmod(paths.oem, oemMode);
}

function notFound(context: BootContext, source: string, seconds: number): KairosError {
  const seen = context.devices.seen().join(', ') || 'none';
  return new KairosError(
    'DEVICE_NOT_FOUND',
    `No device is ${source}${seconds > 0 ? ` after ${seconds} s` : ''}; block devices seen: ${seen}`,
  );
}

/** One function for each kind of step. Each may be run again on a system where it has been run before. */
const actions: { readonly [Kind in ActionKind]: Action<Kind> } = {
  sentinel({ host }, { name }) {
    host.files.write(`${paths.runCos}/${name}`, '1');
    return done;
  },

  async tmpfs(context, { target, options }) {
    if (isMounted(context.host, target)) return { note: 'mounted already' };
    ensureMountPoint(context.host, target);
    await mountAndNote(context, { source: 'tmpfs', target, type: 'tmpfs', options });
    return done;
  },

  async oem(context, { label, expected, timeout }) {
    if (isMounted(context.host, paths.oem)) return { note: 'mounted already' };
    const source = `LABEL=${label}`;
    const mounted = await mountDevice(context, {
      source,
      target: paths.oem,
      options: ['rw'],
      timeout: expected ? timeout : 0,
    });
    if (mounted !== undefined) {
      protectOem(context);
      return { problems: mounted.problems, note: mounted.device.path };
    }
    if (expected) throw notFound(context, source, timeout / 1000);
    return { note: `no ${source}` };
  },

  async stage(context, { stage }) {
    const trouble = hasOwnSteps(context.host, stage) ? await context.loadHardware('own-steps') : undefined;
    const troubles = await context.runStage(context.host, stage);
    context.stageTroubles.push(...troubles);
    return {
      problems: [
        ...(trouble === undefined ? [] : [trouble]),
        ...troubles
          .filter(({ severity }) => severity === 'error')
          .map(({ position, step, message }) => [position, step, message].filter(Boolean).join(': ')),
      ],
    };
  },

  layout(context) {
    const { files } = context.host;
    const texts = {
      layout: files.readTextIfAny(paths.layoutEnv),
      extra: files.readTextIfAny(paths.extraLayoutEnv),
      custom: files.readTextIfAny(paths.customLayoutEnv),
    };
    const { layout, problems } = resolveLayout(texts, context.facts);
    context.layout = layout;
    const merged = mergedLayoutFile(texts, layout);
    if (merged !== undefined && context.facts.state !== 'livecd') files.write(paths.layoutEnv, merged);
    return { problems };
  },

  async 'overlay-base'(context, { backing }) {
    const { host, mounted } = context;
    if (isMounted(host, overlayBase)) return { note: 'mounted already' };
    host.files.makeDirectory(overlayBase, { mode: 0o700 });
    const problems: string[] = [];
    if (!backing.startsWith('tmpfs')) {
      try {
        const device = await mountDevice(context, {
          source: backing,
          target: overlayBase,
          options: ['rw'],
          timeout: volumeTimeout,
        });
        if (device !== undefined) return { problems: device.problems };
        problems.push(`${notFound(context, backing, volumeTimeout / 1000).message}; using memory instead`);
      } catch (error) {
        problems.push(`${reasonOf(error)}; using memory instead`);
      }
    }
    const size = /^tmpfs:(.+)$/.exec(backing)?.[1];
    const request = {
      source: 'tmpfs',
      target: overlayBase,
      type: 'tmpfs',
      options: ['mode=0700', ...(size === undefined ? [] : [`size=${size}`])],
    };
    await mountWithModule(host, request);
    mounted.push(request);
    return { problems };
  },

  async overlay(context, { path }) {
    const { host } = context;
    const { files } = host;
    const already = host.mounts().findLast((mount) => mount.target === path);
    if (already?.type === 'overlay') return { note: 'mounted already' };
    ensureMountPoint(host, path);
    const place = `${overlayBase}/${dashed(path)}/.overlay`;
    const [upper, work] = [`${place}/upper`, `${place}/work`];
    files.makeDirectory(upper);
    files.makeDirectory(work);
    // The top of an overlay has the owner and mode of the upper directory, not of the lower one.
    const lower = files.status(`${path}/.`);
    const made = files.status(upper);
    if (lower !== undefined && made !== undefined) {
      if (lower.uid !== made.uid || lower.gid !== made.gid) files.chown(upper, lower.uid, lower.gid);
      files.chmod(upper, lower.mode);
    }
    await mountAndNote(context, {
      source: 'overlay',
      target: path,
      type: 'overlay',
      options: [`lowerdir=${path}`, `upperdir=${upper}`, `workdir=${work}`],
    });
    return done;
  },

  async volume(context, { source, target, writable, standIn }) {
    const { host, volumes } = context;
    let trouble: KairosError | undefined;
    if (source === undefined) {
      trouble = new KairosError(
        'NO_STATE_VOLUME',
        'The layout has persistent paths and no volume that holds them',
        {
          hint: 'Name one in VOLUMES, such as LABEL=COS_PERSISTENT:/usr/local',
        },
      );
    } else {
      try {
        const found = (await context.devices.find(source, volumeTimeout))?.device.path;
        const there = host.mounts().findLast((mount) => mount.target === target)?.source;
        if (found !== undefined && there === found) return { note: 'mounted already' };
        const mounted = await mountDevice(context, {
          source,
          target,
          options: [writable ? 'rw' : 'ro'],
          timeout: 0,
        });
        if (mounted !== undefined) {
          volumes.set(target, mounted.device);
          return { problems: mounted.problems, note: mounted.device.path };
        }
        trouble = notFound(context, source, volumeTimeout / 1000);
      } catch (error) {
        trouble = error instanceof KairosError ? error : new KairosError('MOUNT_FAILED', reasonOf(error));
      }
    }
    if (!standIn) throw trouble;
    ensureMountPoint(host, target);
    const options = ['mode=0755', `size=${standInSize}`];
    await mountAndNote(context, { source: 'tmpfs', target, type: 'tmpfs', options });
    return {
      problems: [
        `${trouble.message}${trouble.hint === undefined ? '' : ` (${trouble.hint})`}; ` +
          `${target} is in memory and what is written there is lost at the next boot`,
      ],
    };
  },

  async grow({ host, volumes }, { target }) {
    const device = volumes.get(target);
    if (device === undefined) return { note: 'nothing to grow' };
    const what = await growVolume(host, device, target);
    return what === undefined ? done : { note: what };
  },

  async seed(context, { paths: given, stateTarget }) {
    const { host, facts } = context;
    const release = paths.kairosRelease;
    const image =
      facts.imageHash ?? (host.files.exists(release) ? `release ${host.files.sha256(release)}` : 'unknown');
    const version = /^KAIROS_VERSION="?([^"\n]*)"?$/m.exec(host.files.readTextIfAny(release) ?? '')?.[1];
    const outcome = await settleState(host, given, stateTarget, {
      image,
      ...(version === undefined ? {} : { version }),
    });
    context.seedFailures = outcome.failures;
    return {
      problems: outcome.problems,
      ...(outcome.note === undefined ? {} : { note: outcome.note }),
    };
  },

  async bind(context, { path, state, optional }) {
    const { host, seedFailures } = context;
    const reason = seedFailures.get(path);
    if (reason !== undefined) {
      throw new KairosError('NOT_SEEDED', `Its persistent directory could not be made ready: ${reason}`);
    }
    // Read once for all of them: the table grows with each, and reading it is most of what a bind costs.
    context.boundBefore ??= new Set(
      host
        .mounts()
        .filter(({ options }) => options.includes('bind'))
        .map(({ target }) => target),
    );
    if (context.boundBefore.has(path)) return { note: 'mounted already' };
    try {
      ensureMountPoint(host, path);
    } catch (error) {
      if (optional) return { note: 'not in this image' };
      throw error;
    }
    await mountAndNote(context, { source: state, target: path, type: 'none', options: ['bind'] });
    return done;
  },

  'machine-id'(context, { persistent }) {
    const { id, ...result } = settleMachineId(context.host, persistent, context.facts.machineId);
    context.machineId = id;
    return result;
  },

  hostname(context, { persistent }) {
    const { hostname, ...result } = settleHostname(context.host, persistent, context.machineId ?? 'node');
    context.hostname = hostname;
    return result;
  },

  extensions({ host }, { profile }) {
    return linkExtensions(host.files, profile);
  },

  'share-root'({ host }) {
    // Container runtimes expect it, and only systemd would do it by itself.
    host.mount({ source: 'none', target: '/', type: 'none', options: ['rshared'] });
    return done;
  },

  fstab(context) {
    const { host, mounted } = context;
    const table = host.mounts();
    const own = [
      { target: '/', options: ['ro'] },
      { target: paths.cosState, options: ['ro'] },
    ].flatMap(({ target, options }) => {
      const mount = table.findLast((one) => one.target === target);
      return mount === undefined ? [] : [{ source: mount.source, target, type: mount.type, options }];
    });
    host.files.write('/etc/fstab', renderFstab([...own, ...mounted]));
    return {
      note: `${mounted.length} mounts, ${formatSize(host.freeSpace(overlayBase))} for ephemeral data`,
    };
  },
};

/** Carries out one step. */
export function performStep(context: BootContext, step: BootStep): ActionResult | Promise<ActionResult> {
  // The table maps each kind to the action of that kind, which the compiler cannot see through the union.
  const action = actions[step.action.kind] as Action<ActionKind>;
  return action(context, step.action as ActionOf<ActionKind>);
}
