import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import { hostsWith, settleHostname, settleMachineId } from './node-identity.ts';
import { testFolder } from './test-folder.ts';

let folder: string;
let host: DirectoryHost;
beforeEach(() => {
  folder = testFolder('identity');
  host = directoryHost(folder);
  host.files.write('/proc/sys/kernel/hostname', '');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const one = '0123456789abcdef0123456789abcdef';
const two = 'fedcba9876543210fedcba9876543210';

describe('machine-id', () => {
  test('is made on the first boot and the same on the second', () => {
    host.files.write('/etc/machine-id', '');
    const first = settleMachineId(host, true, undefined);
    expect(first.id).toMatch(/^[0-9a-f]{32}$/);
    expect([first.note, first.problems]).toEqual(['generated', []]);
    expect(host.files.readText('/usr/local/etc/machine-id')).toBe(`${first.id}\n`);
    host.files.write('/etc/machine-id', '');
    const second = settleMachineId(host, true, undefined);
    expect([second.id, second.note]).toEqual([first.id, undefined]);
    expect(host.files.readText('/etc/machine-id')).toBe(`${first.id}\n`);
    expect(host.files.status('/etc/machine-id')?.mode).toBe(0o444);
  });

  test('of the image is never the node', () => {
    host.files.write('/etc/machine-id', `${one}\n`);
    const { id } = settleMachineId(host, true, undefined);
    expect(id).not.toBe(one);
    expect(host.files.readText('/etc/machine-id')).toBe(`${id}\n`);
  });

  test('that is damaged is replaced, and told', () => {
    host.files.write('/usr/local/etc/machine-id', one.slice(0, 12));
    const { id, problems } = settleMachineId(host, true, undefined);
    expect(problems).toEqual([
      '/usr/local/etc/machine-id does not hold 32 hexadecimal digits; the node got a new machine-id',
    ]);
    expect(host.files.readText('/usr/local/etc/machine-id')).toBe(`${id}\n`);
  });

  test('of the command line wins and is kept', () => {
    host.files.write('/usr/local/etc/machine-id', `${one}\n`);
    expect(settleMachineId(host, true, two).id).toBe(two);
    expect(host.files.readText('/usr/local/etc/machine-id')).toBe(`${two}\n`);
  });

  test('without state is for this boot', () => {
    host.files.write('/usr/local/etc/machine-id', `${one}\n`);
    expect(settleMachineId(host, false, undefined).id).not.toBe(one);
    expect(host.files.readText('/usr/local/etc/machine-id')).toBe(`${one}\n`);
  });
});

describe('hostname', () => {
  test('comes from the machine-id and persists through links', () => {
    host.files.write('/etc/hostname', '\n');
    expect(settleHostname(host, true, one)).toEqual({
      hostname: 'kairos-0123',
      problems: [],
      note: 'kairos-0123',
    });
    expect(host.files.readLink('/etc/hostname')).toBe('../usr/local/etc/hostname');
    expect(host.files.readText('/etc/hostname')).toBe('kairos-0123\n');
    expect(host.files.readText('/etc/hosts')).toBe(
      '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\n' +
        'ff02::2\tip6-allrouters\n127.0.1.1\tkairos-0123\n',
    );
    expect(host.files.readText('/proc/sys/kernel/hostname')).toBe('kairos-0123');
  });

  test('that the user changed stays', () => {
    settleHostname(host, true, one);
    host.files.write('/usr/local/etc/hostname', 'edge-7\n');
    host.files.remove('/etc/hostname');
    expect(settleHostname(host, true, one).hostname).toBe('edge-7');
    expect(host.files.readText('/etc/hosts')).toContain('\n127.0.1.1\tedge-7\n');
    expect(host.files.readText('/etc/hosts')).not.toContain('kairos-0123');
  });

  test('of the image is left alone', () => {
    host.files.write('/etc/hostname', 'appliance\n');
    expect(settleHostname(host, true, one).hostname).toBe('appliance');
    expect(host.files.status('/etc/hostname')?.kind).toBe('file');
    expect(host.files.exists('/usr/local/etc/hostname')).toBe(false);
  });

  test.each(['localhost', '# a comment', 'not a name', '-bad', `${'a'.repeat(254)}`])(
    '%j is none',
    (text) => {
      host.files.write('/etc/hostname', `${text}\n`);
      expect(settleHostname(host, false, one).hostname).toBe('kairos-0123');
    },
  );

  test('without state is a plain file', () => {
    settleHostname(host, false, one);
    expect([host.files.status('/etc/hostname')?.kind, host.files.status('/etc/hosts')?.kind]).toEqual([
      'file',
      'file',
    ]);
    expect(host.files.exists('/usr/local')).toBe(false);
  });

  test('is settled although the kernel does not take it', () => {
    host.files.remove('/proc');
    const { hostname, problems } = settleHostname(host, false, one);
    expect(hostname).toBe('kairos-0123');
    expect(problems).toHaveLength(1);
  });
});

test.each([
  ['127.0.0.1 localhost\n', 'n', '127.0.0.1 localhost\n127.0.1.1\tn\n'],
  ['127.0.0.1 localhost', 'n', '127.0.0.1 localhost\n127.0.1.1\tn\n'],
  ['127.0.0.1 localhost n\n', 'n', '127.0.0.1 localhost n\n'],
  ['127.0.1.1 old\n10.0.0.1 db\n', 'n.example', '10.0.0.1 db\n127.0.1.1\tn.example n\n'],
  ['# n is the name\n\n10.0.0.1 db # n\n', 'n', '# n is the name\n\n10.0.0.1 db # n\n127.0.1.1\tn\n'],
] as const)('hosts %j knows %s', (text, name, whole) => {
  expect(hostsWith(text, name)).toBe(whole);
});
