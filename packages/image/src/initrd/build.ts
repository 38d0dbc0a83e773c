import { join } from 'node:path/posix';
import type { Architecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import initScript from '../../../../system/initrd/init' with { type: 'text' };
import { findBusybox } from './busybox.ts';
import { type Compression, chooseCompression, compressArchive, readDecompressed } from './compression.ts';
import { type CpioEntry, writeCpio } from './cpio.ts';
import { readModuleInfo } from './elf.ts';
import { libraryClosure } from './library-closure.ts';
import { parseModprobeConfig, writeModprobeOptions } from './modprobe-config.ts';
import {
  type ModuleIndex,
  moduleClosure,
  moduleName,
  parseModuleIndex,
  writeModuleAliases,
  writeModuleDependencies,
} from './module-closure.ts';
import { checkRequiredModules, type ModuleGroup, moduleGroupsFor } from './module-set.ts';
import { resolveInRoot } from './root-path.ts';

export interface ThinInitrdRequest {
  /** The unpacked root of the image. */
  readonly root: string;
  /** A directory of its `/lib/modules`. */
  readonly kernelVersion: string;
  readonly architecture: Architecture;
  /** File to write. */
  readonly output: string;
  /** Modules beyond the default set, by name; this kernel must have them. */
  readonly extraModules?: readonly string[];
  /** Default: the best that the kernel unpacks. */
  readonly compression?: Compression;
  /** A static busybox of the image's architecture; default: the root's, else the machine's. */
  readonly busybox?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface ThinInitrd {
  /** Bytes. */
  readonly size: number;
  readonly compression: Compression;
  /** Names of the kernel modules inside, dependencies first. */
  readonly modules: readonly string[];
  /** Modules of the default set that this kernel has neither as a module nor built in. */
  readonly missing: readonly string[];
  /** Paths of the other files inside. */
  readonly files: readonly string[];
  /** Firmware inside, by the names under which modules ask for it. */
  readonly firmware: readonly string[];
}

const encoder = new TextEncoder();
const programs = ['dmsetup', 'blkid'] as const;

/** Directories that `/init` mounts on, and the links of a merged `/usr`. */
const skeleton: readonly CpioEntry[] = [
  ...['dev', 'proc', 'run', 'sys', 'sysroot', 'tmp', 'etc', 'usr/bin', 'usr/lib'].map(
    (path): CpioEntry => ({ kind: 'directory', path, mode: 0o755 }),
  ),
  { kind: 'directory', path: 'root', mode: 0o700 },
  { kind: 'symlink', path: 'bin', target: 'usr/bin' },
  { kind: 'symlink', path: 'sbin', target: 'usr/bin' },
  { kind: 'symlink', path: 'usr/sbin', target: 'bin' },
  { kind: 'symlink', path: 'lib', target: 'usr/lib' },
  // The kernel opens it for /init before there is a devtmpfs.
  { kind: 'character', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
];

function modulesDirectory(host: Host, root: string, kernelVersion: string): string {
  if (!/^[\w.+~-]+$/.test(kernelVersion)) {
    throw new KairosError('KERNEL_VERSION', `${JSON.stringify(kernelVersion)} is not a kernel version`, {
      exit: 'usage',
    });
  }
  const found = ['/usr/lib/modules', '/lib/modules']
    .map((place) => resolveInRoot(host.files, root, `${place}/${kernelVersion}`))
    .find((path) => path !== undefined && host.files.exists(join(root, path, 'modules.dep')));
  if (found !== undefined) return join(root, found);
  throw new KairosError('KERNEL_MODULES_MISSING', `The root has no modules for kernel ${kernelVersion}`, {
    hint: `It needs /usr/lib/modules/${kernelVersion} with modules.dep, which depmod makes.`,
    exit: 'unsuitableImage',
  });
}

function kernelConfig(host: Host, root: string, directory: string, version: string): string | undefined {
  return [join(directory, 'config'), join(root, 'boot', `config-${version}`)]
    .map((path) => host.files.readTextIfAny(path))
    .find((text) => text !== undefined);
}

/** Where distributions and where administrators say what modules are to do. */
const modprobePlaces = {
  distribution: ['/usr/lib/modprobe.d', '/lib/modprobe.d'],
  administrator: ['/etc/modprobe.d'],
} as const;

function modprobeTexts(host: Host, root: string, places: readonly string[]): string[] {
  return places
    .flatMap((place) => resolveInRoot(host.files, root, place) ?? [])
    .filter((place, index, all) => all.indexOf(place) === index)
    .flatMap((place) =>
      host.files
        .list(join(root, place))
        .filter((name) => name.endsWith('.conf'))
        .flatMap((name) => resolveInRoot(host.files, root, join(place, name)) ?? [])
        .map((path) => host.files.readText(join(root, path))),
    );
}

/** Programs of the root with their libraries; a second name of the same file becomes a link. */
function programEntries(
  host: Host,
  request: ThinInitrdRequest,
  busyboxInRoot: string | undefined,
): CpioEntry[] {
  const { files } = host;
  const { root, architecture } = request;
  const found = programs.map((name) => {
    const path = ['/usr/sbin', '/usr/bin', '/sbin', '/bin']
      .map((directory) => `${directory}/${name}`)
      // busybox has a blkid of its own that cannot search.
      .find((place) => {
        const real = resolveInRoot(files, root, place);
        return real !== undefined && !real.endsWith('/busybox');
      });
    if (path !== undefined) return path;
    throw new KairosError('PROGRAM_MISSING', `The root has no ${name}, which the initrd needs`, {
      hint:
        name === 'dmsetup' ? 'Install the package dmsetup (device-mapper).' : 'Install blkid of util-linux.',
      exit: 'unsuitableImage',
    });
  });
  const wanted = busyboxInRoot === undefined ? found : [...found, busyboxInRoot];
  const bySource = new Map<string, string>();
  return libraryClosure(files, root, wanted, architecture).map(({ path, source }): CpioEntry => {
    const place = source === busyboxInRoot ? 'usr/bin/busybox' : path.slice(1);
    const twin = bySource.get(source);
    if (twin !== undefined) return { kind: 'symlink', path: place, target: `/${twin}` };
    bySource.set(source, place);
    return { kind: 'file', path: place, mode: 0o755, data: files.readBytes(join(root, source)) };
  });
}

function firmwareEntries(
  host: Host,
  root: string,
  names: readonly string[],
): (CpioEntry & { name: string })[] {
  return [...new Set(names)].sort().flatMap((name) => {
    for (const suffix of ['', '.xz', '.zst']) {
      const place = `/usr/lib/firmware/${name}${suffix}`;
      const source =
        resolveInRoot(host.files, root, place) ?? resolveInRoot(host.files, root, place.replace('/usr', ''));
      if (source === undefined) continue;
      const data = host.files.readBytes(join(root, source));
      return [{ kind: 'file' as const, path: place.slice(1), mode: 0o644, data, name }];
    }
    return [];
  });
}

function checkExtraModules(index: ModuleIndex, extra: readonly string[], version: string): void {
  const unknown = extra.filter((name) => {
    const plain = name.replaceAll('-', '_');
    return !index.modules.has(plain) && !index.builtin.has(plain);
  });
  if (unknown.length === 0) return;
  throw new KairosError('MODULE_UNKNOWN', `Kernel ${version} has no module ${unknown.join(', ')}`, {
    exit: 'unsuitableImage',
  });
}

/**
 * Builds the thin initrd of a root: busybox, `dmsetup`, `blkid`, the kernel modules that storage and the root file
 * system need, and `/init`. Nothing of the root is run. The same root gives the same bytes.
 * @throws KairosError `KERNEL_MODULES_MISSING`, `KERNEL_LACKS_MODULES`, `MODULE_UNKNOWN`, `BUSYBOX_MISSING`,
 * `PROGRAM_MISSING`, `LIBRARY_MISSING`, `COMPRESSION_UNSUPPORTED`, `INTERRUPTED`, and those of what it reads
 */
export async function buildThinInitrd(host: Host, request: ThinInitrdRequest): Promise<ThinInitrd> {
  const { files } = host;
  const { root, kernelVersion, architecture, output, extraModules = [] } = request;
  const directory = modulesDirectory(host, root, kernelVersion);
  const compression = chooseCompression(
    kernelConfig(host, root, directory, kernelVersion),
    request.compression,
  );
  const depmod = (name: string) => files.readTextIfAny(join(directory, `modules.${name}`)) ?? '';
  const index = parseModuleIndex({
    dep: files.readText(join(directory, 'modules.dep')),
    builtin: depmod('builtin'),
    softdep: depmod('softdep'),
    weakdep: depmod('weakdep'),
    alias: depmod('alias'),
  });
  const groups = moduleGroupsFor(architecture);
  checkRequiredModules(groups, kernelVersion, (name) => index.modules.has(name) || index.builtin.has(name));
  checkExtraModules(index, extraModules, kernelVersion);
  const modulesToLoad = (when: ModuleGroup['load']) =>
    groups.filter(({ load }) => load === when).flatMap(({ modules }) => modules);
  const bootModules = [...modulesToLoad('boot'), ...extraModules];
  const [trialModules, rescueModules] = [modulesToLoad('trial'), modulesToLoad('rescue')];
  const boot = moduleClosure(index, bootModules);
  const closure = moduleClosure(index, [...bootModules, ...trialModules, ...rescueModules]);
  const busybox = findBusybox(host, root, architecture, request.busybox);

  const work = `${output}.work`;
  files.remove(work);
  files.makeDirectory(work, { mode: 0o700 });
  try {
    const contents = await readDecompressed(
      host,
      closure.modules.map((module) => join(directory, module.path)),
      work,
    );
    const base = `usr/lib/modules/${kernelVersion}`;
    const modules = closure.modules.map(
      (module, at): CpioEntry => ({
        kind: 'file',
        path: `${base}/${module.path.replace(/\.ko\.\w+$/, '.ko')}`,
        mode: 0o644,
        data: contents[at] ?? new Uint8Array(),
      }),
    );
    const firmware = firmwareEntries(
      host,
      root,
      closure.modules.flatMap(
        (module, at) => readModuleInfo(contents[at] ?? new Uint8Array(), module.path).get('firmware') ?? [],
      ),
    );
    const { distribution, administrator } = modprobePlaces;
    const config = parseModprobeConfig(modprobeTexts(host, root, [...distribution, ...administrator]));
    // Distributions keep watchdogs from being loaded by hardware, so that nobody opens one by mistake.
    const refused = parseModprobeConfig(modprobeTexts(host, root, administrator)).blacklist;
    const names = new Set(closure.modules.map(({ name }) => name));
    const onTrial = trialModules.map(moduleName).filter((name) => names.has(name) && !refused.has(name));
    const loadable = new Set(
      boot.modules.map(({ name }) => name).filter((name) => !config.blacklist.has(name)),
    );
    const text = (path: string, content: string, mode = 0o644): CpioEntry => ({
      kind: 'file',
      path,
      mode,
      data: encoder.encode(content),
    });
    const inside = programEntries(host, request, busybox.inRoot);
    const programsAndTexts: CpioEntry[] = [
      ...inside,
      ...(busybox.inRoot === undefined
        ? [
            {
              kind: 'file' as const,
              path: 'usr/bin/busybox',
              mode: 0o755,
              data: files.readBytes(busybox.path),
            },
          ]
        : []),
      text('init', initScript, 0o755),
      text('etc/rescue-modules', rescueModules.filter((name) => names.has(moduleName(name))).join('\n')),
      text('etc/trial-modules', onTrial.join('\n')),
      text('etc/modprobe.d/image.conf', writeModprobeOptions(config, [...names], new Set(onTrial))),
      text(`${base}/modules.dep`, writeModuleDependencies(closure.modules)),
      text(`${base}/modules.alias`, writeModuleAliases(index, loadable)),
    ];
    const entries: CpioEntry[] = [
      ...skeleton,
      ...(inside.some(({ path }) => path.startsWith('usr/lib64/'))
        ? [{ kind: 'symlink' as const, path: 'lib64', target: 'usr/lib64' }]
        : []),
      ...busybox.applets.map(
        (name): CpioEntry => ({ kind: 'symlink', path: `usr/bin/${name}`, target: 'busybox' }),
      ),
      ...programsAndTexts,
      ...modules,
      ...firmware,
    ];
    const initrd = await compressArchive(host, writeCpio(entries), compression, work, request.signal);
    files.write(output, initrd);
    return {
      size: initrd.length,
      compression,
      modules: closure.modules.map(({ name }) => name),
      missing: closure.missing,
      files: programsAndTexts.map(({ path }) => path).sort(),
      firmware: firmware.map(({ name }) => name),
    };
  } finally {
    files.remove(work);
  }
}
