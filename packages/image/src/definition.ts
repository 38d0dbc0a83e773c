import { dirname } from 'node:path';
import type { Path } from '@kairos/config/document';
import { architectures } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import { z } from 'zod';
import { debianRelease } from './acquire-root.ts';
import { parseBase } from './base.ts';
import { builtinComponent } from './component.ts';
import { compressions, filesystemTypes } from './filesystem.ts';
import { flavorNamed, inits } from './flavor.ts';
import { imagePath } from './image-path.ts';
import { kernelArgument } from './kernel-argument.ts';
import { checkValue, readDocument } from './read-document.ts';

const mode = z.string().regex(/^0?[0-7]{3,4}$/, 'expected permission bits such as "0644"');

export const definitionSchema = z.strictObject({
  /** `debian:13`, `dir:…`, `tar:…`, `oci:…`, `oci-archive:…`, `docker-archive:…`. */
  base: z.string().min(1).optional(),
  /** Where packages of a `debian:` base come from; default: where the machine's own come from. */
  mirror: z
    .string()
    .regex(/^(https?|file|copy):\/\/\S+$/, 'expected a URL')
    .optional(),
  /** Default: what the root's os-release says. */
  flavor: z.string().optional(),
  architecture: z.enum(architectures).optional(),
  /** Version of the image, such as v1.2.0. */
  version: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$/, 'expected letters, digits and . _ + -')
    .optional(),
  model: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]*$/)
    .optional(),
  variant: z.enum(['core', 'standard']).optional(),
  init: z.enum(inits).optional(),
  initrd: z.enum(['thin', 'dracut']).optional(),
  /** Components beside those that every image has: names, or paths of manifests. */
  components: z.array(z.string().min(1)).optional(),
  /** Components that every image has and this one shall not. */
  withoutComponents: z.array(z.string().min(1)).optional(),
  packages: z.array(z.string().regex(/^[A-Za-z0-9][\w.+:~=-]*$/, 'expected a package name')).optional(),
  files: z
    .array(
      z.strictObject({
        path: imagePath,
        content: z.string().optional(),
        /** Path of a file of this machine, relative to the definition. */
        source: z.string().optional(),
        permissions: mode.optional(),
      }),
    )
    .optional(),
  /** Cloud-configs for `/system/oem`: paths relative to the definition, or texts with a name. */
  cloudConfigs: z
    .array(
      z.union([
        z.string().regex(/\.ya?ml$/, 'a node reads only files whose names end in .yaml'),
        z.strictObject({
          name: z.string().regex(/^[\w.-]+\.ya?ml$/, 'expected a file name that ends in .yaml'),
          content: z.string(),
        }),
      ]),
    )
    .optional(),
  kernelArguments: z.array(kernelArgument).optional(),
  filesystem: z
    .strictObject({ type: z.enum(filesystemTypes).optional(), compression: z.enum(compressions).optional() })
    .optional(),
});

/** What an image shall be, as its user says it. */
export type Definition = z.infer<typeof definitionSchema>;

/** A definition with the directory that its paths are relative to. */
export interface LocatedDefinition {
  readonly definition: Definition;
  readonly directory: string;
}

/** Checks of the names that a definition uses, each with the path of its key. */
function nameChecks({ base, flavor, components, withoutComponents }: Definition): [Path, () => void][] {
  const checks: [Path, () => void][] = [];
  if (base !== undefined) {
    checks.push([
      ['base'],
      () => {
        const parsed = parseBase(base);
        if (parsed.kind === 'debian') debianRelease(flavorNamed('debian'), parsed.release);
      },
    ]);
  }
  if (flavor !== undefined) checks.push([['flavor'], () => checkFlavor(flavor, base)]);
  for (const [index, name] of (components ?? []).entries()) {
    if (!name.includes('/')) checks.push([['components', index], () => builtinComponent(name)]);
  }
  for (const [index, name] of (withoutComponents ?? []).entries()) {
    checks.push([['withoutComponents', index], () => builtinComponent(name)]);
  }
  return checks;
}

function checkFlavor(name: string, base: string | undefined): void {
  const flavor = flavorNamed(name);
  if (base?.startsWith('debian:') && flavor.name !== 'debian') {
    throw new KairosError(
      'FLAVOR_UNSUITABLE',
      `The base ${base} is bootstrapped as Debian, not as ${flavor.title}`,
      {
        exit: 'invalidInput',
        hint: 'Leave the flavor out, or bring a root of that distribution with dir:, tar: or oci:.',
      },
    );
  }
}

/**
 * Reads a definition.
 * @throws KairosError `YAML_INVALID`, `DEFINITION_INVALID`, `BASE_UNKNOWN`, `FLAVOR_UNKNOWN`, `FLAVOR_UNSUITABLE`,
 * `COMPONENT_UNKNOWN`, each with the position
 */
export function readDefinition(text: string, file: string): LocatedDefinition {
  const { value, document } = readDocument(definitionSchema, text, file, 'DEFINITION');
  for (const [index, entry] of (value.files ?? []).entries()) {
    if ((entry.content === undefined) === (entry.source === undefined)) {
      const position = document.positionOf(['files', index]);
      throw new KairosError(
        'DEFINITION_INVALID',
        `${file}:${position.line}:${position.column}: the file ${entry.path} needs either content or source`,
        { exit: 'invalidInput', position },
      );
    }
  }
  for (const [path, check] of nameChecks(value)) {
    try {
      check();
    } catch (error) {
      if (!(error instanceof KairosError)) throw error;
      const position = document.positionOf(path);
      throw new KairosError(error.code, `${file}:${position.line}:${position.column}: ${error.message}`, {
        exit: error.exit,
        position,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
  }
  return { definition: value, directory: dirname(file) };
}

/**
 * Checks what flags say as a definition.
 * @throws KairosError as {@link readDefinition}, without positions
 */
export function readDefinitionFlags(values: Readonly<Record<string, unknown>>): Definition {
  const definition = checkValue(definitionSchema, values, 'DEFINITION');
  for (const [, check] of nameChecks(definition)) check();
  return definition;
}

/** Lays what flags say over a definition: lists are added to, everything else is replaced. */
export function mergeDefinition(below: Definition, above: Definition): Definition {
  const lists = [
    'components',
    'withoutComponents',
    'packages',
    'files',
    'cloudConfigs',
    'kernelArguments',
  ] as const;
  const merged: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) {
    if (value === undefined) continue;
    const present = merged[key];
    if ((lists as readonly string[]).includes(key) && Array.isArray(present) && Array.isArray(value)) {
      merged[key] = [...present, ...value];
    } else if (key === 'filesystem')
      merged[key] = { ...(present as object | undefined), ...(value as object) };
    else merged[key] = value;
  }
  return merged as Definition;
}
