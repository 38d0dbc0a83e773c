/** Stages and hook programs around an installation and an upgrade: which, in which order, and what a failure means. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';
import { Cleanup } from '../cleanup.ts';
import { collectConfig } from '../collect-config.ts';
import { type UpgradeOptions, upgradeWith } from '../commands/upgrade.ts';
import { carryOutAll } from '../install/execute.ts';
import { makeScene, type Scene, sceneFolder } from '../node-scene.ts';
import { stagePositions } from './chroot-stage.ts';
import { runHookStage } from './hooks.ts';

let folder: string;
let scene: Scene;
let log: string[];
let warnings: string[];
beforeEach(async () => {
  folder = sceneFolder();
  scene = makeScene(folder);
  log = [];
  warnings = [];
  await scene.install('v1', 'active');
  await scene.install('v1', 'passive');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const admin = 'users: [{name: a, groups: [admin]}]\n';

/** A node that notes what runs: stage commands (`sh -c`), hook programs, and the exchange that makes the upgrade real. */
function node(config: string, fails: (program: string) => boolean = () => false): Host {
  const host = scene.boot('active', {
    run(argv, { chroot } = {}) {
      const name = argv[0] === 'sh' ? (argv.at(-1) ?? '') : argv.join(' ');
      if (/^(lsblk|sync|udevadm|mount)\b/.test(name)) return {};
      const shown = `${chroot === undefined ? '' : 'chroot '}${name.replaceAll(folder, '')}`;
      log.push(shown);
      if (chroot !== undefined) return { stdout: '{"steps":[],"problems":[]}\n' };
      return { code: fails(shown) ? 1 : 0 };
    },
  });
  host.files.write('/oem/90_custom.yaml', `#cloud-config\n${admin}${config}`);
  for (const when of ['pre', 'after']) {
    host.files.write(`/usr/bin/kairos-agent.upgrade.${when}.hook`, '#!/bin/sh\n', { mode: 0o755 });
  }
  return {
    ...host,
    files: {
      ...host.files,
      exchange(a, b) {
        log.push('exchange');
        host.files.exchange(a, b);
      },
    },
  };
}

const stageNames = [
  'kairos-upgrade.pre.before',
  'kairos-upgrade.pre',
  'before-upgrade',
  'after-upgrade-chroot',
  'after-upgrade.before',
  'after-upgrade',
  'after-upgrade.after',
  'kairos-upgrade.after',
];
const allStages = `stages: {${stageNames.map((name) => `${name}: [{commands: ["${name}"]}]`).join(', ')}}\n`;

async function upgradeTo(host: Host, more: Partial<UpgradeOptions> = {}) {
  const path = await scene.image('v2');
  return upgradeWith(
    host,
    {
      source: `dir:${path}`,
      onProgress({ step, message }) {
        if (step === 'warning') warnings.push(message);
      },
      ...more,
    },
    {
      openSource: async () => ({ image: bootFormFromDirectory(path, path), close: () => undefined }),
      runStage: runHookStage,
      now: () => new Date('2026-01-02T03:04:05Z'),
    },
  );
}

describe('upgrade', () => {
  test('everything runs, in order, around the exchange', async () => {
    await upgradeTo(node(allStages));
    expect(log).toEqual([
      'kairos-upgrade.pre.before',
      'kairos-upgrade.pre',
      '/usr/bin/kairos-agent.upgrade.pre.hook',
      'before-upgrade',
      'chroot /usr/bin/kairos-agent run-stage after-upgrade-chroot --json',
      'exchange',
      'exchange',
      'after-upgrade.before',
      'after-upgrade',
      'after-upgrade.after',
      'kairos-upgrade.after',
      '/usr/bin/kairos-agent.upgrade.after.hook',
    ]);
    expect(warnings).toEqual([]);
  });

  test('nothing enters the new system where no step wants it', async () => {
    const { plan } = await upgradeTo(node(''));
    expect(plan.steps.filter(({ kind }) => kind === 'chroot-stage')).toEqual([]);
  });

  test.each([
    [
      'a stage',
      'before-upgrade',
      /^The stage before-upgrade failed and the upgrade goes on: stage before-upgrade ran with 1 error/,
    ],
    [
      'a hook',
      '/usr/bin/kairos-agent.upgrade.pre.hook',
      /^\/usr\/bin\/kairos-agent\.upgrade\.pre\.hook failed and the upgrade goes on/,
    ],
  ])('%s that fails is a warning', async (_, what, message) => {
    await upgradeTo(node(allStages, (program) => program === what));
    expect(scene.slots()).toMatchObject({ active: 'v2' });
    expect(warnings).toEqual([expect.stringMatching(message)]);
  });

  test.each([
    ['strict in the configuration', 'strict: true\n', {}],
    // What the command line passes where the flag is not given.
    ['strict in the configuration, false by default', 'strict: true\n', { strict: false }],
    ['strict on the command line', '', { strict: true }],
  ])('%s: it ends the upgrade, and the node stays as it is', async (_, config, more) => {
    for (const what of ['before-upgrade', '/usr/bin/kairos-agent.upgrade.pre.hook']) {
      log = [];
      const host = node(`${config}${allStages}`, (program) => program === what);
      await expect(upgradeTo(host, more)).rejects.toBeInstanceOf(KairosError);
      expect(scene.slots()).toMatchObject({ active: 'v1' });
      expect(log).not.toContain('exchange');
    }
  });
});

test('positions of the steps of a stage: of files that are read and of documents from elsewhere', async () => {
  const host = scene.boot('active');
  host.files.write(
    '/system/oem/a.yaml',
    'stages:\n  after-install-chroot:\n    - name: a\n      commands: [a]\n',
  );
  host.files.write(
    '/given.yaml',
    '#cloud-config\nstages:\n  after-install-chroot.after:\n    - commands: [b]\n',
  );
  const collected = await collectConfig(host, { directories: [], files: ['/given.yaml'] });
  const positions = stagePositions(host, 'after-install-chroot', collected, []);
  expect(positions.map(({ file, line }) => `${file}:${line}`)).toEqual([
    '/system/oem/a.yaml:3',
    '/given.yaml:4',
  ]);
  expect(stagePositions(host, 'after-reset-chroot', collected, [])).toEqual([]);
});

test('a chroot stage that nobody can run is a warning, and an error where strict', async () => {
  const context = (strict: boolean) => ({
    ...{
      host: scene.boot('active'),
      image: undefined,
      cleanup: new Cleanup(),
      signal: new AbortController().signal,
    },
    ...{ strict, report: () => undefined, now: () => new Date(), runStage: async () => undefined },
    warn: (message: string) => void warnings.push(message),
  });
  const step = { kind: 'chroot-stage', stage: 's', slot: '/x', binds: [] } as const;
  await carryOutAll([step], context(false));
  expect(warnings).toEqual(['The stage s failed and the installation goes on: nothing here can run it']);
  await expect(carryOutAll([step], context(true))).rejects.toThrow('nothing here can run it');
});
