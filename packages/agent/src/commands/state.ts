import type { Clock } from '@kairos/host/clock';
import type { Host } from '@kairos/host/host';
import { lookAtSlots } from '../slots/places.ts';
import { printValue, queryValue } from '../state/query.ts';
import { type NodeState, readState } from '../state/state.ts';

export interface StateOptions {
  readonly json?: boolean;
  readonly clock?: Clock;
}

const withSlots = (host: Host, { clock }: StateOptions): Promise<NodeState> =>
  lookAtSlots(host, (places) => readState(host, places), clock);

/** Queries of what is known without looking into the partitions of the slots. */
const plainQuery = /^\s*\.?(?!slots\b|unread\b|next_boot\b|reset\b)[a-z_]+\b/;

/** `kairos-agent state`: the whole as YAML, or as JSON. */
export async function state(host: Host, options: StateOptions = {}): Promise<string> {
  const found = await withSlots(host, options);
  return options.json ? `${JSON.stringify(found, undefined, 2)}\n` : printValue(found);
}

/**
 * `kairos-agent state get QUERY`.
 * @throws KairosError `QUERY_INVALID`
 */
export async function stateGet(host: Host, query: string, options: StateOptions = {}): Promise<string> {
  const found = await (plainQuery.test(query) ? readState(host) : withSlots(host, options));
  const value = queryValue(found, query);
  return options.json ? `${JSON.stringify(value ?? null)}\n` : printValue(value);
}
