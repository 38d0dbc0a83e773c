import { afterEach, expect, spyOn, test } from 'bun:test';
import { run } from './run.ts';

const written = spyOn(process.stdout, 'write');
afterEach(() => written.mockReset());

async function proposals(...words: string[]): Promise<string[]> {
  let text = '';
  written.mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  expect(await run(undefined, ['__complete', ...words])).toBe(0);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t')[0] ?? '');
}

test.each<[string, string[]]>([
  ['b', ['build']],
  ['build ', ['image', 'iso', 'raw']],
  ['build image --fl', ['--flavor']],
  ['build image --init s', ['systemd', 'sysvinit']],
  ['build image --flavor al', ['alpine']],
  ['build image --component no', ['nohang']],
  ['build image --compression ', ['best', 'fast', 'none']],
  ['image check --j', ['--json']],
  ['agent state g', ['get']],
  ['agent state ', ['get', 'show']],
  ['agent state --', ['--', '--json']],
  ['agent inst', ['install', 'install-bundle']],
  ['completion ', ['bash', 'zsh', 'fish']],
  // Nothing: the shell offers files.
  ['image check ', []],
  ['build iso ', []],
  ['build iso --output ', []],
])('%s', async (line, expected) => {
  expect((await proposals(...line.split(' '))).sort()).toEqual([...expected].sort());
});
