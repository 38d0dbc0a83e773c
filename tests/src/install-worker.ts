/** Installs to a disk in a process of its own, to be killed: `install-worker DEVICE SOURCE CONFIG`. */
import { installWith } from '@kairos/agent/commands/install';
import { openImageSource } from '@kairos/agent/sources/image-source';
import { machineWithVfat } from './loop-disk.ts';

const [, , device = '', source = '', configFile = ''] = process.argv;
try {
  await installWith(
    machineWithVfat(),
    { source, device, configFile, unattended: false, onProgress: ({ message }) => console.log(message) },
    { openSource: openImageSource, runStage: async () => undefined },
  );
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
