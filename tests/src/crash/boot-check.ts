import { createHash } from 'node:crypto';
import { type BootChoice, nextBoot, slotOfEntry } from '@kairos/agent/boot/choice';
import { embedGrub } from '@kairos/artifacts/boot-sector';
import { type BootloaderPayload, efiSystemFiles, menuStub } from '@kairos/artifacts/bootloader-payload';
import { reasonOf } from '@kairos/facts/errors';
import { imageManifestSchema } from '@kairos/facts/image-manifest';
import { labels, partitionNames } from '@kairos/facts/labels';
import { slotFiles } from '@kairos/facts/slot';
import { parseGrubEnvironment } from '@kairos/host/grub-environment';
import type { BlockDisk } from './block-disk.ts';
import { replayed } from './ext4-journal.ts';
import { Ext4View } from './ext4-view.ts';
import { FatView } from './fat-view.ts';
import { readPartitionTable, type TablePartition } from './gpt.ts';

type Slot = 'active' | 'passive' | 'recovery';
const slots: readonly Slot[] = ['active', 'passive', 'recovery'];

/** What is wrong with a slot, or the version that it holds whole. */
export type SlotFinding = { readonly version: string } | { readonly damage: string };

/** What one reader sees: GRUB, which does not replay journals, or Linux, which does. */
export interface Sight {
  readonly slots: Readonly<Record<Slot, SlotFinding>>;
  readonly menu: Uint8Array | undefined;
  /** Environment blocks that are there and are none. */
  readonly damagedBlocks: readonly string[];
  readonly missingBlocks: readonly string[];
  readonly choice: BootChoice;
}

export interface Finding {
  readonly partitions: readonly TablePartition[] | undefined;
  readonly grub: Sight | undefined;
  readonly linux: Sight | undefined;
  /** What is wrong with the boot loader's programs; `absent` where firmware finds none. */
  readonly bios: 'right' | 'absent' | string;
  readonly efi: 'right' | 'absent' | string;
}

const digests = new Map<string, string>();
/** SHA-256 of a file's content; each content is read once. */
function digestOf(view: Ext4View, path: string): { digest: string; size: number } | undefined {
  const inode = view.lookup(path);
  if (inode?.kind !== 'file') return undefined;
  const key = view.contentKey(inode);
  let digest = digests.get(key);
  if (digest === undefined) {
    digest = `sha256:${createHash('sha256').update(view.read(inode)).digest('hex')}`;
    digests.set(key, digest);
  }
  return { digest, size: inode.size };
}

function lookAtSlot(view: Ext4View | undefined, slot: Slot): SlotFinding {
  if (!view) return { damage: 'there is no file system' };
  try {
    const folder = `/cOS/${slot}`;
    const text = view.readFile(`${folder}/${slotFiles.manifest}`);
    if (!text) return { damage: `no ${slotFiles.manifest}` };
    const manifest = imageManifestSchema.parse(JSON.parse(text.toString()));
    for (const name of [slotFiles.kernel, slotFiles.initrd, slotFiles.bootConfig, slotFiles.root]) {
      if (!(name in manifest.files)) return { damage: `image.json does not name ${name}` };
    }
    for (const [name, { digest, size }] of Object.entries(manifest.files)) {
      const found = digestOf(view, `${folder}/${name}`);
      if (!found) return { damage: `no ${name}` };
      if (found.size !== size) return { damage: `${name} has ${found.size} bytes instead of ${size}` };
      if (found.digest !== digest) return { damage: `${name} has another digest` };
    }
    return { version: manifest.version };
  } catch (error) {
    return { damage: reasonOf(error) };
  }
}

interface Views {
  readonly state: Ext4View | undefined;
  readonly recovery: Ext4View | undefined;
  readonly oem: Ext4View | undefined;
}

function look({ state, recovery, oem }: Views): Sight {
  const damagedBlocks: string[] = [];
  const missingBlocks: string[] = [];
  const block = (view: Ext4View | undefined, path: string) => {
    try {
      const bytes = view?.readFile(path);
      if (!bytes) missingBlocks.push(path);
      // GRUB leaves an empty file alone.
      else if (bytes.length !== 1024) damagedBlocks.push(`${path} has ${bytes.length} bytes`);
      else return parseGrubEnvironment(bytes, path);
    } catch (error) {
      damagedBlocks.push(`${path}: ${reasonOf(error)}`);
    }
    return {};
  };
  const choice = nextBoot({
    user: block(oem, '/grubenv'),
    installation: block(state, '/grub_oem_env'),
    assessment: block(state, '/boot_assessment'),
  });
  let menu: Uint8Array | undefined;
  try {
    menu = state?.readFile('/grub2/grub.cfg');
  } catch {
    // To GRUB a file that cannot be read is one that is not there.
  }
  return {
    slots: {
      active: lookAtSlot(state, 'active'),
      passive: lookAtSlot(state, 'passive'),
      recovery: lookAtSlot(recovery, 'recovery'),
    },
    menu,
    damagedBlocks,
    missingBlocks,
    choice,
  };
}

const equal = (a: Uint8Array | undefined, b: Uint8Array) => a !== undefined && Buffer.from(b).equals(a);

function lookAtBios(
  disk: BlockDisk,
  partitions: readonly TablePartition[],
  payloads: readonly BootloaderPayload[],
): Finding['bios'] {
  const partition = partitions.find(({ name }) => name === partitionNames.bios);
  const mbr = disk.read(0, 512);
  if (mbr.subarray(0, 440).every((byte) => byte === 0) || !partition) return 'absent';
  const first = partition.start / 512;
  const halves = [first, first + Math.floor(partition.size / 512 / 2)];
  let startsOurs = false;
  for (const { bios } of payloads) {
    if (!bios) continue;
    for (const coreStartSector of halves) {
      const { mbrCode, core } = embedGrub({ ...bios, coreStartSector });
      if (!equal(mbr.subarray(0, mbrCode.length), mbrCode)) continue;
      if (equal(disk.read(coreStartSector * 512, core.length), core)) return 'right';
      startsOurs = true;
    }
  }
  if (startsOurs) return 'the boot sector starts a core.img that is not whole';
  return 'the boot sector is none of ours';
}

function lookAtEfi(
  disk: BlockDisk,
  partitions: readonly TablePartition[],
  payloads: readonly BootloaderPayload[],
): Finding['efi'] {
  const partition = partitions.find(({ name }) => name === partitionNames.esp);
  if (!partition) return 'absent';
  const sets = payloads.flatMap(({ efi }) => (efi ? [efiSystemFiles(efi, menuStub('disk'))] : []));
  const loader = payloads.find(({ efi }) => efi)?.efi?.loaderName ?? '';
  try {
    const view = new FatView(disk, partition.start);
    if (!view.readFile(`EFI/BOOT/${loader}`)) return 'absent';
    for (const path of sets[0]?.keys() ?? []) {
      const content = view.readFile(path);
      if (!content) return `${path} is missing`;
      if (!sets.some((set) => equal(content, set.get(path) ?? Buffer.alloc(0))))
        return `${path} is not whole`;
    }
    return 'right';
  } catch (error) {
    const reason = reasonOf(error);
    return reason === 'there is no FAT' ? 'absent' : reason;
  }
}

function open(make: () => Ext4View, label: string): Ext4View | undefined {
  try {
    const view = make();
    return view.label === label ? view : undefined;
  } catch {
    return undefined;
  }
}

/** Looks at a disk as firmware, GRUB and Linux would. `payloads` are the boot loaders that may be on it. */
export function examine(disk: BlockDisk, payloads: readonly BootloaderPayload[]): Finding {
  const partitions = readPartitionTable(disk);
  if (!partitions) return { partitions, grub: undefined, linux: undefined, bios: 'absent', efi: 'absent' };
  const views = (make: (start: number) => Ext4View): Views => {
    const view = (name: 'state' | 'recovery' | 'oem') => {
      const partition = partitions.find((one) => one.name === partitionNames[name]);
      return partition && open(() => make(partition.start), labels[name]);
    };
    return { state: view('state'), recovery: view('recovery'), oem: view('oem') };
  };
  return {
    partitions,
    grub: look(views((start) => new Ext4View(disk, start))),
    linux: look(views((start) => replayed(disk, start))),
    bios: lookAtBios(disk, partitions, payloads),
    efi: lookAtEfi(disk, partitions, payloads),
  };
}

export interface Verdict {
  /** Why the node would be lost, or have lost its fallback; empty where it survives. */
  readonly losses: readonly string[];
  /** Nothing that firmware finds starts anything. Right only while a node is being installed. */
  readonly notInstalled: boolean;
  /** What GRUB starts. */
  readonly boots: { readonly slot: Slot; readonly version: string } | undefined;
  /**
   * The kernel that GRUB finds belongs to another image than the one that Linux finds once it has replayed the journal:
   * that start fails with a message and the machine restarts into the right one.
   */
  readonly secondStart: boolean;
  /** What runs in the end, after the second start where there is one. */
  readonly runs: { readonly slot: Slot; readonly version: string } | undefined;
  /** The same for disks on which firmware, GRUB and Linux find the same. */
  readonly fingerprint: string;
}

/** What can be told apart from outside, in short. */
function fingerprintOf(finding: Finding, disk: BlockDisk): string {
  const sight = (one: Sight | undefined) =>
    one && {
      slots: one.slots,
      menu: one.menu && Bun.hash(one.menu).toString(36),
      choice: one.choice,
      blocks: [one.damagedBlocks, one.missingBlocks],
    };
  const bootSector = Bun.hash(disk.read(0, 440)).toString(36);
  return JSON.stringify([bootSector, finding.bios, finding.efi, sight(finding.grub), sight(finding.linux)]);
}

function judgeSight(name: string, sight: Sight | undefined, menus: readonly Uint8Array[]): string[] {
  if (!sight) return [`${name}: there is no partition table`];
  const losses: string[] = [];
  for (const slot of slots) {
    const found = sight.slots[slot];
    if ('damage' in found) losses.push(`${name}: ${slot}: ${found.damage}`);
  }
  if (!menus.some((menu) => equal(sight.menu, menu))) losses.push(`${name}: grub.cfg is not whole`);
  losses.push(...sight.damagedBlocks.map((block) => `${name}: ${block}`));
  losses.push(...sight.missingBlocks.map((block) => `${name}: ${block} is missing`));
  return losses;
}

/**
 * Judges a disk. During an installation a node may be not installed, or complete; afterwards it has to be complete:
 * the boot loader's programs, its menu and environment, and every slot, for GRUB and for Linux.
 */
export function judge(
  disk: BlockDisk,
  finding: Finding,
  payloads: readonly BootloaderPayload[],
  installing: boolean,
): Verdict {
  const fingerprint = fingerprintOf(finding, disk);
  const menus = payloads.map(({ diskConfig }) => diskConfig);
  const { grub, linux, bios, efi } = finding;
  // Firmware starts GRUB, and GRUB finds the menu.
  const starts = (bios === 'right' || efi === 'right') && grub?.menu !== undefined;
  if (installing && !starts)
    return {
      losses: [],
      notInstalled: true,
      boots: undefined,
      secondStart: false,
      runs: undefined,
      fingerprint,
    };
  const losses = [
    ...(bios === 'right' || (installing && bios === 'absent') ? [] : [`BIOS: ${bios}`]),
    ...(efi === 'right' || (installing && efi === 'absent') ? [] : [`UEFI: ${efi}`]),
    ...judgeSight('GRUB', grub, menus),
    ...judgeSight('Linux', linux, menus),
  ];
  let boots: Verdict['boots'];
  let secondStart = false;
  let runs: Verdict['runs'];
  // An entry that cannot be loaded gives way to the next one.
  for (const entry of grub?.choice.entries ?? []) {
    const slot = slotOfEntry[entry];
    const found = slot && grub?.slots[slot];
    if (!slot || !found || 'damage' in found) continue;
    boots = { slot, version: found.version };
    const after = linux?.slots[slot];
    secondStart = after !== undefined && 'version' in after && after.version !== found.version;
    runs = { slot, version: after !== undefined && 'version' in after ? after.version : found.version };
    break;
  }
  if (!boots) losses.push('GRUB finds no slot that starts');
  return { losses, notInstalled: false, boots, secondStart, runs, fingerprint };
}
