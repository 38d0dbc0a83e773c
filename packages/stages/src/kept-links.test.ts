import { expect, test } from 'bun:test';
import { parseDocument } from '@kairos/config/document';
import { followRemote } from '@kairos/config/remote';
import { keepingLinks, keptLinks } from './kept-links.ts';
import { remoteReader } from './remote-reader.ts';
import { testMachines } from './test-machine.ts';

const testMachine = testMachines();

test('what a stage fetched is there when the server is gone, and nobody else can read it', async () => {
  const machine = testMachine();
  machine.put('/proc/cmdline', 'x\n');
  const server = Bun.serve({
    port: 0,
    fetch: () => new Response('#cloud-config\nhealth: { deadline: 7 }\n'),
  });
  const url = `http://127.0.0.1:${server.port}/config?token=secret`;
  const document = parseDocument(`#cloud-config\nconfig_url: ${url}\n`, '/oem/a.yaml');
  const before = await followRemote(document, keptLinks(machine.host));
  expect(before.documents).toEqual([]);
  expect(before.problems.map(({ code, message }) => [code, message])).toEqual([
    ['CONFIG_URL_UNREACHABLE', expect.stringContaining('has not been read since the machine was started')],
  ]);
  expect(before.problems[0]?.message).not.toContain('secret');
  const fetched = await followRemote(document, keepingLinks(machine.host, remoteReader(machine.host)));
  expect(fetched.problems).toEqual([]);
  await server.stop(true);
  const kept = await followRemote(document, keptLinks(machine.host));
  expect(kept.problems).toEqual([]);
  expect(kept.documents.map(({ value }) => value)).toEqual([{ health: { deadline: 7 } }]);
  const folder = '/run/kairos/linked-configs';
  expect(machine.host.files.status(folder)?.mode).toBe(0o700);
  const [name = ''] = machine.host.files.list(folder);
  expect(machine.host.files.status(`${folder}/${name}`)?.mode).toBe(0o600);
  expect(name).not.toContain('secret');
});
