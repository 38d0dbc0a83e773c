import { describe, expect, test } from 'bun:test';
import type { BootloaderPayload } from '@kairos/artifacts/bootloader-payload';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import { GiB, MiB } from '@kairos/facts/size';
import { parseGrubEnvironment } from '@kairos/host/grub-environment';
import { disk, partition, preparedDisk } from '../fixture-disk.ts';
import { describeStep } from './describe-step.ts';
import { type InstallFacts, type InstallWish, planInstall } from './plan.ts';
import { planToJson, renderPlan } from './render.ts';

const bootImage = new Uint8Array(512).fill(0x11);
bootImage.set([0x00, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfa, 0xeb, 0x05], 0x5a);
bootImage.set([0x55, 0xaa], 510);
const coreImage = new Uint8Array(1024);
coreImage.set([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0x08], 0x1f4);
const bytes = (text: string) => new TextEncoder().encode(text);

const bios = { bootImage, coreImage, eltoritoImage: bytes('e'), hybridImage: bytes('h') };
const efi = {
  loaderName: 'bootx64.efi',
  files: new Map([
    ['bootx64.efi', bytes('shim')],
    ['grubx64.efi', bytes('grub')],
  ]),
  vendor: 'debian',
};
const bootloader: BootloaderPayload = { bios, efi, diskConfig: bytes('menu'), liveConfig: bytes('live') };

const manifest = { name: 'kairos-core-debian-13', version: 'v1.0.0', architecture: 'amd64' } as ImageManifest;

function facts(
  more: Partial<InstallFacts> = {},
  target: Partial<InstallFacts['target']['disk']> = {},
): InstallFacts {
  return {
    architecture: 'amd64',
    firmware: 'bios',
    target: {
      disk: { ...disk('vda', 20 * GiB), ...target },
      ...{ signatures: [], holders: [], starts: new Map() },
    },
    image: { source: 'oci:example', digest: 'sha256:1', manifest, files: new Map([['root.img', 400 * MiB]]) },
    bootloader,
    ...more,
  };
}

function wish(more: Partial<InstallWish> = {}): InstallWish {
  return {
    ...{ force: false, noFormat: false, grubOptions: { extra_cmdline: 'quiet' }, after: 'nothing' },
    oemFiles: new Map([['90_custom.yaml', '#cloud-config\nsecret: hunter2\n']]),
    guids: (what) => `guid-of-${what}`,
    ...more,
  };
}

test('the steps of an installation, in order', () => {
  const plan = planInstall(facts(), wish());
  expect(plan.steps.map((step) => `${step.phase}: ${describeStep(step)}`)).toEqual([
    'partition: write 440 B of boot loader to /dev/vda',
    'partition: partition /dev/vda',
    'partition: make vfat COS_GRUB on /dev/vda2',
    'partition: make ext4 COS_OEM on /dev/vda3',
    'partition: make ext4 COS_RECOVERY on /dev/vda4',
    'partition: make ext4 COS_STATE on /dev/vda5',
    'partition: make ext4 COS_PERSISTENT on /dev/vda6',
    'partition: mount /dev/vda2 on /run/cos/efi',
    'partition: mount /dev/vda5 on /run/cos/state',
    'partition: mount /dev/vda4 on /run/cos/recovery',
    'partition: mount /dev/vda3 on /run/cos/oem',
    'partition: mount /dev/vda6 on /run/cos/persistent',
    'before-install: run the stage before-install',
    'before-install: stop if /run/cos/fail_installation is there',
    'active: copy 400.0 MiB from the image to /run/cos/state/cOS/active, then read it back',
    'active: write /run/cos/oem/90_custom.yaml (30 B)',
    'recovery: copy 400.0 MiB from /run/cos/state/cOS/active to /run/cos/recovery/cOS/recovery, then read it back',
    'passive: copy 400.0 MiB from /run/cos/state/cOS/active to /run/cos/state/cOS/passive, then read it back',
    'bootloader: write /run/cos/oem/grubenv (1.0 KiB)',
    'bootloader: write /run/cos/state/grub_oem_env (1.0 KiB)',
    'bootloader: write /run/cos/state/boot_assessment (1.0 KiB)',
    'bootloader: write /run/cos/state/grub2/grub.cfg (4 B)',
    'bootloader: write /run/cos/recovery/grub2/grub.cfg (4 B)',
    'bootloader: write 1.0 KiB of boot loader to /dev/vda1',
    'bootloader: write /run/cos/efi/EFI/BOOT/grubx64.efi (4 B)',
    expect.stringMatching(/^bootloader: write \/run\/cos\/efi\/EFI\/BOOT\/grub\.cfg /),
    expect.stringMatching(/^bootloader: write \/run\/cos\/efi\/EFI\/debian\/grub\.cfg /),
    'after-install: run the stage after-install',
    'after-install: record the installation in /run/cos/persistent/.kairos-state',
    'done: unmount /run/cos/persistent',
    'done: unmount /run/cos/oem',
    'done: unmount /run/cos/recovery',
    'done: unmount /run/cos/state',
    'done: bring all of /run/cos/efi to the disk',
    'done: write /run/cos/efi/EFI/BOOT/BOOTX64.EFI (4 B)',
    'done: unmount /run/cos/efi',
    'done: write 440 B of boot loader to /dev/vda',
    'done: run the stage kairos-install.after',
    'done: run /usr/bin/kairos-agent.install.after.hook if it is there',
  ]);
});

test('environment blocks have what was wished', () => {
  const { steps } = planInstall(facts(), wish({ entryName: 'Edge' }));
  const block = (name: string) => {
    const step = steps.find((one) => one.kind === 'write-file' && one.path.endsWith(name));
    return step?.kind === 'write-file' ? parseGrubEnvironment(step.content, name) : undefined;
  };
  expect(block('/grubenv')).toEqual({ extra_cmdline: 'quiet' });
  expect(block('/grub_oem_env')).toEqual({ default_menu_entry: 'Edge' });
});

test('a stage in the new system runs when all slots are there, and only where it is wanted', () => {
  const kinds = (chrootStage: boolean) =>
    planInstall(facts(), wish({ chrootStage })).steps.flatMap((step) =>
      step.kind === 'stage' || step.kind === 'chroot-stage' || step.kind === 'copy-slot'
        ? ['stage' in step ? step.stage : step.to]
        : [],
    );
  const slots = ['/run/cos/state/cOS/active', '/run/cos/recovery/cOS/recovery', '/run/cos/state/cOS/passive'];
  const rest = ['after-install', 'kairos-install.after'];
  expect(kinds(true)).toEqual(['before-install', ...slots, 'after-install-chroot', ...rest]);
  expect(kinds(false)).toEqual(['before-install', ...slots, ...rest]);
});

test('bundles are installed onto the mounted partitions, before the stage after-install', () => {
  const { steps } = planInstall(facts(), wish({ bundles: { targets: ['run://a'], fatal: true } }));
  const at = steps.findIndex(({ kind }) => kind === 'bundles');
  expect(steps[at]).toEqual({
    ...{ kind: 'bundles', phase: 'after-install', targets: ['run://a'], fatal: true },
    ...{ oem: '/run/cos/oem', persistent: '/run/cos/persistent' },
  });
  expect(steps[at + 1]).toMatchObject({ kind: 'stage', stage: 'after-install' });
  const none = planInstall(facts(), wish({ bundles: { targets: [], fatal: true } }));
  expect(none.steps.filter(({ kind }) => kind === 'bundles')).toEqual([]);
});

test('only what GRUB reads is made for GRUB', () => {
  const { steps } = planInstall(facts(), wish());
  expect(
    steps.flatMap((step) => (step.kind === 'make-filesystem' && step.forBootLoader ? [step.label] : [])),
  ).toEqual(['COS_OEM', 'COS_RECOVERY', 'COS_STATE']);
});

const inUse = [partition('/dev/vda1', { size: GiB, mountPoints: ['/mnt'] })];
const someones = [partition('/dev/vda1', { size: GiB })];

describe('refused', () => {
  test.each<[string, InstallFacts, InstallWish, string, string]>([
    [
      'another architecture',
      facts({ architecture: 'arm64' }),
      wish(),
      'WRONG_ARCHITECTURE',
      'unsuitableImage',
    ],
    [
      'no GRUB for BIOS',
      facts({ bootloader: { ...bootloader, bios: undefined } }),
      wish(),
      'NO_BOOT_LOADER',
      'unsuitableImage',
    ],
    [
      'no GRUB for UEFI',
      facts({ bootloader: { ...bootloader, efi: undefined }, firmware: 'efi' }),
      wish(),
      'NO_BOOT_LOADER',
      'unsuitableImage',
    ],
    ['a small disk', facts({}, { size: GiB }), wish(), 'DISK_TOO_SMALL', 'unsuitableDisk'],
    [
      'a read-only disk',
      facts({}, { readOnly: true }),
      wish({ force: true }),
      'DISK_READ_ONLY',
      'unsuitableDisk',
    ],
    [
      'a mounted disk',
      facts({}, { partitions: inUse }),
      wish({ force: true }),
      'DISK_IN_USE',
      'unsuitableDisk',
    ],
    ["someone else's data", facts({}, { partitions: someones }), wish(), 'DISK_HAS_DATA', 'unsuitableDisk'],
    [
      'too large partitions',
      facts(),
      wish({ sizes: { state: 30 * 1024 } }),
      'DISK_TOO_SMALL',
      'unsuitableDisk',
    ],
    ['nothing prepared', facts(), wish({ noFormat: true }), 'PARTITION_MISSING', 'unsuitableDisk'],
    [
      'a variable that GRUB cannot have',
      facts(),
      wish({ grubOptions: { 'a-b': '1' } }),
      'GRUB_VARIABLE_INVALID',
      'invalidInput',
    ],
  ])('%s', (_, given, wished, code, exit) => {
    expect(() => planInstall(given, wished)).toThrow(expect.objectContaining({ code, exit }));
  });

  test('the other firmware may lack a boot loader, and the wish decides which is the other', () => {
    const noBios = { bootloader: { ...bootloader, bios: undefined } };
    const plan = planInstall(facts(noBios), wish({ firmware: 'efi' }));
    expect(plan.steps.some((step) => step.kind === 'write-device')).toBe(false);
  });
});

test('prepared partitions are used as they are', () => {
  const plan = planInstall(facts({ target: preparedDisk() }), wish({ noFormat: true }));
  const kinds = new Set(plan.steps.map(({ kind }) => kind));
  expect([kinds.has('partition'), kinds.has('make-filesystem')]).toEqual([false, false]);
  expect(plan.erases).toEqual([]);
  const codes = plan.steps.filter((step) => step.kind === 'write-device' && step.device === '/dev/vda');
  // What was there goes first, and what is new comes last.
  expect(
    codes.map((step) => step.kind === 'write-device' && step.content.every((byte) => byte === 0)),
  ).toEqual([true, false]);
  const mbr = codes.at(-1);
  const code = mbr?.kind === 'write-device' ? Buffer.from(mbr.content) : Buffer.alloc(0);
  expect(code.readBigUInt64LE(0x5c)).toBe(BigInt((5 * MiB) / 512));
  expect(plan.steps.filter(({ kind }) => kind === 'remove').map(describeStep)).toEqual([
    'remove /run/cos/efi/EFI/BOOT/BOOTX64.EFI',
    'remove /run/cos/state/grub2/grub.cfg',
    'remove /run/cos/state/cOS',
    'remove /run/cos/recovery/cOS',
  ]);
});

test('the rendering names disk, partitions with sizes, entries, files and steps, and no secrets', () => {
  const plan = planInstall(facts(), wish({ after: 'reboot' }));
  const text = renderPlan(plan);
  for (const line of [
    'Disk    /dev/vda (20.0 GiB)',
    'Image   kairos-core-debian-13 v1.0.0 (400.0 MiB) from oci:example',
    '  /dev/vda5  state       COS_STATE       ext4  2.1 GiB',
    '  fallback    Kairos (fallback)          COS_STATE:/cOS/passive',
    '  /run/cos/state/cOS/active/         400.0 MiB',
    '   1  run the stage kairos-install.pre',
    'Then    restart',
  ]) {
    expect(text.split('\n')).toContain(line);
  }
  const json = JSON.stringify(planToJson(plan));
  expect(json).toContain(
    '"path":"/run/cos/oem/90_custom.yaml","mode":416,"phase":"active","size":30,"digest":"sha256:',
  );
  for (const shown of [text, json]) expect(shown).not.toContain('hunter2');
});

test('the medium is ejected when the machine ends, where that is wished', () => {
  const script = (ejects?: string) =>
    planInstall(facts(), wish(ejects === undefined ? {} : { ejects })).steps.flatMap((step) =>
      step.kind === 'write-file' && step.path === '/usr/lib/systemd/system-shutdown/eject'
        ? [[new TextDecoder().decode(step.content), step.mode, step.phase]]
        : [],
    );
  expect(script()).toEqual([]);
  expect(script('/dev/sr0')).toEqual([
    ['#!/bin/sh\n[ "$1" = kexec ] || eject /dev/sr0 || :\n', 0o755, 'done'],
  ]);
});
