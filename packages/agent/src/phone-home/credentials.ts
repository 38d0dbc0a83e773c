import type { HostFiles } from '@kairos/host/host';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { agentStateDirectory } from '../first-boot.ts';

export const credentialsPath = `${agentStateDirectory}/phonehome-credentials.yaml`;

/** By which the server knows the node again; the file has the field's names. */
export interface PhoneHomeCredentials {
  readonly nodeId: string;
  readonly apiKey: string;
}

const schema = z.object({
  node_id: z.union([z.string(), z.number()]).transform(String),
  api_key: z.string().min(1),
});

/** `undefined` where there are none, or what is there is none: the node then registers anew. */
export function readCredentials(files: HostFiles): PhoneHomeCredentials | undefined {
  const text = files.readTextIfAny(credentialsPath);
  if (text === undefined) return undefined;
  try {
    const { node_id: nodeId, api_key: apiKey } = schema.parse(parse(text));
    return { nodeId, apiKey };
  } catch {
    return undefined;
  }
}

export function writeCredentials(files: HostFiles, { nodeId, apiKey }: PhoneHomeCredentials): void {
  files.write(credentialsPath, stringify({ node_id: nodeId, api_key: apiKey }), { mode: 0o600 });
}

export function removeCredentials(files: HostFiles): void {
  files.remove(credentialsPath);
}
