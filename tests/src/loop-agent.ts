/**
 * The agent's `manual-install` for machine tests: installs to a loop device, and where the kernel has no vfat. Takes the
 * arguments that an installer gives, and tells what it does as the agent tells it.
 */
import { parseArgs } from 'node:util';
import { installWith } from '@kairos/agent/commands/install';
import { openImageSource } from '@kairos/agent/sources/image-source';
import { KairosError } from '@kairos/facts/errors';
import { machineWithVfat } from './loop-disk.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ...{ json: { type: 'boolean' }, force: { type: 'boolean' } },
    ...{ device: { type: 'string' }, source: { type: 'string' } },
    ...{ 'use-default-dirs': { type: 'boolean' }, 'leave-running': { type: 'boolean' } },
  },
});
const [verb, ...files] = positionals;
if (verb !== 'manual-install' || !values.json || !values['leave-running'])
  throw new Error(`called as ${verb}`);
try {
  const result = await installWith(
    machineWithVfat(),
    {
      ...{ moreConfigFiles: files, unattended: false, leaveRunning: true, onProgress: () => undefined },
      useDefaultDirectories: values['use-default-dirs'] ?? false,
      force: values.force ?? false,
      ...(values.device === undefined ? {} : { device: values.device }),
      ...(values.source === undefined ? {} : { source: values.source }),
    },
    { openSource: openImageSource, runStage: async () => undefined },
  );
  process.stdout.write(`${JSON.stringify(result)}\n`);
} catch (error) {
  if (!(error instanceof KairosError)) throw error;
  process.stderr.write(`${JSON.stringify({ error })}\n`);
  process.exitCode = error.exitCode;
}
