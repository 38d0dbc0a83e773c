import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { RootTree } from '@kairos/host/root-tree';
import { z } from 'zod';
import { filesystemTypes } from './filesystem.ts';

const recipeSchema = z.object({
  schemaVersion: z.literal(1),
  initrd: z.enum(['thin', 'dracut']),
  kernelArguments: z.array(z.string().regex(/^[^\s"\\$`]+$/)),
  filesystem: z
    .object({
      type: z.enum(filesystemTypes).optional(),
      compression: z.enum(['best', 'fast', 'none']),
    })
    .prefault({ compression: 'best' }),
});

/**
 * How the boot form of an image is made from its root, for whoever has only the layers: what a definition says that is
 * not to be seen in the root. It is in the root itself, so that it survives a Dockerfile on top.
 */
export type BootRecipe = z.infer<typeof recipeSchema>;

export const bootRecipePath = '/usr/lib/kairos/boot-form.json';

export function writeBootRecipe(tree: RootTree, recipe: Omit<BootRecipe, 'schemaVersion'>): void {
  tree.write(bootRecipePath, `${JSON.stringify({ schemaVersion: 1, ...recipe }, undefined, 2)}\n`);
}

/** The recipe of a root; one of an image that has none says nothing special. @throws KairosError `BOOT_RECIPE_INVALID` */
export function readBootRecipe(tree: RootTree, from: string): BootRecipe {
  const text = tree.readText(bootRecipePath);
  if (text === undefined)
    return recipeSchema.parse({ schemaVersion: 1, initrd: 'thin', kernelArguments: [] });
  try {
    return recipeSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new KairosError(
      'BOOT_RECIPE_INVALID',
      `${bootRecipePath} of ${from} is not valid: ${reasonOf(error)}`,
      {
        exit: 'unsuitableImage',
      },
    );
  }
}
