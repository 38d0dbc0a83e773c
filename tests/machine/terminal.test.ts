import { afterEach, beforeEach, expect, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installerQuestions, keys } from '../src/installer-questions.ts';

/** A program in a pseudo terminal, as somebody sees it. */
class Session {
  private shown = '';
  private from = 0;
  private wake: () => void = () => undefined;
  private readonly child: Bun.Subprocess;

  constructor(
    folder: string,
    terminal: { readonly name: string; readonly columns: number; readonly rows: number },
  ) {
    this.child = Bun.spawn([process.execPath, join(import.meta.dir, '../src/terminal-worker.ts'), folder], {
      env: { ...process.env, TERM: terminal.name, COLUMNS: '', LINES: '' },
      terminal: {
        ...{ cols: terminal.columns, rows: terminal.rows },
        data: (_, bytes) => {
          this.shown += new TextDecoder().decode(bytes);
          this.wake();
        },
      },
    });
  }

  /** What is on the screen, without the sequences that move and colour it. */
  get text(): string {
    return this.shown.replaceAll(/\u001b(\[[0-9;?]*[ -/]*[@-~]|\][^\u0007]*\u0007|[()].|.)/g, '');
  }

  /** Waits until a text is shown that was not yet there at the last call. */
  async until(text: string): Promise<this> {
    while (true) {
      const at = this.text.indexOf(text, this.from);
      if (at >= 0) {
        this.from = at + text.length;
        return this;
      }
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`ended without ${JSON.stringify(text)}:\n${this.text}`);
      await Promise.race([new Promise<void>((resolve) => (this.wake = resolve)), this.child.exited]);
    }
  }

  type(text: string): this {
    this.child.terminal?.write(text);
    return this;
  }

  async exitCode(): Promise<number> {
    const code = await this.child.exited;
    this.child.terminal?.close();
    return code;
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}

let folder: string;
let session: Session;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'terminal-'));
  for (const [path, text] of [
    ['proc/cmdline', 'root=live:CDLABEL=COS_LIVE'],
    ['dev/vda', ''],
    ['dev/vdb', ''],
    ['dev/vdc', ''],
    ['play', 'wait'],
  ] as const) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
});
afterEach(() => {
  session.kill();
  rmSync(folder, { recursive: true, force: true });
});

const vt = { name: 'vt220', columns: 80, rows: 24 };
const dumb = { name: 'dumb', columns: 0, rows: 0 };
const { enter, down } = keys;

const pages = installerQuestions({ password: 'secret', hostname: 'edge-1', afterwards: 'nothing' });
const dumbKeys: Readonly<Record<string, string>> = {
  'Afterwards?': `3${enter}`,
  'Install on /dev/vda?': `y${enter}`,
};

async function goTo(question: string, isDumb = false): Promise<void> {
  for (const [text, typed] of pages) {
    await session.until(text);
    if (text === question) return;
    session.type(isDumb ? (dumbKeys[text] ?? typed) : typed);
  }
}

function expectNothingWritten(): void {
  expect(existsSync(join(folder, 'called'))).toBe(false);
  const left = join(folder, 'run/kairos-installer');
  expect(existsSync(left) ? readdirSync(left) : []).toEqual([]);
}

for (const [name, terminal] of [
  ['a serial console of 80x24', vt],
  ['a terminal that only prints', dumb],
] as const) {
  test.each(pages.map(([question]) => question))(
    `on ${name}, Ctrl-C at "%s" leaves and writes nothing`,
    async (page) => {
      session = new Session(folder, terminal);
      await goTo(page, terminal === dumb);
      session.type(keys.controlC);
      await session.until('Nothing was written');
      expect(await session.exitCode()).toBe(130);
      expectNothingWritten();
    },
  );
}

test.each([
  ['before the plan is shown', 'Afterwards?'],
  ['after the last question', 'Install on /dev/vda?'],
])('Ctrl-C while a plan is made, %s, leaves and writes nothing', async (_, page) => {
  session = new Session(folder, vt);
  await goTo(page);
  writeFileSync(join(folder, 'slow'), '');
  session.type(pages.find(([question]) => question === page)?.[1] ?? '');
  await session.until('planning for long');
  session.type(keys.controlC);
  await session.until('Nothing was written');
  expect(await session.exitCode()).toBe(130);
  expectNothingWritten();
});

test.each([
  ['Esc', '\u001b', 'Which disk?'],
  ['q', 'q', 'Which disk?'],
  ['Esc', '\u001b', 'Host name'],
  ['q', 'q', 'Kubernetes?'],
  ['Esc', '\u001b', 'Install on /dev/vda?'],
  ['q', 'q', 'Install on /dev/vda?'],
  ['no', 'n', 'Install on /dev/vda?'],
  ['Enter, as no is what stands there', enter, 'Install on /dev/vda?'],
])('%s leaves too', async (_, key, page) => {
  session = new Session(folder, vt);
  await goTo(page);
  session.type(key);
  await session.until('Nothing was written');
  expect(await session.exitCode()).toBe(130);
  expectNothingWritten();
});

test.each([
  ['a serial console', vt],
  ['a terminal that only prints', dumb],
] as const)('on %s, all answers lead to an installation and its real result', async (_, terminal) => {
  writeFileSync(join(folder, 'play'), 'succeed');
  session = new Session(folder, terminal);
  const isDumb = terminal === dumb;
  await goTo('Install on /dev/vda?', isDumb);
  expect(session.text).toContain('COS_GRUB');
  expect(session.text).not.toContain('secret');
  session.type(isDumb ? `y${enter}` : 'y');
  await session.until('Installed kairos v1 on /dev/vda.');
  expect(await session.exitCode()).toBe(0);
  expect(readFileSync(join(folder, 'called'), 'utf8')).toStartWith(
    'manual-install --json --use-default-dirs --leave-running --device /dev/vda /',
  );
});

test('a failure is told with its hint and an exit code', async () => {
  writeFileSync(join(folder, 'play'), 'fail');
  session = new Session(folder, vt);
  await goTo('Install on /dev/vda?');
  session.type('y');
  await session.until('The installation has failed: no power');
  await session.until('plug it in');
  expect(await session.exitCode()).toBe(1);
});

test.each([
  ['a serial console', vt, 'y'],
  ['a terminal that only prints', dumb, `y${enter}`],
] as const)(
  'on %s, Ctrl-C while installing asks first and then stops the agent',
  async (_, terminal, yes) => {
    session = new Session(folder, terminal);
    await goTo('Install on /dev/vda?', terminal === dumb);
    session.type(yes);
    await session.until('22 %  copying');
    session.type(keys.controlC);
    await session.until('Stop the installation?');
    // Ctrl-C at the question is no answer: it goes on.
    session.type(keys.controlC);
    await session.until('It goes on.');
    expect(existsSync(join(folder, 'stopped'))).toBe(false);
    session.type(keys.controlC);
    await session.until('Stop the installation?');
    session.type(yes);
    await session.until('The installation was stopped.');
    expect(await session.exitCode()).toBe(130);
    expect(existsSync(join(folder, 'stopped'))).toBe(true);
  },
);

test.each([
  ['a serial console', vt],
  ['a terminal that only prints', dumb],
] as const)('on %s, a q within an answer is a letter', async (_, terminal) => {
  session = new Session(folder, terminal);
  await goTo('Host name', terminal === dumb);
  session.type(`aq-Qq${enter}`);
  await session.until('Kubernetes?');
  expect(session.text).toContain('aq-Qq');
});

test('a pipe is no file with a cloud-config, and nothing waits for it', async () => {
  Bun.spawnSync(['mkfifo', join(folder, 'pipe')]);
  session = new Session(folder, vt);
  await goTo('File with further');
  session.type(`/pipe${enter}`);
  await session.until('There is no file /pipe');
});

test('a disk with data is taken only after a yes, and no leads back', async () => {
  session = new Session(folder, vt);
  await session.until('Which disk?');
  session.type(`${down}${down}${enter}`);
  await session.until('/dev/vdb holds data');
  await session.until('Erase all that is on /dev/vdb?');
  session.type(enter);
  await session.until('Which disk?');
  session.type(`${down}${down}${enter}`);
  await session.until('Erase all that is on /dev/vdb?');
  session.type('y');
  await session.until('Create a user');
});

test('without a terminal there is nobody to ask', async () => {
  session = new Session(folder, vt);
  const child = Bun.spawn([process.execPath, join(import.meta.dir, '../src/terminal-worker.ts'), folder], {
    ...{ stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' },
  });
  expect(await new Response(child.stderr).text()).toContain('this is not a terminal');
  expect(await child.exited).toBe(1);
});
