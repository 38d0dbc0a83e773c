import { expect, test } from 'bun:test';
import { cleanRoot, settleAccounts } from './clean.ts';
import { fixtureRoot } from './fixture-root.ts';

test('identities, caches and logs go; what services expect stays', () => {
  const { tree, remove } = fixtureRoot({
    'etc/machine-id': '0123456789abcdef0123456789abcdef\n',
    'etc/hostname': 'builder\n',
    'etc/ssh/ssh_host_ed25519_key': 'secret',
    'etc/ssh/ssh_host_ed25519_key.pub': 'public',
    'etc/ssh/sshd_config': 'keep',
    'boot/initrd.img-6.12': 'large',
    'boot/initramfs-6.12.img': 'large',
    'boot/vmlinuz-6.12': 'keep',
    'var/lib/apt/lists/x': 'cache',
    'var/cache/apt/archives/x.deb': 'cache',
    'var/log/apt/term.log': 'log',
    'var/lib/dbus/machine-id': 'x',
    'usr/lib/python3/dist-packages/__pycache__/a.pyc': 'x',
    'usr/lib/python3/dist-packages/a.py': 'keep',
    'tmp/x': 'x',
    'run/lock/': '',
    'usr/lib/systemd/systemd-resolved': '!',
  });
  try {
    cleanRoot(tree);
    expect(tree.readText('/etc/machine-id')).toBe('');
    expect(tree.readText('/etc/hostname')).toBe('');
    expect(tree.list('/etc/ssh')).toEqual(['sshd_config']);
    expect(tree.list('/boot')).toEqual(['vmlinuz-6.12']);
    expect(tree.list('/var/lib/apt/lists')).toEqual([]);
    expect(tree.isDirectory('/var/log/apt')).toBe(true);
    expect(tree.list('/var/log/apt')).toEqual([]);
    expect(tree.list('/usr/lib/python3/dist-packages')).toEqual(['__pycache__', 'a.py']);
    expect(tree.list('/tmp')).toEqual([]);
    expect(tree.list('/run')).toEqual([]);
    expect(tree.linkTarget('/var/lib/dbus/machine-id')).toBe('/etc/machine-id');
    expect(tree.linkTarget('/etc/resolv.conf')).toBe('../run/systemd/resolve/stub-resolv.conf');
  } finally {
    remove();
  }
});

test('accounts made on two days are the same', () => {
  const { tree, remove } = fixtureRoot({
    'etc/shadow':
      'root:*:20415:0:99999:7:::\nmessagebus:!:20416::::::\nexpired:x:0:0:::::\nnever:x::0:::::\n',
  });
  try {
    settleAccounts(tree, 100 * 86_400 + 5);
    expect(tree.readText('/etc/shadow')).toBe(
      'root:*:100:0:99999:7:::\nmessagebus:!:100::::::\nexpired:x:0:0:::::\nnever:x::0:::::\n',
    );
  } finally {
    remove();
  }
});
