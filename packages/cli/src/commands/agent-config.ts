import { buildCommand } from '@stricli/core';
import { type Context, routeMap } from '../application.ts';
import { jsonFlag, text } from './flags.ts';

const strictFlag = {
  kind: 'boolean',
  brief: 'Unknown keys are errors',
  default: false,
  withNegated: false,
} as const;
const one = (brief: string, placeholder: string) =>
  ({ kind: 'tuple', parameters: [{ brief, placeholder, parse: text }] }) as const;

const offlineFlag = {
  kind: 'boolean',
  brief: 'Leave what config_url names alone',
  default: false,
  withNegated: false,
} as const;

interface Flags {
  readonly json: boolean;
  readonly strict: boolean;
}

export const validateCommand = buildCommand<Flags, [string], Context>({
  docs: { brief: 'Check a cloud-config: a file, a URL, a directory, or - for standard input' },
  parameters: {
    flags: { json: jsonFlag, strict: strictFlag },
    positional: one('File, URL, directory or -', 'source'),
  },
  async func(flags, source) {
    const { validateVerb } = await import('../config-verbs.ts');
    this.process.exitCode = await validateVerb(source, flags);
  },
});

interface Links {
  readonly json: boolean;
  readonly offline: boolean;
}

const show = buildCommand<Flags & Links, [], Context>({
  docs: { brief: 'Print the merged configuration of this node with its sources' },
  parameters: { flags: { json: jsonFlag, strict: strictFlag, offline: offlineFlag } },
  async func(flags) {
    const { showVerb } = await import('../config-verbs.ts');
    this.process.exitCode = await showVerb(flags);
  },
});

const get = buildCommand<Links, [string], Context>({
  docs: { brief: 'Print one value of the configuration, such as install.device' },
  parameters: {
    flags: { json: jsonFlag, offline: offlineFlag },
    positional: one('Path of the value', 'query'),
  },
  async func(flags, query) {
    const { getVerb } = await import('../config-verbs.ts');
    this.process.stdout.write(await getVerb(query, flags));
  },
});

const explain = buildCommand<Links, [string], Context>({
  docs: { brief: 'Say which file set a key and what that took over' },
  parameters: {
    flags: { json: jsonFlag, offline: offlineFlag },
    positional: one('Key, such as install.device', 'key'),
  },
  async func(flags, key) {
    const { explainVerb } = await import('../config-verbs.ts');
    this.process.stdout.write(await explainVerb(key, flags));
  },
});

const diff = buildCommand<Links, [string, string], Context>({
  docs: { brief: 'Compare two cloud-configs by their values' },
  parameters: {
    flags: { json: jsonFlag, offline: offlineFlag },
    positional: {
      kind: 'tuple',
      parameters: [
        { brief: 'File, URL, directory or -', placeholder: 'before', parse: text },
        { brief: 'File, URL, directory or -', placeholder: 'after', parse: text },
      ],
    },
  },
  async func(flags, before, after) {
    const { diffVerb } = await import('../config-verbs.ts');
    this.process.exitCode = await diffVerb(before, after, flags);
  },
});

export const configRoutes = routeMap({
  routes: { show, get, explain, diff },
  defaultCommand: 'show',
  aliases: { g: 'get' },
  docs: { brief: 'The cloud-config of the node' },
});

export const printSchemaCommand = buildCommand<{ readonly version?: string }, [], Context>({
  docs: { brief: 'Print the JSON Schema of cloud-config, for editors' },
  parameters: {
    flags: {
      version: {
        kind: 'parsed',
        parse: text,
        brief: 'Version in its identifier',
        placeholder: 'version',
        optional: true,
      },
    },
  },
  async func({ version }) {
    const { schemaVerb } = await import('../config-verbs.ts');
    this.process.stdout.write(schemaVerb(version));
  },
});

export const renderTemplateCommand = buildCommand<
  { readonly file: string; readonly offline: boolean },
  [],
  Context
>({
  docs: {
    brief: 'Render a template with the configuration and the state of this node',
    fullDescription:
      'Go text/template with the functions of sprig. .Config is the merged configuration, .State what `state` prints, .Values the system information of stages.',
  },
  parameters: {
    flags: {
      file: { kind: 'parsed', parse: text, brief: 'Template, - for standard input', placeholder: 'file' },
      offline: offlineFlag,
    },
    aliases: { f: 'file' },
  },
  async func({ file, offline }) {
    const { renderVerb } = await import('../config-verbs.ts');
    this.process.stdout.write(await renderVerb(file, { offline }));
  },
});
