import { afterEach, beforeEach, expect, test } from 'bun:test';
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { editGrubEnvironment } from '@kairos/host/fixture-grub-environment';
import { readGrubEnvironment } from '@kairos/host/grub-environment';
import type { Host } from '@kairos/host/host';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';
import { bootableSlots, nextBoot } from '../boot/choice.ts';
import { type ResetOptions, type ResetParts, resetWith } from '../commands/reset.ts';
import { cutBefore, makeScene, PowerCut, type Scene, sceneFolder } from '../node-scene.ts';
import { readState } from '../state/state.ts';

let folder: string;
let template: string;
let scene: Scene;
beforeEach(() => {
  folder = sceneFolder();
  template = `${folder}-template`;
  scene = makeScene(folder);
});
afterEach(() => {
  for (const path of [folder, template]) rmSync(path, { recursive: true, force: true });
});

/** Where each partition has its files in the scene, by device. */
const homes: Readonly<Record<string, string>> = {
  '/dev/vda6': 'usr/local',
  '/dev/vda5': 'state',
  '/dev/vda3': 'oem',
};
/** A file system that mkfs did not finish; whoever mounts it finds it damaged. */
const torn = 'half-made';

/** The recovery of the node, in which mkfs empties a partition, with an instant at which that is half done. */
function recovery(mode: 'recovery' | 'autoreset', effect: () => void = () => undefined) {
  const line = mode === 'autoreset' ? 'root=LABEL=COS_SYSTEM kairos.reset' : 'root=LABEL=COS_SYSTEM';
  const formats: string[] = [];
  const host = scene.boot('recovery', {
    cmdline: line,
    onMount({ source }) {
      const home = homes[source];
      if (home && existsSync(join(folder, home, torn))) throw new Error(`${source} is half made`);
    },
    run([program, ...rest]) {
      if (program === 'e2fsck') return { code: existsSync(join(folder, 'state', torn)) ? 8 : 0 };
      if (program?.startsWith('mkfs.')) {
        const device = rest.at(-1) ?? '';
        const home = join(folder, homes[device] ?? 'nowhere');
        formats.push(device);
        rmSync(home, { recursive: true, force: true });
        mkdirSync(home, { recursive: true });
        writeFileSync(join(home, torn), '');
        effect();
        rmSync(join(home, torn));
      }
      return {};
    },
  });
  // Partitions of the scene have no size to speak of.
  const sized: Host = {
    ...host,
    disks: async () =>
      (await host.disks()).map((disk) => ({
        ...disk,
        partitions: disk.partitions.map((one) => ({ ...one, size: 100 * 1024 ** 2 })),
      })),
  };
  return { host: sized, formats };
}

const parts = (stages: string[] = []): ResetParts => ({
  async openSource(host, uri) {
    const path = uri.replace(/^dir:/, '');
    return { image: bootFormFromDirectory(host.files.real(path), uri), close: () => undefined };
  },
  async runStage(_, stage) {
    stages.push(stage);
  },
  plugins: () => ({ before: async () => ({}), after: async () => undefined }),
  now: () => new Date('2026-01-02T03:04:05Z'),
});

const run = (host: Host, more: Partial<ResetOptions> = {}, stages?: string[]) =>
  resetWith(host, { onProgress: () => undefined, ...more }, parts(stages));

const config = '#cloud-config\nusers: [{name: a, groups: [admin]}]\n';

async function setUp(active: string | undefined, passive: string | undefined, recoveryVersion: string) {
  if (active) await scene.install(active, 'active');
  if (passive) await scene.install(passive, 'passive');
  await scene.install(recoveryVersion, 'recovery');
  const { files } = scene.boot('active');
  files.write('/oem/config.yaml', config);
  editGrubEnvironment(files, '/oem/grubenv', { saved_entry: 'recovery', extra_cmdline: 'quiet' });
  editGrubEnvironment(files, '/state/grub_oem_env', { default_menu_entry: 'Edge' });
  editGrubEnvironment(files, '/state/boot_assessment', {});
  files.write('/state/grub2/grub.cfg', '# menu old\n');
  files.write('/run/cos/efi/EFI/BOOT/BOOTX64.EFI', 'MZ shim old');
  files.write('/usr/local/.kairos-state', 'first-install: 2025-01-01T00:00:00Z\nlast-reset: never\n');
  files.write('/usr/local/data/secret', 'of the last owner');
}

const env = (path: string) => readGrubEnvironment(scene.boot('active').files, path);

/** What GRUB does before it starts a kernel: the entry, counted. */
function start(): string {
  const { files } = scene.boot('active');
  // A menu that is lost is that of recovery, and what cannot be started there gives way to recovery.
  const lost = !files.exists('/state/grub2/grub.cfg') || files.exists(`/state/${torn}`);
  const place = lost ? '/recovery' : '/state';
  const { entries } = nextBoot({
    user: env('/oem/grubenv'),
    installation: env(`${place}/grub_oem_env`),
    assessment: env(`${place}/boot_assessment`),
  });
  const entry = entries[0] ?? '';
  const { kairos_reset: left } = env(`${place}/boot_assessment`);
  if (entry === 'statereset' && left) {
    editGrubEnvironment(files, `${place}/boot_assessment`, { kairos_reset: String(Number(left) - 1) });
  }
  return lost && entry === 'cos' ? 'recovery' : entry;
}

interface Case {
  readonly slots: readonly [active: string | undefined, passive: string | undefined, recovery: string];
  readonly options?: Partial<ResetOptions>;
  /** Slots of `COS_STATE` that are whole at every instant. */
  readonly whole: number;
  readonly mode?: 'recovery';
  readonly prepare?: () => void;
}

const leftovers = async () => {
  await scene.install('v9', 'transition');
  scene.boot('active').files.write('/state/cOS/discard-0123/root.img', 'old');
};

const lost = async () => {
  const { files } = scene.boot('active');
  files.remove('/state');
  files.write(`/state/${torn}`, '');
};

const cases: readonly (readonly [string, Case & { readonly setUp?: () => Promise<void> }])[] = [
  ['a node that was upgraded', { slots: ['v3', 'v2', 'v1'], whole: 2 }],
  [
    'by hand, with OEM',
    { slots: ['v3', 'v2', 'v1'], whole: 2, options: { resetOem: true }, mode: 'recovery' },
  ],
  ['a node as it was installed', { slots: ['v1', 'v1', 'v1'], whole: 2 }],
  ['passive has recovery’s image', { slots: ['v2', 'v1', 'v1'], whole: 2 }],
  ['only passive is there', { slots: [undefined, 'v2', 'v1'], whole: 1 }],
  ['the file system of state is lost', { slots: ['v3', 'v2', 'v1'], whole: 0, setUp: lost }],
  ['what an upgrade left', { slots: ['v3', 'v2', 'v1'], whole: 2, setUp: leftovers }],
];

test.each(cases)('a power cut before every change: %s', async (_, given) => {
  const { slots, whole, options = {}, mode = 'autoreset' } = given;
  const oem = options.resetOem ?? false;
  await setUp(...slots);
  await given.setUp?.();
  rmSync(template, { recursive: true, force: true });
  renameSync(folder, template);
  let cuts = 0;
  for (let n = 1; ; n++) {
    rmSync(folder, { recursive: true, force: true });
    cpSync(template, folder, { recursive: true });
    let effect: () => void = () => undefined;
    const first = recovery(mode, () => effect());
    const fault = cutBefore(first.host, n);
    effect = fault.effect;
    const outcome = await run(fault.host, options).then(
      () => 'done',
      (error: unknown) => error,
    );
    if (outcome === 'done' && fault.effects() < n) break;
    cuts++;
    // While it looks around, the reset takes a partition that cannot be mounted for damaged, and says so instead.
    const isCut = outcome === 'done' || outcome instanceof PowerCut || fault.effects() >= n;
    if (!isCut) throw outcome;
    const { files } = scene.boot('active');
    const bootable = await bootableSlots(files, '/state');
    expect([n, bootable.length >= whole]).toEqual([n, true]);
    const before = scene.slots();
    const stateIsLost = files.exists(`/state/${torn}`);
    // Where the boot loader goes on with the reset, nobody has to ask for it.
    const entry = start();
    const isMarked = entry === 'statereset';
    const journal =
      files.readTextIfAny('/state/reset.json') ?? files.readTextIfAny('/recovery/reset.json') ?? '';
    const wasDone = journal.includes('"status":"done"');
    // Once a file system was begun, it goes on by itself.
    if (first.formats.length > 0 && !wasDone) expect([n, entry]).toEqual([n, 'statereset']);
    if (!isMarked && wasDone && !env('/state/boot_assessment').kairos_reset) {
      expect([n, before.active, before.passive]).toEqual([n, 'v1', 'v1']);
    } else if (!isMarked) {
      // Nothing has changed but the journal, which is void without the mark.
      expect([n, entry]).toEqual([n, 'recovery']);
      expect([n, existsSync(join(folder, 'usr/local/data/secret'))]).toEqual([n, true]);
      if (whole > 0) expect([n, before.active, before.passive]).toEqual([n, slots[0], slots[1]]);
      await run(recovery(mode).host, options);
    } else {
      // What came back to a partition that was made anew is not erased again.
      const made = JSON.parse(journal).formatted as string[];
      if (made.includes('persistent')) files.write('/usr/local/came-back', 'new');
      if (made.includes('oem')) files.write('/oem/came-back', 'new');
      const again = recovery('autoreset');
      await run(again.host);
      const expected = [
        ...(stateIsLost ? ['/dev/vda5'] : []),
        ...(made.includes('persistent') ? [] : ['/dev/vda6']),
        ...(oem && !made.includes('oem') ? ['/dev/vda3'] : []),
      ];
      expect([n, again.formats]).toEqual([n, expected]);
      expect([n, files.exists('/usr/local/came-back')]).toEqual([n, made.includes('persistent')]);
      expect([n, files.exists('/oem/came-back')]).toEqual([n, made.includes('oem')]);
    }
    expect([n, scene.slots()]).toEqual([n, { active: 'v1', passive: 'v1' }]);
    expect(await bootableSlots(files, '/state')).toEqual(['active', 'passive']);
    expect([n, start()]).toEqual([n, 'cos']);
    expect(files.readText('/state/grub2/grub.cfg')).toBe('# menu v1\n');
    expect(files.readText('/run/cos/efi/EFI/BOOT/BOOTX64.EFI')).toBe('MZ shim v1');
    expect(env('/state/boot_assessment')).toEqual({ kairos_tries: '3', kairos_fallback_tries: '3' });
    expect([n, files.exists('/usr/local/data/secret'), files.exists(`/usr/local/${torn}`)]).toEqual([
      n,
      false,
      false,
    ]);
    expect(files.readText('/usr/local/.kairos-state')).toContain('first-install: 2025-01-01T00:00:00Z');
    expect(files.readText('/usr/local/.kairos-state')).toContain('last-reset: 2026-01-02T03:04:05Z');
    expect([n, files.exists('/oem/config.yaml')]).toEqual([n, !oem]);
    expect(env('/oem/grubenv')).toEqual(oem ? {} : { extra_cmdline: 'quiet' });
    expect((await readState(scene.boot('active'))).reset).toMatchObject({ status: 'done' });
  }
  expect(cuts).toBeGreaterThan(20);
  expect(readdirSync(folder)).not.toContain('nowhere');
});
