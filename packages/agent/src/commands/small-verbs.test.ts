import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoryHost } from '@kairos/host/directory';
import { tryLock } from '@kairos/host/lock';
import { lockPath } from '../operation.ts';
import { grubEdit, parseAssignmentWords } from './grub-edit.ts';
import { logs } from './logs.ts';
import { nodeUuid } from './node-identity.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'verbs-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('uuid: machine id and host name, or what the environment says', () => {
  const { files } = directoryHost(folder);
  const host = directoryHost(folder);
  expect(() => nodeUuid(host, {})).toThrow(expect.objectContaining({ code: 'NO_MACHINE_ID' }));
  files.write('/etc/machine-id', '0123abcd\n');
  files.write('/proc/sys/kernel/hostname', 'edge-1\n');
  expect(nodeUuid(host, {})).toBe('0123abcd-edge-1');
  expect(nodeUuid(host, { UUID: 'mine' })).toBe('mine');
});

test('grubedit lists, sets and removes, and keeps the mode of the file', async () => {
  let checkpoints = 0;
  const host = { ...directoryHost(folder), checkpoint: () => void checkpoints++ };
  const edit = (...words: string[]) =>
    grubEdit(host, '/oem/grubenv', parseAssignmentWords(words), () => undefined);
  await expect(edit()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(await edit('a=1', 'extra_cmdline=quiet x=y')).toEqual({ a: '1', extra_cmdline: 'quiet x=y' });
  host.files.chmod('/oem/grubenv', 0o600);
  expect(await edit('a=')).toEqual({ extra_cmdline: 'quiet x=y' });
  expect(statSync(join(folder, 'oem/grubenv'))).toMatchObject({ size: 1024, mode: 0o100600 });
  // The boot loader does not replay a journal: twice for each change.
  expect(checkpoints).toBe(4);
  expect(await edit()).toEqual({ extra_cmdline: 'quiet x=y' });
  await expect(edit('no name=1')).rejects.toMatchObject({ code: 'GRUB_VARIABLE_INVALID' });
  const lock = tryLock(host.files, lockPath, { pid: 1, work: 'upgrade', since: new Date().toISOString() });
  await expect(edit('b=1')).rejects.toMatchObject({ code: 'BUSY' });
  if (lock.held) lock.release();
  await expect(
    grubEdit(directoryHost(folder, { uid: 1 }), '/oem/grubenv', {}, () => undefined),
  ).rejects.toMatchObject({ code: 'NOT_ROOT' });
});

test.each(['a', '=a', ''])('%p is no assignment', (word) => {
  expect(() => parseAssignmentWords([word])).toThrow(
    expect.objectContaining({ code: 'GRUB_ASSIGNMENT', exit: 'usage' }),
  );
});

test('logs are for their owner alone, also of a node whose state cannot be read', async () => {
  const host = directoryHost(folder, { run: () => ({}) });
  const result = await logs(host, '/tmp/out.tar.gz');
  expect(result.names).toContain('state.yaml');
  expect(statSync(join(folder, 'tmp/out.tar.gz')).mode & 0o777).toBe(0o600);
  await expect(logs(host, '/tmp')).rejects.toMatchObject({ code: 'OUTPUT_EXISTS_AS_DIRECTORY' });
});
