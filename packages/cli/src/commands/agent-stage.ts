import { buildCommand } from '@stricli/core';
import type { Context } from '../application.ts';
import { dryRunFlag, jsonFlag, text } from './flags.ts';

export interface StageFlags {
  readonly cloudInitPaths?: readonly string[];
  readonly overrideCloudInitPaths?: readonly string[];
  readonly analyze: boolean;
  readonly dryRun: boolean;
  readonly strict: boolean;
  readonly lenient: boolean;
  readonly json: boolean;
}

const directories = {
  kind: 'parsed',
  parse: text,
  variadic: true,
  optional: true,
  placeholder: 'path',
} as const;

export const runStageCommand = buildCommand<StageFlags, [string], Context>({
  docs: {
    brief: 'Run a stage of the cloud-configs',
    fullDescription:
      'Runs STAGE.before, STAGE and STAGE.after of /system/oem, /oem and /usr/local/cloud-config. Every step runs; what went wrong is told at the end, with its place, and makes the exit code non-zero.',
  },
  parameters: {
    flags: {
      cloudInitPaths: { ...directories, brief: 'Further directories, after the usual ones' },
      overrideCloudInitPaths: { ...directories, brief: 'Directories instead of the usual ones' },
      analyze: {
        kind: 'boolean',
        brief: 'Print the order of steps and why, run nothing',
        default: false,
        withNegated: false,
      },
      dryRun: dryRunFlag,
      strict: { kind: 'boolean', brief: 'Warnings count as errors', default: false, withNegated: false },
      lenient: {
        kind: 'boolean',
        brief: 'Exit with 0 in spite of failed steps',
        default: false,
        withNegated: false,
      },
      json: jsonFlag,
    },
    positional: {
      kind: 'tuple',
      parameters: [
        {
          brief: 'Stage: rootfs, initramfs, fs, boot, network, reconcile, …',
          placeholder: 'stage',
          parse: text,
        },
      ],
    },
    aliases: { a: 'analyze' },
  },
  async func(flags, stage) {
    const { runStageVerb } = await import('../stage-verb.ts');
    this.process.exitCode = await runStageVerb(stage, flags);
  },
});
