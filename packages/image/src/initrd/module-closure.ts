import { KairosError } from '@kairos/facts/errors';

/** A kernel module as `depmod` lists it. */
export interface KernelModule {
  /** Name as the kernel has it: underscores, no extension. */
  readonly name: string;
  /** Path below `/lib/modules/<version>`, with its compression suffix. */
  readonly path: string;
  /** Names of the modules that must be loaded before it, all of them, in the order of loading. */
  readonly dependencies: readonly string[];
}

export interface ModuleAlias {
  /** A glob for a modalias, or a name that the kernel asks for (`fs-ext4`). */
  readonly pattern: string;
  readonly module: string;
}

/** What `depmod` knows about the modules of one kernel. */
export interface ModuleIndex {
  readonly modules: ReadonlyMap<string, KernelModule>;
  /** Names of modules that are part of the kernel itself. */
  readonly builtin: ReadonlySet<string>;
  /** Modules, or aliases of modules, that one works better with. */
  readonly soft: ReadonlyMap<string, readonly string[]>;
  readonly aliases: readonly ModuleAlias[];
}

/** The texts of `/lib/modules/<version>/modules.*`. */
export interface ModuleFiles {
  readonly dep: string;
  readonly builtin: string;
  readonly softdep: string;
  readonly weakdep: string;
  readonly alias: string;
}

/** `kernel/drivers/md/dm-mod.ko.xz` → `dm_mod`. */
export function moduleName(path: string): string {
  const base = path.slice(path.lastIndexOf('/') + 1);
  return base.replace(/\.ko(\.(xz|zst|gz))?$/, '').replaceAll('-', '_');
}

function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/**
 * Reads what `depmod` wrote (modules.dep(5), modprobe.d(5)).
 * @throws KairosError `MODULES_UNREADABLE` for a `modules.dep` that is not one, or that has paths out of its directory
 */
export function parseModuleIndex(files: ModuleFiles): ModuleIndex {
  const modules = new Map<string, KernelModule>();
  for (const line of lines(files.dep)) {
    const match = /^([^:\s]+\.ko(?:\.\w+)?):(.*)$/.exec(line);
    const path = match?.[1];
    if (path === undefined || /(^|\/)\.\.(\/|$)/.test(path)) {
      throw new KairosError(
        'MODULES_UNREADABLE',
        `Cannot read modules.dep: unexpected line ${JSON.stringify(line)}`,
        {
          hint: 'Run depmod for this kernel in the root.',
          exit: 'unsuitableImage',
        },
      );
    }
    const dependencies = (match?.[2] ?? '').trim().split(/\s+/).filter(Boolean).map(moduleName).reverse();
    modules.set(moduleName(path), { name: moduleName(path), path, dependencies });
  }
  const soft = new Map<string, string[]>();
  const remember = (name: string, targets: readonly string[]) =>
    soft.set(name, [...(soft.get(name) ?? []), ...targets]);
  for (const line of lines(`${files.softdep}\n${files.weakdep}`)) {
    const [keyword, name, ...targets] = line.split(/\s+/);
    if ((keyword !== 'softdep' && keyword !== 'weakdep') || name === undefined) continue;
    remember(
      name.replaceAll('-', '_'),
      targets.filter((target) => target !== 'pre:' && target !== 'post:'),
    );
  }
  const aliases: ModuleAlias[] = [];
  for (const line of lines(files.alias)) {
    const match = /^alias\s+(\S+)\s+(\S+)$/.exec(line);
    if (match)
      aliases.push({ pattern: match[1] as string, module: (match[2] as string).replaceAll('-', '_') });
  }
  return { modules, builtin: new Set(lines(files.builtin).map(moduleName)), soft, aliases };
}

export interface ModuleClosure {
  /** Everything to take along, dependencies before what needs them. */
  readonly modules: readonly KernelModule[];
  /** Wished modules that are part of the kernel. */
  readonly builtin: readonly string[];
  /** Wished modules that this kernel does not have. */
  readonly missing: readonly string[];
}

/**
 * The wished modules with all that they need. A soft dependency that this kernel lacks is no loss; a hard one that is
 * listed and not there is.
 * @throws KairosError `MODULES_UNREADABLE`
 */
export function moduleClosure(index: ModuleIndex, wished: readonly string[]): ModuleClosure {
  const ordered = new Map<string, KernelModule>();
  const visiting = new Set<string>();
  const visit = (name: string) => {
    if (ordered.has(name) || visiting.has(name)) return;
    const module = index.modules.get(name);
    if (!module) return;
    visiting.add(name);
    for (const dependency of module.dependencies) {
      if (!index.modules.has(dependency) && !index.builtin.has(dependency)) {
        throw new KairosError(
          'MODULES_UNREADABLE',
          `Module ${name} needs ${dependency}, which modules.dep does not list`,
          { hint: 'Run depmod for this kernel in the root.', exit: 'unsuitableImage' },
        );
      }
      visit(dependency);
    }
    for (const target of index.soft.get(name) ?? []) {
      const plain = target.replaceAll('-', '_');
      if (index.modules.has(plain)) visit(plain);
      else for (const alias of index.aliases) if (alias.pattern === target) visit(alias.module);
    }
    ordered.set(name, module);
  };
  const builtin: string[] = [];
  const missing: string[] = [];
  for (const wish of wished) {
    const name = wish.replaceAll('-', '_');
    if (index.modules.has(name)) visit(name);
    else (index.builtin.has(name) ? builtin : missing).push(name);
  }
  return { modules: [...ordered.values()], builtin, missing };
}

/** `modules.dep` for a tree that holds only these modules, decompressed. */
export function writeModuleDependencies(modules: readonly KernelModule[]): string {
  const plain = (path: string) => path.replace(/\.ko\.\w+$/, '.ko');
  const paths = new Map(modules.map((module) => [module.name, plain(module.path)]));
  return modules
    .map((module) => {
      // The order of modules.dep is that of unloading.
      const needs = [...module.dependencies].reverse().flatMap((name) => paths.get(name) ?? []);
      return `${plain(module.path)}:${needs.map((path) => ` ${path}`).join('')}\n`;
    })
    .join('');
}

/** `modules.alias` for a tree that holds only these modules. */
export function writeModuleAliases(index: ModuleIndex, names: ReadonlySet<string>): string {
  return index.aliases
    .filter((alias) => names.has(alias.module))
    .map((alias) => `alias ${alias.pattern} ${alias.module}\n`)
    .join('');
}
