import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'config-verbs-'));
const put = (name: string, content: string | Uint8Array) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};

let server: ReturnType<typeof Bun.serve>;
beforeAll(() => {
  server = Bun.serve({
    port: 0,
    fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === '/far.yaml') return new Response('#cloud-config\nhostname: far\ndebug: true\n');
      if (pathname === '/around') return Response.redirect('/around');
      return new Response('', { status: 404 });
    },
  });
});
afterAll(async () => {
  await server.stop(true);
  rmSync(folder, { recursive: true, force: true });
});
const url = (path: string) => `http://127.0.0.1:${server.port}${path}`;

/** Runs the agent; the folder of the test and the server are left out of what it prints. */
async function agent(...words: string[]) {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, 'main.ts'), 'agent', ...words], {
    stdin: Buffer.from('#cloud-config\nhostname: [x]\n'),
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const texts = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  const [out, err] = texts.map((text) => text.replaceAll(folder, '').replaceAll(url(''), 'SERVER'));
  return [await child.exited, out, err];
}

describe('validate', () => {
  test.each([
    [
      'a file that is not there',
      () => join(folder, 'none'),
      11,
      'error: Cannot read /none: there is no such file or directory\n  hint: Give the path of a file or directory, a URL, or - for standard input\n',
    ],
    [
      'one whose name is nearly right',
      () => join(put('config.yaml', ''), '../confg.yaml'),
      11,
      'error: Cannot read /confg.yaml: there is no such file or directory\n  hint: Did you mean /config.yaml?\n',
    ],
    [
      'a link to itself',
      () => {
        symlinkSync('ring', join(folder, 'ring'));
        return join(folder, 'ring');
      },
      11,
      'error: Cannot read /ring: its links lead in a circle\n  hint: Give the path of a file or directory, a URL, or - for standard input\n',
    ],
    [
      'a device without an end',
      () => '/dev/zero',
      10,
      'error: /dev/zero has more than 2.0 MiB, the most that is read of a configuration\n  hint: Is this the file that you meant?\n',
    ],
    [
      'a server that has no such file',
      () => url('/none'),
      11,
      'error: SERVER/none answered 404 Not Found\n  hint: Check the address, or fetch the file by other means and give its path\n',
    ],
    [
      'a server that redirects in a circle',
      () => url('/around'),
      20,
      'error: cannot fetch SERVER/around: it redirects without an end\n  hint: Check the address, or fetch the file by other means and give its path\n',
    ],
  ])('%s is one error with a hint', async (_, source, code, message) => {
    expect(await agent('validate', source())).toEqual([code, '', message]);
  });

  test('standard input, and a text as scripts give it', async () => {
    const [code, out, err] = await agent('validate', '-');
    expect([code, out]).toEqual([10, 'stdin: invalid, 1 error, 0 warnings\n']);
    expect(err).toContain('stdin:2:11: error: hostname: expected a text, found a list\n');
    expect(await agent('validate', '#cloud-config\nhostname: a\n')).toEqual([
      0,
      'argument: valid, 0 errors, 0 warnings\n',
      '',
    ]);
  });

  test('the header may be on one of the first lines, and what no schema says is checked too', async () => {
    const text = '# of the fleet\n\n## template: jinja\n#cloud-config\ninstall:\n  ssh_hardening: true\n';
    const [code, out, err] = await agent('validate', put('late.yaml', text));
    expect([code, out]).toEqual([10, '/late.yaml: invalid, 1 error, 0 warnings\n']);
    expect(err).toContain(
      '/late.yaml:6:18: error: install.ssh_hardening allows keys only, and no user has one\n',
    );
  });

  test('a file of an image needs no header, and its mistakes are told, in a directory too', async () => {
    mkdirSync(join(folder, 'oem'));
    const file = put('oem/a.yaml', 'name: a\nstages:\n  boot:\n    - systctl: {}\n');
    for (const source of [file, join(folder, 'oem')]) {
      const [code, out, err] = await agent('validate', source);
      expect([code, out]).toEqual([0, `${source.replace(folder, '')}: valid, 0 errors, 2 warnings\n`]);
      expect(err).toContain('/oem/a.yaml:1:1: warning: only the stages of this file count');
      expect(err).toContain('/oem/a.yaml:4:7: warning: unknown key systctl in stages.boot.0\n');
    }
    expect((await agent('validate', put('bare.yaml', 'hostname: a\n')))[0]).toBe(10);
  });
});

describe('config diff', () => {
  test('compares with what config_url names, unless links are to be left alone', async () => {
    const near = put('near.yaml', `#cloud-config\nconfig_url: ${url('/far.yaml')}\nhostname: near\n`);
    const bare = put('bare.yaml', `#cloud-config\nconfig_url: ${url('/far.yaml')}\nhostname: bare\n`);
    const whole = put('whole.yaml', '#cloud-config\nhostname: near\n');
    expect(await agent('config', 'diff', near, bare)).toEqual([1, '~ hostname: "near" → "bare"\n', '']);
    expect((await agent('config', 'diff', near, whole))[1]).toBe(
      '- debug: true\n- config_url: "SERVER/far.yaml"\n',
    );
    expect((await agent('config', 'diff', '--offline', near, whole))[1]).toBe(
      '- config_url: "SERVER/far.yaml"\n',
    );
  });

  test('what cannot be had is told, and the rest compared', async () => {
    const lost = put('lost.yaml', `#cloud-config\nconfig_url: ${url('/none')}\nhostname: a\n`);
    const [code, out, err] = await agent(
      'config',
      'diff',
      lost,
      put('other.yaml', '#cloud-config\nhostname: a\n'),
    );
    expect([code, out]).toEqual([1, '- config_url: "SERVER/none"\n']);
    expect(err).toBe(
      '/lost.yaml:2:13: warning: the document of config_url is left out: SERVER/none could not be fetched: SERVER/none answered 404 Not Found\n    2 | config_url: SERVER/none\n      |             ^\n      = hint: Try again where the network is up, or leave links alone with --offline\n',
    );
  });

  test('a file that cannot be read is no empty one', async () => {
    const broken = put('broken.yaml', '#cloud-config\na: [\n');
    const [code, , err] = await agent(
      'config',
      'diff',
      broken,
      put('fine.yaml', '#cloud-config\nhostname: a\n'),
    );
    expect(code).toBe(10);
    expect(err).toContain('/broken.yaml:3:1: error: ');
  });
});
