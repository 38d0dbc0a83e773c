import { expect, test } from 'bun:test';
import { PassThrough } from 'node:stream';
import { askLine } from './ask-line.ts';
import { errorAsJson } from './output.ts';

function terminal() {
  const input = new PassThrough();
  const output = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
  return { input, output };
}

test('an answer comes without blanks around it', async () => {
  const streams = terminal();
  const asked = askLine('Which? ', streams);
  streams.input.write(' cos \r');
  expect(await asked).toBe('cos');
});

test.each([
  ['Ctrl-C', (input: PassThrough) => void input.write('\u0003')],
  ['Ctrl-D', (input: PassThrough) => void input.write('\u0004')],
  ['the end of input', (input: PassThrough) => void input.end()],
])('%s leaves, and is no defect', async (_, leave) => {
  const streams = terminal();
  const asked = askLine('Which? ', streams).catch(errorAsJson);
  leave(streams.input);
  expect(await asked).toMatchObject({ code: 'INTERRUPTED', exitCode: 130 });
});
