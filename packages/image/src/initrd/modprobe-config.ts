/** What an administrator says about modules in `modprobe.d` (modprobe.d(5)), as far as it concerns the initrd. */
export interface ModprobeConfig {
  /** Parameters by module name, in the order of the files. */
  readonly options: ReadonlyMap<string, readonly string[]>;
  /** Modules whose own aliases do not count, so that no hardware loads them. */
  readonly blacklist: ReadonlySet<string>;
}

/** Reads the texts of `modprobe.d` files, in their order. Lines of other kinds are not for the initrd. */
export function parseModprobeConfig(texts: readonly string[]): ModprobeConfig {
  const options = new Map<string, string[]>();
  const blacklist = new Set<string>();
  for (const line of texts.flatMap((text) => text.replaceAll('\\\n', ' ').split('\n'))) {
    const [keyword, module, ...rest] = line.trim().split(/\s+/);
    if (module === undefined) continue;
    const name = module.replaceAll('-', '_');
    if (keyword === 'blacklist') blacklist.add(name);
    if (keyword === 'options') options.set(name, [...(options.get(name) ?? []), ...rest]);
  }
  return { options, blacklist };
}

/**
 * The `options` lines for the modules of the initrd: the administrator's, and `async_probe` for all but some, with which
 * loading a driver does not wait for its slowest device (kernel documentation, admin-guide/kernel-parameters).
 * @param awaited modules whose device has to be there when they are loaded
 */
export function writeModprobeOptions(
  config: ModprobeConfig,
  names: readonly string[],
  awaited: ReadonlySet<string>,
): string {
  return names
    .map((name) => [...(awaited.has(name) ? [] : ['async_probe=1']), ...(config.options.get(name) ?? [])])
    .map((options, at) => (options.length === 0 ? '' : `options ${[names[at], ...options].join(' ')}\n`))
    .join('');
}
