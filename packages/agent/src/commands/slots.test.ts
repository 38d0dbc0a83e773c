import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  formatGrubEnvironment,
  readGrubEnvironment,
  updateGrubEnvironment,
} from '@kairos/host/grub-environment';
import type { Host } from '@kairos/host/host';
import { tryLock } from '@kairos/host/lock';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';
import { bootableSlots, nextBoot, slotOfEntry } from '../boot-choice.ts';
import { readBootFailures } from '../boot-failures.ts';
import { cutBefore, makeScene, PowerCut, rootHashOf, type Scene, sceneFolder } from '../node-scene.ts';
import { lockPath } from '../operation.ts';
import { readState } from '../state.ts';
import { bootEntry } from './boot-entry.ts';
import { type BootGoodOptions, markBootGood } from './boot-good.ts';
import { rollback } from './rollback.ts';
import { upgradeWith } from './upgrade.ts';

let folder: string;
let scene: Scene;
beforeEach(async () => {
  folder = sceneFolder();
  scene = makeScene(folder);
  await setUp();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function setUp(): Promise<void> {
  await scene.install('v2', 'active');
  await scene.install('v1', 'passive');
  const { files } = scene.boot('active');
  files.write('/oem/config.yaml', '#cloud-config\nusers: [{name: a, groups: [admin]}]\n');
  files.write('/run/immucore/boot-report.json', '{"steps":[]}');
  files.write(
    '/state/grub2/grub.cfg',
    readFileSync(join(import.meta.dir, '../../../../system/grub/grub.cfg'), 'utf8'),
  );
}

const silent = { onProgress: () => undefined, now: () => new Date('2026-01-02T03:04:05Z') };
const env = (path: string) => readGrubEnvironment(scene.boot('active').files, path);
const setAssessment = (changes: Record<string, string>) =>
  updateGrubEnvironment(scene.boot('active').files, '/state/boot_assessment', changes);
const setUser = (changes: Record<string, string>) =>
  updateGrubEnvironment(scene.boot('active').files, '/oem/grubenv', changes);
const entries = () =>
  nextBoot({
    user: env('/oem/grubenv'),
    installation: env('/state/grub_oem_env'),
    assessment: env('/state/boot_assessment'),
  }).entries;

describe('rollback', () => {
  test('passive becomes active, on trial, and is what starts next', async () => {
    setUser({ saved_entry: 'fallback', next_entry: 'recovery', extra_cmdline: 'quiet' });
    setAssessment({ kairos_tries: '1' });
    const result = await rollback(scene.boot('passive'), silent);
    expect([result.from?.version, result.to.version]).toEqual(['v2', 'v1']);
    expect(scene.slots()).toEqual({ active: 'v1', passive: 'v2' });
    expect(env('/oem/grubenv')).toEqual({ extra_cmdline: 'quiet' });
    expect(env('/state/boot_assessment')).toMatchObject({ kairos_tries: '3', kairos_fallback_tries: '3' });
    const { slots } = await readState(scene.boot('passive'));
    expect([slots.active?.status, slots.passive?.status]).toEqual(['on trial', 'failed']);
  });

  test('a dry run changes nothing', async () => {
    const result = await rollback(scene.boot('active'), { ...silent, dryRun: true });
    expect(result.steps.filter(({ kind }) => kind === 'exchange')).toHaveLength(1);
    expect(scene.slots()).toEqual({ active: 'v2', passive: 'v1' });
  });

  test.each<[string, () => Promise<unknown> | undefined, string]>([
    [
      'a damaged fallback',
      async () => scene.boot('active').files.write('/state/cOS/passive/vmlinuz', 'kernel of vX'),
      'SLOT_DAMAGED',
    ],
    ['no fallback', async () => scene.boot('active').files.remove('/state/cOS/passive'), 'NO_FALLBACK'],
    ['the same image', () => scene.install('v2', 'passive'), 'SAME_IMAGE'],
  ])('%s is refused', async (_, prepare, code) => {
    await prepare();
    await expect(rollback(scene.boot('active'), silent)).rejects.toMatchObject({ code });
    expect(env('/state/boot_assessment')).toEqual({});
  });

  test('a power cut before every change leaves two whole slots, and a re-run finishes', async () => {
    for (let n = 1; ; n++) {
      rmSync(folder, { recursive: true, force: true });
      await setUp();
      setUser({ saved_entry: 'fallback' });
      const fault = cutBefore(scene.boot('passive'), n);
      const outcome = await rollback(fault.host, silent).catch((error: unknown) => error);
      if (!(outcome instanceof Error) && fault.effects() < n) break;
      if (outcome instanceof Error && !(outcome instanceof PowerCut)) throw outcome;
      expect(await bootableSlots(scene.boot('active').files, '/state')).toEqual(['active', 'passive']);
      // What starts is the wanted slot, or one that is counted and gives way to it.
      const slot = slotOfEntry[entries()[0] ?? ''] ?? '';
      const version = scene.slots()[slot];
      expect([n, version === 'v1' || env('/state/boot_assessment').kairos_tries === '3']).toEqual([n, true]);
      if (scene.slots().active !== 'v1') await rollback(scene.boot('passive'), silent);
      expect([n, scene.slots()]).toEqual([n, { active: 'v1', passive: 'v2' }]);
      expect([n, entries()[0]]).toEqual([n, 'cos']);
    }
  });
});

describe('boot entries', () => {
  test('are listed, and one is chosen once or for good', async () => {
    const host = scene.boot('active');
    expect((await bootEntry(host)).entries.map(({ id }) => id)).toEqual([
      'cos',
      'fallback',
      'recovery',
      'statereset',
    ]);
    expect((await bootEntry(host, { select: 'passive' })).next).toMatchObject({ reason: 'once' });
    expect(env('/oem/grubenv')).toEqual({ next_entry: 'fallback' });
    await bootEntry(host, { select: 'Kairos recovery', permanent: true });
    expect(env('/oem/grubenv')).toEqual({ next_entry: 'fallback', saved_entry: 'recovery' });
    expect(host.mountLog).toEqual([]);
  });

  test('entries of the user count, and a variable of the installation does not stand in the way', async () => {
    const { files } = scene.boot('active');
    files.write('/oem/grubmenu', 'menuentry "Memory test" --id memtest {\n}\n');
    updateGrubEnvironment(files, '/state/grub_oem_env', { saved_entry: 'cos', default_menu_entry: 'Edge' });
    const { next, entries: found } = await bootEntry(scene.boot('active'), {
      select: 'memtest',
      permanent: true,
    });
    expect(next.entries[0]).toBe('memtest');
    expect(found[0]).toEqual({ id: 'cos', title: 'Edge' });
    expect(env('/state/grub_oem_env')).toEqual({ default_menu_entry: 'Edge' });
  });

  test('a variable of the installation that is there without a value does not hide the choice', async () => {
    const { files } = scene.boot('active');
    // As GRUB leaves it behind with another menu.
    const block = formatGrubEnvironment({ default_menu_entry: 'Edge' }, 'test');
    files.write(
      '/state/grub_oem_env',
      Buffer.from(block).toString().replace('Edge\n', 'Edge\nnext_entry=\n').slice(0, 1024),
    );
    expect(entries()).toEqual(['cos', 'fallback', 'recovery']);
    expect((await bootEntry(scene.boot('active'), { select: 'recovery' })).next.entries[0]).toBe('recovery');
    expect(entries()[0]).toBe('recovery');
  });

  test('a wrong name is told the right one', async () => {
    await expect(bootEntry(scene.boot('active'), { select: 'recovry' })).rejects.toMatchObject({
      code: 'NO_BOOT_ENTRY',
      hint: 'Did you mean recovery? The entries are cos, fallback, recovery, statereset',
    });
  });
});

describe('the boot that proves itself', () => {
  const good = (host: Host, more: Partial<BootGoodOptions> = {}) =>
    markBootGood(host, { ...silent, reboot: false, ...more });
  const failedReport = JSON.stringify({
    steps: [
      { name: 'a', status: 'failed', criticality: 'must', error: { message: 'torn' } },
      { name: 'b', status: 'degraded', criticality: 'degrade', problems: ['typo'] },
      { name: 'c', status: 'failed', criticality: 'ignore' },
    ],
  });

  test('a slot on trial that is well has no counter any more', async () => {
    setAssessment({ kairos_tries: '2', kairos_fallback_tries: '3', kairos_failed: 'x' });
    setAssessment({ kairos_unloadable_active: 'kernel' });
    expect(await good(scene.boot('active'))).toMatchObject({ verdict: 'good', slot: 'active', reasons: [] });
    expect(env('/state/boot_assessment')).toEqual({ kairos_failed: 'x', kairos_starts: '5' });
  });

  test('in its last start a slot is on trial, and afterwards it has failed', async () => {
    setAssessment({ kairos_tries: '0', kairos_fallback_tries: '3' });
    const line = scene.boot('active').files.readText('/proc/cmdline').trim();
    const { slots } = await readState(scene.boot('active', { cmdline: `${line} kairos.trial=0` }));
    expect(slots.active).toMatchObject({ status: 'on trial', tries_left: 0 });
    expect((await readState(scene.boot('passive'))).slots.active?.status).toBe('failed');
  });

  test('a slot that is not on trial is left alone, whatever its report says', async () => {
    setAssessment({ kairos_starts: '5' });
    const host = scene.boot('active');
    host.files.write('/run/immucore/boot-report.json', failedReport);
    expect(await good(host)).toMatchObject({ verdict: 'not-assessed' });
    expect(host.mountLog).toEqual([]);
  });

  test.each<['active' | 'passive', string, string, string]>([
    ['active', '', '', '5'],
    ['active', '', '3', '5'],
    ['passive', 'upgrade_failure', '3', '5'],
    // Chosen by somebody: what became of the active one is still to be seen.
    ['passive', '', '3', '3'],
  ])('%s %s that comes up with %p starts left has %s again', async (slot, word, before, after) => {
    setAssessment({ kairos_starts: before });
    const line = scene.boot(slot).files.readText('/proc/cmdline').trim();
    expect((await good(scene.boot(slot, { cmdline: `${line} ${word}` }))).verdict).toBe('not-assessed');
    expect(env('/state/boot_assessment').kairos_starts).toBe(after);
  });

  test('one that is not well keeps its counter and its reasons, and restarts', async () => {
    setAssessment({ kairos_tries: '2', kairos_fallback_tries: '3' });
    const host = scene.boot('active');
    host.files.write('/run/immucore/boot-report.json', failedReport);
    const result = await good(host, { reboot: true });
    expect(result).toMatchObject({
      verdict: 'failed',
      reasons: ['boot step a failed: torn'],
      warnings: ['boot step b degraded: typo'],
    });
    expect(env('/state/boot_assessment').kairos_tries).toBe('2');
    expect(host.commands.at(-1)).toEqual(['reboot', '-f']);
    expect(readBootFailures(host.files)).toMatchObject([
      { slot: 'active', triesLeft: 2, reasons: result.reasons, image: { version: 'v2' } },
    ]);
    expect((await readState(host)).boot_failures).toHaveLength(1);
  });

  test.each<[string, number, string, number]>([
    // Tried again every five seconds while there is time, if it counts.
    ['/etc/kairos/health.d/check', 0o755, 'failed', 3],
    ['/etc/kairos/health.d/required.d/check', 0o755, 'failed', 3],
    ['/etc/kairos/health.d/wanted.d/check', 0o755, 'good', 1],
    ['/etc/kairos/health.d/README', 0o644, 'good', 0],
  ])('a failing %s (%o): %s', async (path, mode, verdict, wanted) => {
    setAssessment({ kairos_tries: '2' });
    let now = 0;
    const tick = (time: number) => {
      now += time;
    };
    let runs = 0;
    const clock = { now: () => now, sleep: async (time: number) => tick(time) };
    const host = scene.boot('active', {
      run([program = '']) {
        if (!program.endsWith('/check')) return {};
        runs++;
        return { code: 1, stderr: 'no route' };
      },
    });
    host.files.write(path, '', { mode });
    const result = await good(host, { clock, deadline: 12_000 });
    expect(result.verdict).toBe(verdict as 'good');
    expect(runs).toBe(wanted);
    if (verdict === 'failed') expect(result.reasons[0]).toContain('no route');
  });

  test('a check that succeeds in time is good', async () => {
    setAssessment({ kairos_tries: '2' });
    let now = 0;
    const tick = (time: number) => {
      now += time;
    };
    let runs = 0;
    const clock = { now: () => now, sleep: async (time: number) => tick(time) };
    const host = scene.boot('active', {
      run: ([name = '']) => ({ code: name.endsWith('check') && ++runs < 3 ? 1 : 0 }),
    });
    host.files.write('/etc/kairos/health.d/check', '', { mode: 0o755 });
    expect((await good(host, { clock, deadline: 60_000 })).verdict).toBe('good');
    expect(now).toBe(10_000);
  });

  test('the fallback in place of a failed active says why it runs, and proves itself too', async () => {
    setAssessment({ kairos_tries: '0', kairos_fallback_tries: '2' });
    const host = () =>
      scene.boot('passive', {
        cmdline: `${scene.boot('passive').files.readText('/proc/cmdline').trim()} upgrade_failure`,
      });
    expect((await readState(host())).slots.passive).toMatchObject({ status: 'on trial', tries_left: 2 });
    expect(await good(host())).toMatchObject({ verdict: 'good', slot: 'passive' });
    expect(env('/state/boot_assessment')).toMatchObject({ kairos_tries: '0' });
    expect(env('/state/boot_assessment').kairos_fallback_tries).toBeUndefined();
    const state = await readState(host());
    expect(state).toMatchObject({
      upgrade_failure: true,
      next_boot: { entries: ['fallback', 'recovery', 'cos'], reason: 'active failed' },
      slots: { active: { version: 'v2', status: 'failed' }, passive: { version: 'v1', status: 'good' } },
      boot_failures: [{ slot: 'active', image: { version: 'v2' }, triesLeft: 0 }],
    });
    // Once is enough.
    await good(host());
    expect(readBootFailures(host().files)).toHaveLength(1);
  });

  const lost = (words: string) => {
    const line = scene.boot('passive').files.readText('/proc/cmdline').trim();
    return scene.boot('passive', { cmdline: `${line} upgrade_failure ${words}` });
  };
  const lastFailure = () => readBootFailures(scene.boot('active').files).at(-1);
  const trace = (step: string, version = 'v2', slot = 'active') =>
    scene.boot('active').files.write(
      '/oem/boot-failures/trial.json',
      JSON.stringify({
        ...{ schemaVersion: 1, slot: `LABEL=COS_STATE:/cOS/${slot}` },
        image: rootHashOf(version),
        step,
        complaints: ['bind /etc failed'],
      }),
    );

  test('a slot that the boot loader could not load says what is missing', async () => {
    setAssessment({ kairos_tries: '2', kairos_fallback_tries: '2' });
    await good(lost('kairos.failure=active:no-initrd'));
    expect(lastFailure()).toMatchObject({
      slot: 'active',
      reasons: ['the boot loader could not load it: its initrd is missing'],
    });
    // It need not be tried again.
    expect(env('/state/boot_assessment').kairos_tries).toBe('0');
  });

  test.each<[string, () => void, string[]]>([
    [
      'no trace',
      () => undefined,
      [
        'its last start left no trace: its kernel did not start, or it stopped before the OEM partition was mounted',
      ],
    ],
    [
      'a trace of another image',
      () => trace('init', 'v1'),
      [
        'its last start left no trace: its kernel did not start, or it stopped before the OEM partition was mounted',
      ],
    ],
    [
      'a trace of the other slot with the same image',
      () => trace('init', 'v2', 'passive'),
      [
        'its last start left no trace: its kernel did not start, or it stopped before the OEM partition was mounted',
      ],
    ],
    ['immucore', () => trace('immucore'), ['the last start stopped while immucore ran', 'bind /etc failed']],
    [
      'the init',
      () => trace('init'),
      [
        'the init of the last start ran, and did not come to the health checks in time: it hung or crashed',
        'bind /etc failed',
      ],
    ],
    [
      'the initrd',
      () =>
        scene
          .boot('active')
          .files.write(
            '/oem/boot-failures/initrd.txt',
            `slot=LABEL=COS_STATE:/cOS/active\nverity=${rootHashOf('v2')}\n\nkairos-initrd: CANNOT BOOT: dm-verity refuses it\n`,
          ),
      ['the last start failed in the initrd: dm-verity refuses it'],
    ],
  ])('a slot that used up its starts says how far it came: %s', async (_, prepare, reasons) => {
    setAssessment({ kairos_tries: '0', kairos_fallback_tries: '2' });
    prepare();
    await good(lost(''));
    expect(lastFailure()?.reasons).toEqual([
      'it had all its starts and none of them proved good',
      ...reasons,
    ]);
    // What it left is in the record now.
    expect(scene.boot('active').files.list('/oem/boot-failures')).toHaveLength(1);
  });

  test('recovery in place of both keeps why of both', async () => {
    setAssessment({ kairos_tries: '0', kairos_fallback_tries: '2' });
    trace('init');
    const line = scene.boot('recovery').files.readText('/proc/cmdline').trim();
    const host = scene.boot('recovery', {
      cmdline: `${line} upgrade_failure kairos.failure=passive:no-kernel`,
    });
    expect((await good(host)).verdict).toBe('not-assessed');
    expect(readBootFailures(host.files).map(({ slot, reasons }) => [slot, reasons[0]])).toEqual([
      ['active', 'it had all its starts and none of them proved good'],
      ['passive', 'the boot loader could not load it: its kernel (vmlinuz) is missing'],
    ]);
  });

  test('checks of the configuration count, with its deadline', async () => {
    setAssessment({ kairos_tries: '2' });
    let now = 0;
    const tick = (time: number) => {
      now += time;
    };
    const clock = { now: () => now, sleep: async (time: number) => tick(time) };
    const host = scene.boot('active');
    host.files.write(
      '/oem/90_health.yaml',
      '#cloud-config\nhealth:\n  deadline: 20s\n  checks:\n    - default-route: true\n',
    );
    expect((await good(host, { clock })).reasons).toEqual([
      'default-route (health.checks[0]): there is no default route',
    ]);
    expect(now).toBe(15_000);
  });

  test('a mistake in health: is a warning, since the other slot would have it too', async () => {
    setAssessment({ kairos_tries: '2' });
    const host = scene.boot('active');
    host.files.write('/oem/90_health.yaml', '#cloud-config\nhealth:\n  checks:\n    - comand: x\n');
    const result = await good(host);
    expect([result.verdict, result.warnings[0]?.slice(0, 60)]).toEqual([
      'good',
      'health: in the configuration is not valid and does not count',
    ]);
  });

  test('the watch of the trial ends with a good boot, and goes on with a failed one', async () => {
    const signals = async (report: string) => {
      setAssessment({ kairos_tries: '2' });
      const host = scene.boot('active');
      host.files.write('/run/initramfs/watchdog-keepers', '41\n42\nx\n');
      host.files.write('/run/immucore/boot-report.json', report);
      host.files.symlink('/dev/watchdog0', '/proc/41/fd/6');
      host.files.symlink('/dev/null', '/proc/42/fd/6');
      await good(host);
      return host.commands.filter(([name]) => name === 'kill');
    };
    // 42 is another process by now.
    expect(await signals('{"steps":[]}')).toEqual([
      ['kill', '-USR1', '41'],
      ['kill', '-TERM', '41'],
    ]);
    expect(await signals(failedReport)).toEqual([['kill', '-USR1', '41']]);
  });

  test('with watchdog: systemd watches for good, at boots that are not on trial too', async () => {
    const host = scene.boot('active');
    host.files.makeDirectory('/run/systemd/system');
    host.files.write('/oem/90_watchdog.yaml', '#cloud-config\nwatchdog: 2m\n');
    await good(host);
    expect(host.commands.slice(-2)).toEqual([
      ['modprobe', 'softdog'],
      [
        ...['busctl', 'set-property', 'org.freedesktop.systemd1', '/org/freedesktop/systemd1'],
        ...['org.freedesktop.systemd1.Manager', 'RuntimeWatchdogUSec', 't', '120000000'],
      ],
    ]);
  });

  test('an upgrade that came between is not marked good by the system that it replaced', async () => {
    setAssessment({ kairos_tries: '3' });
    const host = scene.boot('active');
    await scene.install('v3', 'active');
    expect(await good(host)).toMatchObject({ verdict: 'not-assessed' });
    expect(env('/state/boot_assessment')).toEqual({ kairos_tries: '3', kairos_starts: '5' });
  });

  test.each<['active' | 'passive', Record<string, string>, string]>([
    ['active', { kairos_tries: '2', kairos_fallback_tries: '3' }, 'cos'],
    ['passive', { kairos_tries: '0', kairos_fallback_tries: '2' }, 'fallback'],
  ])(
    'a power cut before every change while %s proves itself: the next boot proves it',
    async (slot, blocks, entry) => {
      let cuts = 0;
      for (let n = 1; ; n++) {
        rmSync(folder, { recursive: true, force: true });
        await setUp();
        setAssessment(blocks);
        const boot = () => {
          const line = scene.boot(slot).files.readText('/proc/cmdline').trim();
          return scene.boot(slot, { cmdline: slot === 'passive' ? `${line} upgrade_failure` : line });
        };
        const fault = cutBefore(boot(), n);
        const outcome = await good(fault.host).catch((error: unknown) => error);
        if (!(outcome instanceof Error) && fault.effects() < n) break;
        if (outcome instanceof Error && !(outcome instanceof PowerCut)) throw outcome;
        cuts++;
        expect([n, await bootableSlots(boot().files, '/state')]).toEqual([n, ['active', 'passive']]);
        // The slot that runs is what starts again.
        expect([n, entries()[0]]).toEqual([n, entry]);
        expect([n, (await good(boot())).verdict]).toEqual([
          n,
          expect.stringMatching(/^(good|not-assessed)$/),
        ]);
        const { kairos_fallback_tries: left, kairos_starts: starts } = env('/state/boot_assessment');
        expect([n, left, starts]).toEqual([n, undefined, '5']);
        expect([n, entries()[0]]).toEqual([n, entry]);
      }
      expect(cuts).toBeGreaterThan(3);
    },
  );

  test('what a stopped upgrade left is brought to an end', async () => {
    await scene.install('v0', 'transition');
    const { files } = scene.boot('active');
    files.rename('/state/cOS/transition', '/state/cOS/discard-0');
    await good(scene.boot('active'));
    expect(scene.slots()).toEqual({ active: 'v2', passive: 'v1' });
  });
});

test('two at once: the second refuses, with the pid and the age of the first', async () => {
  const host = scene.boot('active');
  const since = '2026-01-02T03:00:00Z';
  const lock = tryLock(host.files, lockPath, { pid: 4711, work: 'upgrade', since });
  const image = await scene.image('v3');
  const upgrade = () =>
    upgradeWith(
      host,
      { source: image, onProgress: () => undefined },
      {
        openSource: async (_, uri) => ({ image: bootFormFromDirectory(uri), close: () => undefined }),
        runStage: async () => undefined,
        now: silent.now,
      },
    );
  await expect(upgrade()).rejects.toMatchObject({
    code: 'BUSY',
    exit: 'wrongState',
    message: 'The slots are being changed already (upgrade, process 4711, running for 4 minutes)',
  });
  expect(host.mountLog).toEqual([]);
  if (lock.held) lock.release();
  await upgrade();
  expect(scene.slots()).toEqual({ active: 'v3', passive: 'v2' });
  // Mounted where it was not, made writable, and all of it undone, newest first.
  expect(host.mountLog).toEqual([
    'mount vfat /dev/vda2 /run/cos/efi ro',
    'mount ext4  /run/initramfs/cos-state remount,rw',
    'mount vfat /dev/vda2 /run/cos/efi remount,rw',
    'mount vfat /dev/vda2 /run/cos/efi remount,ro',
    'mount ext4  /run/initramfs/cos-state remount,ro',
    'unmount /run/cos/efi',
  ]);
});

test.each(['recovery', 'active'] as const)(
  'from %s, the system is replaced by the image of recovery',
  async (slot) => {
    await scene.install('v7', 'recovery');
    const opened: string[] = [];
    await upgradeWith(
      scene.boot(slot),
      { source: 'recovery:', onProgress: () => undefined },
      {
        async openSource(host, uri) {
          opened.push(uri);
          const path = host.files.real(uri.replace(/^dir:/, ''));
          return { image: bootFormFromDirectory(path, uri), close: () => undefined };
        },
        runStage: async () => undefined,
        now: silent.now,
      },
    );
    expect(opened).toEqual([
      `dir:${slot === 'recovery' ? '/run/initramfs/cos-state' : '/run/cos/recovery'}/cOS/recovery`,
    ]);
    expect(scene.slots()).toEqual({ active: 'v7', passive: 'v2' });
  },
);
