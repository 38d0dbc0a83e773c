import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { version } from '@kairos/facts/version';

test('with --json an error is JSON on a terminal too, without colours', async () => {
  let shown = '';
  const args = ['agent', 'validate', '--json', join(import.meta.dir, 'no-such-file')];
  const child = Bun.spawn([process.execPath, join(import.meta.dir, 'main.ts'), ...args], {
    env: { ...process.env, TERM: 'xterm-256color', NO_COLOR: undefined },
    terminal: {
      data(_, bytes) {
        shown += new TextDecoder().decode(bytes);
      },
    },
  });
  expect(await child.exited).toBe(11);
  child.terminal?.close();
  expect(JSON.parse(shown)).toMatchObject({ error: { code: 'FILE_NOT_FOUND', exitCode: 11 } });
});

test.each([
  ['agent version', version],
  ['agent --version', `kairos-agent ${version}`],
  ['--version', `kairos ${version}`],
  ['version', `kairos ${version}`],
  ['immucore version', `immucore ${version}`],
])('%s says %s', async (args, said) => {
  const command = [process.execPath, join(import.meta.dir, 'main.ts'), ...args.split(' ')];
  const child = Bun.spawn(command, { stdio: ['ignore', 'pipe', 'inherit'] });
  expect(await new Response(child.stdout).text()).toBe(`${said}\n`);
  expect(await child.exited).toBe(0);
});
