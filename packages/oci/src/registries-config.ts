import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { z } from 'zod';
import type { Reference } from './reference.ts';

/** One place where a repository can be had. */
export interface RegistryPlace {
  /** `host:port`. */
  readonly registry: string;
  readonly repository: string;
  /** Http, or a certificate that nobody vouches for, is allowed. */
  readonly insecure: boolean;
}

const locationSchema = z.object({
  location: z.string().optional(),
  insecure: z.boolean().default(false),
  'pull-from-mirror': z.enum(['all', 'digest-only', 'tag-only']).default('all'),
});
const fileSchema = z.object({
  registry: z
    .array(
      locationSchema.extend({
        prefix: z.string().optional(),
        blocked: z.boolean().default(false),
        'mirror-by-digest-only': z.boolean().default(false),
        mirror: z.array(locationSchema).default([]),
      }),
    )
    .default([]),
});
type Entry = z.infer<typeof fileSchema>['registry'][number];

const mainFile = '/etc/containers/registries.conf';
const directory = '/etc/containers/registries.conf.d';

function readEntries(host: Host, path: string, text: string): Entry[] {
  try {
    return fileSchema.parse(Bun.TOML.parse(text)).registry;
  } catch (error) {
    const [issue] = error instanceof z.ZodError ? error.issues : [];
    const reason = issue ? `${issue.path.map(String).join('.')}: ${issue.message}` : reasonOf(error);
    throw new KairosError('REGISTRIES_CONFIG_INVALID', `${host.files.real(path)} is not valid: ${reason}`, {
      exit: 'invalidInput',
      hint: 'Its form is that of containers-registries.conf(5), version 2',
    });
  }
}

const keyOf = (entry: Entry) => entry.prefix ?? entry.location ?? '';

/** Bytes of a name that a prefix covers; -1 where it does not: it ends where a part of the name does. */
function covers(prefix: string, name: string): number {
  if (prefix.startsWith('*.')) {
    const host = name.split('/')[0] ?? '';
    return host.endsWith(prefix.slice(1)) ? host.length : -1;
  }
  return name === prefix || name.startsWith(`${prefix}/`) ? prefix.length : -1;
}

function placeOf(location: string, rest: string, insecure: boolean): RegistryPlace {
  const [registry = '', ...path] = `${location}${rest}`.split('/');
  return { registry, repository: path.filter(Boolean).join('/'), insecure };
}

/**
 * Where images are pulled from on this machine, as containers-registries.conf(5) says (version 2, `registries.conf` and
 * `registries.conf.d`): mirrors in their order, then the place itself, which may be another one than the name says.
 * Read when a reference is first asked for.
 * @throws KairosError `REGISTRIES_CONFIG_INVALID`, `REGISTRY_BLOCKED`
 */
export function machineRegistries(host: Host): (reference: Reference) => readonly RegistryPlace[] {
  let entries: Map<string, Entry> | undefined;
  return (reference) => {
    if (entries === undefined) {
      const files = [
        mainFile,
        ...host.files
          .list(directory)
          .filter((name) => name.endsWith('.conf'))
          .map((name) => `${directory}/${name}`),
      ];
      // A file that is read later replaces what an earlier one says of the same prefix.
      entries = new Map(
        files.flatMap((path) => {
          const text = host.files.readTextIfAny(path);
          return text === undefined
            ? []
            : readEntries(host, path, text).map((entry) => [keyOf(entry), entry] as const);
        }),
      );
    }
    const name = `${reference.registry}/${reference.repository}`;
    let best: Entry | undefined;
    let length = -1;
    for (const [prefix, entry] of entries) {
      const covered = covers(prefix, name);
      if (prefix !== '' && covered > length) [best, length] = [entry, covered];
    }
    if (best === undefined) return [{ ...reference, insecure: false }];
    if (best.blocked) {
      throw new KairosError('REGISTRY_BLOCKED', `${keyOf(best)} is blocked on this machine`, {
        exit: 'notPermitted',
        hint: `${mainFile} or a file in ${directory} says so`,
      });
    }
    const { mirror, location, insecure } = best;
    const digestOnly = best['mirror-by-digest-only'];
    const rest = name.slice(length);
    const wanted = reference.digest === undefined ? 'tag-only' : 'digest-only';
    const asked = mirror.filter(({ 'pull-from-mirror': which }) => {
      const allowed = digestOnly ? 'digest-only' : which;
      return allowed === 'all' || allowed === wanted;
    });
    return [
      ...asked.flatMap((one) =>
        one.location === undefined ? [] : [placeOf(one.location, rest, one.insecure)],
      ),
      location === undefined || best.prefix?.startsWith('*.')
        ? { registry: reference.registry, repository: reference.repository, insecure }
        : placeOf(location, rest, insecure),
    ];
  };
}
