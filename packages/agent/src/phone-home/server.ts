import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import { formatSize, MiB } from '@kairos/facts/size';
import type { Host } from '@kairos/host/host';
import { fetchStream } from '@kairos/stages/fetch-content';
import { z } from 'zod';
import type { PhoneHomeCredentials } from './credentials.ts';
import { nodeAddresses, nodeIdentity, nodeReport } from './node.ts';
import type { PhoneHomeSettings } from './settings.ts';

/*
 * The fleet server's interface for nodes, over plain requests: registration, and what the connection cannot tell.
 */

/** Milliseconds for one request. */
const requestTime = 30_000;
/** Bytes of an answer that are read. */
const maximumAnswer = MiB;
/** Milliseconds for one attempt at an artifact, and bytes that stay free for the node. */
const artifactTime = 2 * 60 * 60_000;
const reserve = 256 * MiB;

const registeredSchema = z.object({
  id: z.union([z.string(), z.number()]).transform(String),
  apiKey: z.string().min(1),
});

async function post(url: string, body: unknown, signal: AbortSignal, bearer?: string): Promise<Response> {
  try {
    return await fetch(url, {
      method: 'POST',
      // A redirection would carry the token to somebody else.
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(requestTime)]),
      headers: {
        'content-type': 'application/json',
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      },
      body: JSON.stringify(body),
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new KairosError('SERVER_UNREACHABLE', `${url} cannot be reached: ${reasonOf(error)}`, {
      exit: 'network',
      cause: error,
    });
  }
}

async function bodyOf(response: Response): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.length > maximumAnswer) break;
  }
  return text;
}

/**
 * Makes the node known to the server, or known again.
 * @throws KairosError `REGISTRATION_REFUSED` where trying again makes no sense, `SERVER_UNREACHABLE`, `SERVER_ANSWER`
 */
export async function register(
  host: Host,
  settings: PhoneHomeSettings,
  signal: AbortSignal,
): Promise<PhoneHomeCredentials> {
  const url = `${settings.url}/api/v1/nodes/register`;
  const { machineID, hostname } = nodeIdentity(host);
  const { agentVersion, bootState } = nodeReport(host, settings.labels);
  const response = await post(
    url,
    {
      ...{ registrationToken: settings.registrationToken, machineID, hostname, agentVersion, bootState },
      ...{ addresses: nodeAddresses(), group: settings.group, labels: settings.labels },
    },
    signal,
  );
  const text = await bodyOf(response);
  if (response.status === 401 || response.status === 403) {
    throw new KairosError(
      'REGISTRATION_REFUSED',
      `${url} refuses this node (${response.status}): ${text.slice(0, 200)}`,
      {
        exit: 'notPermitted',
        hint: 'Check phonehome.registration_token',
      },
    );
  }
  if (!response.ok) {
    throw new KairosError('SERVER_ANSWER', `${url} answered ${response.status}: ${text.slice(0, 200)}`, {
      exit: 'network',
    });
  }
  try {
    const { id, apiKey } = registeredSchema.parse(JSON.parse(text));
    return { nodeId: id, apiKey };
  } catch {
    throw new KairosError('SERVER_ANSWER', `${url} answered something else than credentials`, {
      exit: 'network',
    });
  }
}

/** Whether the server still knows these credentials; `undefined` where it cannot be asked. */
export async function areKnown(
  host: Host,
  settings: PhoneHomeSettings,
  { nodeId, apiKey }: PhoneHomeCredentials,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  try {
    const url = `${settings.url}/api/v1/nodes/${encodeURIComponent(nodeId)}/heartbeat`;
    const response = await post(url, nodeReport(host, settings.labels), signal, apiKey);
    await response.body?.cancel();
    if (response.ok) return true;
    return [401, 403, 404].includes(response.status) ? false : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Fetches the image of an artifact into a file, in as many attempts as the settings have.
 * @throws KairosError `FETCH_FAILED`, `HTTP_STATUS`, `CONTENT_TOO_LARGE`
 */
export async function fetchArtifact(
  host: Host,
  settings: PhoneHomeSettings,
  { apiKey }: PhoneHomeCredentials,
  id: string,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const place = host.files.real(path);
  const url = `${settings.url}/api/v1/artifacts/${encodeURIComponent(id)}/image`;
  const size = Math.max(0, host.freeSpace(place.replace(/\/[^/]*$/, '')) - reserve);
  await fetchStream(
    {
      fetch: (address, options) => fetch(address, { ...options, redirect: 'error' }),
      delay: (milliseconds) => Bun.sleep(milliseconds),
    },
    url,
    {
      ...{
        size,
        time: artifactTime,
        attempts: Math.max(1, settings.artifactRetries),
        pause: settings.artifactInterval,
      },
      ...{ headers: { authorization: `Bearer ${apiKey}` }, signal },
    },
    async (body) => {
      const descriptor = openSync(place, 'w', 0o600);
      let written = 0;
      try {
        for await (const bytes of body) {
          for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
          written += bytes.length;
        }
        if (written === 0) throw new Error(`${formatSize(0)} came`);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    },
  );
}
