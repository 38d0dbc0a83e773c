import { expect, test } from 'bun:test';
import { parseDocument } from './document.ts';
import { followRemote, type RemoteReader } from './remote.ts';

function reader(pages: Readonly<Record<string, string | (() => string)>>) {
  const asked: string[] = [];
  const waits: number[] = [];
  const world: RemoteReader = {
    async fetchText(url) {
      asked.push(url);
      const page = pages[url];
      if (page === undefined) throw new Error('404');
      return typeof page === 'function' ? page() : page;
    },
    render: (url) => url.replace('{{.Values.node.hostname}}', 'n1'),
    async wait(milliseconds) {
      waits.push(milliseconds);
    },
  };
  return { world, asked, waits };
}
const start = (url: string) => parseDocument(`#cloud-config\nconfig_url: "${url}"\n`, '/oem/a.yaml');

test('follows the chain to its end', async () => {
  const { world, asked } = reader({
    'http://a/n1': '#cloud-config\nhostname: a\nconfig_url: http://b\n',
    'http://b': '#cloud-config\nhostname: b\n',
  });
  const { documents, problems } = await followRemote(start('http://a/{{.Values.node.hostname}}'), world);
  expect(asked).toEqual(['http://a/n1', 'http://b']);
  expect(documents.map(({ file }) => file)).toEqual(['http://a/n1', 'http://b']);
  expect(problems).toEqual([]);
});

test('a loop is found', async () => {
  const { world } = reader({ 'http://a': '#cloud-config\nconfig_url: http://a\n' });
  const { problems } = await followRemote(start('http://a'), world);
  expect(problems.map(({ code, position }) => [code, position.file])).toEqual([
    ['CONFIG_URL_LOOP', 'http://a'],
  ]);
});

test('a loop that changes its name ends too', async () => {
  let count = 0;
  const next = () => `#cloud-config\nconfig_url: http://x/${count++}\n`;
  const world = reader(
    Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`http://x/${i}`, next])),
  ).world;
  count = 1;
  const { problems, documents } = await followRemote(start('http://x/0'), world);
  expect([problems[0]?.code, documents.length]).toEqual(['CONFIG_URL_CHAIN', 10]);
});

test('a failure is tried again, then reported', async () => {
  const { world, asked, waits } = reader({});
  const { problems } = await followRemote(start('http://gone'), world);
  expect([asked.length, waits]).toEqual([3, [1000, 1000]]);
  expect(problems).toMatchObject([
    { code: 'CONFIG_URL_UNREACHABLE', message: 'http://gone could not be fetched in 3 attempts: 404' },
  ]);
});

test('a page without a header is an error, not an empty configuration', async () => {
  const { world } = reader({ 'http://a': '<html>login</html>' });
  const { documents, problems } = await followRemote(start('http://a'), world);
  expect([documents.length, problems.map(({ severity, code }) => [severity, code])]).toEqual([
    0,
    [['error', 'HEADER_MISSING']],
  ]);
});

test('a server that does not answer in time is told with the time', async () => {
  const { world } = reader({});
  const { problems } = await followRemote(start('http://a'), {
    ...world,
    patience: 5,
    attempts: 1,
    fetchText: (_, { signal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  });
  expect(problems.map(({ message }) => message)).toEqual([
    'http://a could not be fetched: no answer within 5 ms',
  ]);
});

test('passwords and tokens of an address are asked with and not shown', async () => {
  const { world, asked } = reader({
    'http://u:p@a?token=t': '#cloud-config\nconfig_url: http://u:p@b\n',
  });
  const { documents, problems } = await followRemote(start('http://u:p@a?token=t'), world);
  expect(asked[0]).toBe('http://u:p@a?token=t');
  expect(documents.map(({ file }) => file)).toEqual(['http://********@a?token=********']);
  expect(problems.map(({ message, position }) => [position.file, message])).toEqual([
    ['http://********@a?token=********', 'http://********@b could not be fetched in 3 attempts: 404'],
  ]);
});
