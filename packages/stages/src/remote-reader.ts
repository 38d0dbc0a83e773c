import type { RemoteReader } from '@kairos/config/remote';
import { renderTemplate } from '@kairos/config/template';
import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import type { StageServices } from './context.ts';
import { randomWord, type StageFacts, stageFacts } from './facts.ts';
import { fetchContent } from './fetch-content.ts';
import { defaultServices } from './services.ts';

/** Texts of a value made fit for a place in a URL. */
function escaped(value: unknown): unknown {
  if (typeof value === 'string') return encodeURIComponent(value);
  if (Array.isArray(value)) return value.map(escaped);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, escaped(item)]));
}

/** The path of a configuration that lies on the machine: `cos.setup=/oem/x.yaml`, `file:///oem/x.yaml`. */
export function localPath(url: string): string | undefined {
  if (url.startsWith('/')) return url;
  return url.startsWith('file:///') ? url.slice('file://'.length) : undefined;
}

function readLocal(host: Host, path: string, maximumBytes: number): string {
  if (host.files.status(path) === undefined) {
    throw new KairosError('CONFIG_URL_MISSING', `there is no file ${path}`, { exit: 'notFound' });
  }
  return host.files.readOrdinaryText(path, maximumBytes);
}

/**
 * Reads what `config_url` names, for this machine: addresses of http and https with certificates checked, and files.
 * A URL may be a template over `.Values`, the system information, whose texts are escaped; a key that is not there is
 * an error, because the URL of another machine would be worse than none.
 *
 * @param patience milliseconds for one attempt
 */
export function remoteReader(
  host: Host,
  options: {
    readonly services?: Partial<StageServices>;
    readonly facts?: StageFacts;
    readonly patience?: number;
  } = {},
): RemoteReader {
  const services = { ...defaultServices, ...options.services };
  const facts = options.facts ?? stageFacts(host);
  return {
    ...(options.patience === undefined ? {} : { patience: options.patience }),
    async fetchText(url, { maximumBytes, signal }) {
      const path = localPath(url);
      if (path !== undefined) return readLocal(host, path, maximumBytes);
      const bytes = await fetchContent(services, url, {
        size: maximumBytes,
        time: options.patience ?? 30_000,
        signal,
      });
      return new TextDecoder().decode(bytes);
    },
    render(url) {
      if (!url.includes('{{')) return url;
      const values = escaped(facts.values);
      return renderTemplate(
        url,
        { Values: { ...(values as object), Random: randomWord(32) } },
        { file: 'config_url', missingKey: 'error' },
      );
    },
    wait: services.delay,
  };
}
