import { expect, test } from 'bun:test';
import { debianRoot, type Entries, fixtureRoots } from '../fixture-root.ts';
import { kairosRelease } from '../release.ts';
import { checkRoot } from './check.ts';

const rootOf = fixtureRoots();

const release = kairosRelease({
  version: '1',
  architecture: 'amd64',
  flavor: 'debian',
  flavorRelease: '13',
  family: 'debian',
  model: 'generic',
  variant: 'core',
  fips: false,
  trustedBoot: false,
  builder: '1',
});
const whole: Entries = { ...debianRoot, 'etc/kairos-release': release };

async function problems(entries: Entries, options = {}) {
  const findings = await checkRoot(rootOf(entries).root, options);
  for (const finding of findings) {
    if (finding.status !== 'ok') expect(finding.hint).toBeTruthy();
  }
  return findings.filter(({ status }) => status !== 'ok').map(({ id, status }) => `${id} ${status}`);
}

function without(...names: string[]): Entries {
  return Object.fromEntries(
    Object.entries(whole).filter(([path]) => !names.some((name) => path.startsWith(name))),
  );
}

test('a whole root has no problems', async () => {
  expect(await problems(whole)).toEqual([]);
});

const dep = (names: string[]) => ({
  ...whole,
  'usr/lib/modules/6.12.1/modules.dep': names.map((name) => `kernel/${name}.ko:\n`).join(''),
});
const all = ['erofs', 'squashfs', 'overlay', 'dm-verity', 'dm-crypt', 'loop', 'ext4', 'vfat'];
const lacking = (...names: string[]) => dep(all.filter((name) => !names.includes(name)));

test.each([
  ['os-release', without('etc/os-release'), ['os-release failed']],
  ['kairos-release', without('etc/kairos-release'), ['kairos-release warning']],
  [
    'a key of kairos-release',
    { ...whole, 'etc/kairos-release': release.replace(/KAIROS_MODEL=.*\n/, '') },
    ['kairos-release failed'],
  ],
  ['init', without('usr/sbin/init', 'usr/lib/systemd'), ['init failed']],
  ['the kernel', without('boot/', 'usr/lib/modules'), ['kernel failed']],
  ['the modules', without('usr/lib/modules'), ['kernel failed']],
  ['erofs', lacking('erofs'), ['root-filesystem warning']],
  ['erofs and squashfs', lacking('erofs', 'squashfs'), ['root-filesystem warning']],
  ['dm-verity', lacking('dm-verity'), ['dm-verity failed']],
  ['dm-crypt', lacking('dm-crypt'), ['dm-crypt warning']],
  ['overlayfs', lacking('overlay'), ['overlay failed']],
  ['the EFI stub', { ...whole, 'boot/config-6.12.1': 'CONFIG_X=y\n' }, ['efi-stub failed']],
  ['GRUB for BIOS', without('usr/lib/grub/i386-pc'), ['grub-bios failed']],
  ['signed loaders', without('usr/lib/shim'), ['grub-efi warning']],
  ['GRUB for EFI', without('usr/lib/shim', 'usr/lib/grub/x86_64'), ['grub-efi failed']],
  ['dmsetup', without('usr/sbin/dmsetup'), ['initrd failed']],
] as const)('without %s', async (_name, entries, expected) => {
  expect(await problems(entries)).toEqual([...expected]);
});

test('what nobody wants is not missed', async () => {
  expect(await problems(without('usr/lib/grub', 'usr/lib/shim'), { efi: false, bios: false })).toEqual([]);
});

test('leftovers', async () => {
  expect(
    await problems({
      ...whole,
      'etc/machine-id': '0123456789abcdef0123456789abcdef',
      'etc/ssh/ssh_host_rsa_key': 'x',
      'var/lib/apt/lists/x': 'x',
      'usr/local/bin/tool': 'x',
    }),
  ).toEqual(['machine-id warning', 'ssh-host-keys warning', 'caches warning', 'usr-local warning']);
});

test('two kernels take twice the place', async () => {
  expect(
    await problems({
      ...whole,
      'boot/vmlinuz-6.11.0': 'MZ',
      'usr/lib/modules/6.11.0/modules.dep': '',
    }),
  ).toEqual(['kernel warning']);
});

test('a root that is not there', async () => {
  await expect(checkRoot('/nowhere/at/all')).rejects.toThrow('There is no directory /nowhere/at/all');
});

test('an image is told from a root', async () => {
  const { root } = rootOf({ 'oci-layout': '{}' });
  await expect(checkRoot(root)).rejects.toMatchObject({ code: 'NOT_A_ROOT', exit: 'invalidInput' });
});
