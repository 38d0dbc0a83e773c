import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageManifestSchema } from '@kairos/facts/image-manifest';

const biosModules = [
  ...['part_gpt', 'part_msdos', 'ext2', 'fat', 'iso9660', 'search', 'search_label', 'normal', 'configfile'],
  ...['loadenv', 'linux', 'echo', 'test', 'regexp', 'serial', 'terminal', 'reboot', 'halt', 'biosdisk'],
] as const;
const grub = '/usr/lib/grub';

function run(argv: readonly [string, ...string[]]): void {
  const { exitCode, stderr } = Bun.spawnSync([...argv]);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')} exited with ${exitCode}: ${stderr}`);
}

/** A menu that says where it is and that GRUB can read the medium. */
function menu(name: string, slot: string): string {
  return `serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set timeout=60
if [ -f ${slot}/root.img -a -f ${slot}/vmlinuz ]; then echo "${name}-SLOT-FOUND"; fi
echo "${name}-STARTED-ON-$grub_platform"
menuentry "${name} entry" --id cos { echo chosen; }
`;
}

/** The machine's own GRUB as the `bootloader.tar` of an image. */
export function writeBootloaderTar(file: string): void {
  const work = mkdtempSync(join(tmpdir(), 'bootloader-'));
  try {
    mkdirSync(join(work, 'tar/bios'), { recursive: true });
    mkdirSync(join(work, 'tar/efi'));
    for (const [format, name, label, directory] of [
      ['i386-pc', 'core.img', 'COS_STATE', '/grub2'],
      ['i386-pc-eltorito', 'eltorito.img', 'COS_LIVE', '/boot/grub2'],
    ] as const) {
      const config = join(work, `${name}.cfg`);
      writeFileSync(
        config,
        `search --no-floppy --label ${label} --set=root\nset prefix=($root)${directory}\nconfigfile $prefix/grub.cfg\n`,
      );
      const output = join(work, 'tar/bios', name);
      run(['grub-mkimage', '-O', format, '-c', config, '-p', '/boot/grub', '-o', output, ...biosModules]);
    }
    for (const name of ['boot.img', 'boot_hybrid.img']) {
      copyFileSync(join(grub, 'i386-pc', name), join(work, 'tar/bios', name));
    }
    copyFileSync(join(grub, 'x86_64-efi/monolithic/grubx64.efi'), join(work, 'tar/efi/bootx64.efi'));
    writeFileSync(join(work, 'tar/efi/vendor'), 'debian\n');
    writeFileSync(join(work, 'tar/grub.cfg'), menu('DISK', '/cOS/active'));
    writeFileSync(join(work, 'tar/grub-live.cfg'), menu('LIVE', '/cOS/live'));
    run([
      ...(['tar', '--create', '--file', file, '--directory', join(work, 'tar'), '--sort=name'] as const),
      ...[
        '--mtime=@0',
        '--owner=0',
        '--group=0',
        '--numeric-owner',
        'bios',
        'efi',
        'grub.cfg',
        'grub-live.cfg',
      ],
    ]);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * A slot in a directory that is right in form and holds no system: for tests of what is made from images, where
 * making a real one would take minutes.
 */
export function writeTinySlot(folder: string, rootSize = 3 * 1024 * 1024): void {
  mkdirSync(folder, { recursive: true });
  // Bytes that repeat nowhere, with a hole, as the padding of a root image may be.
  const root = Buffer.alloc(rootSize);
  for (let block = 0; block * 64 < rootSize / 2; block++) {
    createHash('sha512')
      .update(`block ${block}`)
      .digest()
      .copy(root, block * 64);
  }
  root.write('end', rootSize - 3);
  writeFileSync(join(folder, 'root.img'), root);
  writeFileSync(join(folder, 'vmlinuz'), 'kernel');
  writeFileSync(join(folder, 'initrd'), 'initrd');
  writeFileSync(join(folder, 'cmdline'), 'console=ttyS0\n');
  writeFileSync(join(folder, 'boot.cfg'), 'set kairos_cmdline="console=ttyS0"\n');
  writeBootloaderTar(join(folder, 'bootloader.tar'));
  const files = Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => {
        const path = join(folder, name);
        const digest = `sha256:${createHash('sha256').update(readFileSync(path)).digest('hex')}`;
        return [name, { size: statSync(path).size, digest }];
      }),
  );
  const manifest = imageManifestSchema.parse({
    schemaVersion: 1,
    name: 'kairos-core-tiny-1',
    version: 'v1.0.0',
    architecture: 'amd64',
    flavor: 'tiny',
    flavorRelease: '1',
    variant: 'core',
    model: 'generic',
    kernel: '6.0.0',
    init: 'systemd',
    filesystem: 'erofs',
    verity: {
      rootHash: 'a'.repeat(64),
      salt: '',
      algorithm: 'sha256',
      blockSize: 4096,
      dataBlocks: 1,
      hashStartBlock: 1,
    },
    files,
    provenance: { base: 'none', inputs: `sha256:${'0'.repeat(64)}`, builder: 'test', epoch: 0 },
  });
  writeFileSync(join(folder, 'image.json'), JSON.stringify(manifest));
}
