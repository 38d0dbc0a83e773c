import { type Architecture, architectureNames } from '@kairos/facts/architecture';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import { labels } from '@kairos/facts/labels';
import { formatSize, MiB } from '@kairos/facts/size';
import { slotFiles } from '@kairos/facts/slot';
import type { BootForm } from '@kairos/oci/boot-form';
import { unpackTar } from 'modern-tar';

/** GRUB for BIOS; see docs/architecture.md, `bootloader.tar`. */
export interface BiosPayload {
  readonly bootImage: Uint8Array;
  readonly coreImage: Uint8Array;
  /** cdboot.img and core in one, for El Torito. */
  readonly eltoritoImage: Uint8Array;
  /** MBR code that finds the El Torito image on a disk. */
  readonly hybridImage: Uint8Array;
}

/** GRUB for UEFI, perhaps behind shim. */
export interface EfiPayload {
  /** File name by which firmware finds the loader on a removable medium, `bootx64.efi`. */
  readonly loaderName: string;
  /** Files of `EFI/BOOT` in the order of their names, the loader among them. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Directory below `EFI` in which a signed GRUB looks for its configuration. */
  readonly vendor: string | undefined;
}

export interface BootloaderPayload {
  readonly bios: BiosPayload | undefined;
  readonly efi: EfiPayload | undefined;
  /** The menu of a disk. */
  readonly diskConfig: Uint8Array;
  /** The menu of an ISO. */
  readonly liveConfig: Uint8Array;
}

/** A few MiB in practice; the whole is held in memory. */
const maximumSize = 64 * MiB;

function invalid(source: string, reason: string, cause?: unknown): KairosError {
  return new KairosError(
    'BOOTLOADER_INVALID',
    `${slotFiles.bootloader} of ${source} is not usable: ${reason}`,
    {
      exit: 'corruptSource',
      hint: 'Build the OS image again',
      cause,
    },
  );
}

async function entriesOf(tar: Uint8Array, source: string): Promise<Map<string, Uint8Array>> {
  let entries: Awaited<ReturnType<typeof unpackTar>>;
  try {
    entries = await unpackTar(tar, { strict: true });
  } catch (cause) {
    throw invalid(source, reasonOf(cause), cause);
  }
  const files = new Map<string, Uint8Array>();
  for (const { header, data } of entries) {
    const name = header.name.replace(/^\.\//, '');
    if (header.type === 'directory') continue;
    if (header.type !== 'file') throw invalid(source, `${JSON.stringify(name)} is a ${header.type}`);
    if (files.has(name)) throw invalid(source, `${JSON.stringify(name)} is there twice`);
    if (data === undefined || data.length !== header.size) {
      throw invalid(source, `${JSON.stringify(name)} is cut off`);
    }
    files.set(name, data);
  }
  return files;
}

function biosPayload(files: ReadonlyMap<string, Uint8Array>, source: string): BiosPayload | undefined {
  const names = {
    bootImage: 'bios/boot.img',
    coreImage: 'bios/core.img',
    eltoritoImage: 'bios/eltorito.img',
    hybridImage: 'bios/boot_hybrid.img',
  } as const;
  if (!Object.values(names).some((name) => files.has(name))) return undefined;
  const take = (name: string, size?: number) => {
    const bytes = files.get(name);
    if (bytes === undefined) throw invalid(source, `${name} is missing`);
    if (size !== undefined && bytes.length !== size) {
      throw invalid(source, `${name} has ${bytes.length} bytes instead of ${size}`);
    }
    return bytes;
  };
  return {
    bootImage: take(names.bootImage, 512),
    coreImage: take(names.coreImage),
    eltoritoImage: take(names.eltoritoImage),
    hybridImage: take(names.hybridImage, 512),
  };
}

function efiPayload(
  files: ReadonlyMap<string, Uint8Array>,
  architecture: Architecture,
  source: string,
): EfiPayload | undefined {
  const suffix = architectureNames[architecture].efiSuffix;
  const loaderName = `boot${suffix}.efi`;
  const found = new Map<string, Uint8Array>();
  for (const name of [loaderName, `grub${suffix}.efi`, `mm${suffix}.efi`]) {
    const bytes = files.get(`efi/${name}`);
    if (bytes === undefined) continue;
    // PE/COFF, section 3.1: an image begins with the MS-DOS stub.
    if (bytes[0] !== 0x4d || bytes[1] !== 0x5a) throw invalid(source, `efi/${name} is not an EFI program`);
    found.set(name, bytes);
  }
  if (!found.has(loaderName)) {
    const other = [...files.keys()].find((name) => /^efi\/.*\.efi$/.test(name));
    if (other === undefined) return undefined;
    throw invalid(source, `it has ${JSON.stringify(other)} and no efi/${loaderName}`);
  }
  const vendor = files.get('efi/vendor');
  const name = vendor && Buffer.from(vendor).toString('utf8').trim();
  // The name becomes a directory on a FAT file system: refuse what could climb out of EFI or is not a name there.
  if (name && (!/^[\w-][\w.-]{0,63}$/.test(name) || name.toUpperCase() === 'BOOT')) {
    throw invalid(source, `efi/vendor names ${JSON.stringify(name)}`);
  }
  return { loaderName, files: found, vendor: name || undefined };
}

/**
 * Reads `bootloader.tar`. `source` is for messages.
 * @throws KairosError `BOOTLOADER_INVALID` (exit `corruptSource`)
 */
export async function parseBootloaderPayload(
  tar: Uint8Array,
  architecture: Architecture,
  source: string,
): Promise<BootloaderPayload> {
  const files = await entriesOf(tar, source);
  const config = (name: string) => {
    const bytes = files.get(name);
    if (bytes === undefined) throw invalid(source, `${name} is missing`);
    return bytes;
  };
  const payload = {
    bios: biosPayload(files, source),
    efi: efiPayload(files, architecture, source),
    diskConfig: config('grub.cfg'),
    liveConfig: config('grub-live.cfg'),
  };
  if (payload.bios === undefined && payload.efi === undefined) {
    throw invalid(source, 'it has no boot loader, neither for BIOS nor for EFI');
  }
  return payload;
}

/**
 * Reads `bootloader.tar` of an OS image, its digest checked.
 * @throws KairosError `BOOTLOADER_INVALID`, and what {@link BootForm.open} throws
 */
export async function readBootloaderPayload(form: BootForm): Promise<BootloaderPayload> {
  const size = form.files.get(slotFiles.bootloader);
  if (size === undefined) throw invalid(form.source, 'it is missing');
  if (size > maximumSize) {
    throw invalid(form.source, `it has ${formatSize(size)}, more than ${formatSize(maximumSize)}`);
  }
  const tar = new Uint8Array(size);
  let offset = 0;
  for await (const chunk of form.open(slotFiles.bootloader)) {
    if (offset + chunk.length > size)
      throw invalid(form.source, `it is larger than the ${size} bytes stated`);
    tar.set(chunk, offset);
    offset += chunk.length;
  }
  if (offset !== size) throw invalid(form.source, `it has ${offset} bytes instead of ${size}`);
  return parseBootloaderPayload(tar, form.manifest.architecture, form.source);
}

/** Where GRUB finds its menu, by medium. */
export const menuPaths = {
  disk: { label: labels.state, directory: '/grub2' },
  live: { label: labels.live, directory: '/boot/grub2' },
} as const;
export type Medium = keyof typeof menuPaths;

/**
 * The configuration by which GRUB, started from anywhere, goes on to the menu of its medium. The disk that GRUB came
 * from is searched first, so that a second disk with the same labels (an installer stick in an installed machine) is
 * not taken for it.
 */
export function menuStub(medium: Medium, label: string = menuPaths[medium].label): string {
  const { directory } = menuPaths[medium];
  const search = (name: string) => `if regexp --set=1:disk '^\\(?([^,)]+)' "$root"; then
  search --no-floppy --set=menu --label ${name} --hint "$disk" --hint "$disk,"
else
  search --no-floppy --set=menu --label ${name}
fi
`;
  // A node whose COS_STATE is lost starts recovery from the menu there.
  const otherwise =
    medium === 'live'
      ? ''
      : `if [ -z "$menu" -o ! -s "($menu)${directory}/grub.cfg" ]; then
${search(labels.recovery)}fi
`;
  return `set menu=""
${search(label)}${otherwise}if [ -n "$menu" ]; then
  set root="$menu"
  set prefix="($root)${directory}"
  configfile "($root)${directory}/grub.cfg"
else
  echo "No file system labelled ${label} was found."
fi
`;
}

/**
 * The files of an EFI system partition by path, directories not listed: the loaders below `EFI/BOOT`, where firmware
 * looks without a boot variable, and stubs where GRUB looks for its configuration.
 */
export function efiSystemFiles(efi: EfiPayload, stub: string): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const [name, bytes] of efi.files) {
    files.set(`EFI/BOOT/${name === efi.loaderName ? name.toUpperCase() : name}`, bytes);
  }
  const config = new TextEncoder().encode(stub);
  files.set('EFI/BOOT/grub.cfg', config);
  if (efi.vendor !== undefined) files.set(`EFI/${efi.vendor}/grub.cfg`, config);
  return files;
}
