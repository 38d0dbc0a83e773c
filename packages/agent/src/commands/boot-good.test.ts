import { describe, expect, test } from 'bun:test';
import type { Host } from '@kairos/host/host';
import { bootableSlots } from '../boot/choice.ts';
import { readBootFailures } from '../boot/failures.ts';
import { silent, twoSlots } from '../fixture-two-slots.ts';
import { cutBefore, PowerCut, rootHashOf } from '../node-scene.ts';
import { readState } from '../state/state.ts';
import { type BootGoodOptions, markBootGood } from './boot-good.ts';

const { anew, entries, env, scene, setAssessment } = twoSlots();

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
    expect(await good(scene().boot('active'))).toMatchObject({
      verdict: 'good',
      slot: 'active',
      reasons: [],
    });
    expect(env('/state/boot_assessment')).toEqual({ kairos_failed: 'x', kairos_starts: '5' });
  });

  test('in its last start a slot is on trial, and afterwards it has failed', async () => {
    setAssessment({ kairos_tries: '0', kairos_fallback_tries: '3' });
    const line = scene().boot('active').files.readText('/proc/cmdline').trim();
    const { slots } = await readState(scene().boot('active', { cmdline: `${line} kairos.trial=0` }));
    expect(slots.active).toMatchObject({ status: 'on trial', tries_left: 0 });
    expect((await readState(scene().boot('passive'))).slots.active?.status).toBe('failed');
  });

  test('a slot that is not on trial is left alone, whatever its report says', async () => {
    setAssessment({ kairos_starts: '5' });
    const host = scene().boot('active');
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
    const line = scene().boot(slot).files.readText('/proc/cmdline').trim();
    expect((await good(scene().boot(slot, { cmdline: `${line} ${word}` }))).verdict).toBe('not-assessed');
    expect(env('/state/boot_assessment').kairos_starts).toBe(after);
  });

  test('one that is not well keeps its counter and its reasons, and restarts', async () => {
    setAssessment({ kairos_tries: '2', kairos_fallback_tries: '3' });
    const host = scene().boot('active');
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
    const host = scene().boot('active', {
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
    const host = scene().boot('active', {
      run: ([name = '']) => ({ code: name.endsWith('check') && ++runs < 3 ? 1 : 0 }),
    });
    host.files.write('/etc/kairos/health.d/check', '', { mode: 0o755 });
    expect((await good(host, { clock, deadline: 60_000 })).verdict).toBe('good');
    expect(now).toBe(10_000);
  });

  test('the fallback in place of a failed active says why it runs, and proves itself too', async () => {
    setAssessment({ kairos_tries: '0', kairos_fallback_tries: '2' });
    const host = () =>
      scene().boot('passive', {
        cmdline: `${scene().boot('passive').files.readText('/proc/cmdline').trim()} upgrade_failure`,
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
    const line = scene().boot('passive').files.readText('/proc/cmdline').trim();
    return scene().boot('passive', { cmdline: `${line} upgrade_failure ${words}` });
  };
  const lastFailure = () => readBootFailures(scene().boot('active').files).at(-1);
  const trace = (step: string, version = 'v2', slot = 'active') =>
    scene()
      .boot('active')
      .files.write(
        '/oem/boot-failures/trial.json',
        JSON.stringify({
          ...{ schemaVersion: 1, slot: `LABEL=COS_STATE:/cOS/${slot}` },
          image: rootHashOf(version),
          step,
          complaints: ['bind /etc failed'],
        }),
      );

  test('a slot that the boot loader could not load says what is missing', async () => {
    setAssessment({ kairos_tries: '2', kairos_fallback_tries: '2', kairos_unloadable_active: 'no-initrd' });
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
        scene()
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
    expect(scene().boot('active').files.list('/oem/boot-failures')).toHaveLength(1);
  });

  test('recovery in place of both keeps why of both', async () => {
    setAssessment({ kairos_tries: '0', kairos_fallback_tries: '2' });
    trace('init');
    const line = scene().boot('recovery').files.readText('/proc/cmdline').trim();
    const host = scene().boot('recovery', {
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
    const host = scene().boot('active');
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
    const host = scene().boot('active');
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
      const host = scene().boot('active');
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
    const host = scene().boot('active');
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

  test('systemd is asked to watch when the keeper has let go', async () => {
    const host = scene().boot('active');
    host.files.makeDirectory('/run/systemd/system');
    host.files.write('/oem/90_watchdog.yaml', '#cloud-config\nwatchdog: 2m\n');
    host.files.write('/run/initramfs/watchdog-keepers', '41\n');
    host.files.write('/dev/watchdog0', '');
    host.files.symlink('/dev/watchdog0', '/proc/41/fd/6');
    let commandsBefore = 0;
    const sleep = async () => {
      commandsBefore = host.commands.length;
      host.files.remove('/proc/41');
    };
    await good(host, { clock: { now: () => 0, sleep } });
    const names = host.commands.map(([name]) => name);
    expect([names[commandsBefore - 1], names.slice(commandsBefore)]).toEqual(['kill', ['busctl']]);
  });

  test('an upgrade that came between is not marked good by the system that it replaced', async () => {
    setAssessment({ kairos_tries: '3' });
    const host = scene().boot('active');
    await scene().install('v3', 'active');
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
        await anew();
        setAssessment(blocks);
        const boot = () => {
          const line = scene().boot(slot).files.readText('/proc/cmdline').trim();
          return scene().boot(slot, { cmdline: slot === 'passive' ? `${line} upgrade_failure` : line });
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
    await scene().install('v0', 'transition');
    const { files } = scene().boot('active');
    files.rename('/state/cOS/transition', '/state/cOS/discard-0');
    await good(scene().boot('active'));
    expect(scene().slots()).toEqual({ active: 'v2', passive: 'v1' });
  });
});
