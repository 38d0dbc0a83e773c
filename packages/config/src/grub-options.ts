import { z } from 'zod';
import type { Problem } from './problem.ts';
import { grubOptions } from './schema/install.ts';
import type { Tree } from './tree.ts';
import { validate } from './validate.ts';

/** The two places in a cloud-config where variables of GRUB's environment stand. */
export interface WithGrubOptions {
  readonly grub_options?: Readonly<Record<string, unknown>> | null | undefined;
  readonly install?:
    | { readonly grub_options?: Readonly<Record<string, unknown>> | null | undefined }
    | null
    | undefined;
}

/**
 * Variables of GRUB's environment that a new disk begins with: those of the installation over those of the node. Keys without
 * a value are left out.
 */
export function initialGrubOptions(config: WithGrubOptions): Record<string, string> {
  const options: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...config.grub_options, ...config.install?.grub_options })) {
    if (value !== undefined && value !== null) options[name] = String(value);
  }
  return options;
}

const withGrubOptions = z
  .looseObject({
    grub_options: grubOptions,
    install: z.looseObject({ grub_options: grubOptions }).nullish(),
  })
  .nullish();

/** What is wrong with the variables of GRUB in a cloud-config, with places; all else in it is not judged. */
export function grubOptionsProblems(tree: Tree): Problem[] {
  return validate(tree, { schema: withGrubOptions });
}
