import { formatSize } from '@kairos/facts/size';
import type { InstallAction } from './step.ts';

/** A step in words, for progress and for `--dry-run`. */
export function describeStep(step: InstallAction): string {
  switch (step.kind) {
    case 'stage':
      return `run the stage ${step.stage}`;
    case 'chroot-stage':
      return `run the stage ${step.stage} in the system of ${step.slot}`;
    case 'bundles':
      return `install ${step.targets.join(', ')}`;
    case 'hook':
      return `run ${step.program} if it is there`;
    case 'stop-if-asked':
      return `stop if ${step.path} is there`;
    case 'partition':
      return `partition ${step.device}`;
    case 'make-filesystem':
      return `make ${step.filesystem}${step.label === '' ? '' : ` ${step.label}`} on ${step.device}`;
    case 'write-device':
      return `write ${formatSize(step.content.length)} of boot loader to ${step.device}`;
    case 'mount':
      return `mount ${step.device} on ${step.target}`;
    case 'remove':
      return `remove ${step.path}`;
    case 'copy-slot':
      return `copy ${formatSize(step.size)} from ${step.from ?? 'the image'} to ${step.to}, then read it back`;
    case 'write-file':
      return `write ${step.path} (${formatSize(step.content.length)})`;
    case 'record':
      return `record the installation in ${step.path}`;
    case 'checkpoint':
      return `bring all of ${step.mountPoint} to the disk`;
    case 'unmount':
      return `unmount ${step.target}`;
  }
}
