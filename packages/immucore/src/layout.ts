import { labels } from '@kairos/facts/labels';
import { paths } from '@kairos/facts/paths';
import { dashedPath } from '@kairos/facts/persistent-state';
import type { BootFacts } from './boot-facts.ts';
import { listOf, parseEnvironment, quoteValue } from './environment-file.ts';

/** A partition to mount. */
export interface Volume {
  /** `LABEL=…`, `UUID=…`, `PARTLABEL=…`, `PARTUUID=…` or a path below `/dev`. */
  readonly source: string;
  readonly target: string;
  readonly writable: boolean;
}

/** What of the root is ephemeral, what persists, and where. */
export interface Layout {
  /** Backing of the ephemeral overlays: `tmpfs:<size>`, or a device that holds them. */
  readonly overlay: string;
  readonly volumes: readonly Volume[];
  /** Paths with an overlay, parents before children. */
  readonly ephemeral: readonly string[];
  /** Paths bound to persistent directories, parents before children. */
  readonly persistent: readonly string[];
  /** Directory that holds the persistent directories. */
  readonly stateTarget: string;
}

export interface LayoutFiles {
  /** `cos-layout.env`; `undefined` where no stage wrote one. */
  readonly layout: string | undefined;
  /** Paths that the distribution wants persistent. */
  readonly extra: string | undefined;
  /** Paths that the user asked for at installation. */
  readonly custom: string | undefined;
}

/** Ephemeral and persistent paths of an active or passive boot where no stage says otherwise. */
export const defaultEphemeralPaths = ['/var', '/etc', '/srv'] as const;
export const defaultPersistentPaths = [
  '/etc/cni',
  '/etc/init.d',
  '/etc/iscsi',
  '/etc/k0s',
  '/etc/kubernetes',
  '/etc/modprobe.d',
  '/etc/pwx',
  '/etc/rancher',
  '/etc/runlevels',
  '/etc/ssh',
  '/etc/ssl/certs',
  '/etc/ssl/private',
  '/etc/sysconfig',
  '/etc/systemd',
  '/etc/zfs',
  '/home',
  '/opt',
  '/root',
  '/var/cores',
  '/var/lib/ca-certificates',
  '/var/lib/calico',
  '/var/lib/cni',
  '/var/lib/confexts',
  '/var/lib/containerd',
  '/var/lib/dbus',
  '/var/lib/etcd',
  '/var/lib/extensions',
  '/var/lib/k0s',
  '/var/lib/kairos',
  '/var/lib/kubelet',
  '/var/lib/longhorn',
  '/var/lib/osd',
  '/var/lib/rancher',
  '/var/lib/rook',
  '/var/lib/tailscale',
  '/var/lib/wicked',
  '/var/log',
] as const;

/** Overlays where a layout names none: recovery, reset, and layouts that forgot. */
export const fallbackEphemeralPaths = [
  '/etc',
  '/root',
  '/home',
  '/opt',
  '/srv',
  '/usr/local',
  '/var',
] as const;

const fallbackBacking = 'tmpfs:20%';
const defaultBacking = 'tmpfs:25%';

/** Whether the node keeps state on this boot. Recovery and reset must not depend on it. */
export function keepsState(facts: Pick<BootFacts, 'state'>): boolean {
  return facts.state === 'active' || facts.state === 'passive';
}

const volumeForm = /^((?:LABEL|UUID|PARTLABEL|PARTUUID)=[^:]+|\/dev\/[^:]+):(.+)$/;
const backingForm = /^(tmpfs(:\d+[kKmMgG%]?)?|(LABEL|UUID|PARTLABEL|PARTUUID)=.+|\/dev\/.+)$/;
/** Trees that the kernel serves, and the root itself: a mount there would break the boot. */
const forbidden = ['/proc', '/sys', '/dev', '/run'];

/** A path in its shortest form, or the reason why it cannot be used. */
function normalPath(given: string): { readonly path: string } | { readonly reason: string } {
  if (!given.startsWith('/')) return { reason: 'it is not absolute' };
  const names = given.split('/').filter((name) => name !== '' && name !== '.');
  if (names.includes('..')) return { reason: 'it contains ..' };
  const path = `/${names.join('/')}`;
  if (path === '/') return { reason: 'it is the root itself' };
  if (/[:,\\"]/.test(path)) return { reason: 'it holds a colon, comma, quote or backslash' };
  const tree = forbidden.find((name) => path === name || path.startsWith(`${name}/`));
  if (tree !== undefined) return { reason: `${tree} belongs to the kernel and the boot` };
  return { path };
}

/** Whether `path` is `tree` or lies in it. */
export function isWithin(path: string, tree: string): boolean {
  return path === tree || tree === '/' || path.startsWith(`${tree}/`);
}

/**
 * Parents before children: fewest path components first, then by last component, then by the whole path. The first
 * two are what users of the original see in their mount tables.
 */
export function byDepth(a: string, b: string): number {
  const [left, right] = [a.split('/'), b.split('/')];
  if (left.length !== right.length) return left.length - right.length;
  const compare = (x: string, y: string) => (x < y ? -1 : x > y ? 1 : 0);
  return compare(left.at(-1) ?? '', right.at(-1) ?? '') || compare(a, b);
}

/** `/etc/ssh` as one name: `etc-ssh`. */
export const dashed = dashedPath;

class LayoutReader {
  readonly problems: string[] = [];

  environment(file: string, text: string | undefined): ReadonlyMap<string, string> {
    const { values, problems } = parseEnvironment(text ?? '');
    for (const { line, message } of problems) this.problems.push(`${file}:${line}: ${message}`);
    return values;
  }

  paths(variable: string, given: readonly string[]): string[] {
    const found = new Set<string>();
    const names = new Map<string, string>();
    for (const word of given) {
      const normal = normalPath(word);
      if ('reason' in normal) {
        this.problems.push(`${variable}: cannot use ${word}: ${normal.reason}`);
        continue;
      }
      const other = names.get(dashed(normal.path));
      if (other !== undefined && other !== normal.path) {
        this.problems.push(
          `${variable}: cannot use ${normal.path}: ${other} has the same name, ${dashed(other)}, in storage`,
        );
        continue;
      }
      names.set(dashed(normal.path), normal.path);
      found.add(normal.path);
    }
    return [...found].sort(byDepth);
  }

  volumes(variable: string, given: readonly string[]): Volume[] {
    const found: Volume[] = [];
    for (const word of given) {
      const [, source = '', place = ''] = volumeForm.exec(word) ?? [];
      const normal = source === '' ? { reason: 'expected LABEL=name:/path' } : normalPath(place);
      if ('reason' in normal) {
        this.problems.push(`${variable}: cannot use ${word}: ${normal.reason}`);
        continue;
      }
      const writable = [labels.persistent, labels.oem].some((label) => source.includes(label));
      found.push({ source, target: normal.path, writable });
    }
    return found;
  }
}

/**
 * Makes the layout out of what the `rootfs` stage left in `/run/cos`. Never fails: what cannot be used is a problem,
 * and what is missing has a default, because half a layout is better than a node with no writable `/etc`.
 */
export function resolveLayout(
  files: LayoutFiles,
  facts: Pick<BootFacts, 'state' | 'overlay' | 'mounts'>,
): { readonly layout: Layout; readonly problems: readonly string[] } {
  const reader = new LayoutReader();
  const stateful = keepsState(facts);
  const values = reader.environment(paths.layoutEnv, files.layout);
  const absent = files.layout === undefined;
  if (absent) {
    reader.problems.push(
      `no stage wrote ${paths.layoutEnv}; using the ${stateful ? 'default' : 'ephemeral'} layout`,
    );
  }
  const given = (variable: string, fallback: readonly string[]): readonly string[] =>
    absent && stateful ? fallback : listOf(values.get(variable));

  // Paths of the distribution and of the user join the layout of the installed system only: recovery has no state.
  const extra = stateful ? reader.environment(paths.extraLayoutEnv, files.extra) : undefined;
  const custom = stateful ? reader.environment(paths.customLayoutEnv, files.custom) : undefined;
  const persistent = reader.paths('PERSISTENT_STATE_PATHS', [
    ...given('PERSISTENT_STATE_PATHS', defaultPersistentPaths),
    ...listOf(values.get('CUSTOM_BIND_MOUNTS')),
    ...listOf(extra?.get('PERSISTENT_STATE_PATHS')),
    ...listOf(custom?.get('CUSTOM_BIND_MOUNTS')),
  ]);
  const named = reader.paths('RW_PATHS', given('RW_PATHS', defaultEphemeralPaths));
  const ephemeral = reader.paths('RW_PATHS', [
    ...(named.length > 0 ? named : fallbackEphemeralPaths),
    ...listOf(values.get('CUSTOM_EPHEMERAL_MOUNTS')),
    ...listOf(custom?.get('CUSTOM_EPHEMERAL_MOUNTS')),
  ]);

  const targets = new Map<string, Volume>();
  for (const volume of [
    ...reader.volumes('VOLUMES', given('VOLUMES', [`LABEL=${labels.persistent}:${paths.persistent}`])),
    ...reader.volumes('rd.cos.mount', facts.mounts),
  ]) {
    targets.set(volume.target, volume);
  }

  const target = normalPath(values.get('PERSISTENT_STATE_TARGET') || paths.stateTarget);
  if ('reason' in target) {
    reader.problems.push(`PERSISTENT_STATE_TARGET: ${target.reason}; using ${paths.stateTarget}`);
  }
  const stateTarget = 'path' in target ? target.path : paths.stateTarget;

  const backing =
    values.get('OVERLAY') || (absent && stateful ? defaultBacking : (facts.overlay ?? fallbackBacking));
  if (!backingForm.test(backing)) {
    reader.problems.push(
      `OVERLAY: expected tmpfs:<size> or a device, found ${backing}; using ${defaultBacking}`,
    );
  }

  const usable = (path: string): boolean => {
    if (!isWithin(stateTarget, path)) return true;
    reader.problems.push(
      `PERSISTENT_STATE_PATHS: cannot use ${path}: it holds the state itself, ${stateTarget}`,
    );
    return false;
  };
  return {
    layout: {
      overlay: backingForm.test(backing) ? backing : defaultBacking,
      volumes: [...targets.values()]
        // State that cannot be written is none, whatever its volume is called.
        .map((volume) => ({ ...volume, writable: volume.writable || isWithin(stateTarget, volume.target) }))
        .sort((a, b) => byDepth(a.target, b.target)),
      ephemeral,
      persistent: persistent.filter(usable),
      stateTarget,
    },
    problems: reader.problems,
  };
}

/**
 * The text of `cos-layout.env` with the user's paths merged in, as scripts of the field expect to find them there;
 * `undefined` where the user asked for none.
 */
export function mergedLayoutFile(files: LayoutFiles, layout: Layout): string | undefined {
  const custom = parseEnvironment(files.custom ?? '').values;
  if (
    listOf(custom.get('CUSTOM_BIND_MOUNTS')).length + listOf(custom.get('CUSTOM_EPHEMERAL_MOUNTS')).length ===
    0
  ) {
    return undefined;
  }
  const values = new Map(parseEnvironment(files.layout ?? '').values);
  values.set('RW_PATHS', layout.ephemeral.join(' '));
  values.set('PERSISTENT_STATE_PATHS', layout.persistent.join(' '));
  return [...values].map(([name, value]) => `${name}=${quoteValue(value)}\n`).join('');
}
