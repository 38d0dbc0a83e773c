import type { RootTree } from '@kairos/host/root-tree';
import { parseRelease, releaseKeys } from '../release.ts';
import { osReleaseOf } from '../root-facts.ts';
import { type Finding, failed, ok, warning } from './finding.ts';

export function checkOsRelease(tree: RootTree): Finding {
  const release = osReleaseOf(tree);
  if (release.ID === undefined) {
    return failed(
      'os-release',
      Object.keys(release).length === 0 ? 'There is no /etc/os-release' : '/etc/os-release has no ID',
      'Install the package that brings it (base-files, filesystem, …); flavor and packages are chosen by it.',
    );
  }
  return ok('os-release', `${release.PRETTY_NAME ?? release.NAME ?? release.ID}`);
}

export function checkKairosRelease(tree: RootTree): Finding {
  const text = tree.readText('/etc/kairos-release');
  if (text === undefined) {
    return warning(
      'kairos-release',
      'There is no /etc/kairos-release',
      'kairos build image writes it. In an image that is built already, build it again.',
    );
  }
  const release = parseRelease(text);
  const missing = releaseKeys.filter((key) => !release[key]);
  return missing.length === 0
    ? ok('kairos-release', `${release.KAIROS_NAME} ${release.KAIROS_VERSION}`)
    : failed(
        'kairos-release',
        `/etc/kairos-release lacks ${missing.join(', ')}`,
        'Build the image again: whatever reads the release (upgrades, operators) looks these up.',
      );
}

/** What must not be the same on two nodes, or is of no use there. */
export function checkLeftovers(tree: RootTree): Finding[] {
  const builds = 'kairos build image removes it.';
  const findings: Finding[] = [];
  const machineId = tree.readText('/etc/machine-id')?.trim() ?? '';
  findings.push(
    machineId === '' || machineId === 'uninitialized'
      ? ok('machine-id', 'The machine-id is empty')
      : warning('machine-id', '/etc/machine-id holds the identity of a machine', builds),
  );
  const keys = tree.list('/etc/ssh').filter((name) => /^ssh_host_.*_key$/.test(name));
  findings.push(
    keys.length === 0
      ? ok('ssh-host-keys', 'There are no ssh host keys')
      : warning('ssh-host-keys', `/etc/ssh holds ${keys.join(', ')}, which every node would share`, builds),
  );
  const caches = [
    '/var/cache/apt/archives',
    '/var/lib/apt/lists',
    '/var/cache/dnf',
    '/var/cache/apk',
    '/var/cache/zypp',
  ].filter((path) => tree.list(path).some((name) => !['lock', 'partial', 'auxfiles'].includes(name)));
  findings.push(
    caches.length === 0
      ? ok('caches', 'There are no caches of package managers')
      : warning('caches', `Caches of package managers: ${caches.join(', ')}`, builds),
  );
  const local = tree
    .list('/usr/local')
    .filter(
      (name) => name !== 'man' && (tree.isFile(`/usr/local/${name}`) || hasFiles(tree, `/usr/local/${name}`)),
    );
  findings.push(
    local.length === 0
      ? ok('usr-local', '/usr/local holds no files')
      : warning(
          'usr-local',
          `/usr/local holds files (${local.join(', ')}), which a running node does not see`,
          'The persistent partition is mounted there. Put them below /usr or /opt.',
        ),
  );
  return findings;
}

function hasFiles(tree: RootTree, path: string): boolean {
  if (tree.linkTarget(path) !== undefined) return false;
  return tree.list(path).some((name) => tree.isFile(`${path}/${name}`) || hasFiles(tree, `${path}/${name}`));
}
