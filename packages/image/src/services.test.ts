import { expect, test } from 'bun:test';
import { directoryHost } from '@kairos/host/directory';
import { fixtureRoots } from './fixture-root.ts';
import { parseInstallSection, setUpServices } from './services.ts';

const rootOf = fixtureRoots();
const units = 'usr/lib/systemd/system';

test('[Install]: lists add up, an empty value clears, other sections do not count', () => {
  expect(
    parseInstallSection(
      '[Unit]\nWantedBy=no.target\n[Install]\nWantedBy=a.target \\\n  b.target\nWantedBy=\nWantedBy=c.target\nAlias=x.service\n',
    ),
  ).toEqual({ wantedBy: ['c.target'], requiredBy: [], alias: ['x.service'], also: [] });
});

test('units are enabled by links that come with the slot', async () => {
  const tree = rootOf({
    [`${units}/a.service`]:
      '[Install]\nWantedBy=multi-user.target\nAlias=dbus-org.a.service\nAlso=a.socket\n',
    [`${units}/a.socket`]: '[Install]\nRequiredBy=sockets.target\n',
    [`${units}/getty@.service`]: '[Install]\nWantedBy=getty.target\n',
  });
  const missing = await setUpServices(directoryHost('/nowhere'), tree, {
    init: 'systemd',
    enable: ['a.service', 'getty@tty1.service', 'gone.service'],
    mask: ['b.service'],
  });
  expect(missing).toEqual(['gone.service']);
  const target = (path: string) => tree.linkTarget(`/${units}/${path}`);
  expect(target('multi-user.target.wants/a.service')).toBe(`/${units}/a.service`);
  expect(target('sockets.target.requires/a.socket')).toBe(`/${units}/a.socket`);
  expect(target('dbus-org.a.service')).toBe(`/${units}/a.service`);
  expect(target('getty.target.wants/getty@tty1.service')).toBe(`/${units}/getty@.service`);
  expect(target('b.service')).toBe('/dev/null');
});

test('OpenRC: a link in the runlevel', async () => {
  const tree = rootOf({ 'etc/init.d/cos-setup-fs': '!', 'etc/init.d/sshd': '!' });
  const wishes = { init: 'openrc', enable: ['boot/cos-setup-fs', 'sshd', 'gone'], mask: [] } as const;
  expect(await setUpServices(directoryHost('/nowhere'), tree, wishes)).toEqual(['gone']);
  expect(tree.linkTarget('/etc/runlevels/boot/cos-setup-fs')).toBe('/etc/init.d/cos-setup-fs');
  expect(tree.linkTarget('/etc/runlevels/default/sshd')).toBe('/etc/init.d/sshd');
});

test('SysV init: the distribution orders its scripts', async () => {
  const tree = rootOf({ 'etc/init.d/ssh': '!' });
  const host = directoryHost('/nowhere', { run: () => ({}) });
  await setUpServices(host, tree, { init: 'sysvinit', enable: ['ssh.service'], mask: [] });
  expect(host.commands).toEqual([['update-rc.d', 'ssh', 'defaults']]);
});
