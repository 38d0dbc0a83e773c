import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { kernelArgumentsDocument } from './kernel-arguments.ts';
import { rootKeys } from './root-keys.ts';
import { root } from './schema/root.ts';

test.each([
  ['quiet root=LABEL=COS_ACTIVE', undefined],
  ['kairos.config=install.auto', { install: { auto: true } }],
  [
    'kairos.config=install.auto=true install.device=/dev/vda',
    { install: { auto: true, device: '/dev/vda' } },
  ],
  [
    'kairos.config=users.0.name=root kairos.config=users[0].groups.0=admin',
    { users: [{ name: 'root', groups: ['admin'] }] },
  ],
  ['config_url=http://a/b cos.setup=/oem/x.yaml kairos.config_url=http://c', { config_url: 'http://c' }],
  ['cos.setup=hostname=a', { hostname: 'a' }],
  ['stages.initramfs[0].commands[0]="echo a b"', { stages: { initramfs: [{ commands: ['echo a b'] }] } }],
  ['stages[boot]=x stages.boot[0].hostname=n', { stages: { boot: [{ hostname: 'n' }] } }],
  ['net.ifnames=1 systemd.crash_reboot=yes', undefined],
  ['kairos.config=__proto__.x=1', undefined],
  ['kairos.config=users.99999.name=x', undefined],
] as const)('%s', (cmdline, value) => {
  expect(kernelArgumentsDocument(cmdline)?.value).toEqual(value);
});

test('a problem points at the word, and a number keeps its spelling', () => {
  const cmdline =
    'quiet install.device=/dev/vda kairos.config=stages.boot[0].files[0].permissions=0640 users.0.name=n';
  const document = kernelArgumentsDocument(cmdline);
  const column = (path: readonly (string | number)[]) => document?.positionOf(path).column;
  expect([column(['install', 'device']), column(['stages']), column(['users', 0, 'passwd'])]).toEqual([
    cmdline.indexOf('install') + 1,
    cmdline.indexOf('kairos.config') + 1,
    cmdline.indexOf('users') + 1,
  ]);
  expect(document?.sourceOf(['stages', 'boot', 0, 'files', 0, 'permissions'])).toBe('0640');
  expect(document?.header).toBe('#cloud-config');
});

test('any command line is read without failing', () => {
  const word = fc.oneof(
    fc.string(),
    fc.string().map((text) => `kairos.config=${text}`),
  );
  fc.assert(
    fc.property(fc.array(word), (words) => {
      kernelArgumentsDocument(words.join(' '));
    }),
  );
  expect(Object.prototype).not.toHaveProperty('x');
});

test('the keys of the root are those of the schema', () => {
  expect([...rootKeys].sort()).toEqual(Object.keys(root.shape).sort());
});
