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
