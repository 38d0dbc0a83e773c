import { afterEach, beforeEach, expect, spyOn, test } from 'bun:test';
import { KairosError } from '@kairos/facts/errors';
import type { InstallationView } from '@kairos/pages/installer-api';
import { InstallerScene } from '../installer/scene.ts';
import { Access } from './access.ts';
import { webuiApplication } from './application.ts';

/** The server as it is, on loopback. */
let scene: InstallerScene;
let application: ReturnType<typeof webuiApplication>;
let server: Bun.Server<undefined>;
let codes: string[];
let base: string;
beforeEach(() => {
  scene = new InstallerScene();
  codes = [];
  const access = new Access({ onCode: (code) => codes.push(code) });
  const page = '<!doctype html><style>b{}</style><script type="module">1</script>';
  application = webuiApplication({
    ...{ installer: scene.installer, access, page, scheme: 'http' },
    names: () => ['live'],
  });
  server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: application.fetch });
  base = `http://127.0.0.1:${server.port}`;
});
afterEach(async () => {
  await server.stop(true);
  scene.installer.cancelEnd();
  scene[Symbol.dispose]();
});

type Sent = Readonly<{ cookie?: string; headers?: Record<string, string>; text?: string }>;

function send(method: string, path: string, body?: unknown, more: Sent = {}): Promise<Response> {
  const json = body !== undefined || more.text !== undefined;
  return fetch(base + path, {
    method,
    headers: {
      ...(method === 'GET' ? {} : { Origin: base }),
      ...(json ? { 'Content-Type': 'application/json' } : {}),
      ...(more.cookie === undefined ? {} : { Cookie: more.cookie }),
      ...more.headers,
    },
    ...(json ? { body: more.text ?? JSON.stringify(body) } : {}),
  });
}

async function signIn(): Promise<string> {
  const response = await send('POST', '/api/session', { code: codes.at(-1) });
  expect(response.status).toBe(204);
  return (response.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
}

const codeOf = async (response: Response) =>
  ((await response.json()) as { error: { code: string } }).error.code;
const answers = { user: { name: 'ada', password: 'secret' } };

/** Of equal length: a row that is shorter gets a callback of the test for its last parameter. */
const everything: readonly (readonly [string, string, unknown])[] = [
  ['GET', '/api/node', undefined],
  ['GET', '/api/disks', undefined],
  ['POST', '/api/validate', { cloudConfig: '' }],
  ['POST', '/api/plan', answers],
  ['POST', '/api/installation', answers],
  ['GET', '/api/installation', undefined],
  ['DELETE', '/api/installation', undefined],
  ['GET', '/api/installation/log', undefined],
  ['GET', '/api/installation/events', undefined],
  ['POST', '/api/machine', { action: 'reboot' }],
  ['DELETE', '/api/session', undefined],
];

test.each(everything)('%s %s needs a session', async (method, path, body) => {
  for (const cookie of [undefined, 'kairos-installer=', 'kairos-installer=AAAA', 'other=1']) {
    const response = await send(method, path, body, cookie === undefined ? {} : { cookie });
    expect(response.status).toBe(401);
    expect(await codeOf(response)).toBe('NO_SESSION');
  }
  expect(scene.planned).toEqual([]);
  expect(scene.others).toEqual([]);
});

test.each(everything.filter(([method]) => method !== 'GET'))(
  '%s %s of a foreign page is refused, although the browser sends the cookie',
  async (method, path, body) => {
    const cookie = await signIn();
    const foreign = [
      [{ Origin: 'https://evil.example' }, 403],
      [{ Origin: 'null' }, 403],
      [{ 'Sec-Fetch-Site': 'cross-site' }, 403],
      [{ Host: 'evil.example', Origin: 'http://evil.example' }, 421],
      ...(method === 'POST' ? [[{ 'Content-Type': 'text/plain' }, 415] as const] : []),
    ] as const;
    for (const [headers, status] of foreign) {
      expect((await send(method, path, body, { cookie, headers })).status).toBe(status);
    }
    expect(scene.planned).toEqual([]);
    expect(scene.others).toEqual([]);
  },
);

test('the page is for everyone and may do little', async () => {
  const response = await send('GET', '/');
  expect(await response.text()).toStartWith('<!doctype html>');
  const policy = response.headers.get('content-security-policy') ?? '';
  expect(policy).toStartWith("default-src 'none'; script-src 'sha256-");
  expect(policy).not.toContain('unsafe');
  expect(policy).toContain("frame-ancestors 'none'");
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  const plain = await send('GET', '/', undefined, { headers: { 'Accept-Encoding': 'identity' } });
  expect(plain.headers.get('content-encoding')).toBeNull();
  expect((await send('GET', '/../etc/passwd')).status).toBe(404);
  expect((await send('GET', '/', undefined, { headers: { Host: 'evil.example' } })).status).toBe(421);
});

test('the cookie is for this site and no script; each code opens once', async () => {
  const [first] = codes;
  const response = await send('POST', '/api/session', { code: first });
  expect(response.headers.get('set-cookie')).toMatch(
    /^kairos-installer=[\w-]{43}; HttpOnly; SameSite=Strict; Path=\/$/,
  );
  expect(await codeOf(await send('POST', '/api/session', { code: first }))).toBe('CODE_WRONG');
  expect(codes.length).toBe(2);
});

test('guessing is slowed down and replaces the code', async () => {
  const [first] = codes;
  for (let count = 0; count < 5; count++) {
    expect((await send('POST', '/api/session', { code: '0000-0000' })).status).toBe(401);
  }
  const response = await send('POST', '/api/session', { code: first });
  expect(response.status).toBe(429);
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect(await codeOf(response)).toBe('TOO_MANY_TRIES');
  expect(codes.length).toBe(2);
});

test('signing out ends the session', async () => {
  const cookie = await signIn();
  expect((await send('GET', '/api/node', undefined, { cookie })).status).toBe(200);
  expect((await send('DELETE', '/api/session', undefined, { cookie })).status).toBe(204);
  expect((await send('GET', '/api/node', undefined, { cookie })).status).toBe(401);
});

test.each<[string, string, Sent & { body?: unknown }, number, string]>([
  ['no JSON', '/api/installation', { text: '{' }, 400, 'BODY_INVALID'],
  ['a list', '/api/installation', { body: [] }, 422, 'ANSWERS_INVALID'],
  ['a prototype', '/api/installation', { text: '{"__proto__":{"disk":"/dev/sda"}}' }, 422, 'ANSWERS_INVALID'],
  ['a hostile disk', '/api/plan', { body: { disk: '/dev/sda;reboot -f' } }, 422, 'ANSWERS_INVALID'],
  ['a flag as disk', '/api/installation', { body: { disk: '--force' } }, 422, 'ANSWERS_INVALID'],
  ['too many bytes', '/api/validate', { body: { cloudConfig: 'x'.repeat(1 << 21) } }, 413, 'BODY_TOO_LARGE'],
  ['a number as configuration', '/api/validate', { body: { cloudConfig: 1 } }, 400, 'BODY_INVALID'],
  ['another action', '/api/machine', { body: { action: 'rm' } }, 400, 'BODY_INVALID'],
  ['a code that is a list', '/api/session', { body: { code: ['x'] } }, 400, 'BODY_INVALID'],
  ['a huge code', '/api/session', { body: { code: 'x'.repeat(1000) } }, 400, 'BODY_INVALID'],
])('%s is refused', async (_, path, { body, text }, status, code) => {
  const cookie = await signIn();
  const response = await send('POST', path, body, { cookie, ...(text === undefined ? {} : { text }) });
  expect([response.status, await codeOf(response)]).toEqual([status, code]);
  expect(scene.planned).toEqual([]);
});

test('a cloud-config that would exhaust memory is an answer, not a crash', async () => {
  const cookie = await signIn();
  const levels = Array.from({ length: 30 }, (_, index) =>
    index === 0 ? 'a0: &a0 [x]' : `a${index}: &a${index} [${Array(10).fill(`*a${index - 1}`)}]`,
  );
  const cloudConfig = `#cloud-config\n${levels.join('\n')}\n`;
  const response = await send('POST', '/api/validate', { cloudConfig }, { cookie });
  expect(response.status).toBe(200);
  expect(((await response.json()) as { valid: boolean }).valid).toBe(false);
});

test('disks are told with what speaks against them', async () => {
  const cookie = await signIn();
  const disks = await (await send('GET', '/api/disks', undefined, { cookie })).json();
  expect(disks).toEqual([
    {
      ...{ path: '/dev/vda', size: 40 * 1024 ** 3, model: 'Fast', removable: false, contents: [] },
      ...{ state: 'free', auto: true },
    },
  ]);
});

test('one installation at a time; the stream follows it to the end', async () => {
  const cookie = await signIn();
  const stream = await send('GET', '/api/installation/events', undefined, { cookie });
  expect(stream.headers.get('content-type')).toStartWith('text/event-stream');
  const views: InstallationView[] = [];
  const ended = (async () => {
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of stream.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        const data = /^event: installation\ndata: (.*)$/m.exec(event)?.[1];
        if (data) views.push(JSON.parse(data));
      }
      if (views.at(-1)?.state === 'failed') return;
    }
  })();
  const tries = await Promise.all(
    [1, 2, 3].map(() => send('POST', '/api/installation', answers, { cookie })),
  );
  expect(tries.map(({ status }) => status).toSorted()).toEqual([202, 409, 409]);
  expect((await send('POST', '/api/machine', { action: 'reboot' }, { cookie })).status).toBe(409);
  const call = await scene.nextCall();
  call.line('{"event":"progress","step":"partition","message":"partition /dev/vda"}');
  call.line('{"error":{"code":"TOOL_FAILED","message":"sfdisk failed","hint":"look"}}', 'stderr');
  call.end(15);
  await ended;
  expect(views.at(-1)).toMatchObject({ state: 'failed', error: { message: 'sfdisk failed', hint: 'look' } });
  // A page that is loaded anew finds the same.
  const again = (await (
    await send('GET', '/api/installation', undefined, { cookie })
  ).json()) as InstallationView;
  expect(again).toEqual(views.at(-1) as InstallationView);
  const log = await (await send('GET', '/api/installation/log', undefined, { cookie })).text();
  expect(log).toBe('partition /dev/vda\nerror: sfdisk failed\n');
  expect((await send('POST', '/api/installation', answers, { cookie })).status).toBe(202);
  (await scene.nextCall()).end(1);
  await scene.installer.ended();
});

test('asking for the head of the stream begins none', async () => {
  const watch = spyOn(scene.installer, 'watch');
  const cookie = await signIn();
  expect((await send('HEAD', '/api/installation/events', undefined, { cookie })).status).toBe(200);
  expect(watch).not.toHaveBeenCalled();
});

test('an installation is stopped, and the answer comes when it has ended', async () => {
  const cookie = await signIn();
  await send('POST', '/api/installation', answers, { cookie });
  const call = await scene.nextCall();
  const stopping = send('DELETE', '/api/installation', undefined, { cookie });
  while (!call.stopped()) await Bun.sleep(1);
  call.end(130);
  expect(((await (await stopping).json()) as InstallationView).state).toBe('stopped');
});

test('what takes long is waited for, by who is signed in', async () => {
  const unlimited: string[] = [];
  const timer = {
    timeout: (request: Request, seconds: number) =>
      void unlimited.push(`${request.method} ${new URL(request.url).pathname} ${seconds}`),
  };
  await server.stop(true);
  server = Bun.serve({
    ...{ port: 0, hostname: '127.0.0.1' },
    fetch: (request) => application.fetch(request, timer),
  });
  base = `http://127.0.0.1:${server.port}`;
  await send('GET', '/');
  expect((await send('POST', '/api/plan', answers)).status).toBe(401);
  const cookie = await signIn();
  expect(unlimited).toEqual([]);
  expect((await send('POST', '/api/plan', answers, { cookie })).status).toBe(200);
  expect(unlimited).toEqual(['POST /api/plan 0']);
});

test('what planning refuses comes with its hint', async () => {
  const cookie = await signIn();
  scene.planError = new KairosError('DISK_TOO_SMALL', 'too small', {
    exit: 'unsuitableDisk',
    hint: 'buy one',
  });
  const response = await send('POST', '/api/plan', answers, { cookie });
  expect(response.status).toBe(422);
  expect(await response.json()).toEqual({
    error: { code: 'DISK_TOO_SMALL', message: 'too small', hint: 'buy one' },
  });
});

test('the machine restarts when it is told to', async () => {
  const cookie = await signIn();
  expect((await send('POST', '/api/machine', { action: 'stay' }, { cookie })).status).toBe(202);
  expect(scene.others).toEqual([]);
  expect((await send('POST', '/api/machine', { action: 'reboot' }, { cookie })).status).toBe(202);
  expect(scene.others).toEqual([['sync'], ['reboot', '-f']]);
});
