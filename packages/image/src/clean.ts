import type { RootTree } from '@kairos/host/root-tree';

/** Removed whole: each node makes its own, or they are of use on the build machine only. */
const removed = [
  '/etc/.pwd.lock',
  '/etc/hostname',
  '/etc/machine-id',
  '/etc/resolv.conf',
  '/usr/sbin/policy-rc.d',
  '/var/lib/dbus/machine-id',
  '/var/lib/systemd/random-seed',
  '/var/lib/systemd/credential.secret',
  '/var/lib/ucf/hashfile.0',
  '/var/cache/debconf/config.dat-old',
  '/var/cache/debconf/templates.dat-old',
  '/var/lib/dpkg/status-old',
  '/var/lib/dpkg/diversions-old',
  '/var/lib/dpkg/statoverride-old',
  '/var/lib/dpkg/available-old',
  '/var/cache/ldconfig/aux-cache',
  '/var/log/alternatives.log',
  '/initrd.img',
  '/initrd.img.old',
  '/vmlinuz.old',
  '/root/.bash_history',
];

/** Emptied: what is in them belongs to the build machine, is fetched again, or is mounted over. */
const emptied = [
  '/dev',
  '/proc',
  '/run',
  '/sys',
  '/tmp',
  '/var/tmp',
  '/var/cache/apk',
  '/var/cache/apt',
  '/var/cache/dnf',
  '/var/cache/libdnf5',
  '/var/cache/man',
  '/var/cache/pacman/pkg',
  '/var/cache/yum',
  '/var/cache/zypp',
  '/var/lib/apt/lists',
  '/var/lib/dhcp',
  '/var/lib/initramfs-tools',
  '/var/lib/NetworkManager',
];

/** Places of the image that a node mounts something over. */
const hidden: readonly (readonly [directory: string, by: string])[] = [
  ['/usr/local', 'the persistent partition'],
  ['/oem', 'the OEM partition'],
];

/** Why a file that somebody lays into an image would not be there on a node; `undefined` where it would. */
export function whyLost(path: string): string | undefined {
  const below = (directory: string) => path.startsWith(`${directory}/`);
  const mount = hidden.find(([directory]) => below(directory));
  if (mount !== undefined) {
    return `a node does not see ${path}: ${mount[1]} is mounted over ${mount[0]}`;
  }
  if (removed.includes(path) || emptied.some(below) || below('/var/log')) {
    return `${path} is removed from an image: each node has its own, or it is of the build`;
  }
  return undefined;
}

/** Files in `/boot` that are the distribution's initrd: the image has its own. */
const initrdName = /^(initrd|initramfs)/;

function removeBelow(tree: RootTree, directory: string, wanted: (path: string) => boolean): void {
  for (const name of tree.list(directory)) {
    const path = `${directory}/${name}`;
    if (tree.linkTarget(path) !== undefined) continue;
    if (tree.isDirectory(path)) removeBelow(tree, path, wanted);
    else if (wanted(path)) tree.remove(path);
  }
}

/**
 * Takes out of a root what must not be in an image: identities (machine-id, host keys), caches, logs, the traces of
 * the build machine. Also what differs between two builds of the same packages.
 */
export function cleanRoot(tree: RootTree): void {
  for (const path of removed) tree.remove(path);
  for (const path of emptied) {
    if (tree.isDirectory(path)) tree.empty(path);
  }
  for (const name of tree.list('/boot')) {
    if (initrdName.test(name)) tree.remove(`/boot/${name}`);
  }
  for (const name of tree.list('/etc/ssh')) {
    if (/^ssh_host_.*_key(\.pub)?$/.test(name)) tree.remove(`/etc/ssh/${name}`);
  }
  // Logs go, directories that services expect stay.
  if (tree.isDirectory('/var/log')) removeBelow(tree, '/var/log', () => true);
  for (const name of tree.list('/var/log/journal')) tree.remove(`/var/log/journal/${name}`);
  // Bytecode carries times of the machine that made it; Python makes it again in memory.
  for (const base of ['/usr/lib/python3', '/usr/share']) {
    removeBelow(tree, base, (path) => path.includes('/__pycache__/') && path.endsWith('.pyc'));
  }
  // An empty machine-id says to systemd that the node shall get one; the file must be there on a read-only /etc.
  tree.write('/etc/machine-id', '', { mode: 0o444 });
  tree.write('/etc/hostname', '');
  if (tree.isDirectory('/var/lib/dbus')) tree.symlink('/etc/machine-id', '/var/lib/dbus/machine-id');
  if (tree.isFile('/usr/lib/systemd/systemd-resolved') || tree.isFile('/lib/systemd/systemd-resolved')) {
    tree.symlink('../run/systemd/resolve/stub-resolv.conf', '/etc/resolv.conf');
  }
}

/**
 * Gives the accounts of packages one date of last change. It is in days (shadow(5)), so roots that were bootstrapped
 * on two days from the same packages would differ.
 */
export function settleAccounts(tree: RootTree, epoch: number): void {
  const day = String(Math.floor(epoch / 86_400));
  for (const path of ['/etc/shadow', '/etc/shadow-']) {
    const text = tree.readText(path);
    if (text === undefined) continue;
    const settled = text.replace(/^([^:\n]+:[^:\n]*):[1-9]\d*:/gm, `$1:${day}:`);
    if (settled !== text) tree.replaceContent(path, settled);
  }
}
