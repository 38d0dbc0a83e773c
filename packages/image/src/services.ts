import type { Host } from '@kairos/host/host';
import type { RootTree } from '@kairos/host/root-tree';
import type { Init } from './flavor.ts';

const unitDirectories = ['/etc/systemd/system', '/usr/lib/systemd/system', '/lib/systemd/system'];

/** What the section `[Install]` of a unit says (systemd.unit(5)). */
export interface InstallSection {
  readonly wantedBy: readonly string[];
  readonly requiredBy: readonly string[];
  readonly alias: readonly string[];
  readonly also: readonly string[];
}

export function parseInstallSection(unit: string): InstallSection {
  const values: Record<string, string[]> = {};
  let section = '';
  for (const line of unit.replace(/\\\n\s*/g, ' ').split('\n')) {
    const trimmed = line.trim();
    const header = /^\[(.+)\]$/.exec(trimmed);
    if (header) section = header[1] ?? '';
    const entry = /^(\w+)\s*=\s*(.*)$/.exec(trimmed);
    if (section !== 'Install' || !entry) continue;
    const [, key = '', value = ''] = entry;
    const list = values[key] ?? [];
    values[key] = list;
    // An empty value clears what stood before it.
    if (value === '') list.length = 0;
    else list.push(...value.split(/\s+/));
  }
  return {
    wantedBy: values.WantedBy ?? [],
    requiredBy: values.RequiredBy ?? [],
    alias: values.Alias ?? [],
    also: values.Also ?? [],
  };
}

function unitPath(tree: RootTree, name: string): string | undefined {
  const template = name.replace(/@[^.]*\./, '@.');
  for (const candidate of [name, template]) {
    for (const directory of unitDirectories) {
      const path = `${directory}/${candidate}`;
      if (tree.isFile(path)) return path;
    }
  }
  return undefined;
}

/** Links of the image, not of the node: `/etc/systemd` persists, so what stands there would outlive an upgrade. */
const enablingDirectory = '/usr/lib/systemd/system';

/**
 * Enables a systemd unit by the links that `systemctl enable` would make, without running anything. Gives the names
 * of units that are not in the root.
 */
function enableUnit(tree: RootTree, name: string, seen: Set<string>): string[] {
  if (seen.has(name)) return [];
  seen.add(name);
  const path = unitPath(tree, name);
  if (path === undefined) return [name];
  const section = parseInstallSection(tree.readText(path) ?? '');
  for (const [suffix, targets] of [
    ['wants', section.wantedBy],
    ['requires', section.requiredBy],
  ] as const) {
    for (const target of targets) tree.symlink(path, `${enablingDirectory}/${target}.${suffix}/${name}`);
  }
  for (const alias of section.alias) {
    if (alias !== name && !tree.isFile(`${enablingDirectory}/${alias}`)) {
      tree.symlink(path, `${enablingDirectory}/${alias}`);
    }
  }
  return section.also.flatMap((other) => enableUnit(tree, other, seen));
}

export interface ServiceWishes {
  readonly init: Init;
  /** Units of systemd; names of init scripts; for OpenRC `runlevel/name`, or a name for the runlevel `default`. */
  readonly enable: readonly string[];
  readonly mask: readonly string[];
}

/** Enables and masks services in a root. Gives the names of those that the root does not have. */
export async function setUpServices(host: Host, tree: RootTree, wishes: ServiceWishes): Promise<string[]> {
  const missing: string[] = [];
  const seen = new Set<string>();
  for (const name of wishes.enable) {
    if (wishes.init === 'systemd') {
      missing.push(...enableUnit(tree, name, seen));
      continue;
    }
    const plain = name.replace(/\.service$/, '');
    const [service = plain, runlevel = 'default'] = plain.split('/').reverse();
    const script = `/etc/init.d/${service}`;
    if (!tree.isFile(script)) missing.push(name);
    else if (wishes.init === 'openrc') tree.symlink(script, `/etc/runlevels/${runlevel}/${service}`);
    // The order of init scripts is in their headers; the distribution's own program reads them.
    else await host.run(['update-rc.d', service, 'defaults'], { chroot: tree.root });
  }
  for (const name of wishes.mask) {
    if (wishes.init === 'systemd') tree.symlink('/dev/null', `${enablingDirectory}/${name}`);
    else if (wishes.init === 'openrc') tree.remove(`/etc/runlevels/default/${name}`);
    else await host.run(['update-rc.d', name, 'disable'], { chroot: tree.root });
  }
  return missing;
}
