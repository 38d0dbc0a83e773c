import { createHash } from 'node:crypto';
import type { RemoteReader } from '@kairos/config/remote';
import { KairosError } from '@kairos/facts/errors';
import { paths } from '@kairos/facts/paths';
import { urlWithoutSecrets } from '@kairos/facts/url';
import type { Host, HostFiles } from '@kairos/host/host';
import { remoteReader } from './remote-reader.ts';

/** By digest: a URL may be longer than a name can be, and hold what nobody is to see. */
const placeOf = (url: string) =>
  `${paths.linkedConfigs}/${createHash('sha256').update(url).digest('hex')}.yaml`;

function keep(files: HostFiles, url: string, text: string): void {
  files.makeDirectory(paths.linkedConfigs, { mode: 0o700 });
  files.write(placeOf(url), text, { mode: 0o600 });
}

/** A reader for stages of a boot: what it fetches is kept until the machine stops, for {@link keptLinks}. */
export function keepingLinks(host: Host, reader: RemoteReader): RemoteReader {
  return {
    ...reader,
    async fetchText(url, limits) {
      const text = await reader.fetchText(url, limits);
      keep(host.files, url, text);
      return text;
    },
  };
}

/**
 * Gives what a stage of this boot fetched. For programs that are not to wait for a network, or to fail without one, each
 * time they look at the configuration.
 */
export function keptLinks(host: Host): RemoteReader {
  return {
    ...remoteReader(host),
    attempts: 1,
    async fetchText(url, { maximumBytes }) {
      const place = placeOf(url);
      if (host.files.status(place) !== undefined) return host.files.readOrdinaryText(place, maximumBytes);
      throw new KairosError(
        'CONFIG_URL_NOT_READ',
        `${urlWithoutSecrets(url)} has not been read since the machine was started`,
        { exit: 'network', hint: 'kairos-agent run-stage network reads it' },
      );
    },
  };
}
