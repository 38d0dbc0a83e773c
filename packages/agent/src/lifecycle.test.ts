import { expect, test } from 'bun:test';
import { type Afterwards, afterwards } from './lifecycle.ts';

type Given = Parameters<typeof afterwards>[0];

test.each<[Given, Given, Afterwards]>([
  [{}, {}, 'nothing'],
  [{}, { reboot: true }, 'reboot'],
  [{}, { poweroff: true }, 'poweroff'],
  [{ poweroff: true }, { reboot: true }, 'poweroff'],
  [{ reboot: true }, { poweroff: true }, 'reboot'],
  [{ reboot: false, poweroff: false }, { poweroff: true }, 'poweroff'],
])('%p on the command line and %p in the configuration: %s', (flags, keys, expected) => {
  expect(afterwards(flags, keys)).toBe(expected);
});

test('both on the command line are refused', () => {
  expect(() => afterwards({ reboot: true, poweroff: true }, {})).toThrow(
    expect.objectContaining({ code: 'REBOOT_AND_POWEROFF', exit: 'usage' }),
  );
});
