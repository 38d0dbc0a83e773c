import type { StageModule } from '../context.ts';
import { authorizedKeys } from './authorized-keys.ts';
import { commands } from './commands.ts';
import { datasource } from './datasource.ts';
import { directories } from './directories.ts';
import { dns } from './dns.ts';
import { downloads } from './downloads.ts';
import { deleteEntities, ensureEntities } from './entities.ts';
import { environment } from './environment.ts';
import { files } from './files.ts';
import { git } from './git.ts';
import { hostname } from './hostname.ts';
import { layout } from './layout.ts';
import { kernelModules } from './modules.ts';
import { packagePins, packages } from './packages.ts';
import { sysctl } from './sysctl.ts';
import { systemctl } from './systemctl.ts';
import { systemdFirstboot } from './systemd-firstboot.ts';
import { timesyncd } from './timesyncd.ts';
import { unpackImages } from './unpack-images.ts';
import { users } from './users.ts';

/** Modules of a step in the order in which they run, whatever the order in the file. */
export const moduleNames = [
  'dns',
  'downloads',
  'git',
  'ensure_entities',
  'directories',
  'files',
  'commands',
  'delete_entities',
  'hostname',
  'sysctl',
  'users',
  'authorized_keys',
  'modules',
  'timesyncd',
  'systemctl',
  'environment',
  'systemd_firstboot',
  'datasource',
  'layout',
  'package_pins',
  'packages',
  'unpack_images',
] as const;
export type ModuleName = (typeof moduleNames)[number];

/** What carries out each module. */
export const modules: Readonly<Record<ModuleName, StageModule>> = {
  dns,
  downloads,
  git,
  ensure_entities: ensureEntities,
  directories,
  files,
  commands,
  delete_entities: deleteEntities,
  hostname,
  sysctl,
  users,
  authorized_keys: authorizedKeys,
  modules: kernelModules,
  timesyncd,
  systemctl,
  environment,
  systemd_firstboot: systemdFirstboot,
  datasource,
  layout,
  package_pins: packagePins,
  packages,
  unpack_images: unpackImages,
};
