import { expect, test } from 'bun:test';
import { parseDocument } from '@kairos/config/document';
import { Field } from './field.ts';
import { testMachines } from './test-machine.ts';
import { disableUnit, enableUnit, installSection, maskUnit } from './unit-links.ts';

const testMachine = testMachines();

const field = Field.root(parseDocument('a', 'f'));
const etc = '/etc/systemd/system';

test('reads the install section only', () => {
  const keys = installSection(
    '[Unit]\nWantedBy=no.target\n[Install]\n# WantedBy=c.target\nWantedBy=a.target \\\n b.target\nAlias=x.service\n',
  );
  expect([...keys]).toEqual([
    ['WantedBy', ['a.target', 'b.target']],
    ['Alias', ['x.service']],
  ]);
});

test('enables with companions and instances, and disables again', () => {
  const { host, put } = testMachine();
  put(
    '/usr/lib/systemd/system/a.service',
    '[Install]\nWantedBy=multi-user.target\nAlias=other.service\nAlso=a.socket\n',
  );
  put('/usr/lib/systemd/system/a.socket', '[Install]\nWantedBy=sockets.target\nAlso=a.service\n');
  put('/usr/lib/systemd/system/getty@.service', '[Install]\nWantedBy=getty.target\nDefaultInstance=tty1\n');
  enableUnit(host.files, 'a.service', field);
  enableUnit(host.files, 'getty@ttyS0.service', field);
  enableUnit(host.files, 'getty@.service', field);
  expect(host.files.readLink(`${etc}/multi-user.target.wants/a.service`)).toBe(
    '/usr/lib/systemd/system/a.service',
  );
  expect(host.files.readLink(`${etc}/other.service`)).toBe('/usr/lib/systemd/system/a.service');
  expect(host.files.list(`${etc}/sockets.target.wants`)).toEqual(['a.socket']);
  expect(host.files.list(`${etc}/getty.target.wants`)).toEqual(['getty@tty1.service', 'getty@ttyS0.service']);
  disableUnit(host.files, 'a.service');
  expect(host.files.list(`${etc}/multi-user.target.wants`)).toEqual([]);
  expect(host.files.status(`${etc}/other.service`)).toBeUndefined();
  expect(host.files.list(`${etc}/sockets.target.wants`)).toEqual(['a.socket']);
});

test('an unknown unit, a link out of the directory, a mask that would lose a file', () => {
  const { host, put } = testMachine();
  put('/usr/lib/systemd/system/evil.service', '[Install]\nAlias=../../passwd\n');
  put(`${etc}/own.service`, '[Unit]\n');
  expect(() => enableUnit(host.files, 'none.service', field)).toThrow('there is no unit none.service');
  expect(() => enableUnit(host.files, 'evil.service', field)).toThrow('asks for the link');
  expect(() => maskUnit(host.files, 'own.service')).toThrow('masking would lose it');
});
