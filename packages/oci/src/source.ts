import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import { annotations } from '@kairos/facts/media-types';
import { slotFiles } from '@kairos/facts/slot';
import { didYouMean } from '@kairos/facts/suggest';
import type { Host } from '@kairos/host/host';
import { openOrdinary } from '@kairos/host/ordinary-file';
import { openArchive } from './archive.ts';
import type { BootForm } from './boot-form.ts';
import { findBootForm } from './boot-form-content.ts';
import { bootFormFromDirectory } from './boot-form-directory.ts';
import { type ContainerImage, findContainerImage } from './container-image.ts';
import type { ContentSource } from './content.ts';
import { fileCredentials } from './credentials.ts';
import { compressionOf } from './decompress.ts';
import { isLayout, openLayout } from './layout.ts';
import { parseReference, withoutPassword } from './reference.ts';
import { machineRegistries } from './registries-config.ts';
import { openRegistry, type Registry, type RegistryOptions } from './registry.ts';
import { machineAuthorities } from './trusted-authorities.ts';

/** Ways to name where an image is. */
export const sourceSchemes = [
  'oci',
  'docker',
  'oci-archive',
  'ocifile',
  'docker-archive',
  'dir',
  'file',
] as const;
export type SourceScheme = (typeof sourceSchemes)[number];

export interface ParsedSource {
  readonly scheme: SourceScheme;
  /** What follows the scheme: a reference or a path. */
  readonly value: string;
}

const isScheme = (text: string): text is SourceScheme => (sourceSchemes as readonly string[]).includes(text);

/**
 * Splits a source as users write it. Without a scheme it is an image reference, or a path where it begins with `/` or
 * `.`, which no reference does.
 * @throws KairosError `SOURCE_INVALID`
 */
export function parseSource(text: string): ParsedSource {
  const invalid = (reason: string, hint: string) =>
    new KairosError('SOURCE_INVALID', `Not a source: ${JSON.stringify(withoutPassword(text))}: ${reason}`, {
      exit: 'invalidInput',
      hint,
    });
  const known = `Sources are ${sourceSchemes.map((scheme) => `${scheme}:`).join(', ')}, or an image reference.`;
  if (text.trim() === '') throw invalid('it is empty', known);
  if (/^[/.]/.test(text)) return { scheme: 'oci', value: text };
  const [, scheme, rest = ''] = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s.exec(text) ?? [];
  if (scheme === undefined) return { scheme: 'oci', value: text };
  if (isScheme(scheme)) {
    // `docker://` and `oci://` are written too.
    const value = scheme === 'docker' || scheme === 'oci' ? rest.replace(/^\/\/(?!\/)/, '') : rest;
    if (value === '') throw invalid(`nothing follows ${scheme}:`, known);
    return { scheme, value };
  }
  // `debian:13` and `host:5000/name` are references; a tag has no slash, a port is a number.
  if (/^\d+\/|^[^/]*$/.test(rest)) return { scheme: 'oci', value: text };
  const meant = didYouMean(scheme, sourceSchemes);
  throw invalid(
    `the kind ${JSON.stringify(scheme)} is not known${meant === undefined ? '' : `, did you mean ${JSON.stringify(meant)}?`}`,
    known,
  );
}

/** An image wherever it is, opened. */
export interface OpenSource extends ParsedSource {
  /** As the user named it. */
  readonly uri: string;
  /** Its manifests and blobs, where it has them: all but directories and image files. */
  readonly content?: ContentSource;
  /** The registry, where it is in one. */
  readonly registry?: Registry;
  /** The directory of `dir:`, or the file of `file:`. */
  readonly path?: string;
  /** The boot form for an architecture; `undefined` where there is none. @throws KairosError `WRONG_ARCHITECTURE` */
  bootForm(options: { readonly architecture: Architecture }): Promise<BootForm | undefined>;
  /** The image of layers for an architecture; `undefined` where there is none. @throws KairosError `WRONG_ARCHITECTURE` */
  containerImage(options: { readonly architecture: Architecture }): Promise<ContainerImage | undefined>;
  close(): void;
}

export interface OpenSourceOptions {
  readonly host: Host;
  /** Settings of registries; credentials and certificates of the machine are used where none are given. */
  readonly registry?: RegistryOptions;
}

/** Splits `PATH[:NAME]`: a colon belongs to the path where the path with it exists. */
function splitPath(value: string): { path: string; name?: string } {
  if (existsSync(value)) return { path: value };
  for (let colon = value.indexOf(':'); colon >= 0; colon = value.indexOf(':', colon + 1)) {
    const path = value.slice(0, colon);
    if (path !== '' && existsSync(path)) return { path, name: value.slice(colon + 1) };
  }
  return { path: value };
}

/** A source with only the image of one name, where it holds several. */
function selected(content: ContentSource, name: string | undefined): ContentSource {
  const nameOf = (notes: Readonly<Record<string, string>> | undefined) => notes?.[annotations.refName];
  return {
    ...content,
    roots: async () => {
      const roots = await content.roots();
      const names = [
        ...new Set(roots.map((root) => nameOf(root.annotations)).filter((one) => one !== undefined)),
      ];
      if (name === undefined) {
        if (names.length <= 1) return roots;
        throw new KairosError(
          'SOURCE_AMBIGUOUS',
          `${content.name} holds ${names.length} images: ${names.join(', ')}`,
          {
            exit: 'invalidInput',
            hint: `Name one: ${content.name}:${names[0]}`,
          },
        );
      }
      const found = roots.filter((root) => nameOf(root.annotations) === name);
      if (found.length > 0) return found;
      const meant = didYouMean(name, names);
      throw new KairosError(
        'IMAGE_NOT_FOUND',
        `${content.name} holds no image of that name${meant === undefined ? '' : `, did you mean ${JSON.stringify(meant)}?`}`,
        {
          exit: 'notFound',
          hint: names.length === 0 ? 'Its images have no names.' : `It holds: ${names.join(', ')}`,
        },
      );
    },
  };
}

function ofContent(parsed: ParsedSource, uri: string, content: ContentSource, path?: string): OpenSource {
  return {
    ...parsed,
    uri,
    content,
    ...(path === undefined ? {} : { path }),
    bootForm: (options) => findBootForm(content, options),
    containerImage: (options) => findContainerImage(content, options),
    close: () => content.close(),
  };
}

function ofPath(parsed: ParsedSource, uri: string, path: string): OpenSource {
  return {
    ...parsed,
    uri,
    path,
    async bootForm({ architecture }) {
      if (!existsSync(join(path, slotFiles.manifest))) return undefined;
      const form = bootFormFromDirectory(path, uri);
      if (form.manifest.architecture === architecture) return form;
      throw new KairosError(
        'WRONG_ARCHITECTURE',
        `${uri} is for ${form.manifest.architecture}, not for ${architecture}`,
        { exit: 'unsuitableImage', details: { wanted: architecture, found: [form.manifest.architecture] } },
      );
    },
    containerImage: async () => undefined,
    close: () => undefined,
  };
}

/** Whether a file begins as tar archives do, compressed or not. */
async function looksLikeArchive(path: string): Promise<boolean> {
  const handle = await openOrdinary(path, { exit: 'corruptSource' });
  try {
    const start = Buffer.alloc(512);
    await handle.read(start, 0, 512, 0);
    return compressionOf(start) !== 'none' || start.toString('latin1', 257, 262) === 'ustar';
  } finally {
    await handle.close();
  }
}

/**
 * Opens a source. Files and layouts are looked at now, a registry when something is asked of it.
 * @throws KairosError `SOURCE_INVALID`, `SOURCE_NOT_FOUND`, `REFERENCE_INVALID`, and what opening layouts and archives
 *   throws
 */
export async function openSource(uri: string, options: OpenSourceOptions): Promise<OpenSource> {
  const { host } = options;
  const parsed = parseSource(uri);
  const { scheme, value } = parsed;
  const { path: given, name } = splitPath(host.files.real(value));
  const status = statSync(given, { throwIfNoEntry: false });
  const path = given;
  const explicit = /^[/.]/.test(value);
  if (scheme === 'docker' || (scheme === 'oci' && !explicit && !(status?.isDirectory() && isLayout(path)))) {
    const registry = openRegistry(parseReference(value), {
      credentials: fileCredentials(host),
      certificateAuthorities: machineAuthorities(host),
      places: machineRegistries(host),
      ...options.registry,
    });
    return { ...ofContent(parsed, uri, registry), registry };
  }
  if (status === undefined) {
    throw new KairosError('SOURCE_NOT_FOUND', `There is no ${value}, which ${withoutPassword(uri)} names`, {
      exit: 'notFound',
      ...(scheme === 'oci' ? { hint: 'For an image in a registry write oci:HOST/NAME:TAG.' } : {}),
    });
  }
  if (scheme === 'oci-archive' || scheme === 'docker-archive' || scheme === 'ocifile') {
    const kind = scheme === 'oci-archive' ? 'oci' : scheme === 'docker-archive' ? 'docker' : undefined;
    return ofContent(parsed, uri, selected(await openArchive(path, `${scheme}:${path}`, kind), name));
  }
  if (status.isDirectory()) {
    if (isLayout(path)) return ofContent(parsed, uri, selected(openLayout(path, `oci:${path}`), name), path);
    if (scheme === 'dir' || existsSync(join(path, slotFiles.manifest))) return ofPath(parsed, uri, path);
    throw new KairosError('SOURCE_INVALID', `${value} is a directory, and not an OCI image layout`, {
      exit: 'notFound',
      hint: `For the files of a root or of a slot write dir:${value}`,
    });
  }
  if (scheme === 'dir') {
    throw new KairosError('SOURCE_NOT_FOUND', `${value} is not a directory`, { exit: 'notFound' });
  }
  if (await looksLikeArchive(path)) {
    return ofContent(parsed, uri, selected(await openArchive(path, uri), name), path);
  }
  return { ...ofPath(parsed, uri, path), bootForm: async () => undefined };
}
