import { formatGrubEnvironment, type GrubVariables, readGrubEnvironment } from './grub-environment.ts';
import type { HostFiles } from './host.ts';

/** For tests: changes a block as GRUB or a user does, with no thought of a power cut. */
export function editGrubEnvironment(files: HostFiles, path: string, changes: GrubVariables): void {
  files.write(path, formatGrubEnvironment({ ...readGrubEnvironment(files, path), ...changes }, path));
}
