import { buildCommand } from '@stricli/core';
import type { Context } from '../application.ts';
import { jsonFlag, text } from './flags.ts';

export const imageCheckCommand = buildCommand<{ readonly json: boolean }, [string], Context>({
  docs: {
    brief: 'Check whether a root has what an OS image needs',
    fullDescription:
      'Checks a root directory: init system, GRUB for BIOS and EFI, kernel with what it needs, releases, leftovers. Says for each what was found and what to do.',
  },
  parameters: {
    flags: { json: jsonFlag },
    positional: {
      kind: 'tuple',
      parameters: [{ brief: 'Directory of the root', placeholder: 'root', parse: text }],
    },
  },
  async func({ json }, root) {
    const { checkVerb } = await import('../check-verb.ts');
    this.process.exitCode = await checkVerb(root, json);
  },
});
