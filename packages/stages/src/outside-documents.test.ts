import { afterEach, describe, expect, test } from 'bun:test';
import { outsideDocuments } from './outside-documents.ts';
import { remoteReader } from './remote-reader.ts';
import { runStage } from './run-stage.ts';
import { testMachines } from './test-machine.ts';

const testMachine = testMachines();

const servers: { stop(force?: boolean): unknown }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop(true);
});

/** A web server; `asked` are the paths in order. */
function serve(answer: (path: string, count: number) => Response | Promise<Response>) {
  const asked: string[] = [];
  const server = Bun.serve({
    port: 0,
    fetch(request) {
      const { pathname, search } = new URL(request.url);
      asked.push(pathname + search);
      return answer(pathname, asked.length);
    },
  });
  servers.push(server);
  return { address: `http://127.0.0.1:${server.port}`, asked };
}
const page = (text: string) => new Response(`#cloud-config\n${text}`);
const command = (stage: string, name: string) =>
  `stages:\n  ${stage}:\n  - name: ${name}\n    files: [ ]\n    environment: { ${name}: "1" }\n    environment_file: /run/${name}\n`;
const route =
  'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n';

const directories = ['/oem'];
function machine(cmdline: string) {
  const made = testMachine();
  made.put('/proc/cmdline', `${cmdline}\n`);
  made.put('/proc/sys/kernel/hostname', 'edge-1 a\n');
  return made;
}
const waits: number[] = [];
const services = {
  delay: async (milliseconds: number) => {
    waits.push(milliseconds);
  },
};
const outside = (made: ReturnType<typeof machine>, stage = 'network', patience = 2000) =>
  outsideDocuments(made.host, stage, directories, remoteReader(made.host, { services, patience }));

describe('the kernel command line', () => {
  test('dotted stages, settings and users of it run after the directories', async () => {
    const made = machine(
      'quiet stages.initramfs[0].environment.A=1 stages.initramfs[0].environment_file=/run/a kairos.config=hostname=n7 rd.neednet=1',
    );
    made.put('/oem/a.yaml', command('initramfs', 'B'));
    const { documents, problems } = await outside(made, 'initramfs');
    const result = await runStage(made.host, 'initramfs', { directories, documents, problems });
    expect(result.problems).toEqual([]);
    expect(result.steps.map(({ file, status }) => [file, status])).toEqual([
      ['/oem/a.yaml', 'done'],
      ['cmdline', 'done'],
      ['cmdline', 'done'],
    ]);
    expect([made.read('/run/a'), made.read('/etc/hostname')]).toEqual(['A=1\n', 'n7\n']);
  });

  test('it is left out where that is asked for', async () => {
    const made = machine('quiet stages.initramfs[0].environment.A=1');
    const reader = remoteReader(made.host, { services, patience: 2000 });
    const given = async (commandLine: boolean) =>
      (await outsideDocuments(made.host, 'initramfs', directories, reader, { commandLine })).documents.length;
    expect([await given(true), await given(false)]).toEqual([1, 0]);
  });

  test('a mistake on it names the word', async () => {
    const made = machine('quiet stages.fs[0].comands[0]=true');
    const { documents } = await outside(made, 'fs');
    const { problems } = await runStage(made.host, 'fs', { directories, documents });
    expect(problems).toMatchObject([
      { severity: 'warning', code: 'UNKNOWN_KEY', position: { file: 'cmdline', line: 1, column: 7 } },
    ]);
  });

  test('garbage is no configuration', async () => {
    const made = machine('stages=x stages.=y .stages=z a.b.c=d kairos.config= kairos.config==x "');
    expect(await outside(made)).toEqual({ documents: [], problems: [], postponed: [] });
  });

  test.each(['kairos.config_url', 'config_url', 'cos.setup'])('%s= may name a file', async (key) => {
    const made = machine(`${key}=/oem-extra/x.yaml`);
    made.put('/oem-extra/x.yaml', `#cloud-config\n${command('rootfs', 'X')}`);
    const { documents, problems, postponed } = await outside(made, 'rootfs');
    expect([documents.map(({ file }) => file), problems, postponed]).toEqual([
      ['/oem-extra/x.yaml', 'cmdline'],
      [],
      [],
    ]);
  });
});

describe('links', () => {
  test('of OEM files and the command line are followed, nearer ones later', async () => {
    const { address, asked } = serve((path) =>
      path === '/first'
        ? page(`config_url: ${address}/second\n${command('network', 'F')}`)
        : page(command('network', 'S')),
    );
    const made = machine(`config_url=${address}/line`);
    made.put('/oem/a.yaml', `#cloud-config\nconfig_url: ${address}/first\n`);
    const { documents, problems } = await outside(made);
    expect(problems).toEqual([]);
    expect(documents.map(({ file }) => file.replace(address, ''))).toEqual([
      '/second',
      '/first',
      '/line',
      'cmdline',
    ]);
    expect(asked).toEqual(['/first', '/second', '/line']);
  });

  test('a URL is a template, and its values are escaped', async () => {
    const { address, asked } = serve(() => page('hostname: n\n'));
    const made = machine('quiet');
    made.put(
      '/oem/a.yaml',
      `#cloud-config\nconfig_url: "${address}/c?host={{ .Values.node.hostname | upper }}"\n`,
    );
    expect((await outside(made)).problems).toEqual([]);
    expect(asked).toEqual(['/c?host=EDGE-1%20A']);
  });

  test('a key that this machine does not have makes no request', async () => {
    const { address, asked } = serve(() => page(''));
    const made = machine('quiet');
    made.put(
      '/oem/a.yaml',
      `#cloud-config\nname: x\nconfig_url: "${address}/{{ .Values.product.nonsense }}"\n`,
    );
    const { problems } = await outside(made);
    expect([problems.map(({ code, position }) => [code, position]), asked]).toEqual([
      [['CONFIG_URL_TEMPLATE', { file: '/oem/a.yaml', line: 3, column: 13 }]],
      [],
    ]);
  });

  test('an address waits for the network, unless there is a route already', async () => {
    const { address, asked } = serve(() => page(command('initramfs', 'I')));
    const made = machine(`config_url=${address}/c`);
    expect((await outside(made, 'initramfs')).postponed).toEqual([`${address}/c`]);
    expect(asked).toEqual([]);
    made.put('/proc/net/route', route);
    const { documents, postponed } = await outside(made, 'initramfs');
    expect([documents.length, postponed]).toEqual([2, []]);
  });

  test('steps that came too late for this boot are told', async () => {
    const { address } = serve(() => page(command('boot', 'I')));
    const { problems } = await outside(machine(`config_url=${address}/c`));
    expect(problems).toMatchObject([
      { severity: 'warning', code: 'STAGE_TOO_LATE', position: { file: `${address}/c`, line: 3, column: 3 } },
    ]);
  });

  test('a server that fails twice is asked three times', async () => {
    const { address, asked } = serve((_, count) =>
      count < 3 ? new Response('busy', { status: 503 }) : page('hostname: n\n'),
    );
    waits.length = 0;
    const { documents, problems } = await outside(machine(`config_url=${address}/c`));
    expect([documents.length, problems, asked.length, waits]).toEqual([2, [], 3, [1000, 1000]]);
  });

  const hostile: readonly (readonly [
    string,
    (address: () => string) => (path: string, count: number) => Response,
    string,
  ])[] = [
    [
      'endless redirects',
      (address) => (_, count) => Response.redirect(`${address()}/r${count}`, 302),
      'CONFIG_URL_UNREACHABLE',
    ],
    [
      'a document that names itself',
      (address) => (path) => page(`config_url: ${address()}${path}\n`),
      'CONFIG_URL_LOOP',
    ],
    [
      'documents that name ever new ones',
      (address) => (_, count) => page(`config_url: ${address()}/${count}\n`),
      'CONFIG_URL_CHAIN',
    ],
    [
      'a body of 8 MB',
      () => () => new Response(`#cloud-config\n${'# x\n'.repeat(2_000_000)}`),
      'CONFIG_URL_UNREACHABLE',
    ],
    [
      'a body without end',
      () => () =>
        new Response(
          new ReadableStream({ pull: (stream) => stream.enqueue(new Uint8Array(65_536).fill(35)) }),
        ),
      'CONFIG_URL_UNREACHABLE',
    ],
    [
      'a server that never ends its answer',
      () => () =>
        new Response(
          new ReadableStream({
            start: (stream) => stream.enqueue(new TextEncoder().encode('#cloud-config\n')),
          }),
        ),
      'CONFIG_URL_UNREACHABLE',
    ],
    ['a page of a portal', () => () => new Response('<html>log in</html>'), 'HEADER_MISSING'],
    ['broken YAML', () => () => page('a: [\n'), 'YAML_INVALID'],
    ['binary data', () => () => page('\0\0\0\0'), 'NOT_TEXT'],
    ['nothing', () => () => new Response(''), 'HEADER_MISSING'],
  ];
  test.each(hostile)('%s: one error, in bounded time', async (_, answer, code) => {
    const { address } = serve((path, count) => answer(() => address)(path, count));
    const started = performance.now();
    const { problems } = await outside(machine(`config_url=${address}/start`), 'network', 300);
    expect(problems.map((problem) => problem.code)).toEqual([code]);
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  test('a file that is a device or too large is refused', async () => {
    const made = machine('config_url=/oem');
    made.put('/oem/x.yaml', '');
    expect((await outside(made)).problems.map(({ message }) => message)).toEqual([
      '/oem could not be fetched in 3 attempts: /oem is not an ordinary file',
    ]);
    made.put('/proc/cmdline', 'config_url=/big');
    made.put('/big', `#cloud-config\n${'# \n'.repeat(800_000)}`);
    expect((await outside(made)).problems[0]?.message).toContain('at most 2.0 MiB are read');
  });
});
