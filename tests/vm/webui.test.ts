import { afterAll, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { guestAccelerator, isoOf, work } from '../src/images.ts';
import { Machine } from '../src/qemu.ts';
import { attendedConfig, emptyDisk, quickMedium } from '../src/scenario.ts';
import { Browser } from '../src/webui-browser.ts';

const disk = join(work, 'webui.raw');
afterAll(() => rmSync(disk, { force: true }));

test('a live machine is installed from a browser and starts with the user that was made there', async () => {
  await using machine = Machine.start({
    name: 'webui',
    accelerator: await guestAccelerator(),
    cdrom: await isoOf('debian13', 'attended', attendedConfig, quickMedium),
    disks: [{ path: await emptyDisk(disk, 10) }],
    forward: 8080,
  });
  const [, code = ''] = await machine.console.waitFor(/enter the code {2}([0-9A-Z]{4}-[0-9A-Z]{4})/, {
    timeout: 600_000,
  });
  await using browser = await Browser.start('vm');
  const { page } = browser;
  page.setDefaultTimeout(120_000);
  const button = (name: string | RegExp) => page.getByRole('main').getByRole('button', { name });
  await page.goto(`https://127.0.0.1:${machine.forwardedPort}/`);
  await page.getByLabel('Code').fill('0000-0000');
  await button('Continue').click();
  await page.getByText('This is not the code').waitFor();
  await browser.picture('1-code');
  await page.getByLabel('Code').fill(code);
  await button('Continue').click();

  await page.getByText('Choose for me').waitFor();
  await browser.picture('2-disk');
  await page.locator('input[value="/dev/vda"]').check();
  await button('Continue').click();

  await page.getByLabel('Name').fill('ada');
  await page.getByLabel('Password', { exact: true }).fill('lovelace');
  await page.getByLabel('Password, once more').fill('lovelace');
  await browser.picture('3-user');
  await button('Continue').click();

  await page.getByLabel('Host name').fill('engine-1');
  await browser.picture('4-system');
  await button('Continue').click();

  await page.getByLabel('Cloud-config').fill('#cloud-config\nstages:\n  boot: {}\n');
  await page.locator('.report.error').first().waitFor();
  await browser.picture('5-config-wrong');
  await page
    .getByLabel('Cloud-config')
    .fill(
      '#cloud-config\nstages:\n  boot:\n    - name: Mark\n      commands:\n        - echo from-the-browser >/run/mark\n',
    );
  await page.getByText('This is a valid cloud-config').waitFor();
  await browser.picture('5-config');
  await button('Continue').click();

  await page.getByRole('heading', { name: 'Partitions' }).waitFor();
  await browser.picture('6-summary');
  await button('Install').click();

  const bar = page.getByRole('progressbar');
  await bar.waitFor();
  // What is loaded anew shows the same installation, and its log goes on.
  await page.reload();
  await page.getByText('Copy the system').waitFor();
  await page.waitForFunction(() => {
    const [progress] = (
      globalThis as unknown as { document: { getElementsByTagName(name: string): { value: number }[] } }
    ).document.getElementsByTagName('progress');
    return (progress?.value ?? 0) >= 20;
  });
  await browser.picture('7-progress');
  await page
    .getByRole('heading', { name: /^(Installed|The installation failed)$/ })
    .waitFor({ timeout: 900_000 });
  await browser.picture('8-result');
  expect(await page.getByRole('heading', { level: 2 }).textContent()).toBe('Installed');
  expect(browser.complaints).toEqual([]);
  await button('Restart now').click();

  const { console: shell } = machine;
  await shell.waitFor(/Linux version/, { timeout: 300_000 });
  await shell.login('ada', 'lovelace', { timeout: 600_000 });
  // Otherwise the kernel's words stand among those of the commands.
  await shell.ok('sudo dmesg --console-off');
  expect(await shell.ok('hostname')).toBe('engine-1');
  expect(await shell.ok('cat /run/mark')).toBe('from-the-browser');
  expect(await shell.ok('sudo grep -c lovelace /oem/90_custom.yaml || true')).toBe('0');
});
