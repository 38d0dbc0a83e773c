import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { webui } from '@kairos/agent/commands/webui';
import { MiB } from '@kairos/facts/size';
import { machineHost } from '@kairos/host/machine';
import type { DiskChoice, InstallationView, PlanView } from '@kairos/pages/installer-api';
import { LoopDisk, lookInside } from '../src/loop-disk.ts';
import { writeSyntheticBootForm } from '../src/synthetic-boot-form.ts';

const machine = machineHost();
let folder: string;
let disk: LoopDisk;
let stop: AbortController;
let served: Promise<boolean>;
let said: string[];
let base: string;
let call: (method: string, path: string, body?: unknown) => Promise<{ status: number; body: never }>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'webui-'));
  await writeSyntheticBootForm(folder, { rootSize: 24 * MiB });
  disk = new LoopDisk(folder, 1024 * MiB);
  stop = new AbortController();
  said = [];
  const ready = Promise.withResolvers<{ urls: readonly string[]; code: string }>();
  served = webui(
    {
      ...machine,
      // A loop device passes for a disk.
      disks: async () =>
        (await machine.disks()).map((one) => (one.path === disk.device ? { ...one, type: 'disk' } : one)),
    },
    {
      ...{
        listen: '127.0.0.1:0',
        source: `dir:${folder}/slot`,
        page: '<p>',
        version: '1',
        signal: stop.signal,
      },
      agent: [process.execPath, join(import.meta.dir, '../src/loop-agent.ts')],
      say: (text) => said.push(text),
      onReady: ready.resolve,
    },
  );
  const { urls, code } = await ready.promise;
  base = urls[0] ?? '';
  let cookie = '';
  call = async (method, path, body) => {
    const response = await fetch(base + path, {
      method,
      headers: { Origin: base, Cookie: cookie, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      // The certificate signs itself; the console shows its fingerprint.
      tls: { rejectUnauthorized: false },
    });
    cookie = response.headers.get('set-cookie')?.split(';')[0] ?? cookie;
    const text = await response.text();
    return { status: response.status, body: (text === '' ? undefined : JSON.parse(text)) as never };
  };
  expect((await call('POST', '/api/session', { code })).status).toBe(204);
});
afterEach(async () => {
  stop.abort();
  expect(await served).toBe(true);
  disk[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
  expect(machine.mounts().filter(({ target }) => target.startsWith('/run/cos'))).toEqual([]);
  expect(machine.files.list('/run/kairos-installer')).toEqual([]);
});

const answers = (more: object = {}) => ({
  ...{ disk: disk.device, hostname: 'edge-1', user: { name: 'ada', password: 'lovelace' } },
  ...more,
});

async function ended(): Promise<InstallationView> {
  while (true) {
    const { body } = await call('GET', '/api/installation');
    const view = body as InstallationView;
    if (view.state !== 'running') return view;
    await Bun.sleep(50);
  }
}

test('the console shows the address, the code and the certificate', () => {
  const [first = ''] = said;
  expect(first).toContain(base);
  expect(first).toMatch(/enter the code {2}[0-9A-Z]{4}-[0-9A-Z]{4}\n/);
  expect(first).toMatch(/SHA-256 is\n {4}([0-9A-F]{2}:){15}[0-9A-F]{2}\n {4}([0-9A-F]{2}:){15}[0-9A-F]{2}\n/);
  expect(Math.max(...first.split('\n').map((line) => line.length))).toBeLessThan(80);
  expect(first.split('\n').length).toBeLessThan(30);
  expect(said[1]).toContain('The code was used.');
});

test('answers become an installation on a disk, and what is there then is told', async () => {
  const before = (await call('GET', '/api/disks')).body as DiskChoice[];
  expect(before.find(({ path }) => path === disk.device)).toMatchObject({ state: 'free', contents: [] });
  const plan = (await call('POST', '/api/plan', answers())).body as PlanView;
  expect(plan.partitions.map(({ label }) => label)).toEqual([
    ...['', 'COS_GRUB', 'COS_OEM', 'COS_RECOVERY', 'COS_STATE', 'COS_PERSISTENT'],
  ]);
  expect(plan.erases).toEqual([]);
  expect((await call('POST', '/api/installation', answers())).status).toBe(202);
  expect((await call('POST', '/api/installation', answers())).status).toBe(409);
  const view = await ended();
  expect(view.error).toBeUndefined();
  expect(view).toMatchObject({
    ...{ state: 'succeeded', percent: 100 },
    installed: { name: 'kairos-core-debian-13', version: 'v0.1.0', disk: disk.device },
  });
  expect(view.log).toContain(`partition ${disk.device}`);
  lookInside(disk.partition(3), (oem) => {
    const text = readFileSync(join(oem, '90_custom.yaml'), 'utf8');
    expect(text).toContain('hostname: edge-1');
    expect(text).toMatch(/passwd: \$6\$/);
    expect(text).not.toContain('lovelace');
  });
  lookInside(disk.partition(5), (state) => {
    expect(readdirSync(join(state, 'cOS')).sort()).toEqual(['active', 'passive']);
  });
  const after = (await call('GET', '/api/disks')).body as DiskChoice[];
  expect(after.find(({ path }) => path === disk.device)?.contents).toContainEqual(
    expect.stringMatching(/named state\): ext4 "COS_STATE"$/),
  );
});

test('a disk with data needs to be erased by name', async () => {
  Bun.spawnSync(['mkfs.ext4', '-q', '-L', 'photos', disk.device]);
  const disks = (await call('GET', '/api/disks')).body as DiskChoice[];
  expect(disks.find(({ path }) => path === disk.device)).toMatchObject({
    ...{ state: 'data', contents: [`${disk.device}: ext4 "photos"`] },
  });
  const refused = await call('POST', '/api/installation', answers());
  expect(refused).toMatchObject({ status: 422, body: { error: { code: 'DISK_HAS_DATA' } } });
  expect((await call('POST', '/api/installation', answers({ erase: true }))).status).toBe(202);
  expect((await ended()).state).toBe('succeeded');
});

test('a stopped installation leaves nothing mounted, and another one can follow', async () => {
  expect((await call('POST', '/api/installation', answers())).status).toBe(202);
  const stopped = await call('DELETE', '/api/installation');
  expect((stopped.body as InstallationView).state).toBe('stopped');
  expect(machine.mounts().filter(({ target }) => target.startsWith('/run/cos'))).toEqual([]);
  expect((await call('POST', '/api/installation', answers({ erase: true }))).status).toBe(202);
  expect((await ended()).state).toBe('succeeded');
});

test('what fails while it runs is told as it was', async () => {
  const body = answers({
    cloudConfig: '#cloud-config\ninstall:\n  extra-partitions: [{name: big, size: 90000}]\n',
  });
  const refused = await call('POST', '/api/installation', body);
  expect(refused).toMatchObject({
    status: 422,
    body: { error: { message: expect.stringContaining('big') } },
  });
});
