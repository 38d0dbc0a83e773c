/**
 * Builds the executable: `bun run build [--host]`. One file for each architecture and C library; `--host` builds only
 * the one for this machine. Results are in `dist/`; `dist/kairos` is the one for this machine.
 */
import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { buildPage, pages } from './build-pages.ts';
import { root, runtimeOf, type Target, targets } from './runtimes.ts';

export function executableName(target: Pick<Target, 'architecture' | 'libc'>): string {
  return `kairos-linux-${target.architecture}-${target.libc}`;
}

const hostArchitecture = process.arch === 'arm64' ? 'arm64' : 'amd64';

/**
 * Builds one executable; gives its path. With `faultPoints` it goes to `.work` and has the places at which tests kill
 * it (packages/host/src/fault-point.ts); what is in `dist` has none.
 */
export async function buildExecutable(
  target: Target,
  { faultPoints = false }: { readonly faultPoints?: boolean } = {},
): Promise<string> {
  const runtime = await runtimeOf(target);
  for (const name of pages) await buildPage(name);
  const dist = join(root, faultPoints ? '.work/faults' : 'dist');
  mkdirSync(dist, { recursive: true });
  const path = join(dist, executableName(target));
  const temporary = `${path}.new`;
  const child = Bun.spawn(
    [
      process.execPath,
      'build',
      '--compile',
      '--minify',
      '--bytecode',
      '--format=esm',
      // Each command is a chunk of its own, so that a start reads and links what it runs and no more.
      '--splitting',
      `--compile-executable-path=${runtime}`,
      `--target=bun-linux-${target.architecture === 'amd64' ? 'x64-baseline' : 'arm64'}${target.libc === 'musl' ? '-musl' : ''}`,
      '--define',
      `KAIROS_FAULT_POINTS=${faultPoints}`,
      '--no-compile-autoload-dotenv',
      '--no-compile-autoload-bunfig',
      join(root, 'packages/cli/src/main.ts'),
      '--outfile',
      temporary,
    ],
    { cwd: root, stdout: 'pipe', stderr: 'pipe' },
  );
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) {
    rmSync(temporary, { force: true });
    throw new Error(`bun build for ${executableName(target)} exited with ${code}:\n${stdout}${stderr}`);
  }
  renameSync(temporary, path);
  return path;
}

/** The target that runs on this machine. */
export function hostTarget(): Target {
  const target = targets.find((each) => each.architecture === hostArchitecture && each.libc === 'glibc');
  if (!target) throw new Error(`no executable for ${hostArchitecture}`);
  return target;
}

if (import.meta.main) {
  const wanted = process.argv.includes('--host') ? [hostTarget()] : targets;
  for (const target of wanted) {
    const started = performance.now();
    const path = await buildExecutable(target);
    const megabytes = (Bun.file(path).size / 1e6).toFixed(0);
    console.log(
      `${path.slice(root.length + 1)}  ${megabytes} MB  ${((performance.now() - started) / 1000).toFixed(1)} s`,
    );
  }
  const link = join(root, 'dist/kairos');
  rmSync(link, { force: true });
  symlinkSync(executableName(hostTarget()), link);
}
