import { type Architecture, architectureNames } from '@kairos/facts/architecture';
import type { RootTree } from '@kairos/host/root-tree';
import { grubOffer } from '../bootloader.ts';
import { detectInit } from '../root-facts.ts';
import { type Finding, failed, ok, warning } from './finding.ts';

export function checkInit(tree: RootTree): Finding {
  const init = detectInit(tree);
  if (init !== undefined) return ok('init', `The init system is ${init}`);
  const there = tree.hasEntry('/sbin/init') || tree.hasEntry('/usr/sbin/init');
  return failed(
    'init',
    there
      ? '/sbin/init is of an init system for which there is no component'
      : 'There is no init system: /sbin/init is missing',
    'Install systemd, sysvinit or OpenRC; another init system takes a component of its own (docs/components.md).',
  );
}

export function checkBootloader(
  tree: RootTree,
  architecture: Architecture,
  options: { readonly efi: boolean; readonly bios: boolean },
): Finding[] {
  const offer = grubOffer(tree, architecture);
  const findings: Finding[] = [];
  if (architecture === 'amd64' && options.bios) {
    findings.push(
      offer.bios !== undefined
        ? ok('grub-bios', `GRUB for BIOS in ${offer.bios}`)
        : failed(
            'grub-bios',
            'There is no GRUB for BIOS (i386-pc)',
            'Install grub-pc-bin, grub2-pc-modules or grub-bios.',
          ),
    );
  }
  if (options.efi) {
    const { grubEfi } = architectureNames[architecture];
    if (offer.signed !== undefined) {
      findings.push(ok('grub-efi', `Signed loaders for EFI: ${offer.signed.shim}, ${offer.signed.grub}`));
    } else if (offer.efi !== undefined) {
      findings.push(
        warning(
          'grub-efi',
          `GRUB for EFI in ${offer.efi}, and no signed shim and GRUB`,
          'It boots with Secure Boot off. For Secure Boot install the signed packages (shim-signed and grub-efi-*-signed, or shim).',
        ),
      );
    } else {
      findings.push(
        failed(
          'grub-efi',
          `There is no GRUB for EFI (${grubEfi})`,
          'Install grub-efi-*-bin, grub2-efi-*-modules or grub-efi.',
        ),
      );
    }
  }
  return findings;
}

/** Programs that the initrd takes from the root. */
export function checkInitrdPrograms(tree: RootTree): Finding {
  const missing = ['dmsetup', 'blkid'].filter(
    (name) =>
      !['/usr/sbin', '/usr/bin', '/sbin', '/bin'].some((directory) => tree.isFile(`${directory}/${name}`)),
  );
  return missing.length === 0
    ? ok('initrd', 'dmsetup and blkid for the initrd are there')
    : failed(
        'initrd',
        `The initrd needs ${missing.join(' and ')}`,
        'Install dmsetup (device-mapper) and util-linux.',
      );
}
