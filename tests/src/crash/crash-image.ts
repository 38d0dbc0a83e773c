import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ImageManifest, imageManifestSchema } from '@kairos/facts/image-manifest';
import { slotFiles } from '@kairos/facts/slot';
import { run } from '../run-tool.ts';

function script(path: string, lines: readonly string[]): void {
  writeFileSync(path, `#!/bin/sh\nPATH=/bin\n${lines.join('\n')}\n`, { mode: 0o755 });
}

/** What the root of such an image prints when it has come up, checked by dm-verity. */
export const bootedLine = /crash-image: (\S+) runs from (\S+), root on (\S+)\n/;

/** A root of which immucore and init only say what they are, and power the machine off. */
function writeRoot(folder: string, version: string): { image: string; verity: ImageManifest['verity'] } {
  const tree = join(folder, 'tree');
  for (const directory of ['bin', 'dev', 'proc', 'run', 'sbin', 'sys', 'usr/bin', 'sysroot']) {
    mkdirSync(join(tree, directory), { recursive: true });
  }
  copyFileSync('/bin/busybox', join(tree, 'bin/busybox'));
  for (const applet of ['sh', 'cat', 'sed', 'poweroff'])
    run('ln', '-s', 'busybox', join(tree, 'bin', applet));
  script(join(tree, 'usr/bin/immucore'), ['true']);
  script(join(tree, 'sbin/init'), [
    `slot=$(sed -n 's/.*kairos.slot=\\([^ ]*\\).*/\\1/p' /proc/cmdline)`,
    `root=$(sed -n 's/^\\([^ ]*\\) \\/ erofs.*/\\1/p' /proc/mounts)`,
    `echo "crash-image: ${version} runs from $slot, root on $root"`,
    'poweroff -f',
  ]);
  writeFileSync(join(tree, 'version'), version);
  const image = join(folder, slotFiles.root);
  run('mkfs.erofs', '-T0', image, tree);
  run('truncate', '--size', '%4096', image);
  rmSync(tree, { recursive: true });
  const size = statSync(image).size;
  const made = run(
    ...(['veritysetup', 'format', '--salt=-', `--uuid=00000000-0000-0000-0000-000000000000`] as const),
    ...[`--hash-offset=${size}`, `--data-blocks=${size / 4096}`, image, image],
  );
  const rootHash = /Root hash:\s+([0-9a-f]{64})/.exec(made)?.[1];
  if (!rootHash) throw new Error(`veritysetup said: ${made}`);
  return {
    image,
    verity: {
      ...{ rootHash, salt: '', algorithm: 'sha256', blockSize: 4096 },
      ...{ dataBlocks: size / 4096, hashStartBlock: size / 4096 + 1 },
    },
  };
}

/** The boot loader of another image: its programs work as those of `tar` and are other bytes. */
function otherBootloader(tar: string, version: string, output: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'bootloader-'));
  try {
    run('tar', '--extract', '--file', tar, '--directory', folder);
    const append = (name: string, bytes: Uint8Array | string) => {
      const path = join(folder, name);
      writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from(bytes)]), { mode: 0o644 });
    };
    // A sector more behind the compressed part, which nothing reads.
    append('bios/core.img', Buffer.alloc(512, version));
    append('grub.cfg', `# ${version}\n`);
    for (const name of ['efi/bootx64.efi', 'efi/grubx64.efi']) append(name, Buffer.alloc(512, version));
    run(
      ...(['tar', '--create', '--file', output, '--directory', folder, '--sort=name', '--mtime=@0'] as const),
      ...['--owner=0', '--group=0', '--numeric-owner', 'bios', 'efi', 'grub.cfg', 'grub-live.cfg'],
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export interface CrashImageParts {
  readonly kernel: string;
  readonly initrd: string;
  readonly bootloader: string;
}

/**
 * Writes a slot that really boots, and says which one it is: the kernel, the initrd and the boot loader of a real
 * image, and a small root. Gives its root hash.
 */
export function writeCrashImage(folder: string, version: string, parts: CrashImageParts): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { verity } = writeRoot(folder, version);
  copyFileSync(parts.kernel, join(folder, slotFiles.kernel));
  copyFileSync(parts.initrd, join(folder, slotFiles.initrd));
  const { rootHash, dataBlocks, hashStartBlock } = verity;
  const cmdline = `kairos.verity=${rootHash}:-:${dataBlocks}:${hashStartBlock} kairos.rootfstype=erofs console=ttyS0 panic=1 quiet`;
  writeFileSync(join(folder, slotFiles.cmdline), `${cmdline}\n`);
  writeFileSync(join(folder, slotFiles.bootConfig), `set kairos_cmdline="${cmdline}"\n`);
  if (version === 'v1') copyFileSync(parts.bootloader, join(folder, slotFiles.bootloader));
  else otherBootloader(parts.bootloader, version, join(folder, slotFiles.bootloader));
  const names = Object.values(slotFiles).filter((name) => name !== slotFiles.manifest);
  const manifest = imageManifestSchema.parse({
    schemaVersion: 1,
    ...{ name: 'kairos-core-crash-1', version, architecture: 'amd64', flavor: 'debian' },
    ...{ flavorRelease: '13', variant: 'core', model: 'generic', kernel: '6.12', init: 'systemd' },
    filesystem: 'erofs',
    verity,
    files: Object.fromEntries(
      names.map((name) => {
        const bytes = readFileSync(join(folder, name));
        const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
        return [name, { size: bytes.length, digest }];
      }),
    ),
    provenance: { base: 'none', inputs: `sha256:${'0'.repeat(64)}`, builder: 'test', epoch: 0 },
  });
  writeFileSync(join(folder, slotFiles.manifest), JSON.stringify(manifest));
  return rootHash;
}
