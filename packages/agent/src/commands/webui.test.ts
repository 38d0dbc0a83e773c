import { expect, jest, test } from 'bun:test';
import { InstallerScene, resultFor } from '../installer/scene.ts';
import { webui } from './webui.ts';

test('a server that ends takes back the restart that was about to follow', async () => {
  using scene = new InstallerScene();
  const ready = Promise.withResolvers<{ urls: readonly string[]; code: string }>();
  const end = new AbortController();
  const served = webui(scene.host, {
    ...{ listen: '127.0.0.1:0', http: true, page: '<p>', version: '1', agent: ['kairos-agent'] },
    ...{ signal: end.signal, say: () => undefined, onReady: ready.resolve },
    plan: async (_, options) => resultFor(options),
  });
  const { urls, code } = await ready.promise;
  const [base = ''] = urls;
  let cookie = '';
  const post = async (path: string, body: unknown) => {
    const headers = { Origin: base, Cookie: cookie, 'Content-Type': 'application/json' };
    const response = await fetch(base + path, { method: 'POST', headers, body: JSON.stringify(body) });
    cookie = response.headers.get('set-cookie')?.split(';')[0] ?? cookie;
    return response.status;
  };
  expect(await post('/api/session', { code })).toBe(204);
  expect(await post('/api/installation', { user: { name: 'ada', password: 'x' }, after: 'reboot' })).toBe(
    202,
  );
  const events = await fetch(`${base}/api/installation/events`, { headers: { Cookie: cookie } });
  const call = await scene.nextCall();
  jest.useFakeTimers();
  try {
    call.end();
    let told = '';
    for await (const chunk of events.body ?? []) {
      told += new TextDecoder().decode(chunk as Uint8Array);
      if (told.includes('"endsAt"')) break;
    }
    end.abort();
    await served;
    jest.advanceTimersByTime(60_000);
  } finally {
    jest.useRealTimers();
  }
  expect(scene.others).toEqual([]);
});
