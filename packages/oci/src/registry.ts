import { KairosError } from '@kairos/facts/errors';
import { mediaTypes } from '@kairos/facts/media-types';
import { type ContentSource, readIndex } from './content.ts';
import { type CredentialStore, noCredentials } from './credentials.ts';
import type { Descriptor } from './descriptor.ts';
import { sha256Of, shortDigest, verified } from './digest.ts';
import { HttpClient, type HttpOptions, type HttpResponse, TransientError } from './http-client.ts';
import { maximumDocument } from './manifest.ts';
import { printReference, type Reference } from './reference.ts';
import type { RegistryPlace } from './registries-config.ts';
import { RegistryEndpoint, unexpected } from './registry-endpoint.ts';
import { listReferrers } from './registry-referrers.ts';
import { listTags } from './registry-tags.ts';

export interface RegistryOptions extends HttpOptions {
  readonly credentials?: CredentialStore;
  /** Registries (`host:port`) that may speak http or have a certificate that nobody vouches for; `true` for all. */
  readonly insecure?: boolean | readonly string[];
  /**
   * Mirrors by registry, asked first and in order: `host:port`, or `host:port/prefix` where repositories lie below a
   * prefix. What they give is checked like everything else.
   */
  readonly mirrors?: Readonly<Record<string, readonly string[]>>;
  /** Places to ask, in their order, for references of registries that `mirrors` does not name. */
  readonly places?: (reference: Reference) => readonly RegistryPlace[];
}

/** A repository in a registry, from the side of whoever pulls. */
export interface Registry extends ContentSource {
  readonly reference: Reference;
  /** Descriptor of what the reference's tag or digest stands for now. */
  resolve(): Promise<Descriptor>;
  /** All tags of the repository, in the registry's order. */
  tags(): Promise<string[]>;
  /** Another image of the same repository. It is closed with this one. */
  sibling(image: { readonly tag: string } | { readonly digest: string }): Registry;
  /**
   * Manifests that refer to one by `subject` (distribution-spec, "Listing Referrers"), also in registries that do not
   * know of that and keep an index of them under a tag.
   */
  referrers(digest: string): Promise<readonly Descriptor[]>;
  /**
   * The bytes of a blob from `offset` on, not checked; a broken connection is taken up again where it broke. A chunk is
   * valid until the next one is asked for.
   * @throws KairosError `BLOB_MISSING`, `BLOB_TRUNCATED`, and what the registry's answers throw
   */
  blobFrom(descriptor: Descriptor, offset: number): AsyncIterable<Uint8Array>;
}

const accepted = [
  mediaTypes.index,
  mediaTypes.manifest,
  mediaTypes.dockerIndex,
  mediaTypes.dockerManifest,
].join(', ');
/** Bytes of manifests and indexes that are kept: an index may name a thousand, each of 4 MiB. */
const maximumKept = 32 * 1024 * 1024;
export function mayBeInsecure(options: RegistryOptions, registry: string): boolean {
  const { insecure = false } = options;
  return typeof insecure === 'boolean' ? insecure : insecure.includes(registry);
}

function endpointsFor(reference: Reference, options: RegistryOptions, http: HttpClient): RegistryEndpoint[] {
  const credentials = options.credentials ?? noCredentials;
  const mirrors = options.mirrors?.[reference.registry];
  const places: readonly { registry: string; repository: string; insecure?: boolean }[] =
    mirrors === undefined && options.places !== undefined
      ? options.places(reference)
      : [
          ...(mirrors ?? []).map((mirror) => {
            const [registry = '', ...prefix] = mirror.split('/');
            return { registry, repository: [...prefix.filter(Boolean), reference.repository].join('/') };
          }),
          reference,
        ];
  return places.map(
    ({ registry, repository, insecure = false }) =>
      new RegistryEndpoint(
        {
          registry,
          repository,
          insecure: insecure || mayBeInsecure(options, registry),
          actions: 'pull',
        },
        http,
        credentials,
      ),
  );
}

/** True where a mirror's failure is a reason to ask elsewhere. */
function elsewhere(error: unknown): error is KairosError {
  return (
    error instanceof KairosError &&
    (error.exit === 'network' || error.exit === 'notFound' || error.exit === 'corruptSource')
  );
}

class RegistryClient implements Registry {
  readonly name: string;
  private readonly http: HttpClient;
  private readonly endpoints: readonly RegistryEndpoint[];
  private readonly documents = new Map<string, Uint8Array>();
  private kept = 0;
  private resolved: Promise<Descriptor> | undefined;

  private readonly siblings: Registry[] = [];

  constructor(
    readonly reference: Reference,
    private readonly options: RegistryOptions,
  ) {
    this.name = printReference(reference);
    this.http = new HttpClient(options);
    this.endpoints = endpointsFor(reference, options, this.http);
  }

  close(): void {
    for (const sibling of this.siblings) sibling.close();
    this.http.close();
  }

  sibling(image: { readonly tag: string } | { readonly digest: string }): Registry {
    const { registry, repository } = this.reference;
    const sibling = new RegistryClient({ registry, repository, ...image }, this.options);
    this.siblings.push(sibling);
    return sibling;
  }

  async referrers(digest: string): Promise<readonly Descriptor[]> {
    const listed = await this.anywhere((endpoint) => listReferrers(this.http, endpoint, digest));
    if (listed !== undefined) return listed;
    const tagged = this.sibling({ tag: digest.replace(':', '-').slice(0, 128) });
    try {
      return (await readIndex(tagged, await tagged.resolve())).manifests;
    } catch (error) {
      if (error instanceof KairosError && error.code === 'IMAGE_NOT_FOUND') return [];
      throw error;
    }
  }

  async roots(): Promise<readonly Descriptor[]> {
    return [await this.resolve()];
  }

  resolve(): Promise<Descriptor> {
    this.resolved ??= this.fetchRoot();
    return this.resolved;
  }

  /** Asks the mirrors in turn, then the registry itself, whose failure is what the user learns. */
  private async anywhere<T>(ask: (endpoint: RegistryEndpoint) => Promise<T>): Promise<T> {
    let last: unknown;
    for (const endpoint of this.endpoints) {
      try {
        return await ask(endpoint);
      } catch (error) {
        if (!elsewhere(error)) throw error;
        last = error;
      }
    }
    throw last;
  }

  private keep({ digest }: Descriptor, bytes: Uint8Array): void {
    if (this.kept + bytes.length > maximumKept) return;
    this.kept += bytes.length;
    this.documents.set(digest, bytes);
  }

  private fetchRoot(): Promise<Descriptor> {
    const { tag, digest } = this.reference;
    return this.anywhere(async (endpoint) => {
      const { bytes, response } = await this.getDocument(endpoint, digest ?? tag ?? 'latest');
      const found = sha256Of(bytes);
      const stated = digest ?? response.headers.get('docker-content-digest') ?? found;
      const descriptor: Descriptor = {
        mediaType: documentType(response, bytes),
        digest: stated.startsWith('sha512:') ? stated : found,
        size: bytes.length,
      };
      if (stated !== descriptor.digest) {
        throw new KairosError(
          'DIGEST_MISMATCH',
          `${endpoint.options.registry} gives a manifest with the digest ${found} for ${stated}`,
          { exit: 'corruptSource', details: { expected: stated, found } },
        );
      }
      // What has a sha512 digest is checked here; its bytes are all there.
      for await (const _ of verified(once(bytes), descriptor, this.name));
      this.keep(descriptor, bytes);
      return descriptor;
    });
  }

  private async getDocument(
    endpoint: RegistryEndpoint,
    reference: string,
    missing = () =>
      new KairosError('IMAGE_NOT_FOUND', `There is no ${this.name}`, {
        exit: 'notFound',
        hint: `Check the name and the tag; ${endpoint.options.registry} was asked.`,
      }),
  ): Promise<{ bytes: Uint8Array; response: HttpResponse }> {
    const url = await endpoint.url(`manifests/${reference}`);
    return this.http.ask(
      () => endpoint.send(url, { headers: { accept: accepted } }),
      async (response) => {
        if (response.status === 404) {
          response.discard();
          throw missing();
        }
        if (response.status !== 200) throw await unexpected(response, 'a manifest');
        return { bytes: await response.bytes(maximumDocument, `The manifest of ${this.name}`), response };
      },
    );
  }

  async document(descriptor: Descriptor): Promise<Uint8Array> {
    const known = this.documents.get(descriptor.digest);
    if (known !== undefined) return known;
    const bytes = await this.anywhere(async (endpoint) => {
      const document = await this.getDocument(endpoint, descriptor.digest, () =>
        blobMissing(endpoint, 'manifest', descriptor),
      );
      for await (const _ of verified(once(document.bytes), descriptor, this.name));
      return document.bytes;
    });
    this.keep(descriptor, bytes);
    return bytes;
  }

  blob(descriptor: Descriptor): AsyncIterable<Uint8Array> {
    return verified(this.pieces(descriptor, 0, false), descriptor, this.name);
  }

  blobFrom(descriptor: Descriptor, offset: number): AsyncGenerator<Uint8Array> {
    return this.pieces(descriptor, offset, true);
  }

  /** @param release gives the memory of a chunk back when the next one is asked for */
  private async *pieces(
    descriptor: Descriptor,
    offset: number,
    release: boolean,
  ): AsyncGenerator<Uint8Array> {
    let at = offset;
    let failures = 0;
    let turn = 0;
    while (at < descriptor.size) {
      const endpoint = this.endpoints[turn] as RegistryEndpoint;
      const last = turn === this.endpoints.length - 1;
      const before = at;
      try {
        for await (const chunk of this.blobOnce(endpoint, descriptor, at, release)) {
          at += chunk.length;
          yield chunk;
        }
        if (at < descriptor.size) throw cut(descriptor, at, this.name);
      } catch (error) {
        if (!last && elsewhere(error)) {
          turn++;
          continue;
        }
        // Only a connection that brings nothing new counts towards giving up.
        failures = at > before ? 1 : failures + 1;
        if (!(error instanceof TransientError) || failures >= this.http.attempts) throw error;
        await this.http.pause(failures, error.wait);
      }
    }
  }

  private async *blobOnce(
    endpoint: RegistryEndpoint,
    descriptor: Descriptor,
    offset: number,
    release: boolean,
  ): AsyncGenerator<Uint8Array> {
    const url = await endpoint.url(`blobs/${descriptor.digest}`);
    const response = await endpoint.send(url, offset === 0 ? {} : { headers: { range: `bytes=${offset}-` } });
    let skip = 0;
    if (response.status === 206) {
      const start = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1];
      if (Number(start) !== offset) throw await unexpected(response, `a blob from byte ${offset} on`);
    } else if (response.status === 200) {
      // No Range there: what is here already passes unread.
      skip = offset;
    } else if (response.status === 416) {
      response.discard();
      throw cut(descriptor, offset, this.name);
    } else if (response.status === 404) {
      response.discard();
      throw blobMissing(endpoint, 'blob', descriptor);
    } else throw await unexpected(response, 'a blob');
    for await (const chunk of response.body(release)) {
      if (skip >= chunk.length) {
        skip -= chunk.length;
        continue;
      }
      const bytes = skip === 0 ? chunk : chunk.subarray(skip);
      skip = 0;
      yield bytes;
    }
  }

  tags(): Promise<string[]> {
    return this.anywhere((endpoint) => listTags(this.http, endpoint));
  }
}

function blobMissing({ name }: RegistryEndpoint, kind: string, { digest }: Descriptor): KairosError {
  return new KairosError('BLOB_MISSING', `${name} does not hold ${kind} ${shortDigest(digest)}`, {
    exit: 'corruptSource',
    details: { digest },
  });
}

function cut(descriptor: Descriptor, at: number, name: string): TransientError {
  return new TransientError(
    'BLOB_TRUNCATED',
    `Blob ${shortDigest(descriptor.digest)} of ${name} ends after ${at} of ${descriptor.size} bytes`,
    { hint: 'The registry or a proxy cuts it off; run again to continue.' },
  );
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The media type that a manifest says of itself, or else that the answer says of it. */
function documentType(response: HttpResponse, bytes: Uint8Array): string {
  try {
    const document: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    if (typeof document === 'object' && document !== null && 'mediaType' in document) {
      if (typeof document.mediaType === 'string') return document.mediaType;
    }
  } catch {
    // The parser of manifests says more about it.
  }
  return (response.headers.get('content-type') ?? '').split(';')[0]?.trim() || mediaTypes.manifest;
}

/** A client for the repository of a reference. Nothing is asked before the first call. */
export function openRegistry(reference: Reference, options: RegistryOptions = {}): Registry {
  return new RegistryClient(reference, options);
}
