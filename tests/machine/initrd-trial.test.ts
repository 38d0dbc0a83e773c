/** What the initrd does for slots on trial: functions of its script, run by busybox as in the initrd. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { formatGrubEnvironment, parseGrubEnvironment } from '@kairos/host/grub-environment';

const script = readFileSync(join(import.meta.dir, '../../system/initrd/init'), 'utf8');
/** A function as the script has it. */
function source(name: string): string {
  const found = new RegExp(`^${name}\\(\\) \\{\\n[\\s\\S]*?^\\}\\n`, 'm').exec(script)?.[0];
  if (found === undefined) throw new Error(`the script has no function ${name}`);
  return found;
}

let folder: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keeper-'));
});
afterEach(() => {
  child?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** Starts the keeper with pipes in the place of the watchdog, the kernel's log and the trigger of sysrq. */
function start(seconds: number, beat = 5) {
  const fifo = join(folder, 'fifo');
  // The initrd's files are gone when the keeper works: it may run nothing.
  const program = `set -uf\nmkfifo ${fifo}\nexec 7<>${fifo}\nPATH=/nonexistent\nwatchdog=${seconds} beat=${beat}\n${source('keep_watchdog')}\nkeep_watchdog\n`;
  child = spawn('busybox', ['ash', '-c', program], {
    stdio: ['ignore', 'ignore', 'inherit', 'ignore', 'ignore', 'ignore', 'pipe', 'ignore', 'pipe', 'pipe'],
  });
  const text = { dog: '', log: '', sysrq: '' };
  const waiting: (() => void)[] = [];
  for (const [fd, key] of [
    [6, 'dog'],
    [8, 'log'],
    [9, 'sysrq'],
  ] as const) {
    (child.stdio as unknown as Readable[])[fd]?.on('data', (data: Buffer) => {
      text[key] += data.toString();
      for (const check of waiting) check();
    });
  }
  return {
    text,
    process: child,
    until: (condition: () => boolean) =>
      new Promise<void>((resolve) => {
        const check = () => {
          if (condition()) resolve();
        };
        waiting.push(check);
        check();
      }),
    ended: new Promise<number | null>((resolve) => child?.on('exit', resolve)),
  };
}

test('a boot that proves good ends the watch in order', async () => {
  const { text, process, until, ended } = start(600);
  await until(() => text.dog === '.');
  process.kill('SIGTERM');
  expect(await ended).toBe(0);
  expect([text.dog, text.sysrq]).toEqual(['.V', '']);
}, 30_000);

test('one that does not is synced and restarted, and nobody feeds the watchdog any more', async () => {
  const { text, until } = start(1);
  await until(() => text.sysrq.endsWith('b\n'));
  expect(text).toEqual({
    dog: '.',
    log: 'kairos-initrd: the boot did not prove good within 1 s, restarting\n',
    sysrq: 's\nb\n',
  });
}, 30_000);

test('checks that are under way have the whole time again', async () => {
  const { text, process, until } = start(6);
  await until(() => text.dog === '.');
  process.kill('SIGUSR1');
  await until(() => text.dog === '..');
  process.kill('SIGUSR1');
  // Without the signals it would end after two.
  await until(() => text.dog === '...');
  expect(text.sysrq).toBe('');
}, 60_000);

/**
 * Starts the watch of a trial with one watchdog that has these facts, on a machine whose kernel has no softdog; gives
 * how often each keeper feeds.
 */
function beatsOf(facts: Readonly<Record<string, string>>): string {
  const [device, classes] = [join(folder, 'dev/watchdog'), join(folder, 'class')];
  mkdirSync(join(classes, 'watchdog0'), { recursive: true });
  mkdirSync(join(folder, 'dev'));
  mkdirSync(join(folder, 'run'));
  for (const [name, value] of Object.entries(facts))
    writeFileSync(join(classes, 'watchdog0', name), `${value}\n`);
  const program = source('watch_trial')
    .replaceAll('/dev/watchdog', device)
    .replaceAll('/sys/class/watchdog', classes)
    .replace('9>/proc/sysrq-trigger', '9>/dev/null')
    .replace('8>/dev/kmsg', '8>/dev/null');
  const { stdout, stderr } = Bun.spawnSync([
    ...['busybox', 'ash', '-c'],
    `set -uf
trial=0 watchdog=60 watched='' work=${join(folder, 'run')}
modprobe() { return 1; }
cat() { :; }
keep_watchdog() { test -p /proc/self/fd/7 && echo $beat >${join(folder, 'beat')}; }
mknod ${device}0 c 1 3
${program}
watch_trial
watch_trial
wait
test -e ${join(folder, 'beat')} && read -r beats <${join(folder, 'beat')} && echo "$beats"`,
  ]);
  expect(stderr.toString()).toBe('');
  return stdout.toString();
}

test.each([
  ['usual', { nowayout: '0', timeout: '30' }, '5\n'],
  ['of some boards', { nowayout: '0', timeout: '10' }, '4\n'],
  ['of the shortest time', { nowayout: '0', timeout: '1' }, '1\n'],
  ['of no time', { nowayout: '0', timeout: '0' }, '5\n'],
  ['that cannot be stopped', { nowayout: '1', timeout: '30' }, ''],
])('a watchdog %s', (_, facts, beats) => {
  expect(beatsOf(facts)).toBe(beats);
});

/** Runs a function of the script after some settings; mounting does nothing. */
function call(name: string, settings: string): void {
  const program = `set -uf\nmount() { :; }\numount() { :; }\n${settings}\n${source(name)}\n${name}\n`;
  const { exitCode, stderr } = Bun.spawnSync(['busybox', 'ash', '-c', program]);
  expect([exitCode, stderr.toString()]).toEqual([0, '']);
}

test.each([
  ['active', '', { kairos_tries: '1', kairos_failed: 'sha256:x' }],
  ['passive', '', { kairos_tries: '0', kairos_fallback_tries: '1', kairos_failed: 'sha256:x' }],
  ['recovery', '', { kairos_tries: '0', kairos_failed: 'sha256:x' }],
  // GRUB has counted it.
  ['active', '2', { kairos_tries: '0', kairos_failed: 'sha256:x' }],
])('a failure of %s, on trial: "%s"', (slot, trial, wanted) => {
  const block = join(folder, 'boot_assessment');
  writeFileSync(block, formatGrubEnvironment({ kairos_tries: '0', kairos_failed: 'sha256:x' }, 'test'));
  const settings = `medium=${folder} trial='${trial}' slot=LABEL=COS_STATE:/cOS/${slot}`;
  // Twice is as good as once.
  call('count_failure', settings);
  call('count_failure', settings);
  const bytes = readFileSync(block);
  expect([bytes.length, parseGrubEnvironment(bytes, 'test')]).toEqual([1024, wanted]);
  expect(readdirSync(folder)).toEqual(['boot_assessment']);
});

test('why a slot on trial failed is kept on OEM, in a small file', () => {
  mkdirSync(join(folder, 'oem'));
  const failure = `kairos-initrd: CANNOT BOOT: no such thing\n${'x'.repeat(50_000)}`;
  writeFileSync(join(folder, 'failure'), failure);
  const of = (trial: string) =>
    `work=${folder} trial=${trial} oem=COS_OEM slot=LABEL=COS_STATE:/cOS/active verity=abc:-:1:2\nblkid() { echo /dev/vda3; }`;
  call('keep_failure', of("''"));
  expect(readdirSync(join(folder, 'oem'))).toEqual([]);
  call('keep_failure', of('0'));
  const kept = readFileSync(join(folder, 'oem/boot-failures/initrd.txt'), 'utf8');
  expect(kept).toStartWith(
    'slot=LABEL=COS_STATE:/cOS/active\nverity=abc\n\nkairos-initrd: CANNOT BOOT: no such thing\n',
  );
  expect(kept.length).toBeLessThan(16_000);
  expect(readdirSync(join(folder, 'oem/boot-failures'))).toEqual(['initrd.txt']);
});
