import { type Architecture, hostArchitecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import { RootTree } from '@kairos/host/root-tree';
import { detectArchitecture } from '../root-facts.ts';
import { checkBootloader, checkInit, checkInitrdPrograms } from './boot.ts';
import type { Finding } from './finding.ts';
import { checkKernel } from './kernel.ts';
import { checkKairosRelease, checkLeftovers, checkOsRelease } from './system.ts';

export type { Finding } from './finding.ts';

export interface CheckOptions {
  /** Default: what the programs of the root are made for. */
  readonly architecture?: Architecture;
  /** Whether it shall boot with EFI, and with BIOS. Default: both. */
  readonly efi?: boolean;
  readonly bios?: boolean;
}

/**
 * Checks a root against what an OS image needs. Every requirement has one finding, in a fixed order; nothing of the
 * root is run or changed.
 * @throws KairosError `ROOT_NOT_FOUND`, `NOT_A_ROOT`
 */
export async function checkRoot(root: string, options: CheckOptions = {}): Promise<Finding[]> {
  const tree = new RootTree(root);
  if (!tree.isDirectory('/')) {
    throw new KairosError('ROOT_NOT_FOUND', `There is no directory ${root}`, { exit: 'notFound' });
  }
  if (tree.isFile('/oci-layout')) {
    throw new KairosError('NOT_A_ROOT', `${root} is an OCI layout, not the directory of a root`, {
      exit: 'invalidInput',
      hint: 'kairos build image checks the root before it packs it; to check it again, unpack its layers',
    });
  }
  const { efi = true, bios = true } = options;
  const architecture = options.architecture ?? detectArchitecture(tree) ?? hostArchitecture();
  return [
    checkOsRelease(tree),
    checkKairosRelease(tree),
    checkInit(tree),
    ...checkKernel(tree, { efi }),
    checkInitrdPrograms(tree),
    ...checkBootloader(tree, architecture, { efi, bios }),
    ...checkLeftovers(tree),
  ];
}
