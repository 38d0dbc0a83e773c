import { KairosError } from '@kairos/facts/errors';
import { z } from 'zod';
import type { HttpClient } from './http-client.ts';
import { nextPage } from './link-header.ts';
import { maximumDocument } from './manifest.ts';
import { isTag } from './reference.ts';
import { type RegistryEndpoint, unexpected } from './registry-endpoint.ts';

const maximumTags = 200_000;
/** A registry may go on giving pages that bring nothing new. */
const maximumPages = 2000;
const tagsSchema = z.object({ tags: z.array(z.string()).nullable() });

function parseTags(bytes: Uint8Array, name: string): string[] {
  try {
    return tagsSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8'))).tags ?? [];
  } catch (cause) {
    throw new KairosError('REGISTRY_ERROR', `The list of tags of ${name} is not valid`, {
      exit: 'network',
      cause,
    });
  }
}

async function tagPage(
  http: HttpClient,
  endpoint: RegistryEndpoint,
  url: string,
): Promise<{ tags: readonly string[]; next: string | undefined }> {
  return http.ask(
    () => endpoint.send(url),
    async (response) => {
      if (response.status === 404) {
        response.discard();
        throw new KairosError('IMAGE_NOT_FOUND', `There is no repository ${endpoint.name}`, {
          exit: 'notFound',
        });
      }
      if (response.status !== 200) throw await unexpected(response, 'tags');
      const bytes = await response.bytes(maximumDocument, `The list of tags of ${endpoint.name}`);
      const next = nextPage(response.headers.get('link'), url);
      // What is no tag cannot be asked for, and could be as long as a page.
      return { tags: parseTags(bytes, endpoint.name).filter(isTag), next };
    },
  );
}

/**
 * All tags of a repository, in the registry's order.
 * @throws KairosError `IMAGE_NOT_FOUND`, `REGISTRY_ERROR`, and what the endpoint throws
 */
export async function listTags(http: HttpClient, endpoint: RegistryEndpoint): Promise<string[]> {
  const tags = new Set<string>();
  const seen = new Set<string>();
  let url: string | undefined = await endpoint.url('tags/list?n=1000');
  while (url !== undefined && !seen.has(url) && tags.size < maximumTags && seen.size < maximumPages) {
    seen.add(url);
    const page = await tagPage(http, endpoint, url);
    for (const tag of page.tags) tags.add(tag);
    url = page.next;
  }
  return [...tags];
}
