import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunOptions } from '@kairos/host/host';
import { runStage } from './run-stage.ts';
import { type TestMachine, testMachines } from './test-machine.ts';

const testMachine = testMachines();

const fixtures = join(import.meta.dir, '../../config/fixtures');

/** A node with a cloud-config of the original project in /oem, on which every program answers as told. */
function node(
  fixture: string,
  options: { state?: string; run?: (argv: readonly string[], run: RunOptions) => { code?: number } } = {},
): TestMachine {
  const made = testMachine({ uid: 0, run: options.run ?? (() => ({})) });
  made.put(`/oem/${fixture}`, readFileSync(join(fixtures, fixture), 'utf8'));
  made.put('/usr/bin/systemctl', '', 0o755);
  made.put('/etc/os-release', 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 13"\nVERSION_ID="13"\n');
  made.put('/etc/machine-id', 'abcdef0123456789abcdef0123456789\n');
  made.put('/proc/sys/kernel/hostname', 'localhost\n');
  made.put('/proc/cmdline', 'quiet\n');
  made.put('/etc/hosts', '127.0.0.1 localhost\n');
  if (options.state) made.put(`/run/cos/${options.state}`, '1');
  return made;
}
const run = (made: TestMachine, stage: string) =>
  runStage(made.host, stage, { directories: ['/oem'], facts: { serviceManager: 'systemd' } });

// A folder has no disk that could grow, which is told and stops nothing.
test.each([
  ['active_mode', true, ['LABEL_UNKNOWN']],
  ['passive_mode', true, ['LABEL_UNKNOWN']],
  ['recovery_mode', false, []],
  ['autoreset_mode', false, ['LABEL_UNKNOWN']],
] as const)('the layout of the image on a boot with %s', async (state, persistent, codes) => {
  const made = node('kairos-bundled-00_rootfs.yaml', { state });
  const { problems } = await run(made, 'rootfs');
  expect(problems.map(({ code }) => code)).toEqual([...codes]);
  const layout = made.read('/run/cos/cos-layout.env');
  expect([layout.includes('VOLUMES='), /OVERLAY="?tmpfs:25%/.test(layout)]).toEqual([persistent, true]);
  if (persistent) expect(layout).toMatch(/PERSISTENT_STATE_PATHS=.*\/etc\/cni \/etc\/init\.d /);
});

test('files of a wireless network have their modes, and the name is a template', async () => {
  const made = node('kairos-examples-wifi.yaml');
  const { problems } = await run(made, 'initramfs');
  expect(problems).toEqual([]);
  const config = '/etc/wpa_supplicant/wpa_supplicant.conf';
  expect([made.mode(config), made.read('/etc/hostname')]).toEqual(['600', 'metal-abcd\n']);
  expect(made.read(config)).toContain('        ssid="$SSID_GOES_HERE"\n');
});

test('users of the root are made, and a command of several lines is one shell', async () => {
  const made = node('kairos-examples-wifi.yaml');
  made.put('/etc/passwd', 'root:x:0:0::/root:/bin/sh\n');
  made.put('/etc/group', 'root:x:0:\n');
  made.put('/etc/shadow', 'root:!:1::::::\n');
  const { steps } = await run(made, 'boot');
  expect(steps.map(({ name }) => name)).toEqual(['cloud-config', 'Enabling wireless']);
  expect(made.host.commands).toHaveLength(1);
  expect(made.host.commands[0]?.[2]).toContain('systemctl enable wpa_supplicant@wlan0\nsystemctl disable');
  expect(made.read('/etc/passwd')).toMatch(/^kairos:x:1000:1000:/m);
  expect(made.read('/etc/shadow')).toMatch(/^kairos:\$6\$/m);
});

test('a bond: the host name and four files of networkd', async () => {
  const made = node('docs-networking-bond.yaml');
  const { problems } = await run(made, 'initramfs');
  expect(problems).toEqual([]);
  expect(made.host.files.list('/etc/systemd/network')).toEqual([
    '05-bond0.link',
    '10-bond0.netdev',
    '10-bond0.network',
    '15-enp.network',
  ]);
  expect(made.read('/etc/systemd/network/10-bond0.netdev')).toBe(
    '[NetDev]\nName=bond0\nKind=bond\n[Bond]\nMode=802.3ad\n',
  );
  expect([made.read('/etc/hostname'), made.mode('/etc/systemd/network/15-enp.network')]).toEqual([
    'hostname\n',
    '644',
  ]);
});

test.each([
  ['autoreset_mode', true],
  ['active_mode', false],
])('the reset of a boot with %s', async (state, resets) => {
  const made = node('kairos-bundled-51_reset.yaml', {
    state,
    // The condition is asked of a shell, which answers for the sentinel.
    run: (argv) => ({ code: argv[2]?.includes('autoreset_mode') && !resets ? 1 : 0 }),
  });
  const { problems } = await run(made, 'initramfs');
  expect(problems).toEqual([]);
  expect(made.host.files.exists('/etc/systemd/system/kairos-reset.service')).toBe(resets);
  expect(made.host.commands.some((argv) => argv[2] === 'systemctl enable kairos-reset')).toBe(resets);
});

test('the misspelt mode of a file is told', async () => {
  const made = node('kairos-bundled-08_grub.yaml');
  const { problems } = await run(made, 'after-install');
  expect(problems).toContainEqual(
    expect.objectContaining({
      code: 'UNKNOWN_KEY',
      position: { file: '/oem/kairos-bundled-08_grub.yaml', line: 82, column: 9 },
    }),
  );
});
