import { basename, dirname, isAbsolute, resolve } from 'node:path';
import { paths } from '@kairos/facts/paths';
import type { Host, HostFiles } from '@kairos/host/host';
import { fullPath } from '@kairos/host/run';

/** A plug-in of the node: an executable that answers events of the agent. */
export interface Provider {
  /** The file's name, such as `agent-provider-kairos`: what tells two of them apart. */
  readonly name: string;
  readonly path: string;
}

const namePattern = /^agent-provider-./;
/** Searched behind the directories of PATH. */
const ownDirectories = [paths.providers, '/usr/local/system/providers'];
/** Symbolic links followed to the file, as the kernel's own limit. */
const maximumLinks = 40;

export interface ProviderSearch {
  /** `providers.paths` of the configuration, searched last. */
  readonly paths?: readonly string[];
  /** Directories as in PATH. Default: this process's. */
  readonly searchPath?: string;
  /** Told of executables that are left out, and why. */
  readonly warn: (message: string) => void;
}

/** Where a path leads in the end; `undefined` for a link that leads nowhere. */
function fileBehind(files: HostFiles, path: string): string | undefined {
  let at = path;
  for (let links = 0; links < maximumLinks; links++) {
    const kind = files.status(at)?.kind;
    if (kind !== 'symlink') return kind === undefined ? undefined : at;
    at = resolve(dirname(at), files.readLink(at));
  }
  return undefined;
}

/** Why a file must not be run by root: others than root decide what is in it. */
function reasonToRefuse(host: Host, path: string): string | undefined {
  const file = fileBehind(host.files, path);
  const status = file === undefined ? undefined : host.files.status(file);
  if (status === undefined) return 'it is a link that leads nowhere';
  if (status.kind !== 'file') return 'it is not a file';
  if ((status.mode & 0o111) === 0) return 'it is not executable';
  if (status.uid !== 0 && status.uid !== host.uid) return `it belongs to user ${status.uid}, not to root`;
  if ((status.mode & 0o002) !== 0) return 'everybody may write to it';
  return undefined;
}

/**
 * Finds the plug-ins: executables `agent-provider-*` in the directories of PATH, in `/system/providers`,
 * `/usr/local/system/providers` and those of `providers.paths`, in this order. Of two with one name the first counts.
 * The current directory is not searched: root would run what anybody put where it happens to stand.
 */
export function findProviders(host: Host, search: ProviderSearch): Provider[] {
  const found = new Map<string, Provider>();
  const directories = [
    ...fullPath(search.searchPath ?? process.env.PATH).split(':'),
    ...ownDirectories,
    ...(search.paths ?? []),
  ];
  for (const directory of new Set(directories.map((one) => one.replace(/(?<=.)\/+$/, '')))) {
    if (!isAbsolute(directory)) {
      if (search.paths?.includes(directory)) {
        search.warn(`providers.paths: ${JSON.stringify(directory)} is not an absolute path and is left out`);
      }
      continue;
    }
    for (const name of host.files.list(directory)) {
      if (!namePattern.test(name) || found.has(name)) continue;
      const path = `${directory === '/' ? '' : directory}/${name}`;
      const reason = reasonToRefuse(host, path);
      if (reason === undefined) found.set(name, { name: basename(path), path });
      else search.warn(`The plug-in ${path} is left out: ${reason}`);
    }
  }
  return [...found.values()];
}
