import { mediaTypes } from '@kairos/facts/media-types';
import type { Descriptor } from './descriptor.ts';
import type { HttpClient } from './http-client.ts';
import { nextPage } from './link-header.ts';
import { maximumDocument, parseIndex } from './manifest.ts';
import type { RegistryEndpoint } from './registry-endpoint.ts';

/** Each page may have 4 MiB. */
const maximumPages = 50;

/**
 * What refers to a digest, page after page (OCI distribution specification 1.1, "Listing Referrers"); `undefined` where
 * the registry does not know the question.
 * @throws KairosError `MANIFEST_INVALID`, and what the endpoint throws
 */
export async function listReferrers(
  http: HttpClient,
  endpoint: RegistryEndpoint,
  digest: string,
): Promise<readonly Descriptor[] | undefined> {
  const found: Descriptor[] = [];
  const seen = new Set<string>();
  let url: string | undefined = await endpoint.url(`referrers/${digest}`);
  while (url !== undefined && !seen.has(url) && seen.size < maximumPages) {
    const here: string = url;
    seen.add(here);
    const page = await http.ask(
      () => endpoint.send(here, { headers: { accept: mediaTypes.index } }),
      async (response) => {
        const isIndex = (response.headers.get('content-type') ?? '').startsWith(mediaTypes.index);
        if (response.status === 200 && isIndex) {
          const bytes = await response.bytes(maximumDocument, `The referrers of ${endpoint.name}`);
          const { manifests } = parseIndex(bytes, endpoint.name);
          return { manifests, next: nextPage(response.headers.get('link'), here) };
        }
        response.discard();
        // 404, and whatever else registries answer that do not know the question.
        return undefined;
      },
    );
    if (page === undefined) return found.length === 0 ? undefined : found;
    found.push(...page.manifests);
    url = page.next;
  }
  return found;
}
