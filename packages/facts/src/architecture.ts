/** Processor architectures, in the names that OCI and Debian share. */
export const architectures = ['amd64', 'arm64', 'riscv64'] as const;
export type Architecture = (typeof architectures)[number];

/** The names by which others know an architecture. */
export const architectureNames: Readonly<
  Record<Architecture, { readonly uname: string; readonly efiSuffix: string; readonly grubEfi: string }>
> = {
  amd64: { uname: 'x86_64', efiSuffix: 'x64', grubEfi: 'x86_64-efi' },
  arm64: { uname: 'aarch64', efiSuffix: 'aa64', grubEfi: 'arm64-efi' },
  riscv64: { uname: 'riscv64', efiSuffix: 'riscv64', grubEfi: 'riscv64-efi' },
};

/** The architecture of the machine this runs on. */
export function hostArchitecture(): Architecture {
  if (process.arch === 'arm64') return 'arm64';
  if (process.arch === 'riscv64') return 'riscv64';
  return 'amd64';
}
