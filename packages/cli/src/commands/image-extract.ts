import { buildCommand } from '@stricli/core';
import type { Context } from '../application.ts';
import { text } from './flags.ts';

export const imageExtractCommand = buildCommand<{ readonly output: string }, [string, string], Context>({
  docs: { brief: 'Copy a file of the boot form out of an image: root.img, vmlinuz, initrd, image.json, …' },
  parameters: {
    flags: {
      output: {
        kind: 'parsed',
        parse: text,
        brief: 'File to write, - for standard output',
        placeholder: 'file',
      },
    },
    positional: {
      kind: 'tuple',
      parameters: [
        { brief: 'OS image: an OCI layout folder or dir:FOLDER', placeholder: 'image', parse: text },
        { brief: 'Name of the file', placeholder: 'name', parse: text },
      ],
    },
    aliases: { o: 'output' },
  },
  async func({ output }, image, name) {
    const { extractFile } = await import('../extract-file.ts');
    await extractFile(image, name, output);
  },
});
