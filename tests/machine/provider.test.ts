import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openProviderBus } from '@kairos/agent/providers/bus';
import { machineHost } from '@kairos/host/machine';
import { buildExecutable, hostTarget } from '../../scripts/build.ts';
import { executable } from '../src/images.ts';

// The machine may be busy; nothing here is timed.
setDefaultTimeout(120_000);

const host = machineHost();
const work = mkdtempSync(join(tmpdir(), 'provider-'));
beforeAll(async () => {
  if (!existsSync(executable)) await buildExecutable(hostTarget());
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

test('the executable under the name of a plug-in that it does not know says so, and is reported', async () => {
  symlinkSync(executable, join(work, 'agent-provider-nobody'));
  const bus = openProviderBus(host, {
    searchPath: work,
    warn: () => undefined,
  });
  const own = bus.providers.filter(({ path }) => path.startsWith(work));
  expect(own.map(({ name }) => name)).toEqual(['agent-provider-nobody']);
  const { failures } = await bus.publish('agent.boot', { config: 'x'.repeat(100_000) });
  expect(failures.find(({ provider }) => provider === 'agent-provider-nobody')?.reason).toContain(
    'it exited with 2',
  );
  expect(readdirSync('/run/kairos-agent/payloads')).toEqual([]);
});
