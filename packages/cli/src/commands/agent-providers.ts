import { buildCommand } from '@stricli/core';
import type { Context } from '../application.ts';
import { jsonFlag, text } from './flags.ts';

const directories = {
  kind: 'array',
  parameter: {
    brief: 'Directory of cloud-configs, instead of the usual ones',
    placeholder: 'dir',
    parse: text,
  },
} as const;

export interface StartFlags {
  readonly api?: string;
  readonly restart: boolean;
  readonly force: boolean;
  readonly json: boolean;
}

export const startCommand = buildCommand<StartFlags, string[], Context>({
  docs: {
    brief: 'The service at boot: tasks of the first boot, then the plug-ins (agent.bootstrap)',
    fullDescription:
      'On the first start of an installed system: bundles, grub_options and the stage first-boot, each repeated at the next start until it has succeeded. Then every plug-in (agent-provider-*) gets the event agent.bootstrap with the configuration of the node.',
  },
  parameters: {
    flags: {
      api: {
        kind: 'parsed',
        parse: text,
        brief: "Address of the node's mesh interface, for plug-ins; default: http://127.0.0.1:8080",
        placeholder: 'url',
        optional: true,
      },
      restart: {
        kind: 'boolean',
        brief: 'Start again where a plug-in failed',
        default: false,
        withNegated: false,
      },
      force: {
        kind: 'boolean',
        brief: 'Repeat the tasks of the first boot; start on a medium that is about to install too',
        default: false,
        withNegated: false,
      },
      json: jsonFlag,
    },
    positional: directories,
  },
  async func(flags, ...dirs) {
    const { startVerb } = await import('../provider-verbs.ts');
    this.process.stdout.write(await startVerb(flags, dirs));
  },
});

export const notifyCommand = buildCommand<{ readonly json: boolean }, string[], Context>({
  docs: {
    brief: 'Tell the plug-ins (agent-provider-*) of an event, with the configuration of the node',
    customUsage: ['[--json] EVENT [dir...]'],
  },
  parameters: {
    flags: { json: jsonFlag },
    positional: {
      kind: 'array',
      minimum: 1,
      parameter: {
        brief:
          'Event such as agent.boot, then directories of cloud-configs; default: /oem /usr/local/cloud-config',
        placeholder: 'event dir',
        parse: text,
      },
    },
  },
  async func({ json }, event = '', ...dirs) {
    const { notifyVerb } = await import('../provider-verbs.ts');
    this.process.exitCode = await notifyVerb(event, dirs, json);
  },
});

export const recoveryCommand = buildCommand<Record<never, never>, [], Context>({
  docs: { brief: 'Let another machine reach this one through a plug-in: shows a QR code and waits' },
  parameters: {},
  async func() {
    const { recoveryVerb } = await import('../provider-verbs.ts');
    await recoveryVerb();
  },
});
