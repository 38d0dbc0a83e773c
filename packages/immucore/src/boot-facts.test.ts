import { expect, test } from 'bun:test';
import { bootFactsOf } from './boot-facts.ts';

const root = (option: string) => [{ source: 'x', target: '/', type: 'erofs', options: [option] }];

test('an ordinary boot of the active slot', () => {
  const cmdline =
    'root=LABEL=COS_ACTIVE cos-img/filename=/cOS/active/root.img kairos.slot=LABEL=COS_STATE:/cOS/active ' +
    'rd.cos.oemlabel=COS_OEM rd.cos.oemtimeout=10 kairos.verity=00112233445566778899aabbccddeeff:-:1:2 console=tty1';
  expect(bootFactsOf(cmdline, root('ro'))).toEqual({
    state: 'active',
    slot: 'LABEL=COS_STATE:/cOS/active',
    imageHash: '00112233445566778899aabbccddeeff',
    rootWritable: false,
    disabled: false,
    oem: { label: 'COS_OEM', expected: true, timeout: 10_000 },
    overlay: undefined,
    mounts: [],
    check: { mode: 'auto', repair: 'preen' },
    machineId: undefined,
  });
});

test('nothing on the command line', () => {
  const facts = bootFactsOf('', []);
  expect([facts.state, facts.rootWritable]).toEqual(['unknown', false]);
  expect(facts.oem).toEqual({ label: 'COS_OEM', expected: false, timeout: 5000 });
});

test.each([
  ['rd.cos.oemtimeout=2', 2000],
  ['rd.immucore.oemtimeout=3 rd.cos.oemtimeout=2', 3000],
  ['rd.cos.oemtimeout=soon', 5000],
  ['rd.cos.oemtimeout=-1', 5000],
  ['rd.cos.oemtimeout=99999999', 5000],
  ['rd.cos.oemtimeout=', 5000],
] as const)('%s waits %d ms', (cmdline, timeout) => {
  expect(bootFactsOf(cmdline, []).oem.timeout).toBe(timeout);
});

test('our words have two spellings, and the newer wins', () => {
  const facts = bootFactsOf(
    'rd.cos.overlay=tmpfs:10% rd.immucore.overlay=LABEL=SCRATCH rd.cos.mount=LABEL=A:/a rd.immucore.mount=UUID=b:/b',
    [],
  );
  expect(facts.overlay).toBe('LABEL=SCRATCH');
  expect(facts.mounts).toEqual(['LABEL=A:/a', 'UUID=b:/b']);
});

test.each(['rd.cos.disable', 'rd.immucore.disable', 'rd.cos.disable=1'])(
  '%s leaves the mounts alone',
  (word) => {
    expect(bootFactsOf(word, []).disabled).toBe(true);
  },
);

test.each([
  ['fsck.mode=force fsck.repair=yes', { mode: 'force', repair: 'yes' }],
  ['fsck.mode=skip', { mode: 'skip', repair: 'preen' }],
  ['fsck.mode=never fsck.repair=maybe', { mode: 'auto', repair: 'preen' }],
] as const)('%s', (cmdline, check) => {
  expect(bootFactsOf(cmdline, []).check).toEqual(check);
});

test('the last mount on / says whether the root can be written', () => {
  expect(bootFactsOf('', [...root('rw'), ...root('ro')]).rootWritable).toBe(false);
  expect(bootFactsOf('', [...root('ro'), ...root('rw')]).rootWritable).toBe(true);
});

test.each([
  ['systemd.machine_id=0123456789ABCDEF0123456789abcdef', '0123456789abcdef0123456789abcdef'],
  ['systemd.machine_id=01234567-89ab-cdef-0123-456789abcdef', '0123456789abcdef0123456789abcdef'],
  ['systemd.machine_id=firmware', undefined],
] as const)('%s', (cmdline, id) => {
  expect(bootFactsOf(cmdline, []).machineId).toBe(id);
});
