import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostArchitecture } from '@kairos/facts/architecture';
import { createLayout } from '@kairos/oci/layout-writer';
import { writeTar } from '@kairos/oci/tar-write';
import { putContainer, streamOf } from '@kairos/oci/test-content';
import { buildExecutable, hostTarget } from '../../scripts/build.ts';
import { executable } from '../src/images.ts';
import { type RegistryServer, startRegistry } from '../src/registry-server.ts';
import { run } from '../src/run-tool.ts';

// The machine may be busy; nothing here is timed.
setDefaultTimeout(120_000);

const folder = mkdtempSync(join(tmpdir(), 'install-bundle-'));
let registry: RegistryServer;
beforeAll(async () => {
  if (!existsSync(executable)) await buildExecutable(hostTarget());
  registry = await startRegistry(folder);
});
afterAll(async () => {
  await registry.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Puts an image of these files into the registry, with skopeo. */
async function push(name: string, files: Record<string, string>): Promise<string> {
  const entries = Object.entries(files).map(([path, text]) => {
    const content = Buffer.from(text);
    return {
      ...{ path, type: 'file' as const, mode: 0o755, uid: 0, gid: 0, modified: 0, size: content.length },
      content: streamOf(content),
    };
  });
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeTar(entries)) chunks.push(chunk);
  const layout = createLayout(join(folder, name));
  layout.writeIndex([putContainer(layout, [Buffer.concat(chunks)], hostArchitecture())]);
  const reference = `${registry.address}/${name}:1`;
  run(
    ...(['skopeo', 'copy', '--quiet', '--insecure-policy', '--dest-tls-verify=false'] as const),
    ...[`oci:${join(folder, name)}`, `docker://${reference}`],
  );
  return reference;
}

/** Runs the executable where the root is read-only and `/usr/local` is not, as on a node. */
function install(target: string, ...more: string[]) {
  const root = join(folder, 'root');
  mkdirSync(join(root, 'usr/local'), { recursive: true });
  mkdirSync(join(root, 'usr/bin'), { recursive: true });
  const script = [
    'set -e',
    'mount -t tmpfs tmpfs /usr/local',
    `mount --bind ${root} ${root}; mount -o remount,bind,ro ${root}; mount --bind ${folder}/data ${root}/usr/local`,
    '"$@" && cat /usr/local/.kairos/db/bundles.json',
  ].join('\n');
  const { exitCode, stdout, stderr } = Bun.spawnSync([
    ...['unshare', '--mount', 'sh', '-c', script, 'sh', executable, 'agent', 'install-bundle', target],
    ...['--root-path', root, ...more],
  ]);
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

test('from a registry that speaks http, into what can be written, with a record', async () => {
  const reference = await push('tools', { 'usr/local/bin/tool': '#!/bin/sh\n' });
  const { exitCode, stdout, stderr } = install(`container://${reference}`, '--insecure');
  expect([exitCode, stderr]).toEqual([0, expect.stringContaining(`${reference}: installed`)]);
  expect(stdout).toStartWith(`container://${reference} is installed\n`);
  expect(JSON.parse(stdout.slice(stdout.indexOf('{')))).toMatchObject({
    bundles: [{ target: `container://${reference}`, digest: expect.stringMatching(/^sha256:/) }],
  });
  expect(readFileSync(join(folder, 'data/bin/tool'), 'utf8')).toBe('#!/bin/sh\n');
});

test('into the read-only system: refused before the first write, with its own exit code', async () => {
  const reference = await push('system', { 'usr/local/bin/second': 'x', 'usr/bin/tool': 'x' });
  const { exitCode, stderr } = install(`container://${reference}`, '--insecure');
  expect(exitCode).toBe(13);
  expect(stderr).toContain('read-only');
  expect(existsSync(join(folder, 'data/bin/second'))).toBe(false);
});

test('package:// is refused with the way out', () => {
  const { exitCode, stderr } = install('package://utils/x');
  expect([exitCode, stderr]).toEqual([10, expect.stringContaining('container://REPOSITORY:TAG')]);
});
