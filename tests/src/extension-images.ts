/** Extension images of systemd, as people make them. */
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from './run-tool.ts';

/** Writes files into a folder that is made anew; gives the folder. */
export function writeTree(folder: string, files: Readonly<Record<string, string>>): string {
  rmSync(folder, { recursive: true, force: true });
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    // A program is one by its first bytes.
    writeFileSync(join(folder, file), content, { mode: content.startsWith('#!') ? 0o755 : 0o644 });
  }
  return folder;
}

/** Makes a file system of a tree. */
export function writeFilesystem(path: string, kind: 'squashfs' | 'erofs' | 'ext4', from: string): string {
  rmSync(path, { force: true });
  if (kind === 'squashfs') run('mksquashfs', from, path, '-quiet', '-no-progress', '-noappend', '-all-root');
  else if (kind === 'erofs') run('mkfs.erofs', '--quiet', path, from);
  else run('mkfs.ext4', '-q', '-d', from, path, '4M');
  return path;
}

/** Partitions of the Discoverable Partitions Specification for amd64: the data, its hash tree, the signature of that. */
const types = {
  root: [
    '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709',
    '2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5',
    '41092B05-9FC8-4523-994F-2DEF0408B176',
  ],
  usr: [
    '8484680C-9521-48C6-9C11-B0720656F69E',
    '77FF5F63-E7B6-4633-ACF4-1565B864C0E6',
    'E7BB33FB-06CF-4E81-8273-E543B413E2E2',
  ],
} as const;

export interface DiskImageOptions {
  /** A certificate `KEY.crt` and its private key `KEY.key` that sign it. */
  readonly key?: string;
  /** What the partition is; `usr` has the tree that belongs below `/usr`. Default `root`. */
  readonly partition?: keyof typeof types;
}

/** Makes a disk image with a hash tree, as systemd-repart lays it out. */
export function writeDiskImage(path: string, from: string, options: DiskImageOptions = {}): string {
  const { key, partition = 'root' } = options;
  const data = writeFilesystem(`${path}.data`, 'squashfs', from);
  const [tree, hash] = [`${path}.tree`, `${path}.hash`];
  try {
    const size = Math.ceil(Bun.file(data).size / 4096) * 4096;
    run('truncate', '-s', String(size), data);
    const root = /^Root hash:\s*(\w+)/m.exec(run('veritysetup', 'format', data, tree))?.[1] ?? '';
    const parts = [readFileSync(data), readFileSync(tree)];
    if (key !== undefined) {
      writeFileSync(hash, root);
      run(
        ...(['openssl', 'smime', '-sign', '-nocerts', '-noattr', '-binary', '-in', hash] as const),
        ...['-inkey', `${key}.key`, '-signer', `${key}.crt`, '-outform', 'DER', '-out', `${hash}.p7s`],
      );
      const signature = readFileSync(`${hash}.p7s`).toString('base64');
      const json = Buffer.alloc(16384);
      json.write(JSON.stringify({ rootHash: root, certificateFingerprint: '', signature }));
      parts.push(json);
    }
    let at = 2048;
    const rows = parts.map((part, index) => {
      const row = { start: at, sectors: Math.ceil(part.length / 512), type: types[partition][index] };
      at += Math.ceil(row.sectors / 2048) * 2048;
      return row;
    });
    rmSync(path, { force: true });
    run('truncate', '-s', String((at + 2048) * 512), path);
    const table = rows
      .map(({ start, sectors, type }) => `start=${start}, size=${sectors}, type=${type}`)
      .join('\n');
    const sfdisk = Bun.spawnSync(['sfdisk', '--quiet', path], {
      stdin: Buffer.from(`label: gpt\n${table}\n`),
    });
    if (sfdisk.exitCode !== 0) throw new Error(sfdisk.stderr.toString());
    const descriptor = openSync(path, 'r+');
    parts.forEach(
      (part, index) => void writeSync(descriptor, part, 0, part.length, (rows[index]?.start ?? 0) * 512),
    );
    closeSync(descriptor);
  } finally {
    for (const file of [data, tree, hash, `${hash}.p7s`]) rmSync(file, { force: true });
  }
  return path;
}
