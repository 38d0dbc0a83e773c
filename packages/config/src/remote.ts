import { KairosError, reasonOf } from '@kairos/facts/errors';
import { urlWithoutSecrets } from '@kairos/facts/url';
import { maximumFileSize, readDocument } from './collect.ts';
import type { Document } from './document.ts';
import type { Problem } from './problem.ts';

/** What following a chain of `config_url` needs of the world. */
export interface RemoteReader {
  /**
   * The body of a URL.
   * @throws KairosError where it cannot be had; other errors are given as its reason
   */
  fetchText(
    url: string,
    limits: { readonly maximumBytes: number; readonly signal: AbortSignal },
  ): Promise<string>;
  /** Renders a URL that holds template actions. */
  render(url: string): string;
  /** Waits between attempts. */
  wait(milliseconds: number): Promise<void>;
  /** Milliseconds for one attempt. Default 30 s. */
  readonly patience?: number;
  /** Attempts for each URL. Default 3. */
  readonly attempts?: number;
}

const defaultAttempts = 3;
/** Milliseconds between attempts. */
const pause = 1000;
const defaultPatience = 30_000;
/** A longer chain is a loop that changes its name. */
const maximumLinks = 10;

/** The `config_url` of a document, where it has one. */
export function nextUrl(document: Document): string | undefined {
  const value = document.value;
  if (typeof value !== 'object' || value === null || !('config_url' in value)) return undefined;
  return typeof value.config_url === 'string' && value.config_url !== '' ? value.config_url : undefined;
}

/**
 * Follows `config_url` from a document until a document has none. Gives the documents in order of the chain; the
 * caller merges them before the one that names them, so that the nearer wins.
 */
export async function followRemote(
  document: Document,
  reader: RemoteReader,
): Promise<{ documents: Document[]; problems: Problem[] }> {
  const documents: Document[] = [];
  const problems: Problem[] = [];
  const seen = new Set<string>();
  let from = document;
  for (let url = nextUrl(from); url !== undefined; url = nextUrl(from)) {
    const fail = (code: string, message: string, hint?: string) =>
      problems.push({
        severity: 'error',
        code,
        message,
        position: from.positionOf(['config_url']),
        ...(hint === undefined ? {} : { hint }),
      });
    let rendered: string;
    try {
      rendered = reader.render(url);
    } catch (error) {
      fail('CONFIG_URL_TEMPLATE', `config_url cannot be rendered: ${reasonOf(error)}`);
      break;
    }
    const shown = urlWithoutSecrets(rendered);
    if (seen.has(rendered)) {
      fail(
        'CONFIG_URL_LOOP',
        `config_url leads back to ${shown}`,
        'Take config_url out of the last document',
      );
      break;
    }
    if (seen.size >= maximumLinks) {
      fail('CONFIG_URL_CHAIN', `config_url leads through more than ${maximumLinks} documents`);
      break;
    }
    seen.add(rendered);
    let text: string;
    try {
      text = await fetchPatiently(rendered, reader);
    } catch (error) {
      fail('CONFIG_URL_UNREACHABLE', reasonOf(error), error instanceof KairosError ? error.hint : undefined);
      break;
    }
    const read = readDocument(text, shown);
    // A page that is no cloud-config is an error here: somebody meant it to be one.
    problems.push(...read.problems.map((problem) => ({ ...problem, severity: 'error' as const })));
    const [next] = read.documents;
    if (next === undefined) break;
    documents.push(next);
    from = next;
  }
  return { documents, problems };
}

async function fetchPatiently(url: string, reader: RemoteReader): Promise<string> {
  let last: unknown;
  const attempts = reader.attempts ?? defaultAttempts;
  for (let attempt = 1; attempt <= attempts; attempt++) {
    if (attempt > 1) await reader.wait(pause);
    try {
      const text = await reader.fetchText(url, {
        maximumBytes: maximumFileSize,
        signal: AbortSignal.timeout(reader.patience ?? defaultPatience),
      });
      return text;
    } catch (error) {
      last = error;
    }
  }
  const late = last instanceof Error && last.name === 'TimeoutError';
  const shown = urlWithoutSecrets(url);
  const reason = late
    ? `no answer within ${reader.patience ?? defaultPatience} ms`
    : reasonOf(last).replace(`cannot fetch ${shown}: `, '');
  throw new KairosError(
    'CONFIG_URL_UNREACHABLE',
    `${shown} could not be fetched${attempts > 1 ? ` in ${attempts} attempts` : ''}: ${reason}`,
    { exit: 'network', cause: last },
  );
}
