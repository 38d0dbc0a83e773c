import { closeSync, constants, copyFileSync, fsyncSync, openSync, readdirSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { hostArchitecture } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import { formatSize, MiB } from '@kairos/facts/size';
import { urlWithoutSecrets } from '@kairos/facts/url';
import type { Host } from '@kairos/host/host';
import { unpackImage } from '@kairos/oci/container-image';
import { openSource } from '@kairos/oci/source';
import { fetchStream } from '@kairos/stages/fetch-content';
import { checkExtensionName } from './store.ts';

export interface FetchOptions {
  /** `sha256:` and 64 hexadecimal digits that the file has to have; for `file:`, `http:` and `https:`. */
  readonly digest?: string;
  readonly insecure?: boolean;
  readonly signal?: AbortSignal;
  readonly tell: (line: string) => void;
  readonly warn: (message: string) => void;
}

/** Bytes that stay free for the node. */
const reserve = 64 * MiB;
const attempts = 3;
/** Milliseconds for one attempt. */
const downloadTime = 60 * 60_000;

function sizeAllowed(host: Host, folder: string, size: number, what: string): void {
  const free = host.freeSpace(host.files.real(folder)) - reserve;
  if (size <= free) return;
  throw new KairosError(
    'NO_SPACE',
    `${what} has ${formatSize(size)}, and ${formatSize(Math.max(0, free))} are free`,
    {
      exit: 'noSpace',
    },
  );
}

/** The last part of a URL's path; as it is written where its percent signs encode nothing. */
function nameIn(url: string): string {
  const { pathname } = new URL(url);
  try {
    return basename(decodeURIComponent(pathname));
  } catch {
    return basename(pathname);
  }
}

async function download(host: Host, url: string, folder: string, options: FetchOptions): Promise<string> {
  const name = checkExtensionName(nameIn(url));
  const shown = urlWithoutSecrets(url);
  const place = join(host.files.real(folder), name);
  if (url.startsWith('http:') && options.digest === undefined) {
    options.warn(
      `${shown}: whoever is on the way can change what comes over http; name its digest with --digest`,
    );
  }
  options.tell(`fetching ${shown}`);
  await fetchStream(
    { fetch, delay: (milliseconds) => Bun.sleep(milliseconds) },
    url,
    {
      ...{
        size: Math.max(0, host.freeSpace(host.files.real(folder)) - reserve),
        time: downloadTime,
        attempts,
      },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    },
    async (body) => {
      const descriptor = openSync(place, 'w', 0o600);
      try {
        for await (const bytes of body) {
          for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
        }
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    },
  );
  return name;
}

function copyIn(host: Host, path: string, folder: string): string {
  const status = host.files.status(path);
  if (status?.kind !== 'file') {
    throw new KairosError('SOURCE_NOT_FOUND', `There is no file ${path}`, { exit: 'notFound' });
  }
  const name = checkExtensionName(basename(path));
  sizeAllowed(host, folder, status.size, path);
  copyFileSync(host.files.real(path), join(host.files.real(folder), name), constants.COPYFILE_FICLONE);
  host.files.sync(`${folder}/${name}`);
  return name;
}

async function pull(host: Host, reference: string, folder: string, options: FetchOptions): Promise<string[]> {
  const source = await openSource(/^[/.]/.test(reference) ? reference : `docker:${reference}`, {
    host,
    registry: { insecure: options.insecure ?? false },
  });
  const tree = `${folder}/tree`;
  try {
    const image = await source.containerImage({ architecture: hostArchitecture() });
    if (image === undefined) {
      throw new KairosError('NO_EXTENSION', `${reference} is no container image`, {
        exit: 'unsuitableImage',
      });
    }
    options.tell(`fetching ${reference} (${image.descriptor.digest})`);
    sizeAllowed(
      host,
      folder,
      image.manifest.layers.reduce((sum, { size }) => sum + size, 0),
      reference,
    );
    host.files.makeDirectory(tree, { mode: 0o700 });
    await unpackImage(image, host.files.real(tree), {
      devices: 'refuse',
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  } finally {
    source.close();
  }
  const names = readdirSync(host.files.real(tree)).filter(
    (name) => name.endsWith('.raw') && host.files.status(`${tree}/${name}`)?.kind === 'file',
  );
  if (names.length === 0) {
    throw new KairosError('NO_EXTENSION', `${reference} has no *.raw file at its root`, {
      exit: 'unsuitableImage',
      hint: 'Build it as FROM scratch with COPY NAME.raw /',
    });
  }
  for (const name of names) {
    checkExtensionName(name);
    host.files.rename(`${tree}/${name}`, `${folder}/${name}`);
    host.files.sync(`${folder}/${name}`);
  }
  return names;
}

/**
 * Gets the images of a URI into a folder: `oci:` (every `*.raw` at the root of an image), `file:`, `http:`, `https:`.
 * @returns their names
 * @throws KairosError `EXTENSION_URI`, `EXTENSION_NAME`, `NO_EXTENSION`, `DIGEST_MISMATCH`, `NO_SPACE`, and of the source
 */
export async function fetchExtensions(
  host: Host,
  uri: string,
  folder: string,
  options: FetchOptions,
): Promise<string[]> {
  const [, scheme = '', rest = ''] = /^([a-z]+):(.*)$/s.exec(uri) ?? [];
  const { digest } = options;
  if (digest !== undefined && (scheme === 'oci' || !/^sha256:[0-9a-f]{64}$/.test(digest))) {
    throw new KairosError(
      'EXTENSION_URI',
      scheme === 'oci' ? 'An image names its digest itself' : `${JSON.stringify(digest)} is no digest`,
      {
        exit: 'usage',
        hint: scheme === 'oci' ? 'Write oci:NAME@sha256:…' : 'Write sha256: and 64 hexadecimal digits',
      },
    );
  }
  let names: string[];
  if ((scheme === 'http' || scheme === 'https') && URL.canParse(uri)) {
    names = [await download(host, uri, folder, options)];
  } else if (scheme === 'file' && rest !== '') {
    const path = rest.replace(/^\/\/(?=\/)/, '');
    if (!path.startsWith('/')) {
      throw new KairosError('EXTENSION_URI', `${uri}: the path is not absolute`, {
        exit: 'usage',
        hint: 'Write file:/PATH',
      });
    }
    names = [copyIn(host, path, folder)];
  } else if (scheme === 'oci' && rest !== '') {
    names = await pull(host, rest.replace(/^\/\/(?!\/)/, ''), folder, options);
  } else {
    throw new KairosError('EXTENSION_URI', `${JSON.stringify(uri)} names no extension`, {
      exit: 'usage',
      hint: 'Write oci:IMAGE, file:/PATH.raw, http://… or https://…',
    });
  }
  if (digest !== undefined) {
    const found = `sha256:${host.files.sha256(`${folder}/${names[0]}`)}`;
    if (found !== digest) {
      throw new KairosError(
        'DIGEST_MISMATCH',
        `${urlWithoutSecrets(uri)} has the digest ${found}, not ${digest}`,
        {
          exit: 'corruptSource',
        },
      );
    }
  }
  return names;
}
