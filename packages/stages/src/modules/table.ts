import type { StageModule } from '../context.ts';
import { commands } from './commands.ts';
import { directories } from './directories.ts';
import { environment } from './environment.ts';
import { files } from './files.ts';
import { hostname } from './hostname.ts';

/** Modules of a step in the order in which they run, whatever the order in the file. */
export const moduleNames = ['directories', 'files', 'commands', 'hostname', 'environment'] as const;
export type ModuleName = (typeof moduleNames)[number];

/** What carries out each module. */
export const modules: Readonly<Record<ModuleName, StageModule>> = {
  directories,
  files,
  commands,
  hostname,
  environment,
};
