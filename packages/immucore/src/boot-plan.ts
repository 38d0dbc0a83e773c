import { sentinels } from '@kairos/facts/boot-state';
import { type ExtensionProfile, profileOfBoot } from '@kairos/facts/extensions';
import { persistentDirectory } from '@kairos/facts/persistent-state';
import type { BootFacts } from './boot-facts.ts';
import { defaultPersistentPaths, isWithin, keepsState, type Layout } from './layout.ts';

/**
 * What the failure of a step means.
 *
 * - `must`: this image cannot run here; the boot loader should try the other slot.
 * - `degrade`: the node comes up and says what it lacks, because another slot would lack the same.
 * - `ignore`: recorded, and nothing else.
 */
export type Criticality = 'must' | 'degrade' | 'ignore';

/** What a step does. The executor has one function for each kind. */
export type BootAction =
  | { readonly kind: 'sentinel'; readonly name: string }
  | { readonly kind: 'tmpfs'; readonly target: string; readonly options: readonly string[] }
  | { readonly kind: 'oem'; readonly label: string; readonly expected: boolean; readonly timeout: number }
  | { readonly kind: 'stage'; readonly stage: 'rootfs' | 'initramfs' }
  | { readonly kind: 'layout' }
  | { readonly kind: 'overlay-base'; readonly backing: string }
  | { readonly kind: 'overlay'; readonly path: string }
  | {
      readonly kind: 'volume';
      /** `undefined` where the layout forgot the volume that its state needs. */
      readonly source: string | undefined;
      readonly target: string;
      readonly writable: boolean;
      /** Mount a tmpfs where the device is missing, so that what lies on it still works, for this boot. */
      readonly standIn: boolean;
    }
  | { readonly kind: 'grow'; readonly target: string }
  | { readonly kind: 'seed'; readonly paths: readonly string[]; readonly stateTarget: string }
  | {
      readonly kind: 'bind';
      readonly path: string;
      readonly state: string;
      /** A path of the default list: where the image has none and it cannot be made, nothing is lost. */
      readonly optional: boolean;
    }
  | { readonly kind: 'machine-id'; readonly persistent: boolean }
  | { readonly kind: 'hostname'; readonly persistent: boolean }
  /** Links the extensions of a profile, and those of every boot, to where systemd looks. */
  | { readonly kind: 'extensions'; readonly profile: ExtensionProfile }
  | { readonly kind: 'share-root' }
  | { readonly kind: 'fstab' };

export type ActionKind = BootAction['kind'];
export type ActionOf<Kind extends ActionKind> = Extract<BootAction, { kind: Kind }>;

export interface BootStep {
  /** Unique in the plan; stable, because reports name it. */
  readonly name: string;
  readonly criticality: Criticality;
  /** Names of the earlier steps without which this one makes no sense. */
  readonly needs: readonly string[];
  readonly action: BootAction;
}

/** How the root becomes usable: `none` where it is writable already or the command line says to leave it. */
export type Assembly = 'persistent' | 'ephemeral' | 'none';

export function assemblyOf(facts: Pick<BootFacts, 'state' | 'rootWritable' | 'disabled'>): Assembly {
  if (facts.disabled) return 'none';
  if (keepsState(facts)) return 'persistent';
  return facts.rootWritable ? 'none' : 'ephemeral';
}

const step = (
  name: string,
  criticality: Criticality,
  action: BootAction,
  needs: readonly string[] = [],
): BootStep => ({ name, criticality, needs, action });

/** Without these two no init system starts, and another image may have the kernel module that this one lacks. */
const vital = ['/etc', '/var'];

/** The first half of a boot, up to where the layout is known. */
export function planOpening(facts: BootFacts): BootStep[] {
  const assembly = assemblyOf(facts);
  const steps = [step('sentinel', 'must', { kind: 'sentinel', name: sentinels[facts.state] })];
  if (assembly !== 'none') {
    steps.push(
      step('tmp', 'degrade', {
        kind: 'tmpfs',
        target: '/tmp',
        options: ['nosuid', 'nodev', 'mode=1777', 'size=50%'],
      }),
    );
  }
  if (facts.state !== 'livecd') {
    const { label, expected, timeout } = facts.oem;
    steps.push(step('oem', 'degrade', { kind: 'oem', label, expected, timeout }));
  }
  steps.push(step('stage rootfs', 'degrade', { kind: 'stage', stage: 'rootfs' }));
  if (assembly !== 'none') steps.push(step('layout', 'degrade', { kind: 'layout' }));
  return steps;
}

/** The second half: from the layout to the moment before the init system. */
export function planAssembly(facts: BootFacts, layout: Layout): BootStep[] {
  const assembly = assemblyOf(facts);
  const persistent = assembly === 'persistent';
  const steps: BootStep[] = [];
  const etc: string[] = [];
  if (assembly !== 'none') {
    steps.push(step('overlay base', 'must', { kind: 'overlay-base', backing: layout.overlay }));
    for (const path of layout.ephemeral) {
      steps.push(
        step(`overlay ${path}`, vital.includes(path) ? 'must' : 'degrade', { kind: 'overlay', path }, [
          'overlay base',
        ]),
      );
    }
    if (layout.ephemeral.includes('/etc')) etc.push('overlay /etc');
    steps.push(...planState(layout));
  }
  steps.push(
    step('machine-id', 'degrade', { kind: 'machine-id', persistent }, etc),
    step('hostname', 'degrade', { kind: 'hostname', persistent }, etc),
    step('share root', 'ignore', { kind: 'share-root' }),
  );
  const profile = profileOfBoot(facts.state);
  if (profile !== undefined && assembly !== 'none') {
    const store = layout.persistent.find((path) => isWithin('/var/lib/kairos', path));
    steps.push(
      step(
        'extensions',
        'degrade',
        { kind: 'extensions', profile },
        store === undefined ? [] : [`bind ${store}`],
      ),
    );
  }
  if (assembly !== 'none') steps.push(step('fstab', 'degrade', { kind: 'fstab' }, etc));
  steps.push(step('stage initramfs', 'degrade', { kind: 'stage', stage: 'initramfs' }));
  return steps;
}

/** Volumes and what persists on them. */
function planState(layout: Layout): BootStep[] {
  const steps: BootStep[] = [];
  const volumes = [...layout.volumes];
  let holder = volumes.findLast((volume) => volume.writable && isWithin(layout.stateTarget, volume.target));
  const hasState = layout.persistent.length > 0;
  for (const { source, target, writable } of volumes) {
    const standIn = hasState && target === holder?.target;
    steps.push(step(`volume ${target}`, 'degrade', { kind: 'volume', source, target, writable, standIn }));
    if (standIn)
      steps.push(step(`grow ${target}`, 'degrade', { kind: 'grow', target }, [`volume ${target}`]));
  }
  if (!hasState) return steps;
  if (holder === undefined) {
    const target = layout.stateTarget.slice(0, layout.stateTarget.lastIndexOf('/')) || layout.stateTarget;
    holder = { source: '', target, writable: true };
    steps.push(
      step(`volume ${target}`, 'degrade', {
        kind: 'volume',
        source: undefined,
        target,
        writable: true,
        standIn: true,
      }),
    );
  }
  const needs = [`volume ${holder.target}`];
  const optional = new Set<string>(defaultPersistentPaths);
  const { persistent, stateTarget } = layout;
  steps.push(step('seed', 'degrade', { kind: 'seed', paths: persistent, stateTarget }, needs));
  for (const path of persistent) {
    steps.push(
      step(
        `bind ${path}`,
        'degrade',
        { kind: 'bind', path, state: persistentDirectory(stateTarget, path), optional: optional.has(path) },
        ['seed'],
      ),
    );
  }
  return steps;
}

/** The whole plan, where the layout is known beforehand: for `--dry-run` and for tests. */
export function planBoot(facts: BootFacts, layout: Layout): BootStep[] {
  return [...planOpening(facts), ...planAssembly(facts, layout)];
}
