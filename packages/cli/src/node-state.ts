import { state, stateGet } from '@kairos/agent/commands/state';
import { machineHost } from '@kairos/host/machine';

/** The state of this node, or one value of it, as text to print. */
export function showState(options: { readonly json: boolean; readonly query?: string }): Promise<string> {
  const { json, query } = options;
  return query === undefined ? state(machineHost(), { json }) : stateGet(machineHost(), query, { json });
}
