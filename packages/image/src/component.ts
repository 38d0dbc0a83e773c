import { dirname, join, normalize } from 'node:path/posix';
import { KairosError } from '@kairos/facts/errors';
import { didYouMean } from '@kairos/facts/suggest';
import type { Host } from '@kairos/host/host';
import { z } from 'zod';
import { families, inits, roles } from './flavor.ts';
import { imagePath } from './image-path.ts';
import { kernelArgument } from './kernel-argument.ts';
import { readDocument } from './read-document.ts';
import { systemFiles } from './system-data.ts';

const mode = z.string().regex(/^0?[0-7]{3,4}$/, 'expected permission bits such as "0755"');
const path = imagePath;

export const componentSchema = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]*$/, 'expected lower-case letters, digits and hyphens'),
  description: z.string().min(1),
  /** The part that it takes; an image has one component for each. */
  provides: z.enum(['kernel', 'init', 'bootloader', 'initrd']).optional(),
  /** Whether it is in every image unless left out. */
  default: z.boolean().default(false),
  /** Other components that it needs. */
  needs: z.array(z.string()).default([]),
  /** Init systems that it works with; default: every one. */
  inits: z.array(z.enum(inits)).optional(),
  packages: z
    .strictObject({
      /** Roles, for which the flavor names the packages. */
      roles: z.array(z.enum(roles)).default([]),
      /** Package names by family. */
      families: z.partialRecord(z.enum(families), z.array(z.string())).default({}),
    })
    .prefault({}),
  files: z
    .array(
      z.strictObject({
        path,
        /** File beside the manifest. */
        source: z.string().optional(),
        /** Every file below a directory beside the manifest goes below `path`. */
        directory: z.string().optional(),
        content: z.string().optional(),
        mode: mode.default('0644'),
        inits: z.array(z.enum(inits)).optional(),
      }),
    )
    .default([]),
  links: z
    .array(z.strictObject({ path, target: z.string().min(1), inits: z.array(z.enum(inits)).optional() }))
    .default([]),
  directories: z.array(z.strictObject({ path, mode: mode.default('0755') })).default([]),
  /** Services by init system. */
  services: z
    .partialRecord(
      z.enum(inits),
      z.strictObject({ enable: z.array(z.string()).default([]), mask: z.array(z.string()).default([]) }),
    )
    .default({}),
  kernelArguments: z.array(kernelArgument).default([]),
  /** What must be in the image in the end. */
  checks: z
    .array(
      z.strictObject({
        path,
        is: z.enum(['file', 'executable', 'directory']).default('file'),
        inits: z.array(z.enum(inits)).optional(),
        hint: z.string().min(1),
      }),
    )
    .default([]),
});
export type ComponentManifest = z.infer<typeof componentSchema>;

/** A file that a manifest names: a text that the executable carries, or a file of this machine, whatever is in it. */
export type ComponentSource = string | { readonly file: string };

/** A component with the files that its manifest names. */
export interface Component {
  readonly manifest: ComponentManifest;
  /** Where it comes from, for messages. */
  readonly from: string;
  /** Files by their paths relative to the manifest. */
  readonly sources: ReadonlyMap<string, ComponentSource>;
}

function invalid(from: string, message: string, hint?: string): KairosError {
  return new KairosError('COMPONENT_INVALID', `${from}: ${message}`, {
    exit: 'invalidInput',
    ...(hint === undefined ? {} : { hint }),
  });
}

function checkFiles(manifest: ComponentManifest, from: string): void {
  for (const file of manifest.files) {
    const ways = [file.source, file.directory, file.content].filter((way) => way !== undefined).length;
    if (ways !== 1) {
      throw invalid(from, `the file ${file.path} needs exactly one of source, directory and content`);
    }
  }
}

const builtinDirectory = 'components/';
let builtins: ReadonlyMap<string, Component> | undefined;

/** Components that the executable carries, by name. */
export function builtinComponents(): ReadonlyMap<string, Component> {
  builtins ??= new Map(
    Object.entries(systemFiles)
      .filter(([file]) => file.startsWith(builtinDirectory) && file.endsWith('.yaml'))
      .map(([file, text]) => {
        const from = `system/${file}`;
        const { value: manifest } = readDocument(componentSchema, text, from, 'COMPONENT');
        checkFiles(manifest, from);
        // A manifest of ours names files of `system/`.
        return [manifest.name, { manifest, from, sources: new Map(Object.entries(systemFiles)) }];
      }),
  );
  return builtins;
}

/** A path of a manifest as it is a key of {@link Component.sources}: `./files/` is `files`. */
export const plainPath = (relative: string): string => normalize(relative).replace(/(?<=.)\/+$/, '');

function linksAndOthers(from: string, relative: string, kind: string): KairosError {
  return invalid(
    from,
    `${relative} is ${kind === 'symlink' ? 'a symbolic link' : kind === 'directory' ? 'a directory' : 'no ordinary file'}`,
    kind === 'symlink'
      ? 'Lay in the file itself, or make the link in the image with links:.'
      : kind === 'directory'
        ? 'Write directory: instead of source:.'
        : undefined,
  );
}

/** Reads a component of a user: `component.yaml` with its files beside it. */
function readComponent(host: Host, file: string): Component {
  const text = host.files.readTextIfAny(file);
  if (text === undefined) {
    throw new KairosError('COMPONENT_NOT_FOUND', `There is no component manifest ${file}`, {
      exit: 'notFound',
    });
  }
  const { value: manifest } = readDocument(componentSchema, text, file, 'COMPONENT');
  checkFiles(manifest, file);
  const sources = new Map<string, ComponentSource>();
  const inside = (relative: string): string => {
    const plain = plainPath(relative);
    if (plain.startsWith('/') || plain === '..' || plain.startsWith('../')) {
      throw invalid(file, `${relative} is not below the directory of the manifest`);
    }
    return plain;
  };
  const take = (relative: string) => {
    const place = join(dirname(file), relative);
    const kind = host.files.status(place)?.kind;
    if (kind === undefined) throw invalid(file, `there is no file ${relative} beside it`);
    // A link would bring whatever file of this machine it leads to, such as a key of who builds.
    if (kind !== 'file') throw linksAndOthers(file, relative, kind);
    sources.set(relative, { file: place });
  };
  const takeAll = (relative: string) => {
    const there = host.files.status(join(dirname(file), relative))?.kind;
    if (there === undefined) throw invalid(file, `there is no directory ${relative} beside it`);
    if (there !== 'directory') throw invalid(file, `${relative} is not a directory`);
    for (const name of host.files.list(join(dirname(file), relative))) {
      const place = `${relative}/${name}`;
      const kind = host.files.status(join(dirname(file), place))?.kind;
      if (kind === 'directory') takeAll(place);
      else take(place);
    }
  };
  for (const entry of manifest.files) {
    if (entry.source !== undefined) take(inside(entry.source));
    if (entry.directory !== undefined) takeAll(inside(entry.directory));
  }
  return { manifest, from: file, sources };
}

/**
 * A component that the executable carries.
 * @throws KairosError `COMPONENT_UNKNOWN`
 */
export function builtinComponent(name: string): Component {
  const known = builtinComponents();
  const found = known.get(name);
  if (found) return found;
  const meant = didYouMean(name, known.keys());
  throw new KairosError(
    'COMPONENT_UNKNOWN',
    `There is no component ${JSON.stringify(name)}${meant === undefined ? '' : `, did you mean ${JSON.stringify(meant)}?`}`,
    {
      exit: 'invalidInput',
      hint: `Known: ${[...known.keys()].join(', ')}. One of your own is named by its path, such as ./components/mine.`,
    },
  );
}

/**
 * The component that a definition names: one that the executable carries, or a path to a manifest.
 * @param directory What relative paths are relative to.
 * @throws KairosError `COMPONENT_UNKNOWN`, `COMPONENT_NOT_FOUND`, `COMPONENT_INVALID`
 */
export function findComponent(host: Host, name: string, directory: string): Component {
  if (name.includes('/')) {
    const file = name.startsWith('/') ? name : join(directory, name);
    return readComponent(
      host,
      host.files.status(file)?.kind === 'directory' ? join(file, 'component.yaml') : file,
    );
  }
  return builtinComponent(name);
}
