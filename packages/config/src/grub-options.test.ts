import { expect, test } from 'bun:test';
import { initialGrubOptions } from './grub-options.ts';

test.each([
  ['nothing', {}, {}],
  ['empty keys', { grub_options: null, install: null }, {}],
  [
    'the node',
    { grub_options: { extra_cmdline: 'a', kairos_timeout: 5 } },
    { extra_cmdline: 'a', kairos_timeout: '5' },
  ],
  [
    'the installation wins',
    {
      grub_options: { extra_cmdline: 'a', next_entry: 'recovery' },
      install: { grub_options: { extra_cmdline: 'b' } },
    },
    { extra_cmdline: 'b', next_entry: 'recovery' },
  ],
  [
    'a key without a value',
    { install: { grub_options: { extra_cmdline: null, default_menu_entry: '' } } },
    { default_menu_entry: '' },
  ],
])('%s', (_, config, expected) => {
  expect(initialGrubOptions(config)).toEqual(expected);
});
