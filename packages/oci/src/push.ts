import { KairosError } from '@kairos/facts/errors';
import { mediaTypes } from '@kairos/facts/media-types';
import { canonicalJson } from './canonical-json.ts';
import { type ContentSource, readIndex, readManifest } from './content.ts';
import { noCredentials } from './credentials.ts';
import type { Descriptor } from './descriptor.ts';
import { sha256Of, shortDigest } from './digest.ts';
import { HttpClient } from './http-client.ts';
import { isIndexType, isManifestType } from './manifest.ts';
import type { Reference } from './reference.ts';
import { mayBeInsecure, type RegistryOptions } from './registry.ts';
import { RegistryEndpoint, unexpected } from './registry-endpoint.ts';

/** Bytes of one piece of an upload: as much as is kept in memory, to be sent again where it fails. */
const pieceSize = 4 * 1024 * 1024;

export interface PushOptions extends RegistryOptions {
  /** Called for each blob and manifest as it is there; `sent` is false where the registry had it. */
  readonly onBlob?: (descriptor: Descriptor, sent: boolean) => void;
}

/** Pieces of a set size, whatever the chunks. A piece is valid until the next one is asked for. */
async function* pieces(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const piece = Buffer.allocUnsafeSlow(pieceSize);
  let filled = 0;
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + pieceSize - filled);
      piece.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled === pieceSize) {
        yield piece;
        filled = 0;
      }
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}

class Pusher {
  private readonly http: HttpClient;
  private readonly endpoint: RegistryEndpoint;

  constructor(
    reference: Reference,
    private readonly source: ContentSource,
    private readonly options: PushOptions,
  ) {
    const { registry, repository } = reference;
    this.http = new HttpClient(options);
    this.endpoint = new RegistryEndpoint(
      { registry, repository, insecure: mayBeInsecure(options, registry), actions: 'pull,push' },
      this.http,
      options.credentials ?? noCredentials,
    );
  }

  close(): void {
    this.http.close();
  }

  private location(response: { headers: Headers; url: string }): string {
    const next = URL.parse(response.headers.get('location') ?? '', response.url);
    if (next === null || !/^https?:$/.test(next.protocol)) {
      throw new KairosError('REGISTRY_ERROR', `${this.endpoint.name} names no place for an upload`, {
        exit: 'network',
      });
    }
    return next.href;
  }

  /** Uploads a blob in pieces (distribution-spec, "Pushing a blob in chunks"), unless it is there. */
  async blob(descriptor: Descriptor): Promise<void> {
    const { endpoint } = this;
    const head = await endpoint.send(await endpoint.url(`blobs/${descriptor.digest}`), { method: 'HEAD' });
    head.discard();
    if (head.status === 200) {
      this.options.onBlob?.(descriptor, false);
      return;
    }
    if (head.status !== 404) throw await unexpected(head, 'a blob');
    let response = await endpoint.send(await endpoint.url('blobs/uploads/'), {
      method: 'POST',
      body: new Uint8Array(),
    });
    if (response.status !== 202) throw await unexpected(response, 'an upload');
    let url = this.location(response);
    let at = 0;
    for await (const piece of pieces(this.source.blob(descriptor))) {
      response.discard();
      response = await endpoint.send(url, {
        method: 'PATCH',
        body: piece,
        headers: {
          'content-type': 'application/octet-stream',
          'content-range': `${at}-${at + piece.length - 1}`,
        },
      });
      if (response.status !== 202) throw await unexpected(response, `bytes ${at} and on of an upload`);
      at += piece.length;
      url = this.location(response);
    }
    response.discard();
    const last = new URL(url);
    last.searchParams.set('digest', descriptor.digest);
    response = await endpoint.send(last.href, { method: 'PUT', body: new Uint8Array() });
    if (response.status !== 201)
      throw await unexpected(response, `the upload of ${shortDigest(descriptor.digest)}`);
    response.discard();
    this.options.onBlob?.(descriptor, true);
  }

  async document(bytes: Uint8Array, mediaType: string, reference: string): Promise<void> {
    const response = await this.endpoint.send(await this.endpoint.url(`manifests/${reference}`), {
      method: 'PUT',
      body: bytes,
      headers: { 'content-type': mediaType },
    });
    if (response.status !== 201) throw await unexpected(response, 'the upload of a manifest');
    response.discard();
  }

  /** Everything that a manifest or an index needs comes before it: a registry refuses it otherwise. */
  async tree(descriptor: Descriptor, reference = descriptor.digest): Promise<void> {
    if (isIndexType(descriptor.mediaType)) {
      for (const child of (await readIndex(this.source, descriptor)).manifests) await this.tree(child);
    } else if (isManifestType(descriptor.mediaType)) {
      const { config, layers } = await readManifest(this.source, descriptor);
      const seen = new Set<string>();
      for (const blob of [config, ...layers]) {
        if (!seen.has(blob.digest)) await this.blob(blob);
        seen.add(blob.digest);
      }
    } else {
      throw new KairosError('MANIFEST_INVALID', `${this.source.name}: cannot push ${descriptor.mediaType}`, {
        exit: 'corruptSource',
      });
    }
    await this.document(await this.source.document(descriptor), descriptor.mediaType, reference);
    this.options.onBlob?.(descriptor, true);
  }
}

/**
 * Pushes all that a source holds to a repository, and tags it: its one manifest or index as it is, or an index of its
 * several. Gives the descriptor of what the tag stands for.
 * @throws KairosError `REGISTRY_*`, and what the source throws
 */
export async function pushImage(
  source: ContentSource,
  reference: Reference,
  options: PushOptions = {},
): Promise<Descriptor> {
  const tag = reference.tag ?? 'latest';
  const roots = await source.roots();
  const [only] = roots;
  const pusher = new Pusher(reference, source, options);
  try {
    if (only !== undefined && roots.length === 1) {
      await pusher.tree(only, tag);
      return only;
    }
    for (const root of roots) await pusher.tree(root);
    const index = Buffer.from(
      canonicalJson({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: roots }),
    );
    await pusher.document(index, mediaTypes.index, tag);
    return { mediaType: mediaTypes.index, digest: sha256Of(index), size: index.length };
  } finally {
    pusher.close();
  }
}
