import type { Architecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';

/** Kernel modules for one purpose. */
export interface ModuleGroup {
  readonly purpose: string;
  readonly modules: readonly string[];
  /** Without `all` of them, or without `any`, a slot cannot be opened. */
  readonly required?: 'all' | 'any';
  /** Where the modules make sense; default everywhere. */
  readonly architectures?: readonly Architecture[];
  /**
   * `boot`: loaded when their hardware or the kernel asks for them. `trial`: by name and in this order before all else,
   * only where a slot is on trial. `rescue`: only when a shell opens, so that an ordinary boot does not wait for them.
   */
  readonly load: 'boot' | 'trial' | 'rescue';
}

/**
 * What the thin initrd takes along. Wishes: a kernel that lacks one, or has it built in, is fine, except where
 * `required` says so. Storage that is not here is reached by `extraModules` or by the distribution's own initrd.
 */
export const defaultModuleGroups: readonly ModuleGroup[] = [
  {
    purpose: 'loop device and device mapper',
    modules: ['loop', 'dm-mod', 'dm-verity'],
    required: 'all',
    load: 'boot',
  },
  { purpose: 'root file system', modules: ['erofs', 'squashfs', 'ext4'], required: 'any', load: 'boot' },
  { purpose: 'state and recovery partitions', modules: ['ext4'], required: 'all', load: 'boot' },
  { purpose: 'writable layer of a live system', modules: ['overlay'], required: 'all', load: 'boot' },
  {
    purpose: 'installation media',
    modules: ['isofs', 'sr_mod', 'cdrom', 'vfat', 'nls_cp437', 'nls_ascii', 'nls_iso8859_1', 'nls_utf8'],
    load: 'boot',
  },
  // What watches a system that is on trial: those that most machines have. By name, since several are no device of a bus
  // before another driver has made them one.
  { purpose: 'watchdogs in hardware', modules: ['i6300esb', 'wdat_wdt'], load: 'trial' },
  {
    purpose: 'watchdogs in hardware',
    // The last three make the device of iTCO_wdt: in chipsets up to 2015, in later ones, in Apollo and Gemini Lake.
    modules: ['sp5100_tco', 'iTCO_wdt', 'lpc_ich', 'i2c_i801', 'intel_pmc_bxt'],
    architectures: ['amd64'],
    load: 'trial',
  },
  {
    purpose: 'watchdogs in hardware that the kernel does not stop when it restarts',
    // One that systemd left running has to find its driver in every start, or in none.
    modules: ['hpwdt'],
    architectures: ['amd64'],
    load: 'boot',
  },
  {
    purpose: 'watchdogs in hardware',
    modules: [
      ...['arm_smc_wdt', 'armada_37xx_wdt', 'bcm2835_wdt', 'dw_wdt', 'imx2_wdt', 'meson_gxbb_wdt', 'mtk_wdt'],
      ...['qcom_wdt', 'rti_wdt', 'sbsa_gwdt', 'sp805_wdt', 'sunxi_wdt', 'tegra_wdt'],
    ],
    architectures: ['arm64'],
    load: 'trial',
  },
  // After those in hardware: whoever takes over one, an init for example, takes the first.
  { purpose: 'watchdog of the kernel', modules: ['softdog'], load: 'trial' },
  { purpose: 'checksums', modules: ['crc32c_generic', 'sha256_generic'], load: 'boot' },
  {
    purpose: 'checksums in hardware',
    modules: ['sha256_ssse3', 'crc32c_intel'],
    architectures: ['amd64'],
    load: 'boot',
  },
  {
    purpose: 'checksums in hardware',
    modules: ['sha256_arm64', 'sha2_ce', 'crc32_ce'],
    architectures: ['arm64'],
    load: 'boot',
  },
  {
    purpose: 'disks of virtual machines',
    modules: [
      ...['virtio_blk', 'virtio_scsi', 'virtio_pci', 'virtio_mmio', 'vmw_pvscsi', 'hv_vmbus', 'hv_storvsc'],
      // A virtual machine without RDRAND otherwise waits seconds for its first random number, which immucore needs.
      'virtio_rng',
      ...['pci_hyperv', 'xen_blkfront'],
    ],
    load: 'boot',
  },
  { purpose: 'SATA', modules: ['ahci', 'ahci_platform', 'ata_piix', 'ata_generic', 'sd_mod'], load: 'boot' },
  { purpose: 'NVMe', modules: ['nvme', 'vmd'], load: 'boot' },
  {
    purpose: 'SCSI and RAID adapters',
    modules: [...['mptspi', 'mptsas', 'mpt3sas', 'mpi3mr', 'megaraid_sas', 'hpsa', 'smartpqi']],
    load: 'boot',
  },
  {
    purpose: 'USB disks',
    modules: [
      ...['usb_storage', 'uas', 'xhci_pci', 'xhci_plat_hcd', 'ehci_pci', 'ehci_platform', 'uhci_hcd'],
      ...['ohci_pci', 'ohci_platform'],
    ],
    load: 'boot',
  },
  {
    purpose: 'SD cards and eMMC',
    modules: ['mmc_block', 'sdhci_pci', 'sdhci_acpi', 'rtsx_pci_sdmmc'],
    load: 'boot',
  },
  {
    purpose: 'storage of single-board computers',
    modules: [
      ...['sdhci_iproc', 'bcm2835', 'sdhci_of_dwcmshc', 'sdhci_of_arasan', 'dw_mmc_rockchip', 'meson_gx_mmc'],
      ...['sdhci_tegra', 'sdhci_cadence', 'pcie_brcmstb', 'pcie_rockchip_host', 'phy_rockchip_pcie', 'dwc3'],
      ...['dwc3_of_simple', 'phy_rockchip_inno_usb2', 'reset_raspberrypi'],
    ],
    architectures: ['arm64', 'riscv64'],
    load: 'boot',
  },
  {
    purpose: 'keyboards',
    modules: ['usbhid', 'hid_generic', 'atkbd', 'i8042', 'hyperv_keyboard', 'hid_hyperv'],
    load: 'rescue',
  },
];

/** The groups that apply to an architecture. */
export function moduleGroupsFor(
  architecture: Architecture,
  groups: readonly ModuleGroup[] = defaultModuleGroups,
): ModuleGroup[] {
  return groups.filter((group) => group.architectures?.includes(architecture) ?? true);
}

/**
 * Refuses a kernel without which no slot can be opened.
 * @param has whether the kernel has a module, built in or not
 * @throws KairosError `KERNEL_LACKS_MODULES`
 */
export function checkRequiredModules(
  groups: readonly ModuleGroup[],
  kernelVersion: string,
  has: (name: string) => boolean,
): void {
  const problems: string[] = [];
  for (const { required, modules, purpose } of groups) {
    const lacking = modules.filter((name) => !has(name.replaceAll('-', '_')));
    if (required === 'all' && lacking.length > 0) problems.push(`${lacking.join(', ')} (${purpose})`);
    if (required === 'any' && lacking.length === modules.length) {
      problems.push(`any of ${modules.join(', ')} (${purpose})`);
    }
  }
  if (problems.length === 0) return;
  throw new KairosError(
    'KERNEL_LACKS_MODULES',
    `Kernel ${kernelVersion} has neither built in nor as a module: ${problems.join('; ')}`,
    {
      hint: 'Install the package with the rest of the kernel modules, or another kernel.',
      exit: 'unsuitableImage',
      details: { kernelVersion, problems },
    },
  );
}
