import { KairosError } from '@kairos/facts/errors';
import { type Verity, verityArgument } from '@kairos/facts/image-manifest';
import type { FilesystemType } from './filesystem.ts';

/** The kernel arguments of an image, one line: how its root is opened comes first. */
export function imageCmdline(verity: Verity, filesystem: FilesystemType, args: readonly string[]): string {
  const words = [verityArgument(verity), `kairos.rootfstype=${filesystem}`, ...args];
  const line = words.join(' ');
  // The kernel of x86 keeps 2048 characters (COMMAND_LINE_SIZE), and the boot loader adds its own.
  if (line.length > 1500) {
    throw new KairosError(
      'CMDLINE_TOO_LONG',
      `The kernel arguments of the image have ${line.length} characters; 1500 leave room for those of the boot loader`,
      { exit: 'invalidInput' },
    );
  }
  return line;
}

/** The same for GRUB, which sources it. */
export function bootConfig(cmdline: string): string {
  return `set kairos_cmdline="${cmdline.replace(/["\\$`]/g, '\\$&')}"\n`;
}
