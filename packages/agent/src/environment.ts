import type { CloudConfig } from '@kairos/config/schema/root';
import type { Host } from '@kairos/host/host';

/** Variables for the programs that an operation runs, from `env` lists and maps. */
export function environmentOf(config: CloudConfig): Readonly<Record<string, string>> {
  const variables: Record<string, string> = {};
  for (const given of [config.env, config.install?.env]) {
    if (Array.isArray(given)) {
      for (const entry of given) {
        if (typeof entry === 'object' && entry !== null) {
          for (const [name, value] of Object.entries(entry)) variables[name] = String(value ?? '');
          continue;
        }
        const at = entry?.indexOf('=') ?? -1;
        if (entry && at > 0) variables[entry.slice(0, at)] = entry.slice(at + 1);
      }
    } else {
      for (const [name, value] of Object.entries(given ?? {})) variables[name] = String(value ?? '');
    }
  }
  return variables;
}

/** The same machine, whose programs see further variables. */
export function withEnvironment(host: Host, env: Readonly<Record<string, string>>): Host {
  if (Object.keys(env).length === 0) return host;
  return { ...host, run: (argv, run) => host.run(argv, { ...run, env: { ...env, ...run?.env } }) };
}
