import { basename, join } from 'node:path/posix';
import { maximumFileSize } from '@kairos/config/collect';
import type { Architecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { type Base, showBase } from './base.ts';
import type { BuildStep } from './build-step.ts';
import { whyLost } from './clean.ts';
import { checkCloudConfig } from './cloud-config.ts';
import {
  builtinComponent,
  builtinComponents,
  type Component,
  type ComponentSource,
  findComponent,
  plainPath,
} from './component.ts';
import type { Definition } from './definition.ts';
import { type Flavor, type Init, packagesFor, type Role } from './flavor.ts';

/** What is known of a root before anything is done to it. */
export interface BaseFacts {
  readonly base: Base;
  readonly flavor: Flavor;
  readonly release: string;
  /** Suite of a `debian:` base. */
  readonly suite?: string;
  readonly architecture: Architecture;
  /** Init system of a root that is there already. */
  readonly init?: Init | undefined;
  /** Names of packages that a given root has already; `undefined` for a bootstrap. */
  readonly installed?: ReadonlySet<string> | undefined;
  /** Roles that a given root fills already, whatever its packages are called. */
  readonly filled?: ReadonlySet<Role> | undefined;
}

export interface BuildPlan {
  readonly base: Base;
  readonly flavor: Flavor;
  readonly release: string;
  readonly architecture: Architecture;
  readonly init: Init;
  readonly version: string;
  readonly model: string;
  readonly variant: 'core' | 'standard';
  readonly components: readonly Component[];
  readonly packages: readonly string[];
  readonly kernelArguments: readonly string[];
  /** What is doubtful about the request and does not keep an image from being built. */
  readonly warnings: readonly string[];
  readonly steps: readonly BuildStep[];
}

export interface PlanRequest {
  readonly definition: Definition;
  /** What relative paths of the definition are relative to. */
  readonly directory: string;
  readonly facts: BaseFacts;
  /** The executable that goes into the image. */
  readonly executable: string;
  readonly output: string;
}

/** Directories that the read-only root must have, for what is mounted or made on them. */
const mountPoints = [
  ...[
    '/boot',
    '/dev',
    '/efi',
    '/etc',
    '/home',
    '/mnt',
    '/oem',
    '/opt',
    '/proc',
    '/root',
    '/run',
    '/srv',
    '/sys',
  ],
  ...['/system', '/tmp', '/usr/libexec', '/usr/local', '/var', '/var/lib', '/var/log'],
] as const;

/**
 * Kernel arguments of every image, behind those that name the root. The serial console is not among them: GRUB adds
 * it where there is a port, because waiting for one that is not there takes minutes.
 */
export const baseKernelArguments = [
  'console=tty1',
  'net.ifnames=1',
  'rd.cos.oemtimeout=10',
  'panic=5',
  'rd.emergency=reboot',
  'rd.shell=0',
  'systemd.crash_reboot=yes',
  'selinux=0',
] as const;

/** The init system: as the definition says, as a component that is one asks for, as the root has it, as usual. */
function chooseInit(definition: Definition, facts: BaseFacts, wishedComponents: readonly Component[]): Init {
  const { flavor } = facts;
  const part = wishedComponents.find(({ manifest }) => manifest.provides === 'init')?.manifest;
  const said = definition.init ?? part?.inits?.[0];
  const wished = said ?? facts.init ?? flavor.inits[0] ?? 'systemd';
  if (said !== undefined && facts.init === undefined && !flavor.inits.includes(wished)) {
    throw new KairosError(
      'INIT_UNSUPPORTED',
      `${flavor.title} cannot be built with ${wished}: it has ${flavor.inits.join(', ')}`,
      { exit: 'invalidInput' },
    );
  }
  return wished;
}

function chooseComponents(
  host: Host,
  { definition, directory }: PlanRequest,
  wished: readonly Component[],
  init: Init,
): Component[] {
  const builtins = builtinComponents();
  const defaults = [...builtins.values()].filter(({ manifest }) => manifest.default);
  const without = new Set(definition.withoutComponents ?? []);
  for (const name of without) builtinComponent(name);
  const chosen = new Map<string, Component>();
  const add = (component: Component) => chosen.set(component.manifest.name, component);
  const takes = new Set(wished.flatMap(({ manifest }) => manifest.provides ?? []));
  for (const component of defaults) {
    const { provides, name } = component.manifest;
    if (!without.has(name) && !(provides !== undefined && takes.has(provides))) add(component);
  }
  if (!takes.has('init')) add(findComponent(host, init, directory));
  if (!takes.has('initrd')) add(findComponent(host, `initrd-${definition.initrd ?? 'thin'}`, directory));
  for (const component of wished) add(component);

  const bySlot = new Map<string, string>();
  for (const { manifest } of chosen.values()) {
    if (manifest.provides !== undefined) {
      const other = bySlot.get(manifest.provides);
      if (other !== undefined) {
        throw new KairosError(
          'COMPONENT_CONFLICT',
          `Both ${other} and ${manifest.name} are the ${manifest.provides} of the image`,
          { exit: 'invalidInput', hint: 'Leave one of them out.' },
        );
      }
      bySlot.set(manifest.provides, manifest.name);
    }
  }
  for (const { manifest, from } of chosen.values()) {
    if (manifest.inits !== undefined && !manifest.inits.includes(init)) {
      throw new KairosError(
        'COMPONENT_UNSUITABLE',
        `The component ${manifest.name} works with ${manifest.inits.join(', ')}, and the image has ${init}`,
        { exit: 'invalidInput', details: { from } },
      );
    }
    for (const need of manifest.needs) {
      if (!chosen.has(need)) {
        throw new KairosError('COMPONENT_NEEDED', `The component ${manifest.name} needs ${need}`, {
          exit: 'invalidInput',
          hint: `Add ${need} to the components, or leave ${manifest.name} out.`,
        });
      }
    }
  }
  return [...chosen.values()];
}

const unique = <T>(items: readonly T[]): T[] => [...new Set(items)];
const bits = (text: string) => Number.parseInt(text, 8);

function sourceStep(source: ComponentSource, path: string, mode: number, from: string): BuildStep {
  return typeof source === 'string'
    ? { kind: 'file', path, content: source, mode, from }
    : { kind: 'copy-file', path, source: source.file, mode, from };
}

function fileSteps(component: Component, init: Init): BuildStep[] {
  const { manifest, sources } = component;
  const from = manifest.name;
  const fits = (entry: { inits?: readonly Init[] | undefined }) =>
    entry.inits === undefined || entry.inits.includes(init);
  const directories = manifest.directories.map(
    ({ path, mode }): BuildStep => ({ kind: 'directory', path, mode: bits(mode), from }),
  );
  const files = manifest.files.filter(fits).flatMap((entry): BuildStep[] => {
    const mode = bits(entry.mode);
    if (entry.directory !== undefined) {
      const directory = plainPath(entry.directory);
      return [...sources]
        .filter(([name]) => name.startsWith(`${directory}/`))
        .map(([name, source]) =>
          sourceStep(source, join(entry.path, name.slice(directory.length + 1)), mode, from),
        );
    }
    const source =
      entry.content ?? (entry.source === undefined ? undefined : sources.get(plainPath(entry.source)));
    if (source === undefined) {
      throw new KairosError('COMPONENT_INVALID', `${component.from}: there is no file ${entry.source}`, {
        exit: 'invalidInput',
      });
    }
    return [sourceStep(source, entry.path, mode, from)];
  });
  const links = manifest.links
    .filter(fits)
    .map(({ path, target }): BuildStep => ({ kind: 'link', path, target, from }));
  return [...directories, ...files, ...links];
}

function definitionFileSteps(
  host: Host,
  { definition, directory }: PlanRequest,
): { steps: BuildStep[]; warnings: string[] } {
  const warnings: string[] = [];
  const from = 'definition';
  const located = (path: string) => (path.startsWith('/') ? path : join(directory, path));
  const files = (definition.files ?? []).map((entry): BuildStep => {
    const mode = bits(entry.permissions ?? '0644');
    if (entry.source === undefined) {
      return { kind: 'file', path: entry.path, content: entry.content ?? '', mode, from };
    }
    const source = located(entry.source);
    checkSource(host, source, entry.path);
    return { kind: 'copy-file', path: entry.path, source, mode, from };
  });
  const configs = (definition.cloudConfigs ?? []).map((entry): BuildStep => {
    if (typeof entry !== 'string') {
      warnings.push(...checkCloudConfig(entry.content, entry.name));
      return { kind: 'file', path: `/system/oem/${entry.name}`, content: entry.content, mode: 0o600, from };
    }
    const source = located(entry);
    if (host.files.status(source) === undefined) {
      throw new KairosError('FILE_NOT_FOUND', `The cloud-config ${source} is not there`, {
        exit: 'notFound',
      });
    }
    const content = host.files.readOrdinaryText(source, maximumFileSize);
    warnings.push(...checkCloudConfig(content, source));
    return { kind: 'file', path: `/system/oem/${basename(source)}`, content, mode: 0o600, from };
  });
  const steps = [...files, ...configs];
  const places = steps.flatMap((step) => ('path' in step ? [step.path] : []));
  const twice = places.find((path, index) => places.indexOf(path) !== index);
  if (twice !== undefined) {
    throw new KairosError('FILE_TWICE', `Two files of the definition would be ${twice}: one would be lost`, {
      exit: 'invalidInput',
      hint: 'Give one of them another name.',
    });
  }
  return { steps, warnings };
}

function checkSource(host: Host, source: string, path: string): void {
  const found = host.files.exists(source) ? host.files.status(source) : undefined;
  if (found === undefined) {
    throw new KairosError('FILE_NOT_FOUND', `The file ${source} for ${path} is not there`, {
      exit: 'notFound',
    });
  }
  // A link is laid in as what it leads to.
  if (found.kind === 'file' || found.kind === 'symlink') return;
  throw new KairosError('FILE_NOT_ORDINARY', `${source} for ${path} is not an ordinary file`, {
    exit: 'invalidInput',
    hint:
      found.kind === 'directory'
        ? 'Name each file, or make a component with a directory of files.'
        : 'Name a file.',
  });
}

function baseStep(facts: BaseFacts, packages: readonly string[]): BuildStep {
  const { base } = facts;
  switch (base.kind) {
    case 'debian':
      return { kind: 'bootstrap', suite: facts.suite ?? base.release, packages };
    case 'dir':
      return { kind: 'copy', directory: base.path };
    case 'tar':
      return { kind: 'unpack', archive: base.path };
    default:
      return { kind: 'unpack-image', image: showBase(base) };
  }
}

/**
 * Computes how an image is built.
 * @throws KairosError `COMPONENT_*`, `INIT_UNSUPPORTED`, `FILE_NOT_FOUND`, `FILE_NOT_ORDINARY`, `FILE_TWICE`,
 * `CLOUD_CONFIG_INVALID`
 */
export function planBuild(host: Host, request: PlanRequest): BuildPlan {
  const { definition, facts } = request;
  const { flavor, release, architecture } = facts;
  const wished = (definition.components ?? []).map((name) => findComponent(host, name, request.directory));
  const init = chooseInit(definition, facts, wished);
  const components = chooseComponents(host, request, wished, init);
  const manifests = components.map(({ manifest }) => manifest);
  const packages = unique([
    ...manifests.flatMap(({ packages: wanted }) => [
      ...wanted.roles.flatMap((role) =>
        facts.filled?.has(role) ? [] : packagesFor(flavor, role, release, architecture),
      ),
      ...(wanted.families[flavor.family] ?? []),
    ]),
    ...(definition.packages ?? []),
  ]).sort();
  const { installed } = facts;
  const missing = installed === undefined ? packages : packages.filter((name) => !installed.has(name));
  const services = manifests.flatMap(({ services: wanted }) => wanted[init] ?? []);
  const bootloader = manifests.some(({ provides }) => provides === 'bootloader');
  const own = definitionFileSteps(host, request);
  const theirs = components
    .filter(({ manifest }) => !builtinComponents().has(manifest.name))
    .flatMap((component) => fileSteps(component, init));
  const lost = [...theirs, ...own.steps].flatMap((step) =>
    step.kind === 'file' || step.kind === 'copy-file' ? (whyLost(step.path) ?? []) : [],
  );
  const steps: BuildStep[] = [
    baseStep(facts, packages),
    ...(facts.base.kind !== 'debian' && missing.length > 0
      ? [{ kind: 'install-packages' as const, manager: flavor.packageManager, packages: missing }]
      : []),
    {
      kind: 'copy-file',
      path: '/usr/bin/kairos',
      source: request.executable,
      mode: 0o755,
      from: 'executable',
    },
    ...components.flatMap((component) => fileSteps(component, init)),
    ...own.steps,
    {
      kind: 'services',
      init,
      enable: unique([
        ...services.flatMap(({ enable }) => enable),
        ...manifests.flatMap(({ packages: wanted }) =>
          wanted.roles.flatMap((role) => flavor.services[role] ?? []),
        ),
      ]),
      mask: unique(services.flatMap(({ mask }) => mask)),
    },
    { kind: 'release' },
    { kind: 'clean' },
    { kind: 'mount-points', paths: unique([...mountPoints, ...flavor.mountPoints]) },
    {
      kind: 'check',
      checks: manifests.flatMap(({ name, checks }) =>
        checks
          .filter(({ inits: only }) => only === undefined || only.includes(init))
          .map(({ path, is, hint }) => ({ path, is, hint, from: name })),
      ),
    },
    { kind: 'initrd', type: manifests.some(({ name }) => name === 'initrd-dracut') ? 'dracut' : 'thin' },
    ...(bootloader ? [{ kind: 'bootloader' as const }] : []),
    {
      kind: 'root-image',
      type: definition.filesystem?.type,
      compression: definition.filesystem?.compression ?? 'best',
    },
    { kind: 'container' },
    { kind: 'publish', output: request.output },
  ];
  return {
    base: facts.base,
    flavor,
    release,
    architecture,
    init,
    version: definition.version ?? 'v0.0.0',
    model: definition.model ?? 'generic',
    variant: definition.variant ?? 'core',
    components,
    packages,
    kernelArguments: [
      ...baseKernelArguments,
      ...manifests.flatMap(({ kernelArguments }) => kernelArguments),
      ...(definition.kernelArguments ?? []),
    ],
    warnings: [...own.warnings, ...lost],
    steps,
  };
}
