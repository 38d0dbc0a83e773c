import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Accelerator } from '../src/accelerator.ts';
import { guestAccelerator, slotFile } from '../src/images.ts';
import { bootCase, initrdBootCases } from '../src/initrd-cases.ts';

const work = mkdtempSync(join(tmpdir(), 'initrd-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

let kernel: string;
let initrd: string;
let accelerator: Accelerator;
beforeAll(async () => {
  kernel = await slotFile('debian13', 'vmlinuz');
  initrd = await slotFile('debian13', 'initrd');
  accelerator = await guestAccelerator();
});

for (const each of initrdBootCases(work)) {
  test(each.name, async () => {
    expect(await bootCase(each, kernel, initrd, accelerator)).toContain('kairos-initrd');
  });
}
