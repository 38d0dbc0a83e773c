import { knownKeysAt } from './known-keys.ts';
import { rootKeys } from './root-keys.ts';
import { root } from './schema/root.ts';

/** Keys of cloud-init that have no effect here, and what does what they are for. */
const cloudInitKeys: Readonly<Record<string, string>> = {
  apt: 'write the files of apt with write_files',
  bootcmd: 'write the commands in a step of stages.rootfs or stages.initramfs',
  'ca-certs': 'write the certificates with write_files, and update them in a step',
  ca_certs: 'write the certificates with write_files, and update them in a step',
  chpasswd: 'write passwd at each of users',
  disable_root: 'write lock_passwd at the user root in a step',
  disk_setup: 'write layout in a step',
  fqdn: 'write hostname',
  fs_setup: 'write layout in a step',
  groups: 'write ensure_entities in a step, and the names at groups of each of users',
  keyboard: 'write systemd_firstboot in a step',
  locale: 'write systemd_firstboot in a step',
  mounts: 'write install.bind_mounts, or a unit with write_files',
  ntp: 'write timesyncd in a step',
  package_update: 'write packages.refresh in a step',
  package_upgrade: 'write packages.upgrade in a step',
  password: 'write passwd at one of users',
  power_state: 'write install.reboot or install.poweroff',
  resolv_conf: 'write dns in a step',
  ssh_pwauth: 'write a file of sshd_config.d with write_files, or install.ssh_hardening',
  swap: 'write the commands in a step',
  timezone: 'write systemd_firstboot in a step',
  yum_repos: 'write the files of dnf with write_files',
};

const places: readonly (readonly [place: string, keys: readonly string[]])[] = [
  ['below install', knownKeysAt(root, ['install']) ?? []],
  ['at one of users', knownKeysAt(root, ['users', 0]) ?? []],
  ['in a step, such as stages.boot[0]', knownKeysAt(root, ['stages', 'boot', 0]) ?? []],
];

/**
 * Where a key that has no effect at the root belongs; `undefined` for one that a bundle or a plug-in may have there.
 */
export function rightPlace(key: string): string | undefined {
  if (rootKeys.has(key)) return undefined;
  if (Object.hasOwn(cloudInitKeys, key)) return cloudInitKeys[key];
  const found = places.find(([, keys]) => keys.includes(key));
  return found === undefined ? undefined : `write it ${found[0]}`;
}
