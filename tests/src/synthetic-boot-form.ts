import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from '@kairos/facts/architecture';

const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Bytes that look random and are the same for the same seed. */
function noise(seed: string, size: number): Buffer {
  const parts: Buffer[] = [];
  let block = createHash('sha512').update(seed).digest();
  for (let have = 0; have < size; have += block.length) {
    parts.push(block);
    block = createHash('sha512').update(block).digest();
  }
  return Buffer.concat(parts).subarray(0, size);
}

/** A boot sector and a core with the fields that GRUB's have; they do not boot. */
function grubImages(): { boot: Buffer; core: Buffer } {
  const boot = Buffer.alloc(512, 0x11);
  boot.set([0x00, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfa, 0xeb, 0x05], 0x5a);
  boot.set([0x55, 0xaa], 510);
  const core = Buffer.alloc(30_000, 0x22);
  core.set([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0x08], 0x1f4);
  return { boot, core };
}

export interface SyntheticOptions {
  readonly architecture?: Architecture;
  /** Bytes of root.img, a multiple of 4096. */
  readonly rootSize?: number;
  /** The root itself, in place of noise. */
  readonly root?: Buffer;
  /** Also makes the root another one, with another root hash. Default: v0.1.0. */
  readonly version?: string;
  /** Makes another boot loader. */
  readonly grub?: string;
  /** The menu of the disk. */
  readonly menu?: string;
  /** `bootloader.tar` of a real image, in place of one that does not boot. */
  readonly bootloader?: Buffer;
}

/** Writes the files of a slot that is right in form and boots nothing; gives them by name. */
export async function writeSyntheticBootForm(
  folder: string,
  options: SyntheticOptions = {},
): Promise<Map<string, Buffer>> {
  const { boot, core } = grubImages();
  const version = options.version ?? 'v0.1.0';
  if (options.grub !== undefined) core.write(options.grub, 0x1000);
  const payload: Record<string, Buffer> = {
    'bios/boot.img': boot,
    'bios/core.img': core,
    'bios/eltorito.img': noise('eltorito', 4096),
    'bios/boot_hybrid.img': boot,
    'efi/bootx64.efi': Buffer.concat([Buffer.from('MZ'), noise('shim', 9000)]),
    'efi/grubx64.efi': Buffer.concat([Buffer.from(`MZ${options.grub ?? ''}`), noise('grub', 20_000)]),
    'efi/mmx64.efi': Buffer.concat([Buffer.from('MZ'), noise('mok', 700)]),
    'efi/vendor': Buffer.from('debian\n'),
    'grub.cfg': Buffer.from(options.menu ?? '# the menu of the disk\n'),
    'grub-live.cfg': Buffer.from('# the menu of the medium\n'),
  };
  const staging = join(folder, 'bootloader');
  for (const [name, bytes] of Object.entries(payload)) {
    mkdirSync(join(staging, name, '..'), { recursive: true });
    writeFileSync(join(staging, name), bytes);
  }
  const tar =
    options.bootloader ?? Bun.spawnSync(['tar', '-C', staging, '-cf', '-', ...Object.keys(payload)]).stdout;
  const files = new Map<string, Buffer>([
    ['root.img', options.root ?? noise(`root${options.version ?? ''}`, options.rootSize ?? 3 * 1024 * 1024)],
    ['vmlinuz', noise('kernel', 100_001)],
    ['initrd', noise('initrd', 50_000)],
    ['cmdline', Buffer.from('console=ttyS0\n')],
    ['boot.cfg', Buffer.from('set kairos_cmdline="console=ttyS0"\n')],
    ['bootloader.tar', Buffer.from(tar)],
  ]);
  const manifest = {
    schemaVersion: 1,
    ...{ name: 'kairos-core-debian-13', version, architecture: options.architecture ?? 'amd64' },
    ...{ flavor: 'debian', flavorRelease: '13', variant: 'core', model: 'generic' },
    ...{ kernel: '6.12.0-amd64', init: 'systemd', filesystem: 'erofs' },
    verity: {
      ...{
        rootHash: options.version === undefined ? 'ab'.repeat(32) : sha256(Buffer.from(version)).slice(7),
        salt: '',
        algorithm: 'sha256',
        blockSize: 4096,
      },
      ...{ dataBlocks: 10, hashStartBlock: 11 },
    },
    files: Object.fromEntries(
      [...files].map(([name, bytes]) => [name, { size: bytes.length, digest: sha256(bytes) }]),
    ),
    provenance: { base: 'debian:trixie', inputs: sha256(Buffer.from('')), builder: 'test', epoch: 0 },
  };
  files.set('image.json', Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`));
  const slot = join(folder, 'slot');
  mkdirSync(slot, { recursive: true });
  for (const [name, bytes] of files) writeFileSync(join(slot, name), bytes);
  return files;
}
