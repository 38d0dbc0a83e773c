import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SerialConsole } from './console.ts';

const folder = mkdtempSync(join(tmpdir(), 'console-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('escape sequences go, wherever they are cut in two', () => {
  const sent = 'a\x1b[0;1;39mb\x1b]0;title\x07c\x1b(Bd\x1b[!pe\r\n';
  for (let cut = 0; cut <= sent.length; cut++) {
    const serial = new SerialConsole(() => undefined, join(folder, 'log'));
    serial.receive(sent.slice(0, cut));
    serial.receive(sent.slice(cut));
    expect([cut, serial.text]).toEqual([cut, 'abcde\n']);
  }
});
