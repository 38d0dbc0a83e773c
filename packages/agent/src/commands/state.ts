import type { Host } from '@kairos/host/host';
import { stringify } from 'yaml';
import { readState } from '../state.ts';
import { printValue, queryValue } from '../state-query.ts';

/** `kairos-agent state`: the whole as YAML, or as JSON. */
export async function state(host: Host, options: { readonly json?: boolean } = {}): Promise<string> {
  const found = await readState(host);
  return options.json ? `${JSON.stringify(found, undefined, 2)}\n` : stringify(found);
}

/**
 * `kairos-agent state get QUERY`.
 * @throws KairosError `QUERY_INVALID`
 */
export async function stateGet(
  host: Host,
  query: string,
  options: { readonly json?: boolean } = {},
): Promise<string> {
  const value = queryValue(await readState(host), query);
  return options.json ? `${JSON.stringify(value ?? null)}\n` : printValue(value);
}
