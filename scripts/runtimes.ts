/**
 * The Bun runtimes that executables are made from: fetched by the machine's npm, checked against the digests
 * below, kept in `.cache/runtimes`.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dir, '..');
export const runtimeVersion = '1.4.5';

export interface Target {
  readonly architecture: 'amd64' | 'arm64';
  readonly libc: 'glibc' | 'musl';
  readonly package: string;
  readonly integrity: string;
}

export const targets: readonly Target[] = [
  {
    architecture: 'amd64',
    libc: 'glibc',
    package: '@oven/bun-linux-x64-baseline',
    integrity:
      'sha512-s8yMwYcFnnrA178gji0gZbkE2WVDej/Ti1x770oPfihxyRxSMNhGhiAQNXV53aDeraZxksdvKV/RAdQBCd0qPA==',
  },
  {
    architecture: 'amd64',
    libc: 'musl',
    package: '@oven/bun-linux-x64-musl-baseline',
    integrity:
      'sha512-cWJhU8h0+MiUgpSt99sQhjxLIIosKEcKYdtKddohokUvAuN6jKOy7g7+QDTZTXtwHxz93wL3BX+L6wXVPDUH3A==',
  },
  {
    architecture: 'arm64',
    libc: 'glibc',
    package: '@oven/bun-linux-aarch64',
    integrity:
      'sha512-4BXmsSKnjOrlGWqZV4x/oWa7AVoR+B6lCXddMzOAXBIm3t50eslg9wb66gmtW1AamEQ1l1CDvmmruysEhqOWMg==',
  },
  {
    architecture: 'arm64',
    libc: 'musl',
    package: '@oven/bun-linux-aarch64-musl',
    integrity:
      'sha512-XCNc+WvvMAdNNb+OWTogpy+N9wm62fkVeEVLb6how0RZhW5LPi6c7BlkeVCuWps7XjEl2saFpHFa20/1E+PAHg==',
  },
];

async function run(command: string[], cwd: string): Promise<string> {
  const child = Bun.spawn(command, { cwd, stdout: 'pipe', stderr: 'pipe' });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${command.join(' ')} exited with ${code}:\n${stderr}`);
  return stdout;
}

/** The path of a target's runtime, fetched on first use. */
export async function runtimeOf(target: Target): Promise<string> {
  const cache = join(root, '.cache/runtimes');
  const path = join(cache, `bun-${runtimeVersion}-${target.architecture}-${target.libc}`);
  if (existsSync(path)) return path;
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, '.fetch-'));
  try {
    const packed = await run(
      ['npm', 'pack', '--json', '--loglevel=error', `${target.package}@${runtimeVersion}`],
      work,
    );
    const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
    const archive = join(work, filename);
    const integrity = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
    if (integrity !== target.integrity) {
      throw new Error(
        `${target.package}@${runtimeVersion} has digest ${integrity}, expected ${target.integrity}`,
      );
    }
    await run(['tar', '-xzf', archive, 'package/bin/bun'], work);
    renameSync(join(work, 'package/bin/bun'), path);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return path;
}
