import { buildCommand } from '@stricli/core';
import { type Context, routeMap } from '../application.ts';
import { jsonFlag, text } from './flags.ts';

const show = buildCommand<{ readonly json: boolean }, [], Context>({
  docs: { brief: 'Print the state of the node as YAML: boot state, partitions, slots, boot report' },
  parameters: { flags: { json: jsonFlag } },
  async func({ json }) {
    const { showState } = await import('../node-state.ts');
    this.process.stdout.write(await showState({ json }));
  },
});

const get = buildCommand<{ readonly json: boolean }, [string], Context>({
  docs: { brief: 'Print one value of the state, such as boot or oem.mounted' },
  parameters: {
    flags: { json: jsonFlag },
    positional: {
      kind: 'tuple',
      parameters: [{ brief: 'Path of the value', placeholder: 'query', parse: text }],
    },
  },
  async func({ json }, query) {
    const { showState } = await import('../node-state.ts');
    this.process.stdout.write(await showState({ json, query }));
  },
});

export const stateRoutes = routeMap({
  routes: { show, get },
  defaultCommand: 'show',
  aliases: { g: 'get' },
  docs: { brief: 'The state of the node' },
});
