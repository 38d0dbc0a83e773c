import { buildCommand } from '@stricli/core';
import type { Context } from '../application.ts';
import { text } from './flags.ts';

const source = {
  kind: 'parsed',
  parse: text,
  brief: 'Image to install: oci:, dir:, ocifile:; default: the one of the live medium',
  placeholder: 'image',
  optional: true,
} as const;

interface WebuiFlags {
  readonly listen?: string;
  readonly http?: boolean;
  readonly unlessAutomatic: boolean;
  readonly source?: string;
  readonly json: boolean;
}

export const webuiCommand = buildCommand<WebuiFlags, [], Context>({
  docs: {
    brief: 'Install from a browser: serve a page that a code of the console opens',
  },
  parameters: {
    flags: {
      listen: {
        kind: 'parsed',
        parse: text,
        brief: 'Address to listen on; default: webui.listen_address of /etc/kairos/agent.yaml, else :8080',
        placeholder: 'address',
        optional: true,
      },
      http: {
        kind: 'boolean',
        brief: 'Plain HTTP: passwords and tokens can be read on the network',
        optional: true,
        withNegated: false,
      },
      source,
      unlessAutomatic: {
        kind: 'boolean',
        brief: 'Do nothing where the cloud-config asks for an unattended installation',
        default: false,
        withNegated: false,
      },
      json: {
        kind: 'boolean',
        brief: 'Print a line of JSON for each code: urls, code, fingerprint',
        default: false,
        withNegated: false,
      },
    },
  },
  async func(flags) {
    const { serveWebui } = await import('../installers.ts');
    await serveWebui(flags);
  },
});

export const interactiveInstallCommand = buildCommand<
  { readonly source?: string; readonly shell: boolean },
  [],
  Context
>({
  docs: { brief: 'Install from this terminal, question by question' },
  parameters: {
    flags: {
      source,
      shell: { kind: 'boolean', brief: 'Open a shell afterwards', default: false, withNegated: false },
    },
  },
  async func(flags) {
    const { installInteractively } = await import('../installers.ts');
    this.process.exitCode = await installInteractively(flags);
  },
});
