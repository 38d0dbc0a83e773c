import type { HostFiles } from '@kairos/host/host';
import type { Field } from './field.ts';

/**
 * Enabling, disabling and masking by links, as systemctl(1) does it on a system that does not run, for roots that have
 * no systemctl. systemd.unit(5), section "[Install] section options".
 */

const administrator = '/etc/systemd/system';
const unitDirectories = [
  administrator,
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
];

/** `getty@tty1.service` → `getty@.service` and `tty1`. */
function splitInstance(unit: string): { readonly template: string | undefined; readonly instance: string } {
  const match = /^([^@]+@)([^@]*)(\.[a-z]+)$/.exec(unit);
  if (match?.[1] === undefined || match[3] === undefined || match[2] === '') {
    return { template: undefined, instance: '' };
  }
  return { template: match[1] + match[3], instance: match[2] ?? '' };
}

function unitFile(files: HostFiles, unit: string): string | undefined {
  const names = [unit, splitInstance(unit).template].filter((name) => name !== undefined);
  for (const name of names) {
    const found = unitDirectories
      .map((directory) => `${directory}/${name}`)
      .find((path) => files.exists(path));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The words of each key of `[Install]`. */
export function installSection(text: string): ReadonlyMap<string, readonly string[]> {
  const keys = new Map<string, string[]>();
  let section = '';
  for (const line of text.replace(/\\\n/g, ' ').split('\n')) {
    const header = /^\s*\[(.+)\]\s*$/.exec(line);
    if (header) section = header[1] ?? '';
    const [, key, value] = /^\s*([A-Za-z]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (section !== 'Install' || key === undefined || value === undefined || /^\s*[#;]/.test(line)) continue;
    keys.set(key, [...(keys.get(key) ?? []), ...value.split(/\s+/).filter(Boolean)]);
  }
  return keys;
}

/** Makes the links that the unit's `[Install]` section asks for, and those of the units in `Also=`. */
export function enableUnit(files: HostFiles, unit: string, field: Field, done = new Set<string>()): void {
  if (done.has(unit)) return;
  done.add(unit);
  const path = unitFile(files, unit);
  if (path === undefined) throw field.invalid('UNIT_UNKNOWN', `there is no unit ${unit}`);
  const install = installSection(files.readText(path));
  const { instance } = splitInstance(unit);
  const [standard] = install.get('DefaultInstance') ?? [];
  const bare = /^([^@]+@)(\.[a-z]+)$/.exec(unit);
  const name = bare && standard !== undefined ? `${bare[1]}${standard}${bare[2]}` : unit;
  const expand = (text: string) =>
    text
      .replaceAll('%i', instance || (standard ?? ''))
      .replaceAll('%p', name.split(/[@.]/)[0] ?? '')
      .replaceAll('%n', name);
  const links = [
    ...(install.get('WantedBy') ?? []).map((target) => `${expand(target)}.wants/${name}`),
    ...(install.get('RequiredBy') ?? []).map((target) => `${expand(target)}.requires/${name}`),
    ...(install.get('UpheldBy') ?? []).map((target) => `${expand(target)}.upholds/${name}`),
    ...(install.get('Alias') ?? []).map(expand),
  ];
  for (const link of links) {
    if (link.includes('..') || link.startsWith('/'))
      throw field.invalid('UNIT_INVALID', `${path} asks for the link ${link}`);
    files.symlink(path, `${administrator}/${link}`);
  }
  for (const other of install.get('Also') ?? []) enableUnit(files, expand(other), field, done);
}

/** Removes every link to the unit below `/etc/systemd/system`. */
export function disableUnit(files: HostFiles, unit: string): void {
  for (const entry of files.list(administrator)) {
    const path = `${administrator}/${entry}`;
    const kind = files.status(path)?.kind;
    if (kind === 'directory' && /\.(wants|requires|upholds)$/.test(entry)) {
      const link = `${path}/${unit}`;
      if (files.status(link)?.kind === 'symlink') files.remove(link);
    } else if (kind === 'symlink' && entry !== unit && files.readLink(path).split('/').at(-1) === unit) {
      files.remove(path);
    }
  }
}

/** Points the unit at `/dev/null`, so that nothing can start it. */
export function maskUnit(files: HostFiles, unit: string): void {
  const path = `${administrator}/${unit}`;
  const old = files.status(path);
  if (old?.kind === 'symlink' && files.readLink(path) === '/dev/null') return;
  if (old?.kind === 'file') {
    throw new Error(`${path} is a file, and masking would lose it; remove it first`);
  }
  files.symlink('/dev/null', path);
}
