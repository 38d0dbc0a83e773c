import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import type { CloudConfig } from '@kairos/config/schema/root';
import { MiB } from '@kairos/facts/size';
import type { Partition } from '@kairos/host/disks';
import { editGrubEnvironment } from '@kairos/host/fixture-grub-environment';
import { readGrubEnvironment } from '@kairos/host/grub-environment';
import type { Host } from '@kairos/host/host';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';
import { readAgentSettings } from '../agent-settings.ts';
import { installedScene, PowerCut, type Scene, sceneFolder } from '../node-scene.ts';
import type { Progress } from '../progress.ts';
import { readResetJournal, resetStatusPath } from '../reset/journal.ts';
import { renderResetSummary } from '../reset/render.ts';
import { readState } from '../state/state.ts';
import { type ResetOptions, type ResetParts, resetWith } from './reset.ts';
import { cancelReset, resetStatus } from './reset-status.ts';

let folder: string;
let scene: Scene;
beforeEach(async () => {
  folder = sceneFolder();
  scene = await installedScene(folder, { active: 'v2', passive: 'v2', recovery: 'v1' });
  config({ users: [{ name: 'a', groups: ['admin'] }] });
  setMark('');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const files = () => scene.boot('active').files;
const config = (content: CloudConfig) =>
  files().write('/oem/config.yaml', `#cloud-config\n${JSON.stringify(content)}\n`);
const setMark = (value: string) =>
  editGrubEnvironment(files(), '/state/boot_assessment', { kairos_reset: value });
const mark = () => readGrubEnvironment(files(), '/state/boot_assessment').kairos_reset;

type BootOptions = Parameters<Scene['boot']>[1];
const boot = (more: BootOptions = {}) =>
  scene.boot('recovery', { cmdline: 'root=LABEL=COS_SYSTEM', ...more });
const autoreset = (more: BootOptions = {}) => boot({ cmdline: 'COS_SYSTEM kairos.reset', ...more });

const stages: string[] = [];
const parts = (more: Partial<ResetParts> = {}): ResetParts => ({
  async openSource(host, uri) {
    const path = uri.replace(/^dir:/, '');
    return { image: bootFormFromDirectory(host.files.real(path), uri), close: () => undefined };
  },
  runStage: async (_, stage) => {
    stages.push(stage);
  },
  plugins: () => ({ before: async () => ({}), after: async () => undefined }),
  now: () => new Date('2026-01-02T03:04:05Z'),
  ...more,
});
const run = (host: Host, options: Partial<ResetOptions> = {}, more: Partial<ResetParts> = {}) =>
  resetWith(host, { onProgress: () => undefined, ...options }, parts(more));
const failing = (code: string, run: Promise<unknown>) => expect(run).rejects.toMatchObject({ code });

test('runs only in recovery, and says how to get there', async () => {
  await expect(run(scene.boot('active'))).rejects.toMatchObject({
    code: 'RESET_NOT_IN_RECOVERY',
    exitCode: 19,
    hint: expect.stringContaining('kairos-agent bootentry --select statereset'),
  });
});

test('a dry run changes nothing, not even a file system that has to be mended', async () => {
  const host = boot();
  const before = scene.slots();
  const { plan, done } = await run(host, { dryRun: true, resetOem: true });
  expect([done, plan.resumes, plan.image.version]).toEqual([false, false, 'v1']);
  expect(scene.slots()).toEqual(before);
  expect(host.commands).toEqual([]);
  expect(files().exists('/state/reset.json')).toBe(false);
  expect(renderResetSummary(plan)).toContain(
    'This is erased:\n  - COS_PERSISTENT (/dev/vda6): all data, /home, /usr/local, persistent parts of /etc and /var\n  - COS_OEM (/dev/vda3)',
  );
});

test('whoever is asked and says no leaves all as it is', async () => {
  const host = boot();
  const asked = run(host, {
    confirm: async () => {
      throw Object.assign(new Error('no'), { code: 'RESET_ABORTED' });
    },
  });
  await failing('RESET_ABORTED', asked);
  expect(scene.slots()).toEqual({ active: 'v2', passive: 'v2' });
  expect(mark()).toBeUndefined();
});

describe('the configuration', () => {
  test('is what an installed node has: keys of reset', async () => {
    const image = await scene.image('v5');
    config({
      users: [{ name: 'a', groups: ['admin'] }],
      reset: {
        ...{ 'reset-persistent': false, 'reset-oem': false, poweroff: true, 'grub-entry-name': 'Edge' },
        ...{ system: { source: `dir:/images/0` }, tty: 'tty3' },
      },
    });
    const host = boot();
    const { plan, warnings } = await run(host);
    expect(image).toEndWith('/images/0');
    expect(scene.slots()).toEqual({ active: 'v5', passive: 'v5' });
    expect(host.commands.map(([program]) => program)).toEqual(['e2fsck', 'sync', 'poweroff']);
    expect(plan.after).toBe('poweroff');
    expect(readGrubEnvironment(files(), '/state/grub_oem_env')).toEqual({ default_menu_entry: 'Edge' });
    expect(warnings).toEqual([
      'reset.tty has no effect: consoles are set by extra_cmdline in the boot options',
    ]);
  });

  test('without anybody who could log in it is refused, and the reason is kept', async () => {
    config({});
    await failing('NO_ADMIN_USER', run(autoreset()));
    expect((await readState(scene.boot('active'))).reset).toMatchObject({
      status: 'failed',
      failure: { code: 'NO_ADMIN_USER' },
      text: expect.stringContaining('was refused, and nothing was changed'),
    });
    expect(mark()).toBeUndefined();
    expect(scene.slots()).toEqual({ active: 'v2', passive: 'v2' });
  });

  test('that cannot be read does not keep a node from being reset', async () => {
    files().write('/oem/config.yaml', '#cloud-config\nreset: [broken\n');
    const { warnings } = await run(boot(), { resetOem: true });
    expect(warnings[0]).toContain('/oem/config.yaml');
    expect(scene.slots()).toEqual({ active: 'v1', passive: 'v1' });
  });
});

test('OEM is damaged: the node is reset without it, and it stays as it is', async () => {
  files().remove('/oem/config.yaml');
  const damaged = autoreset({
    mounts: [{ source: '', target: '/run/initramfs/cos-state', type: 'ext4', options: ['ro'] }],
    onMount({ source }) {
      if (source === '/dev/vda3') throw new Error('bad superblock');
    },
  });
  const withoutOem: Host = {
    ...damaged,
    disks: async () =>
      (await damaged.disks()).map((disk) => ({
        ...disk,
        partitions: disk.partitions.map((one) =>
          one.path === '/dev/vda3' ? { ...one, label: '', filesystem: '', mountPoints: [] } : one,
        ),
      })),
  };
  const { plan, warnings } = await run(withoutOem);
  expect(warnings).toEqual([
    'No user is in the group admin, so nobody could log in to the node (read: no file); COS_OEM is not there or cannot be read',
  ]);
  expect(plan.notes).toContain('COS_OEM stays as it is and cannot be read: bad superblock');
  expect(damaged.commands.map(([program, ...rest]) => [program, rest.at(-1)])).toEqual([
    ['e2fsck', '/dev/vda5'],
    ['mkfs.ext4', '/dev/vda6'],
  ]);
  expect(scene.slots()).toEqual({ active: 'v1', passive: 'v1' });
});

test('state cannot be mended: it is made anew with a menu and both slots', async () => {
  files().remove('/state');
  const broken = boot({ run: ([program]) => ({ code: program === 'e2fsck' ? 8 : 0 }) });
  const sized: Host = {
    ...broken,
    disks: async () =>
      (await broken.disks()).map((disk) => ({
        ...disk,
        partitions: disk.partitions.map((one) => ({ ...one, size: 100 * MiB })),
      })),
  };
  const { plan } = await run(sized);
  expect(broken.commands.map(([program, ...rest]) => [program, rest.at(-1)])).toEqual([
    ['e2fsck', '/dev/vda5'],
    ['mkfs.ext4', '/dev/vda5'],
    ['mkfs.ext4', '/dev/vda6'],
  ]);
  expect(plan.notes[0]).toBe('The file system of COS_STATE is made anew: e2fsck cannot mend it (8)');
  expect(scene.slots()).toEqual({ active: 'v1', passive: 'v1' });
  expect(files().readText('/state/grub2/grub.cfg')).toBe('# menu v1\n');
  expect(readGrubEnvironment(files(), '/state/grub_oem_env')).toEqual({ default_menu_entry: 'Kairos' });
});

test('recovery itself is damaged: nothing is erased, and the reason is kept', async () => {
  files().write('/recovery/cOS/recovery/root.img', 'x'.repeat('root of v1'.length * 50));
  const host = autoreset();
  const told: Progress[] = [];
  await failing('SLOT_DIFFERS', run(host, { onProgress: (line) => told.push(line) }));
  expect(host.commands.map(([program]) => program)).toEqual(['e2fsck']);
  expect(told.at(-1)).toEqual({
    step: 'failed',
    message:
      'The reset stopped, and the node stays in recovery; nothing was erased, and the next start is that of before',
  });
  const { active, passive } = scene.slots();
  expect([active, passive, mark()]).toEqual(['v2', 'v2', undefined]);
  const { reset, next_boot } = await readState(scene.boot('active'));
  expect(reset).toMatchObject({ status: 'failed', erased: [], failure: { code: 'SLOT_DIFFERS' } });
  expect(reset?.text).toContain('was refused, and nothing was changed');
  expect(next_boot?.entries[0]).toBe('cos');
});

test('a failure after something is lost: the next start goes on', async () => {
  const host = autoreset({ run: ([program]) => ({ code: program === 'mkfs.ext4' ? 1 : 0 }) });
  await failing('TOOL_FAILED', run(host));
  expect(mark()).toBe('3');
  const { reset, next_boot } = await readState(scene.boot('active'));
  expect(reset).toMatchObject({ status: 'failed', tries_left: 3, failure: { code: 'TOOL_FAILED' } });
  expect(next_boot).toEqual({ entries: ['statereset', 'cos', 'fallback'], reason: 'reset unfinished' });
  // In recovery COS_STATE is not at hand.
  const seen = (await readState(autoreset())).reset;
  expect([seen?.status, seen?.tries_left]).toEqual(['failed', undefined]);
  const { plan } = await run(autoreset());
  expect(plan.resumes).toBe(true);
  expect(scene.slots()).toEqual({ active: 'v1', passive: 'v1' });
});

describe('a disk', () => {
  const withPartitions = async (
    change: (partition: Partition) => Partition | undefined,
  ): Promise<BootOptions> => {
    const disks = (await boot().disks()).map((disk) => ({
      ...disk,
      partitions: disk.partitions.flatMap((partition) => change(partition) ?? []),
    }));
    return { disks };
  };
  const reboots = (host: { readonly commands: readonly (readonly string[])[] }) =>
    host.commands.some(([program]) => program === 'reboot');

  test('without OEM and persistent is reset without them', async () => {
    config({ install: { nousers: true } });
    const host = boot(
      await withPartitions((one) => (['oem', 'persistent'].includes(one.partitionName) ? undefined : one)),
    );
    expect((await run(host)).done).toBe(true);
    expect(scene.slots()).toEqual({ active: 'v1', passive: 'v1' });
  });

  test.each<['persistent' | 'oem', Partial<ResetOptions>]>([
    ['persistent', {}],
    ['oem', { resetOem: true }],
  ])('whose partition %s is encrypted is refused before anything changes', async (name, options) => {
    const host = boot(
      await withPartitions((one) =>
        one.partitionName === name ? { ...one, filesystem: 'crypto_LUKS', mountPoints: [] } : one,
      ),
    );
    await expect(run(host, { ...options, reboot: true })).rejects.toMatchObject({
      ...{ code: 'ENCRYPTED_PARTITION', exit: 'unsuitableDisk' },
      hint: `Keep it with reset.reset-${name}: false, or install anew`,
    });
    expect(scene.slots()).toEqual({ active: 'v2', passive: 'v2' });
    expect([mark(), reboots(host)]).toEqual([undefined, false]);
  });

  test('with an encrypted partition that stays is reset', async () => {
    config({ users: [{ name: 'a', groups: ['admin'] }], reset: { 'reset-persistent': false } });
    const host = boot(
      await withPartitions((one) =>
        one.partitionName === 'persistent' ? { ...one, filesystem: 'crypto_LUKS' } : one,
      ),
    );
    expect((await run(host)).done).toBe(true);
    expect(scene.slots()).toEqual({ active: 'v1', passive: 'v1' });
  });
});

describe('a reset that was chosen in the menu', () => {
  const variables = () => readGrubEnvironment(files(), '/state/boot_assessment');
  beforeEach(() => {
    editGrubEnvironment(files(), '/state/boot_assessment', { kairos_reset_chosen: '1' });
  });

  test('and whose system did not start is told by the old one, which starts; and can be forgotten', async () => {
    const { reset, next_boot } = await readState(scene.boot('active'));
    expect(reset).toMatchObject({ status: 'not-begun', started: null, erased: [], failure: null });
    expect(reset?.text).toContain('did not come so far as to begin it; nothing was changed');
    expect(next_boot?.entries[0]).toBe('cos');
    expect((await resetStatus(boot(), () => undefined)).status).toBe('not-begun');
    expect(await cancelReset(scene.boot('active'), () => undefined)).toBe(true);
    expect(variables()).toEqual({});
    expect((await readState(scene.boot('active'))).reset).toBeUndefined();
  });

  test('is not missed while its system starts', async () => {
    expect((await resetStatus(autoreset(), () => undefined)).status).toBe('none');
  });

  test('is begun, and then counted', async () => {
    const fault = parts({
      async runStage(_, stage) {
        if (stage === 'before-reset') throw new PowerCut('gone');
      },
    });
    let marks: Record<string, string> | undefined;
    fault.now = () => {
      marks = variables().kairos_reset === undefined ? marks : variables();
      return new Date('2026-01-02T03:04:05Z');
    };
    await run(autoreset(), { strict: true }, fault).catch(() => undefined);
    expect(marks).toEqual({ kairos_reset: '3' });
  });

  test('that is refused says why, and no more', async () => {
    config({ users: [{ name: 'a' }] });
    await failing('NO_ADMIN_USER', run(autoreset()));
    expect(variables()).toEqual({});
    expect((await readState(scene.boot('active'))).reset).toMatchObject({ status: 'failed' });
  });
});

describe('a reset that has used up its starts', () => {
  beforeEach(async () => {
    const full: Partial<ResetParts> = {
      runStage: async (_, stage) => {
        if (stage === 'before-reset') throw new Error('power');
      },
    };
    await expect(run(boot(), { strict: true }, full)).rejects.toThrow('power');
    setMark('0');
  });

  test('is told, and what next', async () => {
    const { text, status } = await resetStatus(boot(), () => undefined);
    expect(status).toBe('gave-up');
    expect(text).toBe(
      'The reset of 2026-01-02T03:04:05.000Z is not finished, and no start is left to it: power. Mend that, then run kairos-agent reset; or give it up with kairos-agent reset --cancel',
    );
    expect((await readState(scene.boot('active'))).next_boot?.reason).toBe('reset failed');
  });

  test('can be given up, which a dry run does not do', async () => {
    expect(await cancelReset(boot(), () => undefined, { dryRun: true })).toBe(true);
    expect((await resetStatus(boot(), () => undefined)).status).toBe('gave-up');
    expect(mark()).toBe('0');
    expect(await cancelReset(boot(), () => undefined)).toBe(true);
    expect(await cancelReset(boot(), () => undefined)).toBe(false);
    const { reset, next_boot } = await readState(scene.boot('active'));
    expect(reset).toMatchObject({ status: 'gave-up', failure: { code: 'CANCELLED' } });
    expect(next_boot?.entries[0]).toBe('cos');
  });

  test('can be asked for again by hand', async () => {
    const { plan } = await run(boot());
    expect(plan.resumes).toBe(false);
    expect(mark()).toBeUndefined();
    expect(scene.slots()).toEqual({ active: 'v1', passive: 'v1' });
    expect((await resetStatus(boot(), () => undefined)).status).toBe('done');
    expect(readResetJournal(files(), resetStatusPath)?.status).toBe('done');
  });
});

test('plug-ins are told, and may ask for OEM to be erased; nonsense of theirs is a warning', async () => {
  const heard: string[] = [];
  const told = (answer: () => Promise<Record<string, string>>): Partial<ResetParts> => ({
    plugins: () => ({
      before: answer,
      after: async () => {
        heard.push(scene.slots().active ?? '');
      },
    }),
  });
  const broken = await run(
    boot(),
    { dryRun: false },
    told(() => Promise.reject(new Error('garbage'))),
  );
  expect([broken.done, broken.warnings]).toEqual([true, ['garbage']]);
  const asked = boot();
  await run(
    asked,
    {},
    told(async () => ({ 'reset-oem': 'true' })),
  );
  expect(asked.commands.map(([program, ...rest]) => [program, rest.at(-1)])).toContainEqual([
    'mkfs.ext4',
    '/dev/vda3',
  ]);
  expect(heard).toEqual(['v1', 'v1']);
});

test('one at a time', async () => {
  const first = run(boot(), {
    confirm: async () => failing('BUSY', run(boot())),
  });
  expect((await first).done).toBe(true);
});

test('branding and haste come from the settings of the agent; what is broken there does no harm', () => {
  const host = files();
  expect(readAgentSettings(host)).toMatchObject({ fast: false, branding: { reset: undefined } });
  host.write('/etc/kairos/branding/reset_text', 'Acme reset\n');
  host.write('/etc/kairos/agent.yaml', 'fast: true\n');
  expect(readAgentSettings(host)).toMatchObject({ fast: true, branding: { reset: 'Acme reset' } });
  host.write('/etc/kairos/agent.yaml', 'branding: {reset: Edge}\n');
  expect(readAgentSettings(host)).toMatchObject({ fast: false, branding: { reset: 'Edge' } });
  host.write('/etc/kairos/agent.yaml', ': [');
  expect(readAgentSettings(host).fast).toBe(false);
});
