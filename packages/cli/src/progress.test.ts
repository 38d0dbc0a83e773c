import { expect, test } from 'bun:test';
import { ProgressLine } from './progress.ts';

function capture(isTTY: boolean, quiet = false) {
  let text = '';
  const line = new ProgressLine({ isTTY, columns: 40, write: (part: string) => (text += part) }, quiet);
  return { line, text: () => text.replace(/\d+\.\d s/g, 'T s') };
}

test('plain lines: one for each step, however often it is told', () => {
  const { line, text } = capture(false);
  line.report({ step: 'copy', message: 'Copying', done: 1, total: 4 });
  line.report({ step: 'copy', message: 'Copying', done: 2, total: 4 });
  line.report({ step: 'sync', message: 'Syncing' });
  line.end();
  expect(text().replaceAll(/ +T/g, 'T')).toBe('T s  Copying\nT s  Syncing\n');
});

test('a terminal gets one line with a share', () => {
  const { line, text } = capture(true);
  line.report({ step: 'copy', message: 'Copying', done: 1, total: 4 });
  line.end();
  expect(text().replaceAll(/ +T/g, 'T')).toBe('\rT s  Copying 25%\n');
});

test.each([
  [true, false, '\rT s  Copying\nwarning: LONG\n\rT s  Copying\n'],
  [false, false, 'T s  Copying\nwarning: LONG\nT s  Copying\n'],
  [false, true, 'warning: LONG\n'],
])('a warning is shown whole (terminal %p, quiet %p)', (isTTY, quiet, expected) => {
  const message = 'a name that is longer than the terminal is wide, and then some';
  // By the build, and by what works on a node.
  for (const warning of [
    { step: 'plan', message, warning: true },
    { step: 'warning', message },
  ]) {
    const { line, text } = capture(isTTY, quiet);
    line.report({ step: 'copy', message: 'Copying' });
    line.report(warning);
    line.report({ step: 'copy', message: 'Copying' });
    line.end();
    expect(text().replaceAll(/ +T/g, 'T').replace(message, 'LONG')).toBe(expected);
  }
});
