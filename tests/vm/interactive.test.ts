import { afterAll, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { SerialConsole } from '../src/console.ts';
import { guestAccelerator, isoOf, work } from '../src/images.ts';
import { installerQuestions, keys } from '../src/installer-questions.ts';
import { Machine } from '../src/qemu.ts';
import { attendedConfig, emptyDisk, quickMedium } from '../src/scenario.ts';

const disk = join(work, 'interactive.raw');
afterAll(() => rmSync(disk, { force: true }));

const user = { name: 'ada', password: 'lovelace' } as const;
const questions = installerQuestions({
  ...{ user: user.name, password: user.password, hostname: 'engine-2', afterwards: 'reboot' },
});
const slow = { timeout: 600_000 };

/** Answers everything, and stands at the last question: whether to install. */
async function goToTheEnd(shell: SerialConsole): Promise<void> {
  for (const [index, [question, typed]] of questions.entries()) {
    const start = new RegExp(question.replaceAll(/[?().]/g, '\\$&'));
    await shell.waitFor(start, slow);
    if (index < questions.length - 1) shell.send(typed);
  }
}

/** Requests to write that the machine has sent to its disk. */
async function writesTo(machine: Machine): Promise<number | undefined> {
  const devices = (await machine.qmp('query-blockstats')) as {
    readonly device: string;
    readonly stats: { readonly wr_operations: number };
  }[];
  return devices.find(({ device }) => device === 'disk0')?.stats.wr_operations;
}

test('a machine is installed by answering on its serial line; leaving before the end writes nothing', async () => {
  await using machine = Machine.start({
    name: 'interactive',
    accelerator: await guestAccelerator(),
    cdrom: await isoOf('debian13', 'attended', attendedConfig, quickMedium),
    disks: [{ path: await emptyDisk(disk, 10) }],
  });
  const { console: shell } = machine;
  await shell.waitFor(/Install \(interactive\)/);
  shell.send(`${keys.down}${keys.enter}`);
  await goToTheEnd(shell);
  expect(shell.text).toContain('COS_PERSISTENT');
  shell.send(keys.controlC);
  await shell.waitFor(/Nothing was written/);
  // A shell of root is behind it.
  await shell.waitFor(/# /);
  expect(await writesTo(machine)).toBe(0);

  shell.send('kairos-agent interactive-install\n');
  await goToTheEnd(shell);
  const before = shell.text.length;
  shell.send('y');
  await shell.waitFor(/Installed kairos-core-debian-13 v0\.0\.0 on \/dev\/vda\./, slow);
  const percents = [...shell.text.slice(before).matchAll(/(\d+) % {2}/g)].map(([, percent]) =>
    Number(percent),
  );
  expect(percents).toEqual(percents.toSorted((a, b) => a - b));
  expect(new Set(percents).size).toBeGreaterThan(20);
  await shell.waitFor(/The machine restarts in \d+ s\. Enter does it now/);
  shell.send(keys.enter);

  await shell.waitFor(/Linux version/, slow);
  await shell.login(user.name, user.password, slow);
  expect(shell.text).not.toContain(user.password);
  // Otherwise the kernel's words stand among those of the commands.
  await shell.ok('sudo dmesg --console-off');
  expect(await shell.ok('hostname')).toBe('engine-2');
  // Waits for the one that the init has started, which has the partitions until then.
  await shell.ok('sudo kairos-agent boot-good', slow);
  const { boot, slots, kairos } = JSON.parse(await shell.ok('sudo kairos-agent state --json'));
  expect([boot, kairos.version, Object.keys(slots)]).toEqual([
    ...['active_boot', 'v0.0.0', ['active', 'passive', 'recovery']],
  ]);
  expect(await shell.ok('sudo ls -A /run/initramfs/cos-state')).toContain('grub2');
  expect(await shell.ok('sudo grep -c lovelace /oem/90_custom.yaml || true')).toBe('0');
});
