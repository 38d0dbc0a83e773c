import { buildCommand } from '@stricli/core';
import { type Context, routeMap } from '../application.ts';
import { jsonFlag, text } from './flags.ts';

export interface PhoneHomeVerbFlags {
  readonly url?: string;
  readonly token?: string;
  readonly group?: string;
  readonly heartbeatInterval?: string;
}

const option = (brief: string, placeholder: string) =>
  ({ kind: 'parsed', parse: text, brief, placeholder, optional: true }) as const;

const run = buildCommand<PhoneHomeVerbFlags, [], Context>({
  docs: {
    brief:
      'Keep a connection to the fleet server and do what it asks for and phonehome.allowed_commands allows',
    fullDescription:
      'What kairos-agent-phonehome.service runs. Ends with 0 where phonehome.url is not set and when the server told the node to leave.',
  },
  parameters: {
    flags: {
      url: option('Address of the server (env PHONEHOME_URL); default: phonehome.url', 'url'),
      token: option('Registration token (env PHONEHOME_REGISTRATION_TOKEN)', 'token'),
      group: option('Group that the node joins (env PHONEHOME_GROUP)', 'group'),
      heartbeatInterval: option('Time between heartbeats; default: 30s', 'duration'),
    },
  },
  async func(flags) {
    const { phoneHomeVerb } = await import('../phone-home-verbs.ts');
    await phoneHomeVerb(flags);
  },
});

const uninstall = buildCommand<{ readonly json: boolean }, [], Context>({
  docs: { brief: 'Stop it for good: the service, the credentials, and phonehome in the configuration' },
  parameters: { flags: { json: jsonFlag } },
  async func({ json }) {
    const { uninstallVerb } = await import('../phone-home-verbs.ts');
    this.process.stdout.write(await uninstallVerb(json));
  },
});

export const phoneHomeRoutes = routeMap({
  routes: { run, uninstall },
  defaultCommand: 'run',
  docs: { brief: 'The connection to a fleet server' },
});
