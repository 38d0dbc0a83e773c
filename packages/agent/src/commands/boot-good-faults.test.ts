import { describe, expect, test } from 'bun:test';
import { labels } from '@kairos/facts/labels';
import type { DirectoryHost } from '@kairos/host/directory';
import type { Host } from '@kairos/host/host';
import { tryLock } from '@kairos/host/lock';
import { readBootFailures } from '../boot/failures.ts';
import { failingDisk } from '../fixture-failing-disk.ts';
import { silent, twoSlots } from '../fixture-two-slots.ts';
import { lockPath } from '../operation.ts';
import { readSlot } from '../slots/view.ts';
import { readState } from '../state/state.ts';
import { bootEntry } from './boot-entry.ts';
import { markBootGood } from './boot-good.ts';
import { rollback } from './rollback.ts';

const { env, scene, setAssessment, setUser } = twoSlots();

const good = (host: Host, reboot = false) => markBootGood(host, { ...silent, reboot });
const standIn = () => {
  const line = scene().boot('passive').files.readText('/proc/cmdline').trim();
  return scene().boot('passive', { cmdline: `${line} upgrade_failure` });
};

/** The active system with an OEM partition that cannot be mounted. */
async function withoutOem(): Promise<DirectoryHost> {
  const disks = (await scene().boot('active').disks()).map((disk) => ({
    ...disk,
    partitions: disk.partitions.map((one) => (one.label === labels.oem ? { ...one, mountPoints: [] } : one)),
  }));
  return scene().boot('active', {
    disks,
    onMount({ source }) {
      if (source === '/dev/vda3') throw new Error('bad superblock');
    },
  });
}

describe('an OEM partition that cannot be used has no say in the verdict', () => {
  test.each(['ENOSPC', 'EROFS', 'EIO'])('%s: the fallback proves itself', async (code) => {
    setAssessment({ kairos_tries: '0', kairos_fallback_tries: '2' });
    const result = await good(failingDisk(standIn(), code, { write: /^\/oem/ }));
    expect(result.verdict).toBe('good');
    expect(result.warnings[0]).toStartWith('Why a slot failed could not be kept: ');
    expect(env('/state/boot_assessment').kairos_fallback_tries).toBeUndefined();
  });

  test('a boot that is not good restarts, with nobody to tell', async () => {
    setAssessment({ kairos_tries: '2' });
    const host = scene().boot('active');
    host.files.write('/run/immucore/boot-report.json', '{}');
    expect((await good(failingDisk(host, 'EROFS', { write: /^\/oem/ }), true)).verdict).toBe('failed');
    expect(host.commands.at(-1)).toEqual(['reboot', '-f']);
  });

  test('traces that stay do not keep recovery from its end', async () => {
    setAssessment({ kairos_tries: '0', kairos_fallback_tries: '0' });
    const line = scene().boot('recovery').files.readText('/proc/cmdline').trim();
    const host = scene().boot('recovery', { cmdline: `${line} upgrade_failure` });
    host.files.write('/oem/boot-failures/trial.json', '{}');
    const { verdict, warnings } = await good(failingDisk(host, 'EROFS', { remove: /^\/oem/ }));
    expect([verdict, warnings.length]).toEqual(['not-assessed', 1]);
  });

  test('one that cannot be mounted', async () => {
    setAssessment({ kairos_starts: '1' });
    const { verdict, warnings } = await good(await withoutOem());
    expect([verdict, warnings]).toEqual(['not-assessed', ['COS_OEM cannot be used: bad superblock']]);
    // Else five healthy starts would be five that did not come up.
    expect(env('/state/boot_assessment')).toEqual({ kairos_starts: '5' });
  });

  test('and a choice goes where the boot loader looks as well', async () => {
    const { next } = await bootEntry(await withoutOem(), { select: 'recovery' });
    expect(next).toMatchObject({ reason: 'once', entries: ['recovery', 'cos', 'fallback'] });
    expect(env('/state/grub_oem_env')).toEqual({ next_entry: 'recovery' });
    expect((await rollback(await withoutOem(), silent)).rolledBack).toBe(true);
    expect(scene().slots()).toEqual({ active: 'v1', passive: 'v2' });
  });

  test('a wish for the next start that finds no room does not stop a rollback', async () => {
    setUser({ saved_entry: 'fallback' });
    const full = failingDisk(scene().boot('active'), 'ENOSPC', { write: /^\/oem/ });
    const { rolledBack, warnings } = await rollback(full, silent);
    expect([rolledBack, warnings.length]).toEqual([true, 1]);
    await expect(bootEntry(full, { select: 'recovery' })).rejects.toMatchObject({
      code: 'BOOT_ENTRY_NOT_SET',
    });
  });
});

describe('what replaced the failed active slot since the start has not failed', () => {
  test('an upgrade', async () => {
    setAssessment({ kairos_tries: '3', kairos_fallback_tries: '3' });
    await scene().install('v3', 'active');
    await good(standIn());
    expect(readBootFailures(standIn().files)).toEqual([]);
    expect(env('/state/boot_assessment')).toEqual({ kairos_tries: '3', kairos_starts: '5' });
  });

  test('a rollback', async () => {
    setAssessment({ kairos_tries: '0', kairos_fallback_tries: '2' });
    await good(standIn());
    await rollback(standIn(), silent);
    await good(standIn());
    expect(env('/state/boot_assessment').kairos_tries).toBe('3');
    const { slots } = await readState(standIn());
    expect([slots.active?.status, slots.passive?.status]).toEqual(['on trial', 'failed']);
  });
});

test('a fallback that runs keeps its files when a cut upgrade is finished under it', async () => {
  const { files } = scene().boot('active');
  const digestOf = (slot: string) => readSlot(files, `/state/cOS/${slot}`)?.digest;
  const previous = digestOf('active');
  await scene().install('v2', 'transition');
  await scene().install('v3', 'active');
  const journal = { schemaVersion: 1, slot: 'active', previous, previousBecomesPassive: true };
  files.write('/state/cOS/upgrade.json', JSON.stringify({ ...journal, next: digestOf('active') }));
  const running = digestOf('passive')?.slice('sha256:'.length).slice(0, 12);
  setAssessment({ kairos_tries: '0', kairos_fallback_tries: '2' });
  await good(standIn());
  expect(scene().slots()).toEqual({ active: 'v3', passive: 'v2', [`discard-${running}`]: 'v1' });
  // It goes at the next start.
  await good(scene().boot('active'));
  expect(scene().slots()).toEqual({ active: 'v3', passive: 'v2' });
});

test('what cannot be removed does not keep a good slot on trial', async () => {
  setAssessment({ kairos_tries: '2' });
  await scene().install('v0', 'transition');
  scene().boot('active').files.rename('/state/cOS/transition', '/state/cOS/discard-0');
  const result = await good(failingDisk(scene().boot('active'), 'EUCLEAN', { remove: /discard-0/ }));
  expect(result.verdict).toBe('good');
  expect(result.warnings[0]).toStartWith('What an earlier upgrade left could not be put in order: ');
  expect(env('/state/boot_assessment')).toEqual({ kairos_starts: '5' });
});

describe('a slot whose image.json the disk does not give back', () => {
  const bad = (slot: string) =>
    failingDisk(scene().boot('active'), 'EIO', { read: new RegExp(`/${slot}/image.json`) });

  test('is shown as damaged, and the rest beside it', async () => {
    const { slots } = await readState(bad('passive'));
    expect([slots.active?.status, slots.passive?.status]).toEqual(['good', 'damaged']);
  });

  test('does not keep another one on trial', async () => {
    setAssessment({ kairos_tries: '2' });
    expect((await good(bad('passive'))).verdict).toBe('good');
  });
});

test('a keeper that has just ended does not keep the others from hearing that the trial is over', async () => {
  setAssessment({ kairos_tries: '2' });
  const told: string[] = [];
  const host = scene().boot('active', {
    run([program = '', signal, pid = '']) {
      if (program !== 'kill') return {};
      if (signal === '-TERM') told.push(pid);
      return { code: pid === '41' ? 1 : 0, stderr: 'No such process' };
    },
  });
  host.files.write('/run/initramfs/watchdog-keepers', '41\n42\n');
  for (const pid of [41, 42]) host.files.symlink('/dev/watchdog0', `/proc/${pid}/fd/6`);
  const { verdict, warnings } = await good(host);
  expect([verdict, warnings, told]).toEqual(['good', [], ['41', '42']]);
});

test('an assessment that the disk does not give back is written anew', async () => {
  setAssessment({ kairos_starts: '2' });
  const host = scene().boot('active');
  const { verdict, warnings } = await good(failingDisk(host, 'EIO', { read: /boot_assessment$/ }));
  expect([verdict, warnings]).toEqual(['not-assessed', ['EIO: the disk says so']]);
  expect(env('/state/boot_assessment')).toEqual({ kairos_starts: '5' });
});

describe('somebody changes the slots', () => {
  const holdLock = (host: Host) => {
    const attempt = tryLock(host.files, lockPath, { pid: 7, work: 'upgrade', since: '2026-01-02T03:04:05Z' });
    if (!attempt.held) throw new Error('the lock is taken');
    return attempt.release;
  };
  const run = (host: Host, sleep: (milliseconds: number) => void, signal?: AbortSignal) => {
    const told: string[] = [];
    let now = 0;
    const clock = {
      now: () => now,
      async sleep(milliseconds: number) {
        now += milliseconds;
        sleep(now);
      },
    };
    const work = markBootGood(host, {
      ...{ reboot: false, clock, now: () => new Date('2026-01-02T03:05:05Z') },
      ...(signal === undefined ? {} : { signal }),
      onProgress: ({ message }) => told.push(message),
    });
    return { work, told, passed: () => now };
  };
  const hour = 3_600_000;

  test('for hours: the verdict comes after it, and it is said once what is waited for', async () => {
    setAssessment({ kairos_tries: '2' });
    const host = scene().boot('active');
    const release = holdLock(host);
    const { work, told, passed } = run(host, (now) => now === 3 * hour && release());
    expect((await work).verdict).toBe('good');
    expect([told[0], passed()]).toEqual(['waiting: upgrade, process 7, running for 60 s', 3 * hour]);
    expect(told.filter((message) => message.startsWith('waiting'))).toHaveLength(1);
    expect(env('/state/boot_assessment').kairos_tries).toBeUndefined();
  });

  test('and this is stopped meanwhile', async () => {
    setAssessment({ kairos_tries: '2' });
    const host = scene().boot('active');
    const release = holdLock(host);
    const stop = new AbortController();
    const { work } = run(host, (now) => now === hour && stop.abort(), stop.signal);
    await expect(work).rejects.toMatchObject({ code: 'INTERRUPTED' });
    release();
    expect(env('/state/boot_assessment').kairos_tries).toBe('2');
  });
});
