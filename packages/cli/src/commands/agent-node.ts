import { buildCommand } from '@stricli/core';
import { type Context, routeMap } from '../application.ts';
import { jsonFlag, text } from './flags.ts';

export const logsCommand = buildCommand<{ readonly output: string; readonly json: boolean }, [], Context>({
  docs: {
    brief: 'Write a bundle of logs for those who help: journals, log files, boot report, failed boots',
    fullDescription:
      'Configuration files and keys are never in it, and what looks like a secret in a log is replaced. logs.journal and logs.files in the cloud-config add units and paths.',
  },
  parameters: {
    flags: {
      output: {
        kind: 'parsed',
        parse: text,
        brief: 'File to write',
        placeholder: 'file',
        default: './kairos-logs.tar.gz',
      },
      json: jsonFlag,
    },
    aliases: { o: 'output' },
  },
  async func({ output, json }) {
    const { logsVerb } = await import('../node-verbs.ts');
    this.process.stdout.write(await logsVerb(output, json));
  },
});

export const uuidCommand = buildCommand<Record<never, never>, [], Context>({
  docs: {
    brief: 'Print what tells this node from others: machine id and host name (env UUID stands above it)',
  },
  parameters: {},
  async func() {
    const { uuidVerb } = await import('../node-verbs.ts');
    this.process.stdout.write(uuidVerb());
  },
});

export const versionCommand = buildCommand<{ readonly long: boolean; readonly json: boolean }, [], Context>({
  docs: { brief: 'Print the version' },
  parameters: {
    flags: {
      long: {
        kind: 'boolean',
        brief: 'With the runtime, the architecture and the system image',
        default: false,
        withNegated: false,
      },
      json: jsonFlag,
    },
    aliases: { l: 'long' },
  },
  async func({ long, json }) {
    const { versionVerb } = await import('../node-verbs.ts');
    this.process.stdout.write(versionVerb(long, json));
  },
});

const grubFile = {
  kind: 'parsed',
  parse: text,
  brief: 'Environment block',
  placeholder: 'file',
  default: '/oem/grubenv',
} as const;

export const grubEditRoutes = routeMap({
  routes: {
    list: buildCommand<{ readonly grubFile: string; readonly json: boolean }, [], Context>({
      docs: { brief: 'List the variables' },
      parameters: { flags: { grubFile, json: jsonFlag } },
      async func(flags) {
        const { grubEditVerb } = await import('../node-verbs.ts');
        this.process.stdout.write(await grubEditVerb([], flags));
      },
    }),
    set: buildCommand<{ readonly grubFile: string; readonly json: boolean }, string[], Context>({
      docs: { brief: 'Set variables; NAME= removes one' },
      parameters: {
        flags: { grubFile, json: jsonFlag },
        positional: {
          kind: 'array',
          minimum: 1,
          parameter: { brief: 'NAME=VALUE', placeholder: 'assignment', parse: text },
        },
      },
      async func(flags, ...words) {
        const { grubEditVerb } = await import('../node-verbs.ts');
        this.process.stdout.write(await grubEditVerb(words, flags));
      },
    }),
  },
  defaultCommand: 'list',
  docs: { brief: 'Variables of the boot menu' },
});
