import { KairosError } from '@kairos/facts/errors';
import { buildCommand } from '@stricli/core';
import type { Context } from '../application.ts';
import { dryRunFlag, jsonFlag, text } from './flags.ts';

const onceOnly = (brief: string) => ({ kind: 'boolean', brief, default: false, withNegated: false }) as const;

export interface ResetVerbFlags {
  readonly source?: string;
  readonly unattended: boolean;
  readonly yes: boolean;
  readonly resetOem: boolean;
  readonly reboot: boolean;
  readonly poweroff: boolean;
  readonly strict: boolean;
  readonly status: boolean;
  readonly cancel: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

export const resetCommand = buildCommand<ResetVerbFlags, [], Context>({
  docs: {
    brief: 'Make the node new: its system from recovery, its data erased',
    fullDescription:
      'Runs in recovery. The active and the passive system become that of recovery, or of --source; the persistent partition is made anew (reset.reset-persistent), the OEM partition with the cloud-config stays unless --reset-oem is given. A reset that loses power is finished at the next start by itself.',
  },
  parameters: {
    flags: {
      source: {
        kind: 'parsed',
        parse: text,
        brief: 'Image for the node; default: what the configuration says, else that of recovery',
        placeholder: 'image',
        optional: true,
      },
      unattended: onceOnly('Begin at once, without a countdown'),
      yes: onceOnly('The same as --unattended'),
      resetOem: onceOnly('Erase the OEM partition too: cloud-config, users, boot options'),
      reboot: onceOnly('Restart afterwards'),
      poweroff: onceOnly('Power off afterwards'),
      strict: onceOnly('Problems of the configuration and failing stages end the reset'),
      status: onceOnly('Change nothing; tell what became of the last reset'),
      cancel: onceOnly('Give up a reset that is not finished'),
      dryRun: dryRunFlag,
      json: jsonFlag,
    },
  },
  async func(flags) {
    const { cancelResetVerb, resetVerb, resetStatusVerb } = await import('../reset-verb.ts');
    const { stdout } = this.process;
    if (flags.status && flags.cancel) {
      throw new KairosError('STATUS_AND_CANCEL', '--status and --cancel exclude each other', {
        exit: 'usage',
      });
    }
    if (flags.status) stdout.write(await resetStatusVerb(flags.json));
    else stdout.write(await (flags.cancel ? cancelResetVerb(flags) : resetVerb(flags)));
  },
});
