import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filesBelow } from './files.ts';
import { tryLock } from './lock.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const holder = { pid: 7, work: 'upgrade', since: '2026-01-01T00:00:00Z' };

test('one holds it, the other learns who; released it is free', () => {
  const files = filesBelow(folder);
  const first = tryLock(files, '/run/x.lock', holder);
  expect(first.held).toBe(true);
  expect(tryLock(files, '/run/x.lock', { ...holder, pid: 8 })).toEqual({ held: false, holder });
  if (first.held) first.release();
  const second = tryLock(files, '/run/x.lock', { ...holder, pid: 8 });
  expect(second.held).toBe(true);
  if (second.held) second.release();
});

test('what a killed process left locks nobody out', () => {
  const files = filesBelow(folder);
  writeFileSync(join(folder, 'x.lock'), JSON.stringify({ ...holder, pid: 999_999_999 }));
  const attempt = tryLock(files, '/x.lock', holder);
  expect(attempt.held).toBe(true);
  if (attempt.held) attempt.release();
});

test('the kernel gives back the lock of a process that is killed', async () => {
  const script = `import { tryLock } from '${import.meta.dir}/lock.ts'; import { filesBelow } from '${import.meta.dir}/files.ts';
    tryLock(filesBelow('${folder}'), '/x.lock', { pid: process.pid, work: 'w', since: 's' }); console.log('locked'); await new Promise(() => setInterval(() => 0, 1e6));`;
  const child = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe' });
  await child.stdout.getReader().read();
  const files = filesBelow(folder);
  expect(tryLock(files, '/x.lock', holder)).toMatchObject({ held: false, holder: { pid: child.pid } });
  child.kill('SIGKILL');
  await child.exited;
  const attempt = tryLock(files, '/x.lock', holder);
  expect(attempt.held).toBe(true);
  if (attempt.held) attempt.release();
});
