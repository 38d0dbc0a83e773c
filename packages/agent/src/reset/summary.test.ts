import { expect, test } from 'bun:test';
import { slotNow } from '../slots/fixture-slot.ts';
import type { DataPartition } from './partition.ts';
import { type SummaryFacts, summarizeReset } from './summary.ts';

const partition = (number: number, damage?: string): DataPartition => ({
  ...{ device: `/dev/vda${number}`, filesystem: 'ext4', damage, mountPoints: [], place: undefined },
});
const facts = (more: Partial<SummaryFacts> = {}): SummaryFacts => ({
  ...{ active: slotNow('v3'), passive: slotNow('v2'), bootloader: { notes: [] } },
  ...{ state: { device: '/dev/vda5', damage: undefined }, persistent: partition(6), oem: partition(3) },
  ...more,
});
const wish = { resetPersistent: true, resetOem: false };
const work = { active: true, passive: true, dropFirst: [], dropPassive: false } as const;
const data = 'COS_PERSISTENT (/dev/vda6): all data, /home, /usr/local, persistent parts of /etc and /var';
const oem = 'COS_OEM (/dev/vda3): cloud-config, users, boot options';
const [active, passive] = ['The active system: kairos v3', 'The passive system: kairos v2'];

test('who has to agree is told what goes and what stays', () => {
  const given = facts({ oem: partition(3, 'bad superblock') });
  expect(summarizeReset(given, wish, [], { ...work, passive: false })).toEqual({
    erases: [data, active],
    keeps: [oem],
    notes: ['COS_OEM stays as it is and cannot be read: bad superblock'],
  });
});

test('what an earlier run has made anew is erased no more', () => {
  const { erases, keeps, notes } = summarizeReset(facts(), wish, ['persistent'], work);
  expect([erases, keeps, notes]).toEqual([
    [active, passive],
    [oem],
    ['COS_PERSISTENT was made anew already'],
  ]);
});

test('a partition that is missing is told, and so are users that go with OEM', () => {
  const given = facts({ persistent: undefined, passive: slotNow(undefined) });
  expect(summarizeReset(given, { ...wish, resetOem: true }, [], work)).toEqual({
    erases: [oem, active],
    keeps: [],
    notes: [
      'The disk has no partition COS_PERSISTENT; the reset goes without it',
      'Users and settings of the cloud-config on COS_OEM go with it: the node starts with what its image and its data source give',
    ],
  });
});

test('a state partition that is made anew takes both systems with it', () => {
  const state = { device: '/dev/vda5', damage: 'bad superblock' };
  const { erases, notes } = summarizeReset(facts({ state }), { ...wish, resetPersistent: false }, [], work);
  expect(erases).toEqual([
    'COS_STATE (/dev/vda5): the active and the passive system, options of the boot menu',
  ]);
  expect(notes).toEqual(['The file system of COS_STATE is made anew: bad superblock']);
});

test('no room for a third slot, and what the boot loader says, are told', () => {
  const given = facts({ bootloader: { notes: ['the old one stays'] } });
  const { notes } = summarizeReset(given, wish, [], { ...work, dropPassive: true });
  expect(notes).toEqual([
    'COS_STATE has no room for a third slot, so a slot goes before its successor is copied',
    'the old one stays',
  ]);
});
