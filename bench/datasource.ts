/**
 * What a node without any data source loses at a boot that asks all of them: once where nothing routes to their
 * addresses, once where something takes the connection and never answers. `bun bench/datasource.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDocument } from '../packages/config/src/document.ts';
import { directoryHost } from '../packages/host/src/directory.ts';
import { metadataServices } from '../packages/stages/src/datasources/metadata-services.ts';
import { runStage } from '../packages/stages/src/run-stage.ts';

const wanted = 2000;
const folder = mkdtempSync(join(tmpdir(), 'bench-datasource-'));
const silent = Bun.serve({ port: 0, fetch: () => new Promise<Response>(() => undefined) });
const names = Object.keys(metadataServices);
const document = parseDocument(
  `stages:\n  boot:\n  - datasource: { providers: [cdrom, config-drive, nocloud, vmware, ${names.join(', ')}] }\n`,
  'bench.yaml',
);
const addresses = Object.fromEntries(names.map((name) => [name, `http://127.0.0.1:${silent.port}`]));
let worst = 0;
for (const [what, metadataServers] of [
  ['their own addresses', {}],
  ['services that never answer', addresses],
] as const) {
  const started = performance.now();
  await runStage(directoryHost(folder), 'boot', {
    directories: [],
    documents: [document],
    services: { metadataServers },
  });
  const took = performance.now() - started;
  worst = Math.max(worst, took);
  console.log(`${what.padEnd(28)} ${took.toFixed(0)} ms for ${names.length} services`);
}
await silent.stop(true);
rmSync(folder, { recursive: true, force: true });
console.log(`${worst <= wanted ? 'within' : 'OVER'} ${wanted} ms`);
process.exit(worst <= wanted ? 0 : 1);
