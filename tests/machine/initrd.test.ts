/** The thin initrd of a root with real programs and real compressed files, and its programs run out of it. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { machineHost } from '../../packages/host/src/machine.ts';
import { buildThinInitrd } from '../../packages/image/src/initrd/build.ts';
import { readCpio } from '../../packages/image/src/initrd/cpio-reader.ts';
import { syntheticElf } from '../../packages/image/src/initrd/synthetic-elf.ts';
import { librariesOf } from '../src/libraries-of.ts';

const version = '6.1.0-test';
let work: string;
let root: string;

function run(...argv: [string, ...string[]]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(argv);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')} exited with ${exitCode}: ${stderr}`);
  return stdout.toString() + stderr.toString();
}

/** Copies a program of the machine and what `ldd` says that it needs. */
function copyProgram(name: string): void {
  const path = Bun.which(name, { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' });
  if (path === null) throw new Error(`${name} is not installed`);
  for (const file of [path, ...librariesOf(path)]) {
    const place = join(root, file.replace(/^\/(bin|sbin|lib\w*)\//, '/usr/$1/'));
    mkdirSync(dirname(place), { recursive: true });
    cpSync(realpathSync(file), place);
  }
}

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'initrd-'));
  root = join(work, 'root');
  mkdirSync(join(root, 'usr/lib64'), { recursive: true });
  for (const link of ['bin', 'sbin', 'lib', 'lib64']) run('ln', '-s', `usr/${link}`, join(root, link));
  for (const name of ['dmsetup', 'blkid']) copyProgram(name);
  const modules = join(root, 'usr/lib/modules', version);
  mkdirSync(join(modules, 'kernel'), { recursive: true });
  const names = ['loop', 'dm-mod', 'dm-verity', 'erofs', 'ext4', 'overlay'];
  for (const name of names) {
    const file = join(modules, 'kernel', `${name}.ko`);
    writeFileSync(file, syntheticElf({ moduleInfo: [`name=${name}`] }));
    run('xz', '--check=crc32', file);
  }
  writeFileSync(join(modules, 'modules.dep'), names.map((name) => `kernel/${name}.ko.xz:\n`).join(''));
  writeFileSync(join(modules, 'config'), 'CONFIG_RD_XZ=y\nCONFIG_RD_ZSTD=y\nCONFIG_RD_GZIP=y\n');
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

for (const [compression, decompress] of [
  ['zstd', ['zstd', '-dc']],
  ['xz', ['xz', '-dc']],
  ['gzip', ['gzip', '-dc']],
] as const) {
  test(`an initrd compressed with ${compression} unpacks and its programs run`, async () => {
    const output = join(work, `initrd.${compression}`);
    const request = { root, kernelVersion: version, architecture: 'amd64', compression } as const;
    const result = await buildThinInitrd(machineHost(), { ...request, output });
    expect([...result.modules]).toEqual(['loop', 'dm_mod', 'dm_verity', 'erofs', 'ext4', 'overlay']);
    await buildThinInitrd(machineHost(), { ...request, output: `${output}.again` });
    expect(readFileSync(`${output}.again`)).toEqual(readFileSync(output));

    const { exitCode, stdout } = Bun.spawnSync([...decompress, output]);
    expect(exitCode).toBe(0);
    const members = new Map(readCpio(stdout).map((member) => [member.path, member]));
    const module = members.get(`usr/lib/modules/${version}/kernel/dm-verity.ko`);
    expect(Buffer.from(module?.data ?? []).includes('name=dm-verity')).toBe(true);

    const tree = join(work, `tree.${compression}`);
    mkdirSync(tree);
    const unpacked = Bun.spawnSync(['cpio', '--extract', '--quiet', '--no-absolute-filenames'], {
      cwd: tree,
      stdin: stdout,
    });
    expect(unpacked.stderr.toString()).toBe('');
    expect(run('chroot', tree, '/bin/blkid', '--version')).toContain('libblkid');
    expect(run('chroot', tree, '/sbin/dmsetup', '--help')).toContain('create');
    expect(run('chroot', tree, '/bin/sh', '-n', '/init')).toBe('');
  });
}
